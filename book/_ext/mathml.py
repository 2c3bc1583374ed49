"""Sphinx extension: formulas become MathML while the book is built.

A browser shows MathML by itself. The page therefore needs no script and no other host, keeps its formulas when it is
read without a network, and hands them to a screen reader as mathematics.
"""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert


def inline(translator, node):
    """Write a formula within a line."""
    translator.body.append(convert(node.astext()))
    raise SkipNode


def display(translator, node):
    """Write a formula on its own line, with its number where it has one."""
    number = f'<span class="eqno">({node["number"]})</span>' if node["number"] else ""
    names = f' id="{node["ids"][0]}"' if node["ids"] else ""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math"{names} tabindex="0">{formula}{number}</div>')
    raise SkipNode


def setup(app):
    """Register the renderer that ``html_math_renderer`` names."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
