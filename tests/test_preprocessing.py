"""What a network sees of a picture: the values of a hand-made one, the crop, the normalisation."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from torchvision.transforms import v2

from cnn_core.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Garment, Photograph


def halves(width=40, height=20):
    """Left half red, right half blue."""
    picture = Image.new("RGB", (width, height), "blue")
    picture.paste("red", (0, 0, width // 2, height))
    return picture


def test_the_whole_picture_is_squeezed_into_the_square():
    seen = Photograph(8)(halves())
    assert seen.shape == (1, 3, 8, 8)
    assert_close(seen[0, :, 0, 0], torch.tensor([1.0, 0, 0]))
    assert_close(seen[0, :, 7, 7], torch.tensor([0.0, 0, 1]))


def test_a_centred_crop_keeps_its_share_of_the_shorter_side():
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).repeat(3).reshape(8, 8, 3))
    seen = Photograph(4, crop=0.5)(picture)  # 8 px are brought to 8 px, of which the middle 4 are kept
    assert_close(seen[0, 0] * 255, torch.arange(64.0).view(8, 8)[2:6, 2:6])


def test_channels_are_red_green_blue_and_normalised_one_by_one():
    seen = Photograph(4, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))(Image.new("RGB", (4, 4), "red"))
    assert_close(seen[0, :, 0, 0], torch.tensor([1.0, -1, 0]))


def test_agrees_with_torchvision():
    picture = halves(300, 260)
    theirs = v2.Compose([
        v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ])(picture)  # fmt: skip
    ours = Photograph(224, crop=224 / 256, mean=IMAGENET_MEAN, std=IMAGENET_STD)(picture)[0]
    assert (theirs - ours).abs().mean() < 0.01  # the last rounding of a pixel may differ


@pytest.mark.parametrize("preprocess", [Garment(), Photograph(16), Photograph(16, crop=0.875)])
@pytest.mark.parametrize("size", [(3, 50), (50, 3), (16, 16)])
def test_any_proportions_give_the_shape_that_is_named(preprocess, size):
    picture = Image.new("RGB", size, "white")
    picture.putpixel((1, 1), (0, 0, 0))
    assert preprocess(picture).shape == (1, *preprocess.shape)
    assert str(preprocess).startswith(f"(N, {preprocess.shape[0]}, {preprocess.shape[1]}, {preprocess.shape[2]})")
