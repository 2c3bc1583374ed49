"""Simulated hospitals: fetuses, the uterus around them, and the machines that scan them."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, submod_attrs={"cases": ["draw_case", "simulate"], "hospitals": ["SITES"]}
)
