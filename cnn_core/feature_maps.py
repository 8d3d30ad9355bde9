"""What a network makes of a picture: the maps of any of its layers, read without changing the network.

A network is shared by all who use it, and a hook on it would run for everybody's pictures. So whoever reads maps takes
a copy of the structure that shares every tensor (`private`) and hooks that; nothing is left behind, whatever happens.
"""

from __future__ import annotations

import copy
import difflib
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_core.errors import Refused

# How PyTorch says that nothing of a picture is left for a window, or that it was cut to another size.
UNSUITED = re.compile(
    r"greater than actual input|output size is too small|cannot be multiplied|built for pictures", re.I
)


@dataclass(frozen=True)
class Node:
    """One module of a network, as it ran on an input of some shape.

    Attributes:
        name: as in `network.named_modules()`.
        kind: its class, e.g. "Conv2d".
        shape: of its output without the batch, e.g. (64, 112, 112); channels first, however the network has them.
        calls: how often it runs for one input.
        order: its place among all modules, by when they have run for the last time.
        convolution: it is a two-dimensional convolution, with kernels that can be shown.
        channels_last: its output is (N, h, w, C), as in parts of ConvNeXt and Swin.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    calls: int
    order: int
    convolution: bool = False
    channels_last: bool = False

    @property
    def has_maps(self) -> bool:
        """Its output has rows and columns: (C, h, w)."""
        return len(self.shape) == 3

    @property
    def label(self) -> str:
        """Name, class and shape of the output on one line."""
        return f"{self.name} · {self.kind} · {'×'.join(map(str, self.shape))}"

    def channels_first(self, output: Tensor) -> Tensor:
        """Its maps as (N, C, h, w): a view."""
        return output.movedim(-1, 1) if self.channels_last else output


def private(network: nn.Module) -> nn.Module:
    """A copy in eval mode whose modules are its own and whose tensors are the network's: made in milliseconds."""
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    return copy.deepcopy(network, shared).eval()


def randomised(network: nn.Module, seed: int = 0, names: Collection[str] | None = None) -> nn.Module:
    """A copy in eval mode with weights drawn anew, the rest shared with the network.

    He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", 2015, https://arxiv.org/abs/1502.01852, eq. 10: weights from a
    normal distribution of variance 2 / fan-in, so that signals neither die nor grow with depth; biases 0. A batch
    normalisation is set to leave its input as it is.

    Args:
        network: left as it is.
        seed: the same seed draws the same weights, whatever else the process draws.
        names: of the modules whose own tensors are drawn anew; all if not given.
    """
    memo: dict[int, Any] = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    generator = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if names is not None and name not in names:
            continue
        for key, tensor in chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False)):
            drawn = torch.empty_like(tensor, requires_grad=False)
            if tensor.dim() > 1 and isinstance(tensor, nn.Parameter):
                nn.init.kaiming_normal_(drawn, nonlinearity="relu", generator=generator)
            elif key in ("weight", "running_var"):
                nn.init.ones_(drawn)
            elif key in ("bias", "running_mean", "num_batches_tracked"):
                nn.init.zeros_(drawn)
            else:  # a table of positions, say: nothing that was learnt
                drawn = tensor
            memo[id(tensor)] = nn.Parameter(drawn) if isinstance(tensor, nn.Parameter) else drawn
    return copy.deepcopy(network, memo).eval()


# ---------------------------------------------------------------------------------------------------- The layer tree


_trees: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], tuple[Node, ...]]] = WeakKeyDictionary()


def tree(network: nn.Module, shape: Sequence[int]) -> tuple[Node, ...]:
    """Every module that runs and gives one tensor, in the network's own order; kept, so that it is found once.

    Args:
        network: left as it is.
        shape: of one input without the batch, e.g. (3, 224, 224).

    Raises:
        Refused: the network does not take inputs of this shape.
    """
    known = _trees.setdefault(network, {})
    if tuple(shape) not in known:
        known[tuple(shape)] = _tree(network, tuple(shape))
    return known[tuple(shape)]


def _tree(network: nn.Module, shape: tuple[int, ...]) -> tuple[Node, ...]:
    seen: dict[str, Node] = {}
    finished = iter(range(10**9))

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                calls = seen[name].calls + 1 if name in seen else 1
                last = _channels_last(output, shape)
                given = tuple((output.movedim(-1, 1) if last else output).shape[1:])
                kind, convolution = type(module).__name__, isinstance(module, nn.Conv2d)
                seen[name] = Node(name, kind, given, calls, next(finished), convolution, last)

        return hook

    names = [name for name, _ in network.named_modules() if name]
    listening = private(network)
    for name in names:
        listening.get_submodule(name).register_forward_hook(note(name))
    with torch.inference_mode():
        forward(listening, torch.zeros(1, *shape))
    return tuple(seen[name] for name in names if name in seen)


