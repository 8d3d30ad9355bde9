"""Which pretrained network should I use? Ask several about your own picture, and measure what each of them costs.

Every figure is measured on the machine this page runs on, with your pictures, unless it says who published it. Nothing
is downloaded before you press Compare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from html import escape
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import gradio as gr
import numpy as np
import pandas as pd
from PIL import Image

import cnn_core
from cnn_core.errors import Refused, Words
from demos import About
from demos._parts import Names, Picture, Table, called, endpoint, on_gpu, shown, table, told
from demos._photographs import photograph, picture_of, picture_url, receive, thumbnails
from demos._text import t
from demos._visit import CHOSEN, asked_of, keep_part, part_of, to_show, visit, when_opened

if TYPE_CHECKING:
    from cnn_core.comparison import Latency, Progress, Result, Work

    Lesson = tuple[str, int, float, float, Work]  # name, multiply–adds, ms, ms per 100 million of them, work

NAME = "model_zoo"
API = "compare_models"
TITLE = "Model zoo"

MOST_NETWORKS = 24  # in one comparison
MOST_PICTURES = 8
THUMB = 72  # px
SHIPPED = "cat_dog"  # knows cats and dogs and needs no network: the worked example
# What the worked example lists beside the shipped networks: small and large, old and new.
FIRST = ("alexnet", "vgg16", "squeezenet1_0", "resnet18", "shufflenet_v2_x1_0", "densenet161", "convnext_tiny")
KINDS = ("blur", "crop", "turn", "darken", "jpeg")  # as in cnn_core.comparison, which would bring PyTorch along
# What does multiply–adds, as `Work.kinds` names it, and what is said of it.
WORK = {
    "dense": "{share:.0%} in dense convolutions",
    "1×1": "{share:.0%} in 1×1 convolutions",
    "grouped": "{share:.0%} in grouped convolutions",
    "depthwise": "{share:.0%} in depthwise convolutions",
    "fully connected": "{share:.0%} in fully connected layers",
    "attention": "{share:.0%} in attention",
}
STRENGTHS = tuple(step / 10 for step in range(11))
COLUMNS = ("model", "top1", "confidence", "params", "gmacs", "latency_ms", "source", "error")


class Examples:
    """The arguments of `run`, read only when they are asked for."""

    def __len__(self) -> int:
        return len(thumbnails())

    def __getitem__(self, index: int) -> list[Any]:
        return [photograph(list(thumbnails())[index]), [SHIPPED]]


EXAMPLES = Examples()

ABOUT = About(
    text=r"""
**Multiply–adds (MACs)** are counted while the network runs without numbers. A convolution of $k_h \times k_w$ taps in
$g$ groups, from $C_\mathrm{in}$ to $C_\mathrm{out}$ channels of $h \times w$ places, takes

$$\mathrm{MACs} = h\, w\; C_\mathrm{out}\, \frac{C_\mathrm{in}}{g}\; k_h\, k_w;$$

a fully connected layer is one of $1 \times 1$ places and taps. Attention counts too; activations, normalisations and
poolings do not. Some papers call this number FLOPs, others twice this number.

**Latency** is measured alone in the process, after two passes to warm up, in up to 30 forward passes of one picture
(fewer where they take more than 2 s together): half of them took less than the median, 19 of 20 less than the 95th
percentile (p95).

**Agreement.** Two networks $a$ and $b$ with the same classes answer differently on this share of $P$ pictures, with
$\hat y$ the likeliest class of each,

$$d_{ab} = \frac{1}{P} \sum_{i=1}^{P} \left[\, \hat y_a(x_i) \neq \hat y_b(x_i) \,\right],$$

and the averaged vote of $N$ networks is the mean of their probabilities:

$$\bar p_k = \frac{1}{N} \sum_{n=1}^{N} p_k^{(n)}$$

