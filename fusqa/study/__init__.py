"""The study: its size, its rows, the masks it learns from, its trainings, and where every result lies."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "catalogue": ["COHORTS", "at_hand"],
        "degraded": ["degraded_versions"],
        "learning": ["CONTROL", "LEARNT", "Evidence", "evidence", "verdict_of"],
        "material": ["AlteredSet", "ErrorSet", "balanced_sample", "load_masks", "prediction_record", "save_masks"],
        "pairs": [
            "ALTERED",
            "AT_A",
            "AT_B",
            "ERRORS",
            "Pairs",
            "altered_pairs",
            "error_pairs",
            "learning_pairs",
            "predicted_pairs",
            "scored_sets",
            "study_material",
        ],
        "profile": ["Profile"],
        "results": ["Study", "published"],
        "retraining": ["segmenter_network"],
        "rows": ["RECIPES", "REFERENCE_NETWORK", "SEGMENTER_TITLES", "Row", "row_named", "title_of"],
        "segmentation": ["segment", "segmenter_arguments", "train_segmenter"],
        "training": ["evidence_of", "fit_familiarity", "model_card", "network_arguments", "own_sets", "train"],
        "weaker": ["few_cases", "weaker_masks"],
    },
)
