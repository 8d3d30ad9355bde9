"""Maps of what speaks for a class, against networks whose maps are known numbers and against other formulas."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from cnn_core import feature_maps, saliency
from cnn_core.errors import Refused
from cnn_core.models.sketch import SketchNet
from cnn_core.saliency import by_gradients, class_activation_map


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


# By gradients


def pooled():
    """A small network with global pooling and one fully connected layer, and a picture."""
    torch.manual_seed(0)
    return SketchNet().eval(), torch.rand(1, 1, 28, 28)


@pytest.mark.parametrize("target", range(10))
def test_grad_cam_is_the_class_activation_map_behind_global_pooling(target):
    network, image = pooled()
    seen = by_gradients(network, image, "features.8", target)
    with torch.inference_mode():  # independently: eq. 2 of Zhou et al. from the weights, without any gradient
        weight = network.classifier[-1].weight[target]
        cam = torch.einsum("chw,c->hw", network.features(image)[0], weight).clamp(min=0)
    assert_close(torch.from_numpy(seen.map), cam / cam.max().clamp(min=1e-12), atol=1e-5, rtol=1e-4)
    assert (seen.blank is None) == bool(cam.any())
    assert seen.map.shape == (7, 7)
    with torch.inference_mode():
        assert seen.score == pytest.approx(float(network(image)[0, target]), abs=1e-5)


def test_gradients_are_the_finite_differences_of_the_score():
    network, image = pooled()
    maps, gradients, scores = feature_maps.with_gradients(network, image, "features.4", 2)
    changed = feature_maps.private(network)
    place = (0, 5, 2, 3)
    bump = torch.zeros_like(maps)
    bump[place] = 1e-2
    changed.get_submodule("features.4").register_forward_hook(lambda _, __, output: output + bump)
    with torch.inference_mode():
        assert float(gradients[place]) == pytest.approx(
            float((changed(image) - scores)[0, 2] / 1e-2), rel=0.05, abs=1e-4
        )


MAPS = torch.tensor([[[1.0, 0.0], [2.0, 1.0]], [[0.0, 3.0], [1.0, 0.0]]], dtype=torch.float64)
GRADIENTS = torch.tensor([[[1.0, -1.0], [2.0, 2.0]], [[-1.0, -1.0], [0.0, 0.0]]], dtype=torch.float64)


def test_grad_cam_by_hand():
    # Mean gradients 1 and -1/2: maps 1·first - 1/2·second, negative values cut off.
    assert_close(saliency.grad_cam(MAPS, GRADIENTS), torch.tensor([[1.0, 0.0], [1.5, 1.0]], dtype=torch.float64))


def test_layer_cam_by_hand():
    expected = torch.tensor([[1.0, 0.0], [4.0, 2.0]], dtype=torch.float64)
    assert_close(saliency.layer_cam(MAPS, GRADIENTS), expected)


def test_grad_cam_plus_plus_by_hand():
    # The first map sums up to 4. Alphas g²/(2g² + 4g³): 1/6, (no weight, g < 0), 4/40, 4/40; times g: 1/6 + 1/5 + 1/5.
    # The second has no positive gradient: weight 0.
    weight = 1 / 6 + 1 / 5 + 1 / 5
    assert_close(saliency.grad_cam_plus_plus(MAPS, GRADIENTS), weight * MAPS[0])


@pytest.mark.parametrize("method", saliency.GRADIENT_METHODS)
def test_maps_span_zero_to_one_and_leave_nothing_behind(method):
    network, image = pooled()
    seen = by_gradients(network, image, "features.3", 1, method)
    assert seen.map.min() >= 0
    assert seen.map.max() == pytest.approx(1)
    assert 0 <= seen.probability <= 1
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(layer._forward_hooks for layer in network.modules())


class Odd(nn.Module):
    """Layers whose maps are blank, each for its own reason; scores are the mean of the picture and its negative."""

    def __init__(self):
        super().__init__()
        self.fine, self.dead, self.idle, self.broken = nn.Identity(), nn.ReLU(), nn.Identity(), nn.Identity()
        self.pooled = nn.AdaptiveAvgPool2d(1)

    def forward(self, images):
        self.dead(-images)
        self.idle(images)
        self.broken(images / 0)
        total = self.pooled(self.fine(images)).flatten(1)
        return torch.cat([total, -total], 1)


@pytest.mark.parametrize(
    ("layer", "target", "said"),
    [
        ("dead", 0, "dead is dead on this picture: all its values are 0"),
        ("idle", 0, "The score of this class does not depend on idle"),
        ("broken", 0, "16 of the 16 values of broken are no numbers"),
        ("pooled", 0, "pooled stands behind the global pooling"),
        ("fine", 1, "No positive evidence: nothing at fine speaks for this class"),
    ],
)
def test_a_blank_map_says_why(layer, target, said):
    seen = by_gradients(Odd(), torch.ones(1, 1, 4, 4), layer, target)
    assert str(seen.blank).startswith(said)
    assert not seen.map.any()


def test_unknown_method_or_class():
    network, image = pooled()
    with pytest.raises(Refused, match="Choose Grad-CAM, Grad-CAM\\+\\+, Layer-CAM, Occlusion, not 'Guess'"):
        by_gradients(network, image, "features.3", 1, "Guess")
    with pytest.raises(IndexError):
        by_gradients(network, image, "features.3", 10)
    with pytest.raises(Refused, match="no class scores"):
        by_gradients(network.features, image, "3", 0)


# By covering


def test_occlusion_is_bright_where_the_only_evidence_is():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor([[100.0], [0.0]]))
        network[2].bias.zero_()
    image = torch.zeros(1, 1, 16, 16)
    image[..., 0:2, 0:2] = 1
    seen = saliency.occlusion(network, image, 0, steps=4)
    assert seen.blank is None
    assert seen.map[:4, :4].min() == 1
    assert seen.map[4:, :].max() == seen.map[:, 4:].max() == 0
    other = saliency.occlusion(network, torch.ones(1, 1, 16, 16), 1, steps=2)
    assert str(other.blank).startswith("Whatever part is covered")


# Sanity check


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    one, other = random.integers(0, 5, (6, 6)), random.integers(0, 5, (6, 6))
    found = saliency.rank_correlation(one.astype(np.float32), other.astype(np.float32))
    assert found == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert np.isnan(saliency.rank_correlation(np.zeros((2, 2), np.float32), np.eye(2, dtype=np.float32)))


def test_sanity_check_takes_the_weights_away_from_the_scores_down():
    network, image = pooled()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    checks = list(saliency.sanity_check(network, image, "features.8", 0, steps=3))
    assert [check.share for check in checks] == [0, 1 / 3, 2 / 3, 1]
    assert checks[0].agreement == 1
    assert checks[-1].module == "features.0"
    assert abs(checks[-1].agreement) < 0.9
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_sanity_check_exposes_a_map_that_shows_the_picture_only():
    """A network whose map is the picture whatever its last layer: randomising that changes nothing."""
    network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2, bias=False))
    nn.init.ones_(network[3].weight)
    image = torch.rand(1, 1, 8, 8)
    agreements = [
        check.agreement
        for seed in range(8)
        for check in saliency.sanity_check(network, image, "0", 0, steps=1, seed=seed)
        if check.module and check.seen.blank is None
    ]
    assert agreements
    assert agreements == pytest.approx([1] * len(agreements))
