"""Is it a cat or a dog? Predict one picture or a thousand, and see what transfer learning is worth.

Trained from nothing, the course's networks stay near 50 % for ten epochs. The network here had a teacher: it learnt to
see in photographs what a network trained on a million pictures sees in them.
"""

from __future__ import annotations

import csv
import json
import math
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from io import BytesIO
from itertools import tee
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image, ImageOps

import cnn_core
from cnn_core.errors import Refused
from demos import About, _lab
from demos._parts import (
    WEIGHTS,
    Answer,
    Choices,
    Files,
    Names,
    Picture,
    Table,
    beside,
    endpoint,
    for_label,
    shown,
    table,
    told,
)
from demos._photographs import example, photograph, thumbnails
from demos._text import t
from demos._visit import CHOSEN, asked_of, chosen, keep_part, open_in, part_of, to_show, visit, when_opened

NAME = "cats_dogs"
API = "predict_cat_dog"
TITLE = "Cats and dogs"

# Title: row in cnn_core.weights.
NETWORKS = {
    "ConvLens (had a teacher)": "cat_dog",
    "LeNet": "cat_dog_lenet",
    "AlexNet": "cat_dog_alexnet",
    "VGG": "cat_dog_vgg",
    "GoogLeNet": "cat_dog_googlenet",
    "ResNet": "cat_dog_resnet",
    "XAI": "cat_dog_xai",
}
# ImageNet's networks, from the Hub: they answer with what they know of 5 kinds of cats and 118 of dogs.
IMAGENET = ("timm/resnet18.tv_in1k", "timm/mobilenetv3_large_100.ra_in1k")
DEFAULT = "cat_dog"
THUMB = 72  # px
LONGEST = 512  # px of a picture that waits for its batch
HERE = Path(__file__)


class Examples:
    """The arguments of `run`, read only when they are asked for."""

    def __len__(self) -> int:
        return len(thumbnails())

    def __getitem__(self, index: int) -> list[Any]:
        return [photograph(list(thumbnails())[index]), DEFAULT]


EXAMPLES = Examples()

ABOUT = About(
    text=r"""
**The answer.** The shipped network's logits $z$ are the mean of those of the picture, its mirror image and its four
corners (after [Krizhevsky et al., 2012](https://doi.org/10.1145/3065386)), all a little larger than in training
([Touvron et al., 2019](https://arxiv.org/abs/1906.06423)). They are divided by a temperature $T$ before the softmax,

$$p_k = \frac{e^{z_k / T}}{\sum_j e^{z_j / T}},$$

which was chosen on validation photographs so that the cross entropy is least
([Guo et al., 2017](https://arxiv.org/abs/1706.04599)). How far such probabilities can be taken at their word, the
expected calibration error says: $N$ answers are sorted into 15 bins by how sure they are, and in each bin $B_m$ the
share that is right is compared with the mean probability.

$$\mathrm{ECE} = \sum_{m=1}^{15} \frac{|B_m|}{N} \left| \mathrm{acc}_m - \mathrm{conf}_m \right|$$

A network of ImageNet's has five classes of cats and 118 of dogs: their probabilities are added up, and p(dog) is the
dogs' share of both. How unlike its training pictures a photograph is, the shipped network tells from the Mahalanobis
distance of its features ([Lee et al., 2018](https://arxiv.org/abs/1807.03888)).

**Where it looked.** Grad-CAM ([Selvaraju et al., 2016](https://arxiv.org/abs/1610.02391)): the last maps $A^k$ are
added up, each weighing $\alpha_k$, the mean over its places of how much the answer's logit $z_c$ depends on them,
$\partial z_c / \partial A^k_{ij}$; what is left below 0 is cut off.

$$M = \max\Big(0,\, \sum_k \alpha_k A^k\Big)$$

**How it learnt.** A pretrained teacher looked at each photograph in several croppings. Beside the label, the student
learnt the teacher's $D = 1280$ features $t$ of the same cropping, its own being $s$ (hints,
[Romero et al., 2014](https://arxiv.org/abs/1412.6550)). Later $\lambda$ is smaller, and $q$ is no longer the label but
what a linear layer tells from the teacher's features of the cropping.

$$L = -\sum_k q_k \log p_k + \frac{\lambda}{D} \sum_{d=1}^{D} (s_d - t_d)^2$$
""",
    code=(
        "cnn_core.cats_dogs:answers",
        "cnn_core.cats_dogs:interpret",
        "cnn_core.calibration:temperature",
        "cnn_core.calibration:expected_calibration_error",
        "cnn_core.familiarity:Familiarity.distance",
        "cnn_core.saliency:grad_cam",
        "cnn_core.distillation:imitation",
    ),
    python="""
from PIL import Image
from skimage import data
from cnn_core import cats_dogs

cat = Image.fromarray(data.chelsea())
(answer,) = cats_dogs.answers("cat_dog", [cat])
print(answer.probabilities, "sure" if answer.sure else "not sure")
""",
)