A network is on the **Pareto front** if no other of those compared is both cheaper and more accurate. Accuracies on
[ImageNet](https://arxiv.org/abs/1409.0575) are those that torchvision and timm publish; nothing here measures them.
""",
    code=(
        "cnn_core.comparison:work",
        "cnn_core.comparison:Counting",
        "cnn_core.comparison:latency",
        "cnn_core.comparison:disagreement",
        "cnn_core.comparison:vote",
        "cnn_core.comparison:frontier",
        "cnn_core.comparison:disturb",
    ),
    python="""
from PIL import Image
from skimage import data
from cnn_core import comparison

steps = list(comparison.compare([Image.fromarray(data.chelsea())], ["cat_dog"]))
row = next(step for step in steps if isinstance(step, comparison.Result))
print(row.predictions[0][0], row.facts.num_params, row.facts.multiply_adds, row.latency.median_ms)
""",
    device="All of this is computed on a GPU where the server has one, else on its processor: the table says on which.",
)


# ------------------------------------------------------------------------------------------------- What is compared


def wanted(models: Sequence[str] | str | None) -> list[str]:
    """Names of networks, each once, in the order given; a text may hold several, with commas between them.

    Raises:
        Refused: there is none, or there are too many.
    """
    given = models.split(",") if isinstance(models, str) else models or ()
    names = list(dict.fromkeys(filter(None, (str(name).strip() for name in given))))
    if not names:
        raise Refused("Choose a network first.")
    if len(names) > MOST_NETWORKS:
        raise Refused("{count} networks are too many at once: {most} at most, please.", count=len(names),
                      most=MOST_NETWORKS)  # fmt: skip
    return names


@on_gpu
def run(image: Image.Image, models: list[str]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Ask pretrained networks about a picture, and measure what each of them costs on this machine.

    Args:
        image: PNG, JPEG, WebP, GIF, BMP or TIFF, at most 20 MB and 25 megapixels, at least 8 px a side; every network
            gets it prepared as its own weights ask.
        models: 1 to 24 names as `list_models` has them, any other name of torchvision's or timm's, or repositories on
            the Hugging Face Hub ("timm/resnet18.a1_in1k"); weights that are not here yet are downloaded.

    Returns:
        A table with a row per network: model, top1 (its answer), confidence in [0, 1], params, gmacs (thousand million
        multiply-adds), latency_ms (median, one picture), source of the weights, and error, which says why there is no
        answer; and a list with the rest: the five likeliest classes, 95th percentile, threads, memory, published
        accuracy, licence.

    Raises:
        Refused: there is no picture, it cannot be read or is too small, or there are no names or too many. A network
            that cannot answer does not refuse the others: its row says why.
    """
    picture, names = receive(image), wanted(models)
    board = Board((), [picture], names)
    for _ in board.compare():
        pass
    return board.frame(), [board.row(name) for name in board.names]


def list_models() -> list[dict[str, Any]]:
    """List the networks that the zoo knows: name, title, group, published accuracy and its source, licence, weights.

    Any other classifier of torchvision's or timm's can be compared too, and so can repositories on the Hub. Nothing is
    refused.

    Returns:
        A list of {name, title, group, top1, top1_source, licence, weights}: top1 is the published accuracy on
        ImageNet-1K in percent, or null; weights are the names of all that fit, the first of them being the default.
    """
    groups = {name: group for group, names in grouped().items() for name in names}
    return [
        {
            "name": name,
            "title": titled(name),
            "group": group,
            "top1": entry.top1 if entry else None,
            "top1_source": entry.top1_source if entry else cnn_core.weights.WEIGHTS[name].metric,
            "licence": entry.licence if entry else cnn_core.weights.WEIGHTS[name].licence,
            "weights": [entry.first, *entry.others] if entry else [str(cnn_core.weights.WEIGHTS[name].source)],
        }
        for name, group in groups.items()
        for entry in [cnn_core.catalogue.CATALOGUE.get(name)]
    ]


def grouped() -> dict[str, list[str]]:
    """Names of the networks that are listed, by group."""
    rows = cnn_core.weights.WEIGHTS
    return {
        "Shipped: cats and dogs": [name for name, row in rows.items() if row.classes == cnn_core.data.CAT_DOG_CLASSES],
        "The course's fourteen": list(cnn_core.catalogue.COURSE),
        "Modern": list(cnn_core.catalogue.MODERN),
    }


def titled(name: str) -> str:
    """What a network is called in the page."""
    entry = cnn_core.catalogue.CATALOGUE.get(name)
    return entry.title if entry else name.rpartition("/")[2]


def here(name: str) -> bool:
    """Whether a network's weights are on this machine already; asks nobody else."""
    try:
        return any(source.here() for source in sources(name))
    except Refused:
        return False


def sources(name: str) -> Sequence[Any]:
    """Where a network's weights may come from.

    Raises:
        Refused: there is no such network.
    """
    if name in cnn_core.weights.WEIGHTS:
        return (cnn_core.weights.WEIGHTS[name].source,)
    return cnn_core.zoo.sources(cnn_core.zoo.key(name))


def preprocess_of(name: str) -> Any:
    """How the weights that are here, or else those that would be fetched first, want their pictures prepared.

    Raises:
        Refused: there is no such network, or its description is out of reach.
    """
    if name in cnn_core.weights.WEIGHTS:
        return cnn_core.weights.WEIGHTS[name].preprocess
    found = sources(name)
    source = next((source for source in found if source.here()), found[0])
    return cnn_core.zoo.describe(source, fetch=False).preprocess


@dataclass
class Board:
    """What one visitor compares: pictures, networks, and what is known of them so far.

    Attributes:
        sources: where the pictures came from, as `Choice` has them.
        pictures: P of them, as `receive` gives them.
        names: of the networks, in the order of the rows.
        results: of those that were asked, by name.
        folded: latency with batch normalisation folded in, by name.
        phases: what is being done for a network, by name.
        lessons: what `lesson` has measured, by name.
        number: of this board among all; the page knows by it what comes late from a comparison that was stopped.
    """

    sources: tuple[str, ...]
    pictures: list[Image.Image]
    names: list[str]
    results: dict[str, Result] = field(default_factory=dict)
    folded: dict[str, Latency] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)
    lessons: dict[str, Lesson] = field(default_factory=dict)
    number: int = field(default_factory=count().__next__)

    def compare(self, names: Sequence[str] | None = None, folded: bool = False) -> Generator[float | None, None, None]:
        """Ask the networks; after each step the share of the download that runs, or None. Closing it ends the work.

        Args:
            names: some of them only.
            folded: measure each that answered once more, with batch normalisation folded in.
        """
        current = ""
        for again in (False, True) if folded else (False,):
            asked = [name for name in names or self.names if not again or name in self.answered]
            with closing(cnn_core.comparison.compare(self.pictures, asked, folded=again)) as steps:
                for step in steps:
                    if isinstance(step, cnn_core.comparison.Result):
                        self.phases.pop(current, None)
                        if not again:
                            self.results[current] = step
                        elif step.latency:
                            self.folded[current] = step.latency
                        yield None
                    else:
                        current = step.name
                        self.phases[current] = phase(step)
                        yield step.done / step.total if step.total else None

    @property
    def answered(self) -> list[str]:
        """Names of the networks that have said something about the pictures."""
        return [name for name in self.names if name in self.results and self.results[name].predictions]

    def frame(self) -> pd.DataFrame:
        """The table that scripts get: `COLUMNS`, a row per network, of the first picture."""
        rows = []
        for name in self.names:
            result = self.results[name]
            answer, confidence = result.predictions[0][0] if result.predictions else (None, None)
            facts, latency = result.facts, result.latency
            rows.append(
                [
                    name, answer, confidence and round(confidence, 4), facts.num_params or None,
                    facts.multiply_adds / 1e9 or None, latency and round(latency.median_ms, 2),
                    str(result.source or ""), str(result.error or ""),
                ]
            )  # fmt: skip
        return pd.DataFrame(rows, columns=pd.Index(COLUMNS), dtype=object)

    def row(self, name: str, say: Callable[[Refused | Words], str] = str) -> dict[str, Any]:
        """All that is known of a network, as plain values; words of `cnn_core` as `say` makes texts of them."""
        result, error = self.results.get(name), ""
        try:
            found = result.facts if result else cnn_core.comparison.facts(name)
        except Refused as refused:
            found, error = None, say(refused)
        facts = found if found and found.num_params else None  # a network that nobody knows has none
        latency, folded = result and result.latency, self.folded.get(name)
        return {
            "name": name,
            "title": titled(name),
            "family": facts.family if facts else "",
            "top": [[list(each) for each in five] for five in result.predictions] if result else [],
            "params": facts and facts.num_params,
            "macs": facts and facts.multiply_adds,
            "file": facts and facts.megabytes,
            "side": facts and facts.input_side,
            "latency": latency
            and {
                "median": latency.median_ms,
                "p95": latency.p95_ms,
                "runs": latency.runs,
                "threads": latency.threads,
                "device": latency.device,
            },
            "folded": folded and {"median": folded.median_ms, "p95": folded.p95_ms},
            "peak": result and result.peak_megabytes,
            "top1": facts and facts.top1,
            "top1_source": facts.top1_source if facts else "",
            "licence": facts.licence if facts else "",
            "source": say(result.source) if result and result.source else "",
            "error": say(result.error) if result and result.error else error,
        }


