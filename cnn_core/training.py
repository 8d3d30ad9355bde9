"""Training from scratch: one loop for every recipe, and the recipes that made the shipped weights.

    python -m cnn_core.training fashion_cnn --data data

evaluates every 50 iterations, prints a line every 500, and writes `weights/fashion_cnn/`: the weights, the curve, the
scores, a witness and the model card. A run that was interrupted goes on from its last epoch.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from cnn_core import data, distillation, layers, photographs
from cnn_core.errors import Refused
from cnn_core.evaluation import accuracy, as_images, measure_garments, measure_photographs
from cnn_core.models.alexnet import AlexNet
from cnn_core.models.fashion import FashionCNN, FashionDNN
from cnn_core.models.googlenet import GoogLeNet
from cnn_core.models.lenet import LeNet
from cnn_core.models.resnet import ResNet
from cnn_core.models.sketch import SketchNet
from cnn_core.models.vgg import VGG
from cnn_core.models.xai import XAI
from cnn_core.shipping import CAT_DOG_CARD, GARMENT_CARD, ship
from cnn_core.weights import FOLDER, WEIGHTS

CHECKPOINTS = Path(".training")
EVALUATE_EVERY = 50  # iterations, as in the course
REPORT_EVERY = 500  # iterations, as in the course


def first(count: int, pictures: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Some of the pictures, and their labels."""
    return pictures[0][:count], pictures[1][:count]


def soft_labels(labels: Tensor, num_classes: int) -> Tensor:
    """Targets (N, K), rows summing to 1: one-hot, or even over all classes where the label is -1.

    A picture of no class teaches the network to say so (Hendrycks et al., "Deep Anomaly Detection with Outlier
    Exposure", 2018, https://arxiv.org/abs/1812.04606).
    """
    one_hot = F.one_hot(labels.clamp(min=0), num_classes).float()
    return torch.where(labels[:, None] < 0, torch.full_like(one_hot, 1 / num_classes), one_hot)


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """The mean cross entropy of logits (N, K) and labels (N,), of which -1 means "none of the classes"."""
    return F.cross_entropy(logits, soft_labels(labels, logits.shape[1]), label_smoothing=label_smoothing)