def run(image: Image.Image, model: str = DEFAULT) -> tuple[dict[str, float], str, Image.Image]:
    """Say whether a photograph shows a cat or a dog, and where the network looked.

    Args:
        image: a photograph: PNG, JPEG, WebP, GIF, BMP or TIFF, at most 20 MB and 25 megapixels.
        model: "cat_dog" (the default), the name of another shipped network that knows cats and dogs, or an ImageNet
            network of the Hugging Face Hub ("timm/resnet18.tv_in1k"); weights that are not here are downloaded.

    Returns:
        The probabilities of cat and dog in [0, 1], which add up to 1; a sentence that also says when the network is not
        sure; and the picture, 360 px at its longer side, with what spoke for the answer laid over it.

    Raises:
        Refused: there is no picture or it cannot be read, there is no such network, it does not know cats and dogs, or
            its weights are out of reach.
    """
    if image is None:
        raise Refused("Choose a picture first: upload one, paste one, or take an example.")
    name = model or DEFAULT
    (answer,) = cnn_core.cats_dogs.answers(name, [image])
    seen, where = cnn_core.cats_dogs.looked(name, image, answer)
    over = cnn_core.overlay.over(seen, where.map, 0, 1, side=320)
    return answer.probabilities, verdict(answer), over.resize(proportions(image), Image.Resampling.BICUBIC)


def proportions(image: Image.Image, longest: int = 360) -> tuple[int, int]:
    """Width and height in px of the picture when its longer side is `longest`."""
    scale = longest / max(image.size)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def verdict(answer: Any) -> str:
    """One sentence on an answer, as Markdown."""
    share = max(answer.dog, 1 - answer.dog)
    if answer.neither is not None and answer.neither >= 0.5:
        return t("**Neither, it seems** ({share:.0%} for other things).").format(share=answer.neither)
    if not answer.familiar:
        return t(
            "**Neither, perhaps:** unlike the cats and dogs it learnt from. If it is one of the two, rather a {name} "
            "({share:.0%})."
        ).format(name=t(answer.name), share=share)
    if not answer.sure:
        return t("**Not sure.** If it is one of the two, rather a {name} ({share:.0%}).").format(
            name=t(answer.name), share=share
        )
    return t("**A {name}** ({share:.0%}).").format(name=t(answer.name), share=share)


# ---------------------------------------------------------------------------------------------------- Many pictures


def label_of(label: str | None) -> str | None:
    """The label "cat" or "dog" where the label of a folder or a file says so."""
    plain = (label or "").strip().lower().rstrip("s")
    return plain if plain in ("cat", "dog") else None


