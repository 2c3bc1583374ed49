"""Where a number came from: profile, seed, versions, device, commit, state of the code, date."""

import platform
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import numpy as np

from fusqa.files import ROOT
from fusqa.study.profile import Profile

CODE = ("fusqa", "notebooks", "workflow", "profiles", "requirements.lock")
"""What a result follows from. Prose, tests and published results change no number."""


def origin(name: str, profile: Profile, cohort: str, seed: int) -> dict[str, Any]:
    """Where a result came from: profile, cohort, seed, versions, device, code, date, processor time, memory."""
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
        "commit": commit_of(ROOT),
        "code": code_state(ROOT),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu_seconds": round(time.process_time(), 1),
        "peak_mb": round(peak_mb()),
    }


_VECTORS = {"X86_V4": "AVX512", "X86_V3": "AVX2"}
"""NumPy's name for what a processor can do -> the name that PyTorch has for it."""


def _installed(package: str) -> bool:
    """Whether a package is installed; a chapter that only reads results runs without networks."""
    return any(True for _ in distributions(name=package))


def _device() -> str:
    """What computed: the graphics card, or the processor with its vector instructions."""
    torch = sys.modules.get("torch")  # a process that has not loaded it asked no network, and need not wait for it
    if torch and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())
    level = next((name for level, name in _VECTORS.items() if level in found), "")
    return ", ".join(filter(None, ["CPU", platform.machine(), level]))


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


def code_of(provenance: Mapping[str, Any]) -> str | None:
    """State of the code that a result names; of results from before it was kept, their commit."""
    return provenance.get("code") or provenance.get("commit")


def short(state: str) -> str:
    """As much of a commit, or of a state of the code, as names it; "+changes" stays."""
    head, plus, changes = state.partition("+")
    return head[:10] + plus + changes


def states_told(provenances: Iterable[Mapping[str, Any]]) -> str:
    """Sentence that names the state of the code that results are of, or says plainly that they are of several."""
    files = Counter(short(code_of(provenance) or "unknown") for provenance in provenances)
    if len(files) == 1:
        return f"All results are of one state of the code, {next(iter(files))}."
    counted = ", ".join(f"{state} ({number} result{'s' * (number > 1)})" for state, number in files.most_common())
    return f"These results are of {len(files)} states of the code and need not agree with each other: {counted}."


def code_state(root: Path) -> str | None:
    """Last commit that touched the code of the project in `root`, with "+changes" where its files differ from that.

    Unlike the commit of the folder, it stays the same while results are published and prose is written. None outside a
    checkout.
    """
    return _state(_git(root, "log", "-1", "--format=%H", "--", *CODE), _git(root, "status", "--porcelain", "--", *CODE))


def commit_of(root: Path) -> str | None:
    """Commit of a folder, with "+changes" where files differ from it; None outside a checkout.

    Published results do not count: a run may be published half-way, and goes on.
    """
    return _state(_git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--", ".", ":!results"))


def _state(commit: str | None, changed: str | None) -> str | None:
    """Put a commit and what differs from it into one word."""
    return commit + ("+changes" if changed else "") if commit else None


def _git(root: Path, *command: str) -> str | None:
    """What git says of a project; None where it says nothing, and in a folder that lies within another checkout."""
    try:
        top, said = (
            subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "--show-toplevel"), command)
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return said or None if Path(top).resolve() == root.resolve() else None
