"""Networks side by side on the same pictures: what each answers, what it costs, and how firm its answer is."""

from __future__ import annotations

import copy
import logging
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from math import prod
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from cnn_core import feature_maps, model_cache, weights, zoo
from cnn_core.catalogue import CATALOGUE, Entry
from cnn_core.errors import Refused, Words
from cnn_core.preprocessing import Preprocess
from cnn_core.weights import HubFile, TorchvisionWeights

TOP = 5
RUNS = 30  # forward passes that a latency is taken from, at most
LONGEST = 2.0  # s that they take together, but for the least number of them
LEAST_RUNS = 3
WARM_UP = 2  # forward passes before them
BATCH = 8  # pictures that go through a network at once
POLL = 0.2  # s between two looks at a download
NARROWEST = 1 / 20  # shorter side of a picture as a share of the longer one
FEW = 5  # multiply–adds per byte moved, below which processors wait for memory more than they calculate
TOLERANCE = 1e-4  # of class scores, relative and absolute, that folding may change


@dataclass(frozen=True)
class Facts:
    """What is known of a network before its weights are here.

    Attributes:
        name: as `zoo.get` takes it.
        title: as papers write it.
        family: networks of one design share it.
        num_params: numbers that are learnt; of Inception v3, with the auxiliary head that only training uses.
        multiply_adds: of one picture.
        megabytes: of the file with the weights, 10^6 bytes.
        input_side: of the square picture that the network sees, in px.
        top1: published accuracy on ImageNet-1K in percent.
        top1_source: who publishes it, and on what.
        licence: of the weights; "" where none is stated.
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
    """A network's row.

    Attributes:
        facts: of the weights that served.
        predictions: for each picture the likeliest classes with their probabilities in [0, 1]; () without weights.
        latency: of one picture; of the same architecture with random weights where there are no others.
        peak_megabytes: 10^6 bytes of tensors that are alive at once in a forward pass of one picture, beside the
            weights; what the convolution library takes for itself comes on top. On a graphics card, as its allocator
            measures it.
        source: what served the weights, if anything did.
        error: why there is no prediction, in one sentence, if there is none.
        probabilities: (P, K).
        classes: K names.
    """

    facts: Facts
    predictions: tuple[tuple[tuple[str, float], ...], ...] = ()
    latency: Latency | None = None
    peak_megabytes: float | None = None
    source: Words | None = None
    error: Words | None = None
    probabilities: Tensor | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """What is being done for a network; bytes only while its weights are downloading."""

    name: str
    phase: Literal["downloading", "loading", "warming up", "measuring", "done"]
    done: int = 0
    total: int = 0


# ---------------------------------------------------------------------------------------------------- Facts


@dataclass(frozen=True)
class Work:
    """What one forward pass of one picture takes, counted on the architecture alone.

    Attributes:
        num_params: numbers that are learnt.
        multiply_adds: by the formulas of `torch.utils.flop_counter`, halved.
        kinds: multiply–adds by what does them: "dense", "1×1", "grouped", "depthwise", "fully connected", "attention".
        steps: operations that compute something.
        bytes_moved: read and written by them, each tensor once per operation.
        peak: bytes of tensors alive at once, without the weights.
    """

    num_params: int
    multiply_adds: int
    kinds: dict[str, int]
    steps: int
    bytes_moved: int
    peak: int

    @property
    def per_byte(self) -> float:
        """Multiply–adds for each byte moved; below `FEW`, moving numbers and starting steps set the pace."""
        return self.multiply_adds / self.bytes_moved


class Counting(TorchDispatchMode):
    """Counts what runs within it, and which tensors are alive.

    `FlopCounterMode` hooks the modules of the whole process, other visitors' too; its formulas do without.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.kinds: Counter[str] = Counter()
        self.steps = self.bytes_moved = self.live = self.peak = 0
        self.known = {tensor.untyped_storage()._cdata for tensor in network.state_dict(keep_vars=True).values()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation, and give what it would."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        outputs = [each for each in tree_leaves(output) if isinstance(each, Tensor)]
        if formula := flop_registry.get(func.overloadpacket):
            self.kinds[_kind(func, args)] += int(formula(*args, **kwargs, out_val=output)) // 2
        if not any(value.alias_info and not value.alias_info.is_write for value in func._schema.returns):  # no view
            inputs = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
            self.steps += 1
            self.bytes_moved += sum(each.numel() * each.element_size() for each in (*inputs, *outputs))
        for each in outputs:
            self.watch(each.untyped_storage())
        return output

    def watch(self, storage: torch.UntypedStorage) -> None:
        """Count a tensor's memory as long as it lives."""
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return

        def gone() -> None:
            self.live -= size
            self.known.discard(key)

        self.known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, gone)


