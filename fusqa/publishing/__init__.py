"""The run of a study and its book: notebooks executed, pages bound, an edition published."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "binding": ["assemble", "bind"],
        "editions": ["publish"],
        "estimation": ["estimate"],
        "execution": ["execute"],
        "printing": ["print_book"],
        "source_files": ["sources"],
    },
)
