"""Reading maps, against networks whose maps are known numbers, and without leaving anything behind."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from cnn_core import ablation, overlay, weights
from cnn_core import feature_maps as fm
from cnn_core.errors import Refused


class Known(nn.Module):
    """The input times 1 and times -2; ReLU in place; both added up; its mean is the only score."""

    def __init__(self):
        super().__init__()
        self.pair = nn.Conv2d(1, 2, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.sum = nn.Conv2d(2, 1, 1, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.score = nn.Linear(1, 1, bias=False)
        self.unused = nn.Conv2d(1, 1, 1)
        with torch.no_grad():
            self.pair.weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
            self.sum.weight.fill_(1)
            self.score.weight.fill_(3)

    def forward(self, images):
        maps = self.sum(self.relu(self.pair(images)))
        return self.score(self.pool(self.relu(maps)).flatten(1))


IMAGE = torch.tensor([[[[0.0, 1.0], [-2.0, 3.0]]]])


@pytest.fixture
def known():
    return Known().train()  # as somebody else may have left it


def left_alone(network):
    assert network.training
    assert all(not layer._forward_hooks and not layer._forward_pre_hooks for layer in network.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert torch.is_grad_enabled()


def test_maps_are_the_known_numbers(known):
    assert_close(fm.read(known, IMAGE, "pair"), torch.tensor([[[[0.0, 1], [-2, 3]], [[0, -2], [4, -6]]]]))
    assert_close(fm.read(known, IMAGE, "sum"), torch.tensor([[[[0.0, 1], [4, 3]]]]))
    left_alone(known)


def test_a_layer_that_runs_twice_is_read_when_it_runs_last(known):
    assert fm.node(known, (1, 2, 2), "relu").calls == 2
    assert_close(fm.read(known, IMAGE, "relu"), torch.tensor([[[[0.0, 1], [4, 3]]]]))


def test_gradients_are_the_known_numbers(known):
    maps, gradients, scores = fm.with_gradients(known, IMAGE, "pair", 0)
    assert_close(maps, fm.read(known, IMAGE, "pair"))  # although the next layer works in place
    assert_close(scores, torch.tensor([[6.0]]))  # 3 times the mean of 0, 1, 4 and 3
    assert_close(gradients, 0.75 * torch.tensor([[[[0.0, 1], [0, 1]], [[0, 0], [1, 0]]]]))
    left_alone(known)


def test_nothing_behind_the_layer_runs(known):
    def fail(*_):
        raise AssertionError("ran")

    fm.tree(known, (1, 2, 2))
    known.pool.register_forward_hook(fail)
    assert fm.read(known, IMAGE, "sum").shape == (1, 1, 2, 2)


@pytest.mark.parametrize("read", [fm.read, lambda *args: fm.with_gradients(*args, 0), lambda n, i, _: fm.stages(n, i)])
def test_leaves_nothing_behind_after_an_error(known, read):
    fm.tree(known, (1, 2, 2))
    known.pair.forward = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        read(known, IMAGE, "sum")
    left_alone(known)


def test_a_private_copy_shares_tensors_and_no_hooks(known):
    ours = fm.private(known)
    assert not ours.training
    assert all(a is b for a, b in zip(ours.parameters(), known.parameters(), strict=True))
    ours.pair.register_forward_hook(print)
    left_alone(known)


def test_tree_lists_what_runs_with_kind_and_shape(known):
    tree = {node.name: node for node in fm.tree(known, (1, 2, 2))}
    assert list(tree) == ["pair", "relu", "sum", "pool", "score"]
    assert tree["pair"].label == "pair · Conv2d · 2×2×2"
    assert tree["score"].shape == (1,)
    assert fm.deepest(known, (1, 2, 2)).name == "relu"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pear", "There is no layer 'pear' in this network; there are pair"),
        ("unused", "There is no layer 'unused'"),
        ("", "There is no layer ''"),
        ("score", "score gives 1 numbers without rows and columns: choose a layer before it, such as pool"),
    ],
)
def test_layers_without_maps_are_refused_with_near_ones(known, name, said):
    with pytest.raises(Refused, match=said):
        fm.read(known, IMAGE, name)
    left_alone(known)


def test_a_fully_connected_network_has_no_maps():
    with pytest.raises(Refused, match="fully connected"):
        fm.map_node(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2), "1")


def test_pictures_that_are_too_small_are_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 5))
    with pytest.raises(Refused, match="Sequential takes no picture of 6×6 px"):
        fm.read(network, torch.zeros(1, 3, 6, 6), "2")


def test_our_own_errors_are_not_taken_for_small_pictures():
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(RuntimeError, match="channels"):
        fm.read(network, torch.zeros(1, 1, 6, 6), "0")


@pytest.mark.parametrize("name", [name for name, row in weights.WEIGHTS.items() if name != "fashion_dnn"])
def test_hooked_maps_are_those_of_features_walked_without_hooks(name):
    network, row = weights.shared(name), weights.WEIGHTS[name]
    maps = images = torch.rand(1, *row.preprocess.shape, generator=torch.Generator().manual_seed(0))
    compared = 0
    with torch.inference_mode():
        for part, layer in network.features.named_children():
            maps = layer(maps)
            full = next(full for full, module in network.named_modules() if module is layer)
            assert full.endswith(part)
            if maps.dim() == 4 and fm.node(network, images.shape[1:], full).calls == 1:
                assert_close(fm.read(network, images, full), maps)
                compared += 1
            maps = maps.clone()
    assert compared > 1


def test_forty_threads_on_one_network_get_their_own_maps(known):
    wrong = []

    def visit(number):
        image = torch.full((1, 1, 2, 2), float(number))
        for _ in range(5):
            if not torch.equal(fm.read(known, image, "pair")[0, 0], image[0, 0]):
                wrong.append(number)
            if not torch.equal(fm.with_gradients(known, image, "pair", 0)[0][0, 0], image[0, 0]):
                wrong.append(number)

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(40)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert wrong == []
    left_alone(known)


# Random weights


def test_randomised_weights_are_new_and_the_same_for_a_seed(known):
    one, same, other = fm.randomised(known, 1), fm.randomised(known, 1), fm.randomised(known, 2)
    assert_close(one.sum.weight, same.sum.weight)
    assert not torch.equal(one.sum.weight, other.sum.weight)
    assert_close(known.sum.weight, torch.ones(1, 2, 1, 1))


def test_only_the_named_modules_are_randomised(known):
    drawn = fm.randomised(known, 0, {"score"})
    assert drawn.pair.weight is known.pair.weight
    assert drawn.score.weight is not known.score.weight


def test_randomised_batch_normalisation_leaves_its_input_as_it_is():
    network = nn.Sequential(nn.BatchNorm2d(2))
    network[0].running_mean.fill_(5)
    image = torch.rand(1, 2, 3, 3)
    assert_close(fm.randomised(network)(image), image, atol=1e-4, rtol=1e-4)


# Stages


class ChannelsLast(nn.Module):
    """The inside of a ConvNeXt's block: channels first, last, and first again."""

    def __init__(self):
        super().__init__()
        self.begin = nn.Conv2d(3, 4, 2, stride=2)
        self.norm = nn.LayerNorm(4)
        self.wide = nn.Linear(4, 6)
        self.end = nn.Conv2d(6, 2, 1)

    def forward(self, images):
        last = self.wide(self.norm(self.begin(images).permute(0, 2, 3, 1)))
        return self.end(last.permute(0, 3, 1, 2)).mean((2, 3))


