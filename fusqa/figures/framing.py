"""Tables of a page, in HTML; nothing here draws, so that a book is bound without matplotlib."""

import pandas as pd


def html_table(table: pd.DataFrame, *, escape: bool = False, words: bool = False) -> str:
    """Write a table of HTML cells, or of text to `escape`; an empty cell prints as a dash.

    The cells of one of `words` break their lines.
    """
    classes = ["table", "words"] if words else "table"
    return table.to_html(index=False, border=0, na_rep="–", justify="left", classes=classes, escape=escape)


def framed_table(table: str, caption: str = "") -> str:
    """Put an HTML table into a frame that scrolls sideways, so that the page fits on a phone."""
    return f'<figure class="fusqa-table"><div class="fusqa-scroll" tabindex="0">{table}</div>{caption}</figure>'
