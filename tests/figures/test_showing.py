"""Figures as a page shows them: letters that can be read, few bytes."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from fusqa.figures.showing import DPI, LEAST_PX, PAGE_PX, make_legible, panels, show

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.mark.parametrize("columns", [1, 3, 8])
def test_no_letter_is_smaller_than_a_reader_can_read(columns):
    figure, axes = panels(columns, columns, 1.3)
    for axis in axes:
        axis.set_title("small", fontsize=4)
        axis.set_xlabel("as it was", fontsize=40)
    make_legible(figure)
    figure.draw_without_rendering()
    scale = min(DPI, PAGE_PX / figure.get_tightbbox().width) / 72
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert min(sizes) * scale >= LEAST_PX * 0.95
    assert max(sizes) == 40


def test_a_figure_is_shown_as_the_smaller_of_two_files(capsys):
    kinds = {}
    for name, content in {"chart": np.zeros((8, 8)), "image": np.random.default_rng(0).random((300, 300))}.items():
        figure, axes = plt.subplots(figsize=(4, 4))
        axes.imshow(content, interpolation="nearest")
        show(figure, "caption", "what it shows")
        coded = re.search(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", capsys.readouterr().out)[1]
        stream = base64.b64decode(coded)
        assert Image.open(io.BytesIO(stream)).size[0] > 300
        kinds[name] = stream[12:16]
    assert kinds == {"chart": b"VP8L", "image": b"VP8 "}  # without loss, with loss


def test_panels_above_an_empty_place_have_numbers_too():
    figure, axes = panels(3, 2, 1.0, sharex=True)
    figure.draw_without_rendering()
    numbered = [any(label.get_visible() for label in axis.get_xticklabels()) for axis in axes]
    assert numbered == [False, True, True]
