"""The trained weights: a table with one row per network, and the one place that finds, checks and loads them.

    python -m cnn_core.weights                     lists the rows
    python -m cnn_core.weights publish owner/name  uploads the shipped ones to the Hugging Face Hub
    python -m cnn_core.weights mirror owner/name   uploads torchvision's, as safetensors, for the zoo to find there

With `CONVLENS_WEIGHTS_REPO=owner/name` (or `owner/name@revision`) in the environment the shipped rows come from that
Hub repository, laid out like `weights/`; while it is out of reach the shipped files serve.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from time import monotonic

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cnn_core import model_cache
from cnn_core.data import CAT_DOG_CLASSES, FASHION_CLASSES
from cnn_core.errors import Refused, Words
from cnn_core.models.alexnet import AlexNet
from cnn_core.models.fashion import FashionCNN, FashionDNN
from cnn_core.models.googlenet import GoogLeNet
from cnn_core.models.lenet import LeNet
from cnn_core.models.resnet import ResNet
from cnn_core.models.sketch import SketchNet
from cnn_core.models.vgg import VGG
from cnn_core.models.xai import XAI
from cnn_core.preprocessing import Garment, Photograph, Preprocess

FOLDER = Path(__file__).parents[1] / "weights"
ANSWER = 4.0  # s the Hub has for its first answer; its own client would wait and ask again for up to 396 s
STALL = 8.0  # s without a new byte after which a download is given up; one that moves may take as long as it needs
REMEMBER = 60.0  # s a server that could not be reached is left alone
STATUS = {
    401: Words("a valid token is needed (HF_TOKEN), or there is no such repository"),
    403: Words("the token does not allow it (a gated repository asks you to accept its conditions first)"),
    404: Words("there is no such repository, revision or file"),
    429: Words("the server asks for a pause (too many requests)"),
}


class WeightsUnavailable(Refused):
    """A row's weights cannot be had, or are not what they should be; the sentence names row, source and reason."""

    def __init__(self, name: str, source: Source, reason: Words) -> None:
        super().__init__("No weights for {name} from {source}: {reason}.", name=name, source=source, reason=reason)
        self.source, self.reason = source, reason


@dataclass(frozen=True)
class Shipped:
    """A file under `weights/`."""

    file: str

    def __str__(self) -> str:
        return f"weights/{self.file}"

    def here(self) -> Path | None:
        """The file, if it is there and may be read."""
        return path if os.access(path := FOLDER / self.file, os.R_OK) else None

    def fetch(self, name: str) -> Path:
        """Nothing to fetch it from."""
        raise WeightsUnavailable(name, self, Words("the file is not there, or may not be read"))


@dataclass(frozen=True)
class HubFile:
    """A file of a model repository on the Hugging Face Hub, kept in the Hub's own cache."""

    repo: str
    file: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}/{self.file}"

    def here(self) -> Path | None:
        """The file, if it is in the cache."""
        from huggingface_hub import errors, try_to_load_from_cache

        # Not `hf_hub_download(local_files_only=True)`: its headers can ask the Hub a question of their own.
        with suppress(OSError, errors.HFValidationError):
            found = try_to_load_from_cache(self.repo, self.file, revision=self.revision)
            return Path(found) if isinstance(found, str) else None
        return None

    def fetch(self, name: str, most: float = float("inf")) -> Path:
        """The file, through the Hub's own client, in bounded time; `Refused` if it has more than `most` MB."""
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

        # So that a slow download is seen to move: by default 10 MB arrive unseen, and Xet files larger pieces still.
        constants.DOWNLOAD_CHUNK_SIZE, constants.HF_HUB_DISABLE_XET = 2**15, True

        def download() -> Path:
            # Asked once and first, since `hf_hub_download` asks a dead server for 23 s and a silent one for 396 s.
            found = get_hf_file_metadata(hf_hub_url(self.repo, self.file, revision=self.revision), timeout=ANSWER)
            size = found.size or 0
            if size > most * 1e6:
                raise Refused("{name} has {size} MB: choose a network of at most {most} MB.", name=name,
                              size=round(size / 1e6), most=most)  # fmt: skip
            if name in transfers:
                transfers[name] = 0, size
            return Path(hf_hub_download(self.repo, self.file, revision=self.revision))

        blobs = Path(constants.HF_HUB_CACHE) / f"models--{self.repo.replace('/', '--')}" / "blobs"
        return _fetch(name, self, download, blobs, server=constants.ENDPOINT)


