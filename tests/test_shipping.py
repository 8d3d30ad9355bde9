"""What a folder of shipped weights holds can be read again, and its card says what was measured."""

import csv
import json

import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from cnn_core import shipping, training
from cnn_core.models.fashion import FashionDNN
from cnn_core.models.resnet import ResNet


def test_what_is_shipped_can_be_read_again(tmp_path):
    network = FashionDNN().eval()
    scores = {
        "accuracy": 0.5,
        "class_accuracy": [0.5] * 10,
        "pictures": 10,
        "parameters": 235_146,
        "training_pictures": 96,
        "epochs": 1,
        "seconds": 60,
        "command": "python -m cnn_core.training fashion_dnn",
        "date": "2026-01-01",
        "drawings": {
            "strict": 0.25, "near": 0.5, "drawings": 8, "auroc": 0.75, "others": 4, "others_flagged": 0.5,
            "garments_flagged": 0.125,
        },
    }  # fmt: skip
    steps = [training.Step(50, 100, 1, 0.5, 0.25, 1.0)]
    shipping.ship("fashion_dnn", network, scores, steps, tmp_path, shipping.GARMENT_CARD, (1, 28, 28))
    network.load_state_dict(load_file(tmp_path / "model.safetensors"))
    witness = load_file(tmp_path / "witness.safetensors")
    assert_close(network(witness["input"]), witness["output"])
    assert json.loads((tmp_path / "scores.json").read_text()) == scores
    with (tmp_path / "curve.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"iteration": "50", "loss": "0.5000", "test_accuracy": "0.2500"}]
    card = (tmp_path / "README.md").read_text()
    assert "50.00% of the 10 official test pictures" in card
    assert "python -m cnn_core.training fashion_dnn" in card


PHOTOGRAPHS = {
    "accuracy": 0.75, "class_accuracy": [0.5, 1.0], "pictures": 8, "book": 0.875, "side": 64, "parameters": 1,
    "training_pictures": 16, "epochs": 2, "seconds": 120, "command": "python -m ...", "date": "2026-01-01",
    "calibration": {
        "temperature": 1.5, "sure_above": 0.9, "error_before": 0.04, "error": 0.01, "unsure": 0.25,
        "sure_accuracy": 1.0,
    },
}  # fmt: skip


def test_weights_are_written_as_precisely_as_asked(tmp_path):
    network = ResNet(18, width=0.1).half().float().eval()
    shipping.ship("cat_dog", network, PHOTOGRAPHS, [], tmp_path, shipping.CAT_DOG_CARD, (3, 32, 32), torch.float16)
    written = load_file(tmp_path / "model.safetensors")
    assert {value.dtype for value in written.values()} == {torch.float16, torch.int64}
    again = ResNet(18, width=0.1).eval()
    again.load_state_dict(written)
    witness = load_file(tmp_path / "witness.safetensors")
    assert_close(again(witness["input"]), witness["output"])


def test_the_card_of_a_photograph_network_says_how_far_it_can_be_trusted():
    card = shipping.card("cat_dog_resnet", ResNet(18, width=0.1), PHOTOGRAPHS, shipping.CAT_DOG_CARD)
    assert "75.00% of 8 test photographs" in card
    assert "worst class cat\n  with 50.0%" in card
    assert "then 1.00% (4.00% without)" in card
