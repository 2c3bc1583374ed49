"""Where a number came from: profile, seed, versions, device, commit, date."""

import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fusqa.files import ROOT
from fusqa.study.profile import Profile

__all__ = ["code_state", "origin", "peak_mb"]

CODE = ("fusqa", "notebooks", "workflow", "profiles", "requirements.lock")
"""What a result depends on; prose, tests and published results are none of it."""


def origin(name: str, profile: Profile, cohort: str, seed: int) -> dict[str, Any]:
    """Where a result came from: profile, cohort, seed, versions, device, commit, date, processor time, memory."""
    import torch  # here, so that reading a profile does not load it

    gpu = torch.cuda.is_available()
    processor = f"CPU, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    packages = ("fusqa", "torch", "torchvision", "fastai", "numpy", "opencv-python-headless", "scikit-learn")
    return {
        "result": name,
        "profile": profile.name,
        "cohort": cohort,
        "seed": seed,
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "device": torch.cuda.get_device_name() if gpu else processor,
        "threads": profile.threads,
        "commit": _commit(),
        "code": code_state(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu_seconds": round(time.process_time(), 1),
        "peak_mb": round(peak_mb()),
    }


def peak_mb() -> float:
    """Most memory in MB (2²⁰ bytes) that this process has held since its program was loaded.

    Linux counts it in ``/proc``. The figure of ``getrusage`` begins at what the process that started this one held:
    beside a large parent, children of every size show the same.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024  # in kB
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024**2 if sys.platform == "darwin" else 1024)


def code_state() -> str | None:
    """Last commit that changed :data:`CODE`, "+changes" added where its files differ; None outside a checkout."""
    last, changes = _git("log", "-1", "--format=%H", "--", *CODE), _git("status", "--porcelain", "--", *CODE)
    return last and last + ("+changes" if changes else "")


def _commit() -> str | None:
    """Commit of the project's folder, with "+changes" where files differ from it; None outside a checkout."""
    head = _git("rev-parse", "HEAD")
    return head and head + ("+changes" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str | None:
    """What git says of the project's folder; None outside a checkout."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
