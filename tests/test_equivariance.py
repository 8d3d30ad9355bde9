"""Moving pictures, and what networks make of it."""

import torch
from torch import nn
from torch.testing import assert_close

from cnn_core import equivariance


def spot(row, column, side=9):
    image = torch.zeros(1, 1, side, side)
    image[0, 0, row, column] = 1
    return image


def test_moves_by_whole_pixels_to_the_right_and_down():
    assert_close(equivariance.moved(spot(4, 4), right=2.0, down=-1.0), spot(3, 6), atol=1e-5, rtol=0)


def test_one_shift_per_picture():
    pair = equivariance.moved(spot(4, 4).expand(2, -1, -1, -1), torch.tensor([0, 3]))
    assert_close(pair, torch.cat([spot(4, 4), spot(4, 7)]), atol=1e-5, rtol=0)


def test_turns_clockwise():
    assert_close(equivariance.moved(spot(4, 8), turn=90.0), spot(8, 4), atol=1e-5, rtol=0)


def test_twice_as_large_covers_four_times_the_area():
    square = torch.zeros(1, 1, 16, 16)
    square[..., 6:10, 6:10] = 1
    assert_close(equivariance.moved(square, scale=2.0).sum().item(), 64.0, atol=0.5, rtol=0)


def test_turns_first_and_moves_then():
    assert_close(equivariance.moved(spot(4, 6), right=1.0, turn=90.0), spot(6, 5), atol=1e-5, rtol=0)


def test_a_convolution_with_global_pooling_does_not_mind_a_shift_and_a_linear_layer_does():
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 15, 15)
    image[..., 6:9, 6:9] = torch.rand(3, 3)
    convolution = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    answers = equivariance.answers_against_shift(convolution, image, 3)
    assert_close(answers, answers[3:4].expand_as(answers), atol=1e-5, rtol=0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(225, 4))
    answers = equivariance.answers_against_shift(linear, image, 3)
    assert (answers - answers[3]).abs().max() > 0.01


def test_steady_range_stops_at_the_first_change():
    one, other = [0.9, 0.1], [0.2, 0.8]
    assert equivariance.steady_range(torch.tensor([one, other, one, one, one, one, other])) == (1, 2)
