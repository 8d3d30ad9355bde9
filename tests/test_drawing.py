"""From a drawing to 28x28: what must not matter does not, and what must be kept is kept."""

import cv2
import numpy as np
import pytest

from cnn_core import drawing
from cnn_core.drawings import drawings
from cnn_core.errors import Refused


def square(size=200, low=60, high=140, pen=6, ink=0, paper=255):
    sheet = np.full((size, size), paper, np.uint8)
    cv2.rectangle(sheet, (low, low), (high, high), ink, pen)
    return sheet


def alike(one, other):
    """Both are white around grey, and cover the same pixels but for a ring of one."""
    assert one[14, 14] == other[14, 14] == pytest.approx(drawing.FILL)
    inner = (slice(2, -2), slice(2, -2))
    assert ((one > 0.2) == (other > 0.2))[inner].mean() > 0.97


def test_an_outline_becomes_a_white_rim_around_grey():
    received = drawing.prepare(square())
    assert received.shape == (28, 28)
    assert received.dtype == np.float32
    assert received.min() == 0
    assert received.max() <= 1
    assert received[14, 14] == pytest.approx(drawing.FILL)
    assert received[14].max() > 0.6
    assert received[0].max() < 0.3  # a margin is left


@pytest.mark.parametrize("colours", [{"ink": 255, "paper": 0}, {"ink": 90, "paper": 230}, {"ink": 200, "paper": 30}])
def test_dark_on_light_and_light_on_dark_are_the_same(colours):
    np.testing.assert_array_equal(drawing.prepare(square(**colours)), drawing.prepare(square()))


@pytest.mark.parametrize("change", [{"low": 20, "high": 100}, {"low": 90, "high": 180}, {"pen": 3}, {"pen": 14}])
def test_place_size_and_pen_hardly_matter(change):
    alike(drawing.prepare(square(**change)), drawing.prepare(square()))


def test_filled_and_outlined_shapes_look_alike():
    alike(drawing.prepare(square(pen=-1)), drawing.prepare(square()))


def test_a_small_gap_in_the_outline_is_closed():
    sheet = square(pen=3)
    sheet[130:150, 98:102] = 255
    assert drawing.prepare(sheet)[14, 14] == pytest.approx(drawing.FILL)


def test_without_normalising_the_pen_shows_and_nothing_is_filled():
    thin, thick = (drawing.prepare(square(pen=pen), normalise=False) for pen in (3, 14))
    assert thin[14, 14] == thick[14, 14] == 0
    assert thick.sum() > 2 * thin.sum()


def test_without_centring_the_drawing_stays_where_it_is():
    received = drawing.prepare(square(low=10, high=60), centre=False)
    assert received[:10, :10].sum() > 0
    assert received[14:, 14:].sum() == 0


def test_specks_do_not_move_the_frame():
    dusty = square()
    dusty[5, 5] = dusty[190, 12] = 0
    np.testing.assert_array_equal(drawing.prepare(dusty), drawing.prepare(square()))


@pytest.mark.parametrize("paper", [0, 127, 255])
def test_an_empty_sheet_asks_for_a_drawing(paper):
    with pytest.raises(Refused, match="Draw something"):
        drawing.prepare(np.full((50, 70), paper, np.uint8))


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (1, 2), (3, 3)])
def test_odd_shapes_are_survived(shape):
    sheet = np.full(shape, 255, np.uint8)
    sheet.flat[sheet.size // 2] = 0
    received = drawing.prepare(sheet)
    assert np.isfinite(received).all()


def test_a_photograph_is_not_redrawn():
    rows = np.linspace(60, 230, 28)
    photograph = np.zeros((28, 28), np.uint8)
    photograph[2:26, 4:24] = rows[2:26, None] + np.random.default_rng(0).normal(0, 8, (24, 20))
    assert not drawing.is_line_drawing(drawing.find_ink(photograph))
    received = drawing.prepare(photograph)
    assert len(np.unique(np.round(received, 2))) > 20


def test_every_hand_drawing_is_seen_as_one():
    wrong = [each.note for each in drawings() if not drawing.is_line_drawing(drawing.find_ink(each.render()))]
    assert wrong == []
