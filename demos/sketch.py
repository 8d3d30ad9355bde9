"""Draw a garment, and three networks say what it is while the pen still moves.

**SketchNet** learnt from photographs and from drawings; **FashionCNN** and **FashionDNN** from the photographs of
Fashion-MNIST only, one with convolutions, one without.
"""

from __future__ import annotations

import csv
import json
import random
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

import cnn_core
from cnn_core.data import FASHION_CLASSES
from cnn_core.drawings import Drawing, drawings
from cnn_core.errors import Refused
from demos import About
from demos._parts import (
    Answer,
    Canvas,
    Choices,
    Picture,
    beside,
    endpoint,
    for_label,
    shown,
    table,
    told,
    when_first_opened,
)
from demos._text import t
from demos._visit import keep_part, part_of

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "sketch"
API = "classify_sketch"
TITLE = "Fashion sketch"

# Title: row in cnn_core.weights. The order is that of the answers.
NETWORKS = {"SketchNet": "sketch_net", "FashionCNN": "fashion_cnn", "FashionDNN": "fashion_dnn"}
TRAINABLE = {"FashionDNN": "fashion_dnn", "FashionCNN": "fashion_cnn"}
# Okabe and Ito's colours, which colour-blind readers tell apart too.
COLOURS = {
    "SketchNet": "#009E73",
    "FashionCNN": "#D55E00",
    "FashionDNN": "#0072B2",
    "training loss": "#D55E00",
    "test accuracy": "#009E73",
}
OWN_ANSWER = ""  # instead of a class: the one that the network itself answers with
MOST_SHIFT = 12  # px of 28
SHEET = 280  # px

# Examples, by the label and the note of a hand drawing: one click each.
SHOWN = {
    "Shoe": ("Sneaker", "side view, laces as three ticks"),
    "Bag": ("Bag", "trapezoid handbag, arc handle"),
    "Trousers": ("Trouser", "waistband, fly, pockets"),
    "Sandal": ("Sandal", "flip-flop from above, V strap"),
    "Jumper": ("Pullover", ""),
    "Dress": ("Dress", ""),
    "Coat": ("Coat", ""),
    "A face": ("none", "smiley"),
}


def shown_drawing(name: str) -> Drawing:
    """The hand drawing behind an example's name."""
    label, note = SHOWN[name]
    return next(each for each in drawings() if each.label == label and each.note.startswith(note))


def sheet(name: str) -> Image.Image:
    """An example as a picture of 280 px square, black on white."""
    return Image.fromarray(shown_drawing(name).render(SHEET)).convert("RGB")


class Examples:
    """The arguments of `run`, drawn only when they are asked for."""

    def __len__(self) -> int:
        return len(SHOWN)

    def __getitem__(self, index: int) -> list[Image.Image]:
        return [sheet(list(SHOWN)[index])]


EXAMPLES = Examples()

