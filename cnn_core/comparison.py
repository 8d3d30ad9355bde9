"""Networks side by side on the same pictures: what each answers, what it costs, and how firm its answer is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor, nn

from cnn_core import feature_maps, networks, weights, zoo
from cnn_core.catalogue import CATALOGUE
from cnn_core.errors import Refused

TOP = 5
RUNS = 15  # forward passes that a latency is the median of
WARM_UP = 3  # forward passes before them
MOST_MEGABYTES = 700  # of a weights file: VGG-16's has 553 MB


@dataclass(frozen=True)
class Facts:
    """What is known of a network before its weights are.

    Attributes:
        name: as `zoo.get` takes it.
        title: as papers write it.
        family: networks of one design share it.
        num_params: numbers that are learnt, as the weights hold them.
        multiply_adds: of one picture.
        megabytes: of the file with the weights, 10^6 bytes.
        input_side: of the square picture that the network sees, in px.
        top1: published accuracy in percent.
        top1_source: who publishes it, and on what.
        licence: of the weights, as stated.
    """

    name: str
    title: str
    family: str
    num_params: int
    multiply_adds: int
    megabytes: float
    input_side: int
    top1: float | None
    top1_source: str
    licence: str


@dataclass(frozen=True)
class Latency:
    """How long a forward pass of one picture takes, in ms, after warm-up."""

    median_ms: float
    p95_ms: float
    runs: int
    threads: int
    device: str


@dataclass(frozen=True)
class Result:
    """A network's row; see the attributes of `Facts` for the rest.

    Attributes:
        facts: of the weights that served.
        predictions: for each picture the likeliest classes with their probabilities in [0, 1]; () without weights.
        latency: of one picture; of the same architecture with random weights where there are no others.
        peak_megabytes: memory of one forward pass beyond the weights, 10^6 bytes.
        source: what served the weights; "" if nothing did.
        error: why there is no prediction, in one sentence; "" if there is one.
        probabilities: (P, K).
        classes: K names.
    """

    facts: Facts
    predictions: tuple[tuple[tuple[str, float], ...], ...] = ()
    latency: Latency | None = None
    peak_megabytes: float | None = None
    source: str = ""
    error: str = ""
    probabilities: Tensor | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """What is being done for a network; bytes only while its weights are downloading."""

    name: str
    phase: Literal["downloading", "loading", "warming up", "measuring", "done"]
    done: int = 0
    total: int = 0


@lru_cache(512)
def facts(name: str) -> Facts:
    """What is known of a network without its weights.

    Raises:
        Refused: there is no such network.
    """
    name = name.strip()
    if name in weights.WEIGHTS:
        row = weights.WEIGHTS[name]
        network, shape = row.build(), row.preprocess.shape
        macs = _multiply_adds(network.to("meta"), shape)
        return Facts(name, name, "ConvLens", row.num_params, macs, row.num_params * 4 / 1e6, shape[1], None, row.metric,
                     row.licence)  # fmt: skip
    if "/" in name and not name.startswith(("timm/", zoo.UNTRAINED)):
        config = json.loads(zoo._file(name, name, "config.json").read_text(encoding="utf-8"))
        network, side = zoo._architecture(name, name, config).to("meta").eval(), zoo._photograph(config).side
        count = sum(parameter.numel() for parameter in network.parameters())
        macs = _multiply_adds(network, (3, side, side))
        return Facts(name, name, "", count, macs, count * 4 / 1e6, side, None, "", str(config.get("license", "")))
    entry = CATALOGUE.get(name)
    architecture = networks.resolve(entry.weight.split("_Weights")[0].lower() if entry and entry.weight else name)
    side = networks.size_of(architecture)
    network = networks.build(architecture, numberless=True).to("meta")
    macs = _multiply_adds(network, (3, side, side))
    count = sum(parameter.numel() for parameter in network.parameters())
    return Facts(name, entry.title if entry else name, entry.family if entry else "", count, macs, count * 4 / 1e6,
                 side, entry.top1 if entry else None, entry.top1_source if entry else "",
                 entry.licence if entry else "")  # fmt: skip


def _multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, *shape, device="meta"))
    return counter.get_total_flops() // 2


def check(typed: str) -> Facts:
    """What is known of a network that a visitor names; nothing is downloaded but its description.

    Raises:
        Refused: there is no such network, it is no classifier of pictures, or too large.
    """
    return facts(typed.strip())


_measuring = threading.Lock()  # two measurements at once would measure each other


def _latency(network: nn.Module, images: Tensor) -> Latency:
    with _measuring, torch.inference_mode():
        for _ in range(WARM_UP):
            network(images)
        took = []
        for _ in range(RUNS):
            began = time.perf_counter()
            network(images)
            took.append((time.perf_counter() - began) * 1000)
    return Latency(float(np.median(took)), float(np.percentile(took, 95)), RUNS, torch.get_num_threads(), "processor")


def compare(
    pictures: Sequence[Image.Image], names: Sequence[str], *, measure: bool = True, folded: bool = False
) -> Iterator[Progress | Result]:
    """Ask networks about pictures, one network after another.

    Args:
        pictures: any number.
        names: as `zoo.get` takes them.
        measure: latency and memory too.
        folded: batch normalisations folded into the convolutions before them.

    Yields:
        What is being done, and for each network its row. Closing the generator ends it between two steps.
    """
    for name in dict.fromkeys(names):
        yield Progress(name, "loading")
        try:
            found = facts(name)
        except Refused as refused:
            yield Result(Facts(name, name, "", 0, 0, 0.0, 0, None, "", ""), error=str(refused))
            continue
        error, network = "", None
        try:
            network = zoo.get(name)
        except Refused as refused:
            error = str(refused)
        latency, predictions, probabilities = None, (), None
        if network:
            images = torch.cat([network.preprocess(picture) for picture in pictures])
            with torch.inference_mode():
                probabilities = feature_maps.logits(network.module, images).softmax(1)
            predictions = tuple(_top(row, network.classes) for row in probabilities)
        if measure:
            yield Progress(name, "measuring")
            module = network.module if network else _random(name)
            latency = _latency(module, torch.zeros(1, 3, found.input_side, found.input_side))
        yield Result(found, predictions, latency, None, str((network and name) or ""), error, probabilities,
                     network.classes if network else ())  # fmt: skip
        yield Progress(name, "done")


@torch.inference_mode(mode=False)
def _random(name: str) -> nn.Module:
    entry = CATALOGUE.get(name)
    return networks.build(entry.weight.split("_Weights")[0].lower() if entry and entry.weight else name)


def _top(probabilities: Tensor, classes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    best = probabilities.topk(min(TOP, len(classes)))
    return tuple((classes[place], float(value)) for value, place in zip(*best, strict=True))


def frontier(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points no other beats: less of the first value and more of the second is better (Pareto)."""
    return [
        not any((x <= left and y >= up) and (x, y) != (left, up) for x, y in points) for left, up in points
    ]  # fmt: skip


