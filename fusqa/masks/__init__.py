"""One mask: its labels, its length and gestational age, a reviewer's criteria, and ten altered copies."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, submod_attrs={
    "alterations": ["GOOD", "POOR", "SEVERITIES", "Altered", "altered_masks", "replay", "uneven_edges"],
    "circumference": ["head_circumference"],
    "contour": ["contour_length"],
    "criterion": ["Thresholds"],
    "crown_rump": ["crown_rump_length", "near_longest"],
    "dating": ["EQUATIONS", "ages", "equations_of", "gestational_age", "in_days", "spread"],
    "label_images": ["dice", "resize_labels", "to_native", "wrong_pixels"],
    "labels": ["FETUS", "HEAD", "SCHEMES", "Scheme"],
    "length": ["Unmeasurable", "ends_apart_mm", "line_angle"],
    "measurement": ["describe", "describe_drawing", "measure", "measured_mm"],
    "reviewing": ["RULES", "criteria", "review"],
})  # fmt: skip
