"""A picture goes from tab to tab by the address, and nothing else is opened by it."""

from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from cnn_core.errors import Refused
from demos import model_zoo
from demos._photographs import handed_over, photograph, reference, uploaded


@pytest.fixture
def upload():
    """A picture in Gradio's folder, as an upload leaves it there."""
    folder = Path(get_upload_folder(), "0123abcd")
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (200, 30, 30)).save(folder / "red.png")
    return str(folder / "red.png")


def test_examples_and_uploads_are_found_again(upload):
    assert reference("Cat") == "Cat"
    assert np.array_equal(np.asarray(handed_over("Cat")), np.asarray(photograph("Cat")))
    assert reference(upload) == "0123abcd/red.png"
    found = handed_over("0123abcd/red.png")
    assert found is not None
    assert found.getpixel((5, 5)) == (200, 30, 30)


@pytest.mark.parametrize("named", [None, "", "Unicorn", "0123abcd/gone.png", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_what_is_not_there_or_not_ours_is_not_opened(named, upload):
    assert handed_over(named) is None


def test_a_file_elsewhere_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    with pytest.raises(Refused, match="upload the picture again"):
        uploaded(str(tmp_path / "secret.png"))


def test_the_zoos_links_carry_network_and_picture(upload):
    row = {"params": 1, "name": "resnet18", "side": 224}
    addresses = [address for _, address in model_zoo.links(row, upload)]
    assert addresses == [
        "?tab=feature_maps&network=resnet18&picture=0123abcd%2Fred.png",
        "?tab=receptive_field&network=resnet18&size=224&picture=0123abcd%2Fred.png",
    ]


def test_the_other_tabs_show_what_was_handed_over(new_page, address, upload):
    page = new_page()
    page.goto(f"{address}?tab=feature_maps&network=cat_dog&picture=0123abcd%2Fred.png")
    page.locator("#feature-maps-picture img").first.wait_for(timeout=60_000)
    shown = page.locator("#feature-maps-picture img").first
    assert shown.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [40, 30]
    page = new_page()
    page.goto(f"{address}?tab=receptive_field&network=vgg11&size=224&picture=0123abcd%2Fred.png")
    page.wait_for_function(
        """() => {
            const photo = document.querySelector('.rf-network .photo');
            const pixel = photo?.getContext('2d').getImageData(photo.width / 2, photo.height / 2, 1, 1).data;
            return pixel && pixel[0] > 150 && pixel[1] < 90 && pixel[2] < 90;
        }""",
        timeout=60_000,
    )
