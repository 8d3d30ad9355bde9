"""Pictures from strangers: the one gate through which a visitor's picture enters.

Whatever comes in leaves as an upright RGB picture of 8 bits a channel, or is `Refused` in one sentence. Size is judged
before anything is read, the number of pixels from the header before anything is decoded, and nothing is guessed about
half a file.
"""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnn_core.errors import Refused

MOST_BYTES = 20_000_000
MOST_PIXELS = 25_000_000  # 75 MB as RGB; a 24-megapixel photograph passes
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # Pillow warns above it and raises above twice that, in the whole process


def read(source: Path | str | bytes, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """A picture file as a person would see it.

    Turned upright (EXIF), the first frame of several, grey or deep pictures scaled to 8 bits, transparency laid on
    white (on black if all that is visible is nearly white, as with white ink on a transparent sheet).

    Args:
        source: a file's path, or its content.
        most_pixels: width times height at most.

    Returns:
        RGB, of any proportions, at least 1x1.

    Raises:
        Refused: not a picture in one of `FORMATS`, damaged, cut short or too large.
    """
    try:
        with Image.open(BytesIO(_content(source)), formats=FORMATS) as picture:
            _check_pixels(*picture.size, most_pixels)
            picture.load()
            return _plain(picture)
    except Refused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(most_pixels) from error
    except UnidentifiedImageError as error:
        raise Refused("That is not a PNG, JPEG, WebP, GIF, BMP or TIFF picture: please choose another file.") from error
    except Exception as error:  # a damaged file can make a decoder raise almost anything
        raise Refused("That picture is damaged or cut short: please save it again, or choose another.") from error


def read_data_url(text: str, most_bytes: int = MOST_BYTES, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """`read`, for a picture written as "data:image/...;base64,...".

    Args:
        text: the address; its type is not believed, the content is looked at.
        most_bytes: size of the picture file at most, judged before it is decoded.
        most_pixels: width times height at most.
    """
    _check_bytes(3 * (len(text) - 60) // 4, most_bytes)
    head, _, body = text.partition(",")
    if not re.fullmatch(r"data:image/[\w.+-]{1,30};base64", head, re.ASCII):
        raise Refused("That is not a picture: please choose another file.")
    try:
        content = base64.b64decode(body, validate=True)
    except ValueError as error:
        raise Refused("That picture arrived damaged: please send it again.") from error
    return read(content, most_pixels)


def from_array(array: NDArray[np.generic]) -> Image.Image:
    """An array as a picture, its values scaled rather than clipped.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA. Floats within [0, 1] span black to white, so do the
            64Ki values of uint16; anything within [0, 255] is taken as it is; all else is stretched, smallest to black
            and largest to white.

    Returns:
        RGB, as from `read`.

    Raises:
        Refused: another shape, not numbers, NaN or infinity, or too large.
    """
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or not array.size:
        raise Refused(
            "An array of shape {shape} is not a picture: (H, W), (H, W, 3) or (H, W, 4), please.", shape=array.shape
        )
    _check_pixels(array.shape[1], array.shape[0], MOST_PIXELS)
    return _plain(Image.fromarray(_eight_bits(array)))


def shrink(image: Image.Image, longest: int) -> Image.Image:
    """The picture itself if it fits, else one of the same proportions whose longer side is `longest` px."""
    if max(image.size) <= longest:
        return image
    small = image.copy()
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return small


def _content(source: Path | str | bytes) -> bytes:
    """The bytes of a file, if there are not too many."""
    if not isinstance(source, bytes):
        path = Path(source)
        if not path.is_file():  # a folder, a pipe or a device would not end well
            raise Refused("That picture is not here any more: please choose it again.")
        _check_bytes(path.stat().st_size, MOST_BYTES)
        source = path.read_bytes()
    _check_bytes(len(source), MOST_BYTES)
    if not source:
        raise Refused("That file is empty: please choose another.")
    return source


def _check_bytes(size: int, limit: int) -> None:
    if size > limit:
        raise Refused("That file has {size} MB: at most {limit} MB, please.", size=_mega(size), limit=_mega(limit))


def _check_pixels(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Refused:
    return Refused("That picture is too large: at most {limit} megapixels, please.", limit=_mega(limit))


def _mega(amount: int) -> str:
    """Millions, two decimals at most."""
    return f"{round(amount / 1e6, 2):g}"


def _plain(picture: Image.Image) -> Image.Image:
    """Upright RGB, 8 bits a channel."""
    with suppress(Exception):  # a picture with damaged EXIF is a picture all the same
        ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    visible = picture.convert("L").histogram(mask=picture.getchannel("A"))  # of pixels that are not wholly transparent
    white_ink = sum(visible[:224]) < 0.05 * sum(visible)
    paper = Image.new("RGB", picture.size, "black" if white_ink else "white")
    paper.paste(picture, mask=picture)
    return paper


def _eight_bits(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """`from_array` says how."""
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype.kind not in "buif":
        raise Refused("That array does not hold real numbers: please convert it first.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(high - low):  # either of them NaN or infinite, or too far apart
        raise Refused("That picture holds values that are no numbers (NaN or infinity): please replace them first.")
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        low, high = 0, 65535
    elif low >= 0 and high <= 1 and array.dtype.kind in "bf":
        low, high = 0, 1
    elif low >= 0 and high <= 255:
        low, high = 0, 255
    values = array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64)
    return np.rint((values - low) * (255 / ((high - low) or 1))).astype(np.uint8)