def _kind(func: Any, args: Any) -> str:
    name = func.overloadpacket.__name__
    if "convolution" not in name:
        return "fully connected" if name in ("mm", "addmm") else "attention"
    weight = args[1]
    groups = args[8] if len(args) > 8 else 1
    if prod(weight.shape[2:]) == 1:
        return "1×1"
    return "dense" if groups == 1 else "depthwise" if weight.shape[1] == 1 else "grouped"


@torch.no_grad()
def work(network: nn.Module, shape: Sequence[int]) -> Work:
    """What a network has to do for one picture.

    Args:
        network: in eval mode; its numbers are not used, and lost.
        shape: of one input, (C, H, W).

    Raises:
        Refused: it takes no input of this shape.
    """
    network = network.to("meta").eval()
    with Counting(network) as counted:
        feature_maps.forward(network, torch.empty(1, *shape, device="meta"))
    count = sum(parameter.numel() for parameter in network.parameters())
    return Work(count, counted.kinds.total(), dict(counted.kinds), counted.steps, counted.bytes_moved, counted.peak)


@dataclass(frozen=True)
class Blueprint:
    """How to build a network with random parameters, and what its input is."""

    build: Callable[[], nn.Module]
    preprocess: Preprocess
    described: zoo.Description | None = None


def _blueprint(name: str) -> Blueprint:
    """Of a `zoo.key`; torchvision's architecture where there are two, as its published figures are of that one."""
    if name in weights.WEIGHTS:
        row = weights.WEIGHTS[name]
        return Blueprint(row.build, row.preprocess)
    if name.startswith(zoo.UNTRAINED):
        return Blueprint(*zoo.untrained(name))
    described = zoo.describe(zoo.sources(name)[0], fetch=False)
    entry = CATALOGUE.get(name)
    build = zoo.describe(TorchvisionWeights(entry.weight)).build if entry and entry.weight else described.build
    return Blueprint(build, described.preprocess, described)


@lru_cache(256)
@torch.inference_mode(mode=False)
def _work(name: str) -> Work:
    plan = _blueprint(name)
    return work(zoo.numberless(plan.build), plan.preprocess.shape)


@lru_cache(256)
def facts(name: str) -> Facts:
    """What is known of a network without its weights; only a Hub repository's config.json is fetched.

    Raises:
        Refused: there is no such network, or it does not classify pictures.
    """
    key = zoo.key(name)
    plan, done = _blueprint(key), _work(key)
    title, family = _named(key)
    top1, source, licence, megabytes = None, "", "", done.num_params * 4 / 1e6
    if key in weights.WEIGHTS:
        row = weights.WEIGHTS[key]
        source, licence = row.metric, row.licence  # a metric of its own: cats and dogs are not ImageNet
        if file := row.source.here():
            megabytes = file.stat().st_size / 1e6  # half precision takes half the room
    elif entry := CATALOGUE.get(key):
        top1, source, licence = entry.top1, entry.top1_source, entry.licence
    if plan.described:
        megabytes = plan.described.megabytes or megabytes
        licence = licence or plan.described.licence
        if plan.described.top1 is not None and key not in CATALOGUE:
            top1, source = plan.described.top1, f"torchvision, {key}, ImageNet-1K acc@1"
    return Facts(key, title, family, done.num_params, done.multiply_adds, megabytes, plan.preprocess.shape[1], top1,
                 source, licence)  # fmt: skip


