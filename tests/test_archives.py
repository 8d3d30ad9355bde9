"""Many pictures at once: what is read, what is skipped and named, and which zips are refused before they unpack."""

import io
import random
import stat
import tracemalloc
import zipfile

import pytest
from PIL import Image

from cnn_core import archives
from cnn_core.archives import Pictures, label
from cnn_core.errors import Refused


def picture(colour="red", size=(8, 8), kind="PNG"):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def noise(side):
    """A picture that does not pack."""
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.Random(0).randbytes(3 * side * side)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def pack(tmp_path):
    """Function that writes a zip of {name: bytes}."""

    def write(files, name="pictures.zip", compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", compression) as packed:
            for member, content in files.items():
                packed.writestr(member, content)
        return path

    return write


def test_files_and_zips_are_read_in_order(tmp_path, pack):
    loose = tmp_path / "cat.12.png"
    loose.write_bytes(picture("green"))
    pictures = Pictures([loose, pack({"Dog/x.png": picture("red"), "Cat/": b"", "Cat/y.png": picture("blue")})])
    assert len(pictures) == 3
    found = [(each.name, each.label, each.image.getpixel((0, 0))) for each in pictures]
    assert found == [
        ("cat.12.png", "cat", (0, 128, 0)),
        ("Dog/x.png", "Dog", (255, 0, 0)),
        ("Cat/y.png", "Cat", (0, 0, 255)),
    ]
    assert [each.name for each in pictures] == [name for name, *_ in found]  # as often as one likes
    assert pictures.skipped == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dog/x.jpg", "Dog"),
        ("data/train/Dog/x.jpg", "Dog"),
        ("cat.12.jpg", "cat"),
        ("Dog/cat.12.jpg", "Dog"),
        ("x.jpg", None),
        ("IMG_1234.jpg", None),
        ("12.jpg", None),
    ],
)
def test_labels_come_from_folders_and_names(name, expected):
    assert label(name) == expected


def test_one_folder_around_everything_says_less_than_the_names(pack):
    flat = Pictures([pack({"train/cat.1.png": picture(), "train/dog.2.png": picture()})])
    assert [each.label for each in flat] == ["cat", "dog"]
    assert [each.label for each in Pictures([pack({"Dog/a.png": picture()})])] == ["Dog"]


def test_unreadable_files_are_skipped_counted_and_named(pack):
    files = {
        "a/good.png": picture(),
        "a/cut.png": noise(64)[:500],
        "a/words.txt": b"hello",
        "a/empty.jpg": b"",
        "__MACOSX/a/._good.png": b"litter",
        "a/.DS_Store": b"litter",
        "b/large.bmp": noise(8) + bytes(21_000_000),
        "b/last.png": picture(),
    }
    pictures = Pictures([pack(files, compression=zipfile.ZIP_STORED)])
    assert [each.name for each in pictures] == ["a/good.png", "b/last.png"]
    assert [each.name for each in pictures.skipped] == ["a/cut.png", "a/words.txt", "a/empty.jpg", "b/large.bmp"]
    assert all(str(each.reason).count(".") == 1 for each in pictures.skipped)
    assert len(pictures) == 6


def test_a_damaged_member_is_skipped_and_the_rest_is_read(pack):
    path = pack({"a/one.png": noise(64), "a/two.png": picture()})
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    pictures = Pictures([path])
    assert [each.name for each in pictures] == ["a/two.png"]
    assert [each.name for each in pictures.skipped] == ["a/one.png"]


@pytest.mark.parametrize(
    "name", ["../up.png", "a/../../up.png", "/etc/up.png", "C:/up.png", r"..\up.png", r"C:\up.png"]
)
def test_paths_that_lead_out_are_refused(pack, name):
    with pytest.raises(Refused, match="leads out of it"):
        Pictures([pack({"a/x.png": picture(), name: picture()})])


