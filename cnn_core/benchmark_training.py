"""What training costs, architecture by architecture: the compact networks of the course, side by side in one run.

    python -m cnn_core.benchmark_training [rounds]

gives each of them a batch in turn, so that whatever else the machine does falls on all, and writes the median
milliseconds of an iteration to `weights/training_time.csv`. How long a training took on a clock says less: another
program may have run beside it.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from cnn_core.training import RECIPES
from cnn_core.weights import FOLDER

FILE = FOLDER / "training_time.csv"
FAMILY = tuple(name for name in RECIPES if name.startswith("cat_dog_"))


def milliseconds(names: Sequence[str] = FAMILY, rounds: int = 9) -> dict[str, float]:
    """Median ms of an iteration by a recipe's name: pictures changed at random, forward, backward, and the update.

    Args:
        names: of recipes.
        rounds: iterations of each, after one that warms up.
    """
    torch.manual_seed(0)
    networks = {name: RECIPES[name].build() for name in names}
    optimizers = {name: torch.optim.AdamW(network.parameters()) for name, network in networks.items()}
    took: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name, network in networks.items():
            recipe = RECIPES[name]
            images = torch.rand(recipe.batch_size, 3, 80, 80)  # as they are kept, to be cropped from
            labels = torch.arange(recipe.batch_size) % 2
            network.train().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            began = time.perf_counter()
            loss = recipe.loss(network(recipe.augment(images)), labels, recipe.label_smoothing)
            optimizers[name].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[name].step()
            took[name].append(1000 * (time.perf_counter() - began))
    return {name: median(each[1:]) for name, each in took.items()}


def main(rounds: int = 9, file: Path = FILE) -> None:
    """Measure all of them, and write the file."""
    measured = milliseconds(rounds=rounds)
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["name", "batch_size", "milliseconds"])
        writer.writerows([name, RECIPES[name].batch_size, f"{ms:.0f}"] for name, ms in measured.items())
    for name, ms in measured.items():
        print(f"{name}: {ms:.0f} ms an iteration")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