def _named(key: str) -> tuple[str, str]:
    """Title and family."""
    if key in weights.WEIGHTS:
        return key.replace("_", " "), "ConvLens"
    if row := CATALOGUE.get(key):
        return row.title, row.family
    row = _row_of(key)
    tag = key.rpartition(".")[2]
    if row:
        return f"{row.title} ({tag})", row.family
    return key.removeprefix("timm/"), ""


def _row_of(weight: str) -> Entry | None:
    """The row of the catalogue that certain weights belong to."""
    return next((row for row in CATALOGUE.values() if weight in (row.repo, row.weight, *row.others)), None)


def check(typed: str) -> Facts:
    """What is known of a network that a visitor names; nothing is downloaded but its description.

    Raises:
        Refused: there is no such network, it is no classifier of pictures, it is too large, offers no safetensors, or
            the Hub is out of reach.
    """
    typed = typed.strip()
    if not typed:
        raise Refused("Type the name of a network: one of torchvision's or timm's, or owner/name on the Hub.")
    key = zoo.key(typed)
    if "/" in key and not key.startswith(zoo.UNTRAINED) and not zoo.listed(key):
        return _check_repository(key)
    found = facts(key)
    if found.megabytes > zoo.MOST_MEGABYTES:
        raise zoo.too_large(typed, round(found.megabytes))
    return found


def _check_repository(repo: str) -> Facts:
    """A repository that timm's table does not have: what the Hub says of it, or, if it is here, what it says itself."""
    if HubFile(repo, zoo.FILE).here() and HubFile(repo, "config.json").here():
        return facts(repo)
    card = zoo.card(repo)
    files = card.files
    if zoo.FILE not in files:
        if pickled := next((name for name in files if name.endswith(zoo.PICKLES)), ""):
            raise Refused("{name} offers its weights as a pickle only ({file}), which can run code when it is opened: "
                          "choose a repository with {wanted}.", name=repo, file=pickled, wanted=zoo.FILE)  # fmt: skip
        raise Refused("{name} holds no {wanted}: choose a repository of a network that classifies pictures.",
                      name=repo, wanted=zoo.FILE)  # fmt: skip
    if "config.json" not in files:
        raise Refused("{name} has no config.json, so nobody knows what network its weights are for.", name=repo)
    size = card.files[zoo.FILE] / 1e6
    if size > zoo.MOST_MEGABYTES:
        raise zoo.too_large(repo, round(size))
    found = facts(repo)
    return replace(found, megabytes=size or found.megabytes, licence=found.licence or card.licence)


# ---------------------------------------------------------------------------------------------------- Measuring


_measuring = threading.Lock()  # two measurements at once would measure each other


