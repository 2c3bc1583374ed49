"""The frame of a table in a page."""

__all__ = ["framed_table"]


def framed_table(table: str, caption: str = "") -> str:
    """Put an HTML table into a frame that scrolls sideways, so that the page fits on a phone."""
    return f'<figure class="fusqa-table"><div class="fusqa-scroll" tabindex="0">{table}</div>{caption}</figure>'
