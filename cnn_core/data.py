"""The data sets, as tensors.

Fashion-MNIST: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", 2017, https://arxiv.org/abs/1708.07747. 60,000 training and 10,000 test pictures of ten kinds of garment,
28x28 grey, light garment on black. MIT licence.

Cats and dogs: photographs of Kaggle's "Dogs vs. Cats" (Elson, Douceur, Howell, Saul, "Asirra", 2007), sorted into
folders; their licence allows no copy to be given out, so they are read from a folder of the reader's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cnn_core.errors import Refused

if TYPE_CHECKING:
    from torch import Tensor

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

CAT_DOG_CLASSES = ("cat", "dog")

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # the package dataset-fashion-mnist
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "convlens"


class DataUnavailable(Refused):
    """A data set is neither here nor could it be fetched."""


def fashion_mnist(train: bool, root: Path | None = None, download: bool = False) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST, read through torchvision's own class.

    Looked for in `root`, else in the folder that `CONVLENS_DATA` names, else where the Debian package
    `dataset-fashion-mnist` puts it, else where an earlier download left it (the user's cache folder).

    Args:
        train: the 60,000 training pictures, or the 10,000 test pictures.
        root: folder that holds `FashionMNIST/raw/`; packed (.gz) or unpacked files will do, and it may be read-only:
            packed ones are unpacked into the user's cache folder.
        download: fetch it (31 MB) when it is not here.

    Returns:
        pictures (N, 28, 28) uint8, light garment on black, and labels (N,) int64, 0 <= label < 10.

    Raises:
        DataUnavailable: it is not here and `download` is false, or the download failed.
    """
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.utils import extract_archive

    named = root or os.environ.get("CONVLENS_DATA")
    if named and not Path(named, "FashionMNIST", "raw").is_dir():
        raise DataUnavailable("There is no Fashion-MNIST in {folder}: it must hold FashionMNIST/raw.", folder=named)
    places = [Path(named, "FashionMNIST", "raw")] if named else [CACHE / "FashionMNIST" / "raw", DEBIAN]
    names = [Path(name) for name, _ in FashionMNIST.resources]
    unpacked = next((place for place in places if all((place / name.stem).is_file() for name in names)), None)
    packed = next((place for place in places if all((place / name).is_file() for name in names)), None)
    home = unpacked.parents[1] if unpacked else CACHE
    try:
        if not unpacked and packed:
            _keep(lambda whole: [extract_archive(packed / name, whole) for name in names])
        elif not unpacked and download:
            _keep(lambda whole: FashionMNIST(whole, download=True))
        pictures = FashionMNIST(home, train=train)
    except (RuntimeError, OSError) as error:
        raise DataUnavailable(
            "Fashion-MNIST is not on this machine: name its folder in CONVLENS_DATA, "
            "install Debian's dataset-fashion-mnist, or download it (31 MB)."
        ) from error
    return pictures.data, pictures.targets


def _keep(unpack: Callable[[str], object]) -> None:
    """Put what is unpacked into a folder of its own where later calls find it, whole: another may be reading."""
    raw = CACHE / "FashionMNIST" / "raw"
    try:
        raw.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=CACHE)
    except OSError as error:
        raise DataUnavailable("Fashion-MNIST cannot be unpacked: {folder} must be writable.", folder=CACHE) from error
    with folder as whole:
        unpack(whole)
        for file in Path(whole).rglob("*-ubyte"):
            file.replace(raw / file.name)


def cat_dog(split: str, root: Path | None = None) -> list[tuple[Path, int]]:
    """Photographs of cats and dogs: their files and labels (0 cat, 1 dog), ordered by name.

    Args:
        split: "train", "validation" (every tenth of the folder `train`), "test", or "book_test" (the course's 98).
        root: folder that holds `catdog/<split>/<class>/*.jpg` (default: the one that `CONVLENS_DATA` names).

    Raises:
        DataUnavailable: it is not there.
    """
    folder = Path(root or os.environ.get("CONVLENS_DATA", "."), "catdog", "train" if split == "validation" else split)
    if not folder.is_dir():
        raise DataUnavailable(
            "There are no cats and dogs in {folder}: sort photographs into its folders cat and dog.", folder=folder
        )
    files = [
        (path, label) for label, name in enumerate(CAT_DOG_CLASSES) for path in sorted((folder / name).glob("*.jpg"))
    ]
    match split:
        case "train":
            return [pair for number, pair in enumerate(files) if number % 10]
        case "validation":
            return files[::10]
    return files
