"""Made-up drawings: every template draws, the same seed draws the same, and no hand drawing is used."""

import ast
from pathlib import Path

import numpy as np
import pytest

from cnn_core import drawing, garments, synthesis
from cnn_core.data import FASHION_CLASSES

every_garment = pytest.mark.parametrize("label", range(10), ids=[each.__name__ for each in garments.GARMENTS])


def test_one_template_per_class_in_the_order_of_the_classes():
    names = [name.split("/")[0].lower().replace("-", "_").replace(" ", "_") for name in FASHION_CLASSES]
    assert [each.__name__ for each in garments.GARMENTS] == names


@every_garment
def test_templates_draw_something_finite_of_every_class_and_never_the_same_twice(label):
    random = np.random.default_rng(label)
    drawn = [garments.GARMENTS[label](garments.Dice(random)) for _ in range(30)]
    for strokes in drawn:
        points = np.concatenate(strokes)
        assert np.isfinite(points).all()
        assert np.ptp(points, 0).min() > 0.2
        assert np.abs(points).max() < 6
    assert len({np.concatenate(strokes).tobytes() for strokes in drawn}) == 30


@every_garment
def test_drawings_fill_the_frame_once_prepared(label):
    received = drawing.prepare(synthesis.garment(np.random.default_rng(label), label))
    rows, columns = np.flatnonzero(received.any(1)), np.flatnonzero(received.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) >= 24


def test_same_seed_same_drawing():
    one, other = (synthesis.garment(np.random.default_rng(5), 8) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_contours_follow_the_photograph():
    photograph = np.zeros((28, 28), np.uint8)
    photograph[6:22, 9:19] = 200
    received = drawing.prepare(synthesis.contours(np.random.default_rng(0), photograph, inner=False))
    inside = received > 0.2
    tall, wide = np.ptp(np.flatnonzero(inside.any(1))), np.ptp(np.flatnonzero(inside.any(0)))
    assert 1.1 < tall / wide < 2.4  # 1.6 before the hand bent it


def test_things_that_are_no_garment_can_be_prepared():
    random = np.random.default_rng(1)
    for _ in range(40):
        picture = synthesis.nothing(random)
        assert picture.dtype == np.uint8
        assert min(picture.shape[:2]) > 20


def test_no_hand_drawing_is_used_for_training():
    for file in ("synthesis.py", "garments.py"):
        tree = ast.parse(Path(synthesis.__file__).with_name(file).read_text())
        imported = {
            name.name.split(".")[-1]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        } | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & {"drawings", "cnn_core.drawings"}