def thumbnail(image: Image.Image) -> str:
    """A small square of a picture as a data: URL."""
    file = BytesIO()
    ImageOps.fit(image, (THUMB, THUMB)).save(file, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"


def classify(files: list[str] | None, model: str) -> Iterator[tuple[int, int, list[dict[str, Any]], list[str]]]:
    """Answer for many pictures, sixteen at a time; never more of them are in memory.

    Args:
        files: paths of pictures, and of zips of them.
        model: as `run` takes it.

    Yields:
        how many are done, of how many, their rows (name, dog, label, thumb), and sentences on the files left out.
    """
    if not files:
        raise Refused("Choose some pictures first, or a zip of them.")
    name = model or DEFAULT
    cnn_core.cats_dogs.network_for(name)
    pictures = cnn_core.archives.Pictures(files)
    shrink = cnn_core.images.shrink
    named = cnn_core.archives.label
    # A folder that names neither, such as "train", leaves it to the file's own name.
    small = (
        (each.name, label_of(each.label) or label_of(named(each.name, False)), shrink(each.image, LONGEST))
        for each in pictures
    )
    mine, theirs = tee(small)  # in step but for the one batch that the network has
    rows: list[dict[str, Any]] = []
    said = cnn_core.cats_dogs.answers(name, (image for _, _, image in theirs))
    for (file, label, image), answer in zip(mine, said, strict=True):
        rows.append({"name": file, "dog": round(answer.dog, 4), "label": label, "thumb": thumbnail(image)})
        if len(rows) % 16 == 0:
            yield len(rows), len(pictures), rows, []
    left_out = [f"{each.name}: {told(each.reason)}" for each in pictures.skipped]
    if not rows:
        raise Refused("None of these files is a picture that can be read.")
    yield len(rows), len(rows), rows, left_out


def number_of(name: str, otherwise: int) -> int:
    """The id of a picture: the number in its name, as Kaggle's "12.jpg" or "cat.12.jpg", else its place."""
    digits = re.findall(r"[0-9]{1,18}", Path(name).stem)
    return int(digits[-1]) if digits else otherwise


def as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Columns id, label (p(dog), as the course writes it), file and class, sorted by id."""
    lines = [
        (number_of(row["name"], place), row["dog"], row["name"], "dog" if row["dog"] >= 0.5 else "cat")
        for place, row in enumerate(rows, 1)
    ]
    return pd.DataFrame(sorted(lines), columns=pd.Index(["id", "label", "file", "class"]))


def as_file(rows: list[dict[str, Any]]) -> str:
    """The path of `as_table` as a CSV, which Gradio deletes in time."""
    content = as_table(rows).to_csv(index=False, quoting=csv.QUOTE_MINIMAL)
    return save_bytes_to_cache(content.encode(), "cats_dogs.csv", get_upload_folder())


def run_batch(files: list[str], model: str = DEFAULT) -> tuple[pd.DataFrame, str]:
    """Say of many photographs whether each shows a cat or a dog.

    Args:
        files: pictures, or zips of pictures: 10,000 pictures at most, and 100 MB a file.
        model: "cat_dog" (the default), or a network as `predict_cat_dog` takes it.

    Returns:
        A table with the columns id (the number in the file's name), label (the probability of dog in [0, 1]), file and
        class, sorted by id; and the same as a CSV file. Files that are no pictures are left out.

    Raises:
        Refused: there are no pictures or too many, a zip is damaged, locked or built to do harm, there is no such
            network, it does not know cats and dogs, or its weights are out of reach.
    """
    *_, (_, _, rows, _) = classify(files, model)
    return as_table(rows), as_file(rows)


class Many(gr.HTML):
    """A grid of answered pictures with a threshold of its own; moving it asks no network.

    Its value is JSON: a list of {name, dog, label, thumb}.
    """

    def __init__(self, **rest: Any) -> None:
        words = {
            "cat": t("cat"),
            "dog": t("dog"),
            "threshold": t("A dog from p(dog) ="),
            "says_cat": t("says cat"),
            "says_dog": t("says dog"),
            "is_cat": t("is a cat"),
            "is_dog": t("is a dog"),
            "counted": t("{cats} cats and {dogs} dogs in {all} pictures."),
            "accuracy": t("{share} % right: {right} of {all} that carry a label."),
            "percent": t(
                "Below each picture: the answer, and p(dog). Right is green with ✓, wrong is dashed red with ✗."
            ),
            "more": t("Show more"),
        }
        template, style, script = (HERE.with_suffix(suffix).read_text("utf-8") for suffix in (".html", ".css", ".js"))
        super().__init__(
            html_template=template,
            css_template=style,
            js_on_load=script,
            apply_default_css=False,
            words=words,
            **rest,
        )


# ---------------------------------------------------------------------------------------------------- Head to head


def scores(name: str) -> dict[str, Any] | None:
    """What was measured of a shipped network, if that can be had."""
    try:
        return json.loads(beside(name, "scores.json").read_text())
    except Refused:
        return None


def head_to_head() -> str:
    """The family in one table, as HTML."""
    rows = []
    for title, name in NETWORKS.items():
        if measured := scores(name):
            rows.append(
                [
                    t(title),
                    f"{measured['accuracy']:.1%}",
                    f"{measured['book']:.1%}",
                    f"{measured['parameters'] / 1e6:.2f} M",
                    f"{measured['multiply_adds'] / 1e6:.0f} M",
                    f"{measured['epochs']}",
                    t("{minutes:.0f} min").format(minutes=minutes_of(name, measured)),
                ]
            )
    heads = [
        t("Network"), t("Test accuracy"), t("The course's 98"), t("Parameters"), t("Multiply–adds (MACs)"),
        t("Epochs"), t("Training time"),
    ]  # fmt: skip
    return table(heads, rows)


def minutes_of(name: str, measured: dict[str, Any]) -> float:
    """Minutes that a training takes: its iterations, each as long as it was when all were measured side by side.

    Where that has not been measured, what the clock said, whatever else the machine did meanwhile.
    """
    file = WEIGHTS / "training_time.csv"
    times = pd.read_csv(file, index_col="name") if file.is_file() else pd.DataFrame()
    if name not in times.index:
        return measured["seconds"] / 60
    iterations = measured["epochs"] * math.ceil(measured["training_pictures"] / times.batch_size[name])
    return float(iterations * times.milliseconds[name] / 60_000)


def measurements() -> list[Any]:
    """The lines that `cnn_core.benchmark_strategies` wrote, as its `Measured`; none if there are none."""
    file = WEIGHTS / "transfer_learning.csv"
    return list(pd.read_csv(file).itertuples(index=False)) if file.is_file() else []


def worth(measured: Sequence[Any]) -> str:
    """What a pretrained network is worth, as plot and table in HTML; a sentence while nothing has been measured.

    Args:
        measured: as `measurements` reads them.
    """
    if not measured:
        command = "python -m cnn_core.benchmark_strategies"
        return f"<p>{t('Not measured yet: {command} does it.').format(command=f'<code>{command}</code>')}</p>"
    counts = sorted({each.pictures for each in measured})
    found = {(each.strategy, each.pictures): each for each in measured}
    lines = {name: [found[name, count] for count in counts if (name, count) in found] for name in _lab.STRATEGIES}
    floor = math.floor(min(each.accuracy for each in measured) * 10) / 10

    def across(count: int) -> float:  # equal steps for equal factors
        return 40 + 325 * (math.log(count / counts[0]) / math.log(counts[-1] / counts[0]) if len(counts) > 1 else 0.5)

    def down(share: float) -> float:
        return 12 + 200 * (1 - share) / (1 - floor)

    marks = "".join(
        f'<line x1="40" x2="365" y1="{down(share):.0f}" y2="{down(share):.0f}" stroke="currentColor" opacity="0.2"/>'
        f'<text x="35" y="{down(share) + 4:.0f}" text-anchor="end">{share:.0%}</text>'
        for share in np.arange(floor, 1.01, 0.1).tolist()
    ) + "".join(f'<text x="{across(count):.0f}" y="232" text-anchor="middle">{count:,}</text>' for count in counts)
    drawn = "".join(
        f'<g stroke="{_lab.RACERS[name]}" fill="{_lab.RACERS[name]}"><polyline fill="none" stroke-width="2" points="'
        + " ".join(f"{across(each.pictures):.1f},{down(each.accuracy):.1f}" for each in line)
        + '"/>'
        + "".join(
            f'<circle cx="{across(each.pictures):.1f}" cy="{down(each.accuracy):.1f}" r="3"><title>'
            f"{escape(t(_lab.STRATEGIES[name]))}, {each.pictures:,}: {each.accuracy:.1%}</title></circle>"
            for each in line
        )
        + "</g>"
        for name, line in lines.items()
    )
    alt = t("Test accuracy against the number of photographs to learn from, one line per strategy")
    axis = f'<text x="202" y="252" text-anchor="middle">{t("photographs to learn from")}</text>'
    plot = f'<svg viewBox="0 0 390 260" role="img" aria-label="{alt}" class="worth">{marks}{drawn}{axis}</svg>'
    rows = [
        [
            t(title),
            *(
                t("{accuracy:.1%} · {seconds:,.0f} s").format(accuracy=each.accuracy, seconds=each.seconds)
                if (each := found.get((name, count)))
                else ""
                for count in counts
            ),
            f"{lines[name][0].learning:,}" if lines[name] else "",
        ]
        for name, title in _lab.STRATEGIES.items()
    ]
    heads = [t("What learns"), *(f"{count:,}" for count in counts), t("Numbers trained")]
    whose = _lab.key({t(_lab.STRATEGIES[name]): colour for name, colour in _lab.RACERS.items()})
    return whose + plot + table(heads, rows)


# ---------------------------------------------------------------------------------------------------- The page


def warm_up() -> None:
    """Load the default network and classify once, so that the first visitor need not wait."""
    run(*EXAMPLES[0])


def quietly(image: Image.Image | None, model: str) -> list[Any]:
    """What the page shows of a picture; without one, what to do."""
    if image is None:
        return [None, t("Upload a picture, paste one, take a photograph, or choose an example."), None]
    answer, sentence, heat = run(image, model)
    return [for_label(answer), sentence, heat]


def arrive(shows: str | None, current: str, handed: dict[str, str], model: str, request: gr.Request) -> list[Any]:
    """What the tab shows when it is opened: the visit's picture, before there is one an example, and a link's network.

    Returns:
        source of the picture, what is left to hand over, the network, the picture, and what the page shows of it;
        nothing new where it is shown already.
    """
    named = asked_of(NAME, shows is None, handed, request).get("network", model)
    source, picture = to_show(current, shows, next(iter(thumbnails()), ""))
    if source == shows and named == model:
        return [source, {}, *[gr.skip()] * 5]
    try:
        return [source, {}, named, picture, *quietly(picture, named)]
    except Refused as refused:
        gr.Info(told(refused))
        return [source, {}, model, picture, *quietly(picture, model)]


def links(model: str) -> str:
    """Where else to take network and picture, as HTML."""
    return open_in(
        {
            t("Feature maps"): {"tab": "feature_maps", "network": model},
            t("Receptive field"): {"tab": "receptive_field", "network": model},
            t("Model zoo"): {"tab": "model_zoo", "models": model},
        }
    )


def build() -> None:
    """Lay out the tab inside the caller's Blocks."""
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    shipped = [(t(title), name) for title, name in NETWORKS.items() if scores(name)]
    models = [*shipped, *((name, name) for name in IMAGENET)]
    with gr.Row(elem_classes="cats-dogs"):
        with gr.Column(scale=3, min_width=300):
            picture = Picture(
                label=t("Photograph"), type="pil", height=300, sources=["upload", "webcam", "clipboard"],
                elem_id="cats-dogs-picture",
            )  # fmt: skip
            examples = Choices(thumbnails(), label=t("Or start from an example"))
            model = Names(
                models, value=DEFAULT, allow_custom_value=True, label=t("Network"), elem_id="cats-dogs-model",
                info=t("Or type the name of an ImageNet network on the Hugging Face Hub."),
            )  # fmt: skip
        with gr.Column(scale=3, min_width=300):
            sentence = gr.Markdown(
                t("Waking the network …"), label="sentence", elem_id="cats-dogs-verdict", min_height=32
            )
            answer = gr.Label(label=t("Cat or dog"), elem_id="cats-dogs-answer")
            elsewhere = gr.HTML(links(DEFAULT))
            heat = Answer(
                label=t("Where it looked"), alt_text=t("The photograph with a map of what spoke for the answer"),
                format="png", height=300, buttons=[], interactive=False, elem_id="cats-dogs-heat",
            )  # fmt: skip
            gr.Markdown(
                t(
                    "Bright: what spoke for the answer (Grad-CAM, "
                    "[Selvaraju et al., 2016](https://arxiv.org/abs/1610.02391))."
                )
            )
    outputs = [answer, sentence, heat]
    here, shows = visit(), gr.State(None)
    gr.on([picture.input, picture.clear], chosen, picture, [shows, here.picture], **CHOSEN)
    model.input(None, model, js="network => window.convlens?.shows('cats_dogs', { network })", **quiet)
    gr.on([picture.input, model.input], shown(quietly), [picture, model], outputs, trigger_mode="always_last", **quiet)
    examples.click(shown(example), examples, [picture, shows, here.picture], **quiet).then(
        shown(quietly), [picture, model], outputs, **quiet
    )
    model.change(links, model, elsewhere, **quiet)
    arrived = [shows, here.handed, model, picture, *outputs]
    when_opened(shown(arrive), [shows, here.picture, here.handed, model], arrived, **quiet)
    endpoint(run, [picture, model], outputs, API)
    with gr.Tabs(elem_id="cats-dogs-more", overflow_behavior="wrap") as parts:
        with part_of(NAME, t("Many pictures"), "many"):
            build_many(model)
        with part_of(NAME, t("Transfer lab"), "lab") as lab:
            _lab.build(lab)
        with part_of(NAME, t("Head to head"), "head-to-head"):
            build_head_to_head()
    keep_part(NAME, parts)


def build_many(model: gr.Dropdown) -> None:
    """Many pictures at once."""
    gr.Markdown(
        t(
            "Any number of pictures, or a zip of them. Where names or folders say what is on them (`cat.12.jpg`, "
            "`Dog/x.jpg`), right and wrong answers are marked."
        ),
        elem_classes="introduction",
    )
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            files = Files(
                label=t("Pictures, or a zip"), file_count="multiple", type="filepath", elem_id="cats-dogs-files",
                height=180,
            )  # fmt: skip
            with gr.Row():
                start = gr.Button(t("Classify"), variant="primary", elem_id="cats-dogs-classify")
                stop = gr.Button(t("Stop"))
            progress = gr.HTML(t("The network chosen above answers."), elem_id="cats-dogs-progress")
            download = gr.DownloadButton(t("Download the answers (CSV)"), visible=False, elem_id="cats-dogs-csv")
        with gr.Column(scale=3, min_width=300):
            grid = Many(elem_id="cats-dogs-grid")

    def watch(files: list[str] | None, model: str) -> Iterator[Any]:
        for done, total, rows, left_out in classify(files, model):
            text = t("{done} of {total} pictures").format(done=done, total=total)
            notes = "".join(f"<li>{escape(each)}</li>" for each in left_out[:20])
            if left_out:
                notes = f"<p>{t('Left out: {count}').format(count=len(left_out))}</p><ul>{notes}</ul>"
            bar = f'<progress value="{done / total:.3f}" aria-label="{t("Progress")}"></progress>'
            finished = done == total
            yield (
                bar + text + notes,
                json.dumps(rows) if finished else gr.skip(),
                gr.update(value=as_file(rows), visible=True) if finished else gr.skip(),
            )

    running = start.click(
        shown(watch), [files, model], [progress, grid, download], api_visibility="private", show_progress="hidden",
        concurrency_id="many", concurrency_limit=1,
    )  # fmt: skip
    stop.click(lambda: t("Stopped."), None, progress, cancels=[running], api_visibility="private")
    rows = Table(visible=False, label="answers")
    file = gr.File(visible=False, label="csv")
    endpoint(run_batch, [files, model], [rows, file], "predict_cat_dog_batch")


def build_head_to_head() -> None:
    """The family of architectures, and what transfer learning is worth."""
    gr.Markdown(
        t(
            "What was measured of each network that answers here: on 2,080 test photographs, and on the 98 that the "
            "course tests with. None of them was trained on. An answer is the mean over a photograph and its mirror "
            "image, the default's over four corners too; the multiply–adds are those of one pass."
        ),
        elem_classes="introduction",
    )
    gr.HTML(head_to_head(), elem_id="cats-dogs-family")
    gr.Markdown(
        t(
            "**What is a pretrained network worth?** A MobileNetV2 that knows ImageNet, which has cats and dogs in it: "
            "the *similar* half of the course's four cases, measured. Each strategy sees the same photographs, 96 px "
            "a side, equally often; beside the accuracy on the 2,080 test photographs, the seconds the training took "
            "on two processor cores."
        ),
        elem_classes="introduction",
    )
    gr.HTML(worth(measurements()), elem_id="cats-dogs-worth")