def device() -> torch.device:
    """Where networks are compared: the graphics card if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def latency(network: nn.Module, images: Tensor) -> Latency:
    """How long a forward pass takes, measured alone in this process.

    Args:
        network: on the device of the images.
        images: (1, C, H, W).
    """
    cuda = images.is_cuda
    took: list[float] = []
    with _measuring, torch.inference_mode():
        began = time.perf_counter()
        for number in range(WARM_UP + RUNS):
            start = time.perf_counter()
            network(images)
            if cuda:
                torch.cuda.synchronize()
            end = time.perf_counter()
            took.append((end - start) * 1000)
            if number + 1 >= WARM_UP + LEAST_RUNS and end - began > LONGEST:
                break
    took = took[WARM_UP:]
    where = torch.cuda.get_device_name() if cuda else "processor"
    return Latency(float(np.median(took)), float(np.percentile(took, 95)), len(took), torch.get_num_threads(), where)


def _peak(network: nn.Module, images: Tensor, counted: Work) -> float:
    """MB beside the weights; see `Result.peak_megabytes`."""
    if not images.is_cuda:
        return counted.peak / 1e6
    with _measuring, torch.inference_mode():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        network(images)
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6


# ---------------------------------------------------------------------------------------------------- Folding


@torch.inference_mode(mode=False)
def folded(network: nn.Module, images: Tensor, channels_last: bool = True) -> nn.Module:
    """A copy that answers the same and computes less: batch normalisations folded into the convolutions before them.

    A normalisation follows its convolution if, in a forward pass, it takes that convolution's very output.

    Args:
        network: in eval mode; left as it is. What is not folded is shared with it.
        images: (N, C, H, W), to find out what follows what, and to check that scores stay within 1e-4.
        channels_last: whether the numbers of one place lie side by side in memory, as some processors like it better.

    Returns:
        The copy, or the network itself if the scores would change.
    """
    copied = feature_maps.private(network)
    before: dict[int, tuple[str, Tensor]] = {}  # id of a convolution's output -> its name, and the output, to keep it
    pairs: dict[str, str] = {}
    calls: Counter[str] = Counter()

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            calls[name] += 1
            if isinstance(module, nn.Conv2d):
                before[id(output)] = name, output
            elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in before:
                pairs[name] = before[id(inputs[0])][0]

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in copied.named_modules()]
    with torch.inference_mode():
        expected = feature_maps.logits(copied, images)
    for hook in hooks:
        hook.remove()
    before.clear()
    for normalisation, convolution in pairs.items():
        if calls[normalisation] == calls[convolution] == 1:
            _fold(copied, convolution, normalisation)
    if channels_last:
        copied = copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = feature_maps.logits(copied, images)
    if not torch.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        logging.getLogger(__name__).warning("Folding changes what %s answers.", type(network).__name__)
        return network
    return copied


def _fold(network: nn.Module, convolution: str, normalisation: str) -> None:
    norm: Any = network.get_submodule(normalisation)
    fused = fuse_conv_bn_eval(network.get_submodule(convolution), norm)  # type: ignore[type-var]
    network.set_submodule(convolution, fused)
    # timm's normalisations bring an activation along.
    rest = [getattr(norm, name) for name in ("drop", "act") if isinstance(getattr(norm, name, None), nn.Module)]
    network.set_submodule(normalisation, nn.Sequential(*rest) if rest else nn.Identity())


@dataclass(frozen=True)
class Variant:
    """A network as it runs here."""

    module: nn.Module


def _variant(stack: ExitStack, name: str, network: nn.Module, images: Tensor, fold: bool) -> nn.Module:
    """The network on the device of the images, folded if wanted; kept like any other for the next question."""
    if not fold and not images.is_cuda:
        return network

    @torch.inference_mode(mode=False)
    def make() -> Variant:
        moved = copy.deepcopy(network).to(images.device) if images.is_cuda else network
        return Variant(folded(moved, images[:1]) if fold else moved)

    label = f"{name} on {images.device}{', folded' * fold}, {id(network)}"
    return stack.enter_context(model_cache.keeping(label, make)).module


# ---------------------------------------------------------------------------------------------------- Comparing


def compare(
    pictures: Sequence[Image.Image], names: Sequence[str], *, measure: bool = True, folded: bool = False
) -> Generator[Progress | Result, None, None]:
    """Ask networks about pictures, one network after another; each prepares them its own way.

    Args:
        pictures: any number; without one, networks are only measured.
        names: as `zoo.get` takes them.
        measure: latency and memory too.
        folded: batch normalisations folded, channels last.

    Yields:
        What is being done, and for each network its row. Closing the generator ends it between two steps; a download
        that has begun goes on for whoever asks next.

    Raises:
        Refused: a picture is too long and narrow to be squared.
    """
    for picture in pictures:
        _suits(picture)
    prepared: dict[Preprocess, Tensor] = {}  # several networks see the same
    for name in dict.fromkeys(names):
        result = None
        with closing(_ask(pictures, name, measure, folded, prepared)) as steps:
            try:
                yield from steps
            except Refused as refused:
                result = _failed(name, refused.words)
            except Exception as error:
                logging.getLogger(__name__).exception("%s failed", name)
                kind = type(error).__name__
                said = Words("{name} failed on this machine ({kind}): the log says more.", name=name, kind=kind)
                result = _failed(name, said)
        if result:
            yield result
        yield Progress(name, "done")


def _suits(picture: Image.Image) -> None:
    if min(picture.size) < NARROWEST * max(picture.size):
        raise Refused(
            "The picture of {width}×{height} px is too long and narrow for networks that see squares: crop it first.",
            width=picture.width,
            height=picture.height,
        )


def _failed(name: str, reason: Words) -> Result:
    try:
        found = facts(name)
    except Exception:  # what is wrong has been said
        found = Facts(name, name, "", 0, 0, 0.0, 0, None, "", "")
    return Result(found, error=reason)


def _ask(
    pictures: Sequence[Image.Image], name: str, measure: bool, fold: bool, prepared: dict[Preprocess, Tensor]
) -> Generator[Progress | Result, None, None]:
    """One network's part of `compare`."""
    yield Progress(name, "loading")
    known = facts(name)
    error, network = None, None
    with ExitStack() as stack:
        try:
            network = yield from _loaded(stack, name)
        except Refused as refused:
            error = refused.words
        if network and not network.trained:
            error = Words("{name} has random weights: it knows no answer.", name=name)
        where = device()
        if network:
            module, preprocess = network.module, network.preprocess
            known = _as_served(known, network)
        else:  # speed does not depend on what was learnt
            plan = _blueprint(zoo.key(name))
            label = f"{zoo.key(name)} with random weights"
            module, preprocess = _random(stack, label, plan), plan.preprocess
        if preprocess not in prepared:
            blank = [Image.new("RGB", (preprocess.side, preprocess.side), "grey")]
            prepared[preprocess] = torch.cat([preprocess(picture) for picture in pictures or blank]).to(where)
        images = prepared[preprocess]
        module = _variant(stack, zoo.key(name), module, images, fold)
        if fold:
            images = images.contiguous(memory_format=torch.channels_last)
        result = Result(known, error=error)
        if network and not error:
            yield Progress(name, "warming up")
            result = replace(result, source=network.source, classes=network.classes)
            if pictures:
                found = probabilities(module, images)
                tops = tuple(_top(row, network.classes) for row in found)
                result = replace(result, predictions=tops, probabilities=found)
        if measure:
            yield Progress(name, "measuring")
            peak = _peak(module, images[:1], _work(known.name))
            result = replace(result, latency=latency(module, images[:1]), peak_megabytes=peak)
        yield result


