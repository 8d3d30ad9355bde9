"""What does a network make of a picture? Look into any layer, see why it answers so, and switch parts of it off.

A **map** is what one channel of a layer finds, and where: bright wherever its pattern is in the picture. Early layers
find edges and colours, late ones find parts of things.
"""

from __future__ import annotations

import difflib
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
import pandas as pd
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from numpy.typing import NDArray
from PIL import Image

import cnn_core
from cnn_core.errors import Refused
from demos import About
from demos._parts import Answer, Choices, Names, Picture, Table, called, endpoint, shown, table, told
from demos._photographs import example, photograph, receive, thumbnails
from demos._text import t
from demos._visit import CHOSEN, asked_of, chosen, keep_part, open_in, part_of, to_show, visit, when_opened

if TYPE_CHECKING:
    from torch import Tensor

    from cnn_core.feature_maps import Statistics
    from cnn_core.saliency import Seen
    from cnn_core.tracing import Trace
    from cnn_core.zoo import Network

NAME = "feature_maps"
API = "feature_maps"
TITLE = "Feature maps"

PAGE = 64  # channels on a page
FEW = 16  # channels where two grids stand side by side
MOST_CHANNELS = 10_000  # that are switched off at once
KEPT = 256_000_000  # bytes of maps that all visitors together have lately looked at
SIDE = 280  # px of an enlarged map
COURSE, COURSE_LAYERS = "untrained/xai", ("features.0", "features.20", "features.40")
ORDERS = ("index", "mean", "variance", "sparsity")  # as in cnn_core.feature_maps, which would bring PyTorch along
METHODS = ("Grad-CAM", "Grad-CAM++", "Layer-CAM", "Occlusion")  # as in cnn_core.saliency
OWN_ANSWER = ""  # the class that the network itself answers with
RANDOM = "random"  # instead of another network: this one with random weights
CSS, JS = (Path(__file__).with_name(f"feature_maps.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))


def default_network() -> str:
    """The first shipped network that looks at photographs, or else the last of those whose weights are here."""
    rows = cnn_core.weights.WEIGHTS
    here = [name for name, row in rows.items() if row.source.here()] or list(rows)
    return next((name for name in here if rows[name].preprocess.shape[0] == 3), here[-1])


class Examples:
    """The arguments of `run`, read only when they are asked for."""

    def __len__(self) -> int:
        return len(thumbnails())

    def __getitem__(self, index: int) -> list[Any]:
        model = default_network()
        return [photograph(list(thumbnails())[index]), model, first_layer(model)]


EXAMPLES = Examples()

ABOUT = About(
    text=r"""
**A map** is one output channel of a layer. A convolution with the kernels $W$, the bias $b$ and the stride $s$ makes
map $k$ of the padded input maps $X_c$ by sliding one filter over all of them:

$$\begin{aligned} Y_k(i, j) = b_k + \sum_{c, u, v} \, & W_{kc}(u, v) \\
{} \cdot {} & X_c(si + u,\, sj + v) \end{aligned}$$

It is read from the network itself, on a copy of its structure that shares all tensors; nothing behind the layer is
computed. From pixels to scores, the maps $A^k$ of a stage are drawn as one, the mean of their absolute values over the
$C$ channels:

$$\bar A_{ij} = \frac{1}{C} \sum_{k=1}^{C} \left| A^k_{ij} \right|$$

**Why does it answer so?** Grad-CAM ([Selvaraju et al., 2016](https://arxiv.org/abs/1610.02391)) weighs whole maps by
the mean gradient of the class's logit $z_c$, and keeps what speaks for the class:

$$\alpha_k = \frac{1}{h w} \sum_{i, j} \frac{\partial z_c}{\partial A^k_{ij}}$$

$$M_{ij} = \max\Big(0,\, \sum_k \alpha_k A^k_{ij}\Big)$$

Grad-CAM++ ([Chattopadhay et al., 2017](https://arxiv.org/abs/1710.11063)) and Layer-CAM
([Jiang et al., 2021](https://doi.org/10.1109/TIP.2021.3089943)) weigh by positive gradients, the latter place by place.
Occlusion ([Zeiler and Fergus, 2013](https://arxiv.org/abs/1311.2901)) needs no gradient: it covers a part of the
picture and measures how much of the class's probability is lost. A map that random weights do not change shows the
picture, not the network ([Adebayo et al., 2018](https://arxiv.org/abs/1810.03292)).
""",
    code=(
        "cnn_core.feature_maps:read",
        "cnn_core.feature_maps:statistics",
        "cnn_core.feature_maps:stages",
        "cnn_core.feature_maps:with_gradients",
        "cnn_core.saliency:grad_cam",
        "cnn_core.saliency:layer_cam",
        "cnn_core.saliency:occlusion",
        "cnn_core.saliency:sanity_check",
    ),
    python="""
from PIL import Image
from skimage import data
from cnn_core import feature_maps, zoo

network = zoo.get("cat_dog")
maps = feature_maps.read(network.module, network.preprocess(Image.fromarray(data.chelsea())), "conv1")[0]
print(tuple(maps.shape), feature_maps.statistics(maps.numpy()).mean.round(4).tolist())
""",
)


# ---------------------------------------------------------------------------------------------------- What is looked at


@cache
def recent() -> Any:
    """The maps that were looked at lately, of all visitors; a key names network, layer and picture."""
    return cnn_core.feature_maps.Recent(KEPT)


def maps_of(network: Network, image: Image.Image, layer: str) -> NDArray[np.float32]:
    """The maps (C, h, w) of a layer; looking at them again, in another order say, runs nothing."""
    digest = sha256(image.tobytes() + repr(image.size).encode()).digest()
    return recent().get(
        (network.name, layer, digest),
        lambda: cnn_core.feature_maps.read(network.module, network.preprocess(image), layer)[0].numpy(),
    )


@lru_cache(maxsize=8)
def trace_of(model: str) -> Trace:
    """What each unit of a network sees of the picture."""
    network = cnn_core.zoo.get(model)
    return cnn_core.tracing.trace(network.module, network.shape[1:])


def nodes(network: Network) -> list[Any]:
    """The network's modules that have maps, in its own order."""
    return [node for node in cnn_core.feature_maps.tree(network.module, network.shape) if node.has_maps]


def first_layer(model: str) -> str:
    """The first convolution of a network."""
    return layer_choices(model, every=False)[0][1]


def layer_choices(model: str, every: bool) -> list[tuple[str, str]]:
    """Labels and names of the layers of a network that have maps.

    Args:
        model: its name.
        every: all of them, not the convolutions only.

    Raises:
        Refused: there is no such network, or it has no maps.
    """
    found = nodes(cnn_core.zoo.get(model))
    if not found:
        raise Refused("This network has no layer with maps: it is fully connected. Choose another network.")
    convolutions = [node for node in found if node.convolution]
    return [(node.label, node.name) for node in (found if every or not convolutions else convolutions)]


def class_index(network: Network, images: Tensor, target: str) -> int:
    """The number of a class; of the network's own answer for "".

    Raises:
        Refused: the network has no class of that name; the sentence lists the near ones.
    """
    if target == OWN_ANSWER:
        import torch

        with torch.inference_mode():
            return int(cnn_core.feature_maps.logits(network.module, images)[0].nan_to_num().argmax())
    if target in network.classes:
        return network.classes.index(target)
    near = difflib.get_close_matches(target, network.classes, 4, 0.5) or network.classes[:4]
    raise Refused("{name} knows no class {target!r}; it knows {near}.", name=network.name, target=target[:60],
                  near=", ".join(near))  # fmt: skip


def chosen_channels(found: Statistics, order: str, page: float | None) -> NDArray[np.int64]:
    """The channels on a page, counted from 1.

    Raises:
        Refused: there is no such page or order.
    """
    channels = cnn_core.feature_maps.ordered(found, order)
    pages = pages_of(len(channels))
    number = int(page or 1)
    if not 1 <= number <= pages:
        raise Refused("There are {pages} pages of channels: there is no page {page}.", pages=pages, page=number)
    return channels[(number - 1) * PAGE : number * PAGE]


def pages_of(channels: int) -> int:
    """How many pages so many channels fill."""
    return -(-channels // PAGE)


def statistics_frame(found: Statistics) -> pd.DataFrame:
    """Statistics as a table with a row per channel."""
    columns = {
        "channel": np.arange(len(found.mean)),
        "minimum": found.minimum,
        "maximum": found.maximum,
        "mean": found.mean,
        "variance": found.variance,
        "zeros": found.zeros,
        "not_numbers": found.missing,
    }
    return pd.DataFrame(columns).round(6)


def run(
    image: Image.Image, model: str, layer: str, order: str = "index", page: float = 1
) -> tuple[Image.Image, pd.DataFrame]:
    """Draw what a layer of a network makes of a picture, a tile per channel.

    Args:
        image: PNG, JPEG, WebP, GIF, BMP or TIFF, at most 20 MB and 25 megapixels; it is prepared as the network's
            weights ask.
        model: a shipped network ("cat_dog"), a torchvision classifier ("resnet50"), a repository on the Hugging Face
            Hub ("timm/resnet18.a1_in1k"), or "untrained/<name>" for random weights; what is not here is downloaded.
        layer: as `list_layers` names it, such as "layer1.0.conv1".
        order: which channels come first: "index", or the largest "mean", "variance" or "sparsity" (share of zeros).
        page: counted from 1; a page has 64 channels.

    Returns:
        The picture of the grid, eight tiles in a row, all on one colour scale; and a table of all channels: minimum,
        maximum, mean, variance, share of zeros in [0, 1], and how many values are no numbers.

    Raises:
        Refused: there is no picture or it cannot be read, there is no such network, layer, order or page, the layer has
            no maps, or the weights are out of reach.
    """
    maps = maps_of(cnn_core.zoo.get(model or ""), receive(image), layer or "")
    found = cnn_core.feature_maps.statistics(maps)
    channels = chosen_channels(found, order or ORDERS[0], page)
    grid = cnn_core.overlay.grid(maps[channels], *cnn_core.feature_maps.scale(maps))
    return grid.convert("RGBA"), statistics_frame(found)


def list_layers(model: str) -> list[dict[str, Any]]:
    """List the layers of a network in its own order: name, class, shape of the output, and whether it has maps.

    Args:
        model: a shipped network ("cat_dog"), a torchvision classifier ("resnet50"), a repository on the Hugging Face
            Hub ("timm/resnet18.a1_in1k"), or "untrained/<name>" for random weights; what is not here is downloaded.

    Returns:
        A list of {name, kind, shape, maps}: of one picture, the shape is (channels, rows, columns), or (features,)
        where there are no maps.

    Raises:
        Refused: there is no such network, or its weights are out of reach.
    """
    network = cnn_core.zoo.get(model or "")
    return [
        {"name": node.name, "kind": node.kind, "shape": list(node.shape), "maps": node.has_maps}
        for node in cnn_core.feature_maps.tree(network.module, network.shape)
    ]


def saliency(
    image: Image.Image, model: str, method: str = METHODS[0], target: str = OWN_ANSWER
) -> tuple[Image.Image, dict[str, Any]]:
    """Show what of a picture speaks for a class.

    Args:
        image: PNG, JPEG, WebP, GIF, BMP or TIFF, at most 20 MB and 25 megapixels.
        model: a shipped network ("cat_dog"), a torchvision classifier ("resnet50"), a repository on the Hugging Face
            Hub ("timm/resnet18.a1_in1k"), or "untrained/<name>" for random weights; what is not here is downloaded.
        method: "Grad-CAM", "Grad-CAM++" or "Layer-CAM", at the last layer that has places, or "Occlusion".
        target: name of a class that the network knows; left empty, its own answer.

    Returns:
        The picture as the network sees it with the map over it, and a dictionary: the class, its probability in [0, 1],
        the layer, and why the map is blank if it is.

    Raises:
        Refused: there is no picture or it cannot be read, there is no such network, method or class, the network has no
            maps or no class scores, or its weights are out of reach.
    """
    network, picture = cnn_core.zoo.get(model or ""), receive(image)
    images = network.preprocess(picture)
    index = class_index(network, images, target or OWN_ANSWER)
    method = method or METHODS[0]
    layer = None  # covering parts of the picture needs none
    if method != METHODS[-1]:
        layer = cnn_core.feature_maps.deepest(network.module, network.shape).name
    seen = explained(network, images, method, layer, index)
    words = {
        "class": network.classes[index],
        "probability": round(seen.probability, 4),
        "layer": layer,
        "blank": str(seen.blank) if seen.blank else None,
    }
    return laid_over(network, picture, seen, side=SIDE), words


def explained(network: Network, images: Tensor, method: str, layer: str | None, index: int) -> Seen:
    """A map of evidence by any of `METHODS`; the last needs no layer."""
    if layer is None or method == METHODS[-1]:
        return cnn_core.saliency.occlusion(network.module, images, index)
    return cnn_core.saliency.by_gradients(network.module, images, layer, index, method)


def laid_over(network: Network, picture: Image.Image, seen: Seen, side: int) -> Image.Image:
    """A map of evidence over what the network saw."""
    return cnn_core.overlay.over(network.preprocess.seen(picture), seen.map, 0, 1, "evidence", side)


# ---------------------------------------------------------------------------------------------------- As HTML


def source(picture: Image.Image) -> str:
    """A picture as a data: URL."""
    content, kind = cnn_core.overlay.encoded(picture)
    return f"data:{kind};base64,{b64encode(content).decode()}"


def figure(picture: Image.Image, caption: str, alt: str, kind: str = "") -> str:
    """A picture with its caption."""
    return (
        f'<figure class="{kind}"><img src="{source(picture)}" alt="{escape(alt)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def note(refused: Refused, caption: str = "") -> str:
    """A figure with words in place of a picture that cannot be drawn."""
    return f'<figure><p class="blank">{escape(told(refused))}</p><figcaption>{escape(caption)}</figcaption></figure>'


def figures(parts: list[str]) -> str:
    """Figures side by side."""
    return f'<div class="figures-row">{"".join(parts)}</div>'


def legend(low: float, high: float, quantity: str = "") -> str:
    """A colour scale with its ends."""
    colours = cnn_core.overlay.palette(quantity or cnn_core.overlay.quantity_of(low))[:254:23]
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in colours)
    middle = "<span>0</span>" if low < 0 else ""
    return (
        f'<div class="scale"><span>{number(low)}</span><i style="background: linear-gradient(to right, {stops})">'
        f"{middle}</i><span>{number(high)}</span></div>"
    )


def number(value: Any) -> str:
    """A figure short enough to be read."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def grid_of(maps: NDArray[np.float32], channels: NDArray[np.int64], found: Statistics, chosen: int | None) -> str:
    """A page of maps as one picture with a button over each of them, and their colour scale."""
    low, high = cnn_core.feature_maps.scale(maps)
    picture = cnn_core.overlay.grid(maps[channels], low, high)
    columns = 8
    rows = -(-len(channels) // columns)
    gutter = cnn_core.overlay.GUTTER
    gaps = f"{gutter / picture.height:.3%} {gutter / picture.width:.3%}"
    buttons = ""
    for channel in channels.tolist():
        name = t("Channel {channel}: mean {mean}, {zeros:.0%} zeros").format(
            channel=channel, mean=number(found.mean[channel]), zeros=found.zeros[channel]
        )
        pressed = str(channel == chosen).lower()
        buttons += (
            f'<button type="button" data-channel="{channel}" aria-pressed="{pressed}" aria-label="{name}" '
            f'title="{name}"></button>'
        )
    alt = t("Maps of {count} channels").format(count=len(channels))
    return (
        f'<div class="maps"><img src="{source(picture)}" alt="{alt}" width="{picture.width}" height="{picture.height}">'
        f'<div class="tiles" style="grid-template: repeat({rows}, 1fr) / repeat({columns}, 1fr); gap: {gaps}">{buttons}'
        f"</div></div>{legend(low, high)}"
    )


def small_grid(maps: NDArray[np.float32], caption: str) -> str:
    """The first sixteen maps as a figure, four in a row."""
    low, high = cnn_core.feature_maps.scale(maps)
    picture = cnn_core.overlay.grid(maps[:FEW], low, high, columns=4, tile=84)
    alt = t("Maps of {count} channels").format(count=min(FEW, len(maps)))
    return (
        f'<figure class="wide"><img src="{source(picture)}" alt="{alt}">{legend(low, high)}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def summary(network: Network, layer: str, maps: NDArray[np.float32], found: Statistics) -> str:
    """What a layer's maps are, in a sentence or three, as Markdown."""
    channels, height, width = maps.shape
    text = t("**{layer}** of {network}: {channels} maps of {width}×{height}.")
    said = [text.format(layer=layer, network=network.name, channels=f"{channels:,}", width=width, height=height)]
    if not network.trained:
        said.append(t("This network is **untrained**: its weights are random, and its maps are the picture, filtered."))
    if found.dead:
        said.append(t("{count} of them are 0 everywhere on this picture.").format(count=found.dead))
    if missing := int(found.missing.sum()):
        text = t("{count} values are no numbers (NaN or infinite): they are drawn in magenta.")
        said.append(text.format(count=f"{missing:,}"))
    return " ".join(said)


def channel_view(image: Image.Image | None, model: str, layer: str, channel: float | None) -> str:
    """One channel: enlarged, over the picture, its statistics, its filter, and the patch that excites it most.

    Raises:
        Refused: there is no such channel, layer, network or picture.
    """
    network, picture = cnn_core.zoo.get(model), receive(image)
    maps = maps_of(network, picture, layer)
    index = int(channel or 0)
    if not 0 <= index < len(maps):
        raise Refused("{layer} has the channels 0 to {last}: there is no channel {channel}.", layer=layer,
                      last=len(maps) - 1, channel=index)  # fmt: skip
    low, high = cnn_core.feature_maps.scale(maps)
    one = maps[index]
    found = cnn_core.feature_maps.statistics(one[None])
    quantity = cnn_core.overlay.quantity_of(low)
    seen = network.preprocess.seen(picture)
    name = t("Channel {channel}").format(channel=index)
    parts = [
        figure(cnn_core.overlay.grid(one[None], low, high, 1, SIDE), name, name, "pixels"),
        figure(
            cnn_core.overlay.over(seen, one, low, high, quantity, SIDE), t("Over the picture"),
            t("The map over the picture"),
        ),
    ]  # fmt: skip
    parts += [patch(model, layer, seen, found), kernel(network, layer, index)]
    heads = [t("Minimum"), t("Maximum"), t("Mean"), t("Variance"), t("Zeros"), t("Not numbers")]
    row = [number(each[0]) for each in (found.minimum, found.maximum, found.mean, found.variance)]
    cells = [name, *row, f"{found.zeros[0]:.1%}", f"{found.missing[0]:,}"]
    return figures(parts) + table(["", *heads], [cells])


def patch(model: str, layer: str, seen: Image.Image, found: Statistics) -> str:
    """The part of the picture that the most excited unit of a channel sees."""
    if found.zeros[0] == 1:
        return note(Refused("Nothing in this picture excites this channel."), t("What excites it most"))
    unit = tuple(int(place) for place in found.peak[0])
    try:
        top, left, bottom, right = trace_of(model).box(layer, unit)
    except Refused as refused:
        return note(refused, t("What excites it most"))
    if bottom <= top or right <= left:
        return ""
    caption = t("What excites it most: {width}×{height} px around row {row}, column {column} of the map").format(
        width=right - left, height=bottom - top, row=unit[0], column=unit[1]
    )
    cut = seen.convert("RGB").crop((left, top, right, bottom))
    factor = max(1, SIDE // max(cut.size))
    cut = cut.resize((cut.width * factor, cut.height * factor), Image.Resampling.NEAREST)
    return figure(cut, caption, t("The part of the picture that excites this channel most"), "pixels")


def kernel(network: Network, layer: str, index: int) -> str:
    """The filter of a channel: in colour if it looks at a picture, else its strongest slices."""
    try:
        weight = cnn_core.feature_maps.kernels(network.module, layer)
    except Refused:
        return ""
    one = weight[index]
    if len(one) == 3:
        picture = cnn_core.overlay.kernels(weight[index : index + 1], 1, SIDE)
        return figure(picture, t("Its filter; grey is 0"), t("The filter of this channel, in colour"), "pixels")
    strongest = np.argsort(-(one**2).sum((1, 2)), kind="stable")[:FEW]
    columns = min(4, len(strongest))
    picture = cnn_core.overlay.kernels(one[strongest, None], columns, SIDE // columns)
    caption = t("Its filter: the {count} strongest of {all} slices, one per channel that it looks at").format(
        count=len(strongest), all=len(one)
    )
    return figure(picture, caption, t("Slices of the filter of this channel"), "pixels")


# ---------------------------------------------------------------------------------------------------- The parts below


@dataclass(frozen=True)
class View:
    """What a visitor is looking at; each part below the maps gets all of it.

    Attributes:
        image: the picture.
        model: name of the network.
        layer: name of the layer.
        channel: index of the channel.
        target: the class to explain, "" for the network's own answer.
        depth: which layer the depth slider is at, counted from 1.
        off: channels to switch off, e.g. "3, 17-20".
        other: name of the network to compare with, or `RANDOM`.
    """

    image: Image.Image | None
    model: str
    layer: str
    channel: float | None = 0
    target: str = OWN_ANSWER
    depth: float = 1
    off: str = ""
    other: str = RANDOM

    @property
    def network(self) -> Network:
        """The network of that name."""
        return cnn_core.zoo.get(self.model)

    @property
    def picture(self) -> Image.Image:
        """The picture, no larger than is good."""
        return receive(self.image)


def walk(view: View) -> str:
    """The way from pixels to scores: a summary per stage, and the likeliest classes."""
    network, picture = view.network, view.picture
    found, output = cnn_core.feature_maps.stages(network.module, network.preprocess(picture))
    parts = [figure(network.preprocess.seen(picture), t("What the network is given"), t("The picture"), "pixels")]
    for stage in found:
        if stage.node.shape[1:] == (1, 1):  # pooled: one place, which would be one colour
            continue
        low, high = 0.0, cnn_core.feature_maps.scale(stage.summary[None])[1]
        drawn = cnn_core.overlay.grid(stage.summary[None], low, high, 1, 140)
        channels, height, width = stage.node.shape
        caption = f"{stage.node.name} · {channels} × {width}×{height}"
        parts.append(
            figure(drawn, caption, t("Mean over the channels of {layer}").format(layer=stage.node.name), "pixels")
        )
    scores = ""
    if output.dim() == 2 and output.isfinite().all():
        best = output[0].softmax(0).topk(min(5, output.shape[1]))
        rows = [
            [called(network.classes[index]), f"{share:.1%}"]
            for share, index in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
        scores = table([t("Class"), t("Probability")], rows, shade=best.values.numpy()[:, None])
    return figures(parts) + scores


def course_figure(image: Image.Image | None) -> str:
    """The course's own figure, of any picture: sixteen maps of three layers of an untrained network."""
    network, picture = cnn_core.zoo.get(COURSE), receive(image)
    parts = []
    for layer in COURSE_LAYERS:
        maps = maps_of(network, picture, layer)
        parts.append(small_grid(maps, f"{layer} · {len(maps)} × {maps.shape[2]}×{maps.shape[1]}"))
    warning = t(
        "The course's XAI network at full size, **untrained**, as in the course, but in RGB: random filters, so the "
        "maps are the picture, blurred and sharpened by chance. Compare with a trained network above."
    )
    return f"<p>{bold(warning)}</p>" + figures(parts)


def bold(text: str) -> str:
    """Text with its **bold** words as HTML."""
    plain, *marked = escape(text).split("**")
    return plain + "".join(f"<b>{part}</b>" if place % 2 == 0 else part for place, part in enumerate(marked))


def filters(view: View) -> str:
    """The kernels of a layer as pictures, their norms, and which of them are dead."""
    network = view.network
    weight = cnn_core.feature_maps.kernels(network.module, view.layer)
    norms = cnn_core.feature_maps.norms(weight)
    dead = cnn_core.feature_maps.dead_filters(norms)
    colour = weight.shape[1] == 3
    if colour:
        pictured, caption = weight[:PAGE], t("The first {count} of {all} filters, in colour; grey is 0")
    else:
        strongest = (weight**2).sum((2, 3)).argmax(1)
        slices = weight[np.arange(len(weight)), strongest][:, None]
        pictured, caption = slices[:PAGE], t("The first {count} of {all} filters: of each its strongest slice")
    most = float(np.abs(pictured).max()) or 1.0
    scale = "" if colour else legend(-most, most)
    drawn = figure(
        cnn_core.overlay.kernels(pictured),
        caption.format(count=len(pictured), all=len(weight)),
        t("Filters of {layer}").format(layer=view.layer),
        "pixels wide",
    )
    text = t(
        "{count} filters of {width}×{height} over {channels} channels. Norms from {least} to {most}, median {median}; "
        "{dead} dead (less than 1 % of the median)."
    ).format(
        count=f"{len(weight):,}", width=weight.shape[3], height=weight.shape[2], channels=weight.shape[1],
        least=number(norms.min()), most=number(norms.max()), median=number(float(np.median(norms))), dead=len(dead),
    )  # fmt: skip
    if len(dead):
        text += " " + t("Dead: {channels}.").format(
            channels=", ".join(map(str, dead[:20])) + ("…" if len(dead) > 20 else "")
        )
    return f"<p>{escape(text)}</p>{figures([drawn, bars(norms)])}{scale}"


def bars(norms: NDArray[np.float32]) -> str:
    """Norms from large to small as an SVG."""
    heights = np.sort(norms)[::-1] / (float(norms.max()) or 1.0)
    edges = [(place / len(heights) * 280, 160 - height * 150) for place, height in enumerate(heights)]
    points = " ".join(f"{left:.1f},{top:.1f} {left + 280 / len(heights):.1f},{top:.1f}" for left, top in edges)
    alt = t("Norms of all filters, from large to small")
    return (
        f'<figure><svg viewBox="0 0 280 160" role="img" aria-label="{alt}"><polygon points="0,160 {points} 280,160"/>'
        f"</svg><figcaption>{alt}: {number(norms.max())} … {number(norms.min())}</figcaption></figure>"
    )


def evidence(network: Network, picture: Image.Image, seen: Seen, caption: str) -> str:
    """A map of evidence as a figure; if it is blank, why."""
    if seen.blank:
        return note(seen.blank, caption)
    return figure(
        laid_over(network, picture, seen, 224), caption, t("{method} over the picture").format(method=caption)
    )


def why(view: View) -> Iterator[str]:
    """What speaks for a class, by every method side by side; the slowest comes last."""
    network, picture = view.network, view.picture
    images = network.preprocess(picture)
    index = class_index(network, images, view.target)
    layer = cnn_core.feature_maps.deepest(network.module, network.shape).name
    parts: list[str] = []
    head = ""
    for method in METHODS:
        seen = explained(network, images, method, layer, index)
        head = t("For **{name}** (probability {share:.1%}), at {layer}. Bright: speaks for it.").format(
            name=called(network.classes[index]), share=seen.probability, layer=layer
        )
        parts.append(evidence(network, picture, seen, method))
        if method in METHODS[-2:]:
            waiting = "" if method == METHODS[-1] else f"<p>{t('Covering one part after another …')}</p>"
            yield f"<p>{bold(head)}</p>{figures(parts)}{legend(0, 1, 'evidence')}{waiting}"


def sanity(view: View, method: str = METHODS[0]) -> Iterator[str]:
    """The same map while the weights are replaced by random ones, from the scores down."""
    network, picture = view.network, view.picture
    images = network.preprocess(picture)
    index = class_index(network, images, view.target)
    layer = cnn_core.feature_maps.deepest(network.module, network.shape).name
    parts: list[str] = []
    agreement, blank = 1.0, False
    for check in cnn_core.saliency.sanity_check(network.module, images, layer, index, method):
        agreement = check.agreement
        caption = t("{share:.0%} random, from the scores to {module} (likeness {value:.2f})")
        if np.isnan(agreement):
            caption = t("{share:.0%} random, from the scores to {module}")
        if not check.module:
            caption = t("As it was trained")
            blank = check.seen.blank is not None
        caption = caption.format(share=check.share, module=check.module, value=agreement)
        parts.append(evidence(network, picture, check.seen, caption))
        yield figures(parts)
    if blank:
        verdict = t("The network's own map is blank, so there is nothing to compare: choose another class or method.")
    elif np.isnan(agreement):
        verdict = t("With random weights there is no map left at all: what it shows comes from what was learnt.")
    elif abs(agreement) > 0.7:
        verdict = t(
            "With random weights the map is much the same: **do not believe it.** It shows what is in the picture, not "
            "what this network has learnt of it."
        )
    else:
        verdict = t("With random weights the map is another: what it shows depends on what the network has learnt.")
    yield f"{figures(parts)}<p>{bold(verdict)}</p>"


def at_depth(view: View) -> str:
    """The class-activation map at one of the network's layers, or why there is none."""
    network, picture = view.network, view.picture
    images = network.preprocess(picture)
    index = class_index(network, images, view.target)
    found = sorted(nodes(network), key=lambda node: node.order)
    node = found[min(max(int(view.depth), 1), len(found)) - 1]
    parts = []
    for method in (METHODS[0], METHODS[2]):
        seen = cnn_core.saliency.by_gradients(network.module, images, node.name, index, method)
        parts.append(evidence(network, picture, seen, method))
    text = t("Layer {place} of {all}: **{layer}**, for {name}").format(
        place=found.index(node) + 1, all=len(found), layer=node.label, name=called(network.classes[index])
    )
    return f"<p>{bold(text)}</p>{figures(parts)}"


def channel_numbers(text: str) -> list[int]:
    """Channels as a visitor writes them, e.g. "3, 17-20".

    Raises:
        Refused: it is something else.
    """
    found: list[int] = []
    for part in filter(None, (each.strip() for each in text.replace(";", ",").split(","))):
        first, _, last = part.partition("-")
        if not first.strip().isdecimal() or not (last or first).strip().isdecimal() or len(part) > 12:
            raise Refused("Write channels as numbers and ranges, such as {example}.", example="3, 17-20")
        found += range(int(first), min(int(last or first), int(first) + MOST_CHANNELS) + 1)
        if len(found) > MOST_CHANNELS:
            raise Refused("Switch off at most {most} channels, please.", most=MOST_CHANNELS)
    return found


def switched_off(view: View) -> str:
    """Class scores with channels switched off, and the channels that matter most."""
    network, picture = view.network, view.picture
    images = network.preprocess(picture)
    index = class_index(network, images, view.target)
    off = channel_numbers(view.off)
    before, after = cnn_core.ablation.without(network.module, images, view.layer, [[], off])
    shown_classes = list(dict.fromkeys([index, *before.topk(min(5, len(before))).indices.tolist()]))
    shares = [scores.softmax(0).nan_to_num() for scores in (before, after)]
    rows = [
        [
            called(network.classes[each]), f"{shares[0][each]:.1%}", f"{shares[1][each]:.1%}",
            number(float(before[each])), number(float(after[each])),
        ]
        for each in shown_classes
    ]  # fmt: skip
    heads = [t("Class"), t("Probability"), t("without them"), t("Score"), t("without them")]
    effects = cnn_core.ablation.ranking(network.module, images, view.layer, index)
    most = max((abs(effect.drop) for effect in effects), default=0) or 1
    ranked = [
        [t("Channel {channel}").format(channel=effect.channel), number(effect.drop), number(effect.estimate)]
        for effect in effects
    ]
    shade = np.array([[abs(effect.drop) / most, 0] for effect in effects])
    intro = t("Switched off in {layer}: {channels}.").format(layer=view.layer, channels=view.off.strip() or t("none"))
    title = t("What the score of {name} loses without each channel of {layer}, the largest first").format(
        name=called(network.classes[index]), layer=view.layer
    )
    return f"<p>{escape(intro)}</p>{table(heads, rows)}<p>{escape(title)}</p>" + table(
        [t("Channel"), t("Loss, measured"), t("Loss, estimated")], ranked, shade
    )


def compared(view: View) -> str:
    """The same layer of two networks, or of trained against random weights."""
    network, picture = view.network, view.picture
    mine = maps_of(network, picture, view.layer)
    if view.other == RANDOM:
        # An untrained network has the weights of seed 0 already.
        module, layer, other = cnn_core.feature_maps.randomised(network.module, seed=1), view.layer, network
        title = t("{network} with random weights").format(network=network.name)
    else:
        other = cnn_core.zoo.get(view.other)
        module, layer, title = other.module, counterpart(network, view.layer, other), other.name
    theirs = cnn_core.feature_maps.read(module, other.preprocess(picture), layer)[0].numpy()
    return figures(
        [
            small_grid(maps, f"{name} · {where} · {len(maps)} × {maps.shape[2]}×{maps.shape[1]}")
            for name, where, maps in ((network.name, view.layer, mine), (title, layer, theirs))
        ]
    )


def counterpart(network: Network, layer: str, other: Network) -> str:
    """The layer of another network with the same name, or else of the same kind and about as deep."""
    theirs = sorted(nodes(other), key=lambda node: node.order)
    if not theirs:
        raise Refused("This network has no layer with maps: it is fully connected. Choose another network.")
    if layer in {node.name for node in theirs}:
        return layer
    mine = sorted(nodes(network), key=lambda node: node.order)
    here = next(node for node in mine if node.name == layer)
    alike = [node for node in theirs if node.kind == here.kind] or theirs
    siblings = [node for node in mine if node.kind == here.kind]
    share = siblings.index(here) / max(1, len(siblings) - 1)  # 0 for the first, 1 for the last
    return alike[round(share * (len(alike) - 1))].name


def files(image: Image.Image | None, model: str, layer: str, order: str, page: float) -> tuple[str, str]:
    """The grid as PNG and the raw maps as NPZ: two files.

    The NPZ holds `maps` (C, h, w), their statistics by channel, and `network`, `layer` and `input` as text.
    """
    network, picture = cnn_core.zoo.get(model), receive(image)
    maps = maps_of(network, picture, layer)
    grid, statistics = run(picture, model, layer, order, page)
    png, npz = BytesIO(), BytesIO()
    grid.save(png, "PNG")
    named: dict[str, Any] = {name: statistics[name].to_numpy() for name in statistics.columns}
    np.savez_compressed(
        npz,
        maps=maps,
        network=np.array(network.name),
        layer=np.array(layer),
        input=np.array(str(network.preprocess)),
        **named,
    )
    name = "".join(sign if sign.isalnum() or sign in "._-" else "-" for sign in f"{network.name}-{layer}")
    folder = get_upload_folder()
    return (
        save_bytes_to_cache(png.getvalue(), f"{name}.png", folder),
        save_bytes_to_cache(npz.getvalue(), f"{name}.npz", folder),
    )


# The parts below the maps, by name; one that is not open is not computed.
PARTS: dict[str, tuple[str, Callable[[View], str | Iterator[str]]]] = {
    "depth": ("Through the depth", walk),
    "filters": ("Filters", filters),
    "why": ("Why this class", why),
    "cam": ("Evidence at every layer", at_depth),
    "off": ("Switch channels off", switched_off),
    "compare": ("Compare", compared),
}


# ---------------------------------------------------------------------------------------------------- The page


def warm_up() -> None:
    """Load the default network and draw its maps once, so that the first visitor need not wait."""
    run(*EXAMPLES[0])


def look(
    image: Image.Image | None, model: str, layer: str, order: str, page: float, channel: float | None
) -> tuple[str, str, Any, str]:
    """What the page shows of a layer: a sentence, the grid, how many pages there are, and the chosen channel."""
    if image is None or not model:
        return t("Upload a picture, paste one, take a photograph, or choose an example."), "", gr.skip(), ""
    network, picture = cnn_core.zoo.get(model), receive(image)
    maps = maps_of(network, picture, layer)
    found = cnn_core.feature_maps.statistics(maps)
    pages = pages_of(len(maps))
    page = min(int(page or 1), pages)  # another layer may have fewer
    index = int(channel or 0) if int(channel or 0) < len(maps) else 0
    grid = grid_of(maps, chosen_channels(found, order, page), found, index)
    pager = gr.update(value=page, maximum=pages, visible=pages > 1, label=t("Page of {pages}").format(pages=pages))
    return summary(network, layer, maps, found), grid, pager, channel_view(picture, model, layer, index)


def choose_network(model: str, layer: str, every: bool) -> tuple[Any, Any, Any]:
    """What a network makes possible to choose: its layers, its classes, and the places of the depth slider."""
    choices = layer_choices(model, every)
    names = [name for _, name in choices]
    network = cnn_core.zoo.get(model)
    classes = [(t("Its own answer"), OWN_ANSWER), *((called(name), name) for name in dict.fromkeys(network.classes))]
    return (
        gr.update(choices=choices, value=layer if layer in names else names[0]),
        gr.update(choices=classes, value=OWN_ANSWER),
        gr.update(maximum=len(nodes(network)), value=len(nodes(network))),
    )


def asked_for(query: dict[str, str]) -> tuple[dict[str, Any], str]:
    """What a link names rightly of a view, by its names in the address; and a sentence on what is wrong, or ""."""
    model, missed = query.get("network", ""), ""
    try:
        names = [name for _, name in layer_choices(model or default_network(), every=True)]
    except Refused:
        missed = t("The link names a network that cannot be had here: this is another one.")
        model = default_network()
        names = [name for _, name in layer_choices(model, every=True)]
    model, layer = model or default_network(), query.get("layer", "")
    if layer and layer not in names:
        missed = missed or t("The link names a layer that this network does not have: this is its first one.")
    target, off, other, order = (query.get(name, "") for name in ("class", "off", "with", "order"))
    try:
        channel_numbers(off)
    except Refused:
        off = ""
    try:
        cnn_core.zoo.key(other)
    except Refused:
        other = RANDOM
    return {
        "network": model,
        "layer": layer if layer in names else first_layer(model),
        "order": order if order in ORDERS else ORDERS[0],
        "page": whole(query.get("page", "")) or 1,
        "channel": whole(query.get("channel", "")),
        "class": target if target in cnn_core.zoo.get(model).classes else OWN_ANSWER,
        "depth": min(whole(query.get("depth", "")) or len(names), len(names)),
        "off": off,
        "with": other,
    }, missed


def whole(text: str) -> int:
    """A number of at most five digits in a link; 0 for anything else."""
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def network_choices() -> list[tuple[str, str]]:
    """Labels and names of the networks in the list."""
    kinds = {"": "{name}", "imagenet": t("{name} · ImageNet, downloaded"), "untrained": t("{name} · untrained")}
    choices = []
    for name in cnn_core.zoo.offered():
        kind = "imagenet" if name in cnn_core.zoo.IMAGENET else "untrained" if name.startswith("untrained/") else ""
        choices.append((kinds[kind].format(name=name.removeprefix("untrained/")), name))
    return choices


def begin(shows: str | None, current: str, handed: dict[str, str], request: gr.Request) -> list[Any]:
    """What the tab shows when it is opened: what a link asks for, and the visit's picture or an example.

    Args:
        shows: source of the picture that it shows; None when it is opened for the first time.
        current: source of the visit's picture.
        handed: what a link handed over.
        request: its address.

    Returns:
        source of the picture, what is left to hand over, updates of network, network to compare with, layer, class,
        depth, order, page, channel and channels to switch off, and the picture.
    """
    first = shows is None
    asked = asked_of(NAME, first, handed, request)
    source, found = to_show(current, shows, next(iter(thumbnails()), ""))
    picture = gr.skip() if found is None or source == shows else found
    if not first and not asked:
        return [source, {}, *[gr.skip()] * 9, picture]
    view, missed = asked_for(asked)
    if missed:
        gr.Info(missed)
    model, layer, other = view["network"], view["layer"], view["with"]
    choices = network_choices()
    convolutions = {name for _, name in layer_choices(model, every=False)}
    layers, classes, depth = choose_network(model, layer, layer not in convolutions)
    classes["value"], depth["value"] = view["class"], view["depth"]
    others = [(t("The same with random weights"), RANDOM), *choices]
    return [
        source, {}, gr.update(choices=listed(choices, model), value=model),
        gr.update(choices=listed(others, other), value=other), layers, classes, depth, view["order"], view["page"],
        view["channel"], view["off"], picture,
    ]  # fmt: skip


def listed(choices: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    """Labels and names, with one more if need be."""
    return choices if name in {value for _, value in choices} else [(name, name), *choices]


def refresh(opened: str, *view: Any) -> Iterator[list[Any]]:
    """What the part that is open shows now; those that are closed stay as they are."""
    for html in part_html(opened, View(*view)):
        yield [html if name == opened else gr.skip() for name in PARTS]


def part_html(name: str, view: View) -> Iterator[str]:
    """A part's HTML, step by step; if it is refused, why."""
    if view.image is None or not view.model or name not in PARTS:
        return
    try:
        made = PARTS[name][1](view)
        yield from [made] if isinstance(made, str) else made
    except Refused as refused:
        yield f"<p>{escape(told(refused))}</p>"


VIEWED = """(network, layer, order, page, channel, target, off, other) => window.convlens?.shows('feature_maps', {
    network, layer, order, page: page > 1 ? page : null, channel: channel ?? 0, class: target || null,
    off: off || null, with: other === 'random' ? null : other,
})"""
AT_DEPTH = "depth => window.convlens?.shows('feature_maps', { depth })"
AT_ITS_END = "() => window.convlens?.shows('feature_maps', { depth: null })"  # where another network begins
MARK = """channel => document.querySelectorAll('#feature-maps-grid button[data-channel]').forEach(
    button => button.setAttribute('aria-pressed', String(Number(button.dataset.channel) === (channel ?? 0))))"""


def pick(event: gr.EventData) -> int:
    """The channel whose map was clicked."""
    channel = (event._data or {}).get("channel")
    if not isinstance(channel, int):
        raise Refused("That request cannot be read: please reload the page and try again.")
    return channel


def panel(value: str = "", **rest: Any) -> gr.HTML:
    """A place for figures."""
    return gr.HTML(value, css_template=CSS, js_on_load=JS, **rest)


def build() -> None:
    """Lay out the tab inside the caller's Blocks."""
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    here, shows, opened = visit(), gr.State(None), gr.State(next(iter(PARTS)))
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            picture = Photograph(
                label=t("Picture"), type="pil", height=220, sources=["upload", "webcam", "clipboard"],
                elem_id="feature-maps-picture",
            )  # fmt: skip
            examples = Choices(thumbnails(), label=t("Or start from an example"))
            network = Names(
                [], label=t("Network"), allow_custom_value=True, elem_id="feature-maps-network",
                info=t("Or type a name of torchvision's, of a Hub repository, or untrained/resnet50."),
            )  # fmt: skip
            layer = Names([], label=t("Layer"), allow_custom_value=True, elem_id="feature-maps-layer")
            every = gr.Checkbox(False, label=t("List every layer, not the convolutions only"))
            target = Names(
                [(t("Its own answer"), OWN_ANSWER)],
                value=OWN_ANSWER,
                allow_custom_value=True,
                label=t("Class to explain"),
            )
        with gr.Column(scale=5, min_width=300):
            sentence = gr.Markdown(t("Waking the networks …"), elem_id="feature-maps-sentence", min_height=32)
            with gr.Row():
                order = gr.Radio(
                    [(t(each.capitalize()), each) for each in ORDERS], value=ORDERS[0], label=t("Channels ordered by"),
                    scale=3, min_width=280, elem_id="feature-maps-order",
                )  # fmt: skip
                page = gr.Number(
                    1,
                    label=t("Page"),
                    minimum=1,
                    precision=0,
                    min_width=120,
                    elem_id="feature-maps-page",
                    visible=False,
                )
                channel = gr.Number(
                    0, label=t("Channel"), minimum=0, precision=0, min_width=120, elem_id="feature-maps-channel"
                )
            grid = panel(elem_id="feature-maps-grid")
            elsewhere = gr.HTML()
            gr.Markdown(
                t(
                    "All maps of a layer share one scale, so they can be compared; it spans 99.5 % of the values. Blue "
                    "is below 0, red above. Click a map to see it large."
                )
            )
    one = panel(elem_id="feature-maps-one")
    depth = gr.Slider(1, 1000, 1, step=1, label=t("Layer, from the pixels to the scores"), render=False)
    off = gr.Textbox("", label=t("Channels to switch off, e.g. 3, 17-20"), render=False, elem_id="feature-maps-off")
    other = gr.Dropdown([], label=t("Compare with"), allow_custom_value=True, render=False)
    view = [picture, network, layer, channel, target, depth, off, other]
    outputs: list[gr.HTML] = []
    tabs: dict[str, gr.Tab] = {}
    with gr.Tabs(elem_id="feature-maps-more", overflow_behavior="wrap") as parts:
        for name, (title, _) in PARTS.items():
            with part_of(NAME, t(title), name) as tabs[name]:
                outputs.append(PARTS_BUILT[name](view, quiet))
        with part_of(NAME, t("Take it away"), "take"):
            build_take(picture, network, layer, order, page)

    looking = [picture, network, layer, order, page, channel]
    displays = [sentence, grid, page, one]

    def then_show(event: Any) -> None:
        """After an event that changes what is looked at: the maps anew, and the part below that is open."""
        event.then(shown(look), looking, displays, **quiet).then(shown(refresh), [opened, *view], outputs, **quiet)

    chosen_lists = [layer, target, depth]
    arrived = [shows, here.handed, network, other, *chosen_lists, order, page, channel, off, picture]
    then_show(when_opened(shown(begin), [shows, here.picture, here.handed], arrived, **quiet))
    then_show(
        gr.on([network.input, every.input], shown(choose_network), [network, layer, every], chosen_lists, **quiet)
    )
    gr.on([picture.input, picture.clear], chosen, picture, [shows, here.picture], **CHOSEN)
    then_show(gr.on([picture.input, picture.clear, layer.input], None, trigger_mode="always_last", **quiet))
    then_show(examples.click(shown(example), examples, [picture, shows, here.picture], **quiet))
    viewed = [network, layer, order, page, channel, target, off, other]
    gr.on([part.change for part in viewed], None, viewed, js=VIEWED, **quiet)
    depth.input(None, depth, js=AT_DEPTH, **quiet)
    gr.on([network.input, every.input], None, js=AT_ITS_END, **quiet)
    network.change(links, network, elsewhere, **quiet)
    gr.on([order.input, page.input], shown(look), looking, displays, trigger_mode="always_last", **quiet)
    gr.on(
        [target.input, depth.input, other.input, off.submit],
        shown(refresh), [opened, *view], outputs, trigger_mode="always_last", **quiet,
    )  # fmt: skip
    channel.change(None, channel, js=MARK, **quiet)
    channel.change(shown(when_there(channel_view)), [picture, network, layer, channel], one, **quiet)
    grid.click(shown(pick), None, channel, **quiet)
    for name, tab in tabs.items():
        tab.select(lambda name=name: name, None, opened, **quiet).then(
            shown(refresh), [opened, *view], outputs, **quiet
        )
    keep_part(NAME, parts)
    build_endpoints(picture, network, layer, order, page, target)


class Photograph(Picture):
    """A picture that we show too: written whole and once, as `Answer` writes it."""

    postprocess = Answer.postprocess  # pyright: ignore[reportAssignmentType]

    def get_block_name(self) -> str:
        """The stock front end."""
        return "image"


def when_there(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` as the page calls it: before there is a picture and a network, nothing changes."""

    def quietly(image: Image.Image | None, *rest: Any) -> Any:
        return run(image, *rest) if image is not None and rest[0] else gr.skip()

    return quietly


def links(model: str | None) -> str:
    """Where else to take network and picture, as HTML."""
    places = {t("Model zoo"): {"tab": "model_zoo", "models": model}}
    if not model:
        return ""
    with suppress(Refused):
        places[t("Receptive field")] = {"tab": "receptive_field", "network": cnn_core.networks.resolve(model)}
    return open_in(places)


def build_walk(view: list[Any], quiet: dict[str, Any]) -> gr.HTML:
    """From pixels to scores."""
    gr.Markdown(
        t(
            "One picture per size of maps: how strongly the layer answers in each place, averaged over its channels. "
            "Places become fewer, channels more, until only class scores are left."
        ),
        elem_classes="introduction",
    )
    output = panel(elem_id="feature-maps-depth")
    course = gr.Button(
        t("The course's figure: layers 0, 20 and 40 of an untrained network"), elem_id="feature-maps-course", size="sm"
    )
    course.click(shown(course_figure), view[0], panel(elem_id="feature-maps-course-figure"), api_visibility="private")
    return output


def build_filters(view: list[Any], quiet: dict[str, Any]) -> gr.HTML:
    """Kernels as pictures."""
    gr.Markdown(
        t("What the chosen convolution looks for. Only a first layer's filters can be read as colours."),
        elem_classes="introduction",
    )
    return panel(elem_id="feature-maps-filters")


def build_why(view: list[Any], quiet: dict[str, Any]) -> gr.HTML:
    """What speaks for a class."""
    gr.Markdown(
        t(
            "Three methods ask the gradients ([Grad-CAM](https://arxiv.org/abs/1610.02391), "
            "[Grad-CAM++](https://arxiv.org/abs/1710.11063), [Layer-CAM](https://doi.org/10.1109/TIP.2021.3089943)); "
            "the fourth covers one part of the picture after another and watches the answer "
            "([Zeiler and Fergus, 2013](https://arxiv.org/abs/1311.2901))."
        ),
        elem_classes="introduction",
    )
    output = panel(elem_id="feature-maps-why")
    gr.Markdown(
        t(
            "**Can it be believed?** A map that stays the same when the network forgets what it has learnt shows the "
            "picture, not the network ([Adebayo et al., 2018](https://arxiv.org/abs/1810.03292))."
        ),
        elem_classes="introduction",
    )
    with gr.Row():
        method = gr.Radio(list(METHODS[:3]), value=METHODS[0], label=t("Method"), scale=3, min_width=280)
        check = gr.Button(t("Replace the weights by random ones"), scale=2, min_width=240, elem_id="feature-maps-check")
    checked = panel(elem_id="feature-maps-sanity")

    def watch(method: str, *settings: Any) -> Iterator[str]:
        yield from sanity(View(*settings), method)

    check.click(shown(watch), [method, *view], checked, api_visibility="private")
    return output


def build_cam(view: list[Any], quiet: dict[str, Any]) -> gr.HTML:
    """A class-activation map at every layer."""
    gr.Markdown(
        t(
            "Where the evidence is, layer by layer. Grad-CAM weighs whole channels and fades in early layers; "
            "Layer-CAM weighs places. A layer without a map says why."
        ),
        elem_classes="introduction",
    )
    view[5].render()
    return panel(elem_id="feature-maps-cam")


def build_off(view: list[Any], quiet: dict[str, Any]) -> gr.HTML:
    """Channels switched off."""
    gr.Markdown(
        t("Set channels of the chosen layer to zero and see what becomes of the answer."), elem_classes="introduction"
    )
    with gr.Row():
        view[6].render()
        add = gr.Button(t("Add the chosen channel"), min_width=180, scale=0, elem_id="feature-maps-add")
    output = panel(elem_id="feature-maps-ablation")

    def added(off: str, channel: float | None, *settings: Any) -> tuple[str, str]:
        numbers = list(dict.fromkeys([*channel_numbers(off), int(channel or 0)]))
        text = ", ".join(map(str, numbers))
        settings = (*settings[:6], text, settings[7])
        return text, next(part_html("off", View(*settings)), "")

    add.click(shown(added), [view[6], view[3], *view], [view[6], output], **quiet)
    return output


def build_compare(view: list[Any], quiet: dict[str, Any]) -> gr.HTML:
    """Two networks side by side."""
    gr.Markdown(
        t(
            "The first sixteen maps of the same layer, each grid on its own scale: of another network, or of this one "
            "with random weights. In a network with other names, the layer that is about as deep."
        ),
        elem_classes="introduction",
    )
    view[7].render()
    return panel(elem_id="feature-maps-compare")


PARTS_BUILT: dict[str, Callable[[list[Any], dict[str, Any]], gr.HTML]] = {
    "depth": build_walk,
    "filters": build_filters,
    "why": build_why,
    "cam": build_cam,
    "off": build_off,
    "compare": build_compare,
}


def build_take(picture: gr.Image, network: gr.Dropdown, layer: gr.Dropdown, order: gr.Radio, page: gr.Number) -> None:
    """Files."""
    gr.Markdown(
        t(
            "The grid as PNG; the raw maps as NPZ, for `numpy.load`: `maps` has the shape (channels, rows, columns), "
            "and beside it stand network, layer and statistics. *Copy link*, above, is a link to this view."
        ),
        elem_classes="introduction",
    )
    with gr.Row():
        prepare = gr.Button(t("Prepare the files"), elem_id="feature-maps-prepare")
        png = gr.DownloadButton(t("Download the grid (PNG)"), visible=False, elem_id="feature-maps-png")
        npz = gr.DownloadButton(t("Download the maps (NPZ)"), visible=False, elem_id="feature-maps-npz")

    def write(*settings: Any) -> list[Any]:
        return [gr.update(value=path, visible=True) for path in files(*settings)]

    prepare.click(shown(write), [picture, network, layer, order, page], [png, npz], api_visibility="private")


def build_endpoints(
    picture: gr.Image, network: gr.Dropdown, layer: gr.Dropdown, order: gr.Radio, page: gr.Number, target: gr.Dropdown
) -> None:
    """What scripts call, apart from what the page's own events call."""
    grid = Answer(label=t("Grid"), visible=False, image_mode="RGBA")
    channels = Table(label=t("Channels"), visible=False)
    over = Answer(label=t("Map over the picture"), visible=False)
    words = gr.JSON(label=t("About it"), visible=False)
    layers = gr.JSON(label=t("Layers"), visible=False)
    method = gr.Radio(list(METHODS), value=METHODS[0], label=t("Method"), visible=False)
    endpoint(run, [picture, network, layer, order, page], [grid, channels], API)
    endpoint(list_layers, network, layers, "list_layers")
    endpoint(saliency, [picture, network, method, target], [over, words], "saliency")
