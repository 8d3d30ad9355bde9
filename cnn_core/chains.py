"""Networks as a list of layers, written by a visitor as JSON: read, checked, and followed. Needs no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnn_core.errors import Refused
from cnn_core.receptive_field import (
    Axis,
    Reach,
    Window,
    output_size,
    resampled,
    sliding,
    transposed,
    transposed_size,
)

MOST_LAYERS = 100
MOST = {"kernel": 512, "stride": 512, "padding": 512, "dilation": 512, "output_padding": 512, "channels": 65_536,
        "groups": 65_536}  # fmt: skip
DEFAULTS = {"kernel": 3, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "channels": 0, "groups": 1}


@dataclass(frozen=True)
class ChainLayer:
    """One layer of the list; numbers are per axis, and one number stands for all axes.

    Attributes:
        op: a key of `OPERATIONS`.
        kernel, stride, padding, dilation: as in PyTorch; an upsampling's factor is its stride.
        output_padding: of a transposed convolution.
        channels: that come out; 0 for as many as go in.
        groups: of a convolution; its channels are multiples of them. Depthwise: as many as channels go in.
    """

    op: str
    kernel: tuple[int, ...] = (3,)
    stride: tuple[int, ...] = (1,)
    padding: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    output_padding: tuple[int, ...] = (0,)
    channels: int = 0
    groups: int = 1

    def of(self, axis: int) -> tuple[int, int, int, int, int]:
        """Kernel, stride, padding, dilation and output padding along one axis."""
        per_axis = (self.kernel, self.stride, self.padding, self.dilation, self.output_padding)
        return tuple(values[axis if len(values) > 1 else 0] for values in per_axis)  # pyright: ignore[reportReturnType]


def _slide(size: int, k: int, s: int, p: int, d: int, _: int) -> tuple[Window, int]:
    return sliding(k, s, p, d), output_size(size, k, s, p, d)


def _transpose(size: int, k: int, s: int, p: int, d: int, extra: int) -> tuple[Window, int]:
    return transposed(k, s, p, d), transposed_size(size, k, s, p, d, extra)


def _upsample(size: int, k: int, s: int, p: int, d: int, _: int) -> tuple[Window, int]:
    return resampled(size, size * s, 1), size * s


# Name in the list: window and output size along one axis.
OPERATIONS: dict[str, Callable[[int, int, int, int, int, int], tuple[Window, int]]] = {
    "conv": _slide,
    "depthwise": _slide,
    "transposed": _transpose,
    "max_pool": _slide,
    "avg_pool": _slide,
    "upsample": _upsample,
}


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
    if not isinstance(entry, dict) or entry.get("op") not in OPERATIONS:
        raise Refused('Layer {number} needs an "op", one of {known}.', number=number, known=", ".join(OPERATIONS))
    if unknown := sorted(set(entry) - {"op", *DEFAULTS}):
        raise Refused("Layer {number} has {unknown}, which is none of {known}.",
                      number=number, unknown=str(unknown[0])[:40], known=", ".join(DEFAULTS))  # fmt: skip
    if entry["op"] in ("max_pool", "avg_pool"):  # as in PyTorch, a pooling moves on by its own length
        entry = {"kernel": 2, "stride": entry.get("kernel", 2)} | entry
    if entry["op"] == "upsample":
        entry = {"kernel": 1, "stride": 2} | entry
    numbers: dict[str, Any] = {key: _numbers(number, key, entry.get(key, each)) for key, each in DEFAULTS.items()}
    return ChainLayer(entry["op"], **numbers | {key: numbers[key][0] for key in ("channels", "groups")})


def _numbers(layer: int, key: str, value: Any) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, list) else (value,)
    least = 0 if key in ("padding", "output_padding", "channels") else 1
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
    settings = ("kernel", "stride", "padding", "dilation", "output_padding")
    lengths = {len(getattr(layer, name)) for layer in layers for name in settings}
    axes = len(size) if isinstance(size, tuple) else max(2, *lengths)
    if not lengths <= {1, axes}:
        raise Refused("Layers have to agree on the number of axes; these have lists of {lengths} numbers.",
                      lengths=" and ".join(map(str, sorted(lengths - {1}))))  # fmt: skip
    graph = [Axis(each) for each in (size if isinstance(size, tuple) else (size,) * axes)]
    followed = []
    for number, layer in enumerate(layers, 1):
        for place, axis in enumerate(graph):
            try:
                window, units = OPERATIONS[layer.op](axis.steps[-1].size, *layer.of(place))
                _check(layer, place)
            except Refused as refused:
                raise Refused("Layer {number} ({op}): {reason}",
                              number=number, op=layer.op, reason=str(refused)) from refused  # fmt: skip
            if units > most_units ** (1 / axes):
                raise Refused("Layer {number} ({op}) makes a map of {units} units along an axis, which is too many.",
                              number=number, op=layer.op, units=units)  # fmt: skip
            axis.add([len(axis.steps) - 1], window, units)
        followed.append(
            Followed(layer, tuple(a.steps[-1].size for a in graph), tuple(a.steps[-1].reach for a in graph))
        )
    return followed


def _check(layer: ChainLayer, place: int) -> None:
    kernel, _, padding, *_ = layer.of(place)
    if layer.op in ("max_pool", "avg_pool") and padding > kernel // 2:
        raise Refused("A pooling's padding is at most half its kernel; this is {padding} px of {kernel} px.",
                      padding=padding, kernel=kernel)  # fmt: skip
    if layer.op == "avg_pool" and layer.dilation != (1,):
        raise Refused("An average pooling has no dilation.")
