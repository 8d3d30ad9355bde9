"""How like the pictures it learnt from a picture is, to a network that must name one of its classes whatever it sees.

    python -m cnn_core.familiarity cat_dog --data data

learns that of a shipped network, writes `weights/<name>/familiarity.safetensors`, and measures it.

Lee, Lee, Lee, Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks",
2018, https://arxiv.org/abs/1807.03888: around each class's mean the features of the training pictures lie as one normal
distribution, and the Mahalanobis distance to the nearest mean says how far out another picture lies. Differs from the
paper: the last features only, and no disturbed inputs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cnn_core import evaluation, photographs, weights
from cnn_core.errors import Refused
from cnn_core.shipping import CAT_DOG_CARD, FAMILIARITY, describe

SHRINKAGE = 1e-3  # of the mean variance, added to each: directions in which nothing varies would weigh without end
KEPT = 0.95  # share of photographs of the right kind that are called familiar


@dataclass(frozen=True)
class Familiarity:
    """What the training pictures' features were like.

    Attributes:
        means: (K, D), of each class.
        precision: (D, D), the inverse of the covariance around them.
        limit: distance beyond which a picture is called unfamiliar.
    """

    means: Tensor
    precision: Tensor
    limit: float

    def distance(self, features: Tensor) -> Tensor:
        """Squared Mahalanobis distance (N,) of features (N, D) to the nearest class."""
        apart = features[:, None] - self.means  # (N, K, D)
        return torch.einsum("nkd,de,nke->nk", apart, self.precision, apart).amin(1)

    def knows(self, features: Tensor) -> Tensor:
        """Whether each of the pictures (N,) with these features (N, D) is like those of the training."""
        return self.distance(features) <= self.limit

    def save(self, file: Path) -> None:
        """Write it as safetensors."""
        save_file({"means": self.means, "precision": self.precision, "limit": torch.tensor([self.limit])}, file)
        file.chmod(0o644)  # safetensors writes for the owner only


def fit(features: Tensor, labels: Tensor, held_out: Tensor) -> Familiarity:
    """Learn what is familiar.

    Args:
        features: (N, D) of training pictures.
        labels: (N,), 0 <= label < K.
        held_out: (M, D) of pictures of the same kind that were not trained on; `KEPT` of them become familiar.
    """
    means = torch.stack([features[labels == label].mean(0) for label in labels.unique()])
    around = features - means[labels]
    covariance = around.T @ around / len(features)
    covariance += SHRINKAGE * covariance.diagonal().mean() * torch.eye(features.shape[1])
    found = Familiarity(means, torch.linalg.inv(covariance).contiguous(), 0.0)
    return replace(found, limit=found.distance(held_out).quantile(KEPT).item())


def of(name: str) -> Familiarity | None:
    """What a shipped network finds familiar, if that was learnt and can be had."""
    with suppress(weights.WeightsUnavailable):
        return _of(name) if name in weights.WEIGHTS else None
    return None


@cache
def _of(name: str) -> Familiarity:
    tensors = load_file(weights.beside(name, FAMILIARITY))
    return Familiarity(tensors["means"], tensors["precision"], tensors["limit"].item())


@torch.inference_mode()
def over_views(network: nn.Module, images: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Features (N, D) and logits (N, K), each the mean over the `evaluation.views` of images (N, 3, S, S).

    Args:
        network: a `ResNet`, whose last layer is linear: the mean of its logits is the logits of the mean.
        images: in [0, 1].
        side: of a view's corner, in px.
    """

    def pooled(images: Tensor) -> Tensor:
        return network.get_submodule("avgpool")(network.features(images)).flatten(1)  # pyright: ignore[reportCallIssue]

    features = evaluation.over_views(pooled, images, side)
    return features, network.get_submodule("fc")(features)


def others() -> Iterator[Image.Image]:
    """Photographs and drawings that come with scikit-image (CC0) and show neither cat nor dog."""
    import skimage

    for file in sorted(Path(skimage.__file__).parent.joinpath("data").iterdir()):
        if file.suffix in (".png", ".jpg", ".jpeg") and file.stem != "chelsea":  # a cat
            with Image.open(file) as picture:
                yield picture.convert("RGB")


def main() -> None:
    """Learn what a shipped network of cats and dogs finds familiar, and measure it, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m cnn_core.familiarity", description=__doc__)
    parser.add_argument("name", choices=("cat_dog", "cat_dog_resnet"))  # `ResNet`s
    parser.add_argument("--data", type=Path, help="folder that holds catdog/ (default: CONVLENS_DATA)")
    chosen = parser.parse_args()
    folder, corner = weights.FOLDER / chosen.name, weights.WEIGHTS[chosen.name].preprocess.side
    scores = json.loads((folder / "scores.json").read_text())
    side = scores["side"]  # at which its answers were measured
    try:
        network = weights.load(chosen.name)
        pictures = {
            split: photographs.cat_dog(split, chosen.data, side, most)
            for split, most in (("train", 4_000), ("validation", None), ("test", None))
        }
    except Refused as refused:
        parser.error(str(refused))

    def features(images: Tensor) -> Tensor:
        parts = map(evaluation.as_images, images.split(100))
        return torch.cat([over_views(network, part, corner)[0] for part in parts])

    learnt = fit(features(pictures["train"][0]), pictures["train"][1], features(pictures["validation"][0]))
    learnt.save(folder / FAMILIARITY)
    test = learnt.knows(features(pictures["test"][0]))
    strange = learnt.knows(features(torch.stack([photographs.squared(each, side) for each in others()])))
    scores["familiarity"] = {
        "flagged": 1 - test.float().mean().item(),
        "others": len(strange),
        "others_flagged": 1 - strange.float().mean().item(),
    }
    describe(chosen.name, network, scores, folder, CAT_DOG_CARD)
    print(scores["familiarity"])


if __name__ == "__main__":
    main()
