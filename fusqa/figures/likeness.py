"""Real and simulated images side by side, and the figures that compare them."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from fusqa.cohorts.reading import Case
from fusqa.evaluation.realism import GRID_MM, Patches, grey_histogram, on_grid, power_spectrum
from fusqa.figures.showing import panels

WINDOW_MM = (60.0, 80.0)  # height and width of what is shown of each image


def same_scale(cases: Sequence[Case], titles: Sequence[str]) -> Figure:
    """Show images at one scale, three in a row, each centred on its fetus or head, with a bar of 10 mm."""
    figure, axes = panels(len(cases), 3, WINDOW_MM[1] / WINDOW_MM[0], height=2.4)
    for axis, case, title in zip(axes, cases, titles, strict=False):
        axis.imshow(_window(case), cmap="gray", vmin=0, vmax=255)
        bottom = WINDOW_MM[0] / GRID_MM - 12
        axis.plot([12, 12 + 10 / GRID_MM], [bottom, bottom], color="white", linewidth=2)
        axis.set_title(title, fontsize=8)
        axis.set_axis_off()
    return figure


def _window(case: Case) -> np.ndarray:
    """Cut out what lies about the middle of the mask, black where the image ends."""
    image = on_grid(case.image, case.spacing)
    rows, columns = np.nonzero(case.mask)
    middle = [round(float(at.mean()) * mm / GRID_MM) for at, mm in zip((rows, columns), case.spacing, strict=True)]
    half = [round(side / GRID_MM / 2) for side in WINDOW_MM]
    padded = np.pad(image, [(size, size) for size in half])
    return padded[middle[0] : middle[0] + 2 * half[0], middle[1] : middle[1] + 2 * half[1]]


def patch_sheet(patches: Mapping[str, Patches], each: int, seed: int) -> Figure:
    """Show `each` patches of tissue drawn at random from every source, one row per source."""
    figure, axes = panels(each * len(patches), each, 1.0, height=1.1)
    for row, (name, source) in enumerate(patches.items()):
        chosen = np.random.default_rng([seed, row]).choice(len(source.pixels), each, replace=False)
        for axis, pixels in zip(axes[row * each :], source.pixels[chosen], strict=False):
            axis.imshow(pixels, cmap="gray", vmin=0, vmax=255)
            axis.set_axis_off()
        axes[row * each].set_title(name, fontsize=8, loc="left")
    return figure


def grain_charts(patches: Mapping[str, Patches]) -> Figure:
    """Histogram of grey levels, and power spectra along and across the beam, one curve per source."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 2.9), layout="constrained")
    for name, source in patches.items():
        axes[0].plot(grey_histogram(source), label=name, linewidth=1)
        lines = power_spectrum(source)
        cycles = np.arange(1, lines.shape[1] + 1) / (source.pixels.shape[1] * GRID_MM)
        for axis, line in zip(axes[1:], lines, strict=True):
            axis.plot(cycles, line, label=name)
    axes[0].set(xlabel="grey level of tissue", ylabel="share of pixels")
    for axis, way in zip(axes[1:], ("along", "across"), strict=True):
        axis.set(xlabel=f"cycles per mm, {way} the beam", ylabel="power / dB")
    axes[0].legend()
    return figure
