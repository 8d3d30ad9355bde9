"""Scores, against counts made by hand."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from cnn_core import evaluation
from cnn_core.data import FASHION_CLASSES
from cnn_core.drawings import drawings


class Reads(nn.Module):
    """Says the class that the picture's first pixel names."""

    def forward(self, images):
        return nn.functional.one_hot((images[:, 0, 0, 0] * 255).round().long(), 3).float()


def pictures(*classes):
    images = torch.zeros(len(classes), 28, 28, dtype=torch.uint8)
    images[:, 0, 0] = torch.tensor(classes)
    return images


def test_confusion_counts_true_classes_down_and_answers_across():
    logits = torch.eye(3)[[0, 1, 1, 2, 0]]
    expected = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    assert torch.equal(evaluation.confusion(logits, torch.tensor([0, 0, 1, 2, 2])), expected)


def test_score_by_hand():
    measured = evaluation.score(Reads(), pictures(0, 0, 1, 2), torch.tensor([0, 1, 1, 2]))
    assert measured["accuracy"] == 0.75
    assert measured["class_accuracy"] == [1.0, 0.5, 1.0]
    assert measured["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert measured["pictures"] == 4


def test_predict_leaves_the_mode_as_it_was():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(784, 3)).train()
    assert torch.equal(evaluation.predict(network, pictures(1)), evaluation.predict(network, pictures(1)))
    assert network.training


def test_views_are_the_image_its_mirror_image_and_four_corners():
    image = torch.arange(9.0).view(1, 1, 3, 3)
    shown = [view.flatten().tolist() for view in evaluation.views(image, 2)]
    assert shown[:2] == [[0, 1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 0, 5, 4, 3, 8, 7, 6]]
    assert shown[2:] == [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    assert len(evaluation.views(image, 3)) == 2  # no larger than a corner


def test_over_views_the_mean_is_taken():
    image = torch.arange(9.0).view(1, 1, 3, 3)
    mean = evaluation.over_views(lambda view: view.mean((1, 2, 3))[:, None], image, 2)
    assert mean.tolist() == [[pytest.approx((4 + 4 + 2 + 3 + 5 + 6) / 6)]]
    assert evaluation.predict(nn.Flatten(), torch.full((1, 2, 2), 51, dtype=torch.uint8), side=2).tolist() == [
        pytest.approx([0.2] * 4)
    ]


def test_familiarity_of_an_even_guess_is_zero_and_of_certainty_one():
    assert_close(evaluation.familiarity(torch.tensor([[1.0, 1, 1, 1], [99, 0, 0, 0]])), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize(
    ("inside", "outside", "area"), [([3, 4], [1, 2], 1), ([1, 2], [3, 4], 0), ([1, 3], [2, 3], 0.375)]
)
def test_area_under_curve_by_hand(inside, outside, area):
    assert evaluation.area_under_curve(torch.tensor(inside), torch.tensor(outside)) == area


def test_near_classes():
    assert evaluation.is_near("Coat", "Coat")
    assert evaluation.is_near("T-shirt/top", "Shirt")
    assert not evaluation.is_near("T-shirt/top", "Coat")
    assert not evaluation.is_near("Sandal", "Sneaker")
    assert {name for row in evaluation.NEAR for name in row} <= set(FASHION_CLASSES)


def test_at_least_fifteen_hand_drawings_of_every_class_each_on_its_sheet():
    labels = [each.label for each in drawings()]
    assert min(labels.count(name) for name in FASHION_CLASSES) >= 15
    assert set(labels) == {*FASHION_CLASSES, "none"}
    assert len({(each.label, each.note) for each in drawings()}) == len(labels)
    for each in drawings():
        assert all(len(stroke) >= 2 for stroke in each.strokes)
        assert all(0 <= value < 256 for stroke in each.strokes for point in stroke for value in point)


def test_a_constant_answer_scores_its_share_of_the_drawings():
    class Always(nn.Module):
        def forward(self, images):
            return torch.tensor([[0.0] * 8 + [5.0, 0.0]]).expand(len(images), -1)

    measured = evaluation.score_drawings(Always(), familiar_above=1.0)
    bags = sum(each.label == "Bag" for each in drawings())
    assert measured["strict"] == pytest.approx(bags / measured["drawings"])
    assert measured["class_strict"][8] == 1
    assert measured["auroc"] == 0.5
    assert measured["garments_flagged"] == measured["others_flagged"] == 1
