"""Receptive fields in integers: published values, hand-worked ones, and PyTorch's own gradients."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from cnn_core import chains
from cnn_core.errors import Refused
from cnn_core.receptive_field import (
    PIXEL,
    Axis,
    Field,
    Window,
    adaptive,
    box,
    chain,
    effective_kernel,
    output_size,
    resampled,
    same_padding,
    sliding,
    transposed,
    transposed_size,
)

# ---------------------------------------------------------------------------------------------------- Published values

# Each: end-point, then kernel, stride, padding before of the layers since the one above, then field, stride, padding.
# google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md: TF-Slim's networks, whose paddings are TensorFlow's
# "SAME" and "VALID". Where that padding depends on the picture's size, the row is the one for 224 px.
ALEXNET_V2 = [
    ("conv1", [(11, 4, 0)], 11, 4, 0),
    ("pool1", [(3, 2, 0)], 19, 8, 0),
    ("conv2", [(5, 1, 2)], 51, 8, 16),
    ("conv3", [(3, 2, 0), (3, 1, 1)], 99, 16, 32),
    ("conv4", [(3, 1, 1)], 131, 16, 48),
    ("conv5", [(3, 1, 1)], 163, 16, 64),
    ("pool5", [(3, 2, 0)], 195, 32, 64),
]
VGG_A = [
    ("pool1", [(3, 1, 1), (2, 2, 0)], 4, 2, 1),
    ("pool2", [(3, 1, 1), (2, 2, 0)], 10, 4, 3),
    ("pool3", [(3, 1, 1), (3, 1, 1), (2, 2, 0)], 30, 8, 11),
    ("pool4", [(3, 1, 1), (3, 1, 1), (2, 2, 0)], 70, 16, 27),
    ("pool5", [(3, 1, 1), (3, 1, 1), (2, 2, 0)], 150, 32, 59),
]
VGG_16 = [
    ("conv1_1", [(3, 1, 1)], 3, 1, 1),
    ("pool1", [(3, 1, 1), (2, 2, 0)], 6, 2, 2),
    ("pool2", [(3, 1, 1), (3, 1, 1), (2, 2, 0)], 16, 4, 6),
    ("pool3", [(3, 1, 1), (3, 1, 1), (3, 1, 1), (2, 2, 0)], 44, 8, 18),
    ("pool4", [(3, 1, 1), (3, 1, 1), (3, 1, 1), (2, 2, 0)], 100, 16, 42),
    ("pool5", [(3, 1, 1), (3, 1, 1), (3, 1, 1), (2, 2, 0)], 212, 32, 90),
]
S1, S2 = (3, 1, 1), (3, 2, 0)  # "SAME" at an even size: a stride of 2 leaves the one padded pixel to the end
MOBILENET_V1 = [
    ("Conv2d_0", [S2], 3, 2, 0),
    ("Conv2d_1_pointwise", [S1], 7, 2, 2),
    ("Conv2d_2_pointwise", [S2], 11, 4, 2),
    ("Conv2d_3_pointwise", [S1], 19, 4, 6),
    ("Conv2d_4_pointwise", [S2], 27, 8, 6),
    ("Conv2d_5_pointwise", [S1], 43, 8, 14),
    ("Conv2d_6_pointwise", [S2], 59, 16, 14),
    ("Conv2d_11_pointwise", [S1] * 5, 219, 16, 94),
    ("Conv2d_12_pointwise", [S2], 251, 32, 94),
    ("Conv2d_13_pointwise", [S1], 315, 32, 126),
]
CHAINS = {"alexnet_v2": ALEXNET_V2, "vgg_a": VGG_A, "vgg_16": VGG_16, "mobilenet_v1": MOBILENET_V1}


@pytest.mark.parametrize(
    ("layers", "size", "stride", "padding"),
    [
        pytest.param([row for each in ends[: place + 1] for row in each[1]], *ends[place][2:], id=f"{net}/{name}")
        for net, ends in CHAINS.items()
        for place, (name, *_) in enumerate(ends)
    ],
)
def test_published_chains(layers, size, stride, padding):
    field = chain(sliding(*layer) for layer in layers)
    assert (field.size, field.jump, -field.start) == (size, stride, padding)


# ---------------------------------------------------------------------------------------------------- By hand


def test_course_formula():
    assert output_size(6, 3) == 4
    assert output_size(224, 11, 4, 2) == 55
    assert output_size(28, 3, 1, 1) == 28
    assert effective_kernel(3, 2) == 5
    assert effective_kernel(5, 24) == 97
    assert transposed_size(2, 3, 2) == 5


def test_dilations_2_2_2_leave_holes_and_1_2_5_leave_none():
    def used(rates):
        axis = Axis(64)
        step = 0
        for rate in rates:
            step = axis.add([step], sliding(3, 1, rate, rate))
        return sorted(pixel - 32 for pixel in axis.seen(step, 32))

    assert used([2, 2, 2]) == list(range(-6, 7, 2))
    assert used([1, 2, 5]) == list(range(-8, 9))


def test_units_behind_a_transposed_convolution_see_different_lengths_in_turn():
    field = PIXEL.through(transposed(3, 2))
    assert [field.of(unit) for unit in range(4)] == [(-1, 0), (0, 0), (0, 1), (1, 1)]
    assert (field.size, field.jump, field.start) == (2, Fraction(1, 2), -1)


def test_units_between_the_taps_of_a_transposed_convolution_see_nothing():
    field = PIXEL.through(transposed(1, 2))
    assert [field.of(unit) for unit in range(3)] == [(0, 0), None, (1, 1)]
    assert field.through(sliding(3)).size == 2


def test_forward_and_back_agree():
    field = chain([sliding(7, 2, 3), sliding(3, 2, 1), transposed(4, 2, 1)])
    for pixel in range(40):
        seeing = field.units_at(pixel, 30)
        spans = [field.of(unit) for unit in range(30)]
        assert seeing == [unit for unit, (first, last) in enumerate(spans) if first <= pixel <= last]


def test_lists_of_lengths_that_multiply_into_the_millions_are_refused_at_once():
    def chained():
        field = PIXEL
        for up, down in ((511, 510), (509, 508), (503, 502)):
            field = field.through(resampled(1, up, 1)).through(sliding(1, down))

    with pytest.raises(Refused, match="too many different lengths"):
        chained()
    with pytest.raises(Refused, match="too many different lengths"):
        Field(((0, 0),) * 511, 511).beside(Field(((0, 0),) * 509, 509))


def test_same_padding_of_tensorflow():
    assert same_padding(224, 7, 2) == (2, 3)
    assert same_padding(321, 7, 2) == (3, 3)
    assert same_padding(28, 3) == (1, 1)
    assert same_padding(7, 1, 2) == (0, 0)


def test_continuing_is_the_same_as_beginning_anew():
    first, second = [sliding(5, 2, 1), transposed(3, 2)], [sliding(3, 3), sliding(2)]
    assert chain(second, chain(first)) == chain(first + second)


def test_branches_that_do_not_keep_step_are_reported_and_still_exact():
    axis = Axis(9)
    half, third = axis.add([0], sliding(1, 2), 3), axis.add([0], sliding(3, 3), 3)
    reach = axis.steps[axis.add([half, third])].reach
    assert "2 px per unit" in str(reach.misaligned)
    assert "3 px" in str(reach.misaligned)
    assert reach.field.spans == ((0, 2), (2, 5), (4, 8))


def test_branches_with_other_centres_are_reported():
    axis = Axis(9)
    met = axis.steps[axis.add([axis.add([0], sliding(2), 8), axis.add([0], sliding(1), 8)])].reach
    assert "0.5 px apart" in str(met.misaligned)
    assert met.field == Field(((0, 1),), 1)


def test_a_pooled_branch_is_left_out_and_said():
    axis = Axis(16)
    maps = axis.add([0], sliding(3, 1, 1))
    pooled = axis.add([maps], adaptive(16, 1), 1, pools=True)
    back = axis.add([pooled], Window(((0,),), 0), 16)
    gated = axis.add([maps, back])
    reach = axis.steps[gated].reach
    assert (reach.field.size, reach.pooled, reach.everything) == (3, False, True)
    assert axis.span(gated, 5) == (4, 6)
    assert axis.seen(gated, 5) == set(range(16))
    assert axis.seers(gated, 5) == [4, 5, 6]


def test_box_is_cut_to_the_picture():
    assert box((-3, 4), (2, 9), 20, 8) == (0, 2, 5, 8)
    assert box(None, (2, 9), 20, 8) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: output_size(4, 7),
        lambda: output_size(4, 3, 0),
        lambda: output_size(4, 0),
        lambda: output_size(0, 1),
        lambda: output_size(9, 3, 1, -1),
        lambda: output_size(9, 3, 1, 0, 0),
        lambda: output_size(4, 3, 1, 0, 2),
        lambda: transposed_size(1, 1, 1, 1),
        lambda: transposed_size(4, 2, 2, 0, 1, 2),
        lambda: transposed_size(4, 2, 0),
        lambda: Axis(0),
        lambda: Axis(10**9),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(wrong):
    with pytest.raises(Refused) as refused:
        wrong()
    assert str(refused.value).count(". ") == 0


def test_module_needs_no_torch():
    program = "import sys, cnn_core.receptive_field; print(sorted({'torch', 'numpy'} & sys.modules.keys()))"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


# ---------------------------------------------------------------------------------------------------- Against PyTorch


@given(
    st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 4), st.integers(1, 4), st.booleans()
)  # fmt: skip
@settings(deadline=None)
def test_output_size_is_pytorchs(size, kernel, stride, padding, dilation, ceil_mode):
    picture = torch.zeros(1, 1, size)
    if ceil_mode:
        padding = min(padding, kernel // 2)

    def theirs():
        if ceil_mode:
            return F.max_pool1d(picture, kernel, stride, padding, dilation, ceil_mode=True).shape[-1]
        return F.conv1d(picture, torch.zeros(1, 1, kernel), None, stride, padding, dilation).shape[-1]

    try:
        ours = output_size(size, kernel, stride, padding, dilation, ceil_mode)
    except Refused:
        if not ceil_mode:  # PyTorch pools windows that overhang
            with pytest.raises(RuntimeError):
                theirs()
        return
    assert ours == theirs()


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.integers(0, 2))
@settings(deadline=None)
def test_transposed_size_is_pytorchs(size, kernel, stride, padding, dilation, extra):
    try:
        ours = transposed_size(size, kernel, stride, padding, dilation, extra)
    except Refused:
        return
    weight = torch.zeros(1, 1, kernel)
    assert (
        ours == F.conv_transpose1d(torch.zeros(1, 1, size), weight, None, stride, padding, extra, 1, dilation).shape[-1]
    )


# Layers along one axis: how PyTorch does it, and how we do. All weights are 1, so nothing cancels.
def conv(kernel, stride, padding, dilation):
    layer = nn.Conv1d(1, 1, kernel, stride, padding, dilation, bias=False)
    window = sliding(kernel, stride, padding, dilation)
    return layer, window, lambda size: output_size(size, kernel, stride, padding, dilation)


def average(kernel, stride, padding, _):
    padding = min(padding, kernel // 2)
    layer = nn.AvgPool1d(kernel, stride, padding)
    return layer, sliding(kernel, stride, padding), lambda size: output_size(size, kernel, stride, padding)


def deconv(kernel, stride, padding, dilation):
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, dilation=dilation, bias=False)
    window = transposed(kernel, stride, padding, dilation)
    return layer, window, lambda size: transposed_size(size, kernel, stride, padding, dilation)


LAYERS = st.builds(
    lambda make, *numbers: make(*numbers),
    st.sampled_from([conv, conv, conv, average, deconv]),
    st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3),
)  # fmt: skip


class Net:
    """The same network twice: in PyTorch, and as an `Axis`."""

    def __init__(self, size):
        self.picture = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
        self.axis, self.maps, self.step = Axis(size), self.picture, 0

    def then(self, layer, window, size_of):
        """Append a layer; raises `Refused` where it does not fit."""
        size = size_of(self.axis.steps[self.step].size)
        if size > 200:
            raise Refused("large enough")
        self.maps = run(layer, self.maps)
        self.step = self.axis.add([self.step], window, size)

    def gradient(self, unit):
        (found,) = torch.autograd.grad(self.maps[0, 0, unit], self.picture, retain_graph=True, allow_unused=True)
        return set() if found is None else set(found[0, 0].nonzero().flatten().tolist())


def run(layer, maps):
    for parameter in layer.parameters():
        nn.init.ones_(parameter)
    return layer.double()(maps)


def agree(net):
    """Every unit's gradient touches what we say, at the rim of the picture and in dilation's holes too."""
    step = net.axis.steps[net.step]
    assert net.maps.shape[-1] == step.size
    for unit in range(0, step.size, max(1, step.size // 12)):
        assert net.axis.seen(net.step, unit) == net.gradient(unit), unit


@given(st.integers(1, 60), st.lists(LAYERS, min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_gradient_spans_exactly_the_field_of_a_chain(size, layers):
    net = Net(size)
    try:
        for layer in layers:
            net.then(*layer)
    except Refused:
        pass
    agree(net)


@given(st.lists(LAYERS, min_size=1, max_size=4), st.integers(0, 5))
@settings(deadline=None, max_examples=50)
def test_away_from_the_rim_the_field_itself_is_exact(layers, off):
    net = Net(600)
    try:
        for layer in layers:
            size = layer[2](net.axis.steps[net.step].size)
            if size > 3000:
                break
            net.maps = run(layer[0], net.maps)
            net.step = net.axis.add([net.step], layer[1], size)
    except Refused:
        return
    step = net.axis.steps[net.step]
    unit = min(step.size // 2 + off, step.size - 1)
    seen = net.gradient(unit)
    if not seen or min(seen) < 150 or max(seen) > 450:
        return
    assert step.reach.field.of(unit) == (min(seen), max(seen))


@given(st.integers(12, 60), st.lists(st.tuples(st.integers(0, 2), LAYERS, LAYERS), min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_gradient_spans_exactly_the_field_of_a_graph(size, blocks):
    net = Net(size)
    for kind, left, right in blocks:
        one, other = (branch(net, each) for each in (left, right))
        if not one or not other:
            continue
        (maps, step), (more, second) = one, other
        fewest = min(maps.shape[-1], more.shape[-1])
        both = [net.axis.add([each], sliding(1), fewest) for each in (step, second)]  # cropped to the same size
        if kind == 0:  # squeeze and excitation
            mean = maps.mean(-1, keepdim=True)
            pooled = net.axis.add([step], adaptive(maps.shape[-1], 1), 1, pools=True)
            both[1] = net.axis.add([pooled], Window(((0,),), 0), fewest)
            net.maps = maps[..., :fewest] + mean
        else:
            net.maps = maps[..., :fewest] + more[..., :fewest]
        net.step = net.axis.add(both)
    agree(net)


def branch(net, layer):
    try:
        size = layer[2](net.axis.steps[net.step].size)
    except Refused:
        return None
    if not 1 <= size <= 200:
        return None
    return run(layer[0], net.maps), net.axis.add([net.step], layer[1], size)


@given(st.integers(1, 20), st.integers(1, 30), st.sampled_from(["adaptive", "nearest", "linear", "corners"]))
@settings(deadline=None)
def test_resampling_touches_what_pytorch_touches(size, units, kind):
    picture = torch.rand(1, 1, size, dtype=torch.float64, requires_grad=True)
    if kind == "adaptive":
        maps, window = F.adaptive_avg_pool1d(picture, units), adaptive(size, units)
    elif kind == "nearest":
        maps, window = F.interpolate(picture, units), resampled(size, units, 1)
    else:
        corners = kind == "corners"
        maps = F.interpolate(picture, units, mode="linear", align_corners=corners)
        window = resampled(size, units, 2, corners)
    for unit in range(units):
        (found,) = torch.autograd.grad(maps[0, 0, unit], picture, retain_graph=True)
        touched = {place for place, value in enumerate(found[0, 0].tolist()) if abs(value) > 1e-9}
        ours = {min(max(place, 0), size - 1) for place in window.of(unit)}  # interpolation repeats the rim
        if kind == "nearest":
            assert touched <= ours | {place - 1 for place in ours}  # PyTorch computes the place in floating point
        else:
            assert touched <= ours
            assert len(ours - touched) <= 1  # a weight of exactly 0 at the last place


# ---------------------------------------------------------------------------------------------------- Chains as JSON


def test_a_list_of_layers_is_followed():
    layers = chains.read(
        '[{"op": "conv", "kernel": 7, "stride": 2, "padding": 3}, {"op": "max_pool", "kernel": 3, "stride": 2}]'
    )
    first, second = chains.follow(layers, 224)
    assert (first.sizes, first.reaches[0].field.size) == ((112, 112), 7)
    assert (second.sizes, second.reaches[0].field.size, second.reaches[0].field.jump) == ((55, 55), 11, 4)


def test_layers_may_differ_from_axis_to_axis():
    layers = chains.read('[{"op": "conv", "kernel": [1, 7], "padding": [0, 3]}, {"op": "conv", "kernel": [3, 1]}]')
    last = chains.follow(layers, 20)[-1]
    assert (last.sizes, [reach.field.size for reach in last.reaches]) == ((18, 20), [3, 7])
    assert len(chains.follow(chains.read('[{"op": "conv", "kernel": [1, 3, 3]}]'), 8)[0].sizes) == 3
    assert chains.follow(chains.read('[{"op": "upsample"}]'), (8,))[0].sizes == (16,)


def test_poolings_round_up_or_adapt():
    pool = {"op": "max_pool", "kernel": 3, "stride": 2}
    last = chains.follow(chains.read(json.dumps([pool | {"ceil_mode": True}])), 112)[-1]
    assert last.sizes == (56, 56)  # 55 rounded down: SqueezeNet's first pooling
    last = chains.follow(chains.read('[{"op": "adaptive_avg_pool", "output_size": [3, 1]}]'), 7)[-1]
    assert last.sizes == (3, 1)
    assert [reach.field.spans for reach in last.reaches] == [((0, 2), (2, 4), (4, 6)), ((0, 6),)]
    assert [reach.pooled for reach in last.reaches] == [False, True]


def test_rows_of_a_traced_network_can_be_handed_back():
    rows = [{"op": "Conv2d", "kernel": 11, "stride": 4, "padding": 2}, {"op": "MaxPool2d", "kernel": 3, "stride": 2},
            {"op": "ConvTranspose2d", "kernel": 2}, {"op": "AdaptiveAvgPool2d"}]  # fmt: skip
    found = chains.follow(chains.read(json.dumps(rows)), 224)
    assert [each.layer.op for each in found] == ["conv", "max_pool", "transposed", "adaptive_avg_pool"]
    assert [each.sizes[0] for each in found] == [55, 27, 28, 1]


def test_list_that_would_take_all_memory_is_refused():
    stack = [{"op": "upsample", "stride": 511}, {"op": "conv", "kernel": 1, "stride": 510},
             {"op": "upsample", "stride": 509}, {"op": "conv", "kernel": 1, "stride": 508},
             {"op": "upsample", "stride": 503}]  # fmt: skip
    with pytest.raises(Refused, match="too many different lengths"):
        chains.follow(chains.read(json.dumps(stack)), 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "not JSON"),
        ("{}", "must be a list"),
        ("[]", "must be a list"),
        ("[" * 100_000, "not JSON"),
        (json.dumps([{"op": "conv"}] * 500), "at most 100"),
        ('[{"op": "attention"}]', "Layer 1 needs"),
        ('[{"op": "conv"}, 5]', "Layer 2 needs"),
        ('[{"op": "conv", "kernal": 3}]', "kernal"),
        ('[{"op": "conv", "stride": 0}]', "stride must be"),
        ('[{"op": "conv", "kernel": -3}]', "kernel must be"),
        ('[{"op": "conv", "padding": 1.5}]', "padding must be"),
        ('[{"op": "conv", "kernel": true}]', "kernel must be"),
        ('[{"op": "max_pool", "ceil_mode": 2}]', "ceil_mode must be"),
        ('[{"op": "conv", "channels": 10, "groups": 7}]', "10 channels cannot be shared among 7 groups"),
        ('[{"op": "avg_pool", "dilation": [1, 2]}]', "An average pooling has no dilation"),
        ('[{"op": "adaptive_avg_pool", "output_size": 0}]', "output_size must be"),
        ('[{"op": "conv", "kernel": 99}]', "Layer 1 (conv)"),
        ('[{"op": "conv"}, {"op": "max_pool", "padding": 2}]', "Layer 2 (max_pool)"),
        ('[{"op": "transposed", "stride": 512}, {"op": "transposed", "stride": 512}]', "too many"),
        ('[{"op": "conv", "kernel": [1, 2]}, {"op": "conv", "kernel": [1, 2, 3]}]', "number of axes"),
    ],
)
def test_lists_that_are_no_network_are_refused_by_layer(text, says):
    with pytest.raises(Refused) as refused:
        chains.follow(chains.read(text), 32)
    assert says in str(refused.value)
