"""Publish a figure, a table or the output of a command in a page of the book."""

import base64
import html
import io
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.text import Text
from PIL import Image

from fusqa.figures.framing import framed_table, html_table

VERDICT_COLOURS = {"good": "#0072B2", "poor": "#D55E00"}  # Okabe & Ito, safe for colour-blind readers
DPI = 110  # dots per inch of a figure
QUALITY = 85  # of a figure stored with losses, chosen: letters show no halo
PAGE_PX = 790  # width of a page on a wide screen
LEAST_PX = 9  # the smallest letters that are read there without effort
DASHES = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (2, 1)), (0, (8, 3)))
# curves differ by more than their colour, in print and for colour-blind readers
CURVES = cycler(color=sns.color_palette("colorblind"), linestyle=2 * DASHES)
sns.set_theme(
    context="notebook", style="whitegrid", palette="colorblind", font_scale=0.85, rc={"axes.prop_cycle": CURVES}
)


def show(figure: Figure, caption: str, alt: str, source: str = "") -> None:
    """Publish `figure` with its caption, an alternative text, and the result file that it shows."""
    display({"text/html": figure_html(figure, caption, alt, source), "text/plain": caption}, raw=True)


def figure_html(figure: Figure, caption: str, alt: str, source: str = "") -> str:
    """Draw `figure` and close it; return it as HTML, as :func:`show` publishes it."""
    make_legible(figure)
    encoded = base64.b64encode(_drawn(figure)).decode()
    plt.close(figure)
    return (
        f'<figure class="fusqa-figure"><img src="data:image/webp;base64,{encoded}" alt="{html.escape(alt)}"/>'
        f"<figcaption>{html.escape(caption)}{_origin(source)}</figcaption></figure>"
    )


def _drawn(figure: Figure) -> bytes:
    """Draw a figure as WebP: without loss where that is smaller, as it is for charts, else with little."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
    image = Image.open(buffer).convert("RGB")
    files = io.BytesIO(), io.BytesIO()
    image.save(files[0], "WEBP", lossless=True)
    image.save(files[1], "WEBP", quality=QUALITY)
    return min((file.getvalue() for file in files), key=len)


def make_legible(figure: Figure) -> None:
    """Enlarge letters that would be smaller than :data:`LEAST_PX` where a page shows the figure."""
    for _ in range(2):  # larger letters make a wider figure, which the page shows smaller
        figure.draw_without_rendering()
        least = LEAST_PX * 72 / min(DPI, PAGE_PX / figure.get_tightbbox().width)
        for text in figure.findobj(Text):
            text.set_fontsize(max(text.get_fontsize(), least))


def show_table(table: pd.DataFrame, caption: str, source: str = "") -> None:
    """Publish a table with its caption, and the result file that it shows; an empty cell prints as a dash.

    A line break in a cell or a heading is kept.
    """
    marked = table.rename(columns=lambda heading: str(heading).replace("\n", "\\n"))  # as pandas writes those of cells
    body = html_table(marked, escape=True).replace("\\n", "<br>")
    page = framed_table(body, f"<figcaption>{html.escape(caption)}{_origin(source)}</figcaption>")
    display({"text/html": page, "text/plain": f"{caption}\n{table.to_string(index=False)}"}, raw=True)


def show_command(command: str, folder: Path) -> None:
    """Run a command of the project in `folder`, and print it as a terminal would, with its exit status."""
    done = subprocess.run([sys.executable, "-m", *shlex.split(command)], cwd=folder, capture_output=True, text=True)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    print(f"$ {command}", *lines, f"(exit status {done.returncode})", sep="\n")


def _origin(source: str) -> str:
    """HTML that names the file that a figure or table shows."""
    return f' <span class="source">Data: <code>{html.escape(source)}</code>.</span>' if source else ""


def panels(count: int, columns: int, aspect: float, height: float = 1.8, **shared: bool) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` axes in rows of at most `columns`; `aspect` is the width over the height of each."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (columns * height * aspect, rows * (height + 0.45))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **shared)
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    for axis in axes.flat[max(count - columns, 0) : count]:  # also those above an empty place
        axis.tick_params(labelbottom=True)
    return figure, list(axes.flat[:count])
