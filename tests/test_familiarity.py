"""What is unlike the training pictures is said to be, and the rest is left as it was."""

import json
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from cnn_core import cats_dogs, evaluation, familiarity, weights
from cnn_core.familiarity import Familiarity
from cnn_core.models.resnet import ResNet
from demos import cats_dogs as tab


def test_distance_by_hand():
    """Twice as wide across as along: 4 px across are as far as 2 along."""
    learnt = Familiarity(torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.diag(torch.tensor([0.25, 1.0])), 4.0)
    features = torch.tensor([[0.0, 0.0], [4.0, 0.0], [6.0, 0.0], [0.0, 2.0], [10.0, 3.0]])
    assert learnt.distance(features).tolist() == [0.0, 4.0, 4.0, 4.0, 9.0]
    assert learnt.knows(features).tolist() == [True, True, True, True, False]


def test_learns_the_classes_and_keeps_nineteen_of_twenty():
    torch.manual_seed(0)
    labels = torch.tensor([0, 1] * 1000)
    scale, centres = torch.tensor([1.0, 3.0, 0.5]), torch.tensor([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0]])
    features = centres[labels] + scale * torch.randn(2000, 3)
    held_out = centres[labels] + scale * torch.randn(2000, 3)
    learnt = familiarity.fit(features, labels, held_out)
    assert_close(learnt.means, centres, rtol=0, atol=0.3)
    assert_close(learnt.precision.diagonal(), scale**-2, rtol=0.1, atol=0)
    assert learnt.knows(held_out).float().mean().item() == pytest.approx(0.95, abs=0.001)
    assert not learnt.knows(torch.tensor([[10.0, 0.0, 0.0]])).any()  # between the two


def test_is_written_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    assert familiarity.of("timm/resnet18.tv_in1k") is None
    row = replace(weights.WEIGHTS["cat_dog"], source=weights.Shipped("tiny/model.safetensors"))
    monkeypatch.setitem(weights.WEIGHTS, "tiny", row)
    assert familiarity.of("tiny") is None
    learnt = Familiarity(torch.rand(2, 3), torch.rand(3, 3), 7.5)
    (tmp_path / "tiny").mkdir()
    learnt.save(tmp_path / "tiny" / familiarity.FAMILIARITY)
    again = familiarity.of("tiny")
    familiarity._of.cache_clear()
    assert again is not None
    assert torch.equal(again.means, learnt.means)
    assert torch.equal(again.precision, learnt.precision)
    assert again.limit == 7.5


def test_logits_of_the_mean_features_are_the_mean_logits():
    torch.manual_seed(0)
    network, images = ResNet(18, width=0.1).eval(), torch.rand(3, 3, 48, 48)
    with torch.inference_mode():
        assert_close(familiarity.over_views(network, images, 40)[1], evaluation.over_views(network, images, 40))


def test_an_unfamiliar_picture_is_never_sure():
    scores = torch.tensor([[9.0, -9.0], [9.0, -9.0]])
    known, unknown = cats_dogs.interpret("cat_dog", scores, [True, False])
    assert known.sure
    assert not unknown.sure
    assert tab.verdict(known).startswith("**A cat**")
    assert tab.verdict(unknown).startswith("**Neither, perhaps:**")


def test_the_shipped_network_has_learnt_and_its_figures_are_measured():
    learnt = familiarity.of("cat_dog")
    network = weights.shared("cat_dog")
    assert learnt is not None
    assert learnt.means.shape == (2, network.get_submodule("fc").in_features)
    measured = json.loads((weights.FOLDER / "cat_dog" / "scores.json").read_text())["familiarity"]
    assert measured["flagged"] < 0.08
    strange = list(familiarity.others())
    assert len(strange) == measured["others"]
    said = list(cats_dogs.answers("cat_dog", strange))
    assert sum(not answer.familiar for answer in said) / len(said) == pytest.approx(
        measured["others_flagged"], abs=0.05
    )
