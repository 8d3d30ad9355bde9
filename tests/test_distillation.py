"""What a student learns from a teacher, and that nothing changes when its two last layers become one."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.testing import assert_close

from cnn_core import distillation
from cnn_core.errors import Refused
from cnn_core.models.resnet import ResNet


def student():
    torch.manual_seed(0)
    return distillation.Student(ResNet(18, num_classes=24, width=0.1), num_features=24)


def test_folding_the_last_two_layers_changes_no_answer():
    network = student().eval()
    images = torch.rand(2, 3, 64, 64)
    before = network(images)
    folded = distillation.fold(network)
    assert isinstance(folded.get_submodule("fc"), nn.Linear)
    assert_close(folded(images), before, rtol=1e-4, atol=1e-5)
    assert before.shape == (2, 2)


def test_imitation_is_least_where_features_agree():
    targets = torch.tensor([[1.0, 0.5, -0.5, 2.0]])
    logits = torch.tensor([[-20.0, 20.0]])
    right = torch.cat([logits, targets[:, 1:]], 1)
    wrong = torch.cat([logits, targets[:, 1:] + 1], 1)
    assert distillation.imitation(right, targets, 0.0).item() < 1e-6
    assert_close(distillation.imitation(wrong, targets, 0.0).item(), 1.0)


def test_the_first_view_is_the_whole_picture_and_views_repeat(tmp_path):
    file = tmp_path / "picture.png"
    picture = Image.new("RGB", (40, 20), "blue")
    picture.paste("red", (0, 0, 20, 20))
    picture.save(file)
    views = distillation.Views([file], count=3, side=8)
    first = views[0]
    assert first.shape == (3, 3, 8, 8)
    assert first[0, :, 0, 0].tolist() == [255, 0, 0]
    assert first[0, :, 7, 7].tolist() == [0, 0, 255]
    assert torch.equal(first, views[0])


def test_a_teacher_is_less_sure_of_a_cropping_that_shows_little():
    torch.manual_seed(0)
    labels = torch.arange(400) % 2
    features = torch.randn(400, 6)
    features[:, 0] += 3.0 * (2 * labels - 1)  # what tells the classes apart
    features[:20, 0] = 0.0  # but not in these
    told = distillation.opinions(features, labels)
    assert ((told[20:] > 0.5) == labels[20:].bool()).float().mean() > 0.97
    assert (told[:20] - 0.5).abs().mean() < 0.2
    assert told[20:].sub(0.5).abs().mean() > 0.4


def test_views_come_with_labels_or_with_opinions(tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "KEPT", tmp_path)
    generator = np.random.default_rng(0)
    views = generator.integers(0, 256, (40, 3, 3, 4, 4), np.uint8)
    labels = np.arange(40) % 2
    seen = generator.normal(labels[:, None, None] * 2.0, 1.0, (40, 3, 5)).astype(np.float16)
    np.save(tmp_path / "catdog.train.4.views.npy", views)
    np.savez(tmp_path / "catdog.train.4.npz", seen=seen, labels=labels)
    pictures, targets = distillation.views_and_features(None, side=4, most=2)
    assert pictures.shape == (80, 3, 4, 4)
    assert (pictures[3].numpy() == views[1, 1]).all()  # the second view of the second photograph
    assert targets[:, 0].tolist() == np.repeat(labels, 2).tolist()
    assert_close(targets[:, 1:].mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    pictures, thought = distillation.views_and_features(None, side=4, opinion=1e-2)
    assert pictures.shape == (120, 3, 4, 4)
    assert thought[:, 0].min() > 0
    assert thought[:, 0].max() < 1
    stubborn = distillation.views_and_features(None, side=4, opinion=1e-4)[1]
    assert (stubborn[:, 0] - 0.5).abs().mean() > (thought[:, 0] - 0.5).abs().mean()
    with pytest.raises(Refused):
        distillation.views_and_features(None, side=5)


def test_half_a_certainty_is_answered_best_by_equal_logits():
    targets = torch.tensor([[0.5, 0.0]])
    even, sure = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[0.0, 4.0, 0.0]])
    assert distillation.imitation(even, targets, 0.0) < distillation.imitation(sure, targets, 0.0)
