"""Convolution and pooling by hand: where the window stands, what it multiplies, and what comes out. Needs no PyTorch.

What networks call a convolution is a cross-correlation: the kernel is not turned about. Dumoulin, Visin, "A guide to
convolution arithmetic for deep learning", 2016, https://arxiv.org/abs/1603.07285.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from cnn_core.errors import Refused
from cnn_core.receptive_field import output_size, transposed_size

Array = NDArray[np.float64]
Place = tuple[int, ...]

MOST_VALUES = 4096  # of an input, a kernel or an output
MOST_PRODUCTS = 2**18  # in all steps together; each is written out
MOST_PADDED = 2**22  # of an input with all that is put around and between its values
LARGEST = 1e9  # of a number, so that no sum of products runs over
EDGES = {"zeros": "constant", "repeat": "edge"}  # how the padding is filled: ours, and NumPy's word for it


@dataclass(frozen=True)
class Step:
    """One number of the output.

    Attributes:
        place: where it stands in the output: filter first where there are several, then row, column, ...
        corner: first place of the window in the padded input, without the channel.
        values: under the window, channel by channel; flat.
        weights: of the kernel, in the same order; empty for poolings.
        result: their products' sum, their largest, or their mean.
    """

    place: Place
    corner: Place
    values: tuple[float, ...]
    weights: tuple[float, ...]
    result: float

    def written(self) -> str:
        """The sum in full, e.g. "1·1 + 0·0 + 2·(−1) = −1"."""
        if not self.weights:
            return f"({', '.join(map(_number, self.values))}) → {_number(self.result)}"
        pairs = zip(self.values, self.weights, strict=True)
        sums = " + ".join(f"{_factor(value)}·{_factor(weight)}" for value, weight in pairs)
        return f"{sums} = {_number(self.result)}"


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".").replace("-", "−").replace("inf", "∞")


def _factor(value: float) -> str:
    text = _number(value)
    return f"({text})" if text.startswith("−") else text


POOLINGS: dict[str, Callable[[Array], float]] = {
    "max_pool": lambda values: float(values.max()),
    "avg_pool": lambda values: float(values.mean()),
}


@dataclass(frozen=True)
class Worked:
    """A convolution or pooling, worked out.

    Attributes:
        padded: the input as the window sees it: padded, and for a transposed convolution with zeros inserted; (C, ...).
        steps: one per number of the output, in reading order.
        output: (K, ...), or (C, ...) for poolings.
    """

    padded: Array
    steps: list[Step]
    output: Array


def work(
    op: str,
    picture: Array,
    kernel: Array | None = None,
    *,
    size: int = 2,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    edges: str = "zeros",
) -> Worked:
    """Every step of a convolution, pooling or transposed convolution.

    Args:
        op: "conv", "transposed", "max_pool" or "avg_pool".
        picture: (C, ...) with one to three axes behind the channels.
        kernel: (K, C, ...), one filter per output channel; unused by poolings. Of a transposed convolution (C, K, ...).
        size: of a pooling's window.
        stride: of the window; of a transposed convolution, one more than the zeros inserted between neighbours.
        padding: on every side; of a transposed convolution, how much is cut off instead.
        dilation: from tap to tap.
        edges: "zeros", or "repeat" the outermost values.

    Raises:
        Refused: the shapes do not belong together, or the window does not fit.
    """
    axes = picture.ndim - 1
    if not 1 <= axes <= 3:
        raise Refused("The input needs one to three axes besides its channels; it has {axes}.", axes=axes)
    if op not in ("conv", "transposed", *POOLINGS):
        raise Refused("The operation must be conv, transposed, max_pool or avg_pool.")
    if edges not in EDGES:
        raise Refused("The edges must be zeros or repeat.")
    if op in POOLINGS:
        return _pool(op, picture, size, stride, padding)
    if kernel is None or kernel.ndim != axes + 2:
        raise Refused(
            "The kernel needs as many axes as the input: here (filters, channels) and {axes} more.", axes=axes
        )
    if op == "transposed":
        return _transposed(picture, kernel, stride, padding, dilation)
    if kernel.shape[1] != picture.shape[0]:
        raise Refused("The kernel has {kernel} channels and the input {picture}: they must be equal.",
                      kernel=kernel.shape[1], picture=picture.shape[0])  # fmt: skip
    sizes = [output_size(n, k, stride, padding, dilation)
             for n, k in zip(picture.shape[1:], kernel.shape[2:], strict=True)]  # fmt: skip
    _afford([len(kernel), *sizes], kernel.shape[1:], [len(picture), *(n + 2 * padding for n in picture.shape[1:])])
    padded = np.pad(picture, [(0, 0)] + [(padding, padding)] * axes, mode=EDGES[edges])  # pyright: ignore[reportArgumentType, reportCallIssue]
    return _slide(padded, kernel, sizes, stride, dilation)


def _slide(padded: Array, kernel: Array, sizes: list[int], stride: int, dilation: int) -> Worked:
    output = np.zeros((len(kernel), *sizes))
    steps = []
    for place in product(range(len(kernel)), *map(range, sizes)):
        corner = tuple(stride * each for each in place[1:])
        values = padded[(slice(None), *_taps(corner, kernel.shape[2:], dilation))]
        output[place] = (values * kernel[place[0]]).sum()
        steps.append(Step(place, corner, _flat(values), _flat(kernel[place[0]]), float(output[place])))
    return Worked(padded, steps, output)


def _taps(corner: Place, sizes: Place, dilation: int) -> Iterator[slice]:
    return (slice(at, at + dilation * (taps - 1) + 1, dilation) for at, taps in zip(corner, sizes, strict=True))


def _flat(values: Array) -> tuple[float, ...]:
    return tuple(values.ravel().tolist())


def _pool(op: str, picture: Array, size: int, stride: int, padding: int) -> Worked:
    if padding > size // 2:
        raise Refused("A pooling's padding is at most half its kernel; this is {padding} px of {kernel} px.",
                      padding=padding, kernel=size)  # fmt: skip
    sizes = [output_size(n, size, stride, padding) for n in picture.shape[1:]]
    _afford([len(picture), *sizes], (size,) * len(sizes), [len(picture), *(n + 2 * padding for n in picture.shape[1:])])
    # What is padded can never be the largest; for the mean it counts as zero, as in PyTorch.
    fill = -np.inf if op == "max_pool" else 0.0
    padded = np.pad(picture, [(0, 0)] + [(padding, padding)] * len(sizes), constant_values=fill)
    output = np.zeros((len(picture), *sizes))
    steps = []
    for place in product(range(len(picture)), *map(range, sizes)):
        corner = tuple(stride * each for each in place[1:])
        values = padded[(place[0], *_taps(corner, (size,) * len(sizes), 1))]
        output[place] = POOLINGS[op](values)
        steps.append(Step(place, corner, _flat(values), (), float(output[place])))
    return Worked(padded, steps, output)


def _transposed(picture: Array, kernel: Array, stride: int, padding: int, dilation: int) -> Worked:
    """Zeros inserted between the values, padded, and convolved at stride 1 with the kernel turned about."""
    if kernel.shape[0] != picture.shape[0]:
        raise Refused("The kernel has {kernel} channels and the input {picture}: they must be equal.",
                      kernel=kernel.shape[0], picture=picture.shape[0])  # fmt: skip
    sizes = [transposed_size(n, k, stride, padding, dilation)
             for n, k in zip(picture.shape[1:], kernel.shape[2:], strict=True)]  # fmt: skip
    spaced = [(n - 1) * stride + 1 for n in picture.shape[1:]]
    around = [dilation * (k - 1) - padding for k in kernel.shape[2:]]
    wide = [n + 2 * max(each, 0) for n, each in zip(spaced, around, strict=True)]
    _afford([kernel.shape[1], *sizes], (kernel.shape[0], *kernel.shape[2:]), [len(picture), *wide])
    spread = np.zeros((len(picture), *spaced))
    spread[(slice(None), *[slice(None, None, stride)] * len(sizes))] = picture
    padded = np.pad(spread, [(0, 0)] + [(max(each, 0),) * 2 for each in around])
    cut = tuple(slice(max(-each, 0), n - max(-each, 0)) for each, n in zip(around, padded.shape[1:], strict=True))
    turned = np.flip(kernel, tuple(range(2, kernel.ndim))).swapaxes(0, 1)
    return _slide(padded[(slice(None), *cut)], turned, sizes, 1, dilation)


def _afford(output: Sequence[int], window: Sequence[int], padded: Sequence[int]) -> None:
    steps = prod(output)
    if prod(padded) > MOST_PADDED:
        raise Refused("The padded input would have {count} values; please stay below {most}.",
                      count=prod(padded), most=MOST_PADDED)  # fmt: skip
    if steps > MOST_VALUES:
        raise Refused("That would be {count} steps; please stay below {most}.", count=steps, most=MOST_VALUES)
    if steps * prod(window) > MOST_PRODUCTS:
        raise Refused("That would be {count} products; please stay below {most}.",
                      count=steps * prod(window), most=MOST_PRODUCTS)  # fmt: skip


def array(nested: object, name: str) -> Array:
    """Nested lists of numbers as an array.

    Raises:
        Refused: they are no numbers, uneven, empty, or too many.
    """
    try:
        values = np.array(nested, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused("The {name} must be numbers in lists of equal lengths.", name=name) from error
    if not 1 <= values.size <= MOST_VALUES or values.ndim > 5 or not (abs(values) <= LARGEST).all():
        raise Refused("The {name} must be 1 to {most} numbers between −{largest} and {largest}.",
                      name=name, most=MOST_VALUES, largest=f"{LARGEST:,.0f}")  # fmt: skip
    return values
