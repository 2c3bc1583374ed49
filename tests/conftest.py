"""What several tests share: the real data where it lies, and one small study, killed half-way and finished."""

import csv
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

if TYPE_CHECKING:
    from fusqa.cohorts.cohort import Cohort

ROOT = Path(__file__).resolve().parents[1]
SMOKE = ROOT / "tests/smoke.yaml"

# What the command prints is read as text: neither coloured, as Typer does on GitHub, nor broken at a narrow screen.
for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):
    os.environ.pop(name, None)
os.environ["COLUMNS"] = "200"

# The project looks for real data in data/ and in FUSQA_DATA alone; the tests look beside the checkout, too.
if (ROOT.parent / "shared/data/hc18").is_dir():
    os.environ.setdefault("FUSQA_DATA", str(ROOT.parent / "shared/data"))


@pytest.fixture(scope="session", autouse=True)
def _threads() -> int | None:
    """How many threads PyTorch takes before any test has had a say; None where no test that was collected loads it."""
    torch = sys.modules.get("torch")
    return torch and torch.get_num_threads()


@pytest.fixture(autouse=True)
def as_many_threads_as_before(_threads) -> Iterator[None]:
    """Every test begins with PyTorch's own number of threads, whatever a test or a fixture before it has set.

    Code that works side by side depends on that number, and no test may depend on which came before it.
    """
    if _threads:
        sys.modules["torch"].set_num_threads(_threads)
    yield
    if _threads:
        sys.modules["torch"].set_num_threads(_threads)


@pytest.fixture
def closed_figures() -> Iterator[None]:
    """Figures that a test draws are closed behind it."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def publishing(verb: str, *arguments: str | Path) -> Result:
    """Run ``python -m fusqa.publishing`` within this process."""
    from fusqa.publishing.__main__ import app

    return CliRunner().invoke(app, [verb, *map(str, arguments)])


LONG = ("test_published_half.py", "test_names.py", "test_book.py", "test_read.py", "test_contributing.py",
        "test_notebooks.py", "test_training.py", "test_unpacking.py")  # fmt: skip
"""Modules that take long: they come before the many short tests, so that no worker ends on a long one alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the test that mostly waits for its cluster, and in the middle of the list with the small study.

    Two workers are given half of the list each: so the one waits while the other makes what many tests need.
    """
    asked = {item: getattr(item, "fixturenames", ()) for item in items}
    waiting = [item for item in items if "cluster" in asked[item]]
    study = [item for item in items if "small_study" in asked[item] and item not in waiting]
    rest = [item for item in items if item not in waiting and item not in study]
    rest.sort(key=lambda item: item.path.name not in LONG)
    middle = max(len(items) // 2 - len(waiting), 0)
    items[:] = [*waiting, *rest[:middle], *study, *rest[middle:]]


def _real(name: str) -> Path:
    """Folder of real images, which the project may read and not hold."""
    folder = Path(os.environ.get("FUSQA_DATA", ROOT / "data"))
    if not (folder / name).is_dir():
        pytest.skip(f"no {name}/ in {folder}: set FUSQA_DATA to the folder that holds it")
    return folder / name


@pytest.fixture(scope="session")
def real_hc18() -> Path:
    """HC18 as unpacked."""
    return _real("hc18")


@pytest.fixture(scope="session")
def real_case() -> Path:
    """One real first-trimester case, ``image.png`` and ``mask.png`` with an expert's four labels."""
    return _real("crl_case")


@pytest.fixture(scope="session")
def eight_cases(tmp_path_factory) -> "Cohort":
    """A simulated cohort that is large enough to train a little on; tests only read it."""
    from fusqa.cohorts.writing import write_cohort
    from fusqa.masks.labels import FETUS
    from fusqa.simulator.cases import draw_case

    cases = [draw_case("A", 0, i) for i in range(8)]
    return write_cohort(tmp_path_factory.mktemp("eight_cases"), cases, scheme=FETUS, source="test", licence="MIT")


LONG_NAME = "長" * 70  # 210 bytes: with its ending as long as a file's name may be


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a table that the command has written, as text."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def plainly(rows: Iterable, done: int) -> Iterable:
    """Take the place of a progress bar over what is left after so many rows are `done`."""
    return rows


class Killed(BaseException):
    """A run was ended from outside."""


def stopped_after(count: int) -> Callable[[Iterable, int], Iterator]:
    """The same, of a run that is killed when it has given so many rows."""

    def until_killed(rows: Iterable, done: int) -> Iterator:
        for number, row in enumerate(rows):
            if number == count:
                raise Killed
            yield row

    return until_killed


