"""How much of the picture does one unit see? Choose a network, or build one, and look through its units.

Each unit of a convolutional network sees a box of the picture: its **receptive field**. It grows with depth, faster
with strides and pooling, and for free with **dilation** (atrous convolution).
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from html import escape
from io import BytesIO
from math import prod
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
import pandas as pd
from PIL import Image

import cnn_core
from cnn_core.chains import MOST_LAYERS
from cnn_core.errors import Refused
from cnn_core.receptive_field import MOST_SIZE, PIXEL, Field, Reach
from demos import About
from demos._parts import Table, endpoint, shown, table, told
from demos._photographs import picture_url
from demos._text import t
from demos._visit import CHOSEN, asked_of, keep_part, open_in, part_of, to_show, visit, when_opened

if TYPE_CHECKING:
    from cnn_core.chains import Followed
    from cnn_core.tracing import Layer, Trace

NAME = "receptive_field"
API = "receptive_field"
TITLE = "Receptive field"
EXAMPLES = [["alexnet", 224], ["resnet50", 224], ["lenet5", 32], ["mobilenet_v3_small", 224]]

ABOUT = About(
    text=r"""
Layer $l$ looks through a window of $k_l$ taps, $d_l$ apart (the dilation), which moves by the stride $s_l$ and begins
$p_l$ before its input (the padding). Neighbouring units then look at places that lie $j_l$ px apart in the picture, the
jump,

$$j_l = s_l\, j_{l-1},$$

each unit sees $r_l$ px of it, its receptive field,

$$r_l = r_{l-1} + (k_l - 1)\, d_l\, j_{l-1},$$

and the first pixel that the first unit sees is

$$\mathrm{start}_l = \mathrm{start}_{l-1} - p_l\, j_{l-1}.$$

