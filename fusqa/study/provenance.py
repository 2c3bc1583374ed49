"""Where a number came from: profile, seed, versions, device, commit, date."""

import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from fusqa.files import ROOT
from fusqa.study.profile import Profile

__all__ = ["origin", "peak_mb"]


def origin(name: str, profile: Profile, cohort: str, seed: int) -> dict[str, Any]:
    """Where a result came from: profile, cohort, seed, versions, device, commit, date, processor time, memory."""
    packages = ("fusqa", "torch", "torchvision", "fastai", "numpy", "opencv-python-headless", "scikit-learn")
    return {
        "result": name,
        "profile": profile.name,
        "cohort": cohort,
        "seed": seed,
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in packages if _installed(package)},
        "device": _device(),
        "threads": profile.threads,
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu_seconds": round(time.process_time(), 1),
        "peak_mb": round(peak_mb()),
    }


def _installed(package: str) -> bool:
    """Whether a package is installed; a chapter that only reads results runs without networks."""
    return any(True for _ in distributions(name=package))


def _device() -> str:
    """What computed: the graphics card, or the processor with the instructions that torch uses on it."""
    try:
        import torch  # here, so that reading a profile does not load it
    except ImportError:
        return f"CPU, {platform.machine()}"
    gpu = torch.cuda.is_available()
    processor = f"CPU, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    return torch.cuda.get_device_name() if gpu else processor


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


def _commit() -> str | None:
    """Commit of the project's folder, with "+changes" where files differ from it; None outside a checkout."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if dirty else "")
