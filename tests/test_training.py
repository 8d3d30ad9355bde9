"""The training loop: it learns, it repeats itself, it can be interrupted; and the recipes' own sums."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from cnn_core import training
from cnn_core.errors import Refused
from cnn_core.models.fashion import FashionDNN


def patterns(count=96, seed=0):
    """Ten kinds of picture, each with a bright row of its own, and their labels."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    pictures = torch.randint(0, 60, (count, 28, 28), generator=random)
    pictures[torch.arange(count), 2 * labels + 4] = 255
    return pictures.to(torch.uint8), labels


RECIPE = training.Recipe(FashionDNN, epochs=4, batch_size=32)


def curve(recipe=RECIPE, seed=3, **options):
    torch.manual_seed(seed)
    network = recipe.build()
    return [step.loss for step in training.fit(network, recipe, patterns(), patterns(20, 1), seed, **options)]


def test_learns_one_batch_by_heart():
    network = FashionDNN()
    recipe = replace(RECIPE, epochs=60, batch_size=96, label_smoothing=0.0)
    *_, last = training.fit(network, recipe, patterns(), patterns())
    assert last.loss < 0.05
    assert last.accuracy == 1
    assert not network.training


def test_same_seed_same_curve_and_another_seed_another():
    assert curve() == curve()
    assert curve() != curve(seed=4)


def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path):
    whole = curve()
    checkpoint = tmp_path / "net.pt"
    torch.manual_seed(3)
    network = RECIPE.build()
    steps = training.fit(network, RECIPE, patterns(), patterns(20, 1), 3, checkpoint)
    begun = [next(steps).loss for _ in range(7)]  # into the third epoch of three iterations each
    steps.close()
    assert begun == whole[:7]
    rest = curve(checkpoint=checkpoint)
    assert rest == whole[6:]


def test_going_on_repeats_the_evaluated_steps_first(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "EVALUATE_EVERY", 2)
    checkpoint = tmp_path / "net.pt"
    first = list(training.fit(RECIPE.build(), RECIPE, patterns(), patterns(20, 1), 3, checkpoint))
    again = list(training.fit(RECIPE.build(), RECIPE, patterns(), patterns(20, 1), 3, checkpoint))
    assert again == [step for step in first if step.accuracy is not None]


def test_a_finished_training_is_not_left_in_training_mode(tmp_path):
    network, checkpoint = RECIPE.build(), tmp_path / "net.pt"
    for _ in range(2):  # the second finds it finished
        for _ in training.fit(network.train(), RECIPE, patterns(), patterns(20, 1), 3, checkpoint):
            pass
        assert not network.training


@pytest.mark.parametrize(("changes", "seed"), [({}, 4), ({"epochs": 5}, 3), ({"learning_rate": 1e-3}, 3)])
def test_a_training_goes_on_with_the_options_that_it_began_with(tmp_path, changes, seed):
    checkpoint = tmp_path / "net.pt"
    list(training.fit(RECIPE.build(), RECIPE, patterns(), patterns(20, 1), 3, checkpoint))
    with pytest.raises(Refused, match="other options"):
        list(training.fit(RECIPE.build(), replace(RECIPE, **changes), patterns(), patterns(20, 1), seed, checkpoint))


def test_averaging_ends_with_the_moving_average_of_the_weights(tmp_path):
    recipe, checkpoint = replace(RECIPE, averaging=0.75), tmp_path / "net.pt"
    torch.manual_seed(3)
    network, expected = RECIPE.build(), None
    twin = RECIPE.build()
    twin.load_state_dict(network.state_dict())
    for _ in training.fit(twin, RECIPE, patterns(), patterns(20, 1), 3):  # the same, not averaged
        weights = twin.state_dict()["classifier.1.weight"]
        expected = weights.clone() if expected is None else 0.75 * expected + 0.25 * weights
    steps = training.fit(network, recipe, patterns(), patterns(20, 1), 3, checkpoint)
    for _ in range(7):  # interrupted in the third epoch
        next(steps)
    steps.close()
    for _ in training.fit(network, recipe, patterns(), patterns(20, 1), 3, checkpoint):
        pass
    assert_close(network.state_dict()["classifier.1.weight"], expected)


def test_a_second_recipe_goes_on_from_the_first_and_counts_on():
    first = replace(RECIPE, epochs=1, pictures=lambda root: patterns(), watch=lambda root: patterns(20, 1))
    recipe = replace(first, then=replace(first, epochs=2))
    network = recipe.build()
    steps = list(training.follow(network, recipe, None))
    assert [step.iteration for step in steps] == list(range(1, 10))
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert steps[-1].total == 9


def test_evaluates_every_fifty_iterations_and_at_the_end(monkeypatch):
    recipe = replace(RECIPE, epochs=1, batch_size=1)
    steps = list(training.fit(recipe.build(), recipe, patterns(120), patterns(10)))
    assert [step.iteration for step in steps if step.accuracy is not None] == [50, 100, 120]
    assert steps[-1].total == 120


def test_stops_when_the_loss_is_no_number():
    recipe = replace(RECIPE, augment=lambda images: images * float("nan"))
    with pytest.raises(Refused, match="smaller learning rate"):
        list(training.fit(recipe.build(), recipe, patterns(), patterns()))


def test_soft_labels_are_one_hot_or_even():
    expected = torch.tensor([[0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25]])
    assert_close(training.soft_labels(torch.tensor([2, -1]), 4), expected)


def test_flip_and_shift_moves_whole_pictures_by_at_most_two_pixels():
    torch.manual_seed(0)
    image = torch.zeros(64, 1, 9, 9)
    image[:, 0, 4, 3] = 1
    moved = training.flip_and_shift(image, 2)
    assert moved.sum((1, 2, 3)).eq(1).all()
    _, _, rows, columns = moved.nonzero(as_tuple=True)
    assert (rows.min(), rows.max()) == (2, 6)
    assert (columns.min(), columns.max()) == (1, 7)  # 3 and its mirror 5, each by up to 2
    assert training.flip_and_shift(image, 0)[:, 0, 4, [3, 5]].sum() == 64  # only mirrored


def test_erase_changes_one_box_in_some_pictures():
    torch.manual_seed(0)
    images = torch.full((200, 1, 28, 28), 0.5)
    changed = training.erase(images, 0.5, 10) != images
    boxes = [each[0].nonzero() for each in changed if each.any()]
    assert 70 < len(boxes) < 130
    for box in boxes:
        tall, wide = (box.amax(0) - box.amin(0) + 1).tolist()
        assert 3 <= tall <= 10
        assert 3 <= wide <= 10
        assert len(box) == tall * wide


def test_refuses_to_overwrite(tmp_path, capsys, monkeypatch):
    (tmp_path / "fashion_dnn").mkdir()
    (tmp_path / "fashion_dnn" / "model.safetensors").touch()
    monkeypatch.setattr("sys.argv", ["training", "fashion_dnn", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        training.main()
    assert "--force" in capsys.readouterr().err
