"""Where a network looked."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Pooled(Protocol):
    """A network whose only fully connected layer follows global average pooling."""

    features: nn.Sequential
    classifier: nn.Sequential


@torch.inference_mode()
def class_activation_map(network: Pooled, images: Tensor, target: int) -> Tensor:
    """How much each place of the picture speaks for class `target`.

    Zhou, Khosla, Lapedriza, Oliva, Torralba, "Learning Deep Features for Discriminative Localization", 2015,
    https://arxiv.org/abs/1512.04150, eq. 2: M(x, y) = sum over channels k of w_k f_k(x, y). Its mean over all places,
    plus the bias, is the logit. Negative evidence is cut off and the rest scaled to [0, 1].

    Args:
        network: in eval mode; `features` gives maps (N, C, h, w), the last layer of `classifier` is fully connected
            from C to K. Read without hooks, so threads may share it.
        images: (N, C', H, W) as the network takes them.
        target: class index, 0 <= target < K.

    Returns:
        (N, H, W) in [0, 1], upsampled bilinearly; all zeros where nothing speaks for the class.

    Raises:
        IndexError: if `target` is not a class.
    """
    maps = network.features(images)  # (N, C, h, w)
    weight = network.classifier[-1].get_parameter("weight")[target]  # (C,)
    evidence = torch.einsum("nchw,c->nhw", maps, weight).clamp(min=0)
    evidence = F.interpolate(evidence[:, None], images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return evidence / evidence.amax((1, 2), keepdim=True).clamp(min=1e-12)
