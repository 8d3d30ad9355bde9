"""What a network makes of a picture that is moved, turned or scaled: why weights are shared over places.

A convolution moves along with its input, a fully connected layer learns every place anew (LeCun et al., "Gradient-Based
Learning Applied to Document Recognition", 1998, section II).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def moved(
    images: Tensor, right: Tensor | float = 0.0, down: Tensor | float = 0.0, turn: float = 0.0, scale: float = 1.0
) -> Tensor:
    """The pictures turned and scaled about their centre, then moved; black comes in from outside.

    Args:
        images: (N, C, H, W), black is 0.
        right: px, one number or one per picture (N,).
        down: px, likewise.
        turn: degrees clockwise.
        scale: 2 is twice as large.
    """
    count, _, height, width = images.shape
    angle = math.radians(turn)
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    back = torch.tensor([[cosine, sine], [-sine, cosine]])  # from a place in the result to where it came from
    offset = torch.stack(torch.broadcast_tensors(torch.as_tensor(right), torch.as_tensor(down)), -1).float()
    offset = offset.expand(count, 2) / torch.tensor([width / 2, height / 2])  # in units of half a side
    theta = torch.cat([back.expand(count, 2, 2), -(back @ offset[..., None])], 2)  # (N, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@torch.inference_mode()
def answers_against_shift(
    network: nn.Module, image: Tensor, most: int, turn: float = 0.0, scale: float = 1.0
) -> Tensor:
    """Probabilities (2 `most` + 1, K) as the picture moves from `most` px to the left to `most` px to the right.

    Args:
        network: in eval mode.
        image: (1, C, H, W).
        most: px.
        turn: degrees clockwise, before it is moved.
        scale: 2 is twice as large, before it is moved.
    """
    shifts = torch.arange(-most, most + 1)
    return network(moved(image.expand(len(shifts), -1, -1, -1), shifts, 0.0, turn, scale)).softmax(1)


def steady_range(probabilities: Tensor) -> tuple[int, int]:
    """How far (px to the left, px to the right) the picture may move from the middle row before the answer changes.

    Args:
        probabilities: (2 m + 1, K), as `answers_against_shift` gives them.
    """
    middle = len(probabilities) // 2
    same = (probabilities.argmax(1) == probabilities[middle].argmax()).tolist()
    right = next((step for step in range(middle) if not same[middle + step + 1]), middle)
    left = next((step for step in range(middle) if not same[middle - step - 1]), middle)
    return left, right
