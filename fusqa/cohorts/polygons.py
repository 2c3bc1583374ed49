"""Polygons as annotators draw them, LabelMe's and COCO's JSON -> label images.

LabelMe writes a file for each image, COCO one for all of them; a mask in it is named with its image behind a ``#``, as
in ``masks/all.json#0001.png``. Larger shapes are painted first, so that a small structure on a large one shows.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fusqa.cohorts.stored import StoredImage, UnfitFile, require_size
from fusqa.masks.label_images import filled_polygon

LABELME, COCO = {"shapes", "imageHeight", "imageWidth"}, {"images", "annotations", "categories"}
_LISTS = ("shapes", "images", "annotations", "categories")  # of their keys, those that hold lists
_AGAIN = "export it again as LabelMe or COCO polygons, or as a label image"


def file_and_member(name: str) -> tuple[str, str]:
    """Split ``masks/all.json#0001.png`` into the file and the image in it; the second is empty for a plain file."""
    found = re.search(r"\.json#", name, re.IGNORECASE)
    return (name[: found.end() - 1], name[found.end() :]) if found else (name, "")


def polygon_image(path: Path) -> StoredImage:
    """Refuse: annotations are no image."""
    raise UnfitFile("holds annotations, not an image", "put it among the masks")


def polygon_mask(path: Path) -> StoredImage:
    """Paint the shapes of one image; its labels are numbered here, in the order of the names that come with them."""
    file, member = file_and_member(str(path))
    about = _annotations(file, Path(file).stat().st_mtime_ns)
    if about.keys() >= COCO:
        size, shapes = _coco(about, member)
    elif about.keys() >= LABELME:
        size, shapes = _labelme(about)
    else:
        raise UnfitFile("is JSON, but neither LabelMe's nor COCO's", _AGAIN)
    require_size(*size)
    names = sorted({name for name, _ in shapes})
    pixels = np.zeros(size[::-1], np.uint8)
    if len(names) > 255:
        raise UnfitFile(f"has {len(names)} labels", "name the structures of the scheme")
    # Filled twice, to be ordered and to be painted: a layer per shape would not fit into memory for thousands of them.
    for name, shape in sorted(shapes, key=lambda one: _filled(one[1], size).sum(), reverse=True):
        pixels[_filled(shape, size) > 0] = names.index(name) + 1
    return StoredImage(pixels, names=dict(enumerate(names, start=1)), numbered=False)


def is_annotation(path: Path) -> bool:
    """Whether a JSON file is meant for annotations, sound or not, and not for scores, say, or a scanner's settings."""
    try:
        about = _annotations(str(path), path.stat().st_mtime_ns)
    except (OSError, UnfitFile):
        return True  # whoever reads it says what is wrong
    return any(isinstance(about.get(key), list) for key in _LISTS)


def annotated_images(path: Path) -> list[str] | None:
    """Names of the images that a COCO file annotates; None for another file."""
    try:
        about = _annotations(str(path), path.stat().st_mtime_ns)
    except (ValueError, OSError, UnfitFile):
        return None
    if not about.keys() >= COCO or not isinstance(about.get("images"), list):
        return None
    return [str(one["file_name"]) for one in about["images"] if isinstance(one, dict) and "file_name" in one]


@lru_cache(maxsize=2)  # a COCO file holds all masks of a folder: it is not read again for each of them
def _annotations(path: str, changed: int) -> Mapping[str, Any]:
    try:
        about = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise UnfitFile(f"is not JSON ({error})", _AGAIN) from None
    return about if isinstance(about, dict) else {}


Shape = Sequence[np.ndarray]
"""Polygons ``(N, 2)`` of (x, y), pixel centres being whole numbers, that are painted as one."""


def _labelme(about: Mapping[str, Any]) -> tuple[tuple[int, int], list[tuple[str, Shape]]]:
    """Return (width, height) and the named shapes of a LabelMe file."""
    return (_length(about, "imageWidth"), _length(about, "imageHeight")), [
        (str(_entry(one, "label", of)), [_labelme_outline(one, of)])
        for number, one in enumerate(_list(about, "shapes"), start=1)
        for of in [f"its shape {number} "]
    ]