ABOUT = About(
    text=r"""
**What the networks are given.** Every picture of [Fashion-MNIST](https://arxiv.org/abs/1708.07747) fills its frame, so
a drawing has to as well: as MNIST's digits were scaled and centred
([LeCun et al., 1998](https://doi.org/10.1109/5.726791)), the ink is cropped to its bounding box, scaled to 28×28 px and
centred. Strokes are thinned to their centre lines and redrawn at one width, narrow gaps closed, and what the outline
encloses filled with grey.

**What they answer.** A network gives a logit $z_k$ for each of $K = 10$ classes. Softmax makes probabilities of them,

$$p_k = \frac{e^{z_k}}{\sum_{j=1}^{K} e^{z_j}},$$

and what is learnt makes the cross entropy with the target distribution $q$ small:

$$L = -\sum_{k=1}^{K} q_k \log p_k.$$

$q$ is the label, of which 5 % is spread evenly over all classes (label smoothing). SketchNet also learnt from drawings
of other things, with $q_k = 1/K$ ([Hendrycks et al., 2018](https://arxiv.org/abs/1812.04606)): where
$(\max_k p_k - 1/K) / (1 - 1/K)$ is low, it says that the drawing is unlike all it knows. The three networks answer each
for itself; nothing is averaged.

**Where it looked.** With $f_m(x, y)$ the maps of the last convolution and $w_{cm}$ the weights of class $c$ behind the
global average pooling, the class-activation map is ([Zhou et al., 2015](https://arxiv.org/abs/1512.04150))

$$M_c(x, y) = \sum_m w_{cm}\, f_m(x, y).$$
""",
    code=(
        "cnn_core.drawing:prepare",
        "cnn_core.drawing:redraw",
        "cnn_core.models.sketch:SketchNet",
        "cnn_core.training:cross_entropy",
        "cnn_core.evaluation:familiarity",
        "cnn_core.saliency:class_activation_map",
        "cnn_core.equivariance:answers_against_shift",
    ),
    python="""
import torch
from cnn_core import data, drawing, drawings, weights

shoe = next(each for each in drawings.drawings() if each.note.startswith("side view, laces"))
received = torch.from_numpy(drawing.prepare(shoe.render(280)))[None, None]  # (1, 1, 28, 28)
for name in ("sketch_net", "fashion_cnn", "fashion_dnn"):
    print(name, max(zip(weights.shared(name)(received).softmax(1)[0].tolist(), data.FASHION_CLASSES)))
""",
)


def networks() -> dict[str, nn.Module]:
    """The three networks by title, shared by all visitors and never changed."""
    return {title: cnn_core.weights.shared(name) for title, name in NETWORKS.items()}


def receive(image: Image.Image | None, normalise: bool = True) -> NDArray[np.float32]:
    """What the networks are given of a picture: (28, 28) in [0, 1], light on black.

    Raises:
        Refused: nothing is drawn.
    """
    if image is None:
        raise Refused("Draw something: the sheet is empty.")
    return cnn_core.drawing.prepare(np.asarray(image.convert("RGB")), centre=normalise, normalise=normalise)


def as_tensor(received: NDArray[np.float32]) -> Tensor:
    """(28, 28) to (1, 1, 28, 28)."""
    import torch

    return torch.from_numpy(received)[None, None]


def as_picture(received: NDArray[np.float32]) -> Image.Image:
    """(28, 28) in [0, 1] as a grey picture of 28x28 px."""
    return Image.fromarray(np.round(received * 255).astype(np.uint8))


def confidences(network: nn.Module, image: Tensor) -> tuple[dict[str, float], float]:
    """Probability per class of an image (1, 1, 28, 28), and how familiar it is, both in [0, 1]."""
    import torch

    with torch.inference_mode():
        logits = network(image)
    familiar = cnn_core.evaluation.familiarity(logits).item()
    return dict(zip(FASHION_CLASSES, logits.softmax(1)[0].tolist(), strict=True)), familiar


def run(image: Image.Image) -> tuple[dict[str, float], dict[str, float], dict[str, float], Image.Image]:
    """Say which garment a drawing or photograph shows.

    Args:
        image: PNG, JPEG, WebP, GIF, BMP or TIFF, at most 20 MB and 25 megapixels, dark on light or light on dark; it is
            cropped, centred and scaled to 28x28 px.

    Returns:
        The probability in [0, 1] of each of the ten classes by SketchNet, by FashionCNN and by FashionDNN, and the
        picture of 28x28 px that they were given.

    Raises:
        Refused: there is no picture, it cannot be read, nothing is drawn on it, or the weights are out of reach.
    """
    received = receive(image)
    sketch, cnn, dnn = (confidences(network, as_tensor(received))[0] for network in networks().values())
    return sketch, cnn, dnn, as_picture(received)


def verdict(answer: dict[str, float], familiar: float) -> str:
    """One sentence on SketchNet's answer, as Markdown."""
    best, second, *_ = sorted(answer, key=answer.__getitem__, reverse=True)
    if familiar < familiar_above():
        return t("**Unlike anything I was trained on.** If I had to guess: {best} ({share:.0%}).").format(
            best=t(best), share=answer[best]
        )
    if answer[best] < 0.6:
        return t("**{best}** ({share:.0%}), or perhaps {second}.").format(
            best=t(best), share=answer[best], second=t(second)
        )
    return t("**{best}** ({share:.0%}).").format(best=t(best), share=answer[best])


