"""A picture goes from tab to tab by its source, and nothing else is opened by that."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from cnn_core.errors import Refused
from demos import _visit, cats_dogs, feature_maps, model_zoo, receptive_field
from demos._photographs import photograph, picture_of, uploaded


@pytest.fixture
def upload():
    """A picture in Gradio's folder, as an upload leaves it there."""
    folder = Path(get_upload_folder(), "0123abcd")
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (200, 30, 30)).save(folder / "red.png")
    return str(folder / "red.png")


def test_pictures_are_found_by_their_source(upload):
    assert np.array_equal(np.asarray(picture_of("Cat")), np.asarray(photograph("Cat")))
    assert picture_of(upload).getpixel((5, 5)) == (200, 30, 30)


@pytest.mark.parametrize("source", ["Unicorn", "0123abcd/gone.png", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_what_is_not_there_or_not_ours_is_not_opened(source, upload):
    with pytest.raises(Refused):
        picture_of(source)


def test_a_file_elsewhere_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    with pytest.raises(Refused, match="upload the picture again"):
        uploaded(str(tmp_path / "secret.png"))


@pytest.fixture
def said(monkeypatch):
    """What visitors were told."""
    told = []
    monkeypatch.setattr(_visit.gr, "Info", told.append)
    return told


def test_a_tab_shows_what_can_be_read_and_says_what_cannot(upload, said):
    assert _visit.to_show(upload, "Cat", "Lion")[0] == upload
    assert said == []
    source, picture = _visit.to_show("/gone.png", None, "Cat")
    assert (source, picture.size) == ("Cat", photograph("Cat").size)
    assert said == ["Please upload the picture again."]
    assert _visit.to_show("", None) == ("", None)


def test_a_picture_that_cannot_be_read_keeps_no_tab_from_opening(said):
    request = gr.Request(query_params={})
    assert cats_dogs.arrive(None, "/gone.png", {}, "cat_dog", request)[0] == "Cat"
    assert feature_maps.begin(None, "/gone.png", {}, request)[0] == "Cat"
    assert next(model_zoo.begin(None, "/gone.png", {}, None, request))[0] == "Cat"
    assert receptive_field.arrive(None, "/gone.png", {}, request)[0] == ""
    assert len(said) == 4


@pytest.mark.parametrize(
    ("before", "chosen", "current", "becomes"),
    [
        (("Cat",), ("Cat",), "Cat", None),  # a network was ticked
        (("Cat", "a"), ("Cat", "a"), "Cat", None),
        (("Cat",), ("Cat", "a"), "Cat", "a"),
        (("a",), ("Cat", "a"), "a", "Cat"),  # the one that is new, wherever it stands
        (("Cat", "a"), ("Cat",), "a", "Cat"),
        (("Cat",), (), "Cat", ""),
    ],
)
def test_the_picture_that_is_added_in_the_zoo_becomes_the_visits(before, chosen, current, becomes):
    board = model_zoo.Board(before, [], [])
    found = model_zoo.chose(model_zoo.Choice(chosen), current, board)
    assert found == ([becomes] * 2 if becomes is not None else [gr.skip()] * 2)


def test_the_zoos_links_carry_the_network():
    row = {"params": 1, "name": "resnet18", "side": 224}
    assert [address for _, address in model_zoo.links(row)] == [
        "?tab=feature_maps&network=resnet18",
        "?tab=receptive_field&network=resnet18&size=224",
    ]
