"""Channels switched off, against a network whose scores are sums of its channels."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from cnn_core import ablation, weights
from cnn_core.errors import Refused


def sums():
    """Maps of 1, 2 and 4 times the picture; class 0 adds their means up, class 1 takes the second from the first."""
    network = nn.Sequential(
        nn.Conv2d(1, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False)
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1, 1))
        network[3].weight.copy_(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0]]))
    return network


IMAGE = torch.ones(1, 1, 2, 2)


def test_scores_lose_what_the_channels_gave():
    found = ablation.without(sums(), IMAGE, "0", [[], [0], [1, 2], [0, 1, 2]])
    assert_close(found, torch.tensor([[7.0, -1.0], [6.0, -2.0], [1.0, 1.0], [0.0, 0.0]]))


def test_ranking_is_exact_where_the_score_is_a_sum():
    effects = ablation.ranking(sums(), IMAGE, "0", 0)
    assert [(effect.channel, effect.drop, effect.estimate) for effect in effects] == [(2, 4, 4), (1, 2, 2), (0, 1, 1)]
    assert [effect.channel for effect in ablation.ranking(sums(), IMAGE, "0", 1, most=2)] == [0, 1]


def test_drops_are_those_of_switching_off_one_by_one():
    network = weights.shared("sketch_net")
    image = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for effect in ablation.ranking(network, image, "features.3", 4, most=5, batch=2):
        with_it, without_it = ablation.without(network, image, "features.3", [[], [effect.channel]])[:, 4]
        assert effect.drop == pytest.approx(float(with_it - without_it), abs=1e-4)
    assert not any(layer._forward_hooks for layer in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_channel_that_is_not_there_is_refused():
    with pytest.raises(Refused, match="0 has the channels 0 to 2: there is no channel 3"):
        ablation.without(sums(), IMAGE, "0", [[3]])
    with pytest.raises(Refused, match="no channel -1"):
        ablation.without(sums(), IMAGE, "0", [[-1]])
