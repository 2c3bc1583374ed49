"""Run one notebook through Papermill so that its executed copy appears whole or not at all.

``python -m fusqa.publishing execute NOTEBOOK OUTPUT name=value …`` is what the workflow calls. Plain ``papermill
NOTEBOOK OUTPUT -p name value`` does the same for people, except that Papermill writes its output cell by cell.
"""

import os
import sys
from pathlib import Path

import papermill  # nothing of the study: this process only waits for the kernel, which imports it all


def execute(notebook: str | Path, output: str | Path, parameters: dict) -> None:
    """Execute `notebook` with `parameters`; a failed run stays beside `output` as ``*.failed.ipynb``.

    Raises
    ------
    papermill.PapermillExecutionError
        When a cell fails.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_suffix(".failed.ipynb")
    os.environ["PYTHONWARNINGS"] = "ignore::FutureWarning"
    papermill.execute_notebook(
        notebook,
        partial,
        parameters,
        kernel_name="python3",
        progress_bar=sys.stderr.isatty(),
        log_output=False,
        shutdown_kernel="immediate",  # its files are whole by then, and unloading PyTorch takes two seconds
    )
    os.replace(partial, output)