def comes_true(what: Callable[[], object], seconds: float, every: float = 0.005) -> bool:
    """Wait until something is true; return whether it was within so many seconds, asked again after every so many."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


PROCESSORS = {
    "with AVX2": {"OPENCV_CPU_DISABLE": "AVX512-SKX", "OPENCV_IPP": "avx2"},
    "with SSE3": {"OPENCV_CPU_DISABLE": "SSE4.1,SSE4.2,AVX,FP16,AVX2,AVX512-SKX", "OPENCV_IPP": "disabled"},
}
"""What an older processor would make of NumPy and OpenCV, which have code of their own for each generation."""

BEYOND = {"with AVX2": "NumPy|512", "with SSE3": "NumPy|SSE|AVX|: FP16|ipp"}
"""Patterns of the instructions that are switched off on it."""


def instructions_beyond(processor: str) -> list[str]:
    """Instructions that NumPy and OpenCV use in this process, and would not use on another processor."""
    import cv2

    used = {f"NumPy: {name}" for name in np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])}
    line = cv2.getCPUFeaturesLine().split()  # "*AVX2" is used where the processor has it, "*AVX2?" means that it is not
    used |= {f"OpenCV: {word[1:]}" for word in line if word.startswith("*") and not word.endswith("?")}
    if cv2.ipp.useIPP():
        used.add(f"OpenCV: {cv2.ipp.getIppVersion()}")
    return sorted(one for one in used if re.search(BEYOND[processor], one))


def python_on(processor: str, code: str) -> str:
    """Return what lines of Python that import from the rooms of ``tests/`` print in a process on another processor."""
    if not instructions_beyond(processor):
        pytest.skip(f"this processor has nothing that one {processor} lacks")
    # A switch that is misspelt, or that a new version no longer knows, would leave this processor as it is.
    check = f"import conftest; left = conftest.instructions_beyond({processor!r}); assert not left, left"
    vector = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    rooms = [str(folder) for folder in (ROOT / "tests").iterdir() if folder.is_dir()]
    path = os.pathsep.join([str(ROOT / "tests"), *rooms, str(ROOT)])
    system = {"PYTHONPATH": path, "PYTHONHASHSEED": "7", "NPY_DISABLE_CPU_FEATURES": " ".join(vector)}
    command = [sys.executable, "-c", f"{check}\n{code}"]
    settings = os.environ | system | PROCESSORS[processor]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(command: list[str], folder: Path = ROOT, **system: str) -> str:
    """Run a command that must succeed in a folder, with more settings of the system; return all that it says."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | system)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def snakemake(
    build: str | Path, *targets: str, profile: str | Path = SMOKE, options: tuple[str, ...] = ()
) -> list[str]:
    """Command line that runs the workflow as the Makefile does, into `build`."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile"]
    command += ["--profile", "workflow/profiles/local", "--cores", "2", *options]
    return [*command, "--config", f"profile={profile}", f"build={build}", "--", *targets]


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, to add something to."""

    folder: Path

    def run(self, command: list[str]) -> str:
        """Run a command in it, and return all that it says."""
        return run(command, self.folder, PYTHONPATH=str(self.folder), FUSQA_DATA=str(self.folder / "data"))


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """What a newcomer changes is copied; the rest is as it is here."""
    folder = tmp_path / "checkout"
    for part in ("fusqa", "notebooks", "profiles", "workflow"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for part in ("book", "results", "_config.yml", "CHANGELOG.md", "CITATION.cff"):
        (folder / part).symlink_to(ROOT / part)
    shutil.copy(ROOT / "_toc.yml", folder)
    return Checkout(folder)


@dataclass(frozen=True)
class SmallStudy:
    """The profile ``smoke``, run through Snakemake, killed with SIGKILL half-way, and run again to the end.

    Attributes
    ----------
    build : Path
        The folder with everything.
    survived : dict of Path to int
        Results that were complete when the run was killed, with the time of their last change (ns).
    """

    build: Path
    survived: dict[Path, int]

    @property
    def folder(self) -> Path:
        return self.build / "smoke"


def changed(files) -> dict[Path, int]:
    """When each file was last changed, in nanoseconds."""
    return {file: file.stat().st_mtime_ns for file in files}


@pytest.fixture(scope="session")
def small_study(tmp_path_factory, worker_id) -> SmallStudy:
    """Whoever asks first makes it; the workers of one run share it, and only read it."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    build, told = shared / "study", shared / "survived.json"
    with (shared / "study.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.is_file():
            shutil.rmtree(build, ignore_errors=True)  # of a worker that failed
            build.mkdir()
            survived = kill_and_resume(build)
            told.write_text(json.dumps({str(file): time for file, time in survived.items()}))
    return SmallStudy(build, {Path(file): time for file, time in json.loads(told.read_text()).items()})


def kill_and_resume(build: Path) -> dict[Path, int]:
    """Run the small study into `build`, kill it half-way, run it to the end; return what had survived the kill."""
    with open(build / "killed.log", "w") as log:
        run = subprocess.Popen(snakemake(build, "study"), cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        masks = build / "smoke/simulated/notebooks/altered_masks.ipynb"
        comes_true(lambda: masks.exists() or run.poll() is not None, 300, every=0.05)
        time.sleep(3)  # another job is in the midst of its work now
        assert run.poll() is None, (build / "killed.log").read_text()
        os.killpg(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, (build / "killed.log").read_text()
    (build / "smoke/simulated/results/.part-of-a-table.csv").write_text("half")  # few kills fall into such a moment
    # a job that was killed between its last file and Snakemake's noting so is done again: not among the survivors
    finished = re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", (build / "killed.log").read_text())
    count = sum((ROOT / f"notebooks/{rule}.ipynb").exists() for rule in finished)
    executed = changed(p for p in (build / "smoke").rglob("notebooks/*.ipynb") if not p.name.endswith("failed.ipynb"))
    survived = dict(sorted(executed.items(), key=lambda item: item[1])[:count])
    done = subprocess.run(snakemake(build, "book"), cwd=ROOT, capture_output=True, text=True)
    (build / "resumed.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return survived


@pytest.fixture(scope="session")
def book_html(small_study) -> Path:
    """Folder of the book bound from the small study."""
    return small_study.folder / "book/html"