@dataclass(frozen=True)
class TorchvisionWeights:
    """Weights as torchvision names them, e.g. "ResNet18_Weights.IMAGENET1K_V1", kept in torch's own cache."""

    weight: str

    def __str__(self) -> str:
        return f"torchvision {self.weight}"

    def _cached(self) -> Path:
        from torchvision.models import get_weight

        return Path(torch.hub.get_dir(), "checkpoints", Path(get_weight(self.weight).url).name)

    def here(self) -> Path | None:
        """The file, if it is in the cache."""
        return self._cached() if self._cached().is_file() else None

    def fetch(self, name: str) -> Path:
        """The file, through torchvision, which checks the hash in its name."""
        from huggingface_hub import constants
        from torchvision.models import get_weight

        if constants.HF_HUB_OFFLINE:
            raise WeightsUnavailable(name, self, Words("HF_HUB_OFFLINE keeps this process off the network"))

        def download() -> Path:
            if name in transfers:
                transfers[name] = 0, round(get_weight(self.weight).meta["_file_size"] * 2**20)
            get_weight(self.weight).get_state_dict(progress=False, check_hash=True, weights_only=True)
            return self._cached()

        return _fetch(name, self, download, self._cached().parent, server="download.pytorch.org")


Source = Shipped | HubFile | TorchvisionWeights


@dataclass(frozen=True)
class Weights:
    """One row of the table: where a network's weights lie, and all that is needed to use and to check them.

    Attributes:
        build: makes the architecture they fit, with random parameters.
        source: where the file comes from.
        classes: K names, in the order of the logits.
        preprocess: makes the network's input out of a picture.
        num_params: learnable numbers in the network.
        licence: SPDX identifier.
        metric: what was measured, and on what.
        sha256: of the file, 64 hex digits; `None` where it is not known, and then it is not checked.
    """

    build: Callable[[], nn.Module]
    source: Source
    classes: tuple[str, ...]
    preprocess: Preprocess
    num_params: int
    licence: str
    metric: str
    sha256: str | None = None


GARMENTS = Garment()

# fmt: off
WEIGHTS: dict[str, Weights] = {
    "fashion_dnn": Weights(FashionDNN,
                           Shipped("fashion_dnn/model.safetensors"), FASHION_CLASSES, GARMENTS, 235_146,
                           "MIT", "90.43% of test photographs; 45.2% of hand drawings, 71.2% with near classes",
                           "eae3ef0e8acf66b60b2c39f1d7e656fc28c4c2ab2610a3a0181d1d8b264df5f8"),
    "fashion_cnn": Weights(FashionCNN,
                           Shipped("fashion_cnn/model.safetensors"), FASHION_CLASSES, GARMENTS, 1_475_338,
                           "MIT", "93.03% of test photographs; 57.2% of hand drawings, 80.3% with near classes",
                           "d1a30af7a8dec37928427819221334e2e25d728f6296991856b5f5bdd71ce17f"),
    "sketch_net": Weights(SketchNet,
                           Shipped("sketch_net/model.safetensors"), FASHION_CLASSES, GARMENTS, 380_778,
                           "MIT", "93.10% of test photographs; 92.8% of hand drawings, 95.7% with near classes",
                           "425d0a8efc94b7488cc1b02ac7bb36c822e1971cc53dc7260caa96dc27f3ee3a"),
    "cat_dog": Weights(lambda: ResNet(18, width=0.5),
                           Shipped("cat_dog/model.safetensors"), CAT_DOG_CLASSES, Photograph(160), 2_799_394,
                           "MIT", "97.36% of test photographs; 96.9% of the course's own 98",
                           "e6825536d4195d29a1c8d8f9bfd297e0114c8833ea3826facc1e543cfb2c3ff6"),
    "cat_dog_lenet": Weights(lambda: LeNet(width=0.5, image_size=64),
                           Shipped("cat_dog_lenet/model.safetensors"), CAT_DOG_CLASSES, Photograph(64), 696_818,
                           "MIT", "71.92% of test photographs; 70.4% of the course's own 98",
                           "2c71a0f2b90752bde645aa3ab095129cd617d5a324942047568d3949075d6e94"),
    "cat_dog_alexnet": Weights(lambda: AlexNet(width=0.35, image_size=64),
                           Shipped("cat_dog_alexnet/model.safetensors"), CAT_DOG_CLASSES, Photograph(64), 695_200,
                           "MIT", "68.12% of test photographs; 67.3% of the course's own 98",
                           "9e15cb7f30c69c9ff287dd3a6325993aac14cab057db2cf2caad9b4cbf0bf078"),
    "cat_dog_vgg": Weights(lambda: VGG(11, batch_norm=True, width=0.14, image_size=64),
                           Shipped("cat_dog_vgg/model.safetensors"), CAT_DOG_CLASSES, Photograph(64), 679_301,
                           "MIT", "76.54% of test photographs; 70.4% of the course's own 98",
                           "71897eca465462359aa832744d54271a3a9f910218c1de7cff6dc5acb76b704c"),
    "cat_dog_googlenet": Weights(lambda: GoogLeNet(width=0.35),
                           Shipped("cat_dog_googlenet/model.safetensors"), CAT_DOG_CLASSES, Photograph(64), 691_061,
                           "MIT", "81.20% of test photographs; 74.5% of the course's own 98",
                           "9578475441a3001e0793f4570fbed79ff59c7c2241d64be3546eb4af81978802"),
    "cat_dog_resnet": Weights(lambda: ResNet(18, width=0.25),
                           Shipped("cat_dog_resnet/model.safetensors"), CAT_DOG_CLASSES, Photograph(64), 702_354,
                           "MIT", "79.37% of test photographs; 76.5% of the course's own 98",
                           "7e776b2c042d43d597ead4563f88ef31bb70a97870615000d1a633bb0a075c3b"),
    "cat_dog_xai": Weights(lambda: XAI(width=0.15),
                           Shipped("cat_dog_xai/model.safetensors"), CAT_DOG_CLASSES, Photograph(64), 339_265,
                           "MIT", "55.53% of test photographs; 58.2% of the course's own 98",
                           "b835a34615efe26840e8f8e1bcc8c37040c4a150abb80cedcc2615c39e137bb5"),
}
# fmt: on


