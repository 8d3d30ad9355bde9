"""The transfer lab: a classifier of the visitor's own, out of their pictures and a network that has learnt before."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
import numpy as np
import pandas as pd
from gradio.context import Context
from PIL import Image, ImageDraw

import cnn_core
from cnn_core.archives import Pictures, Skipped
from cnn_core.errors import Refused
from demos._parts import Answer, Names, Picture, endpoint, shown, table, told
from demos._text import language, t

if TYPE_CHECKING:
    from torch import Tensor

    from cnn_core.backbones import Backbone
    from cnn_core.transfer import Classifier, Collection, Epoch, Map, Step, Trained

T = TypeVar("T")

API = "train_classifier"
MOST_CLASSES = 10
SHIPPED = "cat_dog"  # the row in cnn_core.weights that serves without a network
HUB = ("timm/resnet18.a1_in1k", "timm/mobilenetv3_small_100.lamb_in1k", "timm/efficientnet_b0.ra_in1k")
# Keys of cnn_core.transfer.STRATEGIES, as the page calls them.
STRATEGIES = {
    "head": "Feature extraction: the head only",
    "last block": "The last block and the head",
    "everything": "Everything",
    "from scratch": "From scratch",
}
# The worked example: three photographs of scikit-image's, which come with it and are free of rights (CC0).
TEXTURES = ("brick", "grass", "gravel")
SQUARE = 96  # px, of 512

# Okabe and Ito's colours, which colour-blind readers tell apart too, and three of Tol's.
COLOURS: tuple[str, ...] = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#882255", "#44AA99", "#999933",
)  # fmt: skip
PARTS = {"learnt from": COLOURS[1], "validation": COLOURS[2]}
RACERS: dict[str, str] = dict(zip(STRATEGIES, COLOURS, strict=False))
MAP = (960, 640)  # px
TRAINING: dict[str, Any] = {"concurrency_id": "train", "concurrency_limit": 1}  # one at a time on the machine


@dataclass
class Session:
    """What one visitor has: a classifier, and thumbnails of the pictures it came from.

    Attributes:
        classifier: pictures to logits.
        backbone: what it began with.
        about: its card.
        trained: how it was trained; None for one that was loaded.
        names: of the pictures.
        thumbnails: (N, 3, 96, 96) uint8.
        skipped: files that were left out.
        plane: the map of the pictures.
        shown: what `look` made of it, once it has, by language.
    """

    classifier: Classifier
    backbone: Backbone
    about: dict[str, Any]
    trained: Trained | None = None
    names: tuple[str, ...] = ()
    thumbnails: Tensor | None = None
    skipped: tuple[Skipped, ...] = ()
    plane: Map | None = None
    shown: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the logits."""
        return [str(name)[:60] for name in self.about["classes"]]

    @property
    def called(self) -> list[str]:
        """What the page calls the classes: those of the worked example in the visitor's language."""
        return [t(name) for name in self.classes] if set(self.classes) == set(TEXTURES) else self.classes


# ----------------------------------------------------------------------------------------------------- The pictures