def _loaded(stack: ExitStack, name: str) -> Generator[Progress, None, zoo.Network]:
    """The network of a name, in use until the stack closes; says meanwhile how far its download is.

    Yields:
        Progress, while it is being loaded in a thread.

    Returns:
        The network.

    Raises:
        Refused: as `zoo.get`.
    """
    if zoo.key(name) in model_cache.names():
        return stack.enter_context(model_cache.using(name))
    future: Future[zoo.Network] = Future()
    own = ExitStack()

    def load() -> None:
        try:
            future.set_result(own.enter_context(model_cache.using(name)))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=load, name="zoo", daemon=True).start()
    # However this ends, the network is in use until then and no longer.
    stack.callback(future.add_done_callback, lambda _: own.close())
    while not wait([future], POLL).done:
        done, total = weights.transfers.get(zoo.key(name), (0, 0))
        yield Progress(name, "downloading" if total else "loading", done, total)
    return future.result()


def _as_served(known: Facts, network: zoo.Network) -> Facts:
    """The facts of the weights that came: a row's second choice is another recipe, of another accuracy."""
    if not network.served or zoo.key(network.served) == known.name:
        return known
    return replace(facts(network.served), name=known.name, title=known.title, family=known.family)


def _random(stack: ExitStack, label: str, plan: Blueprint) -> nn.Module:
    make = torch.inference_mode(mode=False)(lambda: Variant(plan.build().eval()))
    return stack.enter_context(model_cache.keeping(label, make)).module


