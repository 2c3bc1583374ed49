#!/usr/bin/env bash
# A SLURM cluster of one node on this machine, for tests: one_node_slurm.sh start|kill-node|revive|stop FOLDER
#
# Needs root and Debian's slurm-wlm and munge, and no other SLURM on the machine. Everything it writes lies in FOLDER,
# except for a link /etc/slurm/slurm.conf while it runs: jobs find the cluster by it. Such a link that a killed test
# left behind is taken away with its cluster; that of a test that still runs is waited for. There is no accounting database, as on many
# a small cluster.
set -euo pipefail

action=$1
folder=$2
configuration=/etc/slurm/slurm.conf
cores=$(nproc)

write_configuration() {
  mkdir -p "$folder"/{state,spool}
  cat > "$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=36817
SlurmdPort=36818
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
SlurmdTimeout=10
MinJobAge=120
ReturnToService=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$(($(free -m | awk '/Mem:/ {print $2}') * 9 / 10)) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

wait_for_node() {
  for _ in $(seq 60); do
    sinfo --noheader --format=%t 2>/dev/null | grep -qE '^(idle|mix|alloc)$' && return
    sleep 1
  done
  echo "the node does not come up; see $folder/*.log" >&2
  exit 1
}

process() {  # a number and a time of birth, which together are one process's alone
  ps -o pid=,lstart= -p "$1"
}

owner_lives() {  # whoever started the cluster in the given folder
  [ -f "$1/owner" ] && [ "$(process "$(awk '{print $1}' "$1/owner")")" = "$(cat "$1/owner")" ]
}

take_configuration() {  # the machine has one place for it
  for _ in $(seq 900); do
    ln -s "$folder/slurm.conf" "$configuration" 2>/dev/null && return
    other=$(dirname "$(readlink "$configuration")")
    if [ "$(basename "$other")" != "$(basename "$folder")" ]; then
      echo "$configuration exists: another SLURM is set up here" >&2
      exit 1
    fi
    owner_lives "$other" || "$0" stop "$other"
    sleep 1
  done
  echo "the cluster in $other does not end; stop it by: $0 stop $other" >&2
  exit 1
}

case $action in
  start)
    mkdir -p "$folder"
    process $PPID > "$folder/owner"
    take_configuration
    head -c 1024 /dev/urandom > "$folder/munge.key"
    chmod 700 "$folder"; chmod 400 "$folder/munge.key"
    munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" --pid-file="$folder/munged.pid" \
      --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    write_configuration
    slurmctld
    slurmd
    wait_for_node
    ;;
  kill-node)  # as if its power had failed: the daemon and whatever ran under it
    mapfile -t steps < <(pgrep -f '^([^ ]*/)?slurmstepd')
    groups=$(ps -o pgid= --ppid "${steps[*]}" || true)
    # these first and at once: one that lived on would report how its job ended, and the node be left completing it
    kill -9 "$(cat "$folder/slurmd.pid")" "${steps[@]}" 2>/dev/null || true
    for group in $groups; do kill -9 -- "-$group" 2>/dev/null || true; done
    ;;
  revive)
    slurmd
    wait_for_node
    ;;
  stop)
    scancel --user="$(id -un)" 2>/dev/null || true
    for daemon in slurmd slurmctld munged; do
      [ -f "$folder/$daemon.pid" ] || continue
      number=$(cat "$folder/$daemon.pid")
      ! kill "$number" 2>/dev/null || timeout 20 tail --pid="$number" -f /dev/null  # a successor needs its port
    done
    [ "$(readlink "$configuration")" != "$folder/slurm.conf" ] || rm "$configuration"
    ;;
esac
