"""What a machine writes over its image: settings, rulers, grey bars. One function per maker's look.

Thermal and mechanical index are what they are in obstetric use: TI well below 1, MI below 1.3.
"""

from collections.abc import Callable

import cv2
import numpy as np

from fusqa.simulator.beams import View

INK = 175


def write(image: np.ndarray, text: str, at: tuple[int, int], ink: int = INK, size: float = 0.6) -> None:
    """Write small text with its lower left corner at (column, row)."""
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_PLAIN, size, ink, 1)


def indices(rng: np.random.Generator) -> tuple[str, str]:
    """Thermal and mechanical index as printed."""
    return f"TIb {rng.uniform(0.1, 0.6):.1f}", f"MI {rng.uniform(0.7, 1.2):.1f}"


def depth_cm(view: View, image: np.ndarray) -> float:
    """Depth of the image's lower edge below the probe."""
    return (image.shape[0] * view.spacing - view.apex[1] - view.probe) / 10


def cover(image: np.ndarray, top: int, left: int, height: int, width: int) -> None:
    """Black out a box, as where a patient's name stood."""
    image[max(top, 0) : top + height, max(left, 0) : left + width] = 0


def ticks(image: np.ndarray, view: View, columns: slice, long_columns: slice) -> None:
    """A tick every 10 mm of depth, a long one every 50 mm."""
    for mm in range(10, int(image.shape[0] * view.spacing), 10):
        image[int(mm / view.spacing), long_columns if mm % 50 == 0 else columns] = INK


def grey_bar(image: np.ndarray, top: int, left: int, height: int, width: int) -> None:
    """The scale of grey levels."""
    image[top : top + height, left : left + width] = np.linspace(255, 0, height).astype(np.uint8)[:, None]


def focus_mark(image: np.ndarray, view: View, focus_mm: float, column: int, side: int) -> None:
    """A small triangle that points from `column` to one `side` (1 right, -1 left) at the depth of the focus."""
    row = int(np.clip(focus_mm / view.spacing, 6, image.shape[0] - 7))
    cv2.fillPoly(image, [np.array([(column, row - 4), (column, row + 4), (column + 5 * side, row)])], INK)


def settings_column(image: np.ndarray, view: View, focus_mm: float, rng: np.random.Generator) -> None:
    """Settings in the upper right corner, and mostly a black box over the patient's data in the lower right."""
    width = image.shape[1]
    thermal, mechanical = indices(rng)
    lines = (
        f"{depth_cm(view, image):.1f}cm", f"{rng.integers(18, 45)}Hz", thermal, mechanical, f"Gn {rng.integers(-6, 9)}",
        f"C{rng.integers(4, 10)}/M{rng.integers(3, 8)}", f"FF{rng.integers(1, 4)}/E{rng.integers(1, 4)}",
    )  # fmt: skip
    for line, text in enumerate(lines):
        write(image, text, (width - 46, 12 + 11 * line))
    if rng.random() < 0.7:
        tall = int(rng.integers(26, 40))
        cover(image, image.shape[0] - int(rng.integers(45, 65)), width - int(rng.integers(90, 130)), tall, width)


def ruler_right(image: np.ndarray, view: View, focus_mm: float, rng: np.random.Generator) -> None:
    """Depth ruler and focus mark at the right edge, grey bar at the left, one line of text above."""
    height, width = image.shape
    ticks(image, view, slice(width - 5, width - 1), slice(width - 9, width - 1))
    focus_mark(image, view, focus_mm, width - 12, -1)
    grey_bar(image, 40, 6, height // 3, 7)
    cover(image, 0, 0, 14, width)
    thermal, mechanical = indices(rng)
    text = f"OB 1  {depth_cm(view, image):.0f}cm  Fr {rng.integers(15, 35)}  {thermal}  {mechanical}"
    write(image, text, (20, 11))


def ruler_left(image: np.ndarray, view: View, focus_mm: float, rng: np.random.Generator) -> None:
    """Dotted ruler at the left edge with focus mark, narrow grey bar at the upper right, text in the lower left."""
    height, width = image.shape
    for mm in range(5, int(height * view.spacing), 5):
        row, side = int(mm / view.spacing), 2 if mm % 10 else 3
        image[row : row + side, 2 : 2 + side] = 220
    focus_mark(image, view, focus_mm, 8, 1)
    grey_bar(image, 10, width - 8, height // 4, 4)
    for line, text in enumerate((*indices(rng), f"DR {rng.integers(54, 78)}", f"P {rng.integers(80, 101)}%")):
        write(image, text, (14, height - 8 - 11 * line), 140)
    cover(image, 0, 12, int(rng.integers(12, 24)), int(rng.integers(70, 140)))


def small_screen(image: np.ndarray, view: View, focus_mm: float, rng: np.random.Generator) -> None:
    """A portable machine: two words in a corner, and a ruler with long ticks."""
    width = image.shape[1]
    ticks(image, view, slice(width - 8, width - 2), slice(width - 14, width - 2))
    thermal, mechanical = indices(rng)
    write(image, mechanical, (6, 14), 210, 0.8)
    write(image, thermal, (6, 28), 210, 0.8)


OVERLAYS: dict[str, Callable[[np.ndarray, View, float, np.random.Generator], None]] = {
    draw.__name__.replace("_", " "): draw for draw in (settings_column, ruler_right, ruler_left, small_screen)
}
