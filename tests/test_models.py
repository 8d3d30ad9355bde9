"""Every network of ours: shape, gradients, determinism, and the published number of parameters."""

import pytest
import torch
from torch import nn

from cnn_core.models.fashion import FashionCNN, FashionDNN
from cnn_core.models.sketch import SketchNet

NETWORKS = {FashionDNN: 235_146, FashionCNN: 1_475_338, SketchNet: 380_778}
every_network = pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)


@every_network
def test_number_of_parameters(build):
    # The course's own figures for the first two; 1.5 million is the limit for the third.
    assert sum(parameter.numel() for parameter in build().parameters()) == NETWORKS[build] < 1_500_000


@every_network
def test_logits_of_a_batch_are_finite_and_every_parameter_gets_a_gradient(build):
    network = build()
    logits = network(torch.rand(3, 1, 28, 28))
    assert logits.shape == (3, 10)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@every_network
def test_does_the_same_twice_in_eval_mode_and_not_in_train_mode(build):
    torch.manual_seed(0)
    network, images = build(), torch.rand(4, 1, 28, 28)
    assert not torch.equal(network.train()(images), network(images))  # dropout
    assert torch.equal(network.eval()(images), network(images))


@every_network
def test_no_dropout_of_whole_channels_before_a_fully_connected_layer(build):
    assert not any(isinstance(layer, nn.Dropout2d) for layer in build().modules())


def test_num_classes_and_width_are_settings():
    assert SketchNet(num_classes=3, width=8)(torch.rand(2, 1, 28, 28)).shape == (2, 3)
    assert FashionCNN(num_classes=3)(torch.rand(2, 1, 28, 28)).shape == (2, 3)
