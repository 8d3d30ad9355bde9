"""Networks ready to use: a name to the network, how pictures become its input, and what its answers are called.

A name is a row of `weights.WEIGHTS` or of `catalogue.CATALOGUE`; a torchvision classifier ("resnet50"), or weights of
one ("ResNet50_Weights.IMAGENET1K_V2"); a repository on the Hugging Face Hub in timm's or torchvision's layout
("timm/resnet18.a1_in1k", "owner/name"); or "untrained/<name>" for any network that `networks.build` knows, with random
weights.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from math import floor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cnn_core import feature_maps, model_cache, networks, weights
from cnn_core.catalogue import CATALOGUE
from cnn_core.errors import Refused, Words
from cnn_core.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Photograph, Preprocess
from cnn_core.weights import HubFile, Source, TorchvisionWeights, WeightsUnavailable

UNTRAINED = "untrained/"
FILE = "model.safetensors"
# The ImageNet networks that lists offer; any other name of torchvision's, or of a Hub repository, may be typed.
IMAGENET = (
    "resnet18",
    "resnet50",
    "vgg16",
    "densenet121",
    "timm/mobilenetv3_large_100.ra_in1k",
    "timm/efficientnet_b0.ra_in1k",
)
MOST_MEGABYTES = 700  # of a network's weights: VGG-16's take 553 MB
MOST_SETTING = 4096  # of a number in a repository's config.json: widths, depths, sizes in px
UNWANTED = ("pretrained", "checkpoint_path", "cache_dir", "scriptable")  # of timm's settings: they open other files
# What files of torchvision's (and timm's copies of them) hold beside the network: heads that only training uses.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# How torchvision builds the two networks whose weights came from TensorFlow: pictures are normalised as there.
FROM_TENSORFLOW = {
    "inception_v3": {"transform_input": True, "aux_logits": True, "init_weights": False},
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": False},
}
PICKLES = (".bin", ".pth", ".pt", ".pkl", ".ckpt", ".tar")


@dataclass(frozen=True)
class Network:
    """A network ready to use.

    Attributes:
        name: as `get` takes it.
        module: in eval mode, shared by all callers, who must not change it.
        preprocess: makes its input out of a picture.
        classes: K names, in the order of the scores.
        trained: whether its weights mean anything.
        source: where its weights came from.
        served: the weights themselves, as a name that `get` takes: a row of the catalogue has several to choose from.
    """

    name: str
    module: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    trained: bool
    source: Words | None = None
    served: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one input."""
        return self.preprocess.shape


@dataclass(frozen=True)
class Description:
    """What weights say of themselves before they are here.

    Attributes:
        build: makes the network that they fit, with random parameters.
        preprocess: makes its input out of a picture.
        classes: K names, in the order of the scores.
        licence: as stated; "" if nothing is.
        top1: accuracy on ImageNet-1K in percent, if it is stated.
        megabytes: of the file, if that is stated.
    """

    build: Callable[[], nn.Module]
    preprocess: Photograph
    classes: tuple[str, ...]
    licence: str = ""
    top1: float | None = None
    megabytes: float | None = None


def offered() -> list[str]:
    """Names for a list: the shipped ones, ImageNet's, and the course's XAI, which is untrained."""
    return [*weights.WEIGHTS, *IMAGENET, f"{UNTRAINED}xai"]


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 class names of ImageNet, in the order of every network's scores."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


def get(name: str) -> Network:
    """The network of a name, made once, shared and kept by `model_cache`; hold `model_cache.using` while it works.

    Raises:
        Refused: there is no such network, or its weights are out of reach; says which names are near, or why.
    """
    with model_cache.using(name) as network:
        return network


# ---------------------------------------------------------------------------------------------------- Names