def familiar_above() -> float:
    """How sure SketchNet is of a drawing that is like those it learnt from; 0 where that cannot be had."""
    with suppress(Refused):
        return scores("sketch_net")["drawings"]["familiar_above"]
    return 0.0


def scores(name: str) -> dict[str, Any]:
    """What was measured of a shipped network; see `cnn_core.evaluation`.

    Raises:
        Refused: they cannot be had.
    """
    return json.loads(beside(name, "scores.json").read_text())


# ---------------------------------------------------------------------------------------------------- Why a CNN?


def shift(
    image: Image.Image | None, right: float, turn: float, scale: float, normalise: bool
) -> tuple[Image.Image, str, pd.DataFrame]:
    """How the answers hold while the drawing is moved: the picture now, a sentence, and confidence against shift.

    Args:
        image: the drawing.
        right: px of 28, to the left if negative.
        turn: degrees clockwise.
        scale: 1 leaves it as it is.
        normalise: centre the drawing and redraw its strokes first.
    """
    equivariance = cnn_core.equivariance
    received = as_tensor(receive(image, normalise))
    rows, held = [], []
    for title, network in networks().items():
        shifted = equivariance.answers_against_shift(network, received, MOST_SHIFT, turn, scale)
        answer = int(shifted[MOST_SHIFT].argmax())
        left, steady = equivariance.steady_range(shifted)
        for px, confidence in enumerate(shifted[:, answer].tolist(), -MOST_SHIFT):
            rows.append((px, round(confidence, 3), title))
        held.append(
            t("**{network}** says {answer} and keeps to it from {left} px left to {right} px right").format(
                network=title, answer=t(FASHION_CLASSES[answer]), left=left, right=steady
            )
        )
    now = equivariance.moved(received, right, 0.0, turn, scale)[0, 0].clamp(0, 1).numpy()
    plot = pd.DataFrame(rows, columns=pd.Index(["shift", "confidence", "network"]))
    return as_picture(now), "; ".join(held) + ".", plot


# ---------------------------------------------------------------------------------------------------- Where it looked


def attention(image: Image.Image | None, target: str) -> Image.Image:
    """SketchNet's class-activation map laid over the drawing it was given, 280 px square.

    Args:
        image: the drawing.
        target: a class, or anything else for the network's own answer.
    """
    received = receive(image)
    network, tensor = networks()["SketchNet"], as_tensor(received)
    answer = confidences(network, tensor)[0]
    chosen = target if target in FASHION_CLASSES else max(answer, key=answer.__getitem__)
    seen = cnn_core.saliency.class_activation_map(network, tensor, FASHION_CLASSES.index(chosen))[0].numpy()
    return cnn_core.overlay.heat(received, seen, SHEET)


def layers(title: str) -> str:
    """A table with a row per layer of a network, for an input of 28x28, as HTML."""
    described = cnn_core.layers.describe(cnn_core.weights.shared(NETWORKS[title]), (1, 28, 28))
    rows = [
        [
            layer.kind,
            "×".join(map(str, layer.output)),
            layer.size_formula,
            f"{layer.parameter_formula} = {layer.parameters:,}" if layer.parameters else "",
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
        ]
        for layer in described
    ]
    totals = (sum(layer.parameters for layer in described), sum(layer.multiply_adds for layer in described))
    rows.append([t("Total"), "", "", *(f"{total:,}" for total in totals)])
    heads = [t("Layer"), t("Output"), t("Output size"), t("Parameters"), t("Multiply–adds")]
    return table(heads, rows)


# ---------------------------------------------------------------------------------------------------- How good is it?


