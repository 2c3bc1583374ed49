"""Images by patient: cohorts on disk, every file format that is read, and the public HC18 set."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, submod_attrs={
    "checking": ["check"],
    "cohort": ["Cohort"],
    "formats": ["write_image"],
    "hc18": ["import_hc18"],
    "manifest": ["COLUMNS"],
    "reading": ["Case", "Input"],
    "writing": ["write_cohort"],
})  # fmt: skip
