"""Speed compared: each row times our code and something else in this process, one after the other, with their ratio.

``make bench`` runs it, ``python benchmarks/speed.py assessing`` a part of it. Most times are the best of several, on
one thread unless a row says otherwise; whole studies, cohorts and memory are measured once. Times depend on the
machine, ratios hardly do. The second table says how time grows: the same work at several sizes, relative to the
smallest.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import onnxruntime
import pandas as pd
import torch
import yaml
from monai.transforms.utils_morphological_ops import dilate, erode
from scipy import ndimage
from scipy.spatial.distance import pdist
from skimage.measure import regionprops
from torch import Tensor, nn

from fusqa.assessment.onnx_file import export
from fusqa.assessment.verdicts import Assessor
from fusqa.cohorts.cohort import Cohort
from fusqa.cohorts.reading import Case, Input
from fusqa.masks.alterations import altered_masks, replay
from fusqa.masks.crown_rump import crown_rump_length
from fusqa.masks.label_images import resize_labels
from fusqa.masks.labels import FETUS
from fusqa.models.backbones import BACKBONES
from fusqa.models.checkpoints import Card, save_model
from fusqa.models.learner import Precision, Resident, computes_in, fit, make_learner, pictures
from fusqa.models.networks import quality_model
from fusqa.models.plan import Training
from fusqa.simulator.cases import draw_case, simulate
from fusqa.study.material import AlteredSet
from fusqa.study.profile import ROOT, Profile
from fusqa.study.rows import Row

SIZE, STEPS = 64, 30
SQUARE = np.ones((3, 3), bool)


def best(call: Callable, repeats: int, *arguments) -> float:
    """Shortest of `repeats` runs of ``call(*arguments)``, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


def row(what: str, ours: float, other: str, theirs: float) -> dict:
    """One line of the table; times in ms, and how many times as long the other side takes."""
    return {"what": what, "ours ms": 1e3 * ours, "beside": other, "its ms": 1e3 * theirs, "ratio": theirs / ours}


@cache
def few_cases() -> list[Case]:
    """A few cases of site A, which are repeated."""
    return [draw_case("A", 0, index) for index in range(8)]