def summary() -> str:
    """A table of the three networks: parameters, test accuracy, and accuracy on drawings by hand."""
    rows = []
    for title, name in NETWORKS.items():
        measured = scores(name)
        drawn = measured["drawings"]
        rows.append(
            [title, f"{measured['parameters']:,}"]
            + [f"{share:.1%}" for share in (measured["accuracy"], drawn["strict"], drawn["near"])]
        )
    heads = [
        t("Network"), t("Parameters"), t("Photographs (10,000)"), t("Drawings"), t("Drawings, near classes count"),
    ]  # fmt: skip
    return table(heads, rows)


def per_class() -> str:
    """A table of test accuracy, a row per class and a column per network, worst cells darkest."""
    shares = np.array([scores(name)["class_accuracy"] for name in NETWORKS.values()]).T
    rows = [[t(name), *(f"{share:.1%}" for share in row)] for name, row in zip(FASHION_CLASSES, shares, strict=True)]
    return table([t("Class"), *NETWORKS], rows, shade=np.clip((1 - shares) / 0.4, 0, 1))


def confusion(title: str) -> str:
    """The confusion matrix of a network as a table: true class down, answer across, in percent of the true class."""
    counts = np.array(scores(NETWORKS[title])["confusion"], float)
    shares = counts / counts.sum(1, keepdims=True)
    rows = [
        [t(name), *(f"{share:.0%}" if share >= 0.005 else "" for share in row)]
        for name, row in zip(FASHION_CLASSES, shares, strict=True)
    ]
    return table([t("True class"), *(t(name) for name in FASHION_CLASSES)], rows, shade=np.sqrt(shares))


