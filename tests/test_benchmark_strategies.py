"""Transfer learning measured: the same photographs for every strategy, and lines that can be read again."""

import pytest
import torch
from torch import nn

from cnn_core import benchmark_strategies as strategies
from cnn_core.backbones import Backbone

MEASURED = strategies.Measured("head", 100, 10, 0.9375, 12.5, 4, 60)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone("tiny", network.eval(), 8, 16, (0.0,) * 3, (1.0,) * 3, {})


@pytest.fixture(scope="module")
def coloured():
    """Red and blue, noisy."""
    torch.manual_seed(0)
    labels = torch.tensor([0, 1] * 40)
    colours = torch.tensor([[200.0, 60.0, 60.0], [60.0, 60.0, 200.0]])[labels]
    return (colours[:, :, None, None] + 20 * torch.randn(80, 3, 20, 20)).clamp(0, 255).byte(), labels


def test_lines_are_added_and_read_again(tmp_path):
    file = tmp_path / "transfer.csv"
    assert strategies.read(file) == []
    strategies.append(MEASURED, file)
    strategies.append(MEASURED, file)
    assert strategies.read(file) == [MEASURED, MEASURED]
    assert file.read_text().splitlines()[0] == "strategy,pictures,epochs,accuracy,seconds,learning,parameters"


def test_as_many_of_each_class_are_taken(coloured):
    pictures, labels = strategies.some(coloured, 10)
    assert len(pictures) == 10
    assert labels.bincount().tolist() == [5, 5]
    assert strategies.some(coloured, None) is coloured


@pytest.mark.parametrize("strategy", strategies.STRATEGIES)
def test_a_strategy_trains_what_it_says_and_leaves_the_backbone_as_it_was(strategy, backbone, coloured):
    before = {key: value.clone() for key, value in backbone.network.state_dict().items()}
    pictures, labels = coloured
    measured = strategies.measure(backbone, strategy, coloured, (pictures[:, :, 2:18, 2:18], labels))
    assert measured.epochs == 10
    assert measured.parameters == 112 + 296 + 18  # 3*3*3*4 + 4, 3*3*4*8 + 8, 8*2 + 2
    assert measured.learning == {"head": 18, "last block": 296 + 18}.get(strategy, measured.parameters)
    assert measured.accuracy > 0.9
    assert all(torch.equal(value, before[key]) for key, value in backbone.network.state_dict().items())


def test_a_line_that_is_there_is_not_measured_again(backbone, coloured, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(strategies.backbones, "load", lambda name: backbone)
    monkeypatch.setattr(strategies.photographs, "cat_dog", lambda split, root, side: coloured)
    monkeypatch.setattr(strategies, "COUNTS", (10,))
    measured = []
    monkeypatch.setattr(strategies, "measure", lambda backbone, strategy, *_: measured.append(strategy) or MEASURED)
    out = tmp_path / "transfer.csv"
    strategies.append(strategies.Measured("head", 10, 10, 1.0, 1.0, 1, 1), out)
    strategies.main(["--out", str(out)])
    assert measured == ["last block", "everything", "from scratch"]
    assert len(strategies.read(out)) == 4
