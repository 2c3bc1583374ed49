"""How much a simulated image resembles a real one: figures that a reader can check, and a two-sample test.

All images are brought to one scale, :data:`GRID_MM` per pixel, and compared as *patches* of tissue. Real and simulated
images show different anatomy, so nothing here compares shapes: only grey levels, their spread, and their grain. The
beam is taken to run from top to bottom, which is exact in the middle of a sector and nearly so elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold

from fusqa.cohorts.formats import read_image, read_mask
from fusqa.cohorts.hc18_layout import locate, read_table
from fusqa.cohorts.reading import Case
from fusqa.masks.circumference import fit_head_ellipse
from fusqa.metrics import Report, classification_report

GRID_MM = 0.15  # chosen: about what first-trimester images of HC18 and zoomed simulated ones have themselves
PATCH = 40  # pixels: 6 mm, a few speckles across
PATCHES_PER_IMAGE = 16
FOLDS = 5  # of the patients: each is judged by a forest that saw none of its images
MARGIN = 0.06  # share of the image's sides that is left out: rulers, grey bars and text stand there
SPAN_DB = 60.0  # assumed dynamic range of a display; it scales the Nakagami parameter of all images alike
EARLY_MM = 110.0  # greatest circumference of a head of HC18 that is compared: about 14 weeks


# ---------------------------------------------------------------------------------------------------------------------
# Images and patches
# ---------------------------------------------------------------------------------------------------------------------


def real_heads(folder: str | Path) -> Iterator[Case]:
    """Read the heads of HC18 up to :data:`EARLY_MM`, about as old as the simulated fetuses.

    Parameters
    ----------
    folder : path
        HC18 as published.

    Yields
    ------
    Case
        Image, filled mask of the head (0 or 1), spacing and circumference.
    """
    table, images = locate(Path(folder))
    for row in read_table(table):
        if row.circumference_mm > EARLY_MM or not (images / row.name).exists():
            continue
        spacing = (row.pixel_mm, row.pixel_mm)
        outline = read_mask(images / row.annotation).pixels
        head = fit_head_ellipse(outline, spacing).fill(outline.shape).astype(np.uint8)
        yield Case(
            row.case, row.patient, "HC18", read_image(images / row.name).pixels, head, spacing, row.circumference_mm
        )


def on_grid(image: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Bring an image ``(H, W)`` to :data:`GRID_MM` per pixel in both directions, in its own dtype."""
    height, width = (max(1, round(side * mm / GRID_MM)) for side, mm in zip(image.shape, spacing, strict=True))
    finer = height * width > image.size
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR if finer else cv2.INTER_AREA)


@dataclass(frozen=True, eq=False)
class Patches:
    """Squares of tissue.

    Attributes
    ----------
    pixels : (N, PATCH, PATCH) float32
        Grey levels 0–255 at :data:`GRID_MM` per pixel.
    patients : (N,) str
        Whose they are; patches of one patient are never on both sides of a split.
    """

    pixels: np.ndarray
    patients: np.ndarray

    def homogeneous(self, share: float = 0.2) -> "Patches":
        """Return the `share` of patches whose mean level changes least from quarter to quarter."""
        half = PATCH // 2
        quarters = self.pixels.reshape(-1, 2, half, 2, half).mean(axis=(2, 4)).reshape(-1, 4)
        uneven = quarters.std(axis=1) / quarters.mean(axis=1)
        chosen = np.sort(np.argsort(uneven, kind="stable")[: max(1, round(share * len(uneven)))])
        return Patches(self.pixels[chosen], self.patients[chosen])


def take_patches(cases: Iterable[Case], seed: int, per_image: int = PATCHES_PER_IMAGE) -> Patches:
    """Cut up to `per_image` squares of tissue at random from each image.

    A square is taken where hardly a pixel is black and none of its quarters is: fluid, the corners beside the sector
    and covered text are left out.

    Raises
    ------
    ValueError
        If no image has a square of tissue.
    """
    pixels, patients = [], []
    for number, case in enumerate(cases):
        rng = np.random.default_rng([seed, number])
        image = on_grid(case.image, case.spacing)
        found = _squares(image, rng, per_image)
        pixels += found
        patients += [case.patient] * len(found)
    if not pixels:
        raise ValueError(f"no image has a square of {PATCH * GRID_MM:g} mm of tissue")
    return Patches(np.stack(pixels).astype(np.float32), np.array(patients))


