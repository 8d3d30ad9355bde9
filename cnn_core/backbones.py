"""Pretrained networks without their last layer: pictures to features, ready for a head of one's own.

That features learnt on one task serve another, the early ones best: Yosinski, Clune, Bengio, Lipson, "How transferable
are features in deep neural networks?", 2014, https://arxiv.org/abs/1411.1792.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from cnn_core import weights, zoo
from cnn_core.errors import Refused, Words
from cnn_core.preprocessing import Photograph
from cnn_core.weights import HubFile, WeightsUnavailable

SHIPPED = ("cat_dog",)  # rows of `weights.WEIGHTS` with a ResNet
MOST_BYTES = 400_000_000  # of a file with weights
MOST_PARAMETERS = 100_000_000
MOST_SIDE = 512  # px
LAST_LAYERS = ("fc", "classifier", "heads", "head")  # what torchvision's families call theirs


@dataclass(frozen=True)
class Backbone:
    """A network without its last layer, and what must be known to feed and to rebuild it.

    Attributes:
        name: a shipped row, or "owner/name" on the Hub.
        network: pictures (N, 3, S, S), RGB, normalised, to features (N, D); eval mode. Shared: copy it to change it.
        num_features: D.
        side: S in px.
        mean: that pictures in [0, 1] are normalised with, a number per channel.
        std: likewise.
        layout: what `build` makes the same network of, with random parameters; plain JSON.
    """

    name: str
    network: nn.Module
    num_features: int
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: dict[str, Any]


def _shipped(architecture: str) -> nn.Module:
    """A ResNet of ours, whose last layer is `fc`."""
    network = weights.WEIGHTS[architecture].build()
    network.set_submodule("fc", nn.Identity())
    return network


def _torchvision(architecture: str) -> nn.Module:
    """A network of torchvision's."""
    from torchvision.models import get_model

    network = get_model(architecture)
    last = next(name for name, _ in reversed(list(network.named_children())) if name in LAST_LAYERS)
    # SqueezeNet's last layers pool as well.
    setattr(network, last, nn.AdaptiveAvgPool2d(1) if architecture.startswith("squeezenet") else nn.Identity())
    return network


def _timm(architecture: str, **arguments: Any) -> nn.Module:
    """A network of timm's, which pools by itself."""
    import timm

    name, settings = architecture.removeprefix("timm/"), zoo.believed(arguments)
    if not timm.is_model(name) or not zoo.sensible(settings):  # other names open files
        raise ValueError(f"{name} with {settings}")
    return timm.create_model(name, pretrained=False, num_classes=0, **settings)


LIBRARIES: dict[str, Callable[..., nn.Module]] = {"convlens": _shipped, "torchvision": _torchvision, "timm": _timm}


def build(layout: dict[str, Any]) -> nn.Module:
    """A network without its last layer and with random parameters, eval mode.

    Args:
        layout: {"library": a key of `LIBRARIES`, "architecture": as that library calls it, "arguments": {...}}. It may
            come from a stranger: the network is measured before memory is taken for it.

    Raises:
        Refused: there is no such network, or it is too large.
    """
    try:
        make, arguments = LIBRARIES[layout["library"]], layout.get("arguments", {})
        with torch.device("meta"):  # shapes without numbers
            shapes = make(layout["architecture"], **arguments)
        count = sum(each.numel() for each in chain(shapes.parameters(), shapes.buffers()))
        if count <= MOST_PARAMETERS:
            return make(layout["architecture"], **arguments).eval()
    except Exception as error:  # a library asked for what it does not have can raise almost anything
        raise Refused("There is no network like that one here: please choose another backbone.") from error
    raise Refused(
        "That network has {count:,} million parameters: at most {most} million, please.",
        count=count // 1_000_000,
        most=MOST_PARAMETERS // 1_000_000,
    )


