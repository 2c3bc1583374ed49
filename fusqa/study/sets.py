"""Names of the sets of masks that every model is scored on, as result files and tables have them."""

__all__ = ["ALTERED", "AT_A", "AT_B", "ERRORS"]

ALTERED, ERRORS = "altered masks, validation", "segmenter's errors, validation"
AT_A, AT_B = "predictions, validation", "predictions, site B"