def phase(step: Progress) -> str:
    """What is being done for a network, in the visitor's words."""
    if step.phase == "downloading" and step.total:
        sentence = t("downloading {done:.0f} of {total:.0f} MB")
        return sentence.format(done=step.done / 1e6, total=step.total / 1e6)
    words = {
        "downloading": t("downloading"),
        "loading": t("loading"),
        "warming up": t("warming up"),
        "measuring": t("measuring"),
    }
    return words.get(step.phase, "")


# ------------------------------------------------------------------------------------------------- For the page


def shown_rows(board: Board, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as the page's table takes them: `Board.row`, what is being done, links, and where the Pareto fronts are."""
    rows = [board.row(name, told) for name in names]
    for row in rows:
        name = row["name"]
        row["phase"] = board.phases.get(name, "")
        row["top"] = [[[called(answer), share] for answer, share in five] for five in row["top"]]
        row["licence"] = row["licence"] or (t("not stated") if row["params"] else "")
        row["comparable"] = name not in cnn_core.weights.WEIGHTS  # published accuracies are those on ImageNet
        row["facts"] = particulars(row)
        row["links"] = links(row)
        entry = cnn_core.catalogue.CATALOGUE.get(name)
        others = (other for other in (entry.others if entry else ()) if other not in board.names)
        row["others"] = [{"name": other, "title": other.removeprefix("timm/")} for other in others]
        row["front"] = []
    for axis, cost in (("latency", lambda row: row["latency"] and row["latency"]["median"]),
                       ("params", lambda row: row["params"])):  # fmt: skip
        placed = [row for row in rows if row["comparable"] and row["top1"] is not None and cost(row)]
        on_front = cnn_core.comparison.frontier([(cost(row), row["top1"]) for row in placed])
        for row, on in zip(placed, on_front, strict=True):
            row["front"] += [axis] if on else []
    return rows


def particulars(row: dict[str, Any]) -> list[tuple[str, str]]:
    """What the open row says beside its figures: names and texts."""
    latency = row["latency"]
    found = [(t("Input"), row["side"] and t("{side}×{side} px").format(side=row["side"]))]
    if latency:
        sentence = t("median and 95th percentile of {runs} runs of one picture, {threads} threads, {device}")
        if not row["top"]:
            sentence = t(
                "median and 95th percentile of {runs} runs of one picture, {threads} threads, {device}; random "
                "weights, which take as long"
            )
        found.append((t("Latency"), sentence.format(**latency | {"device": t(latency["device"])})))
    if row["top1"] is not None:
        found.append((t("Published accuracy"), f"{row['top1']:.1f} % ({row['top1_source']})"))
    elif row["top1_source"]:
        found.append((t("Accuracy"), t(row["top1_source"])))
    found += [(t("Weights from"), row["source"]), (t("Licence"), row["licence"])]
    return [(name, text) for name, text in found if text]


def links(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Texts and addresses that open a network in the other tabs; the visit's picture goes along."""
    if not row["params"]:
        return []
    found = [(t("Open in the feature-map explorer"), {"tab": "feature_maps", "network": row["name"]})]
    if architecture := architecture_of(row["name"]):
        asked = {"tab": "receptive_field", "network": architecture, "size": row["side"]}
        found.append((t("Open in the receptive-field tab"), asked))
    return [(text, f"?{urlencode(query)}") for text, query in found]


@cache
def architecture_of(name: str) -> str:
    """The network without its weights, as the receptive-field tab takes it; "" for a repository it knows nothing of."""
    try:
        return cnn_core.networks.resolve(name)
    except Refused:
        return ""


def table_value(board: Board, status: str, running: bool = False, share: float | None = None,
                names: Sequence[str] | None = None) -> dict[str, Any]:  # fmt: skip
    """What the page's table shows."""
    return {
        "board": board.number,
        "running": running,
        "stopped": False,
        "status": status,
        "share": share,
        "thumbs": [picture_url(picture, THUMB) for picture in board.pictures],
        "rows": shown_rows(board, board.names if names is None else names),
        "note": note(board),
    }


def note(board: Board) -> str:
    """How latencies were measured, in a sentence."""
    measured = [result.latency for result in board.results.values() if result.latency]
    if not measured:
        return ""
    runs = sorted({each.runs for each in measured})
    return t(
        "Latency: median of {runs} forward passes of one picture after warm-up, {threads} threads, {device}, on the "
        "machine that serves this page."
    ).format(
        runs="–".join(map(str, runs[:1] + runs[1:][-1:])), threads=measured[0].threads, device=t(measured[0].device)
    )


def plan(board: Board) -> str:
    """What Compare would do, in a sentence."""
    if not board.names:
        return t("Choose networks above.")
    if not board.pictures:
        return t("Choose a picture above.")
    missing = [name for name in board.names if name not in board.results and not here(name)]
    waiting = [name for name in board.names if name not in board.results]
    if not waiting:
        return finished(board)
    size = 0.0
    for name in missing:
        try:
            size += cnn_core.comparison.facts(name).megabytes
        except Refused:
            continue
    if size:
        return t("{count} not asked yet. Compare asks them; {missing} must be downloaded first, {size:.0f} MB.").format(
            count=counted(len(waiting)), missing=len(missing), size=size
        )
    return t("{count} not asked yet. Press Compare.").format(count=counted(len(waiting)))


def counted(number: int) -> str:
    """So many networks."""
    return t("1 network") if number == 1 else t("{count} networks").format(count=number)


def finished(board: Board) -> str:
    """What came out, in a sentence."""
    failed = len(board.names) - len(board.answered)
    text = t("{count} answered.").format(count=counted(len(board.answered)))
    return text + (" " + t("{count} did not: the rows say why.").format(count=failed) if failed else "")


def checked(typed: Any) -> dict[str, str]:
    """What the page is told of a network that a visitor typed: `said`, and `name`, `title` and `about` if there is one.

    Nothing is downloaded but its description.
    """
    try:
        facts = cnn_core.comparison.check(str(typed)[:200])
    except Refused as refused:
        return {"said": told(refused)}
    text = t("{name}: {params} million parameters, {size:.0f} MB, licence {licence}. It is in the list now.").format(
        name=facts.name, params=f"{facts.num_params / 1e6:.1f}", size=facts.megabytes,
        licence=facts.licence or t("not stated"),
    )  # fmt: skip
    return {"said": text, "name": facts.name, "title": titled(facts.name), "about": f"{facts.megabytes:.0f} MB"}


# ------------------------------------------------------------------------------------------------- The parts below


@dataclass(frozen=True)
class View:
    """What the parts below the table get.

    Attributes:
        board: what was compared.
        looking: which of its pictures is looked at.
        kind: which change `firm` makes to it.
    """

    board: Board
    looking: int = 0
    kind: str = KINDS[0]

    @property
    def picture(self) -> Image.Image:
        """The picture that is looked at."""
        return self.board.pictures[min(self.looking, len(self.board.pictures) - 1)]


def alike(board: Board) -> list[list[str]]:
    """Names of networks that answered, by the classes that they know: only those can agree."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in board.answered:
        groups.setdefault(board.results[name].classes, []).append(name)
    return sorted(groups.values(), key=len, reverse=True)


def agreement(view: View) -> Iterator[str]:
    """The averaged vote, and who answers otherwise than whom, as HTML."""
    parts = []
    for names in alike(view.board):
        results = [view.board.results[name] for name in names]
        titles = [titled(name) for name in names]
        group = t("{networks} with the same {count} classes: {titles}.").format(
            networks=counted(len(results)), count=f"{len(results[0].classes):,}", titles=", ".join(titles)
        )
        if len(results) == 1:
            parts.append(f"<p>{escape(group)} {t('It takes two to agree.')}</p>")
            continue
        votes = [
            [t("Picture {number}").format(number=number), agreeing(results, number - 1, five[0][0]),
             *(f"{called(answer)} {share:.0%}" for answer, share in five)]
            for number, five in enumerate(cnn_core.comparison.vote(results), 1)
        ]  # fmt: skip
        places = [t("Place {number}").format(number=number) for number in range(1, len(votes[0]) - 1)]
        _, shares = cnn_core.comparison.disagreement(results)
        rows = [[title, *(f"{share:.0%}" for share in line)] for title, line in zip(titles, shares, strict=True)]
        says = t("Below: to what share of your {count} pictures two networks give another first answer.")
        if len(view.board.pictures) == 1:
            says = t("Below: whether two networks give another first answer (100 %) or the same (0 %).")
        parts += [
            f"<p>{escape(group)}</p>",
            table([t("Averaged vote"), t("Agree with it"), *places], votes),
            f"<p>{escape(says.format(count=len(view.board.pictures)))}</p>",
            table([t("Answer differently"), *titles], rows, shares),
        ]
    yield "".join(parts) or f"<p>{t('No network has answered yet: press Compare.')}</p>"


def agreeing(results: Sequence[Result], picture: int, answer: str) -> str:
    """How many networks give this answer first, in words."""
    same = sum(result.predictions[picture][0][0] == answer for result in results)
    return t("{count} of {all}").format(count=same, all=len(results))


def firm(view: View) -> Iterator[dict[str, Any]]:
    """How each network answers while the picture is changed more and more, as the page's `Firm` takes it."""
    board, core = view.board, cnn_core.comparison
    value: dict[str, Any] = {
        "kind": view.kind,
        "picture": view.looking,
        "strengths": STRENGTHS,
        "pictures": [],
        "rows": [],
    }
    if not board.answered:
        yield value | {"status": t("No network has answered yet: press Compare.")}
        return
    yield value | {"status": t("Changing the picture …")}
    picture = cnn_core.images.shrink(view.picture, 320)
    value["pictures"] = [picture_url(core.disturb(picture, view.kind, strength)) for strength in STRENGTHS]
    rows: list[dict[str, Any]] = []
    for name, answers, changed in core.firmness(view.picture, board.answered, view.kind, STRENGTHS):
        if not answers:
            continue
        kept = [[called(answer), share] for _, answer, share in answers]
        rows.append({"title": titled(name), "first": kept[0], "answers": kept, "changed": changed})
        status = t("{done} of {all} networks").format(done=len(rows), all=len(board.answered))
        yield value | {"rows": list(rows), "status": status if len(rows) < len(board.answered) else ""}
    moved = sum(row["changed"] is not None for row in rows)
    sentence = t("{moved} of {all} networks change their mind on the way.").format(moved=moved, all=len(rows))
    yield value | {"rows": rows, "status": sentence}


def lesson(view: View) -> Iterator[str]:
    """Multiply-adds against time, measured, and what explains the difference, as HTML."""
    board, refusals = view.board, []
    for name in board.names:
        if name not in board.lessons:
            waits = t("Measuring {name} …").format(name=titled(name))
            yield f"{lesson_table(board)}<p>{escape(waits)}</p>"
            try:
                (board.lessons[name],) = cnn_core.comparison.lesson([name])
            except Refused as refused:
                refusals.append(f"<p>{escape(told(refused))}</p>")
    yield lesson_table(board) + "".join(refusals)


def lesson_table(board: Board) -> str:
    """What `lesson` has measured so far, as HTML."""
    rows = sorted((board.lessons[name] for name in board.names if name in board.lessons), key=lambda row: row[1])
    if not rows:
        return ""
    heads = [t("Network"), t("Multiply–adds (million)"), t("Time (ms)"), t("ms per 100 million")]
    shade = np.zeros((len(rows), 3))
    shade[:, 2] = [row[3] for row in rows]
    shade /= shade.max()
    cells = [[titled(name), f"{macs / 1e6:,.0f}", f"{took:.1f}", f"{each:.2f}"] for name, macs, took, each, _ in rows]
    why = "".join(f"<dt>{escape(titled(name))}</dt><dd>{escape(because(work))}</dd>" for name, *_, work in rows)
    intro = t(
        "Why is the one with fewer multiply–adds slower? Depthwise and 1×1 convolutions fetch many bytes for each of "
        "them, and many small steps each cost time of their own; one dense convolution keeps the machine busy."
    )
    found = f"<p>{escape(intro)}</p><p><b>{escape(surprise(rows))}</b></p>"
    return f'{found}{table(heads, cells, shade)}<dl class="why">{why}</dl>'


def surprise(rows: Sequence[Lesson]) -> str:
    """The pair in which fewer multiply-adds take longest, in a sentence."""
    pairs = [(one, other) for one in rows for other in rows if one[1] < other[1] and one[2] > other[2]]
    if not pairs:
        return t("Among these networks, fewer multiply–adds are always faster on this machine. Choose more of them.")
    one, other = max(pairs, key=lambda pair: pair[0][3] / pair[1][3])
    return t(
        "{one} has {fewer:.1f} times fewer multiply–adds than {other}, and yet takes {longer:.1f} times as long here."
    ).format(one=titled(one[0]), other=titled(other[0]), fewer=other[1] / one[1], longer=one[2] / other[2])


def because(work: Work) -> str:
    """What decides how long a network takes, in a sentence."""
    shares = [
        t(WORK[kind]).format(share=count / work.multiply_adds)
        for kind, count in sorted(work.kinds.items(), key=lambda each: -each[1])
        if count / work.multiply_adds >= 0.005
    ]
    sentence = t(
        "Multiply–adds: {shares}; {per_byte:.0f} for each byte moved, in {steps} steps of {each:.1f} million. "
        "Arithmetic sets the pace."
    )
    if work.per_byte < cnn_core.comparison.FEW:
        sentence = t(
            "Multiply–adds: {shares}; {per_byte:.0f} for each byte moved, in {steps} steps of {each:.1f} million. "
            "Moving numbers and starting steps set the pace."
        )
    return sentence.format(
        shares=", ".join(shares),
        per_byte=work.per_byte,
        steps=work.steps,
        each=work.multiply_adds / work.steps / 1e6,
    )


def seen(view: View) -> Iterator[str]:
    """The picture as each network gets it, and how it was prepared, as HTML; those that get the same share a figure."""
    groups: dict[Any, list[str]] = {}
    refusals = []
    for name in view.board.names:
        try:
            groups.setdefault(preprocess_of(name), []).append(titled(name))
        except Refused as refused:
            refusals.append(f"<p>{escape(told(refused))}</p>")
    figures = ""
    for preprocess, titles in groups.items():
        names = escape(", ".join(titles))
        alt = t("What these networks are given: {names}").format(names=names)
        lines = "".join(f"<span>{escape(line)}</span>" for line in prepared(preprocess))
        figures += (
            f'<figure><img src="{picture_url(preprocess.seen(view.picture))}" alt="{alt}">'
            f"<figcaption><b>{names}</b>{lines}</figcaption></figure>"
        )
    yield f'<div class="seen">{figures}</div>{"".join(refusals)}'


def prepared(preprocess: Any) -> list[str]:
    """How pictures are prepared for a network, step by step."""
    side, crop = preprocess.side, getattr(preprocess, "crop", None)
    if not hasattr(preprocess, "interpolation"):
        return [t("{side}×{side} px, grey in [0, 1], light on black").format(side=side)]
    if crop is None:
        first = t("squeezed to {side}×{side} px, {how}").format(side=side, how=t(preprocess.interpolation))
    else:
        first = t("shorter side to {shorter} px, {how}; the middle {side}×{side} px").format(
            shorter=round(side / crop), side=side, how=t(preprocess.interpolation)
        )
    numbers = [", ".join(f"{each:.3g}" for each in values) for values in (preprocess.mean, preprocess.std)]
    return [first, t("mean {mean}").format(mean=numbers[0]), t("std {std}").format(std=numbers[1])]


# The parts below the table, by name; one that is not open is not computed.
PARTS = {
    "agreement": ("Do they agree?", agreement),
    "firm": ("How firm is it?", firm),
    "lesson": ("Fewer multiply–adds, yet slower?", lesson),
    "seen": ("What it really saw", seen),
}


# ------------------------------------------------------------------------------------------------- The page


@dataclass(frozen=True)
class Choice:
    """What a visitor has chosen.

    Attributes:
        pictures: names of examples, and paths of uploads.
        networks: names.
        folded: whether to measure with batch normalisation folded in too.
    """

    pictures: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    folded: bool = False

    def read(self) -> list[Image.Image]:
        """The pictures.

        Raises:
            Refused: one cannot be read, or there are too many.
        """
        if len(self.pictures) > MOST_PICTURES:
            raise Refused("At most {most} pictures at once, please.", most=MOST_PICTURES)
        return [receive(picture_of(each)) for each in self.pictures]


class Piece(gr.HTML):
    """A piece of the tab that works in the page: `model_zoo_<name>.html` and `.js`."""

    def __init__(self, name: str, words: dict[str, Any], **rest: Any) -> None:
        here = Path(__file__)
        html, script = (here.with_name(f"{here.stem}_{name}.{kind}").read_text("utf-8") for kind in ("html", "js"))
        # Words stand in the text itself: properties of our own are lost where an answer comes before the tab is open.
        super().__init__(
            html_template=re.sub(r"{{words\.(\w+)}}", lambda found: escape(words[found[1]]), html),
            css_template=EVERY + CSS[name],
            js_on_load=f"const words = {json.dumps(words)};\n{script}",
            apply_default_css=False,
            elem_id=f"model-zoo-{name}",
            **rest,
        )

    def postprocess(self, value: Any) -> Any:
        """What the piece shows, as it is."""
        return value

    def api_info(self) -> dict[str, Any]:
        """JSON."""
        return {"type": "object"}


class Chooser(Piece):
    """Pictures and networks to choose; a function gets a `Choice`."""

    def preprocess(self, payload: Any) -> Choice:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read what was chosen, which may be anything that someone chose to send."""
        given = payload if isinstance(payload, dict) else {}
        pictures, networks = given.get("pictures"), given.get("networks")
        if not isinstance(pictures, list) or not isinstance(networks, list):
            return Choice()
        paths = [str(each.get("path")) if isinstance(each, dict) else str(each) for each in pictures]
        return Choice(tuple(paths), tuple(str(each)[:200] for each in networks), given.get("folded") is True)


# CSS of each piece, which its name in a comment begins; what stands before all of them is for each.
_STYLES = re.split(r"/\* -+ (\w+) \*/", Path(__file__).with_suffix(".css").read_text("utf-8"))
CSS: dict[str, str] = dict(zip(_STYLES[1::2], _STYLES[2::2], strict=True))
EVERY = _STYLES[0]


def choices(chosen: Sequence[str], pictures: Sequence[str]) -> dict[str, Any]:
    """What the chooser begins with."""
    thumbs = {name: re.findall(r'src="([^"]+)"', markup)[0] for name, markup in thumbnails().items()}
    groups = [
        {"title": t(title), "networks": [{"name": name, "title": titled(name), "about": about(name)} for name in names]}
        for title, names in grouped().items()
    ]
    return {
        "groups": groups,
        "examples": [{"name": name, "source": name, "thumb": thumb} for name, thumb in thumbs.items()]
        + [
            {"name": t("Your picture"), "source": {"path": path}, "thumb": picture_url(picture_of(path), 96)}
            for path in pictures
            if path not in thumbs
        ],
        "networks": list(chosen),
        "pictures": list(pictures),
    }


def about(name: str) -> str:
    """A word on a network in the list: its published accuracy."""
    entry = cnn_core.catalogue.CATALOGUE.get(name)
    return f"{entry.top1:.0f} %" if entry and entry.top1 is not None else ""


def warm_up() -> None:
    """Ask the shipped network once, so that the first visitor need not wait."""
    run(*EXAMPLES[0])


def begin(
    shows: str | None, current: str, handed: dict[str, str], board: Board | None, request: gr.Request
) -> Iterator[list[Any]]:
    """What the tab shows when it is opened: what a link asks for, and the visit's picture or an example.

    The first time, the shipped networks answer, and those of ImageNet whose weights are here; others are listed.

    Yields:
        source of the picture, what is left to hand over, what the chooser and the table show, and the board.
    """
    asked = asked_of(NAME, shows is None, handed, request)
    named = [name for name in asked.get("models", "").split(",") if name.strip()][:MOST_NETWORKS]
    before = board.sources if board else ()
    source, found = to_show(current, shows, next(iter(thumbnails()), ""))
    pictures = before if source in before or not source else (source,)
    if board is not None and not named and pictures == before:
        yield [source, {}, gr.skip(), gr.skip(), gr.skip()]
        return
    if board is not None:
        names = [*dict.fromkeys([*named, *board.names])][:MOST_NETWORKS]
        table_shown, fresh = preview(Choice(pictures, tuple(names)), board)
        yield [source, {}, choices(names, pictures), table_shown, fresh]
        return
    names = named or [*grouped()["Shipped: cats and dogs"], *FIRST]
    board = Board(pictures, [found] if found else [], names)
    yield [source, {}, choices(names, pictures), gr.skip(), board]
    for place in range(1, len(names) + 1):
        yield [*[gr.skip()] * 3, table_value(board, t("Looking networks up …"), True, None, names[:place]), gr.skip()]
    ready = [name for name in names if here(name)]
    with closing(board.compare(ready)) as steps:
        for _ in steps if ready and pictures else ():
            yield [*[gr.skip()] * 3, table_value(board, t("The worked example …"), True), gr.skip()]
    yield [*[gr.skip()] * 3, table_value(board, plan(board)), gr.skip()]


def preview(choice: Choice, board: Board | None) -> tuple[dict[str, Any], Board]:
    """What is known of what was just chosen, before anything is asked; answers to the same pictures stay."""
    names = wanted(choice.networks) if choice.networks else []
    same = board is not None and board.sources == choice.pictures
    fresh = Board(choice.pictures, board.pictures if board and same else choice.read(), names)
    if board and same:
        fresh.results, fresh.folded = dict(board.results), dict(board.folded)
    if board:
        fresh.lessons = board.lessons
    return table_value(fresh, plan(fresh)), fresh


def chose(choice: Choice, current: str, board: Board | None) -> list[Any]:
    """The visit's picture, twice: the one that was just added; nothing new where only networks were chosen."""
    added = [each for each in choice.pictures if not (board and each in board.sources)]
    if not added and (not current or current in choice.pictures):
        return [gr.skip()] * 2
    return [(added or [*choice.pictures] or [""])[-1]] * 2


ADDRESS = "chosen => window.convlens?.shows('model_zoo', { models: chosen.networks.join(',') })"


@on_gpu
def watch(choice: Choice, board: Board | None) -> Generator[tuple[dict[str, Any], Board], None, None]:
    """Compare, and show how far it is after each step."""
    names, pictures = wanted(choice.networks), choice.read()
    if not pictures:
        raise Refused("Choose a picture first: upload one, paste one, or take an example.")
    fresh = Board(choice.pictures, pictures, names, lessons=board.lessons if board else {})
    yield table_value(fresh, t("Beginning …"), True), fresh
    try:
        with closing(fresh.compare(folded=choice.folded)) as steps:
            for share in steps:
                yield table_value(fresh, *progress(fresh, share)), fresh
    except Exception as error:  # the page must not stay as if it were still running
        reason = told(error) if isinstance(error, Refused) else t("Something went wrong: the log says more.")
        yield table_value(fresh, reason), fresh
        raise
    yield table_value(fresh, finished(fresh)), fresh


def progress(board: Board, share: float | None) -> tuple[str, bool, float]:
    """How far a comparison is: a sentence, that it runs, and the share that is done."""
    done, asked = len(board.results), len(board.names)
    status = t("{done} of {all} networks").format(done=done, all=asked)
    for name in board.phases:
        if said := board.phases[name]:
            status += f" · {titled(name)}: {said}"
    return status, True, min((done + (share or 0)) / asked, 1.0)


def stopped(board: Board | None) -> Any:
    """What the table shows once the work has been stopped."""
    if board is None:
        return gr.skip()
    board.phases.clear()
    return table_value(board, t("Stopped.") + " " + plan(board)) | {"stopped": True}


def refresh(opened: str, board: Board | None, looking: int, kind: str) -> Iterator[list[Any]]:
    """What the part that is open shows now; those that are closed stay as they are."""
    if board is None or not board.pictures or opened not in PARTS:
        return
    for value in PARTS[opened][1](View(board, looking, kind)):
        yield [value if name == opened else gr.skip() for name in PARTS]


def picked(event: gr.EventData) -> int:
    """The picture whose answers were asked for."""
    index = (event._data or {}).get("index")
    if not isinstance(index, int) or not 0 <= index < MOST_PICTURES:
        raise Refused("That request cannot be read: please reload the page and try again.")
    return index


def picked_kind(event: gr.EventData) -> str:
    """The change that was asked for."""
    kind = (event._data or {}).get("kind")
    if kind not in KINDS:
        raise Refused("That request cannot be read: please reload the page and try again.")
    return kind


def build() -> None:
    """Lay out the tab inside the caller's Blocks."""
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    visited, shows, board = visit(), gr.State(None), gr.State(None)
    opened, looking, kind = gr.State(next(iter(PARTS))), gr.State(0), gr.State(KINDS[0])
    chooser = Chooser("chooser", words_of_chooser(), label=t("Pictures and networks"), server_functions=[checked])
    with gr.Row():
        start = gr.Button(t("Compare"), variant="primary", elem_id="model-zoo-compare", scale=0, min_width=150)
        stop = gr.Button(t("Stop"), elem_id="model-zoo-stop", scale=0, min_width=110)
    rows = Piece("table", words_of_table(), label=t("Networks side by side"))
    outputs, tabs, waking = [], {}, f"<p>{t('Waking the networks …')}</p>"
    with gr.Tabs(elem_id="model-zoo-parts", overflow_behavior="wrap") as parts:
        for name, (title, _) in PARTS.items():
            with part_of(NAME, t(title), name) as tabs[name]:
                outputs.append(
                    Piece(name, words_of_firm(), label=t(title))
                    if name == "firm"
                    else gr.HTML(waking, css_template=EVERY + CSS["parts"], elem_id=f"model-zoo-{name}", label=t(title))
                )

    showing = {"fn": shown(refresh), "inputs": [opened, board, looking, kind], "outputs": outputs, **quiet}
    arrived = [shows, visited.handed, chooser, rows, board]
    when_opened(shown(begin), [shows, visited.picture, visited.handed, board], arrived, **quiet).then(**showing)
    chooser.input(None, chooser, js=ADDRESS, api_visibility="private")
    at_once: dict[str, Any] = CHOSEN | {"preprocess": True}
    chooser.input(chose, [chooser, visited.picture, board], [shows, visited.picture], **at_once)
    chooser.input(shown(preview), [chooser, board], [rows, board], trigger_mode="always_last", **quiet)
    running = start.click(
        shown(watch), [chooser, board], [rows, board], concurrency_id=NAME, concurrency_limit=2, **quiet
    )
    running.then(**showing)
    stop.click(None, cancels=[running], api_visibility="private").then(shown(stopped), board, rows, **quiet)
    rows.select(shown(picked), None, looking, **quiet).then(**showing)
    outputs[list(PARTS).index("firm")].select(shown(picked_kind), None, kind, **quiet).then(**showing)
    for name, tab in tabs.items():
        tab.select(lambda name=name: name, None, opened, **quiet).then(**showing)
    keep_part(NAME, parts)
    build_endpoints()


def words_of_chooser() -> dict[str, Any]:
    """What the chooser says, in the visitor's language."""
    return {
        "pictures": t("Pictures"),
        "paste": t("One or several; paste or drop your own."),
        "add": t("Add your own"),
        "unreadable": t("{name} cannot be read as a picture."),
        "networks": t("Networks"),
        "waking": t("Waking the networks …"),
        "all": t("all / none"),
        "allOf": t("All or none of: {group}"),
        "any": t("Any other: a name of timm's or torchvision's, or a repository on the Hugging Face Hub"),
        "check": t("Check and add"),
        "checking": t("Asking what it is …"),
        "lost": t("That could not be asked: please try again."),
        "yours": t("Yours"),
        "fold": t("Measure again with batch normalisation folded into the convolutions and channels last"),
        "names": {name: t(name) for name in thumbnails()},
    }


def words_of_table() -> dict[str, Any]:
    """What the table says, in the visitor's language."""
    return {
        "progress": t("Progress"),
        "answersFor": t("Answers for"),
        "picture": t("Picture {number}"),
        "filter": t("Filter"),
        "filterHint": t("name, answer, licence …"),
        "sort": t("Sort by"),
        "asChosen": t("as chosen"),
        "csv": t("Download the table (CSV)"),
        "table": t("Networks side by side"),
        "heads": {
            "network": t("Network"),
            "answer": t("Answer"),
            "params": t("Parameters"),
            "macs": t("Multiply–adds"),
            "file": t("File"),
            "latency": t("Latency"),
            "peak": t("Peak memory"),
            "top1": t("Published top‑1"),
            "licence": t("Licence"),
        },
        "none": t("no prediction"),
        "waits": t("not asked yet"),
        "unmeasured": t("not measured"),
        "unknown": t("not known"),
        "p95": t("p95 {ms}"),
        "gain": t("folded {ms}, {times}× as fast"),
        "more": t("More about {name}"),
        "five": t("The five likeliest"),
        "fiveOf": t("The five likeliest, picture {number}"),
        "other": t("Add its weights {weights}"),
        "filtered": t("No row matches the filter."),
        "empty": t("Waking the networks …"),
        "plotLatency": t("Published accuracy against measured latency"),
        "plotParams": t("Published accuracy against parameters"),
        "axisLatency": t("Latency (ms, median, one picture)"),
        "axisParams": t("Parameters (million)"),
        "axisTop1": t("Published top-1 (%)"),
        "noLatency": t("Latency is measured when you press Compare."),
        "noPoints": t("None of the chosen networks has a published accuracy on ImageNet."),
        "point": t("{name}: {top1} %, {value}"),
        "onFront": t("(on the Pareto front)"),
        "front": t(
            "Filled: on the Pareto front, where no other of these networks is both cheaper and more accurate. "
            "Published accuracies are those on ImageNet; networks without one are not drawn."
        ),
    }


def words_of_firm() -> dict[str, Any]:
    """What the part on firmness says, in the visitor's language."""
    return {
        "kind": t("What is done to the picture"),
        "kinds": {
            "blur": t("Blur"),
            "crop": t("Crop"),
            "turn": t("Turn"),
            "darken": t("Darken"),
            "jpeg": t("JPEG quality"),
        },
        "disturbed": t("The picture, changed"),
        "strength": t("Strength"),
        "caption": t("{kind}, {strength}"),
        "now": t("{name} ({share})"),
        "firm": t("stays with its answer"),
        "changes": t("changes its mind at {strength}"),
        "key": t("A bar per strength, from none to most: taller is surer; orange is another answer than at first."),
    }


def build_endpoints() -> None:
    """What scripts call, apart from what the page's own events call."""
    picture = Picture(label=t("Picture"), type="pil", visible=False)
    models = Names(
        [SHIPPED], value=[SHIPPED], multiselect=True, allow_custom_value=True, label=t("Models"), visible=False
    )
    answers = Table(label=t("Networks side by side"), visible=False)
    details, listed = gr.JSON(label=t("Details"), visible=False), gr.JSON(label=t("Networks"), visible=False)
    endpoint(run, [picture, models], [answers, details], API, concurrency_id=NAME, concurrency_limit=2)
    endpoint(list_models, None, listed, "list_models")
