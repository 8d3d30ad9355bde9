"""How good a network is: accuracy over all and class by class, and what is taken for what.

    python -m cnn_core.evaluation fashion_cnn --data data

measures a shipped network on the official 10,000 test pictures of Fashion-MNIST, on the hand drawings of
`drawings.jsonl`, and on how well it tells those from drawings of something else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cnn_core import data, drawing
from cnn_core.drawings import drawings
from cnn_core.errors import Refused

# Drawn in a few lines, these can hardly be told apart; each garment is near to those it shares a row with.
NEAR = (
    ("T-shirt/top", "Shirt"),
    ("Pullover", "Coat", "Shirt"),
    ("Sneaker", "Ankle boot"),
)


def as_images(pictures: Tensor) -> Tensor:
    """What networks take, (N, C, H, W) in [0, 1], of pictures (N, H, W) or (N, C, H, W) uint8."""
    return (pictures[:, None] if pictures.ndim == 3 else pictures).float() / 255


def views(images: Tensor, side: int) -> list[Tensor]:
    """What a network is shown of images: them, their mirror images and, of larger ones, their four corners.

    Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1.
    Differs from the paper: the whole image instead of its centre, and corners that are not mirrored.

    Args:
        images: (N, C, H, W).
        side: of a corner, in px.
    """
    ends = (slice(side), slice(-side, None)) if min(images.shape[-2:]) > side else ()
    return [images, images.flip(-1), *(images[..., rows, columns] for rows in ends for columns in ends)]


def over_views(network: Callable[[Tensor], Tensor], images: Tensor, side: int) -> Tensor:
    """Mean of what a network says (N, K) of the `views` of images: a cat that looks the other way is a cat."""
    return torch.stack([network(view) for view in views(images, side)]).mean(0)


@torch.inference_mode()
def predict(network: nn.Module, pictures: Tensor, batch_size: int = 500, side: int | None = None) -> Tensor:
    """Logits (N, K) of pictures (N, H, W) or (N, C, H, W) uint8, in eval mode; the network's mode is left as it was.

    Args:
        network: (N, C, H, W) in [0, 1] to logits.
        pictures: as above.
        batch_size: pictures per forward pass.
        side: if given, the mean over `views` is taken, with corners of so many px.
    """
    mode = network.training
    network.eval()
    ask = partial(over_views, network, side=side) if side else network
    logits = [ask(as_images(batch)) for batch in pictures.split(batch_size)]
    network.train(mode)
    return torch.cat(logits)


def accuracy(network: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """Share in [0, 1] of pictures (as `predict` takes them) whose largest logit is the label's (N,)."""
    return (predict(network, pictures).argmax(1) == labels).float().mean().item()


def confusion(logits: Tensor, labels: Tensor) -> Tensor:
    """Count (K, K) of pictures by true class (row) and predicted class (column).

    Args:
        logits: (N, K).
        labels: (N,), 0 <= label < K.
    """
    num_classes = logits.shape[1]
    return torch.bincount(labels * num_classes + logits.argmax(1), minlength=num_classes**2).view(num_classes, -1)


def score(network: nn.Module, pictures: Tensor, labels: Tensor) -> dict[str, Any]:
    """`score_of` a network's answers to pictures (as `predict` takes them) with labels (N,)."""
    return score_of(predict(network, pictures), labels)