def _channels_last(output: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether the rows and columns of a square picture stand before the channels."""
    if output.dim() != 4 or len(shape) != 3 or shape[1] != shape[2]:
        return False
    first, second, third = output.shape[1:]
    return first == second != third


def node(network: nn.Module, shape: Sequence[int], name: str) -> Node:
    """The module of a name.

    Raises:
        Refused: there is none that runs; the sentence lists the near ones.
    """
    nodes = {each.name: each for each in tree(network, shape)}
    if name in nodes:
        return nodes[name]
    with_maps = [each.name for each in nodes.values() if each.has_maps]
    near = difflib.get_close_matches(name, nodes, 4, 0.5) or with_maps[:2] + with_maps[-2:]
    raise Refused("There is no layer {name!r} in this network; there are {near}.", name=name[:60],
                  near=", ".join(dict.fromkeys(near)))  # fmt: skip


def map_node(network: nn.Module, shape: Sequence[int], name: str) -> Node:
    """The module of a name, if its output has maps.

    Raises:
        Refused: there is none, or its output has no rows and columns; the sentence names layers that have.
    """
    found = node(network, shape, name)
    if found.has_maps:
        return found
    nodes = tree(network, shape)
    before = [each.name for each in nodes if each.has_maps and each.order < found.order]
    if not before:
        raise Refused("This network has no layer with maps: it is fully connected. Choose another network.")
    raise Refused(
        "{layer} gives {shape} numbers without rows and columns: choose a layer before it, such as {near}.",
        layer=name,
        shape="×".join(map(str, found.shape)),
        near=before[-1],
    )


def deepest(network: nn.Module, shape: Sequence[int]) -> Node:
    """The last module whose maps have more than one place: where class-activation maps are drawn from.

    Raises:
        Refused: the network has none.
    """
    spatial = [each for each in tree(network, shape) if each.has_maps and math.prod(each.shape[1:]) > 1]
    if not spatial:
        raise Refused("This network has no layer with maps: it is fully connected. Choose another network.")
    return max(spatial, key=lambda each: each.order)


# ---------------------------------------------------------------------------------------------------- Reading


class _Reached(Exception):
    """Ends a forward pass where its layer has run."""


def forward(network: nn.Module, images: Tensor) -> Any:
    """`network(images)`.

    Raises:
        Refused: the images are too small for the network, or not of the size it was made for.
    """
    try:
        return network(images)
    except (RuntimeError, ValueError) as error:
        if not UNSUITED.search(str(error)):
            raise
        raise Refused(
            "{network} takes no picture of {width}×{height} px: it is too small, or not of the size that the network "
            "was made for.",
            network=type(network).__name__,
            width=images.shape[-1],
            height=images.shape[-2],
        ) from error


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Class scores (N, K).

    Raises:
        Refused: the network gives something else.
    """
    output = forward(network, images)
    if not isinstance(output, Tensor) or output.dim() != 2:
        raise Refused("This network gives no class scores: choose one that classifies.")
    return output


def reached(network: nn.Module, images: Tensor, name: str, call: int | None = None) -> Tensor:
    """`read`, in the caller's own mode: outside of `torch.no_grad` the maps know what they come from.

    Args:
        network: as there.
        images: as there.
        name: as there.
        call: which of the module's outputs where it runs more than once, from 1; the last if not given.

    Returns:
        (N, C, h, w)

    Raises:
        Refused: as there, or the module does not run so often.
    """
    shape = tuple(images.shape[1:])
    listening = private(network)
    # What stands behind the layer need not take images of this size, unless its runs have to be counted first.
    known = name in dict(listening.named_modules())
    wanted = awaited = call if call and known else map_node(network, shape, name).calls
    caught: list[Tensor] = []

    def stop(_: nn.Module, __: Any, output: Tensor) -> None:
        nonlocal awaited
        awaited -= 1
        if not awaited:
            caught.append(output)
            raise _Reached

    listening.get_submodule(name).register_forward_hook(stop)
    with suppress(_Reached):
        forward(listening, images)
    if not caught:
        raise Refused("{layer} runs {calls} times, not {call}.", layer=name, calls=wanted - awaited, call=wanted)
    if not isinstance(caught[0], Tensor) or caught[0].dim() != 4:
        raise Refused("{layer} gives no map.", layer=name)
    return caught[0].movedim(-1, 1) if _channels_last(caught[0], shape) else caught[0]


@torch.inference_mode()
def read(network: nn.Module, images: Tensor, name: str) -> Tensor:
    """The maps of one layer; nothing behind it is computed, and nothing before it is kept.

    Args:
        network: left as it is; others may use it meanwhile.
        images: (N, C', H, W) as the network takes them.
        name: of a module; the last output where it runs more than once.

    Returns:
        (N, C, h, w)

    Raises:
        Refused: no such layer, or one without maps, or images that are too small.
    """
    return reached(network, images, name)


def with_gradients(network: nn.Module, images: Tensor, name: str, target: int) -> tuple[Tensor, Tensor, Tensor]:
    """The maps of a layer, what a small change of them would do to a class score, and all scores.

    Only the part of the network behind the layer is gone back through, and no parameter gets a gradient.

    Args:
        network: left as it is; others may use it meanwhile.
        images: (1, C', H, W).
        name: of a module with maps.
        target: class index, 0 <= target < K.

    Returns:
        maps (1, C, h, w), gradients (1, C, h, w), and scores (1, K).

    Raises:
        Refused: no such layer, no maps, no class scores, or images that are too small.
        IndexError: `target` is not a class.
    """
    found = map_node(network, tuple(images.shape[1:]), name)
    awaited = found.calls
    caught: list[Tensor] = []

    def begin(_: nn.Module, __: Any, output: Tensor) -> Tensor | None:
        nonlocal awaited
        awaited -= 1
        if awaited:
            return None
        torch.set_grad_enabled(True)  # from here on; `no_grad` below puts back what was before
        caught.append(output.detach().requires_grad_())
        return caught[0].clone()  # which the next layer may overwrite

    listening = private(network)
    listening.get_submodule(name).register_forward_hook(begin)
    with torch.no_grad():
        scores = logits(listening, images)
        score = scores[0, target]
        maps = caught[0]
        gradients = torch.autograd.grad(score, maps, allow_unused=True)[0] if score.requires_grad else None
    gradients = torch.zeros_like(maps) if gradients is None else gradients
    return found.channels_first(maps.detach()), found.channels_first(gradients), scores.detach()


@dataclass(frozen=True)
class Stage:
    """What one stage of a network makes of a picture.

    Attributes:
        node: the last module whose maps have this size.
        summary: (h, w), mean over all channels of the absolute values.
    """

    node: Node
    summary: NDArray[np.float32]


def stages(network: nn.Module, images: Tensor) -> tuple[list[Stage], Tensor]:
    """The way from pixels to scores in one forward pass, of which a summary per stage is kept.

    Args:
        network: left as it is; others may use it meanwhile.
        images: (1, C', H, W).

    Returns:
        a stage per size of maps, from large to small, and the network's output.
    """
    last: dict[tuple[int, ...], Node] = {}
    for each in sorted(tree(network, tuple(images.shape[1:])), key=lambda each: each.order):
        if each.has_maps:
            last[each.shape[1:]] = each
    summaries: dict[str, NDArray[np.float32]] = {}

    def note(found: Node) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            summaries[found.name] = found.channels_first(output)[0].abs().mean(0).numpy()

        return hook

    listening = private(network)
    for each in last.values():
        listening.get_submodule(each.name).register_forward_hook(note(each))
    with torch.inference_mode():
        output = forward(listening, images)
    return [Stage(each, summaries[each.name]) for each in sorted(last.values(), key=lambda each: each.order)], output


# ---------------------------------------------------------------------------------------------------- Statistics


@dataclass(frozen=True)
class Statistics:
    """What the maps of a layer are like, channel by channel; values that are no numbers are counted and left out.

    Attributes:
        minimum, maximum, mean, variance: (C,); NaN for a channel without a single number.
        zeros: (C,) share of values that are exactly 0, in [0, 1].
        missing: (C,) how many values are NaN or infinite.
        peak: (C, 2) row and column of the largest value.
    """

    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    zeros: NDArray[np.float64]
    missing: NDArray[np.int64]
    peak: NDArray[np.int64]

    @property
    def dead(self) -> int:
        """Channels that are 0 everywhere."""
        return int((self.zeros == 1).sum())


def statistics(maps: NDArray[np.float32]) -> Statistics:
    """Statistics of maps (C, h, w)."""
    channels, _, width = maps.shape
    flat = maps.reshape(channels, -1)
    if (finite := np.isfinite(flat)).all():
        low = high = flat
        count = np.full(channels, flat.shape[1])
        mean = flat.mean(1, dtype=np.float64)
        variance = flat.var(1, dtype=np.float64)
    else:
        low, high = np.where(finite, flat, np.inf), np.where(finite, flat, -np.inf)
        count = finite.sum(1)
        some = np.where(count, count, np.nan)
        clean = np.where(finite, flat, 0).astype(np.float64)
        mean = clean.sum(1) / some
        variance = np.where(finite, clean - np.nan_to_num(mean)[:, None], 0).__pow__(2).sum(1) / some
    nothing = np.where(count, 0.0, np.nan)
    place = high.argmax(1)
    return Statistics(
        minimum=np.where(count, low.min(1), nothing).astype(np.float64),
        maximum=np.where(count, high.max(1), nothing).astype(np.float64),
        mean=mean,
        variance=variance,
        zeros=(flat == 0).mean(1),
        missing=flat.shape[1] - count,
        peak=np.stack([place // width, place % width], 1),
    )


# What channels can be ordered by: the largest first.
ORDERS: Mapping[str, Callable[[Statistics], NDArray[Any]]] = {
    "index": lambda found: -np.arange(len(found.mean)),
    "mean": lambda found: found.mean,
    "variance": lambda found: found.variance,
    "sparsity": lambda found: found.zeros,
}


def ordered(found: Statistics, order: str) -> NDArray[np.int64]:
    """Channels in an order of `ORDERS`; those that are no numbers come last, equal ones by index.

    Raises:
        Refused: there is no such order.
    """
    if order not in ORDERS:
        raise Refused("Channels can be ordered by {orders}, not by {order!r}.", orders=", ".join(ORDERS), order=order)
    return np.argsort(-np.nan_to_num(ORDERS[order](found).astype(float), nan=-np.inf), kind="stable")


SAMPLE = 100_000  # values that a scale is found from
WITHIN = 99.5  # percent of the values that a scale spans; a single bright spot would leave the rest in the dark


def scale(maps: NDArray[np.float32]) -> tuple[float, float]:
    """Smallest and largest value of a layer's colour scale.

    Where no value is negative it begins at 0; else it is symmetric about 0, so that colours tell the sign. It spans
    99.5 % of the values; those beyond have the colour of its end.

    Args:
        maps: of all channels, so that they can be compared with one another.
    """
    values = maps.ravel()[:: max(1, maps.size // SAMPLE)]
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    most = float(np.percentile(np.abs(values), WITHIN)) or float(np.abs(values).max()) or 1.0
    return (-most if values.min() < 0 else 0.0), most


# ---------------------------------------------------------------------------------------------------- Keeping


class Recent:
    """Arrays that were computed lately, up to so many bytes, those used longest ago given up first.

    Threads may share it. What is kept belongs to its key alone, never to a visitor: the key has to name everything that
    the array depends on.

    Args:
        most_bytes: of all arrays together.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, compute: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        """The array of a key, computed if need be; read-only."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        array = compute()  # outside the lock: others need not wait for it
        array.flags.writeable = False
        with self._lock:
            self._kept[key] = array
            while self.bytes > self.most_bytes:
                self._kept.popitem(last=False)
        return array

    @property
    def bytes(self) -> int:
        """Of all arrays together."""
        return sum(array.nbytes for array in self._kept.values())


# ---------------------------------------------------------------------------------------------------- Filters

DEAD_BELOW = 0.01  # of the median norm


def kernels(network: nn.Module, name: str) -> NDArray[np.float32]:
    """The kernels (C out, C in of its group, kh, kw) of a convolution.

    Raises:
        Refused: the module is something else.
    """
    module = dict(network.named_modules()).get(name)
    if not isinstance(module, nn.Conv2d):
        raise Refused("{layer} has no kernels of its own: choose a convolution.", layer=name[:60])
    return module.weight.detach().numpy()


def norms(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean norm of each filter (C out,): the root of the sum of its squared weights."""
    return np.sqrt((kernels.astype(np.float64) ** 2).sum((1, 2, 3))).astype(np.float32)


def dead_filters(norms: NDArray[np.float32]) -> NDArray[np.int64]:
    """Filters that hardly answer to anything: those with less than a hundredth of the median norm."""
    return np.flatnonzero(norms <= DEAD_BELOW * np.median(norms))
