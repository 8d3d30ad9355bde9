"""Networks by name: this project's, torchvision's classifiers, and timm's, built with random parameters.

Names are looked up in this order, so that "resnet50" is torchvision's; `timm/resnet50` asks for timm's.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import cache, partial
from importlib import import_module
from typing import Any

import timm
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from cnn_core.errors import Refused
from cnn_core.weights import WEIGHTS

# Name: (module in `cnn_core.models`, what makes it, its arguments). The course's networks, at the course's sizes.
COURSE: dict[str, tuple[str, str, dict[str, object]]] = {
    "lenet5": ("lenet", "LeNet5", {}),
    "course_lenet": ("lenet", "LeNet", {}),
    "course_alexnet": ("alexnet", "AlexNet", {}),
    "course_googlenet": ("googlenet", "GoogLeNet", {}),
    "xai": ("xai", "XAI", {}),
    "deeplab_v3": ("deeplab", "DeepLab", {}),
    # TF-Slim's, of which receptive fields are published.
    "alexnet_v2": ("slim", "alexnet_v2", {}),
    "inception_v2": ("slim", "inception_v2", {}),
    "mobilenet_v1": ("slim", "mobilenet_v1", {}),
    "mobilenet_v1_075": ("slim", "mobilenet_v1", {"multiplier": 0.75}),
    **{f"resnet_v1_{depth}": ("slim", "resnet_v1", {"depth": depth}) for depth in (50, 101, 152, 200)},
}
# What papers and tables call networks that torchvision and timm call otherwise.
ALIASES = {
    "lenet": "lenet5",
    "lenet-5": "lenet5",
    "inception_v4": "timm/inception_v4",
    "inception_resnet_v2": "timm/inception_resnet_v2",
    "resnet_50": "resnet50",
    "vgg_a": "vgg11",
    "vgg_16": "vgg16",
}
# The side of the picture that a network was made for, in px, where it is not 224; weights know their own.
SIZES = {"lenet5": 32, "inception_v3": 299, "deeplab_v3": 513}


def size_of(name: str) -> int:
    """The side of the picture that a network was made for, in px; 224 where nothing else is known."""
    name = resolve(name)
    return WEIGHTS[name].preprocess.side if name in WEIGHTS else SIZES.get(name, 224)


def _weights() -> dict[str, Callable[[], nn.Module]]:
    return {name: row.build for name, row in WEIGHTS.items()}


def _course(module: str, kind: str, arguments: dict[str, object]) -> nn.Module:
    return getattr(import_module(f"cnn_core.models.{module}"), kind)(**arguments)


@cache
def _torchvision() -> tuple[str, ...]:
    return tuple(models.list_models(module=models))


@cache
def _timm() -> tuple[str, ...]:
    return tuple(timm.list_models())


def names() -> list[str]:
    """Every name that `build` takes, near ones first: the course's, torchvision's, timm's."""
    return list(dict.fromkeys([*COURSE, *_weights(), *_torchvision(), *(f"timm/{name}" for name in _timm())]))


def resolve(name: str) -> str:
    """A name as `names` has it.

    Raises:
        Refused: there is no such network; the sentence lists the near ones.
    """
    name = name.strip()
    plain = ALIASES.get(name.lower(), name)
    if plain in COURSE:
        return plain
    if plain in _torchvision() or plain in _weights():
        return plain
    bare = plain.removeprefix("timm/")
    if bare.partition(".")[0] in _timm():  # "resnet50.a1_in1k" names weights; without them it is "resnet50"
        return f"timm/{bare.partition('.')[0]}"
    known = [*COURSE, *ALIASES, *_weights(), *_torchvision(), *_timm()]
    close = difflib.get_close_matches(bare.lower(), known, 4, 0.5)
    near = list(dict.fromkeys(ALIASES.get(each, each) for each in close)) or [
        "resnet50",
        "vgg16",
        "lenet5",
    ]
    raise Refused("There is no network called {name!r}; there are {near}.", name=name[:60], near=", ".join(near))


def build(name: str, numberless: bool = False) -> nn.Module:
    """A network in eval mode with random parameters.

    Args:
        name: see `names`; without "timm/" where torchvision has no network of that name.
        numberless: leave out the numbers that are learnt: quicker, smaller, and enough for `tracing.trace`.

    Raises:
        Refused: there is no such network; the sentence lists the near ones.
    """
    make = _maker(resolve(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's on what it will do some day
        if numberless:
            with suppress(RuntimeError), _without_numbers():  # a few compute with what they have just made
                return make().eval()
        return make().eval()


def _without_numbers() -> AbstractContextManager[object]:
    """Within it, what layers learn has a shape and no contents; tensors that are computed with are left alone."""

    class Numberless(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}) | ({"device": "meta"} if func is torch.empty else {}))

    return Numberless()


def _maker(name: str) -> Callable[[], nn.Module]:
    if name in COURSE:
        return partial(_course, *COURSE[name])
    if name in _torchvision():
        # Their own slow initialisation is for training; PyTorch's, which every layer has had by then, will do.
        quick = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
        return partial(models.get_model, name, weights=None, **quick)
    if name in _weights():
        return _weights()[name]
    return partial(timm.create_model, name.removeprefix("timm/"), pretrained=False)
