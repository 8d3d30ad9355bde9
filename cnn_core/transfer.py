"""Transfer learning: a pretrained network, a new head, and a visitor's own pictures.

Early layers see edges and textures that serve any photograph, late ones what the first task needed: Yosinski, Clune,
Bengio, Lipson, "How transferable are features in deep neural networks?", 2014, https://arxiv.org/abs/1411.1792.

Differs from the course:

* While the backbone is frozen its features are computed once and kept; the course ran the whole network in every epoch.
* The best weights are kept as a copy. The course kept `network.state_dict()`, whose tensors are the network's own and
  go on changing: what it called the best were the last.
* A pretrained network is fed with its own normalisation, and its batch norms keep the statistics they came with
  (evaluation mode); a handful of new pictures would only spoil them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from cnn_core import backbones, photographs, weights
from cnn_core.archives import Pictures, Skipped
from cnn_core.backbones import Backbone
from cnn_core.errors import Refused
from cnn_core.evaluation import as_images, confusion

MOST_CLASSES = 10
MOST_PICTURES = 2_000
LARGE = 500  # pictures of a class from which on a data set counts as large
SIMILAR = 0.7  # of `separation`, from which on the backbone counts as having seen such things
BATCH = 32
VIEWS = 4  # of each picture that a frozen backbone looks at when pictures are varied
SLOWER = 0.1  # times the learning rate, for layers that have learnt something already
WEIGHT_DECAY = 0.01
VALIDATION = 0.2  # share of each class
THUMBNAIL = 96  # px

# ------------------------------------------------------------------------------------------------------- The pictures


@dataclass(frozen=True)
class Collection:
    """A visitor's pictures, sorted into classes.

    Attributes:
        classes: 2 to 10 names.
        names: of the N files.
        pictures: (N, 3, S, S) uint8 RGB, each made square as a whole.
        labels: (N,) int64, 0 <= label < K.
        skipped: files that were left out, and why.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    pictures: Tensor
    labels: Tensor
    skipped: tuple[Skipped, ...] = ()

    @property
    def thumbnails(self) -> Tensor:
        """The pictures at 96 px, (N, 3, 96, 96) uint8: what need be kept once the training is over."""
        small = [photographs.resize(part.float(), THUMBNAIL).round().byte() for part in self.pictures.split(64)]
        return torch.cat(small)


def collect(groups: Sequence[tuple[str | None, Pictures]], side: int) -> Generator[float, None, Collection]:
    """Read pictures, one decoded at a time.

    Args:
        groups: pictures, and the class that all of them are of; None where folders and names tell it.
        side: S in px.

    Yields:
        the share in [0, 1] that is read.

    Returns:
        the collection, its classes in the order in which they first come.

    Raises:
        Refused: fewer than 2 classes or more than 10, a class with a single picture, or too many pictures.
    """
    total = sum(len(pictures) for _, pictures in groups)
    if total > MOST_PICTURES:
        raise Refused("Those are {total:,} files: at most {most:,} here, please.", total=total, most=MOST_PICTURES)
    classes: dict[str, list[int]] = {}
    names: list[str] = []
    tensors: list[Tensor] = []
    skipped: list[Skipped] = []
    for given, pictures in groups:
        for picture in pictures:
            label = (given or picture.label or "").strip()[:60]
            if not label:
                reason = Refused("No folder tells its class.")
                skipped.append(Skipped(picture.name, reason))
                continue
            classes.setdefault(label, []).append(len(names))
            names.append(picture.name)
            tensors.append(photographs.squared(picture.image, side))
            yield len(names) / total
        skipped += pictures.skipped
    _check_classes(classes, skipped)
    labels = torch.empty(len(names), dtype=torch.long)
    for number, indices in enumerate(classes.values()):
        labels[indices] = number
    return Collection(tuple(classes), tuple(names), torch.stack(tensors), labels, tuple(skipped))


