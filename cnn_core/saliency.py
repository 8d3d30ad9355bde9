"""Where a network looked: maps of what speaks for a class, and whether such a map means anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cnn_core.errors import Refused
from cnn_core.feature_maps import logits, map_node, randomised, with_gradients


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


# ---------------------------------------------------------------------------------------------------- By gradients


def grad_cam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Maps weighted by the mean of their gradients.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2016,
    https://arxiv.org/abs/1610.02391, eq. 1-2. Where only global pooling and one fully connected layer follow, this is
    the class-activation map, divided by the number of places.

    Args:
        maps: (C, h, w) of a layer.
        gradients: (C, h, w), of the class score by the maps.

    Returns:
        (h, w), at least 0.
    """
    return (gradients.mean((1, 2), keepdim=True) * maps).sum(0).clamp(min=0)


def grad_cam_plus_plus(maps: Tensor, gradients: Tensor) -> Tensor:
    """Maps weighted by their positive gradients, each place by how much it alone explains.

    Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", 2017, https://arxiv.org/abs/1710.11063, eq. 7 and 19
    (the score as the exponential of the logit, whose derivatives are then powers of the gradient). Arguments and result
    are those of `grad_cam`.
    """
    square = gradients**2
    below = 2 * square + maps.sum((1, 2), keepdim=True) * square * gradients
    share = torch.where(below.abs() > 1e-30, square / torch.where(below == 0, 1, below), 0)  # eq. 19's alpha
    weights = (share * gradients.clamp(min=0)).sum((1, 2), keepdim=True)  # eq. 7
    return (weights * maps).sum(0).clamp(min=0)


