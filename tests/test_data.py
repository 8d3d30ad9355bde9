"""Where the data set is looked for, with small files in its own format."""

import gzip
import struct

import pytest
import torch
from torchvision.datasets import FashionMNIST

from cnn_core import data
from cnn_core.errors import Refused

NAMES = [name for name, _ in FashionMNIST.resources]  # train images, train labels, test images, test labels


def idx(tensor):
    """A tensor of bytes in the format of the MNIST files (Yann LeCun's page: magic number, sizes, data)."""
    return struct.pack(f">BBBB{tensor.ndim}I", 0, 0, 8, tensor.ndim, *tensor.shape) + bytes(tensor.flatten().tolist())


def write(folder, packed):
    """Three training and two test pictures; picture n is full of n, and its label is n."""
    folder.mkdir(parents=True)
    for image_name, label_name, count in ((NAMES[0], NAMES[1], 3), (NAMES[2], NAMES[3], 2)):
        labels = torch.arange(count, dtype=torch.uint8)
        for name, content in ((image_name, labels[:, None, None].expand(-1, 28, 28)), (label_name, labels)):
            path = folder / (name if packed else name.removesuffix(".gz"))
            path.write_bytes(gzip.compress(idx(content)) if packed else idx(content))


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data set of this machine is found."""
    monkeypatch.delenv("CONVLENS_DATA", raising=False)
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(data, "DEBIAN", tmp_path / "debian")


def check(**options):
    pictures, labels = data.fashion_mnist(True, **options)
    assert pictures.shape == (3, 28, 28)
    assert pictures.dtype == torch.uint8
    assert pictures[:, 5, 5].tolist() == labels.tolist() == [0, 1, 2]
    assert len(data.fashion_mnist(False, **options)[1]) == 2


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_that_is_named(tmp_path, packed):
    write(tmp_path / "here" / "FashionMNIST" / "raw", packed)
    check(root=tmp_path / "here")


def test_the_folder_in_the_environment(tmp_path, monkeypatch):
    write(tmp_path / "here" / "FashionMNIST" / "raw", packed=False)
    monkeypatch.setenv("CONVLENS_DATA", str(tmp_path / "here"))
    check()


def test_debians_package(tmp_path):
    write(tmp_path / "debian", packed=True)
    check()
    assert {file.name for file in (tmp_path / "debian").iterdir()} == set(NAMES)  # nothing is unpacked there


def test_an_earlier_download(tmp_path):
    write(tmp_path / "cache" / "FashionMNIST" / "raw", packed=False)
    check()


def test_says_how_to_get_it():
    with pytest.raises(Refused, match="dataset-fashion-mnist"):
        data.fashion_mnist(True)


def test_a_named_folder_without_it_is_refused(tmp_path):
    with pytest.raises(Refused, match="must hold FashionMNIST/raw"):
        data.fashion_mnist(True, tmp_path)


def test_a_download_that_fails_is_refused(monkeypatch):
    tried = []

    def fail(*arguments, **options):
        tried.append(arguments)
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fail)
    with pytest.raises(Refused, match="not on this machine"):
        data.fashion_mnist(True, download=True)
    assert len(tried) == 1


def test_the_real_one(shared, monkeypatch):
    pictures, labels = data.fashion_mnist(False, shared)
    assert pictures.shape == (10_000, 28, 28)
    assert torch.bincount(labels).tolist() == [1000] * 10