The picture itself has $r_0 = j_0 = 1$ and $\mathrm{start}_0 = 0$
([Araujo et al., 2019](https://distill.pub/2019/computing-receptive-fields)). All of it is done along each axis by
itself and in whole numbers. Where branches meet, a unit sees from the first to the last pixel that one of them sees;
behind a transposed convolution or an upsampling, units see different lengths in turn, and each is listed. Of $n_{l-1}$
units the layer makes

$$n_l = \left\lfloor \frac{n_{l-1} + 2 p_l - d_l (k_l - 1) - 1}{s_l} \right\rfloor + 1.$$

What a network consists of is found by running it once without numbers. **Measured**, the field is smaller: the absolute
gradient of a unit, averaged over pictures of noise, fades towards the rim, and the effective field is the square as
large as the pixels that hold 95.45 % of it ([Luo et al., 2016](https://arxiv.org/abs/1701.04128)). **Dilated**
(atrous) convolutions widen it without a further parameter ([Chen et al., 2017](https://arxiv.org/abs/1706.05587)).
""",
    code=(
        "cnn_core.receptive_field:sliding",
        "cnn_core.receptive_field:Field.through",
        "cnn_core.receptive_field:Field.beside",
        "cnn_core.receptive_field:output_size",
        "cnn_core.tracing:trace",
        "cnn_core.effective:measure",
        "cnn_core.convolution:work",
    ),
    python="""
from cnn_core import networks, tracing

network = networks.build("alexnet", numberless=True)
found = tracing.trace(network, 224)
for layer in found.layers:
    field = layer.fields[0]
    print(layer.name, field.size, field.jump, field.start)
""",
    device="Traces and gradients come from the server's processor (CPU), what moves at once from your browser.",
)

COLUMNS = ["layer", "op", "kernel", "stride", "padding", "dilation", "output", "rf", "jump", "start"]
# Offered at first; any other name of torchvision's or timm's can be typed.
OFFERED = [
    "lenet5", "alexnet", "vgg16", "googlenet", "inception_v3", "resnet18", "resnet50", "resnet101", "resnet152",
    "densenet121", "squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0",
    "convnext_tiny", "xai", "deeplab_v3", "fashion_cnn", "sketch_net", "alexnet_v2", "inception_v2", "resnet_v1_50",
    "resnet_v1_101",
]  # fmt: skip
MOST_SQUARES = 441  # of an input, a kernel or an output that the page works out, e.g. 21×21
MOST_MEASURED = 100_000_000  # parameters of a network that is built with all its numbers
MOST_MAPS = 2**30  # bytes of the maps that a measurement keeps for its way back

# AlexNet as torchvision has it, so that the page opens with a worked example and without PyTorch. A test compares.
ALEXNET = [
    ("features.0", "Conv2d", {"op": "conv", "kernel": 11, "stride": 4, "padding": 2, "channels": 64}),
    ("features.2", "MaxPool2d", {"op": "max_pool", "kernel": 3, "stride": 2}),
    ("features.3", "Conv2d", {"op": "conv", "kernel": 5, "padding": 2, "channels": 192}),
    ("features.5", "MaxPool2d", {"op": "max_pool", "kernel": 3, "stride": 2}),
    ("features.6", "Conv2d", {"op": "conv", "kernel": 3, "padding": 1, "channels": 384}),
    ("features.8", "Conv2d", {"op": "conv", "kernel": 3, "padding": 1, "channels": 256}),
    ("features.10", "Conv2d", {"op": "conv", "kernel": 3, "padding": 1, "channels": 256}),
    ("features.12", "MaxPool2d", {"op": "max_pool", "kernel": 3, "stride": 2}),
]


# ---------------------------------------------------------------------------------------------------- As a table


def figure(values: Sequence[Any]) -> Any:
    """One number where all axes agree, else "3×1"; nothing where there is none."""
    unique = list(dict.fromkeys(values))
    if not unique:
        return ""
    return plain(unique[0]) if len(unique) == 1 else "×".join(str(plain(value)) for value in values)


def plain(value: Fraction | int) -> int | float:
    """A whole number as such, any other to three places."""
    return int(value) if value == int(value) else round(float(value), 3)


def seen(reaches: Sequence[Reach]) -> list[Any]:
    """The last three columns: size of the receptive field, jump and start, in px."""
    fields = [reach.field for reach in reaches]
    return [figure([getattr(each, name) for each in fields]) for name in ("size", "jump", "start")]


def row(layer: Layer) -> list[Any]:
    """A traced layer as a row of the table."""
    window = [figure(getattr(layer, name)) for name in ("kernel", "stride", "padding", "dilation")]
    return [layer.name, layer.op, *window, "×".join(map(str, layer.shape)), *seen(layer.reaches)]


@lru_cache(maxsize=32)
def traced(architecture: str, size: int) -> Trace:
    """A network by name, traced once."""
    return cnn_core.tracing.trace(cnn_core.networks.build(architecture, numberless=True), size)


def run(architecture: str, input_size: int) -> tuple[pd.DataFrame, str]:
    """Compute what each layer of a network sees of the picture, by exact arithmetic; no weights are needed.

    Args:
        architecture: a network of this project, torchvision's or timm's, e.g. "resnet50" or "timm/convnext_tiny".
        input_size: side of the picture, 1 to 8192 px.

    Returns:
        A table with a row per layer: its window, its output's shape, and the size, the jump and the start of what its
        units see, in px; and a sentence on what the table cannot say.

    Raises:
        Refused: there is no such network, the size is out of its range, or the picture is too small for the network.
    """
    found = traced(str(architecture), whole(input_size))
    return pd.DataFrame([row(layer) for layer in found.layers], columns=pd.Index(COLUMNS)), remark(found)


def whole(size: float | None) -> int:
    """A side in px as a whole number.

    Raises:
        Refused: it is none, or nothing that a picture can have.
    """
    if size is None or size != int(size) or not 1 <= size <= MOST_SIZE:
        raise Refused("Choose an input of 1 to {most} px, a whole number.", most=MOST_SIZE)
    return int(size)


def remark(found: Trace) -> str:
    """What is to be said of a whole network."""
    said = []
    if found.stopped:
        said.append(told(found.stopped))
    gated = next((layer for layer in found.layers if layer.sees_everything and not layer.reaches[0].pooled), None)
    if gated:
        said.append(
            t(
                "From {layer} on a branch pools over the whole picture, so that each unit depends on all of it; the "
                "table tells the field without that branch."
            ).format(layer=gated.name)
        )
    apart = next((layer for layer in found.layers if any(reach.misaligned for reach in layer.reaches)), None)
    if apart:
        reason = next(reach.misaligned for reach in apart.reaches if reach.misaligned)
        said.append(
            t("Branches that meet at {layer} are not aligned: {reason}.").format(layer=apart.name, reason=told(reason))
        )
    return " ".join(said)


def run_layers(layers_json: str, input_size: int) -> pd.DataFrame:
    """Compute what each layer of a list of layers of your own sees of the picture.

    Args:
        layers_json: 1 to 100 layers, such as [{"op": "conv", "kernel": 3, "stride": [2, 1]}, {"op": "max_pool"}]; op is
            conv, depthwise, transposed, max_pool, avg_pool, adaptive_max_pool, adaptive_avg_pool or upsample; numbers
            are in px, for all axes or a list of one per axis.
        input_size: side of the picture, 1 to 8192 px.

    Returns:
        The table that `receptive_field` gives.

    Raises:
        Refused: that is no JSON or no such list, an op or a setting is unknown or out of its range, or the picture is
            too small for the layers; says which layer.
    """
    layers = cnn_core.chains.read(layers_json or "")
    rows = [
        [number, each.layer.op, *(figure(getattr(each.layer, name)) for name in COLUMNS[2:6]),
         "×".join(map(str, each.sizes)), *seen(each.reaches)]
        for number, each in enumerate(cnn_core.chains.follow(layers, whole(input_size)), 1)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def run_steps(
    input_json: str,
    kernel_json: str = "",
    op: str = "conv",
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    edges: str = "zeros",
) -> tuple[pd.DataFrame, str]:
    """Work out every step of a convolution, a transposed convolution or a pooling, with its products written out.

    Args:
        input_json: 1 to 4,096 numbers in nested lists: (channels, ...) with one to three axes more.
        kernel_json: (filters, channels, ...), of a transposed convolution (channels, filters, ...); of a pooling, the
            side of its window.
        op: conv, transposed, max_pool or avg_pool.
        stride: of the window, 1 to 64 px.
        padding: on every side, 0 to 64 px.
        dilation: from tap to tap of a kernel, 1 to 64 px.
        edges: what the padding holds: zeros, or repeat the outermost values.

    Returns:
        A table with a row per number of the output: its place, the sum, and the result; and the output as JSON.

    Raises:
        Refused: the input or the kernel is no JSON, not made of numbers in lists of equal lengths, or their channels
            differ; a setting is out of its range; or there would be more than 4,096 steps or 262,144 products.
    """
    convolution = cnn_core.convolution
    settings = {name: whole_setting(name, value) for name, value in
                {"stride": stride, "padding": padding, "dilation": dilation}.items()}  # fmt: skip
    picture, kernel = numbers(input_json, "input"), numbers(kernel_json or "2", "kernel")
    if op in convolution.POOLINGS:
        size = whole_setting("window", kernel)
        worked = convolution.work(op, convolution.array(picture, "input"), size=size, **settings)
    else:
        arrays = convolution.array(picture, "input"), convolution.array(kernel, "kernel")
        worked = convolution.work(op, *arrays, **settings, edges=edges)
    rows = [[", ".join(map(str, step.place)), step.written(), step.result] for step in worked.steps]
    return pd.DataFrame(rows, columns=pd.Index(["place", "sum", "result"])), json.dumps(worked.output.tolist())


def numbers(text: str, name: str) -> Any:
    """What a text holds as JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise Refused("The {name} is not JSON.", name=name) from error


def whole_setting(name: str, value: Any) -> int:
    """A setting that is a whole number of a sensible size."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not 0 <= value <= 64:
        raise Refused("The {name} must be a whole number from 0 to 64.", name=name)
    if value != int(value):
        raise Refused("The {name} must be a whole number from 0 to 64.", name=name)
    return int(value)


# ---------------------------------------------------------------------------------------------------- For the page


Before = tuple[int, Field]  # units of a layer's input along an axis, and what they see


def described(
    cells: list[Any],
    reaches: Sequence[Reach],
    units: Sequence[int],
    moves: bool,
    before: Sequence[Before],
    call: int | None = 1,
) -> dict[str, Any]:
    """A layer as the page needs it.

    Args:
        cells: of its row.
        reaches: what its units see, per axis.
        units: of its map, per axis.
        moves: it is listed among the few that matter.
        before: what it is computed from, per axis.
        call: which of its runs this is, from 1; None of an operation between layers, which cannot be measured.
    """
    fields = [(size, field.size, field.jump, field.start) for size, field in before if len(field.spans) == 1]
    return {
        "before": [list(map(plain, each)) for each in fields] if len(fields) == len(reaches) else None,
        **dict(zip(COLUMNS, cells, strict=True)),
        "units": list(units),
        "fields": [{"spans": reach.field.spans, "advance": reach.field.advance} for reach in reaches],
        "pooled": all(reach.pooled for reach in reaches),
        "everything": all(reach.pooled or reach.everything for reach in reaches),
        "moves": moves,
        "call": call,
    }


def view(architecture: str, size: float | None) -> dict[str, Any]:
    """A network as the page shows it, or the sentence that refuses it."""
    try:
        side = whole(size)
        name = cnn_core.networks.resolve(str(architecture or ""))
        found = traced(name, side)
        if len(found.size) != 2:
            raise Refused("The page shows networks for pictures; the endpoint lists others too.")
    except Refused as refused:
        return {"refused": told(refused)}
    layers, calls = [], Counter[str]()
    for layer in found.layers:
        moves = layer.moves or layer.op in ("add", "cat")
        calls[layer.name] += 1
        call = calls[layer.name] if layer.name in found.outputs else None
        layers.append(described(row(layer), layer.reaches, found.units(layer), moves, inputs(found, layer), call))
    return {
        "name": name,
        "size": [side, side],
        "note": remark(found),
        "trained": name not in cnn_core.networks.COURSE,
        "layers": layers,
    }


def inputs(found: Trace, layer: Layer) -> list[Before]:
    """What a traced layer looks at, per axis; nothing where that is several maps."""
    steps = [axis.steps[step] for axis, step in zip(found.axes, layer.steps, strict=True)]
    given = [axis.steps[step.inputs[0]] for axis, step in zip(found.axes, steps, strict=True) if len(step.inputs) == 1]
    return [(step.size, step.reach.field) for step in given]


def opening() -> dict[str, Any]:
    """The worked example that the page opens with: AlexNet at 224 px, by integer arithmetic alone."""
    layers = cnn_core.chains.read(json.dumps([entry for *_, entry in ALEXNET]))
    followed = cnn_core.chains.follow(layers, 224)
    before = [[(224, PIXEL)] * 2] + [
        [(size, reach.field) for size, reach in zip(each.sizes, each.reaches, strict=True)] for each in followed
    ]
    return {
        "name": "alexnet",
        "size": [224, 224],
        "note": "",
        "trained": True,
        "layers": [
            example_row(*named, each, given) for named, each, given in zip(ALEXNET, followed, before[:-1], strict=True)
        ],
    }


def example_row(name: str, kind: str, entry: dict[str, Any], each: Followed, before: list[Before]) -> dict[str, Any]:
    """A layer of the worked example."""
    channels = entry.get("channels") or {"features.2": 64, "features.5": 192, "features.12": 256}[name]
    window = [figure(getattr(each.layer, column)) for column in COLUMNS[2:6]]
    cells = [name, kind, *window, "×".join(map(str, (channels, *each.sizes))), *seen(each.reaches)]
    return described(cells, each.reaches, each.sizes, True, before)


_measuring = Lock()  # one at a time: each keeps many maps


def with_numbers(name: str, trained: bool) -> Any:
    """A network with random or trained parameters, shared by all who ask.

    Raises:
        Refused: it is too large, or its weights are out of reach.
    """
    size = sum(each.numel() for each in cnn_core.networks.build(name, numberless=True).parameters())
    if size > MOST_MEASURED:
        raise Refused("{name} has {millions:.0f} million parameters, too many to measure here.",
                      name=name, millions=size / 1e6)  # fmt: skip
    return cnn_core.zoo.get(name).module if trained else with_random_numbers(name)


@lru_cache(maxsize=2)
def with_random_numbers(name: str) -> Any:
    """A network with random parameters, always the same."""
    import torch

    torch.manual_seed(0)
    return cnn_core.networks.build(name)


def measure(asked: Any) -> dict[str, Any]:
    """The measured field that the page asks for, or the sentence that refuses it; and what was asked."""
    question = asked.get("ask") if isinstance(asked, dict) else None
    try:
        return measured(question) | {"of": question}
    except Refused as refused:
        return {"unmeasured": told(refused), "of": question}


def measured(question: Any) -> dict[str, Any]:
    """The measured field of a unit as a picture to lay over the page's own.

    Args:
        question: {"name": of the network, "size": of the input in px, "layer": its name, "call": which of its runs,
            "unit": [row, column], "weights": "trained" or "random"}.

    Raises:
        Refused: there is no such network, layer or unit, its weights are out of reach, or it takes too much memory.
    """
    try:
        name, side = cnn_core.networks.resolve(str(question["name"])), whole(question["size"])
        layer, place = str(question["layer"]), tuple(int(each) for each in question["unit"])
        call, trained = int(question["call"] or 0), question["weights"] == "trained"
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("Choose a layer and a unit first.") from error
    found = traced(name, side)
    runs = [at for at, each in enumerate(found.layers) if each.name == layer and layer in found.outputs]
    if not 1 <= call <= len(runs) or len(place) != 2 or not all(
        0 <= each < units for each, units in zip(place, found.units(found.layers[runs[call - 1]]), strict=True)
    ):  # fmt: skip
        raise Refused("{layer} cannot be measured: choose a layer of the network with a map.", layer=layer)
    last = runs[call - 1]
    bytes_kept = 4 * sum(prod(each.shape) for each in found.layers[: last + 1])
    if bytes_kept > MOST_MAPS:
        raise Refused("The maps up to {layer} take {size:,.0f} MB, too much to measure here: choose a smaller input or "
                      "an earlier layer.", layer=layer, size=bytes_kept / 1e6)  # fmt: skip
    with _measuring:
        blot = cnn_core.effective.measure(with_numbers(name, trained), layer, (place[0], place[1]), side, call=call)
    return {"heat": {"source": heat(blot.strength), "side": blot.side,
                     "share": f"{cnn_core.effective.SHARE:.1%}"}}  # fmt: skip


def heat(strength: Any) -> str:
    """Strengths (H, W) as a data: URL of a picture, transparent where there are none."""
    share = np.sqrt(strength / max(strength.max(), 1e-30))[..., None]  # the root, so that the faint rim can be seen
    colour = np.array([213, 94, 0]) * (1 - share) + np.array([255, 236, 120]) * share
    pixels = np.concatenate([colour, 245 * np.minimum(1, 2.5 * share)], -1)
    file = BytesIO()
    Image.fromarray(np.round(pixels).astype(np.uint8), "RGBA").save(file, "PNG")
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()


def output_strides() -> str:
    """A table of ResNet-50 at 512 px with the strides of its last stages swapped for rates, as HTML."""
    heads = [
        t("Output stride"),
        t("Last map"),
        t("Receptive field (px)"),
        t("Multiply–adds (billion)"),
        t("All maps (MB, float32)"),
    ]
    return table(heads, strides_traced())


@lru_cache(maxsize=1)
def strides_traced() -> list[list[str]]:
    """The rows of `output_strides`."""
    import torch
    from torchvision.models import resnet50

    rows = []
    for stride, swapped in ((32, [False, False, False]), (16, [False, False, True]), (8, [False, True, True])):
        with torch.device("meta"):
            network = resnet50(weights=None, replace_stride_with_dilation=swapped)
        found = cnn_core.tracing.trace(network, 512)
        last = found.outputs["layer4"]
        work = sum(layer.multiply_adds for layer in found.layers)
        memory = sum(np.prod(layer.shape, dtype=float) for layer in found.layers) * 4
        rows.append(
            [
                str(stride),
                f"{last.shape[1]}×{last.shape[2]}",
                f"{last.fields[0].size:,}",
                f"{work / 1e9:.1f}",
                f"{memory / 1e6:,.0f}",
            ]
        )
    return rows


# ---------------------------------------------------------------------------------------------------- Step by step

X = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
SIX = [
    [1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 1, 0], [0, 0, 1, 1, 0, 0],
    [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 1, 0],
]  # fmt: skip
FOUR = [[3, -1, 12, 0], [-2, 0, -1, 1], [3, -3, 4, 3], [1, -1, 2, 3]]
EDGE = [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]
CUBE = [[[(x + 2 * y + 3 * z) % 4 for x in range(4)] for y in range(4)] for z in range(3)]
COLOUR = [[[(row * 2 + column + channel) % 3 for column in range(4)] for row in range(4)] for channel in range(3)]


def presets() -> dict[str, dict[str, Any]]:
    """What the page can work out step by step: the course's examples, and one of each other kind."""
    ones = [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[1, 1], [0, 0]]]
    return {
        "grey": {"title": t("2-D: one channel, one filter"), "op": "conv", "input": [SIX], "kernel": [[X]],
                 "about": t("The window moves over the picture; in each place nine products make one sum.")},
        "colour": {"title": t("2-D over 3-D input: colour"), "op": "conv", "input": COLOUR, "kernel": [ones],
                   "about": t("A filter is as deep as its input, one kernel per channel. It moves in two directions "
                              "only, and all its products go into one sum: one filter gives one map.")},
        "filters": {"title": t("Several filters"), "op": "conv", "input": [SIX], "kernel": [[X], [EDGE]],
                    "about": t("Each filter makes a map of its own.")},
        "point": {"title": t("1×1 convolution"), "op": "conv", "input": COLOUR, "kernel": [[[[1]], [[-1]], [[2]]]],
                  "about": t("A 1×1 filter mixes the channels of a pixel and sees no neighbour.")},
        "max": {"title": t("Max pooling (2×2)"), "op": "max_pool", "input": [FOUR], "size": 2, "stride": 2,
                "about": t("The largest number of each window. Nothing is learnt.")},
        "average": {"title": t("Average pooling (2×2)"), "op": "avg_pool", "input": [FOUR], "size": 2, "stride": 2,
                    "about": t("The mean of each window. Nothing is learnt.")},
        "padded": {"title": t("Padding keeps the size"), "op": "conv", "input": [SIX], "kernel": [[X]], "padding": 1,
                   "about": t("A ring of zeros around the picture (shaded) gives its rim neighbours too.")},
        "strided": {"title": t("Stride 2"), "op": "conv", "input": [SIX], "kernel": [[X]], "padding": 1, "stride": 2,
                    "about": t("The window leaves every other place out.")},
        "dilated": {"title": t("Dilation 2 (atrous)"), "op": "conv", "input": [SIX], "kernel": [[X]], "dilation": 2,
                    "about": t("The same nine weights, two pixels apart, as if zeros stood between them.")},
        "transposed": {"title": t("Transposed convolution"), "op": "transposed", "input": [[[1, 2], [3, 4]]],
                       "stride": 2, "kernel": [[[[1, 0, 1], [0, 1, 0], [1, 0, 2]]]],
                       "about": t("Zeros are inserted between the values and padded around them; then the kernel, "
                                  "turned about, slides over it in steps of 1.")},
        "line": {"title": t("1-D, zeros at the edges"), "op": "conv", "input": [[1, 1, 1, 1, 1]], "padding": 1,
                 "kernel": [[[0.25, 0.5, 0.25]]],
                 "about": t("With zeros beyond the edges both ends sink to 0.75; with repeated edges all are 1.")},
        "line_repeat": {"title": t("1-D, edges repeated"), "op": "conv", "input": [[1, 1, 1, 1, 1]], "padding": 1,
                        "kernel": [[[0.25, 0.5, 0.25]]], "edges": "repeat",
                        "about": t("The course's answer, 1, 1, 1, 1, 1, holds with repeated edges; with zeros both "
                                   "ends are 0.75.")},
        "solid": {"title": t("3-D"), "op": "conv", "input": [CUBE], "kernel": [[[[[1, 0], [0, 1]], [[0, 1], [1, 0]]]]],
                  "about": t("The window moves in three directions, through the depth too.")},
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------- The page


def warm_up() -> None:
    """Import what tracing needs, so that the first visitor need not wait."""
    run(*EXAMPLES[0])


class Part(gr.HTML):
    """A part of the tab that works in the page: `receptive_field_<name>.html`, `.js`, and the shared arithmetic."""

    def __init__(self, name: str, words: dict[str, str], value: Any = None, **options: Any) -> None:
        here = Path(__file__)
        html, script = (here.with_name(f"{here.stem}_{name}.{kind}").read_text("utf-8") for kind in ("html", "js"))
        shared, style = (here.with_suffix(kind).read_text("utf-8") for kind in (".js", ".css"))
        # Words stand in the text itself: properties of our own are lost where an answer comes before the tab is open.
        given = f"const words = {json.dumps(words)};\nconst options = {json.dumps(options)};"
        super().__init__(
            value,
            html_template=re.sub(r"{{words\.(\w+)}}", lambda found: escape(words[found[1]]), html),
            css_template=style,
            js_on_load=f"{given}\n{shared}\n{script}",
            apply_default_css=False,
            elem_id=f"receptive_field-{name}",
        )

    def postprocess(self, value: Any) -> Any:
        """What the part shows, as it is."""
        return value

    def preprocess(self, payload: Any) -> Any:
        """What the part asks, which may be anything."""
        return payload

    def api_info(self) -> dict[str, Any]:
        """JSON."""
        return {"type": "object"}


def arrive(shows: str | None, current: str, handed: dict[str, str], request: gr.Request) -> list[Any]:
    """What the tab shows when it is opened: network, input size, layer and unit that a link names, and the picture.

    Nothing in the link is trusted.

    Returns:
        source of the picture, what is left to hand over, network, size, links to other tabs, and the panel.
    """
    asked = asked_of(NAME, shows is None, handed, request)
    source, found = to_show(current, shows)
    photo = {"photo": picture_url(found)} if found and source != shows else {}
    if "network" not in asked:
        return [source, {}, gr.skip(), gr.skip(), gr.skip(), photo or gr.skip()]
    try:
        name = cnn_core.networks.resolve(asked["network"])
        said = asked.get("size", str(cnn_core.networks.size_of(name)))
        side = whole(int(said) if said.isdecimal() and len(said) < 6 else None)
    except Refused as refused:
        return [
            source,
            {},
            gr.skip(),
            gr.skip(),
            gr.skip(),
            photo | {"refused": told(refused)},
        ]
    value = view(name, side)
    place = asked.get("unit", "").split(".")
    unit = (
        [int(each) for each in place] if len(place) == 2 and all(p.isdecimal() and len(p) < 6 for p in place) else None
    )
    wanted = {"asked": {"layer": asked.get("layer"), "unit": unit}}
    return [source, {}, name, side, linked(name), value | wanted | photo]


def linked(network: str) -> str:
    """`links`, where there are weights to look at: the course's own have none."""
    name = cnn_core.networks.resolve(network)
    return "" if name in cnn_core.networks.COURSE else links(name)


def links(network: str) -> str:
    """Where else to take network and picture, as HTML."""
    return open_in(
        {
            t("Feature maps"): {"tab": "feature_maps", "network": network},
            t("Model zoo"): {"tab": "model_zoo", "models": network},
        }
    )


def letters() -> str:
    """What the letters of a formula mean."""
    return t(
        "W units in, O units out; k kernel, r dilation, F = k + (k − 1)(r − 1) the effective kernel; S stride, P "
        "padding, A output padding. R receptive field, J jump, B start, in px; with ₀ those of the layer's input."
    )


def build() -> None:
    """Lay out the tab inside the caller's Blocks."""
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    with gr.Tabs(elem_id="receptive_field-parts", overflow_behavior="wrap") as parts:
        with part_of(NAME, t("A network's receptive field"), "network"):
            network, size, elsewhere, panel = build_network(quiet)
        with part_of(NAME, t("Build your own"), "own"):
            build_own()
        with part_of(NAME, t("Atrous"), "atrous") as atrous:
            build_atrous(atrous, quiet)
        with part_of(NAME, t("Step by step"), "steps"):
            build_steps()
    keep_part(NAME, parts)
    here, shows = visit(), gr.State(None)
    arrived = [shows, here.handed, network, size, elsewhere, panel]
    when_opened(shown(arrive), [shows, here.picture, here.handed], arrived, **quiet)
    panel.input(own, panel, [shows, here.picture], **CHOSEN)
    build_endpoints()


def own(asked: Any) -> list[str]:
    """The source of the picture that a visitor chose in this tab, twice."""
    return [str((asked or {}).get("own", ""))] * 2


def build_network(quiet: dict[str, Any]) -> tuple[gr.Dropdown, gr.Number, gr.HTML, Part]:
    """The part that looks through the units of a network."""
    with gr.Row():
        network = gr.Dropdown(
            OFFERED,
            value="alexnet",
            allow_custom_value=True,
            label=t("Network"),
            info=t("Choose one, or type any name that torchvision or timm knows"),
            elem_id="receptive_field-architecture",
            scale=3,
        )
        size = gr.Number(
            224,
            precision=0,
            minimum=1,
            maximum=MOST_SIZE,
            label=t("Input (px)"),
            info=t("Side of the picture"),
            elem_id="receptive_field-size",
            scale=1,
            min_width=140,
        )
    elsewhere = gr.HTML(links("alexnet"))
    panel = Part("network", words_of_network(), opening())

    def natural(name: str) -> tuple[Any, ...]:
        try:
            side = cnn_core.networks.size_of(name or "")
        except Refused as refused:
            return gr.skip(), "", {"refused": told(refused)}
        return side, linked(name), view(name, side)

    network.input(natural, network, [size, elsewhere, panel], trigger_mode="always_last", **quiet)
    size.input(view, [network, size], panel, trigger_mode="always_last", **quiet)
    panel.submit(measure, panel, panel, trigger_mode="multiple", **quiet)
    return network, size, elsewhere, panel


def words_of_network() -> dict[str, str]:
    """What the part says, in the visitor's language."""
    return {
        "layerHead": t("Layer"),
        "row": t("Row of the unit"),
        "column": t("Column"),
        "own": t("Your own picture"),
        "photo": t("The picture, with the box that the unit sees"),
        "map": t("The layer's map, a square per unit"),
        "weights": t("Weights"),
        "random": t("random"),
        "trained": t("trained"),
        "measure": t("Measure the unit's gradient"),
        "measuring": t("Measuring …"),
        "measuredSide": t(
            "Measured: {share} of the gradient lies on as many pixels as a square of {side} px has; the box is "
            "{field} px."
        ),
        "growth": t("Growth over depth (px)"),
        "rim": t("the picture, {size} px"),
        "depth": t("layers, first to last"),
        "allLayers": t("every layer, also those that see no further"),
        "sees": t("This unit sees {height}×{width} px: rows {top} to {bottom}, columns {left} to {right}."),
        "seesCut": t(
            "This unit sees {height}×{width} px, rows {top} to {bottom}, columns {left} to {right}; what lies "
            "outside the picture is padding."
        ),
        "seesAll": t("This unit sees the whole picture: what came before is pooled over all places."),
        "seesNothing": t("This unit sees nothing: it falls between the taps of a transposed convolution."),
        "everything": t("A pooled branch sees everything besides."),
        "unitOf": t(
            "Unit {row}, {column} of {rows}×{columns}. Click another; the next one sees {jump} px further on. Or "
            "click a pixel of the picture."
        ),
        "seers": t("{count} of {total} units look at pixel {row}, {column} (orange)."),
        "plan": t("To scale: the picture (grey), and the whole field of the unit"),
        "noLayer": t("This network has no layer called {layer}; the last one is shown."),
        "noFormula": t("This layer has no window of its own."),
        "letters": letters(),
        "tooLarge": "", "nothingLeft": "", "extra": "", "tooVaried": "",
        "noPicture": t("That file cannot be read as a picture."),
        "layer": t("Layer"),
        "op": t("Operation"),
        "kernel": t("Kernel"),
        "stride": t("Stride"),
        "padding": t("Padding"),
        "dilation": t("Dilation"),
        "output": t("Output"),
        "rf": t("Receptive field (px)"),
        "jump": t("Jump (px)"),
        "start": t("Start (px)"),
    }  # fmt: skip


def build_own() -> None:
    """The part in which one builds a network."""
    gr.Markdown(
        t(
            "Three channels go in. Jump is the distance in px between the fields of neighbouring units, start the "
            "first pixel of the first unit's field; negative ones lie in the padding."
        ),
        elem_classes="introduction",
    )
    words = {
        "inputSize": t("Input (px)"),
        "add": t("Add a layer"),
        "copy": t("Copy"),
        "layerHead": t("Layer"),
        "op": t("Operation"),
        "kernel": t("Kernel"),
        "stride": t("Stride"),
        "padding": t("Padding"),
        "dilation": t("Dilation"),
        "extraHead": t("More"),
        "channels": t("Channels"),
        "groups": t("Groups"),
        "output": t("Output"),
        "rf": t("Field (px)"),
        "jump": t("Jump"),
        "start": t("Start"),
        "conv": t("convolution"),
        "depthwise": t("depthwise"),
        "transposed": t("transposed"),
        "max_pool": t("max pooling"),
        "avg_pool": t("average pooling"),
        "adaptive_max_pool": t("adaptive max pooling"),
        "adaptive_avg_pool": t("adaptive average pooling"),
        "upsample": t("upsampling"),
        "output_padding": t("output padding"),
        "output_size": t("output size"),
        "ceil_mode": t("round up"),
        "hint": t("One number is for both axes; 1×7 is one row high and seven columns wide."),
        "letters": letters(),
        "rows": t("Rows"),
        "columns": t("Columns"),
        "asJson": t("The layers as JSON, to copy, paste or edit"),
        "opOf": t("Operation of layer {number}"),
        "of": t("{name} of layer {number}"),
        "up": t("Move layer {number} up"),
        "down": t("Move layer {number} down"),
        "remove": t("Remove layer {number}"),
        "nest": t("What the middle unit of each layer sees, one box in the other"),
        "summary": t(
            "{channels} maps of {units} units come out. Each unit sees {seen} px, {share} % of the picture's side, and "
            "the next one {jump} px further on."
        ),
        "layer": t("Layer {number}"),
        "number": t("{name} must be a whole number from {least} to {most}."),
        "numbers": t("{name} must be a whole number from {least} to {most}, or two such as 1×7."),
        "size": t("Choose an input of 1 to 8192 px, a whole number, or two such as 64×48."),
        "tooLarge": t("a window of {reach} px does not fit into {padded} px, the padded input."),
        "tooMany": t("the map would have more than 8192 units along a side."),
        "tooVaried": t("its units see too many different lengths in turn to list them."),
        "nothingLeft": t("the padding leaves nothing of the output."),
        "extra": t("the output padding must be smaller than the stride or the dilation."),
        "poolPadding": t("a pooling's padding is at most half its kernel."),
        "groupsWrong": t("{into} channels in and {channels} out cannot be shared among {groups} groups."),
        "tooManyLayers": t("Please list at most {most} layers; these are {count}."),
        "unreadable": t("The layers in the address cannot be read; here is an example instead."),
        "notJson": t("The layers are not JSON."),
        "notList": t("The layers must be a list that is not empty."),
        "noOp": t("Layer {number} needs an op, one of {known}."),
        "noKey": t("Layer {number} has {key}, which does not belong to it."),
    }  # fmt: skip
    Part("stack", words, most=MOST_LAYERS)


def build_atrous(tab: gr.Tab, quiet: dict[str, Any]) -> None:
    """The part on dilation."""
    words = {
        "rate": t("Rate"),
        "kernelSize": t("Kernel"),
        "tapsLabel": t("The taps of a {kernel}×{kernel} kernel at rate {rate}"),
        "facts": t(
            "Effective kernel {kernel} + {less}·{rateLess} = {reach} px. Still {weights} weights per pair of "
            "channels; a full kernel as wide would have {dense}."
        ),
        "stackHead": t("Stacks of rates"),
        "stackText": t(
            "How often one unit uses each pixel, on top of 3×3 convolutions with these rates. Rates that share a "
            "factor leave holes, the gridding artefact; 1, 2, 5 leaves none (Wang et al., 2018)."
        ),
        "first": t("Rates"),
        "second": t("Rates, to compare"),
        "ratesWrong": t("One to eight rates from 1 to 24, with commas, please."),
        "coverage": t("Rates {rates}: {side}×{side} px, of which {share} % are used, the most used {largest} times."),
        "asppHead": t("ASPP: several rates at once"),
        "asppText": t(
            "DeepLab looks at the same map through a 1×1 kernel and through 3×3 kernels at rates 6 (blue), 12 "
            "(orange) and 18 (green), which span 13, 25 and 37 units, and adds the mean of the whole map (Chen et"
            " al., 2017). Choose deeplab_v3 in the first part to see it in numbers."
        ),
        "asppLabel": t("Taps of 3×3 kernels at rates 6, 12 and 18, and the middle"),
        "tooLarge": "", "nothingLeft": "", "extra": "", "tooVaried": "",
    }  # fmt: skip
    Part("atrous", words)
    gr.Markdown(
        t(
            "### A stride swapped for a rate\n\nResNet-50 on a picture of 512 px: where a stage does not stride, its "
            "3×3 convolutions dilate instead. The map stays large, and so do the work and the memory."
        ),
        elem_classes="introduction",
    )
    strides = gr.HTML(elem_id="receptive_field-strides")
    tab.select(shown(output_strides), None, strides, **quiet)


def build_steps() -> None:
    """The part that works convolutions out."""
    words = {
        "example": t("Example"),
        "operation": t("Operation"),
        "conv": t("convolution"),
        "transposed": t("transposed"),
        "max_pool": t("max pooling"),
        "avg_pool": t("average pooling"),
        "window": t("Window"),
        "stride": t("Stride"),
        "padding": t("Padding"),
        "dilation": t("Dilation"),
        "edges": t("Edges"),
        "zeros": t("zeros"),
        "repeat": t("repeated"),
        "ownNumbers": t("Your own numbers"),
        "ownHint": t(
            "A row of numbers per line, with an empty line between channels; for the filters, the channels of the "
            "first, then those of the next. One line alone is 1-D; nested lists, as the endpoint takes them, can be "
            "3-D."
        ),
        "letters": letters(),
        "channel": t("channel {channel}"),
        "play": t("Play"),
        "pause": t("Pause"),
        "back": t("One step back"),
        "on": t("One step on"),
        "step": t("Step"),
        "input": t("Input"),
        "filters": t("Filters"),
        "inserted": t("Zeros inserted"),
        "padded": t("Padded"),
        "turned": t("turned about"),
        "spread": t("zeros between its taps"),
        "output": t("Output"),
        "filterOne": t("Filter"),
        "filter": t("Filter {filter}"),
        "slice": t("depth {z}"),
        "largest": t("largest of"),
        "mean": t("mean of"),
        "shapesOne": t("{input} by one filter of {kernel} gives {output}: {steps} sums of {each} products."),
        "shapesMany": t("{input} by {filters} filters of {kernel} gives {output}: {steps} sums of {each} products."),
        "shapesPooled": t("{input} by a window of {kernel} gives {output}: {steps} windows of {each} numbers."),
        "numbers": t("Stride and dilation go from 1 to 4, padding from 0 to 4."),
        "windowWrong": t("The window goes from 1 to 8."),
        "notJson": t("{name}: this is not JSON."),
        "notNumbers": t("{name}: please write numbers up to a million, as many in each row and in each channel."),
        "tooManyNumbers": t("{name}: please stay at {most} numbers or below."),
        "tooManySquares": t("The output would have {squares} squares; please stay at {most} or below."),
        "axes": t("{name}: channels and one to three axes are needed."),
        "kernelAxes": t("The filters need as many axes as the input."),
        "channelsDiffer": t("The filters have {kernel} channels and the input {picture}: they must be equal."),
        "perChannel": t(
            "These are {blocks} blocks of weights, which is no multiple of the input's {channels} channels."
        ),
        "tooLarge": t("A window of {reach} px does not fit into {padded} px, the padded input."),
        "nothingLeft": t("The padding leaves nothing of the output."),
        "extra": "", "tooVaried": "",
        "poolPadding": t("A pooling's padding is at most half its kernel."),
    }  # fmt: skip
    Part("steps", words, presets=presets(), most=MOST_SQUARES)


def build_endpoints() -> None:
    """What is computed, as endpoints for programs; the page itself does not use them."""
    frame = Table(visible=False, label="layers")
    said = gr.Textbox(visible=False, label="remark")
    size = gr.Number(224, precision=0, visible=False, label="Input size (px)")
    architecture = gr.Textbox("resnet50", visible=False, label="Architecture")
    layers = gr.Textbox('[{"op": "conv", "kernel": 3}]', visible=False, label="Layers (JSON)")
    settings = [
        gr.Textbox(json.dumps([SIX]), visible=False, label="Input (JSON)"),
        gr.Textbox(json.dumps([[X]]), visible=False, label="Kernel (JSON)"),
        gr.Textbox("conv", visible=False, label="Operation"),
        *(gr.Number(value, precision=0, visible=False, label=label)
          for label, value in (("Stride", 1), ("Padding", 0), ("Dilation", 1))),
        gr.Textbox("zeros", visible=False, label="Edges"),
    ]  # fmt: skip
    endpoint(run, [architecture, size], [frame, said], API)
    endpoint(run_layers, [layers, size], frame, f"{API}_of_layers")
    steps, output = Table(visible=False, label="steps"), gr.Textbox(visible=False, label="output (JSON)")
    endpoint(run_steps, settings, [steps, output], "convolution_steps")
