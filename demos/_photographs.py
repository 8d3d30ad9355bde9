"""Photographs on the page: a visitor's, made smaller, and examples that scikit-image and Gradio bring along.

The examples are read where they lie, and need no network.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder, is_in_or_equal
from PIL import Image, ImageOps

import cnn_core
from cnn_core import images
from cnn_core.errors import Refused

# Name: package and the file in it. Those of scikit-image are in the public domain (CC0).
PHOTOGRAPHS = {
    "Cat": ("skimage", "data/chelsea.png"),
    "Cheetah": ("gradio", "media_assets/images/cheetah1.jpg"),
    "Lion": ("gradio", "media_assets/images/lion.jpg"),
    "Coffee": ("skimage", "data/coffee.png"),
    "Rocket": ("skimage", "data/rocket.jpg"),
    "Astronaut": ("skimage", "data/astronaut.png"),
}

LONGEST = 1024  # px of a picture that is kept; no network here sees more
SHORTEST = 8  # px


def receive(image: Image.Image | None) -> Image.Image:
    """A picture from a visitor, made smaller if need be.

    Raises:
        Refused: there is none, or it is a line rather than a picture.
    """
    if image is None:
        raise Refused("Choose a picture first: upload one, paste one, or take an example.")
    small = images.shrink(image.convert("RGB"), LONGEST)
    if min(small.size) < SHORTEST:
        raise Refused("That picture is too small or too narrow: at least {least} px a side, please.", least=SHORTEST)
    return small


def uploaded(path: str) -> Image.Image:
    """A picture that Gradio has put into its folder; no other file is opened.

    Raises:
        Refused: it lies elsewhere, or cannot be read.
    """
    if "\0" in path or not is_in_or_equal(path, get_upload_folder()):
        raise Refused("Please upload the picture again.")
    return images.read(path)


def picture_of(source: str) -> Image.Image:
    """A picture by its source: an example's name, or the place of an upload.

    Raises:
        Refused: it is not there any more, or cannot be read.
    """
    return photograph(source) if source in PHOTOGRAPHS else uploaded(source)


def picture_url(picture: Image.Image, side: int | None = None) -> str:
    """A picture as a data: URL; with `side`, a square of so many px."""
    content, kind = cnn_core.overlay.encoded(ImageOps.fit(picture, (side, side)) if side else picture)
    return f"data:{kind};base64,{b64encode(content).decode()}"


def path(name: str) -> Path:
    """Where a photograph lies.

    Raises:
        Refused: its package has no such file any more.
    """
    package, file = PHOTOGRAPHS[name]
    spec = find_spec(package)
    found = Path(spec.origin).parent / file if spec and spec.origin else None
    if not found or not found.is_file():
        raise Refused("That example is not on this machine: please choose another one.")
    return found


def photograph(name: str) -> Image.Image:
    """An example as a picture, RGB."""
    return images.read(path(name))


def example(name: str) -> list[Any]:
    """An example, and its source for the tab and for the visit.

    Raises:
        Refused: it is not on this machine.
    """
    return [photograph(name), name, name]


@cache
def thumbnails() -> dict[str, str]:
    """Markup of a small picture for each example that is there, for `Choices`."""
    markup = {}
    for name in PHOTOGRAPHS:
        try:
            with Image.open(path(name)) as picture:
                picture.draft("RGB", (96, 96))
                small = ImageOps.fit(picture.convert("RGB"), (96, 96))
        except Refused:
            continue
        file = BytesIO()
        small.save(file, "JPEG", quality=75)
        source = f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
        markup[name] = f'<img src="{source}" alt="" width="48" height="48">'
    return markup
