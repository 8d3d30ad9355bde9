"""Photographs as tensors, and what is changed at random."""

import pytest
import torch
from torch.testing import assert_close

from cnn_core import photographs


def test_a_crop_of_everything_is_the_picture_itself():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 10, 10)
    assert_close(photographs.crop(images, 10, smallest=1.0, squeeze=1.0), images, rtol=0, atol=1e-5)


def test_a_crop_shows_a_part_of_the_size_asked_for():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 64).expand(200, 1, 64, 64)  # brighter to the right
    parts = photographs.crop(ramp, 32, smallest=0.5, squeeze=1.0)
    assert parts.shape == (200, 1, 32, 32)
    spans = parts[:, 0, 0, -1] - parts[:, 0, 0, 0]  # how much of the width each part covers
    assert 0.45 < spans.min() < 0.6
    assert 0.9 < spans.max() <= 1
    assert_close(parts, parts[:, :, :1].expand_as(parts), rtol=0, atol=1e-4)  # no turning


def test_flip_and_light_stays_in_range_and_mirrors_about_half():
    torch.manual_seed(0)
    ramp = torch.linspace(0.2, 0.8, 16).expand(400, 3, 16, 16)
    changed = photographs.flip_and_light(ramp)
    assert changed.amin() >= 0
    assert changed.amax() <= 1
    mirrored = (changed[:, 0, 0, 0] > changed[:, 0, 0, -1]).float().mean().item()
    assert mirrored == pytest.approx(0.5, abs=0.1)