def test_links_are_refused(tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as packed:
        link = zipfile.ZipInfo("a/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(Refused, match="holds a link"):
        Pictures([path])


@pytest.mark.parametrize("name", ["inner.zip", "a/inner.tar.gz", "a/INNER.7Z"])
def test_zips_in_zips_are_refused(pack, name):
    with pytest.raises(Refused, match="holds a packed file"):
        Pictures([pack({"a/x.png": picture(), name: b"PK"})])


def test_folders_in_folders_are_refused_when_there_are_too_many(pack):
    assert [each.label for each in Pictures([pack({"1/2/3/4/5/6/7/8/x.png": picture()})])] == ["8"]
    with pytest.raises(Refused, match="too many folders"):
        Pictures([pack({"1/2/3/4/5/6/7/8/9/x.png": picture()})])


@pytest.mark.parametrize("count", [10_001, 100_000])
def test_too_many_files_are_refused_at_once(pack, count):
    path = pack({f"a/{number}.png": b"" for number in range(count)}, compression=zipfile.ZIP_STORED)
    tracemalloc.start()
    with pytest.raises(Refused, match="at most 10,000"):
        Pictures([path])
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


def test_a_bomb_is_refused_by_its_ratio(pack):
    with pytest.raises(Refused, match="would unpack to 300 MB"):
        Pictures([pack({"a/x.bmp": bytes(300_000_000)})])
    assert len(Pictures([pack({"a/x.bmp": picture("white", (1000, 1000), "BMP")})])) == 1  # flat, and harmless


def test_a_bomb_whose_members_share_their_bytes_is_refused(pack):
    """The directory lists one packed member a thousand times: each looks harmless, all together do not."""
    path = pack({"a/x.bmp": bytes(9_000_000)})
    content = path.read_bytes()
    begin = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    directory = content[begin:end] * 1000
    record = bytearray(content[end:])
    record[8:12] = (1000).to_bytes(2, "little") * 2
    record[12:16] = len(directory).to_bytes(4, "little")
    path.write_bytes(content[:begin] + directory + record)
    with pytest.raises(Refused, match="would unpack to 9,000 MB"):
        Pictures([path])


def test_a_member_that_lies_about_its_size_is_unpacked_to_the_limit_only(pack):
    path = pack({"a/x.bmp": bytes(90_000_000), "a/y.png": picture()})
    lied = path.read_bytes().replace((90_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(lied)
    pictures = Pictures([path])
    tracemalloc.start()
    assert [each.name for each in pictures] == ["a/y.png"]
    assert tracemalloc.get_traced_memory()[1] < 50_000_000  # what one picture file may have, and a copy
    tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all", picture(), b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "wrong.zip"
    path.write_bytes(content)
    with pytest.raises(Refused, match=r"not a zip|too many files"):
        Pictures([path])


def test_a_locked_zip_is_refused(pack):
    path = pack({"a/x.png": picture()})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match="password"):
        Pictures([path])


def test_nothing_is_refused(pack):
    with pytest.raises(Refused, match="no pictures"):
        Pictures([])
    with pytest.raises(Refused, match="no pictures"):
        Pictures([pack({"a/": b"", "a/.DS_Store": b""})])


def test_a_picture_that_calls_itself_a_zip_and_the_other_way_round(tmp_path, pack):
    renamed = pack({"a/x.png": picture()}).rename(tmp_path / "zip.jpg")
    pictures = Pictures([renamed])
    assert list(pictures) == []
    assert [each.name for each in pictures.skipped] == ["zip.jpg"]


def test_a_thousand_pictures_are_never_in_memory_together(pack):
    content = picture("red", (400, 400), "JPEG")
    pictures = Pictures(
        [pack({f"cat/{number}.jpg": content for number in range(1000)}, compression=zipfile.ZIP_STORED)]
    )
    tracemalloc.start()
    assert sum(1 for _ in pictures) == 1000
    assert tracemalloc.get_traced_memory()[1] < 20_000_000  # 480 MB if all were kept
    tracemalloc.stop()


def test_a_name_of_another_system_is_read(pack):
    pictures = Pictures([pack({r"Dog\x.png": picture(), r"Cat\y.png": picture()})])
    assert [(each.name, each.label) for each in pictures] == [("Dog/x.png", "Dog"), ("Cat/y.png", "Cat")]


def test_limits_are_what_the_sentences_say():
    assert (archives.MOST_PICTURES, archives.MOST_DEPTH) == (10_000, 8)
