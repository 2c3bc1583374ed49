"""The study: its size, its rows, the masks it learns from, its trainings, and where every result lies."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, submod_attrs={
    "catalogue": ["COHORTS", "at_hand"],
    "degraded": ["degraded_versions"],
    "error_mapping": ["Checked", "error_map_material", "train_error_map", "wrong_probability"],
    "grading": ["draw_grades", "graded_predictions", "train_grades"],
    "learning": ["CONTROL", "LEARNT", "evidence", "verdict_of"],
    "material": ["AlteredSet", "ErrorSet", "balanced_sample", "load_masks", "prediction_record", "save_masks"],
    "mismatch": ["placed_sets"],
    "pairs": [
        "Pairs", "altered_pairs", "error_pairs", "learning_pairs", "predicted_pairs", "scored_sets", "study_material",
    ],
    "profile": ["Profile"],
    "provenance": ["states_told"],
    "results": ["Study", "editions", "larger", "published"],
    "retraining": ["segmenter_network"],
    "rows": ["RECIPES", "REFERENCE_NETWORK", "SEGMENTER_TITLES", "Row", "row_named"],
    "sets": ["ALTERED", "AT_A", "AT_B", "ERRORS", "good_as_learnt", "own_sets"],
    "segmentation": ["contour_level", "segment", "segmenter_arguments", "varied_uncertainty"],
    "training": [
        "answers", "evidence_of", "fit_familiarity", "learnt_from", "model_card", "network_arguments", "train",
    ],
    "weaker": ["few_cases", "weaker_masks", "weaker_result"],
})  # fmt: skip
