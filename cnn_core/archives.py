"""Pictures by the thousand: any number of files, or zips of folders, read one at a time.

A zip is judged by its directory before anything in it is unpacked, and nothing of it is ever written to a disk. What a
stranger's zip can do otherwise: Fifield, "A better zip bomb", 2019, https://www.usenix.org/conference/woot19
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from PIL import Image

from cnn_core import images
from cnn_core.errors import Refused

MOST_PICTURES = 10_000
MOST_DEPTH = 8  # folders in folders
MOST_UNPACKED = 2_000_000_000  # bytes
MOST_RATIO = 100  # bytes unpacked per byte of the zip; photographs have about 1, drawings as BMP about 20
SMALL = 10_000_000  # bytes unpacked that harm nobody, whatever the ratio
MOST_DIRECTORY = 4_000_000  # bytes of a zip's list of files; each takes 46 and its name
PACKED = {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}


@dataclass(frozen=True)
class Picture:
    """One picture of many.

    Attributes:
        name: of the file, with its folders where it came in a zip.
        label: its class, where folder or name tell; see `label`.
        image: RGB, as `images.read` gives it.
    """

    name: str
    label: str | None
    image: Image.Image


@dataclass(frozen=True)
class Skipped:
    """A file that is no picture or cannot be read, and why."""

    name: str
    reason: Refused


@dataclass
class Pictures:
    """The pictures of files and zips, decoded one at a time while they are iterated over, as often as one likes.

    Attributes:
        sources: paths of pictures, and of zips (by their ending) with pictures in folders.
        skipped: files that were no pictures, in the last iteration so far.

    Raises:
        Refused: there is nothing, or too much; a zip is not one, is locked, or is built to do harm.
    """

    sources: Sequence[Path | str]
    skipped: list[Skipped] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        # Of each source its members, where it is a zip.
        self._files = [(path, _judge(path) if _is_zip(path) else None) for path in map(Path, self.sources)]
        names: list[str] = []
        for path, members in self._files:
            names += [path.name] if members is None else [member.filename for member in members]
        self._count = len(names)
        if not names:
            raise Refused("There are no pictures in there: please choose picture files, or a zip of them.")
        if len(names) > MOST_PICTURES:
            raise _too_many()
        # A folder around everything, "train/cat.12.jpg", says less than the name.
        self._sorted = len({PurePosixPath(_plain(name)).parent for name in names}) > 1

    def __len__(self) -> int:
        """How many files there are, those that turn out to be no pictures included."""
        return self._count

    def __iter__(self) -> Iterator[Picture]:
        self.skipped = []
        for path, members in self._files:
            if members is None:
                yield from self._picture(path.name, path)
                continue
            with ZipFile(path) as packed:
                for member in members:
                    yield from self._picture(member.filename, _unpack(packed, member))

    def _picture(self, name: str, source: Path | bytes | Refused) -> Iterator[Picture]:
        """The picture, or none and a note."""
        name = _plain(name)
        try:
            if isinstance(source, Refused):
                raise source
            image = images.read(source)
        except Refused as refused:
            self.skipped.append(Skipped(name, refused))
        else:
            yield Picture(name, label(name, self._sorted), image)


def label(name: str, sorted_into_folders: bool = True) -> str | None:
    """The class that a picture's name tells: "Dog/x.jpg" is a Dog, "cat.12.jpg" a cat, "x.jpg" tells nothing.

    Args:
        name: with its folders, separated by "/".
        sorted_into_folders: whether folders say more than names, as in torchvision's `ImageFolder`.
    """
    path = PurePosixPath(name)
    named = re.fullmatch(r"(\D+)\.\d+\.\w+", path.name)  # as Kaggle names its cats and dogs
    told = [path.parent.name, named[1] if named else ""]
    return next(filter(None, told if sorted_into_folders else reversed(told)), None)


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _plain(name: str) -> str:
    """A zip's name for a file, also where an old Windows program wrote it."""
    return name.replace("\\", "/")


def _too_many() -> Refused:
    return Refused("Those are too many files: at most {most:,} in one go, please.", most=MOST_PICTURES)


def _judge(path: Path) -> list[ZipInfo]:
    """The files of a zip, none of them unpacked.

    Raises:
        Refused: what the directory tells is reason enough.
    """
    try:
        _check_directory(path)
        with ZipFile(path) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
    except (BadZipFile, NotImplementedError, OSError, ValueError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("{name} is not a zip, or it is damaged: please pack it again.", name=path.name) from error
    if len(members) > MOST_PICTURES:
        raise _too_many()
    for member in members:
        _check_member(path, member)
    unpacked = sum(member.file_size for member in members)
    # Compared with the file itself: in a zip bomb many members may share the same packed bytes.
    if unpacked > MOST_UNPACKED or unpacked > max(SMALL, MOST_RATIO * path.stat().st_size):
        raise Refused(
            "{name} would unpack to {size:,} MB, too much for what it is: please pack fewer or smaller pictures.",
            name=path.name,
            size=unpacked // 1_000_000,
        )
    return [member for member in members if not _is_litter(_plain(member.filename))]


def _check_directory(path: Path) -> None:
    """Refuse a list of files that would fill the memory just by being read.

    The zip's last record says how long the list is; a 64-bit one comes before it where there are more than 65,535.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16 - 64))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise BadZipFile
    if b"PK\x06\x07" in tail[max(0, end - 20) : end] or int.from_bytes(tail[end + 12 : end + 16], "little") > (
        MOST_DIRECTORY
    ):
        raise _too_many()


def _check_member(path: Path, member: ZipInfo) -> None:
    """Refuse a zip for one of its files: a path that leads elsewhere, a link, a zip in a zip, a lock."""
    name = _plain(member.filename)
    parts = PurePosixPath(name).parts
    values = {"zip": path.name, "name": name[:80]}
    if name.startswith("/") or ".." in parts or re.match(r"\w:", name) or "\0" in member.orig_filename:
        raise Refused("{zip} holds a path that leads out of it ({name}): please pack its folders again.", **values)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Refused("{zip} holds a link ({name}): please pack the pictures themselves.", **values)
    if PurePosixPath(name).suffix.lower() in PACKED:
        raise Refused("{zip} holds a packed file ({name}): please unpack that first.", **values)
    if len(parts) > MOST_DEPTH + 1:
        raise Refused("{zip} has too many folders in folders ({name}): one folder a class will do.", **values)
    if member.flag_bits & 1:
        raise Refused("{zip} is locked with a password: please pack it without one.", **values)


def _is_litter(name: str) -> bool:
    """Whether it is a file that systems leave behind and nobody chose."""
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) for part in parts) or parts[-1].lower() in (
        "thumbs.db",
        "desktop.ini",
    )


def _unpack(packed: ZipFile, member: ZipInfo) -> bytes | Refused:
    """A file's content; a byte more than `images.read` takes at most, however much there is."""
    try:
        with packed.open(member) as file:
            return file.read(images.MOST_BYTES + 1)
    except Exception:  # damaged zips make zipfile and its decoders raise almost anything
        return Refused("That picture is damaged or cut short: please save it again, or choose another.")
