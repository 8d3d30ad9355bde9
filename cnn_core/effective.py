"""The receptive field as it is measured: how strongly one unit depends on each pixel.

Luo, Li, Urtasun, Zemel, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", NeurIPS
2016, https://arxiv.org/abs/1701.04128. The theoretical field is a box with a sharp rim; the gradient of a unit with
respect to the picture is a blot that fades towards that rim, and most of it is much smaller than the box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnn_core.errors import Refused
from cnn_core.feature_maps import reached

SHARE = 0.9545  # of the gradient: what two standard deviations hold of a bell, the paper's threshold
MOST_SIZE = 512  # px; the backward pass keeps every map


@dataclass(frozen=True)
class Measured:
    """What a unit depends on.

    Attributes:
        strength: (H, W) of non-negative numbers that sum to 1, or to 0 where the unit depends on nothing.
        side: of the square of the effective field, in px: the square root of how many pixels hold `SHARE` of it.
    """

    strength: NDArray[np.float64]
    side: float


def measure(
    network: nn.Module, layer: str, unit: tuple[int, int], size: int, pictures: int = 4, call: int | None = None
) -> Measured:
    """The gradient of one unit of a layer, summed over its channels, with respect to the picture.

    Args:
        network: left as it is; others may use it meanwhile.
        layer: a name in `network.named_modules()`; its output has rows and columns.
        unit: row and column of its map.
        size: side of the picture in px, up to `MOST_SIZE`.
        pictures: of noise, over which the absolute gradient is averaged.
        call: which of the layer's outputs where it runs more than once, from 1; the last if not given.

    Returns:
        Where the unit looks.

    Raises:
        Refused: the picture is too large, or the layer gives no such map or one without such a unit.
    """
    if size > MOST_SIZE:
        raise Refused("Measuring keeps every map in memory: choose an input of at most {most} px.", most=MOST_SIZE)
    channels = next(module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d))
    generator = torch.Generator().manual_seed(0)
    weights = None
    strength = np.zeros((size, size))
    for _ in range(pictures):  # one at a time: the maps of a single one are many already
        noise = torch.randn(1, channels, size, size, generator=generator, requires_grad=True)
        maps = reached(network, noise, layer, call)  # (1, C, h, w)
        if unit[0] >= maps.shape[2] or unit[1] >= maps.shape[3]:
            raise Refused("{layer} has no unit in row {row}, column {column} of a map.",
                          layer=layer, row=unit[0], column=unit[1])  # fmt: skip
        if weights is None:
            # One random weight per channel: with equal ones, a normalised layer's channels could cancel each other.
            weights = torch.randn(maps.shape[1], generator=generator)
        (gradient,) = torch.autograd.grad(maps[0, :, unit[0], unit[1]] @ weights, noise)
        strength += gradient[0].abs().sum(0).double().numpy()  # (H, W)
    total = strength.sum()
    return Measured(strength / total if total else strength, _side(strength))


def _side(strength: NDArray[np.float64]) -> float:
    ordered = np.sort(strength, axis=None)[::-1].cumsum()
    return float(np.sqrt(np.searchsorted(ordered, SHARE * ordered[-1]) + 1)) if ordered[-1] else 0.0
