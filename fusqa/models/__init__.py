"""Networks: quality models, segmenters and the autoencoder, how they are trained, and how they are stored."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "answers": ["ANSWERS", "ERROR_MM"],
        "backbones": ["BACKBONES", "WeightsUnavailable"],
        "checkpoints": ["Card", "load_model", "save_model"],
        "degradation": ["degrade"],
        "drawing": ["native_masks"],
        "familiarity": ["UNFAMILIAR", "Features"],
        "learner": ["Resident", "computes_in", "fit", "make_learner", "pictures", "predict", "reproducible"],
        "losses": ["ReconstructionLoss", "SegmentationLoss", "average_mask"],
        "networks": ["Autoencoder", "anomaly_ratio", "quality_model"],
        "segmenters": ["SEGMENTERS"],
    },
)