class Tiles:
    """Squares cut from the photographs of the worked example, as `Pictures` would give them."""

    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(TEXTURES) * (512 // SQUARE) ** 2

    def __iter__(self) -> Iterator[Any]:
        from skimage import data

        from cnn_core.archives import Picture

        for name in TEXTURES:
            whole = Image.fromarray(getattr(data, name)()).convert("RGB")
            for top in range(0, 512 - SQUARE, SQUARE):
                for left in range(0, 512 - SQUARE, SQUARE):
                    square = whole.crop((left, top, left + SQUARE, top + SQUARE))
                    yield Picture(f"{name} ({left}, {top})", name, square)


Groups = list[tuple[str | None, Any]]


def groups(archive: str | None, *rows: Any) -> Groups:
    """The visitor's pictures as `transfer.collect` takes them; the worked example's where there are none.

    Args:
        archive: a zip in `ImageFolder`'s layout.
        *rows: name and files of each class in turn.
    """
    named = [
        (str(name or "").strip() or t("Class {number}").format(number=number), files)
        for number, (name, files) in enumerate(zip(rows[::2], rows[1::2], strict=True), 1)
        if files
    ]
    found: Groups = [(name, Pictures(files)) for name, files in named]
    if archive:
        if Path(archive).suffix.lower() != ".zip":
            raise Refused("Please choose a zip that holds a folder of pictures for each class.")
        found.append((None, Pictures([archive])))
    return found or [(None, Tiles())]


def left_out(skipped: Sequence[Skipped], most: int = 5) -> str:
    """On files that were left out, as Markdown; nothing if there are none."""
    if not skipped:
        return ""
    text = t("{count} skipped ({named} and {more} more)") if len(skipped) > most else t("{count} skipped ({named})")
    named = "; ".join(escape(f"{each.name}: {told(each.reason)}".rstrip(".")) for each in skipped[:most])
    return text.format(count=len(skipped), named=named, more=len(skipped) - most)


# ----------------------------------------------------------------------------------------------------- Training

# What the page shows while it trains: a sentence as HTML, curves of loss and accuracy, and at the end the session.
View = tuple[str, pd.DataFrame, pd.DataFrame, "Session | None"]


def train(pictures: Groups, backbone: str, strategy: str, epochs: int, rate: float, augment: bool) -> Iterator[View]:
    """Train a classifier, a few times a second saying how far it is; closing the generator stops it.

    Args:
        pictures: as `groups` gives them.
        backbone: a name as `cnn_core.backbones.load` takes it.
        strategy: a key of `STRATEGIES`.
        epochs: 1 to 100.
        rate: learning rate, above 0.
        augment: whether pictures are varied at random.

    Yields:
        a sentence, the curves so far, and, at the end, the session.

    Raises:
        Refused: the pictures make no classifier, the backbone cannot be had, or the loss was no number from the start.
    """
    transfer = cnn_core.transfer
    plan = transfer.Plan(strategy, int(epochs or 0), float(rate or 0), bool(augment))
    yield bar(0) + t("Loading the backbone …"), *curves([]), None
    found = cnn_core.backbones.load(backbone or "")
    read = transfer.collect(pictures, found.side)
    collection = yield from spoken(read, lambda share: (bar(share) + t("Reading the pictures …"), *curves([]), None))
    history: list[Epoch] = []

    def say(step: Step) -> View:
        history.extend([step.measured] if step.measured else [])
        return bar(step.share) + sentence(step, plan.epochs), *curves(history), None

    trained = yield from spoken(transfer.fit(found, collection, plan), say)
    yield bar(1) + t("Drawing the map …"), *curves(trained.history), None
    session = kept(trained, collection)
    yield f"<p>{summary(session)}</p>", *curves(trained.history), session


def kept(trained: Trained, collection: Collection) -> Session:
    """What is kept of a training: thumbnails, not the pictures."""
    transfer = cnn_core.transfer
    return Session(
        trained.classifier,
        trained.backbone,
        transfer.card(trained),
        trained,
        collection.names,
        collection.thumbnails,
        collection.skipped,
        transfer.map_of(trained.features),
    )


def spoken(steps: Generator[Any, None, T], say: Callable[[Any], Any], every: float = 0.3) -> Generator[Any, None, T]:
    """What `say` makes of each step, passed on every `every` seconds at most; returns what the steps return."""
    last = 0.0
    while True:
        try:
            said = say(next(steps))
        except StopIteration as end:
            return end.value
        if time.monotonic() - last > every:
            last = time.monotonic()
            try:
                yield said
            except GeneratorExit:
                steps.close()
                raise


def sentence(step: Step, epochs: int) -> str:
    """Where a training stands."""
    return {
        "look": t("The frozen backbone looks at every picture, once: {share:.0%}."),
        "train": t("Epoch {epoch} of {epochs}: {share:.0%} done."),
        "report": t("A last look at every picture: {share:.0%}."),
    }[step.doing].format(share=step.share, epoch=step.epoch, epochs=epochs)


def summary(session: Session) -> str:
    """The outcome of a training in a few sentences, as HTML."""
    trained = session.trained
    if trained is None:
        return t("Loaded: a classifier of {classes} on {backbone}. Try it on a photograph.").format(
            classes=escape(", ".join(session.called)), backbone=escape(session.backbone.name)
        )
    said = [
        t("<strong>{accuracy:.1%}</strong> of {count} validation pictures are answered right.").format(
            accuracy=trained.accuracy, count=len(trained.validation)
        ),
        t("{learning:,} of {parameters:,} numbers were trained ({share:.2%}), in {seconds:.1f} s.").format(
            learning=trained.learning,
            parameters=trained.parameters,
            share=trained.learning / trained.parameters,
            seconds=trained.seconds,
        ),
        t("The weights are those of epoch {best}, the best of {epochs}.").format(
            best=trained.best, epochs=len(trained.history)
        ),
    ]
    if trained.stopped:
        said.append(
            t("Stopped in epoch {epoch}: the loss was no longer a number, try a lower learning rate.").format(
                epoch=trained.stopped
            )
        )
    if session.skipped:
        said.append(left_out(session.skipped) + ".")
    return " ".join(said)


def bar(share: float) -> str:
    """A progress bar as HTML."""
    return f'<progress value="{share:.3f}" aria-label="{t("Progress")}">{share:.0%}</progress>'


def key(colours: dict[str, str]) -> str:
    """Which colour is whose on a plot, by names in the visitor's language, as HTML."""
    items = "".join(f'<span style="--colour: {colour}">{escape(name)}</span>' for name, colour in colours.items())
    return f'<div class="key">{items}</div>'


def frame(points: Iterable[tuple[int, float, str]]) -> pd.DataFrame:
    """Points as a table for a plot."""
    return pd.DataFrame(list(points), columns=pd.Index(["epoch", "value", "what"]))


def curves(history: Sequence[Epoch]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Loss and accuracy by epoch, for the pictures it learns from and the others."""
    learnt, others = PARTS
    loss = frame(
        point
        for epoch in history
        for point in ((epoch.number, epoch.train_loss, learnt), (epoch.number, epoch.validation_loss, others))
    )
    accuracy = frame(
        point
        for epoch in history
        for point in ((epoch.number, epoch.train_accuracy, learnt), (epoch.number, epoch.validation_accuracy, others))
    )
    return loss, accuracy


@cache
def example() -> Session:
    """The worked example: a head trained once per process on the shipped backbone and squares of three textures.

    Raises:
        Refused: there is no shipped backbone; not kept, the next call tries again.
    """
    *_, (_, _, _, session) = train(groups(None), SHIPPED, "head", 10, 0.003, False)
    assert session is not None
    return session


def run_api(
    archive: str | None, backbone: str, strategy: str, epochs: int, learning_rate: float, augment: bool
) -> Iterator[tuple[float | None, dict[str, Any], list[str] | None]]:
    """Train a classifier on a zip with a folder of pictures for each class.

    Args:
        archive: a zip with 2 to 10 folders, one per class, of at least 2 pictures each; 2,000 pictures and 100 MB at
            most.
        backbone: what is built upon: "cat_dog", or a Hugging Face repository "owner/name" in timm's or torchvision's
            layout, whose weights are downloaded if they are not here.
        strategy: what learns: "head", "last block", "everything" or "from scratch".
        epochs: passes through the pictures, 1 to 100.
        learning_rate: above 0; 0.003 suits most.
        augment: whether pictures are mirrored, cropped, lightened and darkened at random.

    Returns:
        The validation accuracy in [0, 1], a report (the classifier's card, and the files that were skipped), and the
        classifier: model.safetensors and card.json. While it trains, the report is how far it is.

    Raises:
        Refused: there is no zip, it is damaged or locked, it has too few or too many classes or pictures, a setting is
            out of its range, the backbone's weights are out of reach, or the loss is no longer a number.
    """
    if not archive:
        raise Refused("Please send a zip that holds a folder of pictures for each class.")
    yield None, {"progress": 0.0}, None
    session = None
    for said, _, _, done in train(groups(archive), backbone, strategy, epochs, learning_rate, augment):
        session = done
        yield None, {"progress": said.partition("</progress>")[2]}, None
    assert session is not None
    skipped = [{"name": each.name, "reason": str(each.reason)} for each in session.skipped]
    with TemporaryDirectory(prefix="convlens-") as folder:  # Gradio copies the files when they are shown
        files = cnn_core.transfer.save(session.classifier, session.about, Path(folder))
        yield session.about["validation_accuracy"], session.about | {"skipped": skipped}, [str(file) for file in files]


# ----------------------------------------------------------------------------------------------------- The advice


def collected(pictures: Groups, backbone: str) -> Generator[tuple[str, None], None, Any]:
    """How far the reading is; returns the backbone, and the pictures in its size."""
    yield bar(0) + t("Loading the backbone …"), None
    found = cnn_core.backbones.load(backbone or "")
    read = cnn_core.transfer.collect(pictures, found.side)
    collection = yield from spoken(read, lambda share: (bar(share) + t("Reading the pictures …"), None))
    return found, collection


def advise(pictures: Groups, backbone: str) -> Iterator[tuple[str, str | None]]:
    """The course's advice for some pictures and a backbone: how far it is, then sentence and table as HTML, and key.

    Raises:
        Refused: as `train` does.
    """
    transfer = cnn_core.transfer
    found, collection = yield from collected(pictures, backbone)
    looked = transfer.look_first(found, collection)
    apart = yield from spoken(looked, lambda step: (bar(step.share) + t("Looking at some of them …"), None))
    case = transfer.case(collection, apart)
    yield advice(int(collection.labels.bincount().min()), apart, case, found.name), transfer.ADVICE[case]


def advice(fewest: int, apart: float, case: tuple[bool, bool], backbone: str) -> str:
    """The sentence, and the table of the four cases with the visitor's own tinted, as HTML."""
    transfer = cnn_core.transfer
    large, similar = case
    said = t(
        "Your smallest class has {fewest:,} pictures: a {size} data set here (large from {limit:,} on). In the "
        "features of {backbone}, as they are, your classes lie apart to {apart:.0%} (0 % is guessing): {kind} what it "
        "has learnt (similar from {similar:.0%} on). The course advises: <strong>{strategy}</strong>."
    ).format(
        fewest=fewest,
        size=t("large") if large else t("small"),
        limit=transfer.LARGE,
        backbone=escape(backbone),
        apart=apart,
        kind=t("similar to") if similar else t("unlike"),
        similar=transfer.SIMILAR,
        strategy=t(STRATEGIES[transfer.ADVICE[case]]),
    )
    rows = [
        [name, *(t(STRATEGIES[transfer.ADVICE[wide, near]]) for near in (True, False))]
        for wide, name in ((False, t("Small data set")), (True, t("Large data set")))
    ]
    shade = np.zeros((2, 2))
    shade[int(large), int(not similar)] = 0.6
    return f"<p>{said}</p>" + table([t("The four cases"), t("Similar to what it knows"), t("Unlike")], rows, shade)


# ----------------------------------------------------------------------------------------------------- The race


def race(
    pictures: Groups, backbone: str, epochs: int, rate: float, augment: bool
) -> Iterator[tuple[str, pd.DataFrame | None]]:
    """All strategies, one after the other, on the same pictures and the same split.

    Yields:
        what is known so far as HTML, and the validation accuracy by epoch of each as a table for the plot, once there
        is one.

    Raises:
        Refused: as `train` does.
    """
    transfer = cnn_core.transfer
    found, collection = yield from collected(pictures, backbone)
    points: list[tuple[int, float, str]] = []
    rows: list[list[str]] = []
    heads = [t("Strategy"), t("Validation accuracy"), t("Numbers trained"), t("Of all"), t("Time (s)")]
    for number, (strategy, name) in enumerate(STRATEGIES.items()):
        plan = transfer.Plan(strategy, int(epochs or 0), float(rate or 0), bool(augment))

        def say(step: Step, strategy: str = strategy, name: str = name, number: int = number) -> tuple[str, Any]:
            if step.measured:
                points.append((step.measured.number, step.measured.validation_accuracy, strategy))
            running = bar((number + step.share) / len(STRATEGIES)) + f"<p>{t(name)}</p>"
            return running + (table(heads, rows) if rows else ""), frame(points) if points else None

        try:
            trained = yield from spoken(transfer.fit(found, collection, plan), say)
        except Refused as refused:  # the others may do
            rows.append([t(name), told(refused), "", "", ""])
            continue
        rows.append(
            [
                t(name),
                f"{trained.accuracy:.1%}",
                f"{trained.learning:,}",
                f"{trained.learning / trained.parameters:.2%}",
                f"{trained.seconds:.1f}",
            ]
        )
    caption = t("{count} pictures, {validation} of them for validation; {skipped}").format(
        count=len(collection.labels),
        validation=len(transfer.split(collection.labels)[1]),
        skipped=left_out(collection.skipped) or t("none skipped"),
    )
    yield table(heads, rows) + f"<p>{caption}.</p>", frame(points)


# ----------------------------------------------------------------------------------------------------- What it learnt


def figures(session: Session, indices: Sequence[int], captions: Sequence[str]) -> str:
    """Pictures of a session with captions, as HTML; no file of them is written."""
    if session.thumbnails is None or not len(indices):
        return f"<p>{t('None.')}</p>"
    items = []
    for index, caption in zip(indices, captions, strict=True):
        file = BytesIO()
        picture(session.thumbnails[index]).save(file, "JPEG", quality=85)
        source = f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
        name = escape(session.names[index])
        items.append(
            f'<figure><img src="{source}" alt="{name}" title="{name}" style="image-rendering: auto">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return f'<div class="samples">{"".join(items)}</div>'


def picture(pixels: Tensor) -> Image.Image:
    """(3, H, W) uint8 as RGB."""
    return Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))


def matrix(session: Session) -> str:
    """The confusion matrix of the validation pictures as HTML; cells that hold pictures are buttons."""
    if session.trained is None:
        return ""
    counts = session.trained.confusion.numpy()
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    names = [escape(name) for name in session.called]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = ""
    for true, row in enumerate(counts):
        body += f'<tr><th scope="row">{names[true]}</th>'
        for answer, count in enumerate(row):
            hint = t("{count} of {true} taken for {answer}").format(count=count, true=names[true], answer=names[answer])
            button = (
                f'<button type="button" data-cell="{true},{answer}" aria-label="{hint}" '
                f'style="width: 100%; min-width: 3em; background: transparent; text-decoration: underline; '
                f'cursor: pointer">{count}</button>'
            )
            body += f'<td style="--tint: {60 * shares[true, answer]:.0f}%">{button if count else ""}</td>'
        body += "</tr>"
    corner = t("True class ↓, answer →")
    return (
        f'<div class="figures" tabindex="0"><table><thead><tr><th scope="col">{corner}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def cell(session: Session, where: object) -> str:
    """The validation pictures behind a cell of the confusion matrix, as HTML.

    Args:
        session: whose.
        where: "true class,answer", two indices, as the page sends them.
    """
    try:
        true, answer = (int(each) for each in str(where).split(","))
        names = session.called
        title = t("{true} taken for {answer}").format(true=names[true], answer=names[answer])
    except (ValueError, IndexError) as error:
        raise Refused("That cell is not there any more: please choose another.") from error
    trained = session.trained
    if trained is None:
        return ""
    answers = trained.logits[trained.validation].argmax(1)
    chosen = trained.validation[(trained.labels[trained.validation] == true) & (answers == answer)]
    sure = trained.logits[chosen].softmax(1)[:, answer].tolist()
    return f"<p><strong>{escape(title)}</strong></p>" + figures(
        session, chosen[:60].tolist(), [f"{share:.0%}" for share in sure[:60]]
    )


def mistakes(session: Session) -> tuple[str, str]:
    """The surest mistakes and the likeliest wrong labels, as HTML."""
    trained = session.trained
    if trained is None:
        return "", ""
    transfer, names = cnn_core.transfer, [escape(name) for name in session.called]
    worst = transfer.worst_mistakes(trained)
    sure = trained.logits.softmax(1)
    said = [
        t("{answer} ({share:.0%}), is {true}").format(
            answer=names[int(sure[index].argmax())],
            share=float(sure[index].max()),
            true=names[int(trained.labels[index])],
        )
        for index in worst
    ]
    doubted = transfer.likely_wrong_labels(trained.features, trained.labels)
    asked = [
        t("{label}, or {seems}?").format(label=names[int(trained.labels[index])], seems=names[seems])
        for index, seems in doubted
    ]
    return figures(session, worst, said), figures(session, [index for index, _ in doubted], asked)


def drawn_map(session: Session, features: Tensor | None = None, photograph: Image.Image | None = None) -> Any:
    """All pictures where they lie in feature space, framed in the colour of their class; a new one large among them.

    Args:
        session: whose.
        features: (D,), of the new photograph.
        photograph: the new one.
    """
    if session.plane is None or session.trained is None or session.thumbnails is None:
        return None
    places = [(float(x), float(y)) for x, y in session.plane.points]
    if features is not None:
        places.append(session.plane.place(features))
    at = np.array(places)
    low, high = at.min(0), at.max(0)
    at = (at - low) / np.where(high > low, high - low, 1)
    sheet = Image.new("RGB", MAP, "#f5f5f4")
    small = 48 if len(at) <= 150 else 32

    def paste(image: Image.Image, place: Any, side: int, colour: str, frame: int) -> None:
        framed = Image.new("RGB", (side, side), colour)
        framed.paste(image.resize((side - 2 * frame, side - 2 * frame)), (frame, frame))
        left, top = (round(float(share) * (extent - side)) for share, extent in zip(place, MAP, strict=True))
        sheet.paste(framed, (left, top))

    for index, label in enumerate(session.trained.labels.tolist()):
        paste(picture(session.thumbnails[index]), at[index], small, COLOURS[label], 4)
    if features is not None and photograph is not None:
        paste(photograph.convert("RGB"), at[-1], 112, "#000000", 6)
        ImageDraw.Draw(sheet).rectangle((0, 0, MAP[0] - 1, MAP[1] - 1), outline="#a8a29e")
    return sheet


def answer(session: Session, photograph: Image.Image | None) -> tuple[dict[str, float] | None, Any]:
    """Probability of each class for a new photograph, and the map with it."""
    if photograph is None:
        return None, drawn_map(session)
    said, features = cnn_core.transfer.probabilities(session.classifier, photograph, session.backbone.side)
    return dict(zip(session.called, said.tolist(), strict=True)), drawn_map(session, features, photograph)


# ----------------------------------------------------------------------------------------------------- Kept for later


def load(path: str | None) -> Session:
    """A classifier that was downloaded here.

    Raises:
        Refused: it is none, or does not fit.
    """
    if not path:
        raise Refused("Please choose the model.safetensors that you downloaded.")
    classifier, about = cnn_core.transfer.load(path)
    facts = about["backbone"]
    backbone = cnn_core.backbones.Backbone(
        str(facts["name"])[:100],
        classifier.backbone,
        int(facts["features"]),
        int(facts["side"]),
        tuple(facts["mean"]),
        tuple(facts["std"]),
        facts["layout"],
    )
    return Session(classifier, backbone, about)


def publish(session: Session | None, repo: str, token: str, private: bool) -> str:
    """Upload the visitor's classifier to the Hub with their own token, which is not kept; a sentence as Markdown."""
    if session is None:
        raise Refused("Train or load a classifier of your own first.")
    with TemporaryDirectory(prefix="convlens-") as folder:
        cnn_core.transfer.save(session.classifier, session.about, Path(folder))
        address = cnn_core.transfer.publish(Path(folder), repo, token, private)
    return t("Published: {address}").format(address=address)


# ----------------------------------------------------------------------------------------------------- The page


class Cells(gr.HTML):
    """A table whose cells can be clicked; a function's `gr.EventData` tells which: `event._data["cell"]`."""

    CLICK = """element.addEventListener('click', event => {
        const button = event.target.closest('button[data-cell]');
        if (button) trigger('click', {cell: button.dataset.cell});
    });"""

    def __init__(self, **rest: Any) -> None:
        super().__init__(js_on_load=self.CLICK, **rest)


def look(session: Session | None) -> list[Any]:
    """Everything that the page shows of a session, or of the worked example."""
    try:
        of = session or example()
    except Refused as refused:  # no shipped backbone here
        return [
            f"<p>{told(refused)}</p>",
            *[gr.skip()] * 2,
            "",
            "",
            "",
            "",
            None,
            "",
            None,
        ]
    if language() not in of.shown:
        of.shown[language()] = everything_of(of)
    outcome, *rest = of.shown[language()]
    if session is None:
        about = t("Worked example: {count} squares cut from three photographs of textures, one a class.")
        outcome = f"<p>{about.format(count=len(of.names))}</p>{outcome}"
    return [outcome, *rest]


def everything_of(session: Session) -> list[Any]:
    """What `look` shows: the outcome, the curves, the matrix, the mistakes, the map, and no answer yet."""
    plots = curves(session.trained.history) if session.trained else [gr.skip()] * 2
    colours = dict(zip(session.called, COLOURS, strict=False))
    opened = cell(session, "0,0") if session.trained else ""
    told_of = [
        matrix(session),
        opened,
        *mistakes(session),
        drawn_map(session),
        key(colours),
        gr.update(value=None, visible=False),
    ]
    return [f"<p>{summary(session)}</p>", *plots, *told_of]


def build(tab: gr.Tab | None = None) -> None:
    """Lay out the lab inside the caller's Blocks.

    Args:
        tab: the one it is in, whose selection shows the worked example; without, the page's load does.
    """
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    own = gr.State()  # a `Session` of this visitor's
    gr.Markdown(
        t(
            "Give each class a name and a few pictures, or a zip with a folder a class. A network that has learnt "
            "before does the seeing; what you train is a new last layer, or as much of it as you choose."
        ),
        elem_classes="introduction",
    )
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            rows, archive = build_pictures(quiet)
            backbone = Names(
                [(t("Cats and dogs (shipped)"), SHIPPED), *((name, name) for name in HUB)],
                value=SHIPPED,
                allow_custom_value=True,
                label=t("Backbone"),
                info=t("Or type a Hub repository, owner/name, in timm's or torchvision's layout."),
                elem_id="lab-backbone",
            )
            strategy = gr.Radio(
                [(t(name), each) for each, name in STRATEGIES.items()],
                value="head",
                label=t("What learns"),
                elem_id="lab-strategy",
            )
            ask = gr.Button(t("What does the course advise?"), size="sm", elem_id="lab-ask")
            advised = gr.HTML(elem_id="lab-advice")
            augment = gr.Checkbox(False, label=t("Vary the pictures: mirror, crop, lighten, darken"))
            epochs = gr.Slider(1, 50, 10, step=1, label=t("Epochs"), elem_id="lab-epochs")
            rate = gr.Number(0.003, minimum=1e-6, step=0.001, label=t("Learning rate"))
            with gr.Row():
                start = gr.Button(t("Train"), variant="primary", elem_id="lab-train", min_width=100)
                stop = gr.Button(t("Stop"), elem_id="lab-stop", min_width=100)
        with gr.Column(scale=3, min_width=300):
            progress = gr.HTML(t("Waking the worked example …"), elem_id="lab-progress", min_height=48)
            plots = [curve_plot(name, heading) for name, heading in (("loss", t("Loss")), ("accuracy", t("Accuracy")))]
            gr.HTML(key({t(name): colour for name, colour in PARTS.items()}))
            files = gr.File(label=t("Your classifier: weights and card"), visible=False, elem_id="lab-files")
    with gr.Tabs(elem_id="lab-more", overflow_behavior="wrap"):
        with gr.Tab(t("What is taken for what")):
            gr.Markdown(t("Of the validation pictures; choose a cell to see the pictures behind it."))
            cells = Cells(elem_id="lab-matrix")
            opened = gr.HTML(elem_id="lab-cell")
        with gr.Tab(t("Mistakes")):
            gr.Markdown(t("### The surest mistakes"))
            worst = gr.HTML(elem_id="lab-mistakes")
            gr.Markdown(
                t(
                    "### The likeliest wrong labels\nHeads that have not learnt from these pictures doubt their labels "
                    "([Northcutt et al., 2019](https://arxiv.org/abs/1911.00068))."
                )
            )
            doubted = gr.HTML(elem_id="lab-doubted")
        with gr.Tab(t("Map, and a new photograph")):
            with gr.Row():
                with gr.Column(scale=1, min_width=260):
                    photograph = Picture(
                        label=t("A new photograph"),
                        type="pil",
                        height=220,
                        sources=["upload", "webcam", "clipboard"],
                        elem_id="lab-new",
                    )
                    said = gr.Label(
                        label=t("Your classifier's answer"), num_top_classes=5, visible=False, elem_id="lab-answer"
                    )
                with gr.Column(scale=3, min_width=300):
                    plane = Answer(
                        label=t("All pictures in feature space"),
                        alt_text=t("Every picture where its features put it, framed in its class's colour"),
                        buttons=["fullscreen"],
                        interactive=False,
                        elem_id="lab-map",
                    )
                    colours = gr.HTML()
                    gr.Markdown(
                        t("Near means alike to the network: the two directions in which the features vary most (PCA).")
                    )
        with gr.Tab(t("Race")):
            lap, compared, racing = build_race()
        with gr.Tab(t("Keep it")):
            with gr.Row():
                with gr.Column(min_width=280):
                    stored = gr.File(
                        label=t("Load a classifier again (model.safetensors)"),
                        file_types=[".safetensors"],
                        height=140,
                        elem_id="lab-load",
                    )
                with gr.Column(min_width=280):
                    repo = gr.Textbox(label=t("Hub repository (owner/name)"), elem_id="lab-repo")
                    token = gr.Textbox(
                        label=t("Your Hub token, allowed to write; used once and not kept"),
                        type="password",
                        elem_id="lab-token",
                    )
                    private = gr.Checkbox(True, label=t("Only I can see it"))
                    push = gr.Button(t("Push to the Hub"), elem_id="lab-push")
                    pushed = gr.Markdown(elem_id="lab-pushed")

    everything = [progress, *plots, cells, opened, worst, doubted, plane, colours, said]
    given = [archive, *rows]

    def watch(backbone: str, strategy: str, epochs: int, rate: float, augment: bool, *given: Any) -> Iterator[Any]:
        for text, loss, accuracy, session in train(groups(*given), backbone, strategy, epochs, rate, augment):
            series = [loss, accuracy] if len(loss) else [gr.skip()] * 2
            if session is None:
                yield text, *series, gr.skip(), gr.skip()
                continue
            with TemporaryDirectory(prefix="convlens-") as folder:  # Gradio copies the files when they are shown
                paths = cnn_core.transfer.save(session.classifier, session.about, Path(folder))
                yield text, *series, session, gr.update(value=[str(path) for path in paths], visible=True)

    running = start.click(
        shown(watch),
        [backbone, strategy, epochs, rate, augment, *given],
        [progress, *plots, own, files],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=progress,
        **TRAINING,
    )
    running.success(shown(look), own, everything, **quiet)
    stop.click(stopped, None, progress, cancels=[running], **quiet)

    def ask_course(backbone: str, *given: Any) -> Iterator[Any]:
        for text, advised_strategy in advise(groups(*given), backbone):
            yield text, advised_strategy or gr.skip()

    ask.click(
        shown(ask_course),
        [backbone, *given],
        [advised, strategy],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=advised,
        **TRAINING,
    )

    def run_race(backbone: str, epochs: int, rate: float, augment: bool, *given: Any) -> Iterator[Any]:
        for text, plot in race(groups(*given), backbone, epochs, rate, augment):
            yield text, gr.skip() if plot is None else gr.update(value=plot, visible=True)

    begun = lap[0].click(
        shown(run_race),
        [backbone, epochs, rate, augment, *given],
        [compared, racing],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=compared,
        **TRAINING,
    )
    lap[1].click(stopped, None, compared, cancels=[begun], **quiet)

    def open_cell(session: Session | None, event: gr.EventData) -> str:
        return cell(session or example(), event._data.get("cell") if isinstance(event._data, dict) else None)

    cells.click(shown(open_cell), own, opened, **quiet)  # pyright: ignore[reportAttributeAccessIssue]

    def try_it(session: Session | None, photograph: Image.Image | None) -> Any:
        said, plane = answer(session or example(), photograph)
        return gr.update(value=said, visible=said is not None), plane

    photograph.change(shown(try_it), [own, photograph], [said, plane], **quiet)

    stored.upload(shown(load), stored, own, **quiet).success(shown(look), own, everything, **quiet)
    push.click(shown(publish), [own, repo, token, private], pushed, api_visibility="private").then(
        lambda: "", None, token, **quiet
    )
    build_api(archive, backbone, strategy, epochs, rate, augment)
    first = tab.select if tab else Context.root_block.load  # pyright: ignore[reportOptionalMemberAccess]
    first(shown(look), own, everything, **quiet)


def stopped() -> str:
    """What is said once a training is stopped."""
    return t("Stopped: nothing was kept.")


def build_pictures(quiet: dict[str, Any]) -> tuple[list[Any], gr.File]:
    """The rows of classes, of which two are shown at first, and the zip; returns names and files in turn, and it."""
    count = gr.State(2)
    rows: list[Any] = []
    groups: list[gr.Row] = []
    with gr.Tabs(overflow_behavior="wrap"):
        with gr.Tab(t("Class by class")):
            for number in range(1, MOST_CLASSES + 1):
                with gr.Row(visible=number <= 2, elem_id=f"lab-class-{number}") as row:
                    name = gr.Textbox(
                        label=t("Class {number}").format(number=number),
                        placeholder=t("its name"),
                        max_length=60,
                        min_width=100,
                        scale=1,
                    )
                    files = gr.File(
                        label=t("Pictures of class {number}").format(number=number),
                        file_count="multiple",
                        height=140,
                        min_width=150,
                        scale=2,
                    )
                rows += [name, files]
                groups.append(row)
            with gr.Row():
                more = gr.Button(t("One class more"), size="sm", min_width=120, elem_id="lab-more-classes")
                fewer = gr.Button(t("One class fewer"), size="sm", min_width=120, elem_id="lab-fewer-classes")
        with gr.Tab(t("A zip")):
            archive = gr.File(
                label=t("A zip with a folder of pictures for each class"),
                file_types=[".zip"],
                height=140,
                elem_id="lab-zip",
            )

    def change(by: int) -> Callable[[int], list[Any]]:
        def changed(count: int) -> list[Any]:
            count = min(max(count + by, 2), MOST_CLASSES)
            # A class that is hidden gives its pictures back: nothing unseen is trained on.
            cleared = [gr.skip() if number < count else None for number in range(MOST_CLASSES) for _ in range(2)]
            return [count, *(gr.update(visible=number < count) for number in range(MOST_CLASSES)), *cleared]

        return changed

    for button, by in ((more, 1), (fewer, -1)):
        button.click(change(by), count, [count, *groups, *rows], **quiet)
    return rows, archive


def curve_plot(name: str, heading: str) -> gr.LinePlot:
    """A plot of loss or accuracy by epoch."""
    return gr.LinePlot(
        frame((1, 0.0, part) for part in PARTS),
        x="epoch",
        y="value",
        color="what",
        color_map=PARTS,
        x_title=t("Epoch"),
        y_title=heading,
        y_lim=[0, 1] if name == "accuracy" else [0, None],
        label=heading,
        height=210,
        elem_id=f"lab-{name}",
        elem_classes="keyed",
    )


def build_race() -> tuple[list[gr.Button], gr.HTML, gr.LinePlot]:
    """The race's buttons, table and plot."""
    gr.Markdown(
        t(
            "Every strategy on the same pictures, with the settings above: what each costs, and what it brings. "
            "Without pictures of your own they race on the worked example."
        ),
        elem_classes="introduction",
    )
    with gr.Row():
        buttons = [
            gr.Button(t("Race"), variant="primary", elem_id="lab-race", scale=0, min_width=140),
            gr.Button(t("Stop the race"), elem_id="lab-race-stop", scale=0, min_width=180),
        ]
    compared = gr.HTML(elem_id="lab-race-table", min_height=32)
    plot = gr.LinePlot(
        frame((1, 0.0, strategy) for strategy in RACERS),
        x="epoch",
        y="value",
        color="what",
        color_map=RACERS,
        x_title=t("Epoch"),
        y_title=t("Validation accuracy"),
        y_lim=[0, 1],
        label=t("Validation accuracy by epoch"),
        height=260,
        elem_id="lab-race-plot",
        elem_classes="keyed",
        visible=False,
    )
    gr.HTML(key({t(STRATEGIES[name]): colour for name, colour in RACERS.items()}))
    return buttons, compared, plot


def build_api(*inputs: Any) -> None:
    """The endpoint /train_classifier, which the page itself does not call."""
    accuracy = gr.Number(label="validation accuracy", visible=False)
    report = gr.JSON(label="report", visible=False)
    files = gr.File(label="model.safetensors and card.json", file_count="multiple", visible=False)
    endpoint(run_api, list(inputs), [accuracy, report, files], API, **TRAINING)