def _check_classes(classes: dict[str, list[int]], skipped: list[Skipped]) -> None:
    """Raise what `collect` does, for numbers that do not make a classifier."""
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise Refused(
            "A classifier tells 2 to {most} classes apart, and there are readable pictures of {count}: please give "
            "each class a name, or a folder, and pictures of its own.",
            most=MOST_CLASSES,
            count=len(classes),
        )
    name, fewest = min(classes.items(), key=lambda item: len(item[1]))
    if len(fewest) < 2:
        if skipped:
            raise Refused(
                "The class {name} has one readable picture and needs at least two ({unread} could not be read): one to "
                "learn from, and one to be tested with.",
                name=name,
                unread=", ".join(each.name for each in skipped[:3]),
            )
        raise Refused(
            "The class {name} has one readable picture and needs at least two: one to learn from, and one to be "
            "tested with.",
            name=name,
        )


def split(labels: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Indices of the pictures to learn from and of those to validate with: a fifth of each class, one at least.

    Args:
        labels: (N,), of each class at least two.
        seed: same seed, same split.
    """
    random = torch.Generator().manual_seed(seed)
    learn, validate = [], []
    for label in labels.unique():
        indices = (labels == label).nonzero()[:, 0]
        indices = indices[torch.randperm(len(indices), generator=random)]
        count = max(1, round(VALIDATION * len(indices)))
        validate.append(indices[:count])
        learn.append(indices[count:])
    return torch.cat(learn), torch.cat(validate)


# -------------------------------------------------------------------------------------------------------- The network


class Classifier(nn.Module):
    """A copy of a backbone, and a linear head that tells K classes from its features.

    Args:
        backbone: it is not changed.
        num_classes: K.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(backbone.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(backbone.std)[:, None, None], persistent=False)
        self.backbone = deepcopy(backbone.network)
        self.head = nn.Linear(backbone.num_features, num_classes)
        self.eval()

    def features(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [0, 1] to features (N, D), each picture's scaled to mean 0 and variance 1.

        So that one learning rate suits the heads of all backbones, whatever their units (Ba, Kiros, Hinton, "Layer
        Normalization", 2016, https://arxiv.org/abs/1607.06450, without its parameters).
        """
        normalised = (images - self.mean) / self.std
        seen = self.backbone(normalised.contiguous(memory_format=torch.channels_last)).flatten(1)
        return F.layer_norm(seen, seen.shape[1:])

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [0, 1] to logits (N, K)."""
        return self.head(self.features(images))


@dataclass(frozen=True)
class Strategy:
    """Which layers learn.

    Attributes:
        tail: share of the backbone's parameters that its last modules must hold to learn as well; 0 for the head alone.
        pretrained: whether the backbone begins with what it has learnt, or with random numbers.
    """

    tail: float
    pretrained: bool = True


STRATEGIES = {
    "head": Strategy(0.0),
    "last block": Strategy(0.25),
    "everything": Strategy(1.0),
    "from scratch": Strategy(1.0, pretrained=False),
}


def prepare(classifier: Classifier, strategy: Strategy) -> list[nn.Module]:
    """Freeze what shall not learn, and forget what shall be learnt anew.

    Frozen modules, and all pretrained batch norms and dropouts, stay in evaluation mode.

    Args:
        classifier: changed in place.
        strategy: a value of `STRATEGIES`.

    Returns:
        the modules of the backbone that learn, last first.
    """
    learning = tail(classifier.backbone, strategy.tail)
    classifier.requires_grad_(False)
    classifier.head.requires_grad_(True)
    for module in learning:
        module.requires_grad_(True)
    if not strategy.pretrained:
        for layer in classifier.backbone.modules():
            # PyTorch's own beginning for each kind of layer; containers and activations have nothing to forget.
            getattr(layer, "reset_parameters", lambda: None)()
    return learning


def optimizer_of(
    classifier: Classifier, learning: Sequence[nn.Module], strategy: Strategy, learning_rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW for what learns, and its schedule: half a cosine down to zero.

    Args:
        classifier: after `prepare`.
        learning: what `prepare` returned.
        strategy: as for `prepare`; layers that have learnt something already take a tenth of the learning rate.
        learning_rate: of new layers, at the beginning.
        steps: of the whole training.
    """
    pace = SLOWER if strategy.pretrained else 1.0
    groups = [
        {"params": list(classifier.head.parameters()), "lr": learning_rate},
        {"params": [each for part in learning for each in part.parameters()], "lr": pace * learning_rate},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=WEIGHT_DECAY)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def tail(network: nn.Module, share: float) -> list[nn.Module]:
    """The last modules of a network that together hold at least a share of its parameters, last first.

    Sequences are taken apart, blocks are not: of a ResNet-18, 0.25 is the last of its eight blocks.

    Args:
        network: its modules in the order in which they are used, as all families write them.
        share: in [0, 1].
    """

    def parts(module: nn.Module) -> Iterator[nn.Module]:
        for child in module.children():
            yield from parts(child) if isinstance(child, nn.Sequential | nn.ModuleList) else (child,)

    def size(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    wanted, held, found = share * size(network), 0, []
    for part in reversed(list(parts(network))):
        if held >= wanted:
            break
        if count := size(part):
            held += count
            found.append(part)
    return found


# -------------------------------------------------------------------------------------------------------- The training


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        strategy: a key of `STRATEGIES`.
        epochs: passes through the pictures to learn from.
        learning_rate: of AdamW for new layers, a tenth of it for layers that have learnt something already; it falls
            to zero along half a cosine.
        augment: whether pictures are mirrored, cropped, lightened and darkened at random. A frozen backbone looks at
            four such views of each picture, the first of them as it is, and each epoch draws one of them.
        seed: same seed, same curve (on one machine with the same number of threads).
    """

    strategy: str = "head"
    epochs: int = 10
    learning_rate: float = 0.003
    augment: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise Refused("Choose one of these strategies: {names}.", names=", ".join(STRATEGIES))
        if not 1 <= self.epochs <= 100:
            raise Refused("Choose 1 to 100 epochs.")
        if not 0 < self.learning_rate < math.inf:
            raise Refused("Choose a learning rate above 0.")


@dataclass(frozen=True)
class Epoch:
    """The network as it stood at the end of an epoch, in evaluation mode on the pictures as they are.

    Attributes:
        number: from 1.
        train_loss: mean cross entropy (nats) of the pictures it learns from.
        train_accuracy: share in [0, 1].
        validation_loss: likewise, of the others.
        validation_accuracy: likewise.
        seconds: since the training began.
    """

    number: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Step:
    """Where a training stands.

    Attributes:
        doing: "look" (the frozen backbone at all pictures, once), "train" or "report" (the best weights, on all).
        share: in [0, 1], of that.
        epoch: from 1; 0 while it looks.
        measured: at the end of an epoch, else None.
    """

    doing: str
    share: float
    epoch: int
    measured: Epoch | None = None


@dataclass(frozen=True)
class Trained:
    """A classifier, how it came to be, and what it makes of the pictures it came from.

    Attributes:
        classifier: with the weights of the best epoch, eval mode.
        backbone: what it began with.
        classes: K names.
        plan: how it was trained.
        history: all epochs that went well.
        best: number of the epoch whose weights these are: the highest validation accuracy, then the lowest loss.
        stopped: number of the epoch in which the loss was no longer a number; None if all went well.
        learning: numbers that were trained.
        parameters: of how many.
        seconds: that the training took, its evaluations included.
        validation: indices of the pictures it did not learn from.
        labels: (N,), as the collection has them.
        features: (N, D) of all pictures.
        logits: (N, K) of all pictures.
    """

    classifier: Classifier
    backbone: Backbone
    classes: tuple[str, ...]
    plan: Plan
    history: tuple[Epoch, ...]
    best: int
    stopped: int | None
    learning: int
    parameters: int
    seconds: float
    validation: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    features: Tensor = field(repr=False)
    logits: Tensor = field(repr=False)

    @property
    def accuracy(self) -> float:
        """Share in [0, 1] of the validation pictures that are answered right."""
        return self.history[self.best - 1].validation_accuracy

    @property
    def confusion(self) -> Tensor:
        """Count (K, K) of validation pictures by true class (row) and answer (column)."""
        return confusion(self.logits[self.validation], self.labels[self.validation])


def augmented(images: Tensor) -> Tensor:
    """Images (N, 3, S, S) in [0, 1], each mirrored, cropped, lightened or darkened at random."""
    return photographs.flip_and_light(photographs.crop(images, images.shape[-1], smallest=0.6))


def fit(
    backbone: Backbone, collection: Collection, plan: Plan, keep_features: bool = True
) -> Generator[Step, None, Trained]:
    """Train a classifier; closing the generator stops the training at once and leaves nothing behind.

    Args:
        backbone: it is not changed.
        collection: its pictures' side is the backbone's.
        plan: how.
        keep_features: of a frozen backbone; without, as in the course, every epoch runs the whole network. The curve
            is the same.

    Yields:
        a `Step` every few pictures.

    Returns:
        the classifier with its best weights.

    Raises:
        Refused: the loss was no number before the first epoch ended. Later, the best epoch so far is kept.
    """
    torch.manual_seed(plan.seed)
    began = time.perf_counter()
    classifier = Classifier(backbone, len(collection.classes))
    strategy = STRATEGIES[plan.strategy]
    rest = prepare(classifier, strategy)
    learn, validate = split(collection.labels, plan.seed)
    per_epoch = -(-len(learn) // BATCH)
    optimizer, schedule = optimizer_of(classifier, rest, strategy, plan.learning_rate, per_epoch * plan.epochs)

    # What the part that learns is given: features that are kept (N, V, D), or pictures (N, 1, 3, S, S).
    frozen = not rest and keep_features
    inputs, network = collection.pictures[:, None], classifier
    if frozen:
        views = VIEWS if plan.augment else 1
        inputs = yield from _look(classifier, collection.pictures, views)
        network = classifier.head

    def given(indices: Tensor, vary: bool) -> Tensor:
        view = torch.randint(inputs.shape[1], (len(indices),)) if vary else torch.zeros(len(indices), dtype=torch.long)
        chosen = inputs[indices, view]
        if frozen:
            return chosen
        return augmented(as_images(chosen)) if vary else as_images(chosen)

    # Features are few numbers: the head looks at all of them at once.
    looks = torch.arange(len(collection.labels)).split(len(collection.labels) if frozen else BATCH)
    unit = 1 / (plan.epochs * (per_epoch + len(looks)))  # of the work, a batch

    def one_epoch(number: int) -> Generator[Step, None, Epoch | None]:
        """Learn from every picture once, then look at all of them; None if the loss is no longer a number."""
        done = (number - 1) / plan.epochs
        # Even batches: a batch norm that learns cannot do with a batch of one.
        for batch in learn[torch.randperm(len(learn))].tensor_split(per_epoch):
            classifier.backbone.train(not strategy.pretrained)
            loss = F.cross_entropy(network(given(batch, plan.augment)), collection.labels[batch])
            classifier.eval()
            if not loss.isfinite():
                return None
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            done += unit
            yield Step("train", done, number)
        logits: list[Tensor] = []
        for batch in looks:
            with torch.no_grad():
                logits.append(network(given(batch, False)))
            done += unit
            yield Step("train", done, number)
        measured = _measure(number, torch.cat(logits), collection.labels, learn, validate, began)
        return measured if math.isfinite(measured.train_loss + measured.validation_loss) else None

    history: list[Epoch] = []
    kept: dict[str, Tensor] = {}
    best, stopped = 0, None
    for number in range(1, plan.epochs + 1):
        measured = yield from one_epoch(number)
        if measured is None:
            stopped = number
            break
        history.append(measured)
        if not best or _rank(measured) > _rank(history[best - 1]):
            best = number
            kept = {key: value.clone() for key, value in network.state_dict().items()}  # a copy; see above
        yield Step("train", number / plan.epochs, number, measured)
    if not history:
        raise Refused("The loss is no longer a number in the first epoch already: please choose a lower learning rate.")
    network.load_state_dict(kept)
    seconds = time.perf_counter() - began
    features = inputs[:, 0] if frozen else (yield from _look(classifier, collection.pictures, 1, "report"))[:, 0]
    with torch.inference_mode():
        final = classifier.head(features)
    learning = sum(each.numel() for each in classifier.parameters() if each.requires_grad)
    classifier.requires_grad_(False)
    return Trained(
        classifier=classifier,
        backbone=backbone,
        classes=collection.classes,
        plan=plan,
        history=tuple(history),
        best=best,
        stopped=stopped,
        learning=learning,
        parameters=sum(each.numel() for each in classifier.parameters()),
        seconds=seconds,
        validation=validate,
        labels=collection.labels,
        features=features.clone(),
        logits=final.clone(),
    )


def _look(classifier: Classifier, pictures: Tensor, views: int, doing: str = "look") -> Generator[Step, None, Tensor]:
    """Features (N, V, D) of pictures (N, 3, S, S) uint8: as they are, and of V - 1 random variations of each."""
    batches = pictures.split(BATCH)
    seen: list[Tensor] = []
    for number, batch in enumerate(batches, 1):
        images = as_images(batch)
        parts: list[Tensor] = []
        for view in range(views):
            with torch.no_grad():  # not inference mode: the head learns from these
                parts.append(classifier.features(augmented(images) if view else images))
            yield Step(doing, (number - 1 + (view + 1) / views) / len(batches), 0)
        seen.append(torch.stack(parts, 1))
    return torch.cat(seen)


def _measure(number: int, logits: Tensor, labels: Tensor, learn: Tensor, validate: Tensor, began: float) -> Epoch:
    measured = []
    for part in (learn, validate):
        measured.append(F.cross_entropy(logits[part], labels[part]).item())
        measured.append((logits[part].argmax(1) == labels[part]).float().mean().item())
    return Epoch(number, *measured, seconds=time.perf_counter() - began)


def _rank(epoch: Epoch) -> tuple[float, float]:
    return epoch.validation_accuracy, -epoch.validation_loss


# ------------------------------------------------------------------------------------------------ What it makes of them


@torch.inference_mode()
def probabilities(classifier: Classifier, image: Image.Image, side: int) -> tuple[Tensor, Tensor]:
    """Probability (K,) of each class, and features (D,), of one picture.

    Args:
        classifier: eval mode.
        image: RGB, of any proportions.
        side: S in px.
    """
    features = classifier.features(as_images(photographs.squared(image, side)[None]))
    return classifier.head(features)[0].softmax(0), features[0]


def worst_mistakes(trained: Trained, most: int = 12) -> list[int]:
    """Indices of validation pictures that are answered wrongly, the surest mistakes first."""
    wrong = trained.validation[trained.logits[trained.validation].argmax(1) != trained.labels[trained.validation]]
    certain = trained.logits[wrong].softmax(1).amax(1)
    return wrong[certain.argsort(descending=True)][:most].tolist()


def likely_wrong_labels(features: Tensor, labels: Tensor, most: int = 12, seed: int = 0) -> list[tuple[int, int]]:
    """Indices of pictures whose label is likely wrong, with the class that each seems to be of; the likeliest first.

    Confident learning (Northcutt, Jiang, Chuang, 2019, https://arxiv.org/abs/1911.00068): heads that have not learnt
    from a picture say how probable each class is; its label is doubted where another class is at least as probable as
    it is, on average, for the pictures that carry it.

    Args:
        features: (N, D).
        labels: (N,), 0 <= label < K.
        most: how many at most.
        seed: of the parts that are left out in turn.
    """
    said = out_of_fold(features, labels, seed)
    usual = torch.stack([said[labels == label, label].mean() for label in range(said.shape[1])])
    above = torch.where(said >= usual, said, torch.zeros_like(said))
    doubted = ((above.amax(1) > 0) & (above.argmax(1) != labels) & (said.argmax(1) != labels)).nonzero()[:, 0]
    own = said[doubted, labels[doubted]]
    doubted = doubted[own.argsort()][:most]
    return list(zip(doubted.tolist(), said[doubted].argmax(1).tolist(), strict=True))


def out_of_fold(features: Tensor, labels: Tensor, seed: int = 0, folds: int = 4, steps: int = 60) -> Tensor:
    """Probabilities (N, K) by linear heads, each picture's by one that has not learnt from it.

    Args:
        features: (N, D).
        labels: (N,), 0 <= label < K.
        seed: of the parts.
        folds: how many parts the pictures of each class are dealt into.
        steps: that each head learns, from all pictures at once.
    """
    num_classes = int(labels.max()) + 1
    random = torch.Generator().manual_seed(seed)
    fold = torch.empty_like(labels)
    for label in range(num_classes):
        own = (labels == label).nonzero()[:, 0]
        fold[own] = torch.randperm(len(own), generator=random) % folds
    said = torch.zeros(len(labels), num_classes)
    for part in fold.unique():
        learn = fold != part
        weight = torch.zeros(num_classes, features.shape[1], requires_grad=True)
        optimizer = torch.optim.Adam([weight], 0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(features[learn] @ weight.T, labels[learn]).backward()
            optimizer.step()
        said[~learn] = (features[~learn] @ weight.T).softmax(1).detach()
    return said


@dataclass(frozen=True)
class Map:
    """The plane in feature space on which pictures lie furthest apart: their first two principal components.

    Attributes:
        centre: (D,), the mean of the features.
        axes: (D, 2).
        points: (N, 2), where the pictures lie.
    """

    centre: Tensor
    axes: Tensor
    points: Tensor

    def place(self, features: Tensor) -> tuple[float, float]:
        """Where a picture with features (D,) lies."""
        x, y = ((features - self.centre) @ self.axes).tolist()
        return x, y


def map_of(features: Tensor, seed: int = 0) -> Map:
    """The map of features (N, D)."""
    torch.manual_seed(seed)
    centre = features.mean(0)
    axes = torch.pca_lowrank(features - centre, q=2, center=False)[2]
    return Map(centre, axes, (features - centre) @ axes)


# ----------------------------------------------------------------------------------------------------------- The advice


@torch.inference_mode()
def separation(features: Tensor, labels: Tensor) -> float:
    """How well classes lie apart already: 0 for no better than guessing, 1 for perfectly.

    The share of pictures that lie nearest, by angle, to the mean of their own class, themselves left out of it,
    compared with guessing.

    Args:
        features: (N, D).
        labels: (N,), 0 <= label < K, of each class at least two.
    """
    member = F.one_hot(labels).float()  # (N, K)
    sums, counts = member.T @ features, member.sum(0)  # (K, D), (K,)
    means = (sums - member[..., None] * features[:, None]) / (counts - member)[..., None]  # (N, K, D)
    nearest = F.cosine_similarity(features[:, None] - features.mean(0), means - features.mean(0), dim=2).argmax(1)
    chance = 1 / member.shape[1]
    right = (nearest == labels).float().mean().item()
    return max(0.0, (right - chance) / (1 - chance))


# The four cases of the course: (large, similar) and the strategy that it advises.
ADVICE = {
    (False, True): "head",
    (True, True): "last block",
    (False, False): "last block",
    (True, False): "everything",
}


def case(collection: Collection, apart: float) -> tuple[bool, bool]:
    """Whether a collection is large, and whether it is similar to what the backbone has learnt; a key of `ADVICE`.

    Args:
        collection: large from 500 pictures in the smallest class on.
        apart: its `separation` in the backbone's features, similar from 0.7 on.
    """
    return bool(collection.labels.bincount().min() >= LARGE), apart >= SIMILAR


def look_first(backbone: Backbone, collection: Collection, most: int = 24) -> Generator[Step, None, float]:
    """The `separation` of some of a collection's pictures in a backbone's features.

    Args:
        backbone: as it is.
        collection: its pictures' side is the backbone's.
        most: pictures of a class that are looked at.
    """
    own = [(collection.labels == label).nonzero()[:most, 0] for label in range(len(collection.classes))]
    chosen = torch.cat(own)
    classifier = Classifier(backbone, len(collection.classes))
    features = yield from _look(classifier, collection.pictures[chosen], 1)
    return separation(features[:, 0], collection.labels[chosen])


# ------------------------------------------------------------------------------------------------------------- The file


def card(trained: Trained) -> dict[str, Any]:
    """All that is needed to use and to rebuild a classifier, as plain JSON."""
    backbone = trained.backbone
    return {
        "classes": list(trained.classes),
        "backbone": {
            "name": backbone.name,
            "layout": backbone.layout,
            "features": backbone.num_features,
            "side": backbone.side,
            "mean": list(backbone.mean),
            "std": list(backbone.std),
        },
        "plan": asdict(trained.plan),
        "pictures": {
            name: int(count)
            for name, count in zip(
                trained.classes, trained.labels.bincount(minlength=len(trained.classes)), strict=True
            )
        },
        "validation_accuracy": trained.accuracy,
        "validation_pictures": len(trained.validation),
        "confusion": trained.confusion.tolist(),
        "best_epoch": trained.best,
        "history": [asdict(epoch) for epoch in trained.history],
        "trained_parameters": trained.learning,
        "parameters": trained.parameters,
        "seconds": round(trained.seconds, 2),
        "date": date.today().isoformat(),
    }


def save(classifier: Classifier, about: dict[str, Any], folder: Path) -> list[Path]:
    """Write `model.safetensors`, which carries the card too, and `card.json`.

    Args:
        classifier: all of it is written, its backbone too.
        about: its `card`.
        folder: is made if need be.

    Returns:
        the two files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "model.safetensors", folder / "card.json"]
    state = {key: value.contiguous() for key, value in classifier.state_dict().items()}
    save_file(state, files[0], metadata={"format": "pt", "card": json.dumps(about)})
    files[1].write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return files


def load(path: Path | str) -> tuple[Classifier, dict[str, Any]]:
    """A classifier that `save` wrote, and its card. The file may come from a stranger.

    Args:
        path: of the .safetensors file.

    Raises:
        Refused: it is none of ours, or its classes or shapes do not fit.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["card"])
            classes, facts = about["classes"], about["backbone"]
            shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
            backbone = Backbone(
                str(facts["name"]),
                backbones.build(facts["layout"]),
                int(facts["features"]),
                int(facts["side"]),
                tuple(map(float, facts["mean"])),
                tuple(map(float, facts["std"])),
                facts["layout"],
            )
            if not 16 <= backbone.side <= backbones.MOST_SIDE or not 1 <= backbone.num_features <= 2**17:
                raise ValueError(f"{backbone.side} px, {backbone.num_features} features")
            _check_shapes(shapes, backbone, classes)
            classifier = Classifier(backbone, len(classes))
            classifier.load_state_dict({key: file.get_tensor(key) for key in shapes})
        if not len(backbone.mean) == len(backbone.std) == 3 or not all(backbone.std):
            raise ValueError(f"{backbone.mean}, {backbone.std}")
        with torch.inference_mode():
            classifier.eval()(torch.zeros(1, 3, backbone.side, backbone.side))  # what it says of itself may not fit
    except Refused:
        raise
    except Exception as error:  # a stranger's file can make its readers raise almost anything
        raise Refused(
            "That file holds no classifier from here: please choose the model.safetensors that you downloaded."
        ) from error
    if not all(value.isfinite().all() for value in classifier.state_dict().values()):
        raise Refused("That classifier holds values that are no numbers (NaN or infinity): please train it again.")
    classifier.requires_grad_(False)
    return classifier, about


def _check_shapes(found: dict[str, list[int]], backbone: Backbone, classes: Any) -> None:
    """Raise a `Refused` for the first thing in which a file and its card differ."""
    if (
        not isinstance(classes, list)
        or not 2 <= len(classes) <= MOST_CLASSES
        or len(set(map(str, classes))) < len(classes)
    ):
        raise Refused("The card of that classifier does not name 2 to {most} classes.", most=MOST_CLASSES)
    head = {"head.weight": [len(classes), backbone.num_features], "head.bias": [len(classes)]}
    wanted = {f"backbone.{key}": list(value.shape) for key, value in backbone.network.state_dict().items()} | head
    for key in sorted(chain(wanted, found.keys() - wanted.keys())):
        if found.get(key) != wanted.get(key):
            raise Refused(
                "That file does not fit its card, which names {count} classes on {backbone}: {key} is {found}, not "
                "{wanted}.",
                count=len(classes),
                backbone=str(backbone.name)[:60],
                key=key[:80],
                found=found.get(key, "missing"),
                wanted=wanted.get(key, "wanted"),
            )


def publish(folder: Path, repo: str, token: str, private: bool = True) -> str:
    """Upload what `save` wrote to a model repository on the Hub, made if need be, in its owner's name.

    Args:
        folder: that `save` wrote to.
        repo: "owner/name".
        token: the owner's, allowed to write; used for this and not kept.
        private: whether a repository that is made now can be seen by its owner only.

    Returns:
        The repository's address.

    Raises:
        Refused: the Hub did not take it; says why.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import get_session

    if not token.strip():
        raise Refused("Please paste a token of yours that may write: huggingface.co/settings/tokens makes one.")
    client = HfApi(token=token.strip())
    try:
        get_session().head(constants.ENDPOINT, timeout=weights.ANSWER)  # the calls below wait for a silent server
        address = client.create_repo(repo.strip(), private=private, exist_ok=True)
        client.upload_folder(repo_id=repo.strip(), folder_path=folder)
    except Exception as error:
        reason = weights.reason_of(error)[0]
        raise Refused("Nothing was published to {repo}: {reason}.", repo=repo.strip()[:80], reason=reason) from error
    return str(address)