def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Of every class, (N, K), on the processor; a few pictures at a time, in bounded memory.

    Raises:
        Refused: the network gives no class scores, or takes no such images.
    """
    with torch.inference_mode():
        return torch.cat([feature_maps.logits(network, part).softmax(1).cpu() for part in images.split(BATCH)])


def _top(probabilities: Tensor, classes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    best = probabilities.topk(min(TOP, len(classes)))
    return tuple((classes[int(place)], float(value)) for value, place in zip(*best, strict=True))


# ---------------------------------------------------------------------------------------------------- Reading the rows


def frontier(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points no other beats: less of the first value and more of the second is better (Pareto)."""
    return [not any(x <= left and y >= up and (x, y) != (left, up) for x, y in points) for left, up in points]


def _peers(results: Sequence[Result]) -> list[Result]:
    """Those that answered with the same classes: of several such groups the largest, of two equal ones the first."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for each in results:
        if each.probabilities is not None:
            groups.setdefault(each.classes, []).append(each)
    return max(groups.values(), key=len, default=[])


def disagreement(results: Sequence[Result]) -> tuple[list[str], NDArray[np.float64]]:
    """Which networks answer differently; those with other classes than most are left out.

    Returns:
        Their n names, and (n, n): the share of pictures of which two say another class first.
    """
    peers = _peers(results)
    firsts = np.array([[top[0][0] for top in each.predictions] for each in peers])
    shares = (firsts[:, None] != firsts[None]).mean(-1) if peers else np.zeros((0, 0))
    return [each.facts.name for each in peers], shares


def vote(results: Sequence[Result]) -> tuple[tuple[tuple[str, float], ...], ...]:
    """For each picture the likeliest classes by the average of probabilities, among the networks of `disagreement`."""
    peers = _peers(results)
    if not peers:
        return ()
    average = torch.stack([each.probabilities for each in peers if each.probabilities is not None]).mean(0)
    return tuple(_top(row, peers[0].classes) for row in average)


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
    """How firm networks are in what they say of a picture while it is changed.

    Yields:
        A network's name; at each strength its first answer and the probability of it; the first strength at which that
        is not what it says of the picture as it is, or `None`. No answers where the weights are out of reach.
    """
    _suits(picture)
    pictures = [disturb(picture, kind, strength) for strength in (0, *strengths)]
    for name in dict.fromkeys(names):
        result = next(each for each in compare(pictures, [name], measure=False) if isinstance(each, Result))
        tops = [top[0] for top in result.predictions]
        answers = [(strength, *top) for strength, top in zip(strengths, tops[1:], strict=bool(tops))]
        yield name, answers, next((strength for strength, answer, _ in answers if answer != tops[0][0]), None)


def lesson(names: Sequence[str]) -> list[tuple[str, int, float, float, Work]]:
    """Why is the one with fewer multiply–adds slower? Measured here, on random weights.

    Returns:
        Rows (name, multiply–adds, ms, ms per 100 million multiply–adds, work): the last says why.
    """
    rows = []
    for name in dict.fromkeys(names):
        key = zoo.key(name)
        done, plan = _work(key), _blueprint(key)
        with ExitStack() as stack:
            images = torch.rand(1, *plan.preprocess.shape, device=device())
            module = _random(stack, f"{key} with random weights", plan)
            took = latency(_variant(stack, key, module, images, False), images).median_ms
        rows.append((name, done.multiply_adds, took, took / done.multiply_adds * 1e8, done))
    return rows
