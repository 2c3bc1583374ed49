"""How far a study is: one line whenever a job has ended, with the time that is left.

The workflow starts :func:`watch` when it starts, and asks for :func:`failures` when it ends badly; the weights of the
jobs are those of :mod:`fusqa.publishing.estimation`. This module loads nothing but Python itself, because Snakemake
loads it.
"""

import csv
import json
import sys
import threading
import time
from pathlib import Path

EVERY = 2.0  # seconds between two looks
TRUSTED = 60.0  # seconds for which the estimate is believed before the study's own pace counts


class Progress:
    """The jobs of a study, by the files that they leave.

    Parameters
    ----------
    estimate : Path
        Table that :mod:`fusqa.publishing.estimation` writes; it appears, or is written anew, while the study runs.
    at_once : int
        Jobs that run side by side.
    """

    def __init__(self, estimate: Path, at_once: int):
        self.estimate, self.at_once, self.begin = estimate, at_once, time.time()
        self.seconds: dict[Path, float] = {}
        self.written: float | None = None  # when the estimate was, by its file
        self.counted: set[Path] | None = None  # files that the last line counted

    def line(self) -> str | None:
        """Return what there is to say since the last call, if anything."""
        written = _written(self.estimate)
        if written is None:
            return None
        if written != self.written:
            with self.estimate.open(encoding="utf-8", newline="") as rows:
                self.seconds = {self.estimate.parent / r["file"]: float(r["seconds"]) for r in csv.DictReader(rows)}
            self.written, self.counted = written, None
        times = {file: _written(file) for file in self.seconds}
        done = {file for file, time_of in times.items() if time_of is not None}
        if done == self.counted:
            return None
        first, self.counted = self.counted is None, done
        left = sum(self.seconds[file] for file in self.seconds.keys() - done)
        ran = sum(self.seconds[file] for file in done if times[file] >= self.begin)
        elapsed = time.time() - self.begin
        rate = self.at_once if first else (ran + TRUSTED * self.at_once) / (elapsed + TRUSTED)
        said = f"{len(done)} of {len(self.seconds)} jobs done, {_span(elapsed)} so far, about {_span(left / rate)} left"
        if first:
            total = _span(sum(self.seconds.values()) / self.at_once)
            said = f"estimate for this machine: {total} with {self.at_once} at once; {said}"
        return f"study: {said}"


def failures(study: Path) -> list[str]:
    """Say of every notebook of a study that failed what it ended in, and where its outputs and its log are."""
    said = []
    for left in sorted(study.glob("*/notebooks/*.failed.ipynb")):
        name, cohort = left.name.removesuffix(".failed.ipynb"), left.parents[1]
        try:
            cells = json.loads(left.read_text(encoding="utf-8"))["cells"]
        except ValueError:  # it was being written when the disk was full, or when its process was killed
            cells = []
        errors = [out for cell in cells for out in cell.get("outputs", ()) if out.get("output_type") == "error"]
        cause = f"{errors[0]['ename']}: {errors[0]['evalue']}" if errors else "it was ended from outside"
        said.append(f"failed: {name} on {cohort.name}: {cause}\n  outputs: {left}\n  log: {cohort / 'logs' / name}.log")
    return said


def _written(file: Path) -> float | None:
    """When a file was written; None where there is none, as while the job that makes it anew is at work."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return None


def _span(seconds: float) -> str:
    """Write a time in words."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def watch(estimate: Path, at_once: int) -> None:
    """Write such lines to the error stream as long as this process lives."""
    progress = Progress(estimate, at_once)

    def look() -> None:
        while True:
            if line := progress.line():
                print(line, file=sys.stderr, flush=True)
            time.sleep(EVERY)

    threading.Thread(target=look, daemon=True).start()
