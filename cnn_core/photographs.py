"""Photographs as tensors: read in bounded memory, and changed at random a whole batch at a time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import cast

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import pil_to_tensor

from cnn_core import data
from cnn_core.preprocessing import Photograph


def squared(picture: Image.Image, side: int) -> Tensor:
    """The whole picture made square, (3, S, S) uint8 RGB: nothing is cut off, proportions may change."""
    return pil_to_tensor(Photograph(side).seen(picture))


def stack(files: Iterable[Path], side: int) -> Tensor:
    """Photographs from files, (N, 3, S, S) uint8."""

    def read(file: Path) -> Tensor:
        with Image.open(file) as picture:
            return squared(picture, side)

    return torch.stack([read(file) for file in files])


@cache
def cat_dog(split: str, root: Path | None, side: int, most: int | None = None) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, S, S) uint8 and labels (N,) of a split of `data.cat_dog`.

    Args:
        split: as there.
        root: as there.
        side: S in px.
        most: if given, only so many, evenly spread over the files and so over the classes.
    """
    pairs = data.cat_dog(split, root)
    files, labels = zip(*pairs[:: max(1, len(pairs) // most) if most else 1][:most], strict=True)
    return stack(cast("tuple[Path, ...]", files), side), torch.tensor(labels)


def resize(images: Tensor, side: int) -> Tensor:
    """Images (N, C, H, W) to (N, C, S, S), smoothed before they are made smaller."""
    return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)


def flip_and_light(images: Tensor, most: float = 0.2) -> Tensor:
    """Mirror every other image, and change brightness and contrast of each by a factor of 1 - most to 1 + most.

    Args:
        images: (N, C, H, W) in [0, 1].
        most: in [0, 1).
    """
    count = len(images)
    images = torch.where((torch.rand(count) < 0.5)[:, None, None, None], images.flip(-1), images)
    brightness, contrast = 1 + most * (2 * torch.rand(2, count, 1, 1, 1) - 1)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * contrast + mean * brightness).clamp(0, 1)


def crop(images: Tensor, side: int, smallest: float = 0.5, squeeze: float = 1.3) -> Tensor:
    """A random part of each image, (N, C, S, S): a batched RandomResizedCrop without smoothing.

    Args:
        images: (N, C, H, W), about twice S at most.
        side: S in px.
        smallest: share of the image's side that a part covers at least.
        squeeze: how much wider or taller than its shape a part may be.
    """
    count = len(images)
    scale = smallest + (1 - smallest) * torch.rand(count)
    stretch = squeeze ** (torch.rand(count) - 0.5)
    wide, tall = (scale * stretch).clamp(max=1), (scale / stretch).clamp(max=1)
    x, y = (2 * torch.rand(2, count) - 1) * torch.stack([1 - wide, 1 - tall])
    zero = torch.zeros(count)
    theta = torch.stack([torch.stack([wide, zero, x], 1), torch.stack([zero, tall, y], 1)], 1)  # (N, 2, 3)
    grid = F.affine_grid(theta, [count, images.shape[1], side, side], align_corners=False)
    return F.grid_sample(images, grid, align_corners=False, padding_mode="reflection")