def curves() -> pd.DataFrame:
    """Loss and test accuracy against iteration of the two networks of the course, as they were trained."""
    frames = []
    for title, name in TRAINABLE.items():
        try:
            path = beside(name, "curve.csv")
        except Refused:
            continue
        with path.open() as file:
            points = [
                (int(row["iteration"]), float(row["loss"]), float(row["test_accuracy"])) for row in csv.DictReader(file)
            ]
        thinned = points[:: max(1, len(points) // 150)]
        frames.append(pd.DataFrame(thinned, columns=pd.Index(["iteration", "loss", "accuracy"])).assign(network=title))
    return pd.concat(frames) if frames else pd.DataFrame(columns=pd.Index(["iteration", "loss", "accuracy", "network"]))


# ---------------------------------------------------------------------------------------------------- The data set


@cache
def training_set(download: bool = False) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST's training pictures and labels, read once (47 MB)."""
    return cnn_core.data.fashion_mnist(True, download=download)


def samples(seed: int | None = None, download: bool = False) -> str:
    """Twenty random training pictures with their labels, as HTML.

    Args:
        seed: which twenty; random unless given.
        download: fetch the data set (31 MB) if it is not here.

    Raises:
        Refused: it is not here, or could not be fetched.
    """
    pictures, labels = training_set(download)
    chosen = random.Random(seed).sample(range(len(pictures)), 20)
    figures = []
    for index in chosen:
        file = BytesIO()
        Image.fromarray(pictures[index].numpy()).save(file, "PNG")
        name = t(FASHION_CLASSES[int(labels[index])])
        source = f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
        figures.append(f'<figure><img src="{source}" alt=""><figcaption>{name}</figcaption></figure>')
    return f'<div class="samples">{"".join(figures)}</div>'


# ---------------------------------------------------------------------------------------------------- Train it yourself


def train(
    title: str, epochs: int, rate: float, pictures: int
) -> Iterator[tuple[str, pd.DataFrame, nn.Module | None, str | None]]:
    """Train a network of the course from random weights, about twice a second saying how far it is.

    Args:
        title: "FashionDNN" or "FashionCNN".
        epochs: passes through the pictures, 1 to 10.
        rate: largest learning rate, 1e-5 to 0.1.
        pictures: how many training pictures, 1,000 to 60,000.

    Yields:
        a sentence, the curve so far, and, at the end, the network and a safetensors file of it.

    Raises:
        Refused: the data set is not here, or the loss is no longer a number.
    """
    from dataclasses import replace

    from safetensors.torch import save_file

    training = cnn_core.training
    if title not in TRAINABLE:
        raise Refused("Choose FashionDNN or FashionCNN.")
    if not rate or rate <= 0:
        raise Refused("Choose a learning rate above 0.")
    recipe = replace(training.RECIPES[TRAINABLE[title]], epochs=int(epochs), learning_rate=float(rate))
    images, labels = training_set()
    test_images, test_labels = cnn_core.data.fashion_mnist(False)
    network = recipe.build()
    images, labels = images[: int(pictures)], labels[: int(pictures)]
    points: list[tuple[int, float, str]] = []
    said, loss = 0.0, 0.0
    for step in training.fit(network, recipe, (images, labels), (test_images[:2000], test_labels[:2000])):
        loss = step.loss if step.iteration == 1 else 0.95 * loss + 0.05 * step.loss
        if step.accuracy is not None:
            points.append((step.iteration, round(step.accuracy, 4), "test accuracy"))
        if time.monotonic() - said > 0.4:
            said = time.monotonic()
            points.append((step.iteration, round(loss, 4), "training loss"))
            sentence = t("Epoch {epoch} of {epochs}, iteration {iteration} of {total}: loss {loss:.2f}.")
            yield (
                bar(step.iteration / step.total)
                + sentence.format(
                    epoch=step.epoch, epochs=epochs, iteration=step.iteration, total=step.total, loss=loss
                ),
                frame(points),
                None,
                None,
            )
    reached = cnn_core.evaluation.accuracy(network, test_images, test_labels)
    folder = Path(tempfile.mkdtemp(prefix="convlens-"))
    file = folder / f"{TRAINABLE[title]}.safetensors"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, file)
    sentence = t("Done: {accuracy:.1%} of the 10,000 test pictures. Draw on the sheet above: your network answers too.")
    yield bar(1) + sentence.format(accuracy=reached), frame(points), network, str(file)


def shipped_training() -> pd.DataFrame:
    """The training of the shipped FashionDNN as a table for the plot: the example before there is one's own."""
    points = curves().query("network == 'FashionDNN'")
    columns = {"loss": "training loss", "accuracy": "test accuracy"}
    long = points.rename(columns=columns).melt("iteration", list(columns.values()), "what", "value")
    return long.reindex(columns=pd.Index(["iteration", "value", "what"]))


def key(names: Iterable[str]) -> str:
    """Which colour is whose on a plot, as HTML."""
    items = "".join(f'<span style="--colour: {COLOURS[name]}">{t(name)}</span>' for name in names)
    return f'<div class="key">{items}</div>'


def bar(share: float) -> str:
    """A progress bar as HTML."""
    return f'<progress value="{share:.3f}" aria-label="{t("Progress")}">{share:.0%}</progress>'


def frame(points: list[tuple[int, float, str]]) -> pd.DataFrame:
    """The points of a training as a table for the plot."""
    return pd.DataFrame(points, columns=pd.Index(["iteration", "value", "what"]))


# ---------------------------------------------------------------------------------------------------- The page


def warm_up() -> None:
    """Load the networks and classify once, so that the first visitor need not wait."""
    run(*EXAMPLES[0])


def fitted(image: Image.Image) -> Image.Image:
    """A picture on a square sheet of 280 px, padded with the colour of its own frame."""
    small = image.convert("RGB")
    small.thumbnail((SHEET, SHEET))
    pixels = np.asarray(small)
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = tuple(int(value) for value in np.median(rim, 0))
    return ImageOps.pad(small, (SHEET, SHEET), color=colour)


def look(image: Image.Image | None, own: nn.Module | None) -> list[Any]:
    """What the page shows of a drawing: the sentence, three answers, the visitor's own network's, and the 28x28."""
    try:
        received = receive(image)
        tensor = as_tensor(received)
        answers = [confidences(network, tensor) for network in networks().values()]
        said = verdict(*answers[0])
    except Refused as refused:  # an empty sheet, or weights out of reach
        return [told(refused), None, None, None, None, None]
    mine = for_label(confidences(own, tensor)[0]) if own is not None else None
    return [said, *(for_label(answer) for answer, _ in answers), mine, as_picture(received)]


def uploaded(image: Image.Image) -> list[Any]:
    """What the page shows of a picture before it is on the sheet: three answers and the 28x28."""
    *answers, received = run(image)
    return [*map(for_label, answers), received]


def when_drawn(run: Callable[..., Any], outputs: int) -> Callable[..., Any]:
    """`run` as the page calls it: an empty sheet empties what it shows instead of being refused."""

    @shown
    def quietly(image: Image.Image | None, *rest: Any) -> Any:
        return run(image, *rest) if image is not None else [None] * outputs if outputs > 1 else None

    return quietly


def build() -> None:
    """Lay out the tab inside the caller's Blocks."""
    own = gr.State()  # the network that this visitor trained
    with gr.Row(elem_classes="sketch"):
        with gr.Column(scale=3, min_width=300):
            sentence = gr.Markdown(t("Waking the networks …"), elem_id="sketch-verdict", min_height=32)
            canvas = Canvas(label=t("Your drawing"), fresh=True, elem_id="sketch-canvas")
            examples = Choices({name: shown_drawing(name).svg() for name in SHOWN}, label=t("Or start from an example"))
            with gr.Accordion(t("Use a picture instead"), open=False):
                picture = Picture(
                    label=t("Photograph or drawing, dark on light or light on dark"),
                    type="pil",
                    height=220,
                    sources=["upload", "webcam", "clipboard"],
                    elem_id="sketch-picture",
                )
        with gr.Column(scale=4, min_width=300):
            with gr.Row(equal_height=True):
                sketch = gr.Label(label="SketchNet", num_top_classes=3, elem_id="sketch-answer", min_width=240, scale=3)
                received = Answer(
                    label=t("What the networks see: 28×28 px"),
                    image_mode="L",
                    format="png",
                    height=200,
                    buttons=[],
                    alt_text=t("The drawing as the networks receive it"),
                    elem_id="sketch-received",
                    elem_classes="pixels",
                    min_width=150,
                    scale=2,
                    interactive=False,
                )
            with gr.Row():
                cnn = gr.Label(
                    label=t("FashionCNN (photographs only)"), num_top_classes=3, min_width=200, elem_id="sketch-cnn"
                )
                dnn = gr.Label(
                    label=t("FashionDNN (no convolutions)"), num_top_classes=3, min_width=200, elem_id="sketch-dnn"
                )
            mine = gr.Label(label=t("The network you trained"), num_top_classes=3, visible=False, elem_id="sketch-mine")
    answers = [sentence, sketch, cnn, dnn, mine, received]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

    # Whatever comes onto the sheet, from a pen, a file or an example, is looked at: while it is drawn, too.
    canvas.change(shown(look), [canvas, own], answers, trigger_mode="always_last", **quiet)
    picture.upload(shown(uploaded), picture, [sketch, cnn, dnn, received], api_visibility="private").success(
        fitted, picture, canvas, **quiet
    )
    all_ten = [gr.Label(label=name, visible=False) for name in ("SketchNet", "FashionCNN", "FashionDNN")]
    endpoint(run, picture, [*all_ten, received], API)
    examples.click(sheet, examples, canvas, **quiet)
    when_first_opened(lambda: [sheet(next(iter(SHOWN)))], [canvas], **quiet)

    with gr.Tabs(elem_id="sketch-more", overflow_behavior="wrap") as parts:
        with part_of(NAME, t("Why a CNN?"), "why-cnn") as why_tab:
            build_why(canvas, why_tab, quiet)
        with part_of(NAME, t("Where it looked"), "where") as where_tab:
            build_where(canvas, where_tab, quiet)
        with part_of(NAME, t("How good is it?"), "how-good") as good_tab:
            build_how_good(good_tab, quiet)
        with part_of(NAME, t("The data set"), "data") as data_tab:
            build_data(data_tab, quiet)
        with part_of(NAME, t("Train it yourself"), "train"):
            build_train(canvas, own, mine, answers, quiet)
    keep_part(NAME, parts)


def build_why(canvas: Canvas, tab: gr.Tab, quiet: dict[str, Any]) -> None:
    """The part that moves the drawing about."""
    gr.Markdown(
        t(
            "A convolution slides the same weights over the whole picture, so what it has learnt in one place it knows "
            "in all. A fully connected layer learns every place anew: move the drawing and watch its confidence go."
        ),
        elem_classes="introduction",
    )
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            right = gr.Slider(-MOST_SHIFT, MOST_SHIFT, 0, step=1, label=t("Shift to the right (px of 28)"))
            turn = gr.Slider(-180, 180, 0, step=5, label=t("Turn clockwise (degrees)"))
            scale = gr.Slider(0.5, 1.5, 1, step=0.05, label=t("Scale (times)"))
            normalise = gr.Checkbox(True, label=t("Centre the drawing and normalise its strokes first"))
            now = Answer(
                label=t("Moved, as the networks see it"),
                alt_text=t("The drawing after moving, turning and scaling"),
                format="png",
                image_mode="L",
                height=180,
                buttons=[],
                elem_classes="pixels",
                interactive=False,
            )
        with gr.Column(scale=2, min_width=300):
            plot = gr.LinePlot(
                x="shift",
                y="confidence",
                color="network",
                color_map=COLOURS,
                x_title=t("Shift to the right (px of 28)"),
                y_title=t("Confidence in the answer at 0 px"),
                y_lim=[0, 1],
                height=380,
                label=t("Confidence against shift"),
                elem_id="sketch-shift",
                elem_classes="keyed",
            )
            gr.HTML(key(NETWORKS))
            held = gr.Markdown(elem_id="sketch-held")
    moves = [canvas.change, tab.select, right.input, turn.input, scale.input, normalise.input]
    inputs, outputs = [canvas, right, turn, scale, normalise], [now, held, plot]
    gr.on(moves, when_drawn(shift, len(outputs)), inputs, outputs, trigger_mode="always_last", **quiet)


def build_where(canvas: Canvas, tab: gr.Tab, quiet: dict[str, Any]) -> None:
    """The class-activation map and the table of layers."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            classes = [(t("Its own answer"), OWN_ANSWER), *((t(name), name) for name in FASHION_CLASSES)]
            target = gr.Dropdown(classes, value=OWN_ANSWER, label=t("What speaks for"))
            heat = Answer(
                label=t("Class-activation map of SketchNet"),
                alt_text=t("The drawing with a map of what speaks for the class"),
                format="png",
                height=300,
                buttons=[],
                interactive=False,
            )
            gr.Markdown(
                t(
                    "Bright: what speaks for the class. The map is 7×7, one value per unit of the last convolution "
                    "([Zhou et al., 2015](https://arxiv.org/abs/1512.04150))."
                )
            )
        with gr.Column(scale=2, min_width=300):
            title = gr.Radio(list(NETWORKS), value="SketchNet", label=t("Network"))
            rows = gr.HTML(elem_id="sketch-layers")
            gr.Markdown(
                t(
                    "Every layer for this input of 28×28 px. Output size: (W−F+2P)/S+1, with W the input's width, F "
                    "the window's, P the padding and S the stride, all in px."
                )
            )
    looks = [canvas.change, tab.select, target.input]
    gr.on(looks, when_drawn(attention, 1), [canvas, target], heat, trigger_mode="always_last", **quiet)
    gr.on([tab.select, title.input], shown(layers), title, rows, **quiet)


def build_how_good(tab: gr.Tab, quiet: dict[str, Any]) -> None:
    """Scores, confusion matrix and training curves."""
    overview = gr.HTML(elem_id="sketch-scores")
    gr.Markdown(
        t(
            "One figure hides much: 80 % overall may hide a class that is wrong every other time. Look at the worst "
            "row before you trust the best one."
        ),
        elem_classes="introduction",
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(t("### Accuracy by class, on photographs"))
            classes = gr.HTML()
        with gr.Column(scale=3, min_width=300):
            gr.Markdown(t("### What is taken for what, on photographs"))
            title = gr.Radio(list(NETWORKS), value="SketchNet", label=t("Network"))
            matrix = gr.HTML(elem_id="sketch-confusion")
    gr.Markdown(t("### How they were trained"))
    with gr.Row():
        plots = [
            gr.LinePlot(
                x="iteration",
                y=column,
                color="network",
                color_map=COLOURS,
                x_title=t("Iteration"),
                y_title=heading,
                label=heading,
                y_lim=list(limits),
                height=260,
                min_width=300,
                elem_classes="keyed",
            )
            for column, heading, limits in (
                ("loss", t("Training loss"), [0.0, 2.0]),
                ("accuracy", t("Accuracy on the first 2,000 test pictures"), [0.6, 1.0]),
            )
        ]

    gr.HTML(key(TRAINABLE))

    def show(title: str) -> list[Any]:
        return [summary(), per_class(), confusion(title), curves(), curves()]

    tab.select(shown(show), title, [overview, classes, matrix, *plots], **quiet)
    title.input(shown(confusion), title, matrix, **quiet)


def build_data(tab: gr.Tab, quiet: dict[str, Any]) -> None:
    """Twenty pictures of the training set."""
    gr.Markdown(
        t(
            "[Fashion-MNIST](https://arxiv.org/abs/1708.07747): 70,000 photographs from a shop's catalogue, 28×28 px, "
            "ten classes with 7,000 pictures each."
        ),
        elem_classes="introduction",
    )
    grid = gr.HTML(elem_id="sketch-samples")
    with gr.Row():
        again = gr.Button(t("Twenty others"), scale=0, min_width=180)
        fetch = gr.Button(t("Download the data set (31 MB)"), visible=False, scale=0, min_width=260)

    def show() -> tuple[str, Any]:
        try:
            return samples(), gr.update(visible=False)
        except Refused as refused:
            return told(refused), gr.update(visible=True)

    gr.on([tab.select, again.click], show, None, [grid, fetch], **quiet)
    fetch.click(shown(lambda: samples(download=True)), None, grid, api_visibility="private")


def build_train(canvas: Canvas, own: gr.State, mine: gr.Label, answers: list[Any], quiet: dict[str, Any]) -> None:
    """A training that the visitor starts, watches and stops."""
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            title = gr.Radio(list(TRAINABLE), value="FashionDNN", label=t("Network"))
            epochs = gr.Slider(1, 10, 2, step=1, label=t("Epochs"))
            rate = gr.Number(0.002, minimum=1e-5, maximum=0.1, step=0.001, label=t("Largest learning rate"))
            pictures = gr.Slider(1000, 60_000, 12_000, step=1000, label=t("Training pictures"))
            with gr.Row():
                start = gr.Button(t("Train"), variant="primary", elem_id="sketch-train")
                stop = gr.Button(t("Stop"), elem_id="sketch-stop")
        with gr.Column(scale=2, min_width=300):
            progress = gr.HTML(
                t("This is how the shipped FashionDNN was trained. Press Train for a network of your own."),
                elem_id="sketch-progress",
            )
            plot = gr.LinePlot(
                shipped_training(),
                x="iteration",
                y="value",
                color="what",
                color_map=COLOURS,
                x_title=t("Iteration"),
                y_title=t("Loss, and accuracy (0 to 1)"),
                height=280,
                label=t("Training"),
                elem_classes="keyed",
            )
            gr.HTML(key(["training loss", "test accuracy"]))
            file = gr.DownloadButton(t("Download the weights (safetensors)"), visible=False, elem_id="sketch-weights")

    def watch(*settings: Any) -> Iterator[Any]:
        for sentence, points, network, path in train(*settings):
            done = path is not None
            yield sentence, points, network, gr.update(value=path, visible=done), gr.update(visible=done)

    # One training at a time on the machine; others wait their turn and are told so by the queue.
    running = start.click(
        shown(watch),
        [title, epochs, rate, pictures],
        [progress, plot, own, file, mine],
        concurrency_id="train",
        concurrency_limit=1,
        api_visibility="private",
        show_progress="minimal",
    )
    running.success(shown(look), [canvas, own], answers, **quiet)
    stop.click(lambda: t("Stopped: nothing was kept."), None, progress, cancels=[running], **quiet)
