"""The gate for pictures: every kind of file that a stranger may send, made here."""

import base64
import io
import json
import os
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from cnn_core import images
from cnn_core.errors import Refused

BAD = Path(__file__).parents[2] / "shared" / "data" / "bad" / "index.json"
ROWS = json.loads(BAD.read_text(encoding="utf-8")) if BAD.is_file() else []
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def scene(width=64, height=48):
    """Left red, right blue, dark above, bright below: nothing in it survives a turn, a flip or an inversion."""
    down = np.linspace(60, 255, height)[:, None]
    across = np.arange(width)[None] < width // 2
    return Image.fromarray(np.stack([down * across, 0 * down * across, down * ~across], -1).astype(np.uint8))


def file(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height):
    """The beginning of a PNG that claims to be as large as that."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def assert_close(image, expected, tolerance=0):
    assert (image.mode, image.size) == ("RGB", expected.size)
    difference = np.abs(np.asarray(image, int) - np.asarray(expected, int))
    assert np.percentile(difference, 95) <= tolerance


# Accepted


@pytest.mark.parametrize("format", FORMATS)
def test_reads_every_format(format):
    tolerance = {"JPEG": 40, "WEBP": 40, "GIF": 8}.get(format, 0)  # lossy, or 256 colours
    assert_close(images.read(file(scene(), format)), scene(), tolerance)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_rgb(mode):
    format = "PNG" if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "TIFF"
    image = images.read(file(scene().convert("L").convert(mode), format))
    assert (image.mode, image.size) == ("RGB", (64, 48))


def test_reads_a_path_and_its_name(tmp_path):
    path = tmp_path / "a picture.txt"
    path.write_bytes(file(scene()))
    assert_close(images.read(path), scene())
    assert_close(images.read(str(path)), scene())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_is_turned_upright(orientation):
    turned = [None, None, 0, 3, 1, 5, 2, 6, 4][orientation]  # what the camera did, as Pillow's Transpose
    held = scene() if turned is None else scene().transpose(Image.Transpose(turned))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_close(images.read(file(held, exif=exif)), scene())


def test_damaged_exif_does_not_cost_the_picture():
    assert_close(images.read(file(scene(), exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff nonsense")), scene())


@pytest.mark.parametrize(("value", "grey"), [(0, 0), (300, 1), (20_000, 78), (65_535, 255)])
def test_sixteen_bits_are_scaled_not_clipped(value, grey):
    image = Image.fromarray(np.full((4, 5), value, np.uint16))
    assert images.read(file(image)).getpixel((0, 0)) == (grey,) * 3


@pytest.mark.parametrize(
    ("array", "greys"),
    [
        pytest.param(np.float32([[0, 0.5, 1]]), [0, 128, 255], id="floats from 0 to 1"),
        pytest.param(np.float32([[0, 128, 200]]), [0, 128, 200], id="floats to 255"),
        pytest.param(np.float32([[-2, 0, 2]]), [0, 128, 255], id="floats around 0"),
        pytest.param(np.int32([[0, 7, 200]]), [0, 7, 200], id="whole numbers to 255"),
        pytest.param(np.int32([[-1000, 0, 1000]]), [0, 128, 255], id="whole numbers around 0"),
        pytest.param(np.float32([[7e8, 7e8, 7e8]]), [0, 0, 0], id="all the same"),
    ],
)
def test_deep_pictures_are_scaled(array, greys):
    assert [pixel[0] for pixel in images.read(file(Image.fromarray(array), "TIFF")).get_flattened_data()] == greys
    assert np.asarray(images.from_array(array))[0, :, 1].tolist() == greys


def test_cmyk_is_not_inverted():
    assert_close(images.read(file(scene().convert("CMYK"), "JPEG", quality=95)), scene(), 40)


def test_transparent_palette_colour_becomes_white():
    image = scene().quantize(8)
    corner = image.getpixel((0, 0))
    shown = images.read(file(image, transparency=corner))
    assert shown.getpixel((0, 0)) == (255, 255, 255)
    assert shown.getpixel((0, 47))[0] > 200  # red below is still there


def drawing(ink, alpha=255):
    """A bar of ink across a transparent sheet whose hidden colour is black."""
    sheet = np.zeros((40, 40, 4), np.uint8)
    sheet[15:25, 5:35] = (*ink, alpha)
    return Image.fromarray(sheet)


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        pytest.param((0, 0, 0), (255, 255, 255), id="black ink on white"),
        pytest.param((200, 30, 30), (255, 255, 255), id="red ink on white"),
        pytest.param((255, 255, 255), (0, 0, 0), id="white ink on black"),
    ],
)
def test_drawing_on_transparency_is_not_lost(ink, paper):
    shown = images.read(file(drawing(ink)))
    assert shown.getpixel((20, 20)) == ink
    assert shown.getpixel((0, 0)) == paper


def test_half_transparent_ink_is_mixed():
    assert images.read(file(drawing((0, 0, 0), alpha=128))).getpixel((20, 20)) == (127, 127, 127)


def test_wholly_transparent_picture_is_a_blank_sheet():
    image = scene()
    image.putalpha(0)
    assert images.read(file(image)).getextrema() == ((255, 255),) * 3


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    shown = images.read(file(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert_close(shown, frames[0])


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (25_000, 1000)])
def test_any_proportions(size):
    assert images.read(file(Image.new("L", size, 90))).size == size


# Refused


def test_sentence_and_its_values_stay_apart():
    with pytest.raises(Refused) as refused:
        images.read(png_header(6000, 5000))
    assert str(refused.value) == "That picture is too large: at most 25 megapixels, please."
    assert refused.value.words.template == "That picture is too large: at most {limit} megapixels, please."


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("picture.png", file(scene()))
    return buffer.getvalue()


def array_file():
    buffer = io.BytesIO()
    np.save(buffer, np.full((8, 8), np.nan))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "because"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"It was a dark and stormy night.", "PNG, JPEG", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "PNG, JPEG", id="svg"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PNG, JPEG", id="eps"),
        pytest.param(file(scene(), "PPM"), "PNG, JPEG", id="a format that Pillow reads and we do not"),
        pytest.param(archive(), "PNG, JPEG", id="zip"),
        pytest.param(array_file(), "PNG, JPEG", id="npy"),
        pytest.param(png_header(16_000, 16_000), "25 megapixels", id="bomb"),
        pytest.param(png_header(5001, 5000), "25 megapixels", id="a little too large"),
        pytest.param(png_header(64, 48), "damaged", id="header without a picture"),
        pytest.param(b"\0" * (images.MOST_BYTES + 1), "20 MB", id="too many bytes"),
        pytest.param(
            file(Image.fromarray(np.float32([[0, np.nan]])), "TIFF"), "no numbers", id="not a number in a picture"
        ),
        pytest.param(file(Image.fromarray(np.float32([[0, np.inf]])), "TIFF"), "no numbers", id="infinity"),
    ],
)
def test_refuses(content, because):
    with pytest.raises(Refused, match=because):
        images.read(content)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.66, 0.9])
def test_half_a_picture_is_refused(format, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
    whole = file(noise, format)
    with pytest.raises(Refused):
        images.read(whole[: int(kept * len(whole))])


def test_bomb_is_never_decoded(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    for size in [(5001, 5000), (16_000, 16_000)]:
        with pytest.raises(Refused, match="megapixels"):
            images.read(png_header(*size))


def test_large_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    with path.open("wb") as sparse:
        sparse.truncate(images.MOST_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("read"))
    with pytest.raises(Refused, match="20 MB"):
        images.read(path)


@pytest.mark.parametrize("name", ["missing.png", ".", "a\0b.png", "pipe"])
def test_only_files_are_opened(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="not here any more"):
        images.read(str(tmp_path / name))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_damage_is_refused_or_survived(format, data):
    content = bytearray(file(scene(), format))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Refused):
        assert images.read(bytes(content)).mode == "RGB"


# data: URLs


def data_url(content, kind="image/png"):
    return f"data:{kind};base64," + base64.b64encode(content).decode()


def test_reads_a_data_url():
    assert_close(images.read_data_url(data_url(file(scene()))), scene())


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "not a picture"),
        ("data:image/png;base64", "empty"),
        ("data:text/html;base64,PGI+", "not a picture"),
        ("data:image/png,%89PNG", "not a picture"),
        ("http://127.0.0.1/picture.png", "not a picture"),
        ("data:image/png;base64,****", "damaged"),
        ("data:image/png;base64,é", "damaged"),
        ("data:image/png;base64," + "A" * 20_000, "at most 0.01 MB"),
        (data_url(b"<svg/>", "image/svg+xml"), "PNG, JPEG"),
        (data_url(png_header(16_000, 16_000)), "megapixels"),
    ],
)
def test_refuses_data_url(text, because):
    with pytest.raises(Refused, match=because):
        images.read_data_url(text, most_bytes=10_000)


def test_pixels_of_a_data_url_can_be_limited_further():
    with pytest.raises(Refused, match="megapixels"):
        images.read_data_url(data_url(file(scene())), most_pixels=3000)


# Arrays


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, ">u2", np.int64, np.float16, np.float64])
def test_every_array_becomes_a_picture(shape, dtype):
    image = images.from_array(np.ones(shape, dtype))
    assert (image.mode, image.size) == ("RGB", (7, 5))


@pytest.mark.parametrize(
    ("array", "because"),
    [
        (np.zeros((2, 3, 2)), r"\(2, 3, 2\)"),
        (np.zeros(5), "shape"),
        (np.zeros((0, 4)), "shape"),
        (np.full((2, 2), np.nan), "no numbers"),
        (np.array([[-1e308, 1e308]]), "no numbers"),
        (np.zeros((2, 2), complex), "real numbers"),
        (np.zeros((2, 2), object), "real numbers"),
        (np.broadcast_to(np.uint8(0), (5001, 5000)), "megapixels"),
    ],
)
def test_refuses_array(array, because):
    with pytest.raises(Refused, match=because):
        images.from_array(array)


# Smaller ones


@pytest.mark.parametrize(
    ("size", "expected"),
    [((64, 48), (64, 48)), ((400, 200), (100, 50)), ((1, 3000), (1, 100)), ((300, 300), (100, 100))],
)
def test_shrink_keeps_proportions_and_never_enlarges(size, expected):
    image = Image.new("RGB", size)
    assert images.shrink(image, 100).size == expected
    assert image.size == size


# The collection of bad files beside the repository


@pytest.mark.skipif(not ROWS, reason="there is no ../shared/data/bad/index.json beside the repository")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_bad_file(row):
    try:
        outcome = "accept" if images.read(BAD.with_name(row["file"])).mode == "RGB" else "wrong mode"
    except Refused:
        outcome = "clear error"
    assert outcome in (row["expect"], row.get("also_ok"))


@pytest.mark.skipif(not ROWS, reason="there is no ../shared/data/bad/index.json beside the repository")
@pytest.mark.parametrize("name", ["gray16.png", "cmyk.jpg", "palette_transparency.png", "exif_orientation_6.jpg"])
def test_awkward_copy_looks_like_the_photograph(name):
    photograph = images.read(BAD.parents[1] / "images" / "beagle.jpg").resize((32, 32)).convert("L")
    copy = images.read(BAD.with_name(name)).resize((32, 32)).convert("L")
    assert np.corrcoef(np.ravel(photograph), np.ravel(copy))[0, 1] > 0.9
