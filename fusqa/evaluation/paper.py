"""What the paper printed: the figures of its Table 3, by row of the grid, and of its Table 2.

Cengiz, Almakky and Yaqub, *FUSQA: Fetal Ultrasound Segmentation Quality Assessment*, MIDL 2023. The figures are copied
from the paper.
"""

from typing import NamedTuple


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


PRINTED = {  # Table 3, by the key of the row
    "siamese-resnet18-scratch": Printed(0.618, 0.933, 0.679, 0.744),
    "siamese-resnet18-pretrained": Printed(0.673, 0.97, 0.75, 0.795),
    "siamese-resnet50-scratch": Printed(0.773, 0.825, 0.791, 0.798),
    "siamese-resnet50-pretrained": Printed(0.5, 1.0, 0.5, 0.66),
    "synergic-resnet18-scratch": Printed(0.649, 0.912, 0.710, 0.759),
    "synergic-resnet18-pretrained": Printed(0.525, 0.983, 0.547, 0.685),
    "synergic-resnet50-scratch": Printed(0.7, 0.895, 0.756, 0.786),
    "synergic-resnet50-pretrained": Printed(0.746, 0.87, 0.787, 0.803),
    "single-resnet18-scratch": Printed(0.672, 1.0, 0.7124, 0.804),
    "single-resnet18-pretrained": Printed(0.795, 1.0, 0.871, 0.886),
    "single-resnet50-scratch": Printed(0.625, 0.991, 0.699, 0.767),
    "single-resnet50-pretrained": Printed(0.804, 0.982, 0.902, 0.87),
    "single-densenet121-scratch": Printed(0.672, 1.0, 0.8, 0.804),
    "single-densenet121-pretrained": Printed(0.773, 1.0, 0.898, 0.872),
    "single-alexnet-scratch": Printed(0.662, 0.938, 0.752, 0.776),
    "single-alexnet-pretrained": Printed(0.733, 1.0, 0.862, 0.846),
    "single-vgg16-scratch": Printed(0.697, 1.0, 0.783, 0.821),
    "single-vgg16-pretrained": Printed(0.816, 0.946, 0.893, 0.877),
}
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