def _labelme_outline(shape: Mapping[str, Any], of: str) -> np.ndarray:
    kind, points = shape.get("shape_type") or "polygon", _numbers(_entry(shape, "points", of), of)
    if points.ndim != 2 or points.shape[1] != 2:
        raise UnfitFile(f"{of}has points that are not pairs of x and y", _AGAIN)
    if kind == "polygon" and len(points) > 2:
        return points
    if kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if kind == "circle" and len(points) == 2:
        angles = np.linspace(0, 2 * np.pi, 181)[:-1]
        return points[0] + np.linalg.norm(points[1] - points[0]) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    raise UnfitFile(f"{of}is of type {kind!r} with {len(points)} points", "draw polygons, rectangles or circles")


def _coco(about: Mapping[str, Any], member: str) -> tuple[tuple[int, int], list[tuple[str, Shape]]]:
    """Return (width, height) and the named shapes of one image of a COCO file."""
    images = [one for one in _list(about, "images") if member in ("", str(_entry(one, "file_name", "an image ")))]
    if len(images) != 1:
        said = f"annotates {len(images)} images" + f" of the name {member}" * bool(member)
        raise UnfitFile(said, "name the image behind the file, such as all.json#0001.png")
    (image,) = images
    number = _entry(image, "id", of := f"its image {image['file_name']} ")
    named = [(_entry(one, "id", "a category "), one) for one in _list(about, "categories")]
    categories = {key: str(_entry(one, "name", f"its category {key} ")) for key, one in named}
    shapes = [
        _coco_shape(one, categories, f"its annotation {one.get('id', place)} ")
        for place, one in enumerate(_list(about, "annotations"), start=1)
        if _entry(one, "image_id", f"entry {place} of its annotations ") == number
    ]
    return (_length(image, "width", of), _length(image, "height", of)), shapes


def _coco_shape(one: Mapping[str, Any], categories: Mapping[Any, str], of: str) -> tuple[str, Shape]:
    category, outlines = _entry(one, "category_id", of), _entry(one, "segmentation", of)
    if category not in categories:
        raise UnfitFile(f"{of}names a category {category!r} that it does not list", "add it to the categories")
    if not isinstance(outlines, list):
        raise UnfitFile(f"{of}has a run-length mask in place of polygons", "export polygons, or a label image")
    return categories[category], [_coco_outline(numbers, of) for numbers in outlines]


def _coco_outline(numbers: object, of: str) -> np.ndarray:
    found = _numbers(numbers, of)
    if found.ndim != 1 or not found.size or found.size % 2:
        raise UnfitFile(f"{of}has an outline of {found.size} numbers, which are not pairs of x and y", _AGAIN)
    return found.reshape(-1, 2) - 0.5  # COCO counts from the corner of the first pixel: its centre lies at a half


def _list(about: Mapping[str, Any], key: str) -> list:
    found = _entry(about, key)
    if not isinstance(found, list):
        raise UnfitFile(f"has no list as its {key!r}", _AGAIN)
    return found


def _entry(one: object, key: str, of: str = "") -> Any:
    """What an annotator wrote under a key; :class:`UnfitFile` with the place, as "its shape 2 ", if that is nothing."""
    if not isinstance(one, dict) or one.get(key) is None:
        raise UnfitFile(f"{of}has no {key!r}", _AGAIN)
    return one[key]


def _length(one: Mapping[str, Any], key: str, of: str = "") -> int:
    """Pixels along one side of an image."""
    try:
        return int(_entry(one, key, of))
    except (TypeError, ValueError, OverflowError):
        raise UnfitFile(f"{of}has a {key!r} that is no number", _AGAIN) from None


def _numbers(values: object, of: str) -> np.ndarray:
    try:
        found = np.array(values, float)  # nothing becomes NaN
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if np.isnan(found).any():
        raise UnfitFile(f"{of}has coordinates that are no numbers, or not in pairs", _AGAIN)
    return found


def _filled(shape: Shape, size: tuple[int, int]) -> np.ndarray:
    """Fill polygons, ``(H, W)`` ``uint8``: every pixel whose centre lies inside or on the line."""
    layer = np.zeros(size[::-1], np.uint8)
    for outline in shape:
        if not np.isfinite(outline).all() or np.abs(outline).max(initial=0) > 2**15:
            raise UnfitFile("has a point far outside its image", _AGAIN)
        left, top = np.clip(np.floor(outline.min(axis=0)), 0, size).astype(int)
        right, bottom = np.clip(np.floor(outline.max(axis=0)) + 1, 0, size).astype(int)
        if left < right and top < bottom:
            part = layer[top:bottom, left:right]
            part |= filled_polygon(outline - (left, top), part.shape)
    return layer


def member_stem(name: str) -> str:
    """Name of the case to which an annotated image belongs: without folders and without the ending."""
    return PurePosixPath(name.replace("\\", "/")).stem