def key(name: str) -> str:
    """The one spelling of a name under which a network is kept.

    Raises:
        Refused: there is no such network; the sentence lists the near ones.
    """
    name = name.strip()
    if name in weights.WEIGHTS or name in CATALOGUE or name.startswith(UNTRAINED) or _is_weight(name):
        return name
    if name.count("/") > 0 and not name.startswith("timm/"):
        return name
    resolved = networks.resolve(name)
    if resolved in networks.COURSE:
        raise Refused("There are no weights for {name}: choose {untrained}.", name=name, untrained=UNTRAINED + resolved)
    if not resolved.startswith("timm/"):
        return resolved
    repo = _timm_repository(name.removeprefix("timm/"), resolved.removeprefix("timm/"))
    return next((row.name for row in CATALOGUE.values() if row.repo == repo), repo)


def _is_weight(name: str) -> bool:
    """Whether torchvision has weights of this name for a classifier."""
    from torchvision.models import get_weight

    kind, _, version = name.partition(".")
    if not kind.endswith("_Weights") or not version:
        return False
    with suppress(ValueError, AttributeError, KeyError):
        known = get_weight(name).meta.get("categories")  # none where the classifier was not trained
        return bool(known) and _architecture_of(name) in _torchvision_networks()
    return False


def _architecture_of(weight: str) -> str:
    """Torchvision's network for torchvision's weights, e.g. "resnet18" for "ResNet18_Weights.IMAGENET1K_V1"."""
    return weight.partition("_Weights")[0].lower()


@cache
def _torchvision_networks() -> tuple[str, ...]:
    from torchvision import models

    return tuple(models.list_models(module=models))


@cache
def _timm_weights() -> tuple[str, ...]:
    import timm

    return tuple(timm.list_pretrained())


def _timm_repository(typed: str, architecture: str) -> str:
    """The Hub repository of one of timm's names; without a tag, that of its default weights."""
    known = [each for each in _timm_weights() if each.partition(".")[0] == architecture]
    if not known:
        raise Refused("timm publishes no weights for {name}: choose {untrained}.", name=architecture,
                      untrained=f"{UNTRAINED}timm/{architecture}")  # fmt: skip
    if "." not in typed:
        import timm

        typed = f"{architecture}.{getattr(timm.get_pretrained_cfg(architecture), 'tag', '')}"
    if typed not in known:
        near = difflib.get_close_matches(typed, known, 4, 0.3) or known[:4]
        raise Refused("timm publishes no weights called {name!r}; there are {near}.", name=typed[:80],
                      near=", ".join(near))  # fmt: skip
    return f"timm/{typed}"


def sources(name: str) -> tuple[Source, ...]:
    """Where the weights of a `key` may come from, the first choice first.

    The environment's `CONVLENS_WEIGHTS_REPO` stands before torchvision's server: `mirror` puts torchvision's there.
    """
    if row := CATALOGUE.get(name):
        return (*(sources(row.repo) if row.repo else ()), *(sources(row.weight) if row.weight else ()))
    if "/" in name:
        return (HubFile(name, FILE),)
    weight = name if _is_weight(name) else _default_weight(name)
    repo, _, revision = os.environ.get("CONVLENS_WEIGHTS_REPO", "").partition("@")
    mirror = (HubFile(repo, f"{weight}/{FILE}", revision or "main"),) if repo else ()
    return (*mirror, TorchvisionWeights(weight))


def _default_weight(name: str) -> str:
    """Torchvision's first weights for a network: those of its paper."""
    from torchvision.models import get_model_weights

    return str(next(iter(get_model_weights(name).__members__.values())))


def _weight_of(source: Source) -> str:
    """Torchvision's name for what lies at a source, also in a mirror; "" if it is not torchvision's."""
    if isinstance(source, TorchvisionWeights):
        return source.weight
    folder = str(Path(source.file).parent)
    return folder if _is_weight(folder) else ""


def _in_words(source: Source) -> Words:
    weight = _weight_of(source)
    if isinstance(source, TorchvisionWeights):
        return Words("torchvision, {weight}", weight=weight)
    if isinstance(source, HubFile) and weight:
        return Words("{repo} on the Hugging Face Hub, a mirror of torchvision's {weight}", repo=source.repo,
                     weight=weight)  # fmt: skip
    if isinstance(source, HubFile):
        return Words("{repo} on the Hugging Face Hub", repo=source.repo)
    return Words("{file}, shipped with the app", file=source)