def disagreement(results: Sequence[Result]) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the networks that answered, and (n, n): the share of pictures with another first answer."""
    answered = [each for each in results if each.predictions]
    firsts = np.array([[top[0][0] for top in each.predictions] for each in answered])
    shares = (firsts[:, None] != firsts[None]).mean(-1) if answered else np.zeros((0, 0))
    return [each.facts.name for each in answered], shares


def vote(results: Sequence[Result]) -> tuple[tuple[tuple[str, float], ...], ...]:
    """For each picture the likeliest classes by the average of the networks' probabilities."""
    answered = [each for each in results if each.probabilities is not None]
    if not answered:
        return ()
    same = [each.probabilities for each in answered if each.classes == answered[0].classes]
    average = torch.stack([each for each in same if each is not None]).mean(0)
    return tuple(_top(row, answered[0].classes) for row in average)


KINDS = ("blur", "crop", "turn", "darken", "jpeg")


def disturb(picture: Image.Image, kind: str, strength: float) -> Image.Image:
    """The picture changed in one way, of the same size; strength 0 leaves it alone, 1 is the most."""
    picture = picture.convert("RGB")
    if not strength:
        return picture
    width, height = picture.size
    match kind:
        case "blur":
            return picture.filter(ImageFilter.GaussianBlur(strength * min(width, height) / 20))
        case "crop":
            keep = 1 - 0.8 * strength
            left, top = width * (1 - keep) / 2, height * (1 - keep) / 2
            return picture.resize((width, height), Image.Resampling.BICUBIC, (left, top, width - left, height - top))
        case "turn":
            return picture.rotate(180 * strength, Image.Resampling.BICUBIC)
        case "darken":
            return picture.point([round(value * (1 - 0.95 * strength)) for value in range(256)] * 3)
        case "jpeg":
            file = BytesIO()
            picture.save(file, "JPEG", quality=max(1, round(95 * (1 - strength))))
            return Image.open(file).convert("RGB")
    raise Refused("There is no change called {kind!r}; there are {kinds}.", kind=kind, kinds=", ".join(KINDS))


def firmness(
    picture: Image.Image, names: Sequence[str], kind: str, strengths: Sequence[float]
) -> Iterator[tuple[str, list[tuple[float, str, float]], float | None]]:
    """For each network: what it answers at each strength, and the first strength at which the answer changes."""
    for name in names:
        try:
            network = zoo.get(name)
        except Refused:
            continue
        images = torch.cat([network.preprocess(disturb(picture, kind, strength)) for strength in (0, *strengths)])
        with torch.inference_mode():
            probabilities = feature_maps.logits(network.module, images).softmax(1)
        tops = [_top(row, network.classes)[0] for row in probabilities]
        answers = [(strength, *top) for strength, top in zip(strengths, tops[1:], strict=True)]
        changed = next((strength for strength, answer, _ in answers if answer != tops[0][0]), None)
        yield name, answers, changed


def lesson(names: Sequence[str]) -> list[tuple[str, int, float, float, str]]:
    """Rows (name, multiply–adds, ms, ms per 100 million multiply–adds, why)."""
    rows = []
    for name in names:
        found = facts(name)
        latency = _latency(_random(name), torch.zeros(1, 3, found.input_side, found.input_side))
        rows.append((name, found.multiply_adds, latency.median_ms, latency.median_ms / found.multiply_adds * 1e8, ""))
    return rows