def test_maps_with_channels_last_are_read_channels_first():
    torch.manual_seed(0)
    network, images = ChannelsLast().eval(), torch.randn(1, 3, 16, 16)
    shapes = {node.name: node.shape for node in fm.tree(network, (3, 16, 16))}
    assert shapes == {"begin": (4, 8, 8), "norm": (4, 8, 8), "wide": (6, 8, 8), "end": (2, 8, 8)}
    with torch.no_grad():
        expected = network.wide(network.norm(network.begin(images).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    assert_close(fm.read(network, images, "wide"), expected)
    maps, gradients, _ = fm.with_gradients(network, images, "wide", 1)
    assert_close(maps, expected)
    weights = network.end.weight[1, :, 0, 0].detach()  # the score is a mean over 64 places
    assert_close(gradients, (weights / 64)[None, :, None, None].expand(1, 6, 8, 8))
    assert [stage.node.name for stage in fm.stages(network, images)[0]] == ["end"]
    without = ablation.without(network, images, "wide", [[], [2]])
    assert_close(without[0] - without[1], network.end.weight[:, 2, 0, 0].detach() * expected[0, 2].mean())


def test_any_run_of_a_layer_is_reached(known):
    assert_close(fm.reached(known, IMAGE, "relu", 1).detach(), torch.tensor([[[[0.0, 1], [0, 3]], [[0, 0], [4, 0]]]]))
    with pytest.raises(Refused, match="relu runs 2 times, not 3"):
        fm.reached(known, IMAGE, "relu", 3)
    left_alone(known)


def test_stages_are_one_summary_per_size_of_maps():
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AvgPool2d(2), nn.Flatten())
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, -3.0]).view(2, 1, 1, 1))
    image = torch.tensor([[[[1.0, -1.0], [2.0, 2.0]]]])
    found, output = fm.stages(network, image)
    assert [(stage.node.name, stage.summary.tolist()) for stage in found] == [("0", [[2, 2], [4, 4]]), ("1", [[2]])]
    assert_close(output, torch.tensor([[1.0, -3.0]]))


# Statistics

MAPS = np.array(
    [[[0, 1], [2, 1]], [[0, 0], [0, 0]], [[np.nan, -1], [np.inf, 3]], [[np.nan, np.nan], [np.nan, np.nan]]], np.float32
)


