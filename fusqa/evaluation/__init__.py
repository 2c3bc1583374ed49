"""What a verdict is worth: figures of merit, risk, calibration, baselines, unseen errors, saliency, the audit."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "advising": ["ADVICE", "advice"],
        "auditing": [
            "CONVENTIONS",
            "PER_CLASS",
            "PRINTED_ROWS",
            "audit",
            "criteria_sizes",
            "decimals",
            "fits",
            "groups",
            "least_good_share",
            "lengths",
            "told_apart",
        ],
        "baselines": ["References", "presence_columns", "reverse_accuracy", "shape_features"],
        "calibration": [
            "acceptance_threshold",
            "brier_score",
            "expected_calibration_error",
            "reliability",
            "rescaled",
            "temperature",
        ],
        "comparison": ["beside_print", "compare", "judges", "rivals", "summary", "table_3", "trained"],
        "paper": ["PRINTED", "PRINTED_CRITERIA", "PRINTED_ERRORS"],
        "risk": ["expected_cost", "predictive_values", "risk_coverage"],
        "saliency": ["grad_cam", "occlusion"],
        "scoring": [
            "TEST",
            "THRESHOLD",
            "auroc_columns",
            "classification_report",
            "figure",
            "printed",
            "printed_auroc",
            "report_table",
            "reports",
            "scores",
        ],
        "unseen": ["UNSEEN", "unseen_masks"],
    },
)