def locate(name: str) -> Path:
    """The file with a row's weights, fetched if need be, its SHA-256 checked.

    Raises:
        KeyError: no such row; the message lists the near ones.
        WeightsUnavailable: it cannot be had, or it is not the right file (a fetched one is removed again).
    """
    return _locate(name)[1]


def beside(name: str, file: str) -> Path:
    """A file that lies beside a shipped row's weights, such as scores.json: in this project, or where they come from.

    Raises:
        KeyError: no such row; the message lists the near ones.
        WeightsUnavailable: it cannot be had.
    """
    row = _row(name)
    assert isinstance(row.source, Shipped)
    shipped = Shipped(str(Path(row.source.file).with_name(file)))
    source = _published(shipped) or shipped
    return shipped.here() or source.here() or source.fetch(name)


@torch.inference_mode(mode=False)  # whoever asks first: parameters made in inference mode can never have gradients
def load(name: str) -> nn.Module:
    """A fresh network with its trained weights: eval mode, float32, on the processor.

    Raises:
        KeyError: no such row; the message lists the near ones.
        WeightsUnavailable: the file cannot be had, or does not fit the network (a fetched one is removed again).
    """
    source, path = _locate(name)
    network = _row(name).build()
    try:
        network.load_state_dict(READERS[path.suffix](path, network.state_dict()))
    except (SafetensorError, ValueError) as error:
        discard(path)
        reason = Words("the file does not fit the network ({error})", error=error)
        raise WeightsUnavailable(name, source, reason) from error
    return network.eval()


def shared(name: str) -> nn.Module:
    """The network of `load`, the same for every caller, who must not change it, and kept by `model_cache`.

    A failure is not kept: the next call tries again. Raises what `load` raises.
    """
    with model_cache.keeping(name, partial(load, name)) as network:
        return network


_failures: dict[str, tuple[float, Words]] = {}  # server -> when it failed (s, monotonic), and why
transfers: dict[str, tuple[int, int]] = {}  # name -> bytes that have come of how many (0: not known), while they come


def _row(name: str) -> Weights:
    if name not in WEIGHTS:
        near = difflib.get_close_matches(name, WEIGHTS, cutoff=0.5) or list(WEIGHTS)
        raise KeyError(f"no weights are called {name!r}; there are {', '.join(near)}")
    return WEIGHTS[name]


