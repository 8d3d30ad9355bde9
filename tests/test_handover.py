"""A picture goes from tab to tab by its source, and nothing else is opened by that."""

from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from cnn_core.errors import Refused
from demos import model_zoo
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


def test_the_zoos_links_carry_the_network():
    row = {"params": 1, "name": "resnet18", "side": 224}
    assert [address for _, address in model_zoo.links(row)] == [
        "?tab=feature_maps&network=resnet18",
        "?tab=receptive_field&network=resnet18&size=224",
    ]
