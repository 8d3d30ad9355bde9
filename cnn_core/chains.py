"""Networks as a list of layers, written by a visitor as JSON: read, checked, and followed. Needs no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cnn_core.errors import Refused
from cnn_core.receptive_field import (
    Axis,
    Reach,
    Window,
    adaptive,
    output_size,
    resampled,
    sliding,
    transposed,
    transposed_size,
)

MOST_LAYERS = 100
MOST = {"kernel": 512, "stride": 512, "padding": 512, "dilation": 512, "output_padding": 512, "output_size": 8192,
        "ceil_mode": 1, "channels": 65_536, "groups": 65_536}  # fmt: skip
DEFAULTS = {"kernel": 3, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "output_size": 1,
            "ceil_mode": 0, "channels": 0, "groups": 1}  # fmt: skip
MAY_BE_ZERO = ("padding", "output_padding", "ceil_mode", "channels")


@dataclass(frozen=True)
class ChainLayer:
    """One layer of the list; numbers are per axis, and one number stands for all axes.

    Attributes:
        op: a key of `OPERATIONS`.
        kernel, stride, padding, dilation: as in PyTorch; an upsampling's factor is its stride.
        output_padding: of a transposed convolution.
        output_size: units of an adaptive pooling.
        ceil_mode: 1 where a pooling rounds its output size up.
        channels: that come out; 0 for as many as go in.
        groups: of a convolution; its channels are multiples of them. Depthwise: as many as channels go in.
    """

    op: str
    kernel: tuple[int, ...] = (3,)
    stride: tuple[int, ...] = (1,)
    padding: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    output_padding: tuple[int, ...] = (0,)
    output_size: tuple[int, ...] = (1,)
    ceil_mode: tuple[int, ...] = (0,)
    channels: int = 0
    groups: int = 1

    def of(self, axis: int) -> Along:
        """Its numbers along one axis."""
        per_axis = (getattr(self, name) for name in PER_AXIS)
        return Along(*(values[axis if len(values) > 1 else 0] for values in per_axis))


class Along(NamedTuple):
    """The numbers of a layer along one axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int
    output_padding: int
    output_size: int
    ceil_mode: int


PER_AXIS = Along._fields


def _slide(size: int, it: Along) -> tuple[Window, int]:
    window = it.kernel, it.stride, it.padding, it.dilation
    return sliding(*window), output_size(size, *window, bool(it.ceil_mode))


def _transpose(size: int, it: Along) -> tuple[Window, int]:
    window = it.kernel, it.stride, it.padding, it.dilation
    return transposed(*window), transposed_size(size, *window, it.output_padding)


def _adapt(size: int, it: Along) -> tuple[Window, int]:
    return adaptive(size, it.output_size), it.output_size


def _upsample(size: int, it: Along) -> tuple[Window, int]:
    return resampled(size, size * it.stride, 1), size * it.stride


# Name in the list: window and output size along one axis.
OPERATIONS: dict[str, Callable[[int, Along], tuple[Window, int]]] = {
    "conv": _slide,
    "depthwise": _slide,
    "transposed": _transpose,
    "max_pool": _slide,
    "avg_pool": _slide,
    "adaptive_max_pool": _adapt,
    "adaptive_avg_pool": _adapt,
    "upsample": _upsample,
}
POOLINGS = "max_pool", "avg_pool"
# PyTorch's names are understood too, so that rows of a traced network can be handed back.
PYTORCH = {"conv": "conv", "convtranspose": "transposed", "maxpool": "max_pool", "avgpool": "avg_pool",
           "adaptivemaxpool": "adaptive_max_pool", "adaptiveavgpool": "adaptive_avg_pool",
           "upsample": "upsample"}  # fmt: skip


def read(text: str) -> list[ChainLayer]:
    """The layers of a JSON list such as [{"op": "conv", "kernel": 3, "stride": [2, 1]}, {"op": "max_pool"}].

    Raises:
        Refused: it is no such list; the sentence names the layer.
    """
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("The layers are not JSON: {reason}.", reason=str(error).split("\n")[0][:80]) from error
    if not isinstance(listed, list) or not listed:
        raise Refused('The layers must be a list that is not empty, such as [{{"op": "conv", "kernel": 3}}].')
    if len(listed) > MOST_LAYERS:
        raise Refused("Please list at most {most} layers; these are {count}.", most=MOST_LAYERS, count=len(listed))
    return [_layer(number, each) for number, each in enumerate(listed, 1)]