def score_of(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """What `weights/<name>/scores.json` holds of a test set, as plain numbers.

    Args:
        logits: (N, K).
        labels: (N,).

    Returns:
        accuracy in [0, 1], class_accuracy (K numbers in [0, 1]) and confusion (K rows of K counts, row = true class).
    """
    counts = confusion(logits, labels)
    right = counts.diag()
    return {
        "pictures": len(labels),
        "accuracy": (right.sum() / counts.sum()).item(),
        "class_accuracy": (right / counts.sum(1)).tolist(),
        "confusion": counts.tolist(),
    }


def familiarity(logits: Tensor) -> Tensor:
    """How sure a network is (N,) that a picture is one of its classes at all: 0 for an even guess, 1 for certainty.

    The largest softmax probability, the baseline of Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1610.02136,
    scaled so that an even guess over K classes is 0. It tells most after training with pictures of no class.
    """
    num_classes = logits.shape[1]
    return (logits.softmax(1).amax(1) - 1 / num_classes) / (1 - 1 / num_classes)


def familiar_above(network: nn.Module, root: Path | None = None) -> float:
    """The familiarity that 90 % of made-up garments reach; drawings made for this only, none of them trained on.

    Args:
        network: (N, 1, 28, 28) in [0, 1] to (N, 10) logits.
        root: folder that holds Fashion-MNIST, whose contours some of the drawings follow.
    """
    from cnn_core import synthesis

    drawn, classes = synthesis.batch(99, 2000, root)
    garments = torch.from_numpy(drawn[classes != synthesis.NONE])
    return torch.quantile(familiarity(predict(network, garments)), 0.1).item()


def area_under_curve(inside: Tensor, outside: Tensor) -> float:
    """Probability in [0, 1] that a random score of `inside` (N,) is above a random one of `outside` (M,): the AUROC."""
    above = (inside[:, None] > outside).float() + 0.5 * (inside[:, None] == outside)
    return above.mean().item()


def is_near(one: str, other: str) -> bool:
    """Whether two class names are the same or share a row of `NEAR`."""
    return one == other or any(one in row and other in row for row in NEAR)


def score_drawings(network: nn.Module, familiar_above: float) -> dict[str, Any]:
    """What a network makes of the hand drawings, prepared as a visitor's are.

    Args:
        network: (N, 1, 28, 28) in [0, 1] to (N, 10) logits.
        familiar_above: the familiarity below which the page says "unlike anything I was trained on".

    Returns:
        Shares in [0, 1]: `strict` (right class), `near` (right or a near class), `class_strict` per class, `auroc` of
        familiarity between garments and other things, `garments_flagged` and `others_flagged` below the threshold.
    """
    sheets = [drawing.prepare(each.render()) for each in drawings()]
    logits = predict(network, torch.from_numpy(np.round(np.stack(sheets) * 255).astype(np.uint8)))
    pairs = [
        (each.label, data.FASHION_CLASSES[guess])
        for each, guess in zip(drawings(), logits.argmax(1).tolist(), strict=True)
        if each.label != "none"
    ]
    garment = torch.tensor([each.label != "none" for each in drawings()])
    familiar = familiarity(logits)
    return {
        "drawings": len(pairs),
        "strict": float(np.mean([label == guess for label, guess in pairs])),
        "near": float(np.mean([is_near(label, guess) for label, guess in pairs])),
        "class_strict": [
            float(np.mean([guess == name for label, guess in pairs if label == name])) for name in data.FASHION_CLASSES
        ],
        "others": int((~garment).sum()),
        "auroc": area_under_curve(familiar[garment], familiar[~garment]),
        "garments_flagged": (familiar[garment] < familiar_above).float().mean().item(),
        "others_flagged": (familiar[~garment] < familiar_above).float().mean().item(),
        "familiar_above": familiar_above,
    }


def measure_garments(network: nn.Module, root: Path | None = None, threshold: float | None = None) -> dict[str, Any]:
    """`score` on Fashion-MNIST's test pictures, and `score_drawings` as "drawings".

    Args:
        network: (N, 1, 28, 28) in [0, 1] to (N, 10) logits.
        root: folder that holds Fashion-MNIST.
        threshold: of familiarity; measured anew where it is None.
    """
    threshold = familiar_above(network, root) if threshold is None else threshold
    return score(network, *data.fashion_mnist(False, root)) | {"drawings": score_drawings(network, threshold)}


def sure_above(probabilities: Tensor, labels: Tensor, wrong: float = 0.01) -> float:
    """The least certainty at which at most `wrong` of the answers given are wrong; the rest is "not sure".

    Args:
        probabilities: (N, K), of pictures that the network was not trained on.
        labels: (N,).
        wrong: share in [0, 1] of the answers above the threshold.
    """
    sure, answers = probabilities.max(1)
    order = sure.argsort(descending=True)
    mistakes = (answers != labels)[order].cumsum(0) / torch.arange(1, len(labels) + 1)
    kept = (mistakes <= wrong).nonzero()
    return sure[order[kept[-1, 0]]].item() if len(kept) else 1.0


def measure_photographs(
    network: nn.Module, root: Path | None = None, side: int = 128, corner: int = 128
) -> dict[str, Any]:
    """`score_of` the 2,080 test photographs of cats and dogs, and how far the probabilities can be trusted.

    Answers are those that the page gives: the mean over the `views` of a photograph.

    Args:
        network: (N, 3, S, S) in [0, 1] to (N, 2) logits.
        root: folder that holds `catdog/`.
        side: S in px; the whole photograph is squeezed into the square.
        corner: of a view's corner, in px.

    Returns:
        what `score_of` returns, the accuracy on the course's own test photographs as "book", and as "calibration":
        `temperature` and `sure_above` from the validation pictures, and on the test pictures the expected calibration
        error without the temperature (`error_before`) and with it (`error`), the share of answers below `sure_above`
        (`unsure`), and the accuracy of the rest (`sure_accuracy`).
    """
    from cnn_core import calibration, photographs

    pictures, labels = photographs.cat_dog("validation", root, side)
    validation = predict(network, pictures, 100, corner)
    heat = calibration.temperature(validation, labels)
    threshold = sure_above((validation / heat).softmax(1), labels)
    test, truth = photographs.cat_dog("test", root, side)
    logits = predict(network, test, 100, corner)
    sure, answers = (logits / heat).softmax(1).max(1)
    given = sure >= threshold
    book, names = photographs.cat_dog("book_test", root, side)
    return score_of(logits, truth) | {
        "side": side,
        "book": (predict(network, book, 100, corner).argmax(1) == names).float().mean().item(),
        "calibration": {
            "temperature": heat,
            "sure_above": threshold,
            "error_before": calibration.expected_calibration_error(logits.softmax(1), truth),
            "error": calibration.expected_calibration_error((logits / heat).softmax(1), truth),
            "unsure": 1 - given.float().mean().item(),
            "sure_accuracy": (answers == truth)[given].float().mean().item(),
        },
    }


def main() -> None:
    """Measure a shipped network from the command line."""
    from cnn_core import weights

    parser = argparse.ArgumentParser(prog="python -m cnn_core.evaluation", description=__doc__)
    parser.add_argument("name", choices=weights.WEIGHTS)
    parser.add_argument("--data", type=Path, help="folder that holds FashionMNIST/raw/ (default: CONVLENS_DATA)")
    parser.add_argument("--write", action="store_true", help="write what was measured into the scores and the card")
    parser.add_argument("--json", action="store_true", help="print everything that was measured")
    chosen = parser.parse_args()
    from cnn_core.shipping import describe
    from cnn_core.training import RECIPES

    folder, recipe = weights.FOLDER / chosen.name, RECIPES[chosen.name]
    try:
        network = weights.load(chosen.name)
        measured = recipe.measure(network, chosen.data)
    except Refused as refused:
        parser.error(str(refused))
    if chosen.write:
        shipped = json.loads((folder / "scores.json").read_text())
        describe(chosen.name, network, shipped | measured, folder, recipe.card)
    if chosen.json:
        print(json.dumps(measured, indent=1))
        return
    print(f"test set: {measured['accuracy']:.2%} of {measured['pictures']}")
    for name, share in zip(weights.WEIGHTS[chosen.name].classes, measured["class_accuracy"], strict=True):
        print(f"  {name:12} {share:.1%}")
    if drawn := measured.get("drawings"):
        print(f"drawings: {drawn['strict']:.1%} strict, {drawn['near']:.1%} with near classes, of {drawn['drawings']}")
        print(
            f"called unfamiliar: {drawn['garments_flagged']:.1%} of the garments, {drawn['others_flagged']:.1%} of "
            f"{drawn['others']} other things (AUROC {drawn['auroc']:.3f})"
        )
    if trust := measured.get("calibration"):
        print(f"the course's own 98: {measured['book']:.1%}")
        print(f"expected calibration error: {trust['error']:.2%} (without temperature {trust['error_before']:.2%})")
        print(f"not sure: {trust['unsure']:.1%}; of the other answers {trust['sure_accuracy']:.2%} are right")


if __name__ == "__main__":
    main()