def layer_cam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Maps weighted place by place by their positive gradients, which stays sharp in early layers too.

    Jiang, Zhang, Hou, Cheng, Wei, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", 2021,
    https://doi.org/10.1109/TIP.2021.3089943, eq. 5-7. Arguments and result are those of `grad_cam`.
    """
    return (gradients.clamp(min=0) * maps).sum(0).clamp(min=0)


GRADIENT_METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Grad-CAM": grad_cam,
    "Grad-CAM++": grad_cam_plus_plus,
    "Layer-CAM": layer_cam,
}
METHODS = (*GRADIENT_METHODS, "Occlusion")


@dataclass(frozen=True)
class Seen:
    """What of a picture speaks for a class.

    Attributes:
        map: (h, w) in [0, 1]; all zeros where there is nothing to show.
        blank: why there is nothing to show, or `None`.
        score: of the class.
        probability: of the class, in [0, 1].
    """

    map: NDArray[np.float32]
    blank: Refused | None
    score: float
    probability: float


def by_gradients(network: nn.Module, images: Tensor, layer: str, target: int, method: str = "Grad-CAM") -> Seen:
    """Where the maps of a layer speak for a class.

    Args:
        network: left as it is, without a gradient or a hook; others may use it meanwhile.
        images: (1, C', H, W) as the network takes them.
        layer: name as in `network.named_modules()`.
        target: class index, 0 <= target < K.
        method: in `GRADIENT_METHODS`.

    Raises:
        Refused: no such layer or method, no maps, or no class scores.
        IndexError: `target` is not a class.
    """
    if method not in GRADIENT_METHODS:
        raise Refused("Choose {methods}, not {method!r}.", methods=", ".join(METHODS), method=method[:40])
    maps, gradients, scores = with_gradients(network, images, layer, target)
    evidence = GRADIENT_METHODS[method](maps[0].double(), gradients[0].double())
    blank = _why_blank(layer, maps, gradients, evidence)
    most = evidence.max()
    shown = torch.zeros_like(evidence) if blank else evidence / most
    return _seen(shown, blank, scores, target)


def _seen(shown: Tensor, blank: Refused | None, scores: Tensor, target: int) -> Seen:
    return Seen(
        shown.float().numpy(), blank, float(scores[0, target]), float(scores.softmax(1)[0, target].nan_to_num())
    )


def _why_blank(layer: str, maps: Tensor, gradients: Tensor, evidence: Tensor) -> Refused | None:
    """The first reason that applies for a map with nothing to show, from the input's side to the score's."""
    missing = int((~maps.isfinite()).sum())
    if missing:
        return Refused("{missing} of the {all} values of {layer} are no numbers: there is no map to draw.",
                       missing=f"{missing:,}", all=f"{maps.numel():,}", layer=layer)  # fmt: skip
    if maps.count_nonzero() == 0:
        return Refused("{layer} is dead on this picture: all its values are 0.", layer=layer)
    if maps.shape[-2:] == (1, 1):
        return Refused("{layer} stands behind the global pooling: one value per channel, and no places to compare.",
                       layer=layer)  # fmt: skip
    if not gradients.isfinite().all() or not evidence.isfinite().all():
        return Refused("The gradients at {layer} are no numbers: there is no map to draw.", layer=layer)
    if gradients.count_nonzero() == 0:
        return Refused("The score of this class does not depend on {layer}: its gradient is 0 everywhere.", layer=layer)
    if evidence.max() <= 0:
        return Refused("No positive evidence: nothing at {layer} speaks for this class on this picture.", layer=layer)
    return None


# ---------------------------------------------------------------------------------------------------- By covering


@torch.inference_mode()
def occlusion(network: nn.Module, images: Tensor, target: int, steps: int = 8, batch: int = 16) -> Seen:
    """How much less likely a class becomes when a part of the picture is covered with its mean colour.

    Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", 2013, https://arxiv.org/abs/1311.2901,
    section 4.2. No layer is looked into, so this is a check on the methods that do.

    Args:
        network: left as it is; others may use it meanwhile.
        images: (1, C', H, W) as the network takes them.
        target: class index, 0 <= target < K.
        steps: places of the square along each side; it is a quarter of the side long, and `steps`² pictures are run.
        batch: pictures at a time.

    Returns:
        the map is (H, W): the mean loss of probability over all squares that cover a pixel, gains cut off.

    Raises:
        Refused: the network gives no class scores.
        IndexError: `target` is not a class.
    """
    height, width = images.shape[-2:]
    rows, columns = max(1, height // 4), max(1, width // 4)
    tops = np.linspace(0, height - rows, steps).round().astype(int)
    lefts = np.linspace(0, width - columns, steps).round().astype(int)
    scores = logits(network, images)
    before = scores.softmax(1)[0, target]
    colour = images.mean((2, 3), keepdim=True)
    places = [(top, left) for top in tops for left in lefts]
    drops = []
    for start in range(0, len(places), batch):
        part = places[start : start + batch]
        covered = images.repeat(len(part), 1, 1, 1)
        for number, (top, left) in enumerate(part):
            covered[number, :, top : top + rows, left : left + columns] = colour[0]
        drops += (before - logits(network, covered).softmax(1)[:, target]).tolist()
    total, count = torch.zeros(height, width), torch.zeros(height, width)
    for (top, left), drop in zip(places, drops, strict=True):
        total[top : top + rows, left : left + columns] += drop
        count[top : top + rows, left : left + columns] += 1
    mean = (total / count.clamp(min=1)).clamp(min=0)
    if not torch.isfinite(before):
        blank = Refused("The scores of this picture are no numbers: there is no map to draw.")
    elif mean.max() <= 0:
        blank = Refused("Whatever part is covered, the class does not become less likely.")
    else:
        blank = None
    return _seen(torch.zeros_like(mean) if blank else mean / mean.max(), blank, scores, target)


# ---------------------------------------------------------------------------------------------------- Sanity check


@dataclass(frozen=True)
class Check:
    """A map after the weights from the class scores down to a layer have been drawn anew.

    Attributes:
        module: the earliest one drawn anew; "" for the trained network.
        share: of the modules with weights, how many were drawn anew, in [0, 1].
        seen: the map.
        agreement: Spearman's rank correlation with the trained network's map, -1 to 1; NaN if one of them is constant.
    """

    module: str
    share: float
    seen: Seen
    agreement: float


def sanity_check(
    network: nn.Module, images: Tensor, layer: str, target: int, method: str = "Grad-CAM", steps: int = 4, seed: int = 1
) -> Iterator[Check]:
    """Whether a map depends on what the network has learnt: it must change when that is taken away.

    Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, "Sanity Checks for Saliency Maps", 2018,
    https://arxiv.org/abs/1810.03292, section 4: the weights are drawn anew module by module, from the class scores down
    to the input, and the maps compared by their ranks. A map that stays as it was shows the picture, not the network.

    Args:
        network: left as it is; others may use it meanwhile.
        images: (1, C', H, W).
        layer: whose maps are looked at.
        target: class index, 0 <= target < K.
        method: in `GRADIENT_METHODS`.
        steps: how many stages of randomness.
        seed: of the weights drawn; an untrained network of `zoo` has those of seed 0.

    Yields:
        the trained network's map first, then `steps` more, the last with nothing left of what was learnt.
    """
    map_node(network, tuple(images.shape[1:]), layer)
    with_weights = [
        name
        for name, module in network.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    trained = by_gradients(network, images, layer, target, method)
    yield Check("", 0.0, trained, 1.0)
    steps = min(steps, len(with_weights))
    for step in range(1, steps + 1):
        first = len(with_weights) - round(len(with_weights) * step / steps)
        drawn = randomised(network, seed, set(with_weights[first:]))
        seen = by_gradients(drawn, images, layer, target, method)
        yield Check(with_weights[first], step / steps, seen, rank_correlation(trained.map, seen.map))


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing theirs; NaN if either is constant."""
    ranks = []
    for values in (one, other):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        rank = (np.cumsum(count) - (count - 1) / 2)[place.ravel()]
        ranks.append(rank - rank.mean())
    below = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float((ranks[0] * ranks[1]).sum() / below) if below else float("nan")
