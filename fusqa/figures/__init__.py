"""What readers see: sheets of images, charts, figures to move, and tables."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "charts": [
            "confusions",
            "costs",
            "criteria_met",
            "curves",
            "dated_within",
            "equations",
            "errors_and_spread",
            "errors_by_verdict",
            "forest",
            "learning_curves",
            "predicted_against_true",
            "printed_and_implied",
            "probabilities",
            "promised_and_kept",
            "reliability_diagram",
            "risk_curves",
            "roc_curves",
            "slipped",
            "sweeps",
            "unfamiliarity",
        ],
        "interactive": ["altered_frame", "show_gallery", "show_sweep", "show_threshold"],
        "likeness": ["grain_charts", "patch_sheet", "same_scale"],
        "published_tables": ["show_published"],
        "sheets": ["alteration_sheet", "contact_sheet", "criteria_sheet", "error_sheet", "saliency_sheet", "stability"],
        "showing": ["VERDICT_COLOURS", "show", "show_command", "show_table"],
    },
)
