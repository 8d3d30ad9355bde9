"""What keeping a frozen backbone's features saves: a head trained from them, against the course's loop.

    python -m cnn_core.benchmark_transfer --data data
    python -m cnn_core.benchmark_transfer --backbone owner/name --pictures 400

Both train the same head on the same pictures, in the same order, for the course's 13 epochs, on this machine and in
this run, in turn; ours, which is short, three times, of which the median counts. The course's loop runs the whole
network in every epoch; ours runs it once. Without cats and dogs the textures that come with scikit-image serve.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch.nn import functional as F

from cnn_core import backbones, data, photographs, transfer
from cnn_core.backbones import Backbone
from cnn_core.errors import Refused
from cnn_core.evaluation import accuracy, as_images
from cnn_core.transfer import Classifier, Collection, Plan

T = TypeVar("T")

EPOCHS = 13  # the course's
TEXTURES = ("brick", "grass", "gravel")
SQUARE = 64  # px, of 512


def finished(steps: Generator[object, None, T]) -> T:
    """What a generator returns in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def cats_and_dogs(root: Path | None, count: int, side: int) -> Collection:
    """Some of the training photographs, as many of each.

    Raises:
        Refused: they are not here.
    """
    pictures, labels = photographs.cat_dog("train", root, side, count)
    names = tuple(f"{number}.jpg" for number in range(len(labels)))
    return Collection(data.CAT_DOG_CLASSES, names, pictures, labels)


def textures(count: int, side: int) -> Collection:
    """Squares of three photographs, which come with scikit-image (CC0)."""
    from skimage import data as samples

    per_class = min(count // len(TEXTURES), (512 // SQUARE) ** 2)
    pictures, names = [], []
    for name in TEXTURES:
        whole = Image.fromarray(getattr(samples, name)()).convert("RGB")
        for number in range(per_class):
            top, left = (SQUARE * each for each in divmod(number, 512 // SQUARE))
            square = whole.crop((left, top, left + SQUARE, top + SQUARE))
            pictures.append(photographs.squared(square, side))
            names.append(f"{name} {number}")
    labels = torch.arange(len(TEXTURES)).repeat_interleave(per_class)
    return Collection(TEXTURES, tuple(names), torch.stack(pictures), labels)


def course_loop(backbone: Backbone, collection: Collection, plan: Plan) -> float:
    """Train the head as the course does: the whole network, on every picture, in every epoch.

    Done as well as it can be: nothing is computed for frozen layers but their outputs, and of the pictures to learn
    from the accuracy is not measured apart.

    Args:
        backbone: frozen.
        collection: its pictures' side is the backbone's.
        plan: whose strategy is "head".

    Returns:
        the best epoch's validation accuracy in [0, 1].
    """
    torch.manual_seed(plan.seed)
    classifier = Classifier(backbone, len(collection.classes))
    transfer.prepare(classifier, transfer.STRATEGIES[plan.strategy])
    learn, validate = transfer.split(collection.labels, plan.seed)
    per_epoch = -(-len(learn) // transfer.BATCH)
    optimizer = torch.optim.AdamW(classifier.head.parameters(), plan.learning_rate, weight_decay=transfer.WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, per_epoch * plan.epochs)
    reached = 0.0
    for _ in range(plan.epochs):
        for batch in learn[torch.randperm(len(learn))].tensor_split(per_epoch):
            logits = classifier(as_images(collection.pictures[batch]))
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(logits, collection.labels[batch]).backward()
            optimizer.step()
            schedule.step()
        reached = max(reached, accuracy(classifier, collection.pictures[validate], collection.labels[validate]))
    return reached


@dataclass(frozen=True)
class Measured:
    """What a training took and reached.

    Attributes:
        seconds: by the clock; whatever else the machine did is in it.
        processor_seconds: that this process computed, on all its threads together.
        accuracy: validation accuracy in [0, 1].
    """

    seconds: float
    processor_seconds: float
    accuracy: float


def timed(run: Callable[[], float]) -> Measured:
    """Measure a training that returns its accuracy."""
    clock, processor = time.perf_counter(), time.process_time()
    reached = run()
    return Measured(time.perf_counter() - clock, time.process_time() - processor, reached)


def measure(backbone: Backbone, collection: Collection, epochs: int = EPOCHS) -> tuple[Measured, Measured]:
    """What a head takes and reaches from features that are kept, and in the course's loop.

    Args:
        backbone: frozen in both.
        collection: its pictures' side is the backbone's.
        epochs: passes through the pictures.
    """
    plan = Plan("head", epochs, learning_rate=0.003)
    few = slice(None, None, 5)
    few_pictures = Collection(collection.classes, (), collection.pictures[few], collection.labels[few])
    # Whoever comes first would pay for what PyTorch loads when it is first asked: the optimizer, the kernels.
    course_loop(backbone, few_pictures, replace(plan, epochs=1))
    ours = [timed(lambda: finished(transfer.fit(backbone, collection, plan)).accuracy) for _ in range(3)]
    course = timed(lambda: course_loop(backbone, collection, plan))
    return sorted(ours, key=lambda each: each.processor_seconds)[1], course


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m cnn_core.benchmark_transfer", description=__doc__)
    parser.add_argument("--backbone", default="cat_dog", help="a shipped row, or a Hub repository")
    parser.add_argument("--pictures", type=int, default=400, help="to train and validate with (default: 400)")
    parser.add_argument("--data", type=Path, help="folder that holds catdog/ (default: CONVLENS_DATA)")
    parser.add_argument("--threads", type=int, help="processor threads (default: all)")
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    try:
        backbone = backbones.load(chosen.backbone)
    except Refused as refused:
        parser.error(str(refused))
    try:
        collection = cats_and_dogs(chosen.data, chosen.pictures, backbone.side)
    except Refused:
        collection = textures(chosen.pictures, backbone.side)
    found = dict(zip(("features kept", "the course's loop"), measure(backbone, collection), strict=True))
    print(
        f"{len(collection.labels)} pictures of {', '.join(collection.classes)} at {backbone.side} px, "
        f"{backbone.name}, {EPOCHS} epochs"
    )
    for name, each in found.items():
        print(
            f"{name:18} {each.processor_seconds:7.2f} s of processor time, {each.seconds:7.2f} s by the clock, "
            f"validation accuracy {each.accuracy:.1%}"
        )
    ours, course = found.values()
    print(
        f"{course.processor_seconds / ours.processor_seconds:.1f} times as fast by processor time, "
        f"{course.seconds / ours.seconds:.1f} by the clock"
    )


if __name__ == "__main__":
    main()