def samples(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, masks and labels of network size; a few cases repeated."""
    cases = few_cases()
    images = np.stack([cv2.resize(case.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for case in cases])
    masks = np.stack([resize_labels(case.mask, (SIZE, SIZE)) for case in cases])
    pick = np.arange(count) % len(cases)
    return images[pick], masks[pick], (np.arange(count) % 2).astype(np.float32)


def training() -> Iterator[dict]:
    """A step as the study trains, augmentation included, against a bare loop, and against a DataBlock of PNG files.

    All three have the profile's batch and precision, and validate one batch after the last step. Our images are in
    memory at the network's size, where a study has put them once; the files are as a cohort has them.
    """
    profile = Profile.read("overnight")
    for backbone in ("resnet18", "efficientnet-lite0", "alexnet"):
        plan = profile.training(Row("single", backbone, False))
        plan = plan.model_copy(update={"size": SIZE, "budget": plan.batch * STEPS, "rounds": 1})
        title = f"training step, {BACKBONES[backbone].title}, {SIZE} px, batch {plan.batch}"
        what = f"{title}, {computes_in(plan.precision, 'cpu')}"
        shown = samples(plan.batch * (STEPS + 1))
        ours = through_learner(backbone, plan, *shown)
        yield row(what, ours, "bare PyTorch loop, no augmentation", bare(backbone, plan, *shown))
        yield row(what, ours, "fastai DataBlock of PNG files", datablock(backbone, plan, shown[-1]))


def through_learner(backbone: str, plan: Training, images: np.ndarray, masks: np.ndarray, good: np.ndarray) -> float:
    """Seconds per step of our Learner."""
    columns = pictures(images), torch.from_numpy(masks), torch.from_numpy(good)
    train, few = Resident(*columns), Resident(*(column[: plan.batch] for column in columns))
    made = make_learner(quality_model("single", backbone, False), nn.BCEWithLogitsLoss(), train, few, plan, seed=0)
    return best(fit, 2, made) / STEPS


def bare(backbone: str, plan: Training, images: np.ndarray, masks: np.ndarray, good: np.ndarray) -> float:
    """Seconds per step of a loop of plain PyTorch; its last batch stands for the validation."""
    x, y, t = pictures(images), torch.from_numpy(masks), torch.from_numpy(good)
    model = quality_model("single", backbone, False).to(memory_format=torch.channels_last).train()
    optimiser, loss = torch.optim.Adam(model.parameters(), plan.rate), nn.BCEWithLogitsLoss()
    *batches, last = torch.arange(len(x)).split(plan.batch)

    def answer(at: Tensor) -> Tensor:
        image = (x[at].float() / 255).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, computes_in(plan.precision, "cpu") == "bfloat16"):
            return model(image, y[at]).float()

    def loop() -> None:
        for at in batches:
            optimiser.zero_grad()
            loss(answer(at), t[at]).backward()
            optimiser.step()
        with torch.no_grad():
            answer(last)

    return best(loop, 2) / STEPS


def datablock(backbone: str, plan: Training, good: np.ndarray) -> float:
    """Seconds per step of fastai's usual way: one PNG file per image, opened, resized and augmented one by one.

    A file is as large as the images of site A, with the mask as its third channel, so that there is only one to open.
    """
    from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, IndexSplitter, Learner, Resize, aug_transforms

    with TemporaryDirectory() as folder:
        shown = [np.dstack([case.image, case.image, case.mask * 60]) for case in few_cases()]
        packed = [cv2.imencode(".png", pixels)[1].tobytes() for pixels in shown]
        for number in range(len(good)):
            Path(folder, f"{number:05}.png").write_bytes(packed[number % len(packed)])
        block = DataBlock(
            (ImageBlock, CategoryBlock(vocab=["0.0", "1.0"])),
            get_items=lambda path: sorted(Path(path).glob("*.png")),
            get_y=lambda path: str(good[int(path.stem)]),
            splitter=IndexSplitter(range(plan.batch)),
            item_tfms=Resize(SIZE),
            batch_tfms=aug_transforms(max_rotate=10),
        )
        loaders = block.dataloaders(folder, bs=plan.batch, num_workers=0)
        features, width = BACKBONES[backbone].features(False)
        precision = [Precision()] * (computes_in(plan.precision, "cpu") == "bfloat16")
        learn = Learner(loaders, nn.Sequential(features, nn.Linear(width, 2)), nn.CrossEntropyLoss(), cbs=precision)
        with learn.no_bar(), learn.no_logging():
            learn.fit(1)
            return best(lambda: learn.fit(1), 2) / len(loaders.train)


SCIPY = {
    "keep": lambda layer: layer,
    "dilate": lambda layer, steps: ndimage.binary_dilation(layer, SQUARE, iterations=steps),
    "erode": lambda layer, steps: ndimage.binary_erosion(layer, SQUARE, iterations=steps, border_value=1),
    "grow": lambda layer, radius_px: ndimage.distance_transform_edt(~layer) <= radius_px,
    "shrink": lambda layer, radius_px: ndimage.distance_transform_edt(layer) > radius_px,
    "delete": np.zeros_like,
    "mirror": np.flipud,
}


def by_scipy(mask: np.ndarray, recipe: dict) -> np.ndarray:
    """Follow a recipe with SciPy and NumPy, each label in its box as ours is."""
    numbers = {key: value for key, value in recipe.items() if key not in ("operation", "label", "to")}
    if recipe["operation"] == "keep":
        return mask.copy()
    number = FETUS.id(recipe["label"])
    if recipe["operation"] == "relabel":
        return np.where(mask == number, np.uint8(FETUS.id(recipe["to"])), mask)
    margin = int(np.ceil(max(numbers.values(), default=0))) + 1
    found = ndimage.find_objects(mask)[number - 1]
    box = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in found)
    box = (slice(None), box[1]) if recipe["operation"] == "mirror" else box
    layers = FETUS.layers(mask[box])
    layers[recipe["label"]] = SCIPY[recipe["operation"]](layers[recipe["label"]], **numbers)
    out = mask.copy()
    out[box] = FETUS.paint(layers)
    return out


def alterations() -> Iterator[dict]:
    """Ten altered masks against the same ten by SciPy, and against six morphological ones by MONAI."""
    masks = [draw_case("A", 0, number).mask for number in range(5)]
    recipes = [(mask, ten.recipe) for mask in masks for ten in altered_masks(mask, np.random.default_rng(0))]
    if not all(np.array_equal(by_scipy(*given), replay(*given)) for given in recipes):
        raise SystemExit("SciPy makes other masks of the same recipes: the row would compare unlike things")
    drawn = best(lambda: [altered_masks(mask, np.random.default_rng(0)) for mask in masks], 10) / len(masks)
    ours = best(lambda: [replay(*given) for given in recipes], 10) / len(masks)
    theirs = best(lambda: [by_scipy(*given) for given in recipes], 10) / len(masks)
    mask = masks[0]
    what = f"ten altered masks, {mask.shape[1]}×{mask.shape[0]}"
    yield row(f"{what}, from their recipes", ours, "scipy.ndimage, the same ten from the same recipes", theirs)
    yield row(f"{what}, recipes drawn too", drawn, "scipy.ndimage, the same ten from given recipes", theirs)
    tensor = torch.from_numpy(mask == FETUS.id("body"))[None, None].float()

    def with_monai():
        for side in (3, 3, 61):  # one large square does what thirty small ones do
            dilate(tensor, side)
            erode(tensor, side)

    yield row(f"{what}, recipes drawn too", drawn, "MONAI, six of the kind on the whole image", best(with_monai, 2))


def lengths() -> Iterator[dict]:
    """Crown-rump length against three ways to the same number, and against looking at every pixel once."""
    case = draw_case("A", 0, 0)
    for side in (224, 1024):
        mask = resize_labels(case.mask, (side, side))
        spacing = tuple(0.2 * n / side for n in case.mask.shape)
        fetus = FETUS.body(mask).astype(np.uint8)
        outline = np.argwhere(cv2.dilate(fetus, np.ones((3, 3), np.uint8)) - fetus) * np.array(spacing)

        def all_pairs(points=outline):
            return max(np.sqrt(((points - point) ** 2).sum(1).max()) for point in points)

        sides = {
            "all pairs of contour pixels": all_pairs,
            "SciPy pdist of the contour": lambda points=outline: pdist(points).max(),
            "scikit-image feret_diameter_max": lambda fetus=fetus: regionprops(fetus)[0].feret_diameter_max,
            "one comparison of every pixel": lambda mask=mask: mask == 1,
        }
        ours = best(crown_rump_length, 30, mask, spacing)
        for name, call in sides.items():
            yield row(f"crown-rump length, {side} px", ours, name, best(call, 30))


def simulation() -> Iterator[dict]:
    """Drawing cases, against drawing and writing them as a cohort."""
    drawn = best(lambda: [draw_case("A", 0, index) for index in range(10)], 2) / 10
    with TemporaryDirectory() as folder:
        written = best(lambda: simulate(Path(folder) / str(time.perf_counter_ns()), "A", 10, 0), 2) / 10
    yield row("one simulated case", drawn, "the same, written and checked", written)


def studies() -> Iterator[dict]:
    """A whole small study through Snakemake with two jobs at once, against one; and with one row against three."""
    settings = yaml.safe_load((ROOT / "tests/smoke.yaml").read_text(encoding="utf-8"))
    row_of = "single-resnet18-scratch"
    plan = settings["cohorts"]["simulated"] | {"segmenters": ["unet"], "rows": [row_of]}
    more = [row_of, f"{row_of}-errors", "synergic-resnet18-scratch"]

    def run(jobs: int, rows: list[str]) -> float:
        with TemporaryDirectory() as folder:
            profile = Path(folder) / "small.yaml"
            small = settings | {"cohorts": {"simulated": plan | {"rows": rows}}}
            profile.write_text(yaml.safe_dump(small), encoding="utf-8")
            command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", str(jobs)]
            command += ["--profile", "workflow/profiles/local", "--quiet", "all"]
            command += ["--config", f"profile={profile}", f"build={folder}/build", "--", "study"]
            return best(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True), 1)

    two = run(2, [row_of])
    yield row("a small study, two jobs at once", two, "one job", run(1, [row_of]))
    yield row("a small study, two jobs at once", two, "three rows instead of one", run(2, more))


def quality_folder(folder: Path, size: int) -> Path:
    """Folder of a single ResNet-18 that has learnt nothing; its verdicts do not matter here."""
    arguments = {"topology": "single", "backbone": "resnet18", "pretrained": False, "encoding": "one-hot"}
    save_model(quality_model(**arguments), folder, Card("quality", arguments, size, "fetus", 0.5))
    return folder


def assessing() -> Iterator[dict]:
    """From PNG files to verdicts on two processors, against the network alone on tensors that are there already."""
    torch.set_num_threads(2)
    size, pairs = 224, 128
    what = f"ResNet-18, {size} px, two threads"
    with TemporaryDirectory() as folder:
        simulate(Path(folder) / "cohort", "A", pairs, 0)
        given = Input.open(Path(folder) / "cohort")
        assessor = Assessor.load(quality_folder(Path(folder) / "model", size))
        images, masks = Cohort.open(given.folder).stack(size)
        x, y = pictures(images), torch.from_numpy(masks)

        def network_alone(batch: int = 32, count: int = pairs):
            with torch.inference_mode():
                for at in range(0, count, batch):
                    shown = (x[at : at + batch].float() / 255).contiguous(memory_format=torch.channels_last)
                    assessor.model(shown, y[at : at + batch]).sigmoid()

        network_alone()
        together = [(best(lambda: list(assessor(given)), 1), best(network_alone, 1)) for _ in range(8)]
        ours, theirs = (min(times) for times in zip(*together, strict=True))
        yield row(f"PNG to verdict, {what}, a pair", ours / pairs, "forward pass alone", theirs / pairs)
        one = replace(given, rows=given.rows[:1])
        ours, theirs = best(lambda: list(assessor(one)), 20), best(network_alone, 20, 1, 1)
        yield row(f"PNG to verdict, {what}, one pair by itself", ours, "forward pass alone", theirs)
        export(assessor.model, assessor.card, Path(folder) / "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        session = onnxruntime.InferenceSession(Path(folder) / "model.onnx", options)
        feed = {"image": images[:32], "mask": masks[:32]}
        ours, theirs = best(network_alone, 3, 32, 32), best(lambda: session.run(None, feed), 3)
        yield row(f"forward pass, {what}, batch of 32, a pair", ours / 32, "ONNX Runtime", theirs / 32)
    torch.set_num_threads(1)


MEMORY = """
import sys
from fusqa.cli import app
from fusqa.study.provenance import peak_mb
try:
    source, model, out, report = sys.argv[1:]
    app(["assess", source, "--model", model, "--out", out, "--report", report, "--spacing", "0.2"])
except SystemExit as status:
    assert not status.code
print(peak_mb())
"""


def memory() -> Iterator[dict]:
    """Most memory that `fusqa assess` ever holds, by the number of pairs; its report included."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        model, source = quality_folder(root / "model", SIZE), simulate(root / "cohort", "A", 8, 0).folder
        for cases in (100, 1_000, 10_000):
            plain = root / str(cases)
            for kind in ("images", "masks"):
                (plain / kind).mkdir(parents=True)
                files = sorted((source / kind).iterdir())
                for number in range(cases):
                    (plain / kind / f"{number:05d}.png").hardlink_to(files[number % len(files)])
            command = [sys.executable, "-c", MEMORY, plain, model, root / "scores.csv", root / "report.html"]
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            ms = 1e3 * (time.perf_counter() - start)
            yield {"what": "fusqa assess", "cases": cases, "ms": ms, "MB": float(done.stdout.split()[-1])}


def growth() -> Iterator[dict]:
    """The same work at several sizes: pixels along a side, or cases."""
    case = draw_case("A", 0, 0)
    for side in (256, 512, 1024, 2048):
        mask = resize_labels(case.mask, (side, side))
        spacing = tuple(0.2 * n / side for n in case.mask.shape)
        yield {
            "what": "crown-rump length",
            "pixels": side**2,
            "ms": 1e3 * best(crown_rump_length, 10, mask, spacing),
        }
    for side in (256, 512, 1024):
        mask = resize_labels(case.mask, (side, side))
        yield {
            "what": "ten altered masks",
            "pixels": side**2,
            "ms": 1e3 * best(altered_masks, 3, mask, np.random.default_rng(0)),
        }
    for cases in (5, 20, 80):
        with TemporaryDirectory() as folder:
            drawn = best(simulate, 1, Path(folder) / "cohort", "A", cases, 0)
            cohort = Cohort.open(Path(folder) / "cohort")
            yield {"what": "simulated cohort", "cases": cases, "ms": 1e3 * drawn}
            altered = best(AlteredSet.make, 1, cohort, SIZE, 0)
            yield {"what": "altered set with its effects", "cases": cases, "ms": 1e3 * altered}


def relative(table: pd.DataFrame) -> pd.DataFrame:
    """Add how much more work there is than in the smallest of each kind, and how much longer it takes."""
    size = table["cases"].fillna(table["pixels"]) if "pixels" in table else table["cases"]
    of = table.groupby("what", sort=False)["ms"].transform("first")
    first = size.groupby(table["what"], sort=False).transform("first")
    return table.assign(**{"times the work": size / first, "times as long": table["ms"] / of}).sort_values(
        "what", kind="stable"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    beside = {part.__name__: part for part in (lengths, alterations, simulation, training, assessing, studies)}
    grown = {part.__name__: part for part in (growth, memory)}
    wanted = sys.argv[1:] or [*beside, *grown]
    tables = {
        "beside": pd.DataFrame([line for name in wanted if name in beside for line in beside[name]()]),
        "growth": pd.DataFrame([line for name in wanted if name in grown for line in grown[name]()]),
    }
    tables = {name: table for name, table in tables.items() if len(table)}
    if "growth" in tables:
        tables["growth"] = relative(tables["growth"])
    for table in tables.values():
        print(table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3g}"), end="\n\n")