# ---------------------------------------------------------------------------------------------------- Descriptions


def describe(source: Source, fetch: bool = True) -> Description:
    """What weights say of themselves.

    Args:
        source: one of `sources`.
        fetch: whether the repository's own config.json is fetched; if not, timm's table may stand for it.

    Raises:
        Refused: it is no classifier of pictures, or its description is out of reach.
    """
    if weight := _weight_of(source):
        return _torchvision(weight)
    assert isinstance(source, HubFile)
    return _described(source.repo, _config(source.repo, fetch))


def _torchvision(weight: str) -> Description:
    from torchvision.models import get_weight

    found: Any = get_weight(weight)
    ways, meta = found.transforms(), found.meta
    side = ways.crop_size[0]
    preprocess = Photograph(
        side, side / ways.resize_size[0], tuple(ways.mean), tuple(ways.std), ways.interpolation.value
    )
    top1 = meta["_metrics"].get("ImageNet-1K", {}).get("acc@1")
    return Description(
        partial(_torchvision_network, _architecture_of(weight)),
        preprocess,
        tuple(meta["categories"]),
        meta.get("license") or "BSD-3-Clause",
        top1 if top1 == top1 else None,  # not a number where the classifier was not trained
        meta["_file_size"] * 2**20 / 1e6,
    )


def _torchvision_network(architecture: str, **settings: object) -> nn.Module:
    from torchvision.models import get_model

    return get_model(architecture, weights=None, **settings | FROM_TENSORFLOW.get(architecture, {}))


