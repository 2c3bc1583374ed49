"""Sphinx extension: stand-ins for libraries that are not installed may be part of a union of types.

``autodoc_mock_imports`` names libraries in whose place autodoc puts objects without content, so that the docstrings of
a module can be read where the module cannot run. Signatures hold unions such as ``Tensor | None``, which Python cannot
make of these objects.
"""

from sphinx.ext.autodoc.mock import _MockObject


def setup(app):
    """Let a union with a stand-in be the stand-in."""
    _MockObject.__or__ = _MockObject.__ror__ = lambda stand_in, other: stand_in
    return {"parallel_read_safe": True, "parallel_write_safe": True}