def _squares(image: np.ndarray, rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Up to `count` squares of tissue from an image on the common grid; a hundred places are tried."""
    low = np.array([round(MARGIN * side) for side in image.shape])
    high = np.array(image.shape) - low - PATCH
    if (high <= low).any():
        return []
    found = []
    for row, column in rng.integers(low, high, (100, 2)):
        square = image[row : row + PATCH, column : column + PATCH]
        half = PATCH // 2
        quarters = square.reshape(2, half, 2, half).mean(axis=(1, 3))
        if quarters.min() > 12 and (square < 4).mean() < 0.15:
            found.append(square)
        if len(found) == count:
            break
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Figures
# ---------------------------------------------------------------------------------------------------------------------


def grey_histogram(patches: Patches) -> np.ndarray:
    """Share of pixels at each grey level of tissue, ``(256,)``."""
    counts = np.bincount(patches.pixels.round().astype(int).ravel(), minlength=256)
    return counts / counts.sum()


def histogram_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Area between two cumulative histograms ``(256,)``: how many grey levels a pixel moves on average."""
    return float(np.abs(np.cumsum(first) - np.cumsum(second)).sum())


def grain_mm(patches: Patches) -> tuple[float, float]:
    """Size of speckle along and across the beam in mm: full width of the autocovariance at half its height."""
    detail = _detail(patches.pixels)
    spectrum = np.abs(np.fft.fft2(detail, s=(2 * PATCH, 2 * PATCH))) ** 2
    covariance = np.fft.ifft2(spectrum.mean(axis=0)).real
    overlap = PATCH - np.arange(PATCH // 2)  # pairs of pixels at each lag
    along, across = covariance[: PATCH // 2, 0] / overlap, covariance[0, : PATCH // 2] / overlap
    return _half_width(along) * 2 * GRID_MM, _half_width(across) * 2 * GRID_MM


def _detail(pixels: np.ndarray) -> np.ndarray:
    """Patches without their mean and their slow change of level (a plane)."""
    line = np.linspace(-1, 1, PATCH, dtype=np.float32)
    line /= np.sqrt((line**2).sum())
    flat = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    down = np.einsum("nij,i->n", flat, line) / PATCH
    right = np.einsum("nij,j->n", flat, line) / PATCH
    return flat - down[:, None, None] * line[:, None] - right[:, None, None] * line[None, :]


def _half_width(falling: np.ndarray) -> float:
    """Lag at which an autocovariance has fallen to half its first value, between lags by interpolation."""
    level = falling / falling[0]
    below = int(np.argmax(level < 0.5))
    if level[below] >= 0.5:
        return float(len(level))
    return below - 1 + float((level[below - 1] - 0.5) / (level[below - 1] - level[below]))


def nakagami(patches: Patches, span_db: float = SPAN_DB) -> np.ndarray:
    """Nakagami parameter of each patch ``(N,)`` from the moments of its intensity; 1 is fully developed speckle.

    Grey levels are taken to be linear in decibels over `span_db`, which undoes log compression approximately: no
    display says what its curve is. Averaging and smoothing in a machine raise the parameter above 1, structure in
    the patch lowers it.
    """
    detail = _detail(patches.pixels)
    intensity = 10.0 ** (detail.astype(float) * (span_db / 255 / 10))
    return intensity.mean(axis=(1, 2)) ** 2 / intensity.var(axis=(1, 2))


def power_spectrum(patches: Patches) -> np.ndarray:
    """Mean power of grey levels along and across the beam, in dB: ``(2, PATCH // 2)``, from one cycle a patch upwards.

    Each direction is normalised to its own sum, so that contrast does not enter.
    """
    window = np.hanning(PATCH)
    power = np.abs(np.fft.fft2(_detail(patches.pixels) * window[:, None] * window)) ** 2
    power = power.mean(axis=0)
    lines = np.stack([power.mean(axis=1), power.mean(axis=0)])[:, 1 : PATCH // 2 + 1]
    return 10 * np.log10(lines / lines.sum(axis=1, keepdims=True))


def spectral_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Root mean square difference of two power spectra in dB."""
    return float(np.sqrt(np.mean((first - second) ** 2)))


def contrast(case: Case) -> dict[str, float]:
    """Grey levels of skull, tissue and fluid about the head, label 1 of the mask.

    ``skull`` is the 90th percentile of the outermost 1.5 mm of the head, ``tissue`` the median of its inside, ``fluid``
    the 5th percentile of smoothed levels within 6 mm about it. A head without fluid beside it has a bright ``fluid``.
    """
    head = on_grid((case.mask == 1).astype(np.uint8), case.spacing)
    image = on_grid(case.image, case.spacing)
    rim, wide = (_disc(mm) for mm in (1.5, 6.0))
    core = cv2.erode(head, _disc(3.0))
    outside = cv2.dilate(head, wide) - head
    smooth = cv2.blur(image, (5, 5))
    return {
        "skull": float(np.percentile(image[(head - cv2.erode(head, rim)) > 0], 90)),
        "tissue": float(np.median(image[core > 0])) if core.any() else float("nan"),
        "fluid": float(np.percentile(smooth[outside > 0], 5)),
    }


def describe(cases: Sequence[Case], patches: Patches) -> dict[str, float]:
    """All figures of one source of images: speckle and Nakagami parameter of even tissue, contrast about the head."""
    even = patches.homogeneous()
    along, across = grain_mm(even)
    levels = [contrast(case) for case in cases]
    return {
        "images": len(cases),
        "patches": len(patches.pixels),
        "along_mm": along,
        "across_mm": across,
        "nakagami": float(np.median(nakagami(even))),
        "spread": float(np.median(even.pixels.std(axis=(1, 2)))),
    } | {name: float(np.nanmedian([level[name] for level in levels])) for name in levels[0]}


def _disc(mm: float) -> np.ndarray:
    side = 2 * round(mm / GRID_MM) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


# ---------------------------------------------------------------------------------------------------------------------
# The two-sample test
# ---------------------------------------------------------------------------------------------------------------------

BANDS = ((1, 3), (3, 5), (5, 8), (8, 12), (12, 20))  # cycles a patch
FEATURES = (
    "mean", "spread", "skewness", "kurtosis", "black", "bright",
    *(f"{way} {low}–{high}" for way in ("along", "across") for low, high in BANDS),
    "gradient along", "gradient across", "gradient kurtosis", "Laplacian", "evenness",
)  # fmt: skip


def texture_features(patches: Patches) -> np.ndarray:
    """Describe each patch by its grey levels, its spectrum along and across the beam and its edges: ``(N, F)``."""
    pixels = patches.pixels.astype(float)
    flat = pixels.reshape(len(pixels), -1)
    mean, spread = flat.mean(axis=1), flat.std(axis=1) + 1e-6
    normal = (flat - mean[:, None]) / spread[:, None]
    levels = [mean, spread, (normal**3).mean(1), (normal**4).mean(1), (flat < 8).mean(1), (flat > 160).mean(1)]
    power = np.abs(np.fft.fft2(_detail(patches.pixels))) ** 2
    total = power.sum(axis=(1, 2)) + 1e-6
    bands = [
        np.log10(power.sum(axis=axis)[:, low:high].sum(axis=1) / total + 1e-9) for axis in (2, 1) for low, high in BANDS
    ]
    along, across = np.diff(pixels, axis=1), np.diff(pixels, axis=2)
    steep = along[:, :, :-1] ** 2 + across[:, :-1] ** 2
    laplacian = np.diff(along, axis=1)[:, :, 1:-1] + np.diff(across, axis=2)[:, 1:-1]
    half = PATCH // 2
    quarters = pixels.reshape(-1, 2, half, 2, half).std(axis=(2, 4)).reshape(-1, 4)
    edges = [
        along.std(axis=(1, 2)) / spread,
        across.std(axis=(1, 2)) / spread,
        (steep**2).mean(axis=(1, 2)) / (steep.mean(axis=(1, 2)) ** 2 + 1e-6),
        laplacian.std(axis=(1, 2)) / spread,
        quarters.std(axis=1) / spread,
    ]
    return np.stack([*levels, *bands, *edges], axis=1)


def two_sample_test(real: Patches, simulated: Patches, seed: int = 0) -> tuple[Report, Sequence[tuple[str, float]]]:
    """Ask a random forest which patches are real, in a cross-validation by patient of :data:`FOLDS` parts.

    Parameters
    ----------
    real, simulated : Patches
        As :func:`take_patches` cuts them. The larger sample is thinned to the size of the smaller.
    seed : int
        Of the thinning and of the forest.

    Returns
    -------
    (Report, sequence of (str, float))
        Figures of merit, of which ``auroc`` is the answer: 0.5 cannot be told apart, 1.0 told apart at once. And
        what the forest looks at: features with their importance, the greatest first.
    """
    rng = np.random.default_rng(seed)
    count = min(len(real.pixels), len(simulated.pixels))
    parts = [_thinned(patches, count, rng) for patches in (real, simulated)]
    features = np.concatenate([texture_features(part) for part in parts])
    is_real = np.repeat([True, False], count)
    patients = np.concatenate([np.char.add(name, part.patients) for name, part in zip("rs", parts, strict=True)])
    score, importance = np.zeros(2 * count), np.zeros(features.shape[1])
    for training, held_out in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(features, is_real, patients):
        forest = RandomForestClassifier(200, min_samples_leaf=3, random_state=seed).fit(
            features[training], is_real[training]
        )
        score[held_out] = forest.predict_proba(features[held_out])[:, 1]
        importance += forest.feature_importances_ / FOLDS
    ranked = sorted(zip(FEATURES, importance.tolist(), strict=True), key=lambda pair: -pair[1])
    return classification_report(is_real, score, patients, seed=seed), ranked


def _thinned(patches: Patches, count: int, rng: np.random.Generator) -> Patches:
    chosen = np.sort(rng.permutation(len(patches.pixels))[:count])
    return Patches(patches.pixels[chosen], patches.patients[chosen])
