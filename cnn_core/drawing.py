"""From a drawing to what the networks were trained on: 28x28, light on black, centred, one line width.

People draw dark on light or light on dark, anywhere on the sheet, with any pen, filled or not, and leave outlines open.
The garments of Fashion-MNIST fill their 28x28 frame and are solid. `prepare` bridges the two: it finds the ink, crops
and scales it to the frame, thins every stroke to its centre line and redraws it at one width, closes narrow gaps, and
fills what the outline encloses with grey. Photographs are only cropped, scaled and brought to light on black.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from cnn_core.errors import Refused

SIZE = 28  # px, side of what the networks see
FINE = 4 * SIZE  # px, side of the sheet that the strokes are redrawn on
MARGIN = 3  # px of the fine sheet left free on each side: the strokes' own width and a little air
LARGEST = 512  # px, longest side that is looked at
LINE = 5  # px of the fine sheet: 1.25 px of what the network sees
SOLID = 17  # px of the fine sheet: what is thicker in every direction is an area, not a stroke
GAP = 9  # px of the fine sheet, of the disc that closes narrow openings in an outline before it is filled
FILL = 0.45  # grey of what an outline encloses, between the black of the sheet and the white of the strokes

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]


def disc(diameter: int) -> NDArray[np.uint8]:
    """A filled circle, as the structuring element of a morphological operation."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)).astype(np.uint8)


def find_ink(picture: NDArray[np.uint8]) -> Grey:
    """How much each pixel differs from the sheet it was drawn on.

    The sheet is the median of the picture's frame, so dark on light and light on dark come out alike.

    Args:
        picture: (H, W) grey or (H, W, 3) RGB.

    Returns:
        (h, w) in [0, 1], longest side at most 512 px: 0 is the sheet, 1 the strongest ink.

    Raises:
        Refused: when every pixel is the sheet's.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    scale = LARGEST / max(grey.shape)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in grey.shape[::-1])
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    frame = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    difference = np.abs(grey.astype(np.float32) - np.median(frame.astype(np.float32)))
    strongest = difference.max()
    if strongest < 24:  # of 255; what JPEG and a scanner's noise leave on an empty sheet
        raise Refused("Draw something: the sheet is empty.")
    return difference / strongest


def is_line_drawing(ink: Grey) -> bool:
    """Whether `ink` (h, w) in [0, 1] is pen on a sheet, rather than a photograph with its many greys."""
    seen = ink > 0.12
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    coverage = seen.sum() / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1))
    # A stroke's edge is grey too, so only greys away from every edge count.
    inner = cv2.erode(seen.astype(np.uint8), disc(3)) > 0
    between = (inner & (ink < 0.8)).sum() / max(1, seen.sum())
    return bool(between < 0.25 or coverage < 0.15)


def crop(ink: Grey, mask: Mask) -> tuple[Grey, Mask]:
    """Both (h, w) cut down to the rows and columns in which `mask` has anything."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return ink[box], mask[box]


def fit_into(picture: Grey, side: int, margin: int = 0) -> Grey:
    """Scale (h, w) so that its longer side is `side` - 2 `margin`, and centre it on a black square of `side`."""
    scale = (side - 2 * margin) / max(picture.shape)
    height, width = (max(1, round(extent * scale)) for extent in picture.shape)
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = resized
    return square


def without_specks(mask: Mask) -> Mask:
    """`mask` (h, w) without spots of a few pixels, unless there is nothing else."""
    _, components, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = statistics[:, cv2.CC_STAT_AREA]
    keep = areas >= min(max(4, mask.size / 20_000), areas[1:].max(initial=0))
    keep[0] = False  # the sheet
    return keep[np.asarray(components, np.intp)]


def redraw(strokes: Mask) -> Grey:
    """The drawing as the networks know it: strokes of one width in white, what they enclose in grey.

    Args:
        strokes: (112, 112), true where there is ink.

    Returns:
        (112, 112) in [0, 1].
    """
    sheet = np.pad(strokes.astype(np.uint8), GAP)
    solid = cv2.morphologyEx(sheet, cv2.MORPH_OPEN, disc(SOLID)).astype(np.uint8)
    rim = cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, disc(3)).astype(np.uint8)
    lines = cv2.dilate(skeletonize(sheet & ~solid | rim).astype(np.uint8), disc(LINE))
    closed = cv2.morphologyEx(lines, cv2.MORPH_CLOSE, disc(GAP))
    outside = closed.copy()
    cv2.floodFill(outside, None, (0, 0), 1)
    enclosed = (outside == 0) | (closed > 0) | (solid > 0)
    drawn = np.where(lines > 0, 1.0, np.where(enclosed, FILL, 0.0)).astype(np.float32)
    return drawn[GAP:-GAP, GAP:-GAP]


def prepare(picture: NDArray[np.uint8], centre: bool = True, normalise: bool = True) -> Grey:
    """What the networks receive of a drawing or photograph.

    Args:
        picture: (H, W) grey or (H, W, 3) RGB, dark on light or light on dark.
        centre: crop to the ink and let it fill the frame, as every picture of Fashion-MNIST does.
        normalise: thin strokes to one width, close gaps and fill; photographs are never redrawn.

    Returns:
        (28, 28) in [0, 1], light on black.

    Raises:
        Refused: when nothing is drawn.
    """
    ink = find_ink(picture)
    drawn = is_line_drawing(ink)
    threshold = 0.35 if drawn else 0.12
    mask = without_specks(ink > threshold) if drawn else ink > threshold
    if centre:
        ink, mask = crop(ink, mask)
    if not (drawn and normalise):
        return fit_into(ink, SIZE)
    fine = fit_into(mask.astype(np.float32), FINE, MARGIN)
    # Scaled down, a thin line covers part of a pixel only; scaled up, half is the edge.
    redrawn = redraw(fine > (0.25 if max(mask.shape) > FINE else 0.5))
    return cv2.resize(redrawn, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
