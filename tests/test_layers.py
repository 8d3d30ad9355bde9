"""Sums about layers, against numbers worked by hand and against torch itself."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cnn_core import layers
from cnn_core.models.fashion import FashionCNN, FashionDNN


def test_formula_with_its_numbers():
    assert layers.size_formula(28, 3, 1, 1) == "(28 − 3 + 2·1)/1 + 1 = 28"
    assert layers.size_formula(227, 11, 4, 0) == "(227 − 11 + 2·0)/4 + 1 = 55"  # AlexNet's first layer
    assert layers.size_formula(28, 5, 2, 2) == "⌊(28 − 5 + 2·2)/2⌋ + 1 = 14"


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4), st.integers(0, 4))
def test_output_size_is_what_torch_returns_and_refuses_when_torch_refuses(size, kernel, stride, padding):
    convolution = nn.Conv1d(1, 1, kernel, stride, padding)
    try:
        expected = convolution(torch.zeros(1, 1, size)).shape[-1]
    except RuntimeError:
        with pytest.raises(ValueError, match="does not fit"):
            layers.output_size(size, kernel, stride, padding)
    else:
        assert layers.output_size(size, kernel, stride, padding) == expected


def test_fashion_cnn_layer_by_layer():
    described = {layer.name: layer for layer in layers.describe(FashionCNN(), (1, 28, 28))}
    assert [described[f"features.{index}"].output for index in (0, 3, 4, 7)] == [
        (32, 28, 28),
        (32, 14, 14),
        (64, 12, 12),
        (64, 6, 6),
    ]
    # By hand: 3*3*1*32 + 32; 3*3*32*64 + 64; 2304*600 + 600.
    assert described["features.0"].parameters == 320
    assert described["features.4"].parameters == 18_496
    assert described["classifier.1"].parameters == 1_383_000
    # By hand: 9*1*32*28*28; 9*32*64*12*12; 2304*600.
    assert described["features.0"].multiply_adds == 225_792
    assert described["features.4"].multiply_adds == 2_654_208
    assert described["classifier.1"].multiply_adds == 1_382_400
    assert described["features.4"].size_formula == "(14 − 3 + 2·0)/1 + 1 = 12"
    assert described["features.4"].parameter_formula == "3·3·32·64 + 64"
    assert sum(layer.parameters for layer in described.values()) == 1_475_338


def test_describing_leaves_the_network_as_it_was():
    network = FashionDNN().train()
    layers.describe(network, (1, 28, 28))
    assert network.training
    assert not any(layer._forward_hooks for layer in network.modules())