def _published(source: Source) -> HubFile | None:
    """The Hub file that the environment puts in place of a shipped one."""
    repo, _, revision = os.environ.get("CONVLENS_WEIGHTS_REPO", "").partition("@")
    return HubFile(repo, source.file, revision or "main") if repo and isinstance(source, Shipped) else None


def _locate(name: str) -> tuple[Source, Path]:
    row = _row(name)
    published = _published(row.source)
    if published:
        try:
            return published, _whole(name, published, row.sha256)
        except WeightsUnavailable as error:
            if not row.source.here():
                raise
            _warn_once(f"{error} Using {row.source}.")
    return row.source, _whole(name, row.source, row.sha256)


@cache
def _warn_once(sentence: str) -> None:
    logging.getLogger(__name__).warning(sentence)


def _whole(name: str, source: Source, sha256: str | None) -> Path:
    """The source's file, if its SHA-256 is the one expected."""
    path = source.here() or source.fetch(name)
    if sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        discard(path)
        raise WeightsUnavailable(name, source, Words("its SHA-256 is not the one in the table"))
    return path


def discard(path: Path) -> None:
    """Remove a file that was fetched, and what it links to, so that the next try fetches it anew."""
    if FOLDER not in path.parents:
        for file in (path.resolve(), path):
            with suppress(OSError):
                file.unlink()


def _fetch(name: str, source: Source, download: Callable[[], Path], folder: Path, server: str) -> Path:
    """`download()` in bounded time, with every failure explained and a server out of reach left alone for a while."""
    failed_at, reason = _failures.get(server, (float("-inf"), Words("")))
    if monotonic() - failed_at < REMEMBER:
        raise WeightsUnavailable(name, source, reason)
    try:
        transfers[name] = 0, 0
        return _patiently(name, download, folder)
    except Exception as error:
        reason, passing = reason_of(error)
        if passing:
            _failures[server] = monotonic(), reason
        raise WeightsUnavailable(name, source, reason) from error
    finally:
        transfers.pop(name, None)


def _patiently(name: str, download: Callable[[], Path], folder: Path) -> Path:
    """`download()`, left to itself with a `TimeoutError` once `folder` has not changed in size for `STALL` seconds."""
    result: Future[Path] = Future()
    before = size = _size(folder)

    def work() -> None:
        try:
            result.set_result(download())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, name="weights", daemon=True).start()  # daemon: no exit waits for a silent server
    moved_at = monotonic()
    while not wait([result], timeout=0.1).done:
        if (now := _size(folder)) != size:
            size, moved_at = now, monotonic()
            total = transfers.get(name, (0, 0))[1]
            transfers[name] = min(max(size - before, 0), total or size), total
        if monotonic() - moved_at > STALL:
            raise TimeoutError
    return result.result()


def _size(folder: Path) -> int:
    """Bytes in a folder's files, begun downloads (also another process's) included."""
    total = 0
    for file in folder.glob("*"):
        with suppress(OSError):  # finished and renamed meanwhile
            total += file.stat().st_size
    return total


