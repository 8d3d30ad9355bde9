"""Class-activation maps, against a network whose maps are known numbers."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from cnn_core.models.sketch import SketchNet
from cnn_core.saliency import class_activation_map


class Known(nn.Module):
    """Two maps: the input and its negative; class 0 weighs them (1, 0), class 1 (0, 1)."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False))
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
        with torch.no_grad():
            self.features[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.classifier[-1].weight.copy_(torch.eye(2))

    def forward(self, images):
        return self.classifier(self.features(images))


def test_shows_what_speaks_for_the_class_scaled_to_one():
    image = torch.tensor([[[[0.0, 2.0], [4.0, 1.0]]]])
    assert_close(class_activation_map(Known(), image, 0), torch.tensor([[[0.0, 0.5], [1.0, 0.25]]]))


def test_is_blank_where_nothing_speaks_for_the_class():
    assert class_activation_map(Known(), torch.ones(1, 1, 4, 4), 1).eq(0).all()


def test_mean_of_the_map_and_the_bias_are_the_logit():
    torch.manual_seed(0)
    network, image = SketchNet().eval(), torch.rand(1, 1, 28, 28)
    with torch.inference_mode():
        weight = network.classifier[-1].weight[3]
        evidence = torch.einsum("nchw,c->nhw", network.features(image), weight)
        assert_close(evidence.mean() + network.classifier[-1].bias[3], network(image)[0, 3])


def test_leaves_no_gradient_and_no_hook():
    network = SketchNet().eval()
    class_activation_map(network, torch.rand(1, 1, 28, 28), 0)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(layer._forward_hooks for layer in network.modules())


def test_unknown_class():
    with pytest.raises(IndexError):
        class_activation_map(Known(), torch.ones(1, 1, 4, 4), 2)