def _config(repo: str, fetch: bool = True) -> dict[str, Any]:
    """A repository's config.json as it is here; or as timm's own table has it; or else fetched.

    Raises:
        Refused: it cannot be had, or is no such description.
    """
    source = HubFile(repo, "config.json")
    path, table = source.here(), listed(repo)
    if not path and (fetch or not table):
        try:
            path = _fetch(repo, source, 1)
        except WeightsUnavailable:
            if not table:
                raise
    if not path:
        return table or {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        config = None
    if not isinstance(config, dict):
        raise WeightsUnavailable(repo, source, Words("it is no description of a network"))
    return config


def listed(repo: str) -> dict[str, Any] | None:
    """What timm's own table says of one of its repositories, in the words of a config.json."""
    name = repo.removeprefix("timm/")
    if name == repo or name not in _timm_weights():
        return None
    import timm

    found: Any = timm.get_pretrained_cfg(name)
    return {"architecture": found.architecture, "num_classes": found.num_classes, "pretrained_cfg": found.to_dict()}


@dataclass(frozen=True)
class Card:
    """What the Hub says of a repository: its licence, "" if none is stated, and its files with their bytes."""

    licence: str
    files: dict[str, int]


def card(repo: str) -> Card:
    """Of a repository on the Hub, in bounded time.

    Raises:
        Refused: there is no such repository, or the Hub is out of reach.
    """
    from huggingface_hub import HfApi, errors

    source = HubFile(repo, FILE)
    try:
        found = HfApi().model_info(repo, files_metadata=True, timeout=weights.ANSWER)
    except errors.RepositoryNotFoundError as error:
        near = difflib.get_close_matches(repo.partition("/")[2].lower(), _timm_weights(), 3, 0.5)
        raise Refused("There is no repository {name!r} on the Hub; near names of timm's are {near}.", name=repo[:80],
                      near=", ".join(near) or "resnet18, vgg16") from error  # fmt: skip
    except Exception as error:
        raise WeightsUnavailable(repo, source, weights.reason_of(error)[0]) from error
    licence = next((tag.removeprefix("license:") for tag in found.tags or () if tag.startswith("license:")), "")
    files = {each.rfilename: each.size or 0 for each in found.siblings or ()}
    return Card(SPDX.get(licence.lower(), licence), files)


def _described(repo: str, config: Mapping[str, Any]) -> Description:
    said = {**config, **_part(config, "pretrained_cfg")}
    try:
        count = int(config.get("num_classes", said.get("num_classes", 1000)))
        preprocess = _photograph(config)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        reason = Words("what it says of pictures and classes cannot be used")
        raise WeightsUnavailable(repo, HubFile(repo, "config.json"), reason) from error
    if count < 2:
        raise Refused("{name} gives features, no classes: choose a network that classifies pictures.", name=repo)
    names: list[object] = found if isinstance(found := said.get("label_names"), list) else []
    classes = tuple(map(str, names)) if len(names) == count != 1000 else _class_names(count)
    licence = str(said.get("license") or said.get("licence") or "")[:200]
    return Description(
        partial(_architecture, repo, repo, config), preprocess, classes, SPDX.get(licence.lower(), licence)
    )


def _part(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = config.get(key)
    return part if isinstance(part, dict) else {}


SPDX = {each.lower(): each for each in ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "CC-BY-NC-4.0")}


# ---------------------------------------------------------------------------------------------------- Loading


def shipped(name: str, module: nn.Module) -> Network:
    """A row of `weights.WEIGHTS` with its network."""
    row = weights.WEIGHTS[name]
    return Network(name, module, row.preprocess, row.classes, True, _in_words(row.source), name)


@torch.inference_mode(mode=False)  # whoever asks first: parameters made in inference mode can never have gradients
def make(name: str) -> Network:
    """A network of its own for a `key`.

    Raises:
        Refused: its weights are out of reach, too large or do not fit; says why for each source there is.
    """
    if name.startswith(UNTRAINED):
        return _untrained(name)
    found = sources(name)
    failures: list[WeightsUnavailable] = []
    for source in sorted(found, key=lambda source: not source.here()):  # what is here is not fetched from elsewhere
        try:
            return _load(name, source)
        except WeightsUnavailable as failure:
            failures.append(failure)
    if len(failures) == 1:
        raise failures[0]
    reasons = [Words("{source}: {reason}", source=each.source, reason=each.reason) for each in failures]
    raise Refused("No weights for {name} ({reasons}).", name=name, reasons=reasons) from failures[0]


def _load(name: str, source: Source) -> Network:
    described = describe(source)
    path = source.here() or _fetch(name, source, MOST_MEGABYTES)
    module = numberless(described.build)
    if (needed := _megabytes(module)) > MOST_MEGABYTES:
        raise too_large(name, needed)
    try:
        _fill(module, _read(path))
    except (RuntimeError, ValueError, OSError, SafetensorError) as error:
        weights.discard(path)
        logging.getLogger(__name__).info("%s", error)
        raise WeightsUnavailable(name, source, Words("the file does not fit the network")) from error
    if any(tensor.is_meta for tensor in chain(module.parameters(), module.buffers())):
        whole = described.build()  # it computes what its file does not hold
        whole.load_state_dict(module.state_dict())
        module = whole
    served = _weight_of(source) or getattr(source, "repo", name)
    return Network(name, module.eval(), described.preprocess, described.classes, True, _in_words(source), served)


def _fetch(name: str, source: Source, most: int) -> Path:
    """A file from elsewhere; refused before it is fetched if it has more than so many MB."""
    return source.fetch(name, most) if isinstance(source, HubFile) else source.fetch(name)


def _megabytes(module: nn.Module) -> int:
    """Of what a network has learnt, in the precision that it computes in."""
    return sum(parameter.numel() for parameter in module.parameters()) * 4 // 10**6


def too_large(name: str, size: int) -> Refused:
    """What is said of a network of so many MB."""
    return Refused("{name} has {size} MB: choose a network of at most {most} MB.", name=name, size=size,
                   most=MOST_MEGABYTES)  # fmt: skip


def numberless(build: Callable[[], nn.Module]) -> nn.Module:
    """A network without the numbers that its file holds: neither drawn at random first, nor twice in memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's on what it will do some day
        with suppress(RuntimeError), networks._without_numbers():  # a few compute with what they have just made
            return build()
        return build()


def _read(path: Path) -> dict[str, Tensor]:
    """A file's tensors; those of safetensors stay in the file until they are used, and take no memory twice."""
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return _as_newer(torch.load(path, map_location="cpu", weights_only=True))


def _as_newer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What DenseNet's layers were called ("norm.1.weight") in the names of today ("norm1.weight")."""
    return {
        re.sub(r"(\.denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", key): tensor
        for key, tensor in state.items()
    }


def _fill(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Give a network its numbers, in the precision that it computes in; heads it has not are left out.

    Raises:
        RuntimeError: names or shapes differ.
    """
    wanted = module.state_dict()
    kept = OrderedDict(
        (key, tensor.to(wanted[key].dtype) if key in wanted else tensor)
        for key, tensor in state.items()
        if key in wanted or not key.startswith(AUXILIARY)
    )
    # Files of old, and safetensors, say no versions: the network's own for the whole (MNASNet asks), and none for its
    # layers, so that normalisations may lack the count of batches that they had not kept then.
    kept._metadata = {"": getattr(wanted, "_metadata", {}).get("", {})}  # type: ignore[attr-defined]
    module.load_state_dict(kept, assign=True)


def untrained(name: str) -> tuple[Callable[[], nn.Module], Preprocess]:
    """How an untrained network is built, and what its input is."""
    resolved = networks.resolve(name.removeprefix(UNTRAINED))
    if resolved in weights.WEIGHTS:
        row = weights.WEIGHTS[resolved]
        return row.build, row.preprocess
    return partial(networks.build, resolved), Photograph(networks.size_of(resolved))


def _untrained(name: str) -> Network:
    build, preprocess = untrained(name)
    if (needed := _megabytes(numberless(build))) > MOST_MEGABYTES:
        raise too_large(name, needed)
    module = feature_maps.randomised(build())
    first = next((each for each in module.modules() if isinstance(each, nn.Conv2d)), None)
    if first and first.in_channels != preprocess.shape[0]:
        raise Refused("{name} cannot take a colour photograph (channels: {count}, not 3): choose another network.",
                      name=name, count=first.in_channels)  # fmt: skip
    resolved = networks.resolve(name.removeprefix(UNTRAINED))
    if resolved in weights.WEIGHTS:
        return Network(name, module, preprocess, weights.WEIGHTS[resolved].classes, False)
    with torch.inference_mode():
        output = feature_maps.forward(module, torch.zeros(1, *preprocess.shape))
    count = output.shape[1] if isinstance(output, torch.Tensor) and output.dim() == 2 else 0
    return Network(name, module, preprocess, _class_names(count), False)


def _class_names(count: int) -> tuple[str, ...]:
    return imagenet_classes() if count == 1000 else tuple(f"class {number}" for number in range(count))


def believed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for timm that a stranger's file asks for, without those that open files or are no plain values."""
    return {
        key: value
        for key, value in given.items()
        if not key.startswith(UNWANTED) and isinstance(value, str | int | float | bool)
    }


def sensible(settings: Mapping[str, Any]) -> bool:
    """Whether no number among them is so large that even building the network would be too much."""
    return not any(isinstance(value, int | float) and abs(value) > MOST_SETTING for value in settings.values())


def _architecture(name: str, repo: str, config: Mapping[str, Any]) -> nn.Module:
    """The network that a repository's config.json names; what else it may ask for is not believed."""
    import timm

    architecture, settings = str(config.get("architecture", "")), believed(_part(config, "model_args"))
    known = timm.is_model(architecture) if "pretrained_cfg" in config else architecture in _torchvision_networks()
    reason = Words("its config.json names no network that torchvision or timm knows")
    if not sensible(settings):
        known, reason = False, Words("its config.json asks for a network of unreasonable size")
    try:
        if known and "pretrained_cfg" in config:
            return timm.create_model(architecture, num_classes=int(config.get("num_classes", 1000)), **settings)
        if known:
            return _torchvision_network(architecture, num_classes=int(config.get("num_classes", 1000)))
    except (RuntimeError, ValueError, TypeError) as error:
        raise WeightsUnavailable(name, HubFile(repo, "config.json"), reason) from error
    raise WeightsUnavailable(name, HubFile(repo, "config.json"), reason)


def _photograph(config: Mapping[str, Any]) -> Photograph:
    """How a repository's config.json says that pictures are prepared, in timm's words or in torchvision's."""
    said = {**config, **_part(config, "pretrained_cfg")}
    channels, height, side = (int(length) for length in said.get("input_size", (3, 224, 224)))
    if channels != 3 or height != side or not 0 < side <= MOST_SETTING:
        raise ValueError("not a square picture in colour")
    # timm rounds down, torchvision names the length itself.
    share = said.get("crop_pct")
    shorter = floor(side / float(share)) if share else int(said.get("resize", round(side / 0.875)))
    known = get_args(get_type_hints(Photograph)["interpolation"])
    how = said.get("interpolation", "bilinear")
    mean, std = (tuple(float(value) for value in said.get(key, default))
                 for key, default in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)))  # fmt: skip
    if len(mean) != 3 or len(std) != 3 or not all(std):
        raise ValueError("not three channels")
    return Photograph(
        side,
        None if said.get("crop_mode") == "squash" else side / shorter,
        (mean[0], mean[1], mean[2]),
        (std[0], std[1], std[2]),
        how if how in known else "bilinear",
    )