def garments(root: Path | None) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST's training pictures and labels, fetched if need be; see `data.fashion_mnist`."""
    return data.fashion_mnist(True, root, download=True)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        build: makes the network with random parameters.
        epochs: passes through the training pictures.
        batch_size: pictures per iteration.
        learning_rate: its maximum; it warms up over the first tenth and then falls to zero along a cosine (Smith and
            Topin, "Super-Convergence", 2017, https://arxiv.org/abs/1708.07120).
        weight_decay: of AdamW (Loshchilov and Hutter, 2017, https://arxiv.org/abs/1711.05101).
        label_smoothing: share of the target spread evenly over the classes.
        loss: of outputs in training mode, the batch's targets, and the label smoothing.
        augment: changes a batch (N, C, H, W) in [0, 1] at random; every epoch sees other pictures.
        pictures: reads or makes the training pictures (N, H, W) or (N, C, H, W) uint8 and the targets (N, ...), given
            the data folder.
        watch: reads the pictures and labels that the curve's evaluations use, in the size the network takes.
        finish: makes the network that is shipped out of the trained one.
        dtype: of the shipped weights; what is measured are these.
        measure: the final scores of that, for `scores.json` and the card.
        card: the model card's text.
        averaging: if given, the network ends with an exponential moving average of the weights it had on the way, which
            keeps this share of itself in every iteration (Izmailov et al., "Averaging Weights Leads to Wider Optima and
            Better Generalization", 2018, https://arxiv.org/abs/1803.05407).
        then: a second training of the same network, which begins with the weights that this one ended with.
    """

    build: Callable[[], nn.Module]
    epochs: int
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    loss: Callable[[Tensor, Tensor, float], Tensor] = cross_entropy
    augment: Callable[[Tensor], Tensor] = lambda images: images
    pictures: Callable[[Path | None], tuple[Tensor, Tensor]] = garments
    watch: Callable[[Path | None], tuple[Tensor, Tensor]] = lambda root: first(2_000, data.fashion_mnist(False, root))
    finish: Callable[[nn.Module], nn.Module] = lambda network: network
    dtype: torch.dtype = torch.float32
    measure: Callable[[nn.Module, Path | None], dict[str, Any]] = measure_garments
    card: str = GARMENT_CARD
    averaging: float | None = None
    then: Recipe | None = None


def in_turn(recipe: Recipe, *others: Recipe) -> Recipe:
    """A recipe that goes on with others, one after the other."""
    return replace(recipe, then=in_turn(*others)) if others else recipe


@dataclass(frozen=True)
class Step:
    """Where a training stands after one iteration.

    Attributes:
        iteration: from 1 to `total`.
        total: iterations of the whole training.
        epoch: from 1; full passes begun.
        loss: of this iteration's batch, before its update.
        accuracy: in [0, 1] on the test pictures; `None` between evaluations.
        seconds: since the training began, earlier runs of an interrupted one included.
    """

    iteration: int
    total: int
    epoch: int
    loss: float
    accuracy: float | None
    seconds: float


def flip_and_shift(images: Tensor, most: int = 2) -> Tensor:
    """Mirror every other picture at random and move each by up to `most` px, filling with black.

    Args:
        images: (N, C, H, W), black is 0.
        most: px in each direction.
    """
    count, _, height, width = images.shape
    mirrored = torch.where((torch.rand(count) < 0.5)[:, None, None, None], images.flip(-1), images)
    padded = F.pad(mirrored, (most, most, most, most))  # (N, C, H + 2 most, W + 2 most)
    down, right = torch.randint(0, 2 * most + 1, (2, count))
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]  # (N, 1, H, 1)
    columns = (right[:, None] + torch.arange(width))[:, None, None, :]  # (N, 1, 1, W)
    return padded[torch.arange(count)[:, None, None, None], torch.arange(images.shape[1])[:, None, None], rows, columns]


def erase(images: Tensor, probability: float = 0.5, largest: int = 12) -> Tensor:
    """Put a box of noise over some pictures (Zhong et al., "Random Erasing", 2017, https://arxiv.org/abs/1708.04896).

    Args:
        images: (N, C, H, W) in [0, 1].
        probability: share of the pictures that get a box.
        largest: side of the largest box in px.
    """
    count, _, height, width = images.shape
    tall, wide = torch.randint(3, largest + 1, (2, count))
    top, left = (torch.rand(count) * (height - tall)).int(), (torch.rand(count) * (width - wide)).int()
    rows, columns = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])  # (N, H)
    inside_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])  # (N, W)
    box = inside_rows[:, :, None] & inside_columns[:, None, :] & (torch.rand(count) < probability)[:, None, None]
    return torch.where(box[:, None], torch.rand(images.shape), images)


def fit(
    network: nn.Module,
    recipe: Recipe,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    seed: int = 0,
    checkpoint: Path | None = None,
) -> Iterator[Step]:
    """Train `network` in place, one iteration per step of the generator; closing the generator stops the training.

    Args:
        network: (N, C, H, W) in [0, 1] to (N, K) logits in eval mode, in which it is when the generator ends.
        recipe: how.
        train: pictures (N, H, W) or (N, C, H, W) uint8 and targets (N, ...) for the recipe's loss.
        test: pictures and labels to evaluate on, every 50 iterations and at the very end.
        seed: same seed, same curve (on one machine with the same number of threads).
        checkpoint: a file that is written after each epoch, and from which an interrupted training goes on.

    Yields:
        a `Step` per iteration; a training that goes on repeats the evaluated steps of its earlier run first.

    Raises:
        Refused: when the loss is no longer a number, or the checkpoint is of a training with other options.
    """
    pictures, labels = train
    per_epoch = -(-len(pictures) // recipe.batch_size)
    total = per_epoch * recipe.epochs
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=total, pct_start=0.1)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging or 0.0), use_buffers=True)
    begin, curve, before = 0, [], 0.0
    began = time.perf_counter()
    # A third faster on a CPU; the numbers are the same.
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    torch.manual_seed(seed)
    asked = [seed, len(pictures), recipe.epochs, recipe.batch_size, recipe.learning_rate]
    if checkpoint and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        if saved.get("asked") != asked:
            raise Refused("{file} is of a training with other options: repeat them, or delete it.", file=checkpoint)
        network.load_state_dict(saved["network"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        torch.set_rng_state(saved["random"])
        begin, curve = saved["epoch"], [Step(*step) for step in saved["curve"]]
        before = saved["seconds"]
        yield from curve
        network.eval()
    for epoch in range(begin, recipe.epochs):
        for index, batch in enumerate(torch.randperm(len(pictures)).split(recipe.batch_size)):
            network.train()
            images = recipe.augment(as_images(pictures[batch]))  # (N, C, H, W)
            loss = recipe.loss(network(images), labels[batch], recipe.label_smoothing)
            if not loss.isfinite():
                raise Refused("The loss is no longer a number: try a smaller learning rate.")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            network.eval()
            iteration = epoch * per_epoch + index + 1
            if recipe.averaging:
                averaged.update_parameters(network)
                if iteration == total:
                    network.load_state_dict(averaged.module.state_dict())
            evaluate = iteration % EVALUATE_EVERY == 0 or iteration == total
            reached = accuracy(network, *test) if evaluate else None
            step = Step(iteration, total, epoch + 1, loss.item(), reached, before + time.perf_counter() - began)
            if evaluate:
                curve.append(step)
            yield step
        if checkpoint:
            keep = {
                "asked": asked,
                "network": network.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "random": torch.get_rng_state(),
                "epoch": epoch + 1,
                "curve": [astuple(step) for step in curve],
                "seconds": before + time.perf_counter() - began,
            }
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            torch.save(keep, checkpoint.with_suffix(".part"))  # moved when whole: a kill cannot leave half a file
            checkpoint.with_suffix(".part").replace(checkpoint)


def follow(
    network: nn.Module,
    recipe: Recipe,
    root: Path | None,
    seed: int = 0,
    checkpoint: Path | None = None,
) -> Iterator[Step]:
    """Train by a recipe, and then by the one that it names; iterations, epochs and seconds count on.

    Args:
        network: as for `fit`.
        recipe: the first one.
        root: folder that holds the data.
        seed: of the first; the next has the next number.
        checkpoint: the files' common beginning; each recipe has one of its own.

    Yields:
        a `Step` per iteration, as `fit` does.
    """
    done, number, stage = Step(0, 0, 0, 0.0, None, 0.0), 0, recipe
    while stage:
        file = checkpoint.with_name(f"{checkpoint.name}.{number}.pt") if checkpoint else None
        last = done
        for step in fit(network, stage, stage.pictures(root), stage.watch(root), seed + number, file):
            last = replace(
                step,
                iteration=done.iteration + step.iteration,
                total=done.iteration + step.total,
                epoch=done.epoch + step.epoch,
                seconds=done.seconds + step.seconds,
            )
            yield last
        done, number, stage = last, number + 1, stage.then


def photographs_and_drawings(root: Path | None, copies: int = 1) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST's training pictures and 80,000 drawings made up by `synthesis`, as pictures and labels.

    The drawings take minutes to make and are kept beside the checkpoints.

    Args:
        root: folder that holds Fashion-MNIST.
        copies: how often each photograph is among them.
    """
    from cnn_core import synthesis

    pictures, labels = garments(root)
    kept = CHECKPOINTS / "drawings.npz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        drawn, classes = synthesis.many(80_000, root, seed=7)
        np.savez(kept, drawn=drawn, classes=classes)
    with np.load(kept) as made:
        drawn, classes = torch.from_numpy(made["drawn"]), torch.from_numpy(made["classes"])
    return torch.cat([pictures] * copies + [drawn]), torch.cat([labels] * copies + [classes])


def shrunk(images: Tensor, side: int) -> Tensor:
    """Views as the student sees them: smaller, half of them mirrored, lighter or darker."""
    return photographs.flip_and_light(photographs.resize(images, side))


def student() -> nn.Module:
    """A ResNet-18 of 32 to 256 channels that learns 1280 features of its teacher's."""
    return distillation.Student(ResNet(18, num_classes=1280, width=0.5))


# Cats and dogs, from photographs alone: the same data, epochs and changes for every architecture.
COMPACT = Recipe(
    nn.Module,
    epochs=6,
    batch_size=64,
    pictures=partial(photographs.cat_dog, "train", side=80),
    augment=lambda images: photographs.flip_and_light(photographs.crop(images, 64)),
    watch=lambda root: photographs.cat_dog("validation", root, 64, 512),
    measure=partial(measure_photographs, side=64, corner=64),
    card=CAT_DOG_CARD,
)
# The same from what a pretrained teacher saw in the photographs.
IMITATE = Recipe(
    student,
    epochs=1,
    batch_size=64,
    weight_decay=0.05,
    loss=distillation.imitation,
    watch=lambda root: photographs.cat_dog("validation", root, 128, 256),
    finish=distillation.fold,
    dtype=torch.float16,  # half the room: 5.6 MB
    # Larger than in training: Touvron et al., 2019, arXiv:1906.06423.
    measure=partial(measure_photographs, side=192, corner=160),
    card=CAT_DOG_CARD,
)

# fmt: off
RECIPES: dict[str, Recipe] = {
    "fashion_dnn": Recipe(FashionDNN, epochs=60, augment=lambda images: flip_and_shift(images, 0)),
    "fashion_cnn": in_turn(
        Recipe(lambda: FashionCNN(dropout=0.5), epochs=28, weight_decay=0.05,
               augment=lambda images: flip_and_shift(images, 1)),
        # The test pictures are not shifted: neither are the last ones it learns from.
        Recipe(FashionCNN, epochs=9, learning_rate=1.2e-3, weight_decay=0.05, averaging=0.998,
               augment=lambda images: flip_and_shift(images, 0))),
    "sketch_net": in_turn(
        Recipe(SketchNet, epochs=7, learning_rate=4e-3, pictures=photographs_and_drawings,
               augment=lambda images: erase(flip_and_shift(images), 0.25, 10)),
        # The photographs are the harder half: twice as often, and less disturbed, to finish.
        Recipe(SketchNet, epochs=3, learning_rate=2e-3, weight_decay=0.05,
               pictures=partial(photographs_and_drawings, copies=2),
               augment=lambda images: flip_and_shift(images, 1))),
    "cat_dog": in_turn(
        replace(IMITATE, epochs=5, learning_rate=3e-3, augment=lambda images: shrunk(images, 96),
                pictures=partial(distillation.views_and_features, side=128)),
        # What the teacher saw in larger pictures is more; and it is cats and dogs that matter in the end.
        replace(IMITATE, epochs=6, learning_rate=2e-3, augment=lambda images: shrunk(images, 112),
                loss=partial(distillation.imitation, hint=0.3), averaging=0.998,
                pictures=partial(distillation.views_and_features, side=160, most=2)),
        # Larger still, and of each view no more than the teacher itself could tell.
        replace(IMITATE, epochs=6, learning_rate=1.5e-3, augment=lambda images: shrunk(images, 128),
                label_smoothing=0.0, loss=partial(distillation.imitation, hint=0.2), averaging=0.998,
                pictures=partial(distillation.views_and_features, side=160, most=2, opinion=1e-3)),
        # By now it knew those views by heart: more of them, a little shifted, and milder opinions.
        replace(IMITATE, epochs=3, learning_rate=1.5e-3,
                augment=lambda images: photographs.flip_and_light(photographs.crop(images, 128, 0.85, 1.1)),
                label_smoothing=0.0, loss=partial(distillation.imitation, hint=0.2), averaging=0.998,
                pictures=partial(distillation.views_and_features, side=160, opinion=1e-2))),
    "cat_dog_lenet":     replace(COMPACT, build=lambda: LeNet(width=0.5, image_size=64)),
    # Without batch norms it learns nothing at four times this rate.
    "cat_dog_alexnet":   replace(COMPACT, build=lambda: AlexNet(width=0.35, image_size=64), learning_rate=5e-4),
    "cat_dog_vgg":       replace(COMPACT, build=lambda: VGG(11, batch_norm=True, width=0.14, image_size=64)),
    "cat_dog_googlenet": replace(COMPACT, build=lambda: GoogLeNet(width=0.35)),
    "cat_dog_resnet":    replace(COMPACT, build=lambda: ResNet(18, width=0.25)),
    "cat_dog_xai":       replace(COMPACT, build=lambda: XAI(width=0.15)),
}
# fmt: on


def main() -> None:
    """Train one recipe from the command line and write the folder that is shipped."""
    parser = argparse.ArgumentParser(prog="python -m cnn_core.training", description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument(
        "--data", type=Path, help="folder that holds FashionMNIST/raw/ and catdog/ (default: CONVLENS_DATA)"
    )
    parser.add_argument("--epochs", type=int, help="passes through the data (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="processor threads (default: all)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where <recipe>/ is written (default: weights/)")
    parser.add_argument("--force", action="store_true", help="replace weights that are there already")
    chosen = parser.parse_args()
    folder, checkpoint = chosen.out / chosen.recipe, CHECKPOINTS / chosen.recipe
    if (folder / "model.safetensors").exists() and not chosen.force:
        parser.error(f"{folder} holds weights already; --force replaces them")
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    recipe = RECIPES[chosen.recipe]
    recipe = replace(recipe, epochs=chosen.epochs or recipe.epochs)
    try:
        training_pictures = len(recipe.pictures(chosen.data)[0])
    except Refused as refused:
        parser.error(str(refused))
    torch.manual_seed(chosen.seed)
    network = recipe.build()
    curve: list[Step] = []
    try:
        with tqdm(unit="it", mininterval=5) as bar:
            for step in follow(network, recipe, chosen.data, chosen.seed, checkpoint):
                bar.total = step.total
                bar.update(step.iteration - bar.n)
                if step.accuracy is not None:
                    curve.append(step)
                if step.iteration % REPORT_EVERY == 0:
                    reached = f"loss {step.loss:.4f}  test accuracy {curve[-1].accuracy:.2%}"
                    bar.write(f"iteration {step.iteration:6}  {reached}")
    except Refused as refused:
        parser.error(str(refused))
    network = recipe.finish(network).to(recipe.dtype).float()  # as it will be when it is loaded again
    shape = WEIGHTS[chosen.recipe].preprocess.shape  # of what it will be asked, perhaps larger than what it learnt from
    scores = recipe.measure(network, chosen.data) | {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "multiply_adds": sum(layer.multiply_adds for layer in layers.describe(network, shape)),
        "training_pictures": training_pictures,
        "epochs": curve[-1].epoch,
        "seconds": round(curve[-1].seconds),
        "command": f"python -m cnn_core.training {' '.join(sys.argv[1:])}",
        "date": date.today().isoformat(),
    }
    ship(chosen.recipe, network, scores, curve, folder, recipe.card, shape, recipe.dtype)
    for finished in checkpoint.parent.glob(f"{checkpoint.name}*.pt"):
        finished.unlink()
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    print(f"{scores['accuracy']:.2%} of {scores['pictures']} test pictures\n{folder}/model.safetensors sha256 {digest}")


if __name__ == "__main__":
    main()
