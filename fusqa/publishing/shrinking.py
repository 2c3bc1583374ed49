"""An executed notebook -> what a repository keeps of it: everything that its page shows, in few bytes.

Papermill leaves each figure twice, once as an image and once in the HTML that the page shows, both as PNG; beside them
times, paths and texts that no page shows.
"""

import base64
import io
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

__all__ = ["shrunk"]

SHOWN = ("text/html", "image/svg+xml", "image/png", "text/markdown", "text/latex", "text/plain")
"""Forms of an output, in the order in which the book prefers them."""
QUALITY = 85  # of WebP with losses, chosen: letters at 110 dots per inch show no halo
PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def shrunk(executed: Path, profile: str) -> bytes:
    """Return an executed notebook as small as its page allows: one form of each output, PNG images in it as WebP.

    Its parameters name the `profile` in place of its file, and the usual build folder: both may lie anywhere.
    """
    notebook = nbformat.read(executed, as_version=4)
    kept = ("kernelspec", "language_info")
    notebook.metadata = NotebookNode({name: notebook.metadata[name] for name in kept if name in notebook.metadata})
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {})
        if "injected-parameters" in cell.metadata.get("tags", ()):
            for name, value in {"profile": profile, "build": "build"}.items():
                cell.source = re.sub(rf"^{name} = .*$", f'{name} = "{value}"', cell.source, flags=re.MULTILINE)
        if cell.cell_type == "code":
            cell.outputs = [_small(output) for output in cell.outputs if output.get("name") != "stderr"]
    return (nbformat.writes(notebook) + "\n").encode()


def _small(output: NotebookNode) -> NotebookNode:
    """Keep of an output the form that the book shows."""
    if "data" in output:
        shown = next((form for form in SHOWN if form in output.data), None)
        output.data = NotebookNode({shown: output.data[shown]} if shown else {})
        output.metadata = NotebookNode()
        if shown == "text/html":
            output.data[shown] = PNG.sub(lambda match: _webp(match[1]), output.data[shown])
    return output


def _webp(png: str) -> str:
    """Address of a PNG image as WebP: without loss where that is smaller, as it is for charts, else with little."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    image = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    coded = min((_coded(image, lossless=True), _coded(image, quality=QUALITY)), key=len)
    return f"data:image/webp;base64,{base64.b64encode(coded).decode()}"


def _coded(image: Image.Image, **options: bool | int) -> bytes:
    """Bytes of an image as WebP."""
    stream = io.BytesIO()
    image.save(stream, "WEBP", method=4, **options)
    return stream.getvalue()
