"""Cat or dog? Asked of networks of two kinds: those trained on the two, and ImageNet's, which know 1,000 classes.

Of ImageNet's classes five are house cats and 118 are breeds of dogs: their probabilities, added up, answer the question
without any training, and what is left over says that it is neither. A network that was trained on cats and dogs alone
must name one of the two whatever it is shown; all it can say otherwise is that it is not sure, or that the picture is
unlike those it learnt from.

The course compared class indices with 0.5, drew predictions beside other pictures than their own, and fed pretrained
networks pictures without their normalisation: here answers are probabilities, they stay with their pictures, and every
network has its own preprocessing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, repeat
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from cnn_core import evaluation, familiarity, feature_maps, saliency, weights, zoo
from cnn_core.data import CAT_DOG_CLASSES
from cnn_core.errors import Refused

CATS, DOGS = slice(281, 286), slice(151, 269)  # of ImageNet's classes: tabby to Egyptian cat, Chihuahua to hairless
NEITHER_ABOVE = 0.5  # probability of all of ImageNet's other classes


@dataclass(frozen=True)
class Answer:
    """What a network says of a picture.

    Attributes:
        dog: probability in [0, 1] that it is a dog if it is one of the two.
        sure: whether the answer is firm enough to be given without "perhaps".
        neither: probability in [0, 1] of something else; `None` where the network knows only the two.
        familiar: whether the picture is like those it learnt from; see `familiarity`.
    """

    dog: float
    sure: bool
    neither: float | None = None
    familiar: bool = True

    @property
    def probabilities(self) -> dict[str, float]:
        """Of cat and dog; they add up to 1."""
        return dict(zip(CAT_DOG_CLASSES, (1 - self.dog, self.dog), strict=True))

    @property
    def name(self) -> str:
        """The likelier of the two."""
        return CAT_DOG_CLASSES[self.dog >= 0.5]


def _measured(name: str) -> dict[str, Any]:
    """What `evaluation.measure_photographs` found of a shipped network; nothing of others, or if it cannot be had."""
    with suppress(weights.WeightsUnavailable):
        if name in weights.WEIGHTS:
            return json.loads(weights.beside(name, "scores.json").read_text())
    return {}


def trust(name: str) -> tuple[float, float]:
    """What a shipped network's logits are divided by, and the certainty from which it is sure; see `evaluation`."""
    measured = _measured(name).get("calibration", {})  # weights without are taken at their word
    return measured.get("temperature", 1.0), measured.get("sure_above", 0.9)


def network_for(name: str) -> zoo.Network:
    """The network of a name, if it can answer the question.

    Raises:
        Refused: there is none of that name, its weights are out of reach, or it knows neither cats nor dogs.
    """
    network = zoo.get(name)
    ours = tuple(each.lower() for each in network.classes) == CAT_DOG_CLASSES
    if not network.trained or not (ours or len(network.classes) == 1000):
        raise Refused("{name} does not know cats and dogs: choose another network.", name=name)
    return network


def interpret(name: str, scores: Tensor, familiar: Iterable[bool] = repeat(True)) -> list[Answer]:
    """Answers from a network's scores (N, 2) or (N, 1000).

    Args:
        name: of the network.
        scores: (N, 2) logits of cat and dog, or (N, 1000) logits of ImageNet's classes.
        familiar: of a network that knows the two only, whether each picture is like those it learnt from.
    """
    if scores.shape[1] == 2:
        temperature, sure_above = trust(name)
        dogs = (scores / temperature).softmax(1)[:, 1].tolist()
        return [
            Answer(dog, known and max(dog, 1 - dog) >= sure_above, familiar=known)
            for dog, known in zip(dogs, familiar, strict=False)
        ]
    probabilities = scores.softmax(1)
    cats, dogs = probabilities[:, CATS].sum(1), probabilities[:, DOGS].sum(1)
    known = (cats + dogs).clamp(min=1e-12)
    return [
        Answer(dog, 1 - evidence < NEITHER_ABOVE and max(dog, 1 - dog) >= 0.9, 1 - evidence)
        for dog, evidence in zip((dogs / known).tolist(), known.tolist(), strict=True)
    ]


def answers(name: str, pictures: Iterable[Image.Image], batch_size: int = 16) -> Iterator[Answer]:
    """An answer for each picture, in order; only a batch of them is in memory at a time.

    Args:
        name: of the network.
        pictures: RGB, of any size.
        batch_size: pictures per forward pass.

    Raises:
        Refused: as `network_for`.
    """
    network, pictures = network_for(name), iter(pictures)
    side = network.preprocess.side
    preprocess = replace(network.preprocess, side=_measured(name).get("side", side))  # asked as it was measured
    ask = partial(feature_maps.logits, network.module)
    while batch := [preprocess(picture) for picture in islice(pictures, batch_size)]:
        if learnt := familiarity.of(name):
            features, scores = familiarity.over_views(network.module, torch.cat(batch), side)
            yield from interpret(name, scores, learnt.knows(features).tolist())
            continue
        with torch.inference_mode():
            scores = evaluation.over_views(ask, torch.cat(batch), side)
        yield from interpret(name, scores)


def looked(name: str, picture: Image.Image, answer: Answer) -> tuple[Image.Image, saliency.Seen]:
    """The picture as the network sees it, and where it looked for its answer (Grad-CAM on its last maps).

    Of ImageNet's classes, the likeliest of the animal that was answered is looked for.
    """
    network = network_for(name)
    layer = feature_maps.deepest(network.module, network.shape).name
    images = network.preprocess(picture)
    with torch.inference_mode():
        scores = feature_maps.logits(network.module, images)[0]
    target = int(answer.dog >= 0.5)
    if len(scores) == 1000:
        kind = DOGS if target else CATS
        target = kind.start + int(scores[kind].argmax())
    return network.preprocess.seen(picture), saliency.by_gradients(network.module, images, layer, target)
