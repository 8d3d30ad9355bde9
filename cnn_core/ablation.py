"""Switching channels off: what a class score loses without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnn_core.errors import Refused
from cnn_core.feature_maps import logits, map_node, private, with_gradients


@dataclass(frozen=True)
class Effect:
    """What one channel does for a class on one picture.

    Attributes:
        channel: its index.
        drop: the score with it minus the score without it; negative where it speaks against the class.
        estimate: of the drop, to first order: the sum over all places of value times gradient.
    """

    channel: int
    drop: float
    estimate: float


@torch.inference_mode()
def without(network: nn.Module, images: Tensor, layer: str, off: Sequence[Sequence[int]]) -> Tensor:
    """Class scores with chosen channels of a layer set to zero.

    Args:
        network: left as it is; others may use it meanwhile.
        images: (1, C', H, W) as the network takes them.
        layer: name of a module with maps (1, C, h, w).
        off: for each row of the answer, the channels that are switched off.

    Returns:
        (rows, K)

    Raises:
        Refused: no such layer or channel, no maps, or no class scores.
    """
    node = map_node(network, tuple(images.shape[1:]), layer)
    wrong = next((channel for row in off for channel in row if not 0 <= channel < node.shape[0]), None)
    if wrong is not None:
        raise Refused("{layer} has the channels 0 to {last}: there is no channel {channel}.", layer=layer,
                      last=node.shape[0] - 1, channel=wrong)  # fmt: skip

    def switch_off(_: nn.Module, __: Any, maps: Tensor) -> Tensor:
        maps = maps.clone()
        for row, channels in enumerate(off):
            node.channels_first(maps)[row, list(channels)] = 0
        return maps

    listening = private(network)
    listening.get_submodule(layer).register_forward_hook(switch_off)
    # The whole network runs for each row: behind the layer, rows could meet a branch that left before it.
    return logits(listening, images.expand(len(off), -1, -1, -1))


def ranking(
    network: nn.Module, images: Tensor, layer: str, target: int, most: int = 16, batch: int = 16
) -> list[Effect]:
    """The channels that matter most for a class on this picture.

    Molchanov, Tyree, Karras, Aila, Kautz, "Pruning Convolutional Neural Networks for Resource Efficient Inference",
    2016, https://arxiv.org/abs/1611.06440, eq. 7, estimates every channel's effect from one gradient. The largest
    estimates are then measured, each channel switched off by itself.

    Args:
        network: left as it is; others may use it meanwhile.
        images: (1, C', H, W) as the network takes them.
        layer: name of a module with maps.
        target: class index, 0 <= target < K.
        most: channels that are measured.
        batch: pictures at a time.

    Returns:
        the largest drop of the score first.
    """
    maps, gradients, scores = with_gradients(network, images, layer, target)
    estimates = (maps * gradients).sum((0, 2, 3))  # (C,)
    chosen = estimates.abs().nan_to_num().topk(min(most, len(estimates))).indices.tolist()
    after = torch.cat(
        [
            without(network, images, layer, [[channel] for channel in chosen[start : start + batch]])
            for start in range(0, len(chosen), batch)
        ]
    )
    drops = (scores[0, target] - after[:, target]).tolist()
    effects = [Effect(channel, drop, float(estimates[channel])) for channel, drop in zip(chosen, drops, strict=True)]
    return sorted(effects, key=lambda effect: -effect.drop)