@lru_cache(maxsize=3)
def load(name: str) -> Backbone:
    """A pretrained backbone, kept in memory for the next who asks.

    Args:
        name: one of `SHIPPED`, or a Hub repository, "owner/name" or "hf-hub:owner/name", that holds
            model.safetensors and config.json, timm's or one with torchvision's name of the architecture.

    Raises:
        Refused: it cannot be had, is too large, or does not fit its architecture.
    """
    name = name.strip().removeprefix("hf-hub:")
    if name in SHIPPED and name in weights.WEIGHTS:
        network = deepcopy(weights.shared(name))
        network.set_submodule("fc", nn.Identity())
        layout = {"library": "convlens", "architecture": name, "arguments": {}}
        wanted = weights.WEIGHTS[name].preprocess
        assert isinstance(wanted, Photograph)
        return _measured(name, network, wanted.side, wanted.mean, wanted.std, layout)
    if name.count("/") != 1:
        raise Refused("There is no backbone called {name!r}: a Hub repository is owner/name.", name=name[:60])
    return _from_hub(name)


def _from_hub(repo: str) -> Backbone:
    layout, side, mean, std = _described(repo)
    network = build(layout)
    source = HubFile(repo, "model.safetensors")
    try:
        # What the file has more of is the last layer's.
        missing = network.load_state_dict(load_file(_file(repo, source.file)), strict=False).missing_keys
    except (SafetensorError, RuntimeError) as error:
        raise WeightsUnavailable(repo, source, Words("the file does not fit the network")) from error
    if missing:
        reason = Words("the file does not fit the network ({name} is missing)", name=missing[0])
        raise WeightsUnavailable(repo, source, reason)
    return _measured(repo, network, side, mean, std, layout)


def _described(repo: str) -> tuple[dict[str, Any], int, tuple[float, ...], tuple[float, ...]]:
    """A Hub repository's layout, side in px, mean and standard deviation, as its config.json tells them."""
    try:
        config = json.loads(_file(repo, "config.json").read_text())
        about = config.get("pretrained_cfg", config)  # timm's, else all in one
        layout = {
            "library": "timm" if "pretrained_cfg" in config else "torchvision",
            "architecture": str(config["architecture"]),
            "arguments": dict(config.get("model_args") or {}),
        }
        side = int(config.get("crop_size") or about["input_size"][-1])
        mean, std = (tuple(map(float, about[key])) for key in ("mean", "std"))
    except Refused:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        reason = Words("it is neither timm's nor torchvision's layout")
        raise WeightsUnavailable(repo, HubFile(repo, "config.json"), reason) from error
    if not 16 <= side <= MOST_SIDE or not len(mean) == len(std) == 3 or not all(std):
        reason = Words("it wants other pictures than RGB of 16 to {most} px", most=MOST_SIDE)
        raise WeightsUnavailable(repo, HubFile(repo, "config.json"), reason)
    return layout, side, mean, std


def _file(repo: str, name: str) -> Path:
    """A file of a Hub repository, if it is not too large."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    source = HubFile(repo, name)
    if found := source.here():
        return found
    size = 0
    with suppress(Exception):  # what is wrong, `fetch` says
        size = get_hf_file_metadata(hf_hub_url(repo, name), timeout=weights.ANSWER).size or 0
    if size > MOST_BYTES:
        reason = Words("the file has {size:,} MB, which is too much here", size=size // 1_000_000)
        raise WeightsUnavailable(repo, source, reason)
    return source.fetch(repo)


@torch.inference_mode()
def _measured(
    name: str, network: nn.Module, side: int, mean: tuple[float, ...], std: tuple[float, ...], layout: dict[str, Any]
) -> Backbone:
    """The backbone, once a picture has gone through it."""
    network = network.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    features = network(torch.zeros(1, 3, side, side)).flatten(1)
    return Backbone(name, network, features.shape[1], side, mean, std, layout)


def backbone(repo: str) -> nn.Module:
    """An ImageNet network from a Hub repository in torchvision's or timm's layout, its classifier left out.

    Args:
        repo: "owner/name", holding model.safetensors and config.json.

    Returns:
        normalised pictures (N, 3, H, W) to features (N, D); eval mode, channels-last; the caller's own.
    """
    return deepcopy(load(repo).network)
