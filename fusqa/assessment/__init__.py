"""One's own images and masks: masks drawn, a verdict for each with its reasons, and models of one's own."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "onnx_file": ["export"],
        "own_training": ["train_on"],
        "promise": ["SHARE"],
        "segmenting": ["TrainedSegmenter"],
        "verdicts": ["Assessor", "Verdict"],
    },
)
