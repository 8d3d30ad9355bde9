"""From a network to its layers: what runs on which input, and what each unit sees of the picture.

A copy of the network without numbers is run once on an input without numbers (PyTorch's "meta" device), and every
operation is written down as PyTorch is about to do it. So there is no table per network, branches and reused layers are
as they really run, and neither time nor memory grows with the weights.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cnn_core import receptive_field as fields
from cnn_core.errors import Refused
from cnn_core.receptive_field import POINT, SPREAD, Axis, Field, Reach, Span, Window

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer, or one operation between layers, of a network with a given input.

    Attributes:
        name: as in `network.named_modules()`; of an operation between layers, the module it stands in and what it does.
        op: the class, e.g. "Conv2d", or the operation, e.g. "add".
        kernel, stride, padding, dilation: per axis; empty where the layer has no window.
        shape: of the output without the batch, e.g. (64, 112, 112).
        reaches: what its units see, per axis of the picture.
        steps: its place in the trace, per axis of the picture.
        mapped: every axis of the picture is an axis of the output still.
        parameters: numbers that are learnt.
        multiply_adds: of one input; 0 for layers that only compare or add.
    """

    name: str
    op: str
    kernel: Numbers
    stride: Numbers
    padding: Numbers
    dilation: Numbers
    shape: Numbers
    reaches: tuple[Reach, ...]
    steps: Numbers
    mapped: bool
    parameters: int = 0
    multiply_adds: int = 0

    @property
    def fields(self) -> tuple[Field, ...]:
        """What its units see on the local way, per axis of the picture."""
        return tuple(reach.field for reach in self.reaches)

    @property
    def sees_everything(self) -> bool:
        """Each unit depends on the whole picture, if only through a pooled branch."""
        return all(reach.pooled or reach.everything for reach in self.reaches)

    @property
    def moves(self) -> bool:
        """It has a window of more than a point, or brings branches together: the field may change here."""
        return any(kernel > 1 for kernel in self.kernel) or any(step > 1 for step in self.stride)


@dataclass(frozen=True)
class Trace:
    """A network as it ran once.

    Attributes:
        size: of the input without batch and channels, e.g. (224, 224).
        layers: in the order in which they ran; a layer that ran twice stands there twice.
        outputs: what each module of the network gave last, containers too, by its name.
        axes: the steps, per axis of the picture.
        stopped: why nothing is known from some layer on, as a `Refused`, or `None`.
    """

    size: Numbers
    layers: list[Layer]
    outputs: dict[str, Layer]
    axes: tuple[Axis, ...]
    stopped: Refused | None = None

    def spans(self, layer: Layer | str, unit: Numbers) -> tuple[Span | None, ...]:
        """First and last pixel on which a unit depends without pooled branches, per axis; rim and holes are heeded.

        Args:
            layer: one of `layers`, or a name in `outputs`.
            unit: its position in the map, one number per axis.

        Raises:
            Refused: there is no such layer or unit.
        """
        found = self.layer(layer) if isinstance(layer, str) else layer
        sizes = self.units(found)
        if not all(0 <= place < size for place, size in zip(unit, sizes, strict=True)):
            raise Refused(
                "The map of {layer} has {sizes} units: there is no unit {unit}.",
                layer=found.name,
                sizes="×".join(map(str, sizes)),
                unit=", ".join(map(str, unit)),
            )
        return tuple(axis.span(step, place) for axis, step, place in zip(self.axes, found.steps, unit, strict=True))

    def box(self, layer: Layer | str, unit: Numbers) -> tuple[int, int, int, int]:
        """What a unit of a map (row, column) sees of the picture: (top, left, bottom, right) as `fields.box`."""
        rows, columns = self.spans(layer, unit)
        return fields.box(rows, columns, *self.size)

    def seers(self, layer: Layer | str, pixel: Numbers) -> tuple[list[int], ...]:
        """Every unit that depends on a pixel without pooled branches: rows and columns of the map."""
        found = self.layer(layer) if isinstance(layer, str) else layer
        return tuple(axis.seers(step, place) for axis, step, place in zip(self.axes, found.steps, pixel, strict=True))

    def units(self, layer: Layer | str) -> Numbers:
        """Units of a layer's map per axis of the picture."""
        found = self.layer(layer) if isinstance(layer, str) else layer
        return tuple(axis.steps[step].size for axis, step in zip(self.axes, found.steps, strict=True))

    def layer(self, name: str) -> Layer:
        """The layer of a name.

        Raises:
            Refused: there is none; the sentence lists the near ones.
        """
        if name in self.by_name:
            return self.by_name[name]
        import difflib

        near = difflib.get_close_matches(name, self.by_name, cutoff=0.5) or list(self.by_name)[:3]
        raise Refused("This network has no layer {name!r} that can be followed; there are {near}.",
                      name=name, near=", ".join(near))  # fmt: skip

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        """Everything that has a name; the last where a layer runs more than once."""
        return {layer.name: layer for layer in self.layers} | self.outputs


