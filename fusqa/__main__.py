"""``python -m fusqa`` is the command ``fusqa``."""

from fusqa.cli import app

app(prog_name="fusqa")
