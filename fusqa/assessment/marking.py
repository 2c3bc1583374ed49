"""An error map for one's own masks: where a mask is probably wrong, for the report."""

from pathlib import Path
from typing import Self

import cv2
import numpy as np
import torch

from fusqa.cohorts.reading import Case
from fusqa.masks.label_images import resize_image, resize_labels
from fusqa.models.checkpoints import TrainedNetwork, load_kind
from fusqa.models.learner import pictures, predict

FOLDER = "error_map"  # beside the folder of the quality model, as a study leaves it


class Marker(TrainedNetwork):
    """A trained error map with its card."""

    @classmethod
    def beside(cls, folder: str | Path, scheme: str) -> Self | None:
        """Load the error map that lies beside a quality model's folder, or None where there is none for `scheme`.

        Raises
        ------
        ValueError
            If its files do not belong together.
        """
        place = Path(folder).resolve().parent / FOLDER
        if not (place / "card.json").is_file():
            return None
        model, card = load_kind(place, ["error-map"])
        return cls(model, card) if card.scheme == scheme else None

    def marked(self, case: Case) -> np.ndarray:
        """Pixels where any structure of a case's mask is probably wrong, ``(H, W)`` bool, on the image's own grid."""
        shape = (self.card.size, self.card.size)
        image = resize_image(case.image, self.card.size)
        inputs = pictures(image[None]), torch.from_numpy(resize_labels(case.mask, shape)[None])
        most = predict(self.model, *inputs)[0].sigmoid().amax(0).numpy()
        return cv2.resize(most, case.mask.shape[::-1], interpolation=cv2.INTER_LINEAR) >= self.card.threshold
