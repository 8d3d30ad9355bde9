"""What a pretrained network is worth: four strategies, each with few and with many photographs of cats and dogs.

    python -m cnn_core.benchmark_strategies --data data

trains a MobileNetV2 that knows ImageNet (or, "from scratch", that knows nothing) with every strategy of
`cnn_core.transfer` on 100, 400, 2,000 and all training photographs, and writes accuracy on the test photographs and
seconds to `weights/transfer_learning.csv`, a line as soon as it is measured; what is there is not measured again.

The course gives the advice (a data set large or small, like the first one's or unlike it) and never measures it.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import torch
from torch.nn import functional as F
from tqdm import tqdm

from cnn_core import backbones, photographs, transfer
from cnn_core.backbones import Backbone
from cnn_core.errors import Refused
from cnn_core.evaluation import accuracy, as_images
from cnn_core.transfer import STRATEGIES, Classifier
from cnn_core.weights import FOLDER

FILE = FOLDER / "transfer_learning.csv"
COUNTS = (100, 400, 2_000, None)  # photographs to learn from; None for all there are
SEEN = 32_000  # photographs that a training sees in all, each between 2 and 10 times
LEARNING_RATE = 0.003
CROPPED = 1.25  # times the side: what the photographs are kept at, to be cropped from


@dataclass(frozen=True)
class Measured:
    """One training, and what it reached.

    Attributes:
        strategy: a key of `transfer.STRATEGIES`.
        pictures: photographs it learnt from.
        epochs: passes through them.
        accuracy: share in [0, 1] of the test photographs, with the last epoch's weights.
        seconds: that the training took.
        learning: numbers that were trained.
        parameters: of how many.
    """

    strategy: str
    pictures: int
    epochs: int
    accuracy: float
    seconds: float
    learning: int
    parameters: int


def read(file: Path = FILE) -> list[Measured]:
    """What has been measured; nothing if nothing has."""
    if not file.is_file():
        return []
    kinds = {"str": str, "int": int, "float": float}
    with file.open(newline="") as lines:
        return [
            Measured(*(kinds[str(each.type)](line[each.name]) for each in fields(Measured)))
            for line in csv.DictReader(lines)
        ]


def append(measured: Measured, file: Path = FILE) -> None:
    """Add a line to the file, made with its heads if need be."""
    new = not file.is_file()
    with file.open("a", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        if new:
            writer.writerow([each.name for each in fields(Measured)])
        writer.writerow(f"{value:.4f}" if isinstance(value, float) else value for value in astuple(measured))


def measure(
    backbone: Backbone,
    strategy: str,
    train: tuple[torch.Tensor, torch.Tensor],
    test: tuple[torch.Tensor, torch.Tensor],
    seed: int = 0,
) -> Measured:
    """Train with one strategy, and measure on the test photographs.

    Every strategy sees the same photographs equally often, mirrored, cropped and lightened at random; a frozen backbone
    looks once at `transfer.VIEWS` such views of each.

    Args:
        backbone: it is not changed.
        strategy: a key of `transfer.STRATEGIES`.
        train: pictures (N, 3, T, T) uint8 and labels (N,); T is `CROPPED` times the backbone's side.
        test: pictures (M, 3, S, S) uint8 and labels (M,).
        seed: same seed, same result (on one machine with the same number of threads).
    """
    torch.manual_seed(seed)
    pictures, labels = train
    began = time.perf_counter()
    classifier, plan = Classifier(backbone, 2), STRATEGIES[strategy]
    rest = transfer.prepare(classifier, plan)
    epochs = min(10, max(2, SEEN // len(labels)))
    per_epoch = -(-len(labels) // transfer.BATCH)
    optimizer, schedule = transfer.optimizer_of(classifier, rest, plan, LEARNING_RATE, per_epoch * epochs)

    def varied(batch: torch.Tensor) -> torch.Tensor:
        return photographs.flip_and_light(photographs.crop(as_images(pictures[batch]), backbone.side))

    kept = torch.empty(0)
    if not rest:  # frozen: it looks at each picture's views once
        with torch.inference_mode():
            looks = [
                torch.stack([classifier.features(varied(batch)) for _ in range(transfer.VIEWS)], 1)
                for batch in tqdm(
                    torch.arange(len(labels)).split(transfer.BATCH), f"{strategy}, looking", mininterval=5
                )
            ]
        kept = torch.cat(looks).clone()
    for epoch in range(epochs):
        title = f"{strategy}, {len(labels):,} photographs, epoch {epoch + 1} of {epochs}"
        for batch in tqdm(torch.randperm(len(labels)).tensor_split(per_epoch), title, mininterval=5):
            classifier.backbone.train(not plan.pretrained)
            if rest:
                logits = classifier(varied(batch))
            else:
                logits = classifier.head(kept[batch, torch.randint(transfer.VIEWS, (len(batch),))])
            loss = F.cross_entropy(logits, labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - began
    classifier.eval()
    return Measured(
        strategy,
        len(labels),
        epochs,
        accuracy(classifier, *test),
        seconds,
        sum(each.numel() for each in classifier.parameters() if each.requires_grad),
        sum(each.numel() for each in classifier.parameters()),
    )


def some(train: tuple[torch.Tensor, torch.Tensor], count: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """As many photographs of each class, evenly spread; all of them for None."""
    pictures, labels = train
    if count is None:
        return train
    chosen = []
    for label in (0, 1):
        indices = (labels == label).nonzero()[:, 0]
        chosen.append(indices[torch.linspace(0, len(indices) - 1, count // 2).long()])
    indices = torch.cat(chosen)
    return pictures[indices], labels[indices]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m cnn_core.benchmark_strategies", description=__doc__)
    parser.add_argument("--backbone", default="torchvision-mirror/mobilenet_v2", help="a Hub repository")
    parser.add_argument("--side", type=int, default=96, help="px that the network sees (default: 96)")
    parser.add_argument("--data", type=Path, help="folder that holds catdog/ (default: CONVLENS_DATA)")
    parser.add_argument("--threads", type=int, help="processor threads (default: all)")
    parser.add_argument("--out", type=Path, default=FILE, help="where lines are added")
    chosen = parser.parse_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    try:
        backbone = backbones.load(chosen.backbone)
        train = photographs.cat_dog("train", chosen.data, round(CROPPED * chosen.side))
        test = photographs.cat_dog("test", chosen.data, chosen.side)
    except Refused as refused:
        parser.error(str(refused))
    backbone = replace(backbone, side=chosen.side)
    there = {(each.strategy, each.pictures) for each in read(chosen.out)}
    for count in COUNTS:
        few = some(train, count)
        for strategy in STRATEGIES:
            if (strategy, len(few[1])) not in there:
                measured = measure(backbone, strategy, few, test)
                append(measured, chosen.out)
                print(
                    f"{strategy}, {measured.pictures:,} photographs: {measured.accuracy:.1%}, {measured.seconds:.0f} s"
                )


if __name__ == "__main__":
    main()