# ---------------------------------------------------------------------------------------------------- A mirror


def mirror(repo: str, names: Sequence[str] = (), private: bool = False) -> str:
    """Put torchvision's weights into a model repository on the Hub, each in a folder of its name, as `sources` wants.

    Args:
        repo: "owner/name", made if need be.
        names: e.g. "AlexNet_Weights.IMAGENET1K_V1"; if there are none, those of the catalogue that timm does not
            publish.
        private: whether a repository that is made now can be seen by its owner only.

    Returns:
        The repository's address.

    Raises:
        Refused: torchvision has no such weights, they are out of reach, or the Hub did not take them; says why.
    """
    names = list(names) or [row.weight for row in CATALOGUE.values() if not row.repo]
    if unknown := next((name for name in names if not _is_weight(name)), ""):
        raise Refused("Torchvision has no weights called {name!r}: write e.g. AlexNet_Weights.IMAGENET1K_V1.",
                      name=unknown)  # fmt: skip
    address = ""
    for name in names:  # one by one: what has gone up stays up if a later one fails
        with TemporaryDirectory() as folder:
            _convert(name, Path(folder, name))
            try:
                address = weights.upload(repo, Path(folder), [f"{name}/*"], private)
            except Refused as error:
                raise Refused("{name} was not mirrored to {repo}: {reason}.", name=name, repo=repo,
                              reason=error.words) from error  # fmt: skip
    return address


@torch.inference_mode(mode=False)
def _convert(weight: str, folder: Path) -> None:
    """Write torchvision's weights as model.safetensors, and what they say of themselves as config.json."""
    from torchvision.models import get_weight

    network, meta, url = _load(weight, TorchvisionWeights(weight)), get_weight(weight).meta, get_weight(weight).url
    ways = network.preprocess
    assert isinstance(ways, Photograph)
    folder.mkdir(parents=True)
    # A copy, since safetensors keep no two names for one tensor, and may not write over a file that is being read.
    state = {key: tensor.detach().clone().contiguous() for key, tensor in network.module.state_dict().items()}
    save_file(state, folder / FILE)
    config = {
        "architecture": _architecture_of(weight),
        "weights": weight,
        "num_classes": len(network.classes),
        "input_size": ways.shape,
        "resize": round(ways.side / (ways.crop or 1)),
        "interpolation": ways.interpolation,
        "mean": ways.mean,
        "std": ways.std,
        "license": meta.get("license") or "BSD-3-Clause",
        "source": url,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