def test_statistics_by_hand_leave_out_what_is_no_number_and_count_it():
    found = fm.statistics(MAPS)
    np.testing.assert_array_equal(found.minimum, [0, 0, -1, np.nan])
    np.testing.assert_array_equal(found.maximum, [2, 0, 3, np.nan])
    np.testing.assert_array_equal(found.mean, [1, 0, 1, np.nan])
    np.testing.assert_array_equal(found.variance, [0.5, 0, 4, np.nan])
    np.testing.assert_array_equal(found.zeros, [0.25, 1, 0, 0])
    np.testing.assert_array_equal(found.missing, [0, 0, 2, 4])
    np.testing.assert_array_equal(found.peak[[0, 2]], [[1, 0], [1, 1]])
    assert found.dead == 1


def test_statistics_agree_with_and_without_missing_values():
    maps = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    whole, extra = fm.statistics(maps), fm.statistics(np.concatenate([maps, np.full((1, 4, 3), np.nan, np.float32)]))
    for name in ("minimum", "maximum", "mean", "variance", "zeros", "peak"):
        np.testing.assert_allclose(getattr(extra, name)[:5], getattr(whole, name), rtol=1e-6)


@pytest.mark.parametrize(
    ("order", "expected"),
    [("index", [0, 1, 2, 3]), ("mean", [0, 2, 1, 3]), ("variance", [2, 0, 1, 3]), ("sparsity", [1, 0, 2, 3])],
)
def test_channels_are_ordered(order, expected):
    assert fm.ordered(fm.statistics(MAPS), order).tolist() == expected


def test_an_unknown_order_is_refused():
    with pytest.raises(Refused, match="ordered by index, mean, variance, sparsity, not by 'size'"):
        fm.ordered(fm.statistics(MAPS), "size")


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 1, 2], (0, 2)), ([-1, 0, 3], (-3, 3)), ([0, 0], (0, 1)), ([np.nan, 2], (0, 2)), ([np.nan], (0, 1))],
)
def test_scale_is_symmetric_where_there_is_a_sign(values, expected):
    assert fm.scale(np.array(values, np.float32)[None, None]) == pytest.approx(expected, rel=0.02)


# Grids


def test_grid_places_tiles_row_by_row_on_one_scale():
    maps = np.array([[[0, 1], [1, 0]], [[1, 1], [1, 1]], [[0, 0], [0, np.nan]]], np.float32)
    picture = overlay.grid(maps, 0, 1, columns=2, tile=8)
    places = np.asarray(picture)
    assert picture.size == (2 * 8 + 4, 2 * 8 + 4)
    assert places[:8, :8].tolist() == np.kron([[0, 253], [253, 0]], np.ones((4, 4))).tolist()
    assert (places[:8, 12:] == 253).all()
    assert (places[8:12] == overlay.GAP).all()
    assert places[19, 7] == overlay.MISSING
    rgba = np.asarray(picture.convert("RGBA"))
    assert tuple(rgba[19, 7]) == (*overlay.MAGENTA, 255)  # not black
    assert rgba[9, 0, 3] == 0


def test_zero_is_the_darkest_of_signed_colours_and_the_ends_differ():
    colours = overlay.palette("signed").astype(int)
    assert colours[:254].sum(1).argmin() == pytest.approx(127, abs=3)
    assert colours[0, 2] > colours[0, 0]  # blue below
    assert colours[253, 0] > colours[253, 2]  # red above


@pytest.mark.parametrize("quantity", ["activation", "evidence"])
def test_lightness_grows_steadily(quantity):
    from skimage.color import rgb2lab

    lightness = rgb2lab(overlay.palette(quantity)[None, :254] / 255)[0, ::23, 0]
    steps = np.diff(lightness)
    assert steps.min() > 0.5 * steps.mean()


def test_kernels_with_three_channels_are_in_colour():
    kernel = np.zeros((1, 3, 1, 1), np.float32)
    kernel[0, 0], kernel[0, 2] = 1, -1
    picture = overlay.kernels(kernel, tile=1)
    assert np.asarray(picture)[0, 0].tolist() == pytest.approx([255, 128, 0, 255], abs=1)


def test_a_grid_of_64_maps_weighs_a_fraction_of_64_pictures():
    from io import BytesIO

    maps = np.random.default_rng(0).normal(size=(64, 14, 14)).astype(np.float32)
    alone = 0
    for each in maps:
        file = BytesIO()
        overlay.grid(each[None], -3, 3).convert("RGB").save(file, "PNG")
        alone += len(file.getvalue())
    together, kind = overlay.encoded(overlay.grid(maps, -3, 3))
    assert kind == "image/png"
    assert len(together) < alone / 2


# What is kept


def test_recent_arrays_are_computed_once_and_given_up_when_there_are_too_many():
    recent, computed = fm.Recent(most_bytes=3 * 4), []

    def compute(key):
        return lambda: computed.append(key) or np.full(1, key, np.float32)

    for key in (1, 2, 1, 3, 1, 4, 1, 2):
        assert recent.get(key, compute(key)) == [key]
    assert computed == [1, 2, 3, 4, 2]
    assert recent.bytes == 3 * 4
    with pytest.raises(ValueError, match="read-only"):
        recent.get(1, compute(1))[0] = 5


def test_an_array_that_is_too_large_is_given_and_not_kept():
    recent = fm.Recent(most_bytes=4)
    assert recent.get("large", lambda: np.zeros(2, np.float32)).shape == (2,)
    assert recent.bytes == 0
