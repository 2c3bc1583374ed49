"""The study: its size, its rows, the masks it learns from, its trainings, and where every result lies."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "catalogue": ["COHORTS", "hc18_folder"],
        "material": ["AlteredSet", "ErrorSet", "balanced_sample", "judge", "load_masks", "save_masks"],
        "pairs": [
            "ALTERED",
            "AT_A",
            "AT_B",
            "ERRORS",
            "Pairs",
            "altered_pairs",
            "error_pairs",
            "judged_sets",
            "predicted_pairs",
        ],
        "profile": ["Profile"],
        "results": ["Study", "published"],
        "rows": ["RECIPES", "REFERENCE_NETWORK", "SEGMENTER_TITLES", "Row", "row_named", "title_of"],
        "training": ["VALIDATION", "arguments", "familiarity", "model_card", "train"],
    },
)
