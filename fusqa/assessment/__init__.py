"""One's own masks: a verdict for each, the reasons, a report, and models trained on one's own cohort."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "onnx_file": ["export"],
        "own_training": ["train_on"],
        "verdicts": ["Assessor", "Verdict"],
    },
)