class Unfollowable(Refused):
    """An operation after which places of the map are no longer places of the picture."""


def trace(network: nn.Module, size: int | Sequence[int]) -> Trace:
    """Run a network once without numbers and say what each of its layers sees.

    Args:
        network: left exactly as it was; may lie on any device.
        size: of the input in px: one number for a square picture, else one per axis, e.g. (height, width).

    Raises:
        Refused: the network has no convolutions, takes no input of this size, or mixes all places of the picture
            from the start, as transformers do.
    """
    first = next((layer for layer in network.modules() if isinstance(layer, CONVOLUTIONS)), None)
    if first is None:
        raise Refused("This network has no convolutions: each of its units sees the whole picture from the start.")
    sizes = (size,) * (first.weight.dim() - 2) if isinstance(size, int) else tuple(size)
    recorder = Recorder(sizes)
    numberless = _without_numbers(network)
    shape = (1, first.in_channels, *sizes)
    stopped = None
    try:
        with torch.inference_mode(), recorder.listening(numberless):
            picture = torch.empty(shape, device="meta")
            recorder.places[id(picture)] = Places(tuple(0 for _ in sizes), tuple(range(2, len(shape))))
            recorder.alive.append(picture)
            with recorder:
                numberless(picture)
    except Unfollowable as reason:
        stopped = Refused(
            "From {layer} on each unit depends on the whole picture, or on parts of it that are no box ({reason}): "
            "what is listed ends there.",
            layer=recorder.here or type(network).__name__,
            reason=reason.words,
        )
    except Refused:
        raise
    except Exception as error:  # whatever a network of others raises when its input does not suit it
        logging.getLogger(__name__).info("%s", error)
        stopped = Refused("From {layer} on the network does not take a map of this size; choose the size that it was "
                          "made for.", layer=recorder.here or type(network).__name__)  # fmt: skip
    found = recorder.layers
    if stopped and sum(any(k > s for k, s in zip(each.kernel, each.stride, strict=True)) for each in found) < 2:
        if "whole picture" in stopped.words.template:
            raise Refused(
                "{network} mixes all places of the picture almost from the start, as transformers do (at {layer}): its "
                "units have no receptive field to speak of.",
                network=type(network).__name__,
                layer=stopped.words.values["layer"],
            ) from stopped
        raise Refused("{network} takes no picture of {size} px: choose the size that it was made for.",
                      network=type(network).__name__, size="×".join(map(str, sizes))) from stopped  # fmt: skip
    return Trace(sizes, found, recorder.outputs, recorder.axes, stopped)


CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d


