"""Label images, and images beside them: resized, made from class probabilities, compared by Dice and by pixel."""

import cv2
import numpy as np

SQUARE_3X3 = np.ones((3, 3), np.uint8)


def dice(reference: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Dice of each foreground class ``(classes - 1,)``; NaN where a class is in neither mask.

    Counting an absent class as 1 would reward a segmenter for cases without the structure.
    """
    pairs = np.bincount(reference.ravel().astype(np.intp) * classes + predicted.ravel(), minlength=classes**2)
    table = pairs.reshape(classes, classes).astype(float)
    size = table.sum(0) + table.sum(1)
    with np.errstate(invalid="ignore"):
        return (2 * table.diagonal() / size)[1:]


def wrong_pixels(mask: np.ndarray, reference: np.ndarray, classes: int) -> np.ndarray:
    """Mark the wrong pixels of each structure, with a tolerance of one pixel.

    Two careful drawings of one structure differ all along its edge. So a pixel is wrong only if it has the structure in
    one mask and not even a neighbour with it in the other: the tolerance of the surface Dice (Nikolov et al. 2021).

    Parameters
    ----------
    mask, reference : (H, W) uint8
        Label masks on one grid.
    classes : int
        Classes including background.

    Returns
    -------
    (classes - 1, H, W) bool
        Wrong pixels of each structure. Those inside the mask are too many, the others are missing.

    Examples
    --------
    >>> mask, reference = np.zeros((2, 1, 8), np.uint8)
    >>> mask[0, :3], reference[0, :6] = 1, 1
    >>> wrong_pixels(mask, reference, 2)[0, 0].astype(int).tolist()
    [0, 0, 0, 0, 1, 1, 0, 0]
    """
    wrong = np.empty((classes - 1, *mask.shape), bool)
    for label in range(1, classes):
        drawn, true = np.uint8(mask == label), np.uint8(reference == label)
        near_drawn, near_true = (cv2.dilate(layer, SQUARE_3X3) for layer in (drawn, true))
        wrong[label - 1] = drawn & ~near_true | true & ~near_drawn
    return wrong


def filled_polygon(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Fill a polygon: every pixel whose centre lies inside or on the line.

    Parameters
    ----------
    outline : (n, 2) float
        Its corners (column, row); whole numbers are the centres of pixels.
    shape : (int, int)
        Height and width of the mask.

    Returns
    -------
    (H, W) uint8
        One inside, zero outside.

    Examples
    --------
    >>> filled_polygon(np.array([(0.5, 0.5), (3.4, 0.5), (3.4, 1.6), (0.5, 1.6)]), (3, 5)).tolist()
    [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    fraction = 8  # bits behind the point, OpenCV's `shift`
    whole = np.rint(outline * 2**fraction).astype(np.int32)
    filled, line = np.zeros((2, *shape), np.uint8)
    cv2.fillPoly(filled, [whole], 1, shift=fraction)
    cv2.polylines(line, [whole], True, 1, shift=fraction)
    # OpenCV fills the pixels that the line crosses as well: half a pixel too much all round.
    exact = np.float32(whole) / 2**fraction
    for y, x in np.argwhere(filled & cv2.dilate(line, SQUARE_3X3)).tolist():
        filled[y, x] = cv2.pointPolygonTest(exact, (x, y), False) >= 0
    return filled


def resize_image(image: np.ndarray, size: int) -> np.ndarray:
    """Squeeze an ultrasound image to a square of `size` pixels; each is the mean of the old ones that it covers.

    A side that is shorter than `size` is stretched linearly.
    """
    rows, columns = image.shape
    # One side first: where one side shrinks and the other grows, OpenCV takes no means, and shifts the image.
    shrunk = cv2.resize(image, (min(columns, size), min(rows, size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)


def resize_labels(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a label image to `shape` (rows, columns); every pixel takes the label of the nearest old one.

    Where a side shrinks by an even number, four old ones are equally near: see :func:`shrink_labels`.
    """
    # INTER_NEAREST would take a corner of each new pixel, and so shift the labels against the image.
    return cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def shrink_labels(mask: np.ndarray, size: int, classes: int) -> np.ndarray:
    """Shrink a small label image to a square of `size` pixels; every pixel takes the label that covers most of it.

    Between grids whose sides are in a ratio such as 2, two labels often cover as much. The nearest old pixel then
    decides, one of four at the same distance. Within a mask it is always the same one, so that edges stay smooth. From
    mask to mask it differs, so that labels are not all shifted in one direction against their images, as
    :func:`resize_labels` would do.
    """
    if size >= len(mask):
        return resize_labels(mask, (size, size))
    labelled = np.count_nonzero(mask)  # as good as random, and the same in every process
    rows, columns = 1 - 2 * (labelled & 1), 1 - (labelled & 2)  # 1, or -1 to look at it from the other side
    nearest = resize_labels(np.ascontiguousarray(mask[::rows, ::columns]), (size, size))[::rows, ::columns]
    layers = [np.float32(mask == label) for label in range(classes)]
    shares = np.stack([cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA) for layer in layers])
    ties = 1e-3 * (nearest == np.arange(classes)[:, None, None])  # less than any other difference
    return (shares + ties).argmax(0).astype(np.uint8)


def to_native(probability: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Turn class probabilities ``(classes, S, S)`` into labels on the image's own grid of `shape` ``(H, W)``."""
    most = np.full(shape, -np.inf, np.float32)
    labels = np.zeros(shape, np.uint8)
    for label, channel in enumerate(probability):  # one at a time: np.argmax over an outer axis takes ten times longer
        native = cv2.resize(channel, shape[::-1], interpolation=cv2.INTER_LINEAR)
        labels[native > most] = label
        np.maximum(most, native, out=most)
    return labels
