"""Networks ready to use: a name to the network, how pictures become its input, and what its answers are called.

A name is a row of `weights.WEIGHTS`; a torchvision classifier ("resnet50") or a repository on the Hugging Face Hub in
timm's or torchvision's layout ("timm/resnet18.a1_in1k", "owner/name"), both with ImageNet weights; or
"untrained/<name>" for any network that `networks.build` knows, with random weights.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, get_args, get_type_hints

import torch
from torch import nn

from cnn_core import feature_maps, networks, weights
from cnn_core.errors import Refused
from cnn_core.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Photograph, Preprocess
from cnn_core.weights import HubFile, TorchvisionWeights, WeightsUnavailable

UNTRAINED = "untrained/"
# The ImageNet networks that lists offer; any other name of torchvision's, or of a Hub repository, may be typed.
IMAGENET = (
    "resnet18",
    "resnet50",
    "vgg16",
    "densenet121",
    "timm/mobilenetv3_large_100.ra_in1k",
    "timm/efficientnet_b0.ra_in1k",
)
MOST = 4  # networks kept beside those of the table
MOST_MEGABYTES = 400  # of a file from the Hub: VGG-16's 528 MB come from torchvision
UNWANTED = ("pretrained", "checkpoint_path", "cache_dir", "scriptable")  # of timm's settings: they open other files


@dataclass(frozen=True)
class Network:
    """A network ready to use.

    Attributes:
        name: as `get` takes it.
        module: in eval mode, shared by all callers, who must not change it.
        preprocess: makes its input out of a picture.
        classes: K names, in the order of the scores.
        trained: whether its weights mean anything.
    """

    name: str
    module: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    trained: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one input."""
        return self.preprocess.shape


def offered() -> list[str]:
    """Names for a list: the shipped ones, ImageNet's, and the course's XAI, which is untrained."""
    return [*weights.WEIGHTS, *IMAGENET, f"{UNTRAINED}xai"]


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 class names of ImageNet, in the order of every network's scores."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


_kept: OrderedDict[str, Network] = OrderedDict()
_lock = Lock()
_locks: dict[str, Lock] = {}


def get(name: str) -> Network:
    """The network of a name, made once and shared; of those that are not in the table, the last four are kept.

    Raises:
        Refused: there is no such network, or its weights are out of reach; says which names are near, or why.
    """
    name = name.strip()
    if name in weights.WEIGHTS:
        row = weights.WEIGHTS[name]
        return Network(name, weights.shared(name), row.preprocess, row.classes, True)
    with _lock:
        own = _locks.setdefault(name, Lock())
    with own:  # one caller makes it while others wait for it
        with _lock:
            if name in _kept:
                _kept.move_to_end(name)
                return _kept[name]
        made = _make(name)
        with _lock:
            _kept[name] = made
            while len(_kept) > MOST:
                _kept.popitem(last=False)
        return made


@torch.inference_mode(mode=False)  # whoever asks first: parameters made in inference mode can never have gradients
def _make(name: str) -> Network:
    if name.startswith(UNTRAINED):
        return _untrained(name)
    if "/" in name and not name.startswith("timm/"):
        return _from_hub(name, name)
    resolved = networks.resolve(name)
    if resolved.startswith("timm/"):
        return _from_hub(name, _timm_repository(name.removeprefix("timm/")))
    if resolved in weights.WEIGHTS:
        return get(resolved)
    if resolved in networks.COURSE:
        raise Refused("There are no weights for {name}: choose {untrained}.", name=name, untrained=UNTRAINED + resolved)
    return _from_torchvision(name, resolved)


def _untrained(name: str) -> Network:
    resolved = networks.resolve(name.removeprefix(UNTRAINED))
    if resolved in weights.WEIGHTS:
        row = weights.WEIGHTS[resolved]
        return Network(name, feature_maps.randomised(row.build()), row.preprocess, row.classes, False)
    module = feature_maps.randomised(networks.build(resolved))
    preprocess = Photograph(networks.size_of(resolved))
    with torch.inference_mode():
        output = feature_maps.forward(module, torch.zeros(1, *preprocess.shape))
    count = output.shape[1] if isinstance(output, torch.Tensor) and output.dim() == 2 else 0
    return Network(name, module, preprocess, _class_names(count), False)