def _without_numbers(network: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers have shapes and no contents."""
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=False)
    for buffer in network.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    return copy.deepcopy(network, memo).eval()


@dataclass(frozen=True)
class Places:
    """Where a tensor's places are in the picture.

    Attributes:
        steps: number in `Axis.steps`, per axis of the picture.
        dims: the tensor's dimension along which the axis runs, per axis; `None` where it has been flattened away.
    """

    steps: Numbers
    dims: tuple[int | None, ...]


NO_WINDOW: dict[str, Any] = {"kernel": (), "stride": (), "padding": (), "dilation": ()}


@dataclass
class Call:
    """A module at work."""

    name: str
    module: nn.Module
    leaf: bool
    layer: int | None = None  # its number in `Recorder.layers`


class Recorder(TorchDispatchMode):
    """Notes every operation; see `RULES` for what each does to the places of a map.

    Args:
        sizes: of the picture, per axis.
    """

    def __init__(self, sizes: Numbers) -> None:
        super().__init__()
        self.axes = tuple(Axis(size) for size in sizes)
        self.layers: list[Layer] = []
        self.outputs: dict[str, Layer] = {}
        self.places: dict[int, Places] = {}
        self.alive: list[Tensor] = []  # so that no two tensors ever have the same id
        self.calls: list[Call] = []

    @property
    def here(self) -> str:
        """The name of the module at work."""
        return self.calls[-1].name if self.calls else ""

    @contextmanager
    def listening(self, network: nn.Module) -> Iterator[None]:
        """Know which module is at work; its calls are left on the stack when one of them fails, for `here`."""
        for name, module in network.named_modules():
            leaf = next(module.children(), None) is None

            def enter(module: nn.Module, _: Any, name: str = name, leaf: bool = leaf) -> None:
                self.calls.append(Call(name, module, leaf))

            def leave(module: nn.Module, _: Any, output: Any) -> None:
                call = self.calls.pop()
                tensor = next((each for each in tree_leaves(output) if id(each) in self.places), None)
                if tensor is not None and call.name:
                    found = self.described(tensor, call.name, type(module).__name__)
                    if call.layer is not None:  # one layer: it knows its window and its work
                        known = self.layers[call.layer]
                        found = replace(known, **{key: getattr(found, key) for key in ("shape", "reaches", "steps")})
                    self.outputs[call.name] = found

            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)
        yield

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note an operation, and give what it would."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        known = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor) and id(each) in self.places]
        if not known:
            return func(*args, **kwargs)
        rule = RULES.get(name.rstrip("_"))
        if rule:
            output = rule(self, func, *args, **kwargs)
        else:
            output = func(*args, **kwargs)
            self.pointwise(known, output, name)
        return output

    # What rules are made of

    def note(self, tensor: Tensor, steps: Sequence[int], dims: Sequence[int | None]) -> Tensor:
        """Remember where a tensor's places are."""
        self.places[id(tensor)] = Places(tuple(steps), tuple(dims))
        self.alive.append(tensor)
        return tensor

    def described(self, tensor: Tensor, name: str, op: str, **rest: Any) -> Layer:
        """A tensor as a layer."""
        places = self.places[id(tensor)]
        return Layer(
            name=name,
            op=op,
            shape=tuple(tensor.shape[1:]),
            reaches=tuple(axis.steps[step].reach for axis, step in zip(self.axes, places.steps, strict=True)),
            steps=places.steps,
            mapped=None not in places.dims,
            **NO_WINDOW | rest,
        )

    def write(self, tensor: Tensor, op: str, multiply_adds: int = 0, **window: Numbers) -> None:
        """Put down what an operation gave: as the layer that does it, or under its own name between layers."""
        call = self.calls[-1] if self.calls else Call("", nn.Module(), False)
        if not call.leaf:
            name = f"{call.name}.{op}" if call.name else op
            self.layers.append(self.described(tensor, name, op, multiply_adds=multiply_adds, **window))
            return
        rest: dict[str, Any] = dict(window)
        if call.layer is not None:  # the second operation of one layer
            before = self.layers.pop()
            rest = {key: window.get(key) or getattr(before, key) for key in ("kernel", "stride", "padding", "dilation")}
            if before.kernel and set(before.kernel) == {1} and len(before.padding) == len(rest["padding"]):
                pairs = zip(before.padding, rest["padding"], strict=True)  # the layer pads by itself, as "SAME" does
                rest["padding"] = tuple(map(sum, pairs))
            multiply_adds += before.multiply_adds
        parameters = sum(parameter.numel() for parameter in call.module.parameters())
        kind = type(call.module).__name__
        self.layers.append(
            self.described(tensor, call.name, kind, parameters=parameters, multiply_adds=multiply_adds, **rest)
        )
        call.layer = len(self.layers) - 1

    def pointwise(self, known: list[Tensor], outputs: Any, name: str) -> None:
        """An operation on each value by itself, or on values of the same place in several maps."""
        for output in tree_leaves(outputs):
            if not isinstance(output, Tensor):
                continue
            shapes = [tuple(each.shape) for each in known]
            if output.dim() < max(map(len, shapes)) or not _spread_to(shapes, tuple(output.shape)):
                raise Unfollowable("the operation {name} cannot be followed", name=name)
            self.join(known, output)
            inside = self.calls and self.calls[-1].leaf
            if inside or len(known) > 1:
                self.write(output, name.rstrip("_"))

    def join(self, known: Sequence[Tensor], output: Tensor) -> None:
        """Places of what several maps, brought to the same shape, give together."""
        steps, dims = [], []
        for number, axis in enumerate(self.axes):
            met: list[int] = []
            homes: set[int] = set()
            size = None
            given = [(each, self.places[id(each)].steps[number], self.places[id(each)].dims[number]) for each in known]
            # An axis of one unit, as squeeze-and-excitation has it, may stand anywhere: it is handed to all places.
            wide = any(dim is not None and axis.steps[step].size > 1 for _, step, dim in given)
            for each, step, dim in given:
                if dim is not None and (axis.steps[step].size > 1 or not wide):
                    home = dim + output.dim() - each.dim()
                    homes.add(home)
                    size = output.shape[home]
                    if axis.steps[step].size == 1 < size:
                        step = axis.add([step], SPREAD, size)
                met.append(step)
            if len(homes) > 1:
                raise Unfollowable("rows and columns of the picture are mixed")
            home = homes.pop() if homes else None
            for place, step in enumerate(met):  # flattened beside not flattened: what was pooled is handed to all
                if home is not None and size and axis.steps[step].size != size:
                    met[place] = axis.add([step], SPREAD, size)
            unique = list(dict.fromkeys(met))
            steps.append(unique[0] if len(unique) == 1 else axis.add(unique, POINT, size))
            dims.append(home)
        self.note(output, steps, dims)

    def pool(self, number: int, step: int) -> int:
        """The step at which an axis is pooled over, whatever its size."""
        axis = self.axes[number]
        return axis.add([step], fields.adaptive(axis.steps[step].size, 1), 1, pools=True)


def _spread_to(shapes: list[Numbers], wanted: Numbers) -> bool:
    """Whether tensors of these shapes broadcast to one of the shape wanted, but for dimensions that inputs lack."""
    return all(
        size in (1, whole) for shape in shapes for size, whole in zip(reversed(shape), reversed(wanted), strict=False)
    )


# ---------------------------------------------------------------------------------------------------- The rules


Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Make a function the rule for operations of ATen; it gets recorder, operation and the operation's arguments."""

    def note(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return note


def _each(value: int | Sequence[int] | None, axes: int, default: int = 0) -> Numbers:
    """A setting per axis, which may be given once for all, or not at all."""
    if value is None or (not isinstance(value, int) and not len(value)):
        return (default,) * axes
    return (value,) * axes if isinstance(value, int) else tuple(value) * (axes if len(value) == 1 else 1)


def _shifted(recorder: Recorder, x: Tensor, output: Tensor, windows: dict[int, tuple[Window, bool]]) -> Tensor:
    """Note `output`, made of `x` through a window, and whether it pools everything, per dimension of the tensor."""
    places = recorder.places[id(x)]
    steps = []
    for axis, step, dim in zip(recorder.axes, places.steps, places.dims, strict=True):
        if dim in windows:
            window, pools = windows[dim]
            step = axis.add([step], window, output.shape[dim], pools=pools)
        steps.append(step)
    return recorder.note(output, steps, places.dims)


@rule("conv1d", "conv2d", "conv3d")
def _convolution(
    recorder: Recorder, func: Any, x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    axes = weight.dim() - 2
    kernel, stride, dilation = tuple(weight.shape[2:]), _each(stride, axes, 1), _each(dilation, axes, 1)
    after = None
    if isinstance(padding, str):
        total = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        padding, after = tuple(each // 2 for each in total), tuple(each - each // 2 for each in total)
    padding = _each(padding, axes)
    if x.dim() != weight.dim() or x.shape[1] != weight.shape[1] * groups:
        raise ValueError(f"a map of {tuple(x.shape)} does not suit a kernel of {tuple(weight.shape)}")
    sizes = [
        fields.output_size(*each)
        for each in zip(x.shape[2:], kernel, stride, padding, dilation, [False] * axes, after or padding, strict=True)
    ]
    output = x.new_empty(x.shape[0], weight.shape[0], *sizes)
    windows = {dim: (fields.sliding(*each), False)
               for dim, each in enumerate(zip(kernel, stride, padding, dilation, strict=True), 2)}  # fmt: skip
    _shifted(recorder, x, output, windows)
    work = output.numel() * weight[0].numel()
    recorder.write(output, "conv", work, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return output


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _transposed(
    recorder: Recorder, func: Any, x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    axes = weight.dim() - 2
    kernel, stride, padding, dilation, extra = (
        tuple(weight.shape[2:]),
        *(
            _each(each, axes, default)
            for each, default in ((stride, 1), (padding, 0), (dilation, 1), (output_padding, 0))
        ),
    )
    settings = list(zip(kernel, stride, padding, dilation, strict=True))
    sizes = [
        fields.transposed_size(size, *each, more) for size, each, more in zip(x.shape[2:], settings, extra, strict=True)
    ]
    output = x.new_empty(x.shape[0], weight.shape[1] * groups, *sizes)
    _shifted(recorder, x, output, {dim: (fields.transposed(*each), False) for dim, each in enumerate(settings, 2)})
    work = x.numel() * weight[0].numel()
    recorder.write(output, "transposed", work, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return output


@rule(*(f"{kind}_pool{axes}d{more}" for kind in ("max", "avg") for axes in (1, 2, 3) for more in ("", "_with_indices")))
def _pool(recorder: Recorder, func: Any, x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, *rest: Any,
          **settings: Any) -> Any:  # fmt: skip
    name = func.overloadpacket.__name__
    average = name.startswith("avg")
    axes = int(name.split("pool")[1][0])
    kernel, padding = _each(kernel, axes, 1), _each(padding, axes)
    stride = _each(stride, axes, 0) if stride not in (None, [], ()) else kernel
    dilation = _each(1 if average else rest[0] if rest else settings.get("dilation", 1), axes, 1)
    ceil_mode = rest[0 if average else 1] if len(rest) > (0 if average else 1) else settings.get("ceil_mode", False)
    spatial = x.dim() - axes
    values = list(zip(kernel, stride, padding, dilation, strict=True))
    sizes = [fields.output_size(size, *each, ceil_mode)
             for size, each in zip(x.shape[spatial:], values, strict=True)]  # fmt: skip
    output = x.new_empty(*x.shape[:spatial], *sizes)
    windows = {
        spatial + place: (fields.sliding(*each), average and size == each[0] > 1)
        for place, (each, size) in enumerate(zip(values, x.shape[spatial:], strict=True))
    }
    _shifted(recorder, x, output, windows)
    recorder.write(output, name, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return (output, output.new_empty(output.shape, dtype=torch.int64)) if "indices" in name else output


@rule(*(f"adaptive_{kind}_pool{axes}d" for kind in ("max", "avg") for axes in (1, 2, 3)))
def _adaptive(recorder: Recorder, func: Any, x: Tensor, output_size: Any) -> Any:
    name = func.overloadpacket.__name__
    axes = int(name[-2])
    spatial = x.dim() - axes
    sizes = x.shape[spatial:]
    units = [size if wanted is None else wanted for wanted, size in zip(_each(output_size, axes), sizes, strict=True)]
    output = x.new_empty(*x.shape[:spatial], *units)
    windows = {
        spatial + place: (fields.adaptive(size, wanted), wanted == 1 < size)
        for place, (size, wanted) in enumerate(zip(sizes, units, strict=True))
    }
    _shifted(recorder, x, output, windows)
    taps = [len(window.taps[0]) for window, _ in windows.values()]
    recorder.write(
        output,
        name,
        kernel=tuple(taps),
        stride=tuple(size // wanted for size, wanted in zip(sizes, units, strict=True)),
        padding=(0,) * axes,
        dilation=(1,) * axes,
    )
    return (output, output.new_empty(output.shape, dtype=torch.int64)) if "max" in name else output


KINDS = "nearest1d nearest2d nearest3d linear1d bilinear2d trilinear3d bicubic2d"


@rule(*(f"upsample_{kind}" for kind in KINDS.split()))
def _upsample(recorder: Recorder, func: Any, x: Tensor, *rest: Any, **settings: Any) -> Tensor:
    output = func(x, *rest, **settings)
    name = func.overloadpacket.__name__
    taps = 1 if "nearest" in name else 4 if "cubic" in name else 2
    corners = bool(taps > 1 and settings.get("align_corners", rest[1] if len(rest) > 1 else False))
    windows = {
        dim: (fields.resampled(x.shape[dim], output.shape[dim], taps, corners), False) for dim in range(2, x.dim())
    }
    _shifted(recorder, x, output, windows)
    recorder.write(output, "upsample")
    return output


@rule("pad", "constant_pad_nd", *(f"{kind}_pad{axes}d" for kind in ("reflection", "replication") for axes in (1, 2, 3)))
def _pad(recorder: Recorder, func: Any, x: Tensor, padding: Sequence[int], *rest: Any, **settings: Any) -> Tensor:
    output = func(x, padding, *rest, **settings)
    if not any(padding):
        return recorder.note(output, recorder.places[id(x)].steps, recorder.places[id(x)].dims)
    windows = {x.dim() - 1 - place: (Window(((-before,),)), False) for place, before in enumerate(padding[::2])}
    _shifted(recorder, x, output, windows)
    before = tuple(reversed(padding[::2]))
    recorder.write(output, "pad", kernel=(1,) * len(before), stride=(1,) * len(before), padding=before,
                   dilation=(1,) * len(before))  # fmt: skip
    return output


@rule("pixel_shuffle", "pixel_unshuffle")
def _shuffle(recorder: Recorder, func: Any, x: Tensor, factor: int) -> Tensor:
    output = func(x, factor)
    make = fields.transposed if func.overloadpacket.__name__ == "pixel_shuffle" else fields.sliding
    window = make(factor, factor), False
    _shifted(recorder, x, output, {x.dim() - 2: window, x.dim() - 1: window})
    recorder.write(output, func.overloadpacket.__name__)
    return output


@rule("mean", "sum", "amax", "amin", "std", "var", "norm", "linalg_vector_norm", "logsumexp", "std_mean", "var_mean")
def _reduce(recorder: Recorder, func: Any, x: Tensor, *rest: Any, **settings: Any) -> Any:
    outputs = func(x, *rest, **settings)
    places = recorder.places[id(x)]
    for output in tree_leaves(outputs):
        kept = output.dim() == x.dim()
        named = next((each for each in (*rest, settings.get("dim")) if isinstance(each, list | tuple)), None)
        single = next((each for each in (*rest, settings.get("dim")) if type(each) is int), None)
        gone = {dim % x.dim() for dim in (named or ([single] if single is not None else range(x.dim())))}
        steps, dims = list(places.steps), list(places.dims)
        for number, dim in enumerate(places.dims):
            if dim is not None and dim in gone and x.shape[dim] > 1:
                steps[number] = recorder.pool(number, steps[number])
            if dim is not None and not kept:
                dims[number] = None if dim in gone else dim - sum(each < dim for each in gone)
        recorder.note(output, steps, dims)
        if gone & set(places.dims):
            recorder.write(output, func.overloadpacket.__name__)
    return outputs


@rule("linear")
def _linear(recorder: Recorder, func: Any, x: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    if x.shape[-1] != weight.shape[-1]:
        raise ValueError(f"a map of {tuple(x.shape)} does not suit {tuple(weight.shape)}")
    output = x.new_empty(*x.shape[:-1], weight.shape[0])
    places = recorder.places[id(x)]
    if x.dim() > 2 and None in places.dims:
        raise Unfollowable("places have become tokens")
    steps = [recorder.pool(number, step) if dim == x.dim() - 1 or (dim is None and size > 1) else step
             for number, (step, dim, size) in enumerate(_sized(recorder, places))]  # fmt: skip
    dims = [None if dim == x.dim() - 1 else dim for dim in places.dims]
    recorder.note(output, steps, dims)
    recorder.write(output, "linear", output[0].numel() * weight.shape[1])
    return output


def _sized(recorder: Recorder, places: Places) -> list[tuple[int, int | None, int]]:
    """Step, dimension and units per axis."""
    return [(step, dim, axis.steps[step].size)
            for axis, step, dim in zip(recorder.axes, places.steps, places.dims, strict=True)]  # fmt: skip


@rule("matmul", "bmm")
def _product(recorder: Recorder, func: Any, x: Tensor, other: Tensor) -> Tensor:
    output = func(x, other)
    steps: list[int | None] = [None] * len(recorder.axes)
    dims: list[int | None] = [None] * len(recorder.axes)
    for number, axis in enumerate(recorder.axes):
        for factor, summed in ((x, x.dim() - 1), (other, other.dim() - 2)):
            places = recorder.places.get(id(factor))
            if places is None:
                continue
            step, dim = places.steps[number], places.dims[number]
            if dim is None and axis.steps[step].size > 1:
                if not axis.steps[step].reach.pooled and 1 not in output.shape[-2:]:
                    raise Unfollowable("attention from place to place")
                step = recorder.pool(number, step)
            elif dim == summed:
                step, dim = recorder.pool(number, step), None
            elif dim is not None:
                dim += output.dim() - factor.dim()
            if steps[number] is not None and dim is not None and dims[number] is not None:
                raise Unfollowable("attention from place to place")
            known = steps[number]
            if known is None:
                steps[number] = step
            else:
                size = max(axis.steps[known].size, axis.steps[step].size)
                both = [each if axis.steps[each].size == size else axis.add([each], SPREAD, size)
                        for each in (known, step)]  # fmt: skip
                steps[number] = axis.add(list(dict.fromkeys(both)), POINT, size)
            dims[number] = dim if dims[number] is None else dims[number]
    recorder.note(output, [step or 0 for step in steps], dims)
    recorder.write(output, "matmul")
    return output


@rule("group_norm", "instance_norm", "layer_norm", "softmax", "_softmax", "log_softmax", "native_group_norm")
def _normalise(recorder: Recorder, func: Any, x: Tensor, *rest: Any, **settings: Any) -> Any:
    output = x.new_empty(x.shape) if "native" not in func.overloadpacket.__name__ else func(x, *rest, **settings)
    name = func.overloadpacket.__name__
    places, given = recorder.places[id(x)], list(rest)
    if name == "instance_norm" and len(given) > 4 and not given[4]:  # with statistics of the training set
        over: set[int] = set()
    elif name == "layer_norm":
        over = set(range(x.dim() - len(given[0]), x.dim()))
    elif "softmax" in name:
        over = {(given[0] if given else settings["dim"]) % x.dim()}
    else:
        over = set(range(1 if "group" in name else 2, x.dim()))
    steps = []
    for number, (step, dim, size) in enumerate(_sized(recorder, places)):
        if dim in over and size > 1 and not recorder.axes[number].steps[step].reach.pooled:
            axis = recorder.axes[number]
            spread = axis.add([recorder.pool(number, step)], SPREAD, size)
            step = axis.add([step, spread])
        steps.append(step)
    for each in tree_leaves(output)[:1]:
        recorder.note(each, steps, places.dims)
        if recorder.calls and recorder.calls[-1].leaf:
            recorder.write(each, name)
    return output


@rule("cat", "concat", "concatenate", "stack")
def _concatenate(recorder: Recorder, func: Any, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    output = func(tensors, dim)
    known = [each for each in tensors if id(each) in recorder.places]
    dim %= output.dim()
    if func.overloadpacket.__name__ == "stack":
        known = [_unsqueeze(recorder, torch.ops.aten.unsqueeze.default, each, dim) for each in known]
    if any(dim in recorder.places[id(each)].dims for each in known):
        raise Unfollowable("maps are put side by side")
    recorder.join(known, output)
    if len(known) > 1:
        recorder.write(output, "cat")
    return output


SAME_VALUES = """view reshape flatten _unsafe_view unflatten squeeze _reshape_alias contiguous clone expand expand_as
    view_as detach alias to _to_copy type_as dropout feature_dropout alpha_dropout native_dropout"""


@rule(*SAME_VALUES.split())
def _reshape(recorder: Recorder, func: Any, x: Tensor, *rest: Any, **settings: Any) -> Any:
    output = func(x, *rest, **settings)
    if not isinstance(output, Tensor) or id(x) not in recorder.places:
        return output
    places = recorder.places[id(x)]
    old, new = tuple(x.shape), tuple(output.shape)
    if old == new:
        recorder.note(output, places.steps, places.dims)
        if "dropout" in func.overloadpacket.__name__ and recorder.calls and recorder.calls[-1].leaf:
            recorder.write(output, "dropout")
        return output
    if "expand" in func.overloadpacket.__name__:
        recorder.join([x], output)
        return output
    dims: list[int | None] = []
    for _, dim, size in _sized(recorder, places):
        home = None
        if dim is not None and size > 1:  # the same number of values before and after it: still the same axis
            behind = prod(old[dim + 1 :])
            home = next((d for d in range(len(new)) if new[d] == size and prod(new[d + 1 :]) == behind), None)
            if home is None and not _flattened(old, new, dim):
                raise Unfollowable("the map is cut into pieces")
        elif dim is not None:
            home = next((d for d in reversed(range(len(new))) if new[d] == 1 and d <= dim), None)
        elif size > 1 and prod(new[1:]) == prod(old[1:]) and len(new) > len(old):
            home = _back(recorder, size, new, dims)
        dims.append(home)
    recorder.note(output, places.steps, dims)
    if func.overloadpacket.__name__ == "flatten" and recorder.calls and recorder.calls[-1].leaf:
        recorder.write(output, "flatten")
    return output


def _flattened(old: Numbers, new: Numbers, dim: int) -> bool:
    """Whether a dimension has become part of a larger one."""
    behind, size = prod(old[dim + 1 :]), old[dim]
    return any(prod(new[d + 1 :]) <= behind and prod(new[d:]) >= behind * size for d in range(len(new)))


def _back(recorder: Recorder, size: int, new: Numbers, taken: Sequence[int | None]) -> int | None:
    """Where a flattened axis comes back: maps of tokens become maps of rows and columns again, in this order."""
    return next((d for d in range(2, len(new)) if new[d] == size and d not in taken), None)


@rule("unsqueeze")
def _unsqueeze(recorder: Recorder, func: Any, x: Tensor, dim: int) -> Tensor:
    output = func(x, dim)
    places = recorder.places[id(x)]
    dim %= output.dim()
    return recorder.note(output, places.steps, [d + (d >= dim) if d is not None else None for d in places.dims])


@rule("permute", "transpose", "movedim", "moveaxis", "t", "swapaxes", "swapdims")
def _permute(recorder: Recorder, func: Any, x: Tensor, *rest: Any) -> Tensor:
    output = func(x, *rest)
    order = list(func(torch.empty(tuple(range(1, x.dim() + 1)), device="meta"), *rest).shape)
    places = recorder.places[id(x)]
    return recorder.note(output, places.steps, [None if d is None else order.index(d + 1) for d in places.dims])


@rule("chunk", "split", "split_with_sizes", "unbind", "tensor_split", "narrow", "select", "slice")
def _slice(recorder: Recorder, func: Any, x: Tensor, *rest: Any, **settings: Any) -> Any:
    outputs = func(x, *rest, **settings)
    name = func.overloadpacket.__name__
    places = recorder.places[id(x)]
    given = [*rest, *(settings[key] for key in ("dim",) if key in settings)]
    at = 0 if name in ("narrow", "select", "slice", "unbind") else 1
    dim = int(given[at] if len(given) > at else 0) % x.dim()
    for output in tree_leaves(outputs):
        gone = output.dim() < x.dim()
        if dim in places.dims and name == "slice":
            begin = int(given[1] or 0) if len(given) > 1 else 0
            step = int(given[3]) if len(given) > 3 else 1
            begin += x.shape[dim] if begin < 0 else 0
            if output.shape[dim] != x.shape[dim] or step != 1:
                _shifted(recorder, x, output, {dim: (fields.sliding(1, step, -begin), False)})
                continue
        elif dim in places.dims:
            raise Unfollowable("single rows or columns of the map are taken")
        dims = [d if d is None or not gone else d - (d > dim) for d in places.dims]
        recorder.note(output, places.steps, dims)
    return outputs


# Without numbers nothing but a shape comes out, and these are many: it is quicker not to ask PyTorch for it.
EACH_VALUE = "batch_norm prelu relu relu6 silu hardtanh hardswish hardsigmoid gelu sigmoid tanh leaky_relu elu mish"


@rule(*EACH_VALUE.split())
def _activation(recorder: Recorder, func: Any, x: Tensor, *rest: Any, **settings: Any) -> Tensor:
    output = x if func.overloadpacket.__name__.endswith("_") else x.new_empty(x.shape)
    recorder.join([x], output)
    if recorder.calls and recorder.calls[-1].leaf:
        recorder.write(output, func.overloadpacket.__name__.rstrip("_"))
    return output


@rule("scaled_dot_product_attention", "_scaled_dot_product_attention_math", "multi_head_attention_forward")
def _attention(recorder: Recorder, func: Any, *rest: Any, **settings: Any) -> Any:
    raise Unfollowable("attention from place to place")


WANDERING = """roll flip sort topk fft_rfft2 fft_fft2 cumsum gather index index_select im2col unfold einsum grid_sampler
    deform_conv2d take_along_dim rot90 scatter baddbmm"""


@rule(*WANDERING.split())
def _wanders(recorder: Recorder, func: Any, *rest: Any, **settings: Any) -> Any:
    raise Unfollowable("the operation {name} moves places about", name=func.overloadpacket.__name__)


@rule("sym_size", "sym_stride", "sym_numel", "size", "is_contiguous", "stride", "dim")
def _asked(recorder: Recorder, func: Any, *rest: Any, **settings: Any) -> Any:
    return func(*rest, **settings)
