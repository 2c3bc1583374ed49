"""FUSQA: decide without a reference mask whether a fetal segmentation is good enough to be measured."""

from importlib.metadata import version

__version__ = version("fusqa")
