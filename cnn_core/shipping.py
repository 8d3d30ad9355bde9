"""What a folder of shipped weights holds, and how it is written: weights, witness, scores, curve and model card."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cnn_core import data, weights

if TYPE_CHECKING:
    from cnn_core.training import Step

FAMILIARITY = "familiarity.safetensors"  # what `cnn_core.familiarity` writes beside some weights

GARMENT_CARD = """---
license: mit
library_name: pytorch
tags: [image-classification, fashion-mnist]
---

# {name}

{about}

- **Input** (N, 1, 28, 28) in [0, 1], light garment on black. **Output** (N, 10) logits, in the order of
  `cnn_core.data.FASHION_CLASSES`. {parameters:,} parameters.
- **Data**: {source} Licence of Fashion-MNIST: MIT, © 2017 Zalando SE. Licence of these weights: MIT.
- **Made by** `{command}` on {date}: {training_pictures:,} pictures, {epochs} epochs, {minutes:.0f} minutes on a
  processor.
- **Photographs**: {accuracy:.2%} of the {pictures:,} official test pictures of Fashion-MNIST; worst class {worst} with
  {worst_share:.1%}.
- **Drawings**: {strict:.1%} of {drawings} garments drawn by hand (`cnn_core/drawings.jsonl`, none of them used in
  training), {near:.1%} if near classes count (T-shirt and shirt; pullover, coat and shirt; sneaker and boot).
- **Other things**: {others_flagged:.1%} of {others} drawings of no garment are called unfamiliar, and
  {garments_flagged:.1%} of the garments are so by mistake (AUROC {auroc:.3f}).
- **Measured by** `python -m cnn_core.evaluation {name}`. The last epoch's weights, not the best on the test set.
- **Known faults**: shirts are taken for T-shirts, pullovers and coats more often than anything else is mistaken.
"""

CAT_DOG_CARD = """---
license: mit
library_name: pytorch
tags: [image-classification, cats-and-dogs]
---

# {name}

{about}

- **Input** (N, 3, {side}, {side}) in [0, 1], RGB, the whole photograph squeezed into the square. **Output** (N, 2)
  logits: cat, dog. {parameters:,} parameters.
- **Data**: {source} Kaggle and Microsoft gave the photographs (Asirra) out for research; none of them is in these
  weights' folder. Licence of these weights: MIT.
- **Made by** `{command}` on {date}: {training_pictures:,} pictures, {epochs} epochs, {minutes:.0f} minutes on a
  processor.
- **Accuracy**: {accuracy:.2%} of {pictures:,} test photographs, {book:.1%} of the course's own 98; worst class {worst}
  with {worst_share:.1%}. The mean of its logits over {views}.
- **Calibration**: logits are divided by {temperature:.2f}; the expected calibration error on the test photographs is
  then {error:.2%} ({error_before:.2%} without). Below {sure_above:.0%} the page says "not sure": {unsure:.1%} of the
  test photographs, and of the others {sure_accuracy:.2%} are right.
- **Measured by** `python -m cnn_core.evaluation {name}`. The last epoch's weights, not the best on the test set.
- **Known faults**: trained on cats and dogs only. {elsewhere}
"""

SOURCES = {
    "fashion_dnn": "the 60,000 training photographs of Fashion-MNIST.",
    "fashion_cnn": "the 60,000 training photographs of Fashion-MNIST.",
    "sketch_net": "the 60,000 training photographs of Fashion-MNIST and 80,000 drawings made up by "
    "`cnn_core/synthesis.py` from templates, from contours of those photographs, and of things that are no garment.",
    "cat_dog": "photographs of Kaggle's Dogs vs. Cats, in several croppings each, with their labels and with what an "
    "ImageNet-trained MobileNetV2 saw in them (`cnn_core/distillation.py`); none of its weights are in here.",
}
NAMED = """A picture of something else gets one of the two names too, often with
  less certainty, not always."""
FLAGGED = """A picture of something else gets one of the two names
  too; {others_flagged:.0%} of {others} pictures of other things are called unfamiliar (`cnn_core/familiarity.py`), and
  {flagged:.1%} of the test photographs by mistake."""
AS_LARGE = "a photograph and its mirror image"
LARGER = "a photograph of {asked} px, its\n  mirror image and its four corners of {side} px"
FROM_PHOTOGRAPHS = "photographs of Kaggle's Dogs vs. Cats, with their labels."


def card(name: str, network: nn.Module, scores: dict[str, Any], template: str) -> str:
    """The model card of a shipped set, as Markdown.

    Args:
        name: its row in `cnn_core.weights`.
        network: trained.
        scores: as in its `scores.json`.
        template: `GARMENT_CARD` or `CAT_DOG_CARD`.
    """
    shares = scores["class_accuracy"]
    described = type(network) if "drawings" in scores else sys.modules[type(network).__module__]  # one, or a family
    side = weights.WEIGHTS[name].preprocess.side
    asked = scores.get("side", side)
    worst = min(range(len(shares)), key=shares.__getitem__)
    facts = {
        "name": name,
        "about": (described.__doc__ or "").split("\n")[0],
        "source": SOURCES.get(name, FROM_PHOTOGRAPHS),
        "worst": (data.FASHION_CLASSES if len(shares) == 10 else data.CAT_DOG_CLASSES)[worst],
        "worst_share": shares[worst],
        "minutes": scores["seconds"] / 60,
        "side": side,
        "views": LARGER.format(asked=asked, side=side) if asked > side else AS_LARGE,
        "elsewhere": FLAGGED.format(**scores["familiarity"]) if "familiarity" in scores else NAMED,
    }
    return template.format(**scores | scores.get("drawings", {}) | scores.get("calibration", {}) | facts)


def witness(network: nn.Module, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """One input (1, C, H, W) and the output (1, K) it must give: noise, so that no data set is needed to check."""
    image = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return {"input": image, "output": network(image)}


def describe(name: str, network: nn.Module, scores: dict[str, Any], folder: Path, template: str) -> None:
    """Write the scores and the model card of a shipped set into its folder."""
    (folder / "scores.json").write_text(json.dumps(scores) + "\n")
    (folder / "README.md").write_text(card(name, network, scores, template))


def ship(
    name: str,
    network: nn.Module,
    scores: dict[str, Any],
    curve: Iterable[Step],
    folder: Path,
    template: str,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write what `weights/<name>/` holds: weights, witness, scores, curve and card.

    Args:
        name: of the recipe.
        network: trained, in eval mode.
        scores: as `evaluation.score` gives them, and the training's seconds, command and date.
        curve: the steps that were evaluated.
        folder: made if need be; files in it are replaced.
        template: of the card.
        shape: (C, H, W) of one input.
        dtype: in which the weights are written; whole numbers stay what they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAMILIARITY).unlink(missing_ok=True)  # learnt of the weights that were here before
    state = {
        key: (value.to(dtype) if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    for file, tensors in (("model", state), ("witness", witness(network, shape))):
        save_file(tensors, folder / f"{file}.safetensors")
        (folder / f"{file}.safetensors").chmod(0o644)  # safetensors writes for the owner only
    describe(name, network, scores, folder, template)
    with (folder / "curve.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["iteration", "loss", "test_accuracy"])
        rows.writerows((step.iteration, f"{step.loss:.4f}", f"{step.accuracy:.4f}") for step in curve)
