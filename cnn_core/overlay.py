"""Numbers as colours: maps, grids of maps, kernels, and maps laid over the picture they belong to.

Every quantity has one colour map, perceptually uniform and safe for colour-blind readers: equal steps of a value are
equal steps to the eye. Values that are no numbers have a colour of their own, which no map contains.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Quantity: colour map of matplotlib. Berlin (Crameri, 2018) runs from blue through black, which is 0, to red.
COLOURS = {"activation": "viridis", "signed": "berlin", "evidence": "inferno"}
LEVELS = 254  # colours of a map in a palette of 256
MISSING, GAP = 254, 255  # places in the palette: no number, and between tiles
MAGENTA = (255, 0, 255)
TILE = 112  # px, about: maps are enlarged by whole factors, so that their pixels stay squares
GUTTER = 4  # px
MOST_PNG = 60_000  # bytes; a larger picture is sent as WebP


@cache
def palette(quantity: str) -> NDArray[np.uint8]:
    """(256, 3) RGB: the colours of a quantity, then those of `MISSING` and `GAP`."""
    import matplotlib

    colours = matplotlib.colormaps[COLOURS[quantity]](np.linspace(0, 1, LEVELS))[:, :3]
    return np.concatenate([np.round(colours * 255), [MAGENTA, (128, 128, 128)]]).astype(np.uint8)


def levels(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Places in a palette of values on a scale; beyond its ends they have the colours of the ends."""
    finite = np.isfinite(values)
    share = np.where(finite, values - low, 0) * ((LEVELS - 1) / ((high - low) or 1))
    return np.where(finite, np.clip(np.rint(share), 0, LEVELS - 1), MISSING).astype(np.uint8)


def quantity_of(low: float) -> str:
    """How a scale that begins there is coloured: signed below 0."""
    return "signed" if low < 0 else "activation"


def coloured(places: NDArray[np.uint8], quantity: str) -> Image.Image:
    """Places in a palette as a picture with that palette; what lies between tiles is transparent."""
    picture = Image.fromarray(places, "L")
    picture.putpalette(palette(quantity).tobytes())
    picture.info["transparency"] = GAP
    return picture


def _fitted(maps: NDArray[np.float32], tile: int) -> NDArray[np.float32]:
    """Maps (n, h, w) averaged to at most `tile` px a side."""
    longest = max(maps.shape[1:])
    if longest <= tile:
        return maps
    size = tuple(max(1, round(side * tile / longest)) for side in (maps.shape[2], maps.shape[1]))
    return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in maps])


def grid(
    maps: NDArray[np.float32],
    low: float | NDArray[np.float32],
    high: float | NDArray[np.float32],
    columns: int = 8,
    tile: int = TILE,
    quantity: str = "",
) -> Image.Image:
    """Maps side by side in one picture.

    Args:
        maps: (n, h, w), n at least 1.
        low: of the colour scale; one for all, or (n,) one for each.
        high: likewise.
        columns: tiles in a row.
        tile: side of a tile, about (px).
        quantity: in `COLOURS`; found from the scale unless given.

    Returns:
        a picture with a palette; all tiles have the same size, and transparent gaps of 4 px lie between them.
    """
    fitted = _fitted(maps, tile)
    low, high = (np.broadcast_to(np.asarray(each, np.float32), len(maps)) for each in (low, high))
    places = np.stack([levels(each, *ends) for each, *ends in zip(fitted, low, high, strict=True)])
    factor = max(1, round(tile / max(places.shape[1:])))
    places = places.repeat(factor, 1).repeat(factor, 2)
    count, height, width = places.shape
    rows = -(-count // columns)
    sheet = np.full((rows, height + GUTTER, columns, width + GUTTER), GAP, np.uint8)
    for number, each in enumerate(places):
        sheet[number // columns, :height, number % columns, :width] = each
    whole = sheet.reshape(rows * (height + GUTTER), columns * (width + GUTTER))[:-GUTTER, :-GUTTER]
    return coloured(np.ascontiguousarray(whole), quantity or quantity_of(float(low.min())))


def kernels(weight: NDArray[np.float32], columns: int = 8, tile: int = 48) -> Image.Image:
    """Kernels side by side: in colour where they have three channels, else by their first one.

    Args:
        weight: (n, c, kh, kw).
        columns: tiles in a row.
        tile: side of a tile, about (px).

    Returns:
        RGB for three channels, with mid-grey for 0; else a palette picture that is symmetric about 0.
    """
    most = float(np.abs(weight).max()) or 1.0
    if weight.shape[1] != 3:
        return grid(weight[:, 0], -most, most, columns, tile)
    planes = [np.asarray(grid(weight[:, channel], -most, most, columns, tile)) for channel in range(3)]
    values = np.stack(planes, -1)
    rgb = np.where(values == GAP, 128, np.rint(values * (255 / (LEVELS - 1)))).astype(np.uint8)
    alpha = np.where(values[..., :1] == GAP, 0, 255).astype(np.uint8)
    return Image.fromarray(np.concatenate([rgb, alpha], -1), "RGBA")


def over(
    picture: Image.Image,
    values: NDArray[np.float32],
    low: float,
    high: float,
    quantity: str = "evidence",
    side: int = 280,
) -> Image.Image:
    """A map over the picture it belongs to.

    Args:
        picture: what the network saw, square.
        values: (h, w).
        low: of the colour scale.
        high: likewise.
        quantity: in `COLOURS`.
        side: of the result in px.

    Returns:
        RGB, `side` px square; the picture's own pixels stay visible.
    """
    enlarged = Image.Resampling.NEAREST if picture.width < side // 2 else Image.Resampling.BICUBIC
    below = np.asarray(picture.convert("RGB").resize((side, side), enlarged), np.float32)
    smooth = np.asarray(
        cv2.resize(np.asarray(values, np.float32), (side, side), interpolation=cv2.INTER_CUBIC), np.float32
    )
    colour = palette(quantity)[levels(smooth, low, high)]
    return Image.fromarray(np.round(0.55 * colour + 0.45 * below).astype(np.uint8))


def heat(picture: NDArray[np.float32], seen: NDArray[np.float32], side: int) -> Image.Image:
    """A map of evidence over the picture it belongs to.

    Args:
        picture: (H, W) grey in [0, 1].
        seen: (H, W) in [0, 1]; 0 is black and 1 bright yellow (Inferno), mixed over the picture.
        side: of the result in px.

    Returns:
        RGB, `side` px square; the picture's own pixels stay visible.
    """
    return over(Image.fromarray(np.round(picture * 255).astype(np.uint8)), seen, 0, 1, "evidence", side)


def encoded(picture: Image.Image) -> tuple[bytes, str]:
    """A picture as a small file, and its media type.

    Few large squares of equal colour are smallest as PNG, and exact; a grid of large maps is as a photograph to a file
    format, and lossy WebP takes a tenth of what PNG takes.
    """
    file = BytesIO()
    picture.save(file, "PNG")
    if len(file.getvalue()) <= MOST_PNG:
        return file.getvalue(), "image/png"
    file = BytesIO()
    picture.convert("RGBA").save(file, "WEBP", quality=80, method=2)
    return file.getvalue(), "image/webp"
