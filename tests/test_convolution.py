"""Convolution by hand: the course's numbers, and PyTorch's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnn_core.convolution import array, work
from cnn_core.errors import Refused


def test_window_products_and_sum_of_a_convolution():
    worked = work("conv", np.array([[[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]]), np.array([[[[1.0, 0], [2, -1]]]]))
    assert worked.output.tolist() == [[[0, 1], [4, 0]]]
    first = worked.steps[0]
    assert (first.place, first.corner, first.values, first.weights) == ((0, 0, 0), (0, 0), (1, 2, 0, 1), (1, 0, 2, -1))
    assert first.written() == "1·1 + 2·0 + 0·2 + 1·(−1) = 0"


def test_numbers_are_written_as_one_would_write_them():
    step = work("conv", np.array([[12345.0, -0.00001]]), np.array([[[1.0, 0.25]]])).steps[0]
    assert step.written() == "12345·1 + 0·0.25 = 12345"
    assert work("max_pool", np.ones((1, 2)), size=2, padding=1).steps[0].written() == "(−∞, 1) → 1"


def test_a_line_with_repeated_edges_stays_flat_and_with_zeros_sinks_at_both_ends():
    line, kernel = np.ones((1, 5)), np.array([[[0.25, 0.5, 0.25]]])
    assert work("conv", line, kernel, padding=1, edges="repeat").output.tolist() == [[1, 1, 1, 1, 1]]
    assert work("conv", line, kernel, padding=1).output.tolist() == [[0.75, 1, 1, 1, 0.75]]


def test_max_pooling_of_the_course():
    picture = np.array([[[1.0, 3, 2, 12], [0, 2, 5, 1], [1, 2, 4, 0], [3, 1, 2, 3]]])
    assert work("max_pool", picture, size=2, stride=2).output.tolist() == [[[3, 12], [3, 4]]]


def test_colour_is_summed_into_one_map():
    picture = np.stack([np.full((2, 2), value) for value in (1.0, 10, 100)])
    worked = work("conv", picture, np.ones((1, 3, 2, 2)))
    assert worked.output.tolist() == [[[444]]]
    assert len(worked.steps[0].values) == 12


@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2),
    st.integers(1, 2), st.sampled_from(["conv", "transposed", "max_pool", "avg_pool"]), st.integers(0, 99),
)  # fmt: skip
@settings(deadline=None, max_examples=80)
def test_results_are_pytorchs(axes, channels, filters, taps, stride, padding, dilation, op, seed):
    torch.manual_seed(seed)
    picture = torch.randn(channels, *[5] * axes, dtype=torch.float64)
    shape = (filters, channels) if op == "conv" else (channels, filters)
    kernel = torch.randn(*shape, *[taps] * axes, dtype=torch.float64)
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    try:
        worked = work(op, picture.numpy(), kernel.numpy(), size=taps, **settings)
    except Refused:
        return
    if op == "conv":
        theirs = getattr(F, f"conv{axes}d")(picture[None], kernel, None, stride, padding, dilation)
    elif op == "transposed":
        theirs = getattr(F, f"conv_transpose{axes}d")(picture[None], kernel, None, stride, padding, 0, 1, dilation)
    else:
        theirs = getattr(F, f"{op}{axes}d")(picture[None], taps, stride, padding)
    np.testing.assert_allclose(worked.output, theirs[0].numpy(), atol=1e-9)
    assert len(worked.steps) == worked.output.size


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: work("conv", np.ones((1, 3, 3)), np.ones((1, 1, 4, 4))),
        lambda: work("conv", np.ones((1, 3, 3)), np.ones((1, 2, 2, 2))),
        lambda: work("conv", np.ones((1, 3, 3)), np.ones((1, 1, 2))),
        lambda: work("conv", np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), stride=0),
        lambda: work("conv", np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), edges="mirror"),
        lambda: work("conv", np.ones((1, 60, 60)), np.ones((9, 1, 2, 2))),
        lambda: work("sort", np.ones((1, 3, 3))),
        lambda: work("conv", np.ones(3), np.ones(2)),
        lambda: work("max_pool", np.ones((1, 4, 4)), size=2, padding=2),
        lambda: array([[1, 2], [3]], "input"),
        lambda: array([["a"]], "input"),
        lambda: array([[float("inf")]], "input"),
        lambda: array([], "input"),
        lambda: array([10**400], "input"),
        lambda: array([1e300], "input"),
        lambda: work("conv", np.ones((1, 64, 64)), np.ones((1, 1, 45, 90)), padding=40),
        lambda: work("conv", np.ones((4096, 1, 1, 1)), np.ones((1, 4096, 1, 1, 1)), stride=64, padding=64),
        lambda: work("transposed", np.ones((1, 9, 9, 9)), np.ones((1, 1, 1, 1, 1)), stride=64, padding=255),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(wrong):
    with pytest.raises(Refused) as refused:
        wrong()
    assert str(refused.value).count(". ") == 0
