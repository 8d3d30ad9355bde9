"""From a picture to what a network takes: every set of weights names its own way, and pictures go no other.

A network fed with pictures that were prepared in another way than its training pictures answers worse, and nothing
says so: the course fed a pretrained network pictures without their normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in [0, 1]


@dataclass(frozen=True)
class Photograph:
    """A photograph to an RGB square, normalised channel by channel.

    What is shown is the picture before that. The course undoes it by `mean + std` where `x * std + mean` was meant.

    Attributes:
        side: S in px.
        crop: share of the shorter side that a centred square keeps; `None` squeezes the whole picture into the square.
        mean: subtracted from each channel, of values in [0, 1].
        std: what each channel is then divided by.
        interpolation: how pixels are resampled.
    """

    side: int
    crop: float | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"

    def __str__(self) -> str:
        shape = f"(N, 3, {self.side}, {self.side})"
        if self.std == (1.0, 1.0, 1.0):
            return f"{shape} in [0, 1], RGB"
        return f"{shape}, RGB in [0, 1] minus {self.mean}, divided by {self.std}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of one input."""
        return 3, self.side, self.side

    def seen(self, picture: Image.Image) -> Image.Image:
        """The part of the picture that the network sees, S px square."""
        size, how = (self.side, self.side), Image.Resampling[self.interpolation.upper()]
        picture = picture.convert("RGB")
        if self.crop is None:
            return picture.resize(size, how, reducing_gap=3.0)
        shorter = round(self.side / self.crop)
        width, height = (int(shorter * length / min(picture.size)) for length in picture.size)  # as torchvision rounds
        left, top = round((width - self.side) / 2), round((height - self.side) / 2)
        picture = picture.resize((width, height), how, reducing_gap=3.0)
        return picture.crop((left, top, left + self.side, top + self.side))

    def __call__(self, picture: Image.Image) -> Tensor:
        """The picture as a batch of one, (1, 3, S, S)."""
        import torch

        pixels = np.asarray(self.seen(picture), np.float32) / 255
        normalised = (pixels - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))[None]


@dataclass(frozen=True)
class Garment:
    """A drawing or photograph of one garment, cropped, centred and drawn anew as `drawing.prepare` does."""

    side: int = 28

    def __str__(self) -> str:
        return "(N, 1, 28, 28) in [0, 1], light on black"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of one input."""
        return 1, self.side, self.side

    def seen(self, picture: Image.Image) -> Image.Image:
        """The grey picture of 28x28 px that the network sees."""
        from cnn_core import drawing

        return Image.fromarray(np.round(drawing.prepare(np.asarray(picture.convert("RGB"))) * 255).astype(np.uint8))

    def __call__(self, picture: Image.Image) -> Tensor:
        """The picture as a batch of one, (1, 1, 28, 28)."""
        import torch

        return torch.from_numpy(np.asarray(self.seen(picture), np.float32) / 255)[None, None]


Preprocess = Photograph | Garment
