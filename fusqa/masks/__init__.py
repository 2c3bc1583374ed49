"""One mask: its labels, the length and age measured on it, the criteria of a reviewer, and ten altered copies."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "alterations": ["GOOD", "POOR", "SEVERITIES", "Altered", "altered_masks", "replay"],
        "circumference": ["head_circumference"],
        "criterion": ["Criterion", "Thresholds"],
        "crown_rump": ["crown_rump_length", "near_longest"],
        "dating": ["EQUATIONS", "ages", "equations_of", "gestational_age", "in_days", "spread"],
        "label_images": ["dice", "resize_labels", "to_native"],
        "labels": ["FETUS", "HEAD", "SCHEMES", "Scheme"],
        "length": ["Length", "Unmeasurable", "line_angle"],
        "measurement": ["Measurement", "describe", "measure", "measured_mm"],
        "reviewing": ["RULES", "Review", "criteria", "review"],
    },
)
