"""The picture of the problem: two masks that a network drew, one of which dates its pregnancy wrong.

``python -m fusqa.publishing tell EDITION`` draws it, from the edition's masks and from images that are simulated again.
The book puts it, with the sentences of the edition, at the head of the page for ten minutes.
"""

from pathlib import Path

from fusqa.figures.sheets import problem_sheet
from fusqa.figures.showing import figure_html
from fusqa.files import write_bytes
from fusqa.publishing.contents import FIRST
from fusqa.simulator.cases import draw_case
from fusqa.study.material import load_masks
from fusqa.study.results import Edition
from fusqa.study.rows import SEGMENTER_TITLES
from fusqa.study.shelf import PICTURE

GOOD, BAD = 0.25, 0.98  # chosen: shares of the masks that are at most as wrong as those shown
ALT = (
    "Two ultrasound images of a fetus under the outlines that a network drew. On the left its line from crown to rump "
    "is nearly as long as the right one; on the right it is much too {}."
)


def draw_problem(edition: Path) -> Path | None:
    """Draw the picture of an edition into its folder; return the file, or None without predictions."""
    study = Edition(edition, FIRST)
    review = study.seeded("review")
    if not study.can_read(review):
        return None
    network = study.result(review)["chosen"]
    masks = study.path(f"{study.seeded(f'segmentation__{network}')}/predictions.npz")
    if not masks.is_file():
        return None
    table = study.table(review).query("site == 'B'").dropna(subset=["delta_days"])
    days = table.set_index("case")["delta_days"].sort_values(key=abs)
    shown = [days.index[int(share * (len(days) - 1))] for share in (GOOD, BAD)]
    drawn = load_masks(masks)
    cases = [draw_case("B", study.seed, int(name.lstrip("B"))) for name in shown]
    titles = [f"off by {off:.1f} days" for off in days[shown].abs()]
    figure = problem_sheet(cases, [drawn[name] for name in shown], titles, study.scheme)
    good, bad = titles
    caption = (
        f"The problem, on two simulated scans of site B. Outlines and dashed line: what {SEGMENTER_TITLES[network]} "
        f"drew, and the length that dates the pregnancy. Solid line: the right one. {100 * GOOD:.0f} % of the masks "
        f"are {good} or less, as on the left; {100 * (1 - BAD):.0f} % are {bad} or more, as on the right. The network "
        "says nothing about either."
    )
    alt = ALT.format("short" if days[shown[1]] < 0 else "long")
    page = figure_html(figure, caption, alt, study.source(review))
    write_bytes(edition / PICTURE, page.encode())
    return edition / PICTURE