def reason_of(error: Exception) -> tuple[Words, bool]:
    """Why a transfer failed, as the end of a sentence, and whether the server is better left alone for a while."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx

    match error:
        case errors.OfflineModeIsEnabled():
            return Words("HF_HUB_OFFLINE keeps this process away from the Hub"), False
        case errors.HfHubHTTPError(response=response):
            code = response.status_code
            return STATUS.get(code, Words("the server answered {code}", code=code)), code == 429 or code >= 500
        case errors.HFValidationError():
            return Words("that is not the name of a repository"), False
        case httpx.HTTPError() | httpx.InvalidURL() | TimeoutError() | errors.LocalEntryNotFoundError():
            return Words("the server cannot be reached, or does not answer as it should"), True
        case OSError(errno=int()):
            why = error.strerror
            return Words("the cache cannot be written ({why}; HF_HOME or TORCH_HOME moves it)", why=why), False
        case RuntimeError(__cause__=Exception() as cause):  # how the Hub's client wraps a failed upload
            return reason_of(cause)
        case OSError() | RuntimeError():  # RuntimeError: torch's answer to a file with a wrong hash
            return Words("the transfer broke off ({why})", why=str(error).splitlines()[0].rstrip(".")), False
    raise error


CODES = {torch.float32: "F32", torch.int64: "I64"}  # what safetensors calls them
WIDER = {"F16": "F32"}  # a file in half precision fits too


def _shapes(state: dict[str, Tensor]) -> dict[str, str]:
    return {key: f"{CODES.get(value.dtype, value.dtype)} {list(value.shape)}" for key, value in state.items()}


def _check(found: dict[str, str], wanted: dict[str, str]) -> None:
    """Raise a `ValueError` for the first name, type or shape in which a file and a network differ."""
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise ValueError(f"{key} is {found.get(key, 'missing')}, not {wanted.get(key, 'wanted')}")


def _read_safetensors(path: Path, network: dict[str, Tensor]) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        headers = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
        found = {
            key: f"{WIDER.get(each.get_dtype(), each.get_dtype())} {each.get_shape()}" for key, each in headers.items()
        }
        _check(found, _shapes(network))
        return {key: file.get_tensor(key) for key in headers}


def _read_torch(path: Path, network: dict[str, Tensor]) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError("it cannot be read, or holds more than tensors") from error
    _check(_shapes(state), _shapes(network))
    return state


READERS = {".safetensors": _read_safetensors, ".pth": _read_torch}  # .pth: torchvision's own files only


def publish(repo: str, private: bool = False) -> str:
    """Upload `weights/README.md` and the folder of every shipped row to a model repository on the Hub, made if need be.

    Args:
        repo: "owner/name".
        private: whether a repository that is made now can be seen by its owner only.

    Returns:
        The repository's address.

    Raises:
        Refused: nothing is shipped yet, or the Hub did not take it; says why.
    """
    refused = partial(Refused, "Nothing was published to {repo}: {reason}.", repo=repo)
    sources = [row.source for row in WEIGHTS.values() if isinstance(row.source, Shipped) and row.source.here()]
    if not sources:
        raise refused(reason=Words("there are no weights in {folder}", folder=FOLDER))
    patterns = ["README.md", *(f"{Path(source.file).parent}/*" for source in sources)]
    try:
        return upload(repo, FOLDER, patterns, private)
    except Refused as error:
        raise refused(reason=error.words) from error


def upload(repo: str, folder: Path, patterns: list[str], private: bool) -> str:
    """Put files of a folder into a model repository on the Hub, made if need be; returns its address.

    Raises:
        Refused: the Hub did not take them; no sentence, the reason only.
    """
    from huggingface_hub import HfApi, constants, get_token
    from huggingface_hub.utils import get_session

    if not get_token():
        raise Refused("the Hub wants a token that may write; set HF_TOKEN or run `hf auth login`")
    try:
        get_session().head(constants.ENDPOINT, timeout=ANSWER)  # the calls below wait for a silent server for ever
        address = HfApi().create_repo(repo, private=private or None, exist_ok=True)
        HfApi().upload_folder(repo_id=repo, folder_path=folder, allow_patterns=patterns)
    except Exception as error:
        reason = reason_of(error)[0]
        raise Refused(reason.template, **reason.values) from error
    return str(address)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cnn_core.weights", description="List, publish or mirror weights.")
    commands = parser.add_subparsers(dest="command")
    for command, words in (
        ("publish", "upload the shipped weights to the Hub"),
        ("mirror", "upload torchvision's weights to the Hub, as safetensors"),
    ):
        each = commands.add_parser(command, help=words)
        each.add_argument("repo", help="owner/name")
        each.add_argument("--private", action="store_true", help="only you can see a repository that is made now")
    words = 'e.g. "AlexNet_Weights.IMAGENET1K_V1"; without any, those of the zoo that timm does not publish'
    commands.choices["mirror"].add_argument("weights", nargs="*", help=words)
    chosen = parser.parse_args(arguments)
    if chosen.command:
        try:
            if chosen.command == "publish":
                print(publish(chosen.repo, chosen.private))
            else:
                from cnn_core import zoo

                print(zoo.mirror(chosen.repo, chosen.weights, chosen.private))
        except Refused as refused:
            print(refused, file=sys.stderr)
            return 1
    else:
        for name, row in WEIGHTS.items():
            source = _published(row.source) or row.source
            size = f"{path.stat().st_size / 1e6:.1f} MB" if (path := source.here()) else "not here"
            print(f"{name:<12} {row.num_params:>12,} parameters {size:>9}  {source}  {row.metric}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
