"""Maps laid over pictures, in colours that are even to the eye and safe for colour-blind readers."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def heat(picture: NDArray[np.float32], seen: NDArray[np.float32], side: int) -> Image.Image:
    """A map of evidence over the picture it belongs to.

    Args:
        picture: (H, W) grey in [0, 1].
        seen: (H, W) in [0, 1]; 0 is black and 1 bright yellow (Inferno), mixed over the picture.
        side: of the result in px.

    Returns:
        RGB, `side` px square; the picture's own pixels stay visible.
    """
    grey = cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST)[..., None]
    smooth = cv2.resize(seen, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colour = cv2.cvtColor(
        cv2.applyColorMap(np.round(smooth * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )
    mixed = 0.55 * colour / 255 + 0.45 * grey
    return Image.fromarray(np.round(mixed.clip(0, 1) * 255).astype(np.uint8))