def _layer(number: int, entry: Any) -> ChainLayer:
    op = str(entry.get("op")) if isinstance(entry, dict) else ""
    op = PYTORCH.get(op.lower().removesuffix("1d").removesuffix("2d").removesuffix("3d"), op)
    if op not in OPERATIONS:
        raise Refused('Layer {number} needs an "op", one of {known}.', number=number, known=", ".join(OPERATIONS))
    if unknown := sorted(set(entry) - {"op", *DEFAULTS}):
        raise Refused("Layer {number} has {unknown}, which is none of {known}.",
                      number=number, unknown=str(unknown[0])[:40], known=", ".join(DEFAULTS))  # fmt: skip
    if op in POOLINGS:  # as in PyTorch, a pooling moves on by its own length
        entry = {"kernel": 2, "stride": entry.get("kernel", 2)} | entry
    if op == "upsample":
        entry = {"kernel": 1, "stride": 2} | entry
    numbers: dict[str, Any] = {key: _numbers(number, key, entry.get(key, each)) for key, each in DEFAULTS.items()}
    return ChainLayer(op, **numbers | {key: numbers[key][0] for key in ("channels", "groups")})


def _numbers(layer: int, key: str, value: Any) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, list) else (value,)
    if key == "ceil_mode":
        values = tuple(int(each) if isinstance(each, bool) else each for each in values)
    least = 0 if key in MAY_BE_ZERO else 1
    most = MOST[key]
    if not 1 <= len(values) <= 3 or not all(type(each) is int and least <= each <= most for each in values):
        raise Refused(
            "Layer {layer}: {key} must be a whole number from {least} to {most}, or a list, one per axis; it is {it}.",
            layer=layer, key=key, least=least, most=most, it=json.dumps(value)[:40],
        )  # fmt: skip
    return values


@dataclass(frozen=True)
class Followed:
    """A layer of a list, as it stands with a given input: units and what they see, per axis."""

    layer: ChainLayer
    sizes: tuple[int, ...]
    reaches: tuple[Reach, ...]


def follow(layers: list[ChainLayer], size: int | tuple[int, ...], most_units: int = 2**31) -> list[Followed]:
    """Sizes and fields behind each layer.

    Args:
        layers: as `read` gives them.
        size: of the picture in px; one number for a square picture.
        most_units: beyond which a map is refused.

    Raises:
        Refused: a layer does not fit; the sentence says which and why.
    """
    lengths = {len(getattr(layer, name)) for layer in layers for name in PER_AXIS}
    axes = len(size) if isinstance(size, tuple) else max(2, *lengths)
    if not lengths <= {1, axes}:
        raise Refused("Layers have to agree on the number of axes; these have lists of {lengths} numbers.",
                      lengths=" and ".join(map(str, sorted(lengths - {1}))))  # fmt: skip
    graph = [Axis(each) for each in (size if isinstance(size, tuple) else (size,) * axes)]
    followed = []
    for number, layer in enumerate(layers, 1):
        for place, axis in enumerate(graph):
            before = axis.steps[-1].size
            try:
                window, units = OPERATIONS[layer.op](before, layer.of(place))
                _check(layer, place)
                if units > most_units ** (1 / axes):
                    raise Refused("It makes a map of {units} units along an axis, which is too many.", units=units)
                pools = OPERATIONS[layer.op] is _adapt and units == 1 < before
                axis.add([len(axis.steps) - 1], window, units, pools=pools)
            except Refused as refused:
                raise Refused("Layer {number} ({op}): {reason}",
                              number=number, op=layer.op, reason=refused.words) from refused  # fmt: skip
        followed.append(
            Followed(layer, tuple(a.steps[-1].size for a in graph), tuple(a.steps[-1].reach for a in graph))
        )
    return followed


def _check(layer: ChainLayer, place: int) -> None:
    it = layer.of(place)
    if layer.channels % layer.groups:
        raise Refused("{channels} channels cannot be shared among {groups} groups.",
                      channels=layer.channels, groups=layer.groups)  # fmt: skip
    if layer.op in POOLINGS and it.padding > it.kernel // 2:
        raise Refused("A pooling's padding is at most half its kernel; this is {padding} px of {kernel} px.",
                      padding=it.padding, kernel=it.kernel)  # fmt: skip
    if layer.op == "avg_pool" and it.dilation != 1:
        raise Refused("An average pooling has no dilation.")
