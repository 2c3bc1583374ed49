"""How good quality models are: figures, risk, calibration, baselines, unseen errors, saliency, the audit."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, submod_attrs={
    "advising": ["ADVICE", "MODELS", "advice", "told_scores"],
    "auditing": [
        "ROUNDINGS", "PER_CLASS", "PRINTED_ROWS", "audit", "criteria_sizes", "decimals", "differing_pairs", "fits",
        "groups", "least_good_share", "lengths",
    ],
    "calibration": [
        "acceptance_threshold", "brier_score", "calibration_errors", "expected_calibration_error", "patient_halves",
        "promise_kept", "reliability", "rescaled", "temperature",
    ],
    "comparison": [
        "NOTHING_LEARNT", "beside_print", "compare", "learning_table", "learnt_rows", "left_out", "rivals",
        "run_differences", "summary", "segmenter_figures", "table_2", "table_3", "telling_rows", "validation_auroc",
        "trained_rows",
    ],
    "diagnosis": ["example_model", "image_use", "recipe_models", "telling"],
    "ensembles": ["ensemble", "possible_ensembles"],
    "error_maps": [
        "CALIPER_MM", "LEAST_PIXELS", "OVERLAP", "SEGQC", "caliper_figures", "caliper_table", "mark_threshold",
        "region_figures", "region_table",
    ],
    "error_prediction": ["correction_table", "corrections", "failure_columns", "measured_cases"],
    "looking": ["OTHER", "OWN", "TELLING", "placed_table"],
    "intervals": ["SIGNALS", "coverage_line", "density_ratio", "effective_number", "prediction_intervals", "radius"],
    "length_bias": ["bias_table", "measured_ways"],
    "examination": [
        "UNSEEN_ERRORS", "further_scores", "further_sets", "is_examined", "of_segmenter", "of_weaker", "saliency_maps",
        "with_other_inputs",
    ],
    "paper": ["PRINTED_CRITERIA", "PRINTED_ERRORS"],
    "predicted_dice": ["PUBLISHED_DICE", "dice_figures"],
    "realism": [
        "SPAN_DB", "describe", "grey_histogram", "histogram_distance", "nakagami", "power_spectrum", "real_heads",
        "spectral_distance", "take_patches", "two_sample_test",
    ],
    "reverse_classification": ["References", "reverse_accuracy"],
    "risk": ["expected_cost", "predictive_values", "printed_aurc", "risk_coverage"],
    "scoring": [
        "TEST", "THRESHOLD", "auroc_columns", "classification_report", "figure", "mean_figure", "median_and_largest",
        "printed_auroc", "printed_p", "report_columns", "report_table", "reports", "scores",
    ],
    "shapes": ["presence_columns", "shape_features"],
    "trainings": ["WANTED", "quality_by_samples", "training_settings"],
    "unseen": ["SEVERITIES", "UNSEEN", "unseen_masks"],
})  # fmt: skip
