"""What the paper printed: the rows of its Table 3, which are the grid of this study, and the figures of its Table 2.

Cengiz, Almakky and Yaqub, *FUSQA: Fetal Ultrasound Segmentation Quality Assessment*, MIDL 2023. The figures are
copied from print to stand beside ours; nothing is computed from them but their difference.
"""

from dataclasses import dataclass
from typing import NamedTuple

from fusqa.recipes import RECIPES

__all__ = ["AUTOENCODER_PRINTED", "PRINTED_CRITERIA", "PRINTED_ERRORS", "ROWS", "SEGMENTERS", "Printed", "Row"]


SEGMENTERS = {"fetal-transunet": "Fetal-TransUNet", "unet": "U-Net"}  # the paper's, and ours beside it


class Printed(NamedTuple):
    """What the paper's Table 3 prints for a row."""

    precision: float
    recall: float
    accuracy: float
    f1: float

    def implied(self) -> dict[str, float]:
        """Accuracy and F1 that follow from precision and recall on as many good as poor cases, as the paper has.

        With recall r and precision q, of G good cases r G are called good, and so are r G (1 − q) / q poor ones.
        """
        called_poor = self.recall * (1 - self.precision) / self.precision  # as a share of the poor cases
        return {
            "accuracy": (self.recall + 1 - called_poor) / 2,
            "f1": 2 * self.precision * self.recall / (self.precision + self.recall),
        }


_TITLES = {
    "single": "Single",
    "siamese": "Siamese",
    "synergic": "Synergic",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "densenet121": "DenseNet-121",
    "alexnet": "AlexNet",
    "vgg16": "VGG-16",
    "efficientnet-lite0": "EfficientNet-Lite0",
}


@dataclass(frozen=True)
class Row:
    """One row of the grid of quality models.

    Attributes
    ----------
    topology, backbone, pretrained
        Arguments of :func:`fusqa.networks.quality_model`.
    printed : Printed or None
        The paper's figures; None for a row that the paper does not have.
    recipe : str
        What it learns from, a key of :data:`fusqa.recipes.RECIPES`.
    """

    topology: str
    backbone: str
    pretrained: bool
    printed: Printed | None = None
    recipe: str = "paper"

    @property
    def key(self) -> str:
        """Name of the row in profiles and files, such as ``single-resnet18-scratch``."""
        start = "pretrained" if self.pretrained else "scratch"
        return "-".join([self.topology, self.backbone, start] + [self.recipe] * (self.recipe != "paper"))

    @property
    def title(self) -> str:
        """Name of the row in print, such as "Single ResNet-18, from scratch"."""
        start = "pretrained" if self.pretrained else "from scratch"
        network = f"{_TITLES.get(self.topology, self.topology)} {_TITLES.get(self.backbone, self.backbone)}"
        return ", ".join([network, start, *RECIPES[self.recipe].notes])

    def result(self, seed: int) -> str:
        """Name of its result files when trained with `seed`, such as ``quality__single-resnet18-scratch__seed0``."""
        return f"quality__{self.key}__seed{seed}"


# Table 3 of the paper: topology, backbone, figures from scratch, figures pretrained. EfficientNet-Lite0 is ours: the
# one pretrained backbone that needs no download.
_TABLE_3 = [
    ("siamese", "resnet18", (0.618, 0.933, 0.679, 0.744), (0.673, 0.97, 0.75, 0.795)),
    ("siamese", "resnet50", (0.773, 0.825, 0.791, 0.798), (0.5, 1.0, 0.5, 0.66)),
    ("synergic", "resnet18", (0.649, 0.912, 0.710, 0.759), (0.525, 0.983, 0.547, 0.685)),
    ("synergic", "resnet50", (0.7, 0.895, 0.756, 0.786), (0.746, 0.87, 0.787, 0.803)),
    ("single", "resnet18", (0.672, 1.0, 0.7124, 0.804), (0.795, 1.0, 0.871, 0.886)),
    ("single", "resnet50", (0.625, 0.991, 0.699, 0.767), (0.804, 0.982, 0.902, 0.87)),
    ("single", "densenet121", (0.672, 1.0, 0.8, 0.804), (0.773, 1.0, 0.898, 0.872)),
    ("single", "alexnet", (0.662, 0.938, 0.752, 0.776), (0.733, 1.0, 0.862, 0.846)),
    ("single", "vgg16", (0.697, 1.0, 0.783, 0.821), (0.816, 0.946, 0.893, 0.877)),
    ("single", "efficientnet-lite0", None, None),
    ("siamese", "efficientnet-lite0", None, None),
    ("synergic", "efficientnet-lite0", None, None),
]
ROWS = {
    row.key: row
    for topology, backbone, scratch, pretrained in _TABLE_3
    for row in (
        Row(topology, backbone, False, scratch and Printed(*scratch)),
        Row(topology, backbone, True, pretrained and Printed(*pretrained)),
    )
}
ROWS |= {row.key: row for row in (Row("single", "resnet18", False, recipe=key) for key in RECIPES if key != "paper")}
AUTOENCODER_PRINTED = Printed(1.0, 0.72, 0.70, 0.83)

# Table 2, upper half: mean |error| of the crown-rump length in mm and of the gestational age in days, among masks that
# a model calls poor and good.
PRINTED_ERRORS = {
    ("single CNN", "poor"): (13.63, 7.73),
    ("single CNN", "good"): (2.64, 1.45),
    ("autoencoder", "poor"): (17.71, 10.06),
    ("autoencoder", "good"): (5.01, 2.79),
}

# Table 2, lower half: masks that meet a criterion, in per cent of those called poor and good by the single CNN.
PRINTED_CRITERIA = {
    "neutral_position": (67.6, 79.7),
    "palate": (64.9, 93.6),
    "magnification": (75.0, 99.1),
    "face_direction": (76.0, 99.1),
    "horizontal": (67.6, 100.0),
    "left_caliper": (45.4, 85.2),
    "right_caliper": (63.9, 95.4),
    "acceptable_length": (64.9, 96.3),
}
