"""What each layer makes of an input: output size, parameters and multiply–adds, with the sums written out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import torch
from torch import Size, Tensor, nn

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Layer:
    """One layer, as it stands in a network with a given input.

    Attributes:
        name: as in `network.named_modules()`.
        kind: the class, e.g. "Conv2d".
        output: shape without the batch, e.g. (32, 28, 28).
        parameters: numbers that are learnt.
        multiply_adds: of one input; 0 for layers that only compare or add.
        size_formula: (W−F+2P)/S+1 with its numbers, or "" where the layer has no window.
        parameter_formula: how `parameters` comes about, or "".
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    size_formula: str
    parameter_formula: str


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Output size in px, (W−F+2P)/S+1 rounded down, of a window of `kernel` px that moves over `size` px.

    Raises:
        ValueError: the window is larger than the padded input.
    """
    if kernel > size + 2 * padding:
        raise ValueError(f"a window of {kernel} px does not fit into {size} + 2*{padding} px")
    return (size - kernel + 2 * padding) // stride + 1


def size_formula(size: int, kernel: int, stride: int = 1, padding: int = 0) -> str:
    """The same sum as a line of text, e.g. "(28 − 3 + 2·1)/1 + 1 = 28"; floor brackets where it does not divide."""
    fraction = f"({size} {MINUS} {kernel} + 2·{padding})/{stride}"
    if (size - kernel + 2 * padding) % stride:
        fraction = f"⌊{fraction}⌋"
    return f"{fraction} + 1 = {output_size(size, kernel, stride, padding)}"


def _square(value: int | tuple[int, ...]) -> int:
    """The width-wise entry of a setting that may be given once for both axes."""
    return value if isinstance(value, int) else value[-1]


def _window(layer: nn.Module, size: int) -> str:
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return ""
    stride, padding = _square(layer.stride), layer.padding
    return size_formula(size, _square(layer.kernel_size), stride, 0 if isinstance(padding, str) else _square(padding))


# How the number of parameters comes about, per kind of layer.
COUNTS: dict[type[nn.Module], Callable[..., str]] = {
    nn.Conv2d: lambda layer: (
        f"{layer.kernel_size[0]}·{layer.kernel_size[1]}·{layer.in_channels // layer.groups}·{layer.out_channels}"
        + (f" + {layer.out_channels}" if layer.bias is not None else "")
    ),
    nn.Linear: lambda layer: (
        f"{layer.in_features}·{layer.out_features}" + (f" + {layer.out_features}" if layer.bias is not None else "")
    ),
    nn.BatchNorm2d: lambda layer: f"2·{layer.num_features}",
}


def _multiply_adds(layer: nn.Module, output: Size) -> int:
    """Each output number of a convolution or fully connected layer is a sum of as many products as it has weights."""
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        return 0
    return layer.weight[0].numel() * prod(output[1:])


def describe(network: nn.Module, input_shape: tuple[int, ...]) -> list[Layer]:
    """Every layer in the order in which it runs.

    Args:
        network: left exactly as it was; a copy is run, so others may use it meanwhile.
        input_shape: without the batch, e.g. (1, 28, 28).
    """
    layers: list[Layer] = []
    network = copy.deepcopy(network).eval()

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            kind, count = type(layer), sum(parameter.numel() for parameter in layer.parameters())
            layers.append(
                Layer(
                    name,
                    kind.__name__,
                    tuple(output.shape[1:]),
                    count,
                    _multiply_adds(layer, output.shape),
                    _window(layer, inputs[0].shape[-1]),
                    COUNTS[kind](layer) if kind in COUNTS else "",
                )
            )

        return hook

    for name, layer in network.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(note(name))
    with torch.inference_mode():
        network(torch.zeros(1, *input_shape))
    return layers