def _class_names(count: int) -> tuple[str, ...]:
    return imagenet_classes() if count == 1000 else tuple(f"class {number}" for number in range(count))


def _from_torchvision(name: str, resolved: str) -> Network:
    from torchvision.models import get_model, get_model_weights

    weight: Any = next(iter(get_model_weights(resolved).__members__.values()))
    source = TorchvisionWeights(str(weight))
    path = source.here() or source.fetch(name)
    module = get_model(resolved, weights=None)
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    ways = weight.transforms()
    side = ways.crop_size[0]
    preprocess = Photograph(
        side, side / ways.resize_size[0], tuple(ways.mean), tuple(ways.std), ways.interpolation.value
    )
    return Network(name, module.eval(), preprocess, tuple(weight.meta["categories"]), True)


def _timm_repository(name: str) -> str:
    """The Hub repository of one of timm's names; without a tag, that of its default weights."""
    import timm

    if "." not in name:
        tag = getattr(timm.get_pretrained_cfg(name), "tag", "")
        name = f"{name}.{tag}" if tag else name
    return f"timm/{name}"


def _from_hub(name: str, repo: str) -> Network:
    from safetensors.torch import load_file

    config = json.loads(_file(name, repo, "config.json").read_text(encoding="utf-8"))
    path = _file(name, repo, "model.safetensors")
    module = _architecture(name, repo, config)
    try:
        module.load_state_dict(load_file(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsUnavailable(
            name, HubFile(repo, "model.safetensors"), "the file does not fit the network"
        ) from error
    count = int(config.get("num_classes", 1000))
    return Network(name, module.eval(), _photograph(config), _class_names(count), True)


def _file(name: str, repo: str, file: str) -> Path:
    """A file of a repository, from the cache or else fetched; refused before it is fetched if it is too large."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    source = HubFile(repo, file)
    if found := source.here():
        return found
    try:
        size = get_hf_file_metadata(hf_hub_url(repo, file), timeout=weights.ANSWER).size or 0
    except Exception:  # `fetch` asks again and says what is wrong
        size = 0
    if size > MOST_MEGABYTES * 10**6:
        raise Refused("{name} has {size} MB: choose a network of at most {most} MB.", name=name, size=size // 10**6,
                      most=MOST_MEGABYTES)  # fmt: skip
    return source.fetch(name)


def _architecture(name: str, repo: str, config: dict[str, Any]) -> nn.Module:
    """The network that a repository's config.json names; what else it may ask for is not believed."""
    architecture, given = str(config.get("architecture", "")), config.get("model_args") or {}
    settings: dict[str, Any] = {
        key: value
        for key, value in given.items()
        if not key.startswith(UNWANTED) and isinstance(value, str | int | float | bool)
    }
    try:
        if "pretrained_cfg" in config:
            import timm

            return timm.create_model(architecture, num_classes=int(config.get("num_classes", 1000)), **settings)
        from torchvision.models import get_model

        return get_model(architecture, weights=None)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = "its config.json names no network that torchvision or timm knows"
        raise WeightsUnavailable(name, HubFile(repo, "config.json"), reason) from error


def _photograph(config: dict[str, Any]) -> Photograph:
    """How a repository's config.json says that pictures are prepared, in timm's words or in torchvision's."""
    said = config | (config.get("pretrained_cfg") or {})
    side = int(said.get("input_size", (3, 224, 224))[-1])
    crop = float(said.get("crop_pct") or side / int(said.get("resize", round(side / 0.875))))
    known = get_args(get_type_hints(Photograph)["interpolation"])
    how = said.get("interpolation", "bilinear")
    return Photograph(
        side,
        crop,
        tuple(said.get("mean", IMAGENET_MEAN)),
        tuple(said.get("std", IMAGENET_STD)),
        how if how in known else "bilinear",
    )
