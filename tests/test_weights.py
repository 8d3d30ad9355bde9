"""The table of weights, row by row, and its resolver against a Hub on 127.0.0.1 that is slow, silent, wrong or gone."""

import hashlib
import json
import logging
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import _detect_agent
from loopback_hub import Fault, Hub, point_at
from safetensors.torch import load_file, save_file
from torch import nn

from cnn_core import layers, model_cache, weights
from cnn_core.errors import Refused
from cnn_core.weights import WEIGHTS, HubFile, Shipped, TorchvisionWeights, Weights, WeightsUnavailable

ROOT = Path(__file__).parents[1]
MEGABYTE = 1_000_000

every_row = pytest.mark.parametrize("name", WEIGHTS)
every_shipped_row = pytest.mark.parametrize(
    "name", [name for name, row in WEIGHTS.items() if isinstance(row.source, Shipped)]
)


# The table


def one_input(row: Weights) -> torch.Tensor:
    """A grey input of the shape that the row's `preprocess` names."""
    return torch.full((1, *row.preprocess.shape), 0.5)


@every_row
def test_row_describes_the_network(name):
    row = WEIGHTS[name]
    network = row.build().eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == row.num_params
    assert network(one_input(row)).shape == (1, len(row.classes))
    assert len(set(row.classes)) == len(row.classes)


def test_a_network_first_asked_for_in_inference_mode_can_have_gradients():
    with torch.inference_mode():
        network = weights.load("fashion_dnn")
    network(torch.zeros(1, 1, 28, 28)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@every_row
def test_row_states_licence_and_score(name):
    row = WEIGHTS[name]
    assert row.licence in {"MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0"}
    assert re.search(r"\d+(\.\d+)? ?%", row.metric)


@every_row
def test_only_torchvision_files_are_not_safetensors(name):
    source = WEIGHTS[name].source
    assert isinstance(source, TorchvisionWeights) or str(source).endswith(".safetensors")


@every_shipped_row
def test_shipped_file_is_the_one_in_the_table(name):
    path = weights.FOLDER / name / "model.safetensors"
    assert str(WEIGHTS[name].source) == f"weights/{name}/model.safetensors"
    assert path.stat().st_size <= 10 * MEGABYTE
    assert hashlib.sha256(path.read_bytes()).hexdigest() == WEIGHTS[name].sha256


@every_shipped_row
def test_scores_say_what_an_answer_costs(name):
    measured = json.loads((weights.FOLDER / name / "scores.json").read_text())
    described = layers.describe(weights.load(name), WEIGHTS[name].preprocess.shape)
    assert measured["multiply_adds"] == sum(layer.multiply_adds for layer in described)


@every_shipped_row
def test_card_states_the_score_of_the_table(name):
    card = (weights.FOLDER / name / "README.md").read_text(encoding="utf-8")
    scores = re.findall(r"\d+\.\d+", WEIGHTS[name].metric)
    assert scores
    assert all(score in card for score in scores)
    assert WEIGHTS[name].licence in card


@every_shipped_row
def test_loaded_network_gives_the_witnessed_output(name, monkeypatch):
    monkeypatch.delenv("CONVLENS_WEIGHTS_REPO", raising=False)
    witness = load_file(weights.FOLDER / name / "witness.safetensors")
    with torch.inference_mode():
        output = weights.load(name)(witness["input"])
    # Another processor adds in another order, in float32.
    torch.testing.assert_close(output, witness["output"], rtol=1e-4, atol=1e-4)


# The resolver, with a network of 15 parameters (or 66,000 where the size matters)


def tiny() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def wide() -> nn.Module:
    return nn.Linear(256, 256)


def state_of(network: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Numbers that no fresh network has."""
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.rand(value.shape, generator=generator) + 2 for key, value in network.state_dict().items()}


def put(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    """Write `tiny/model.safetensors` in a folder."""
    file = folder / "tiny" / "model.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file)
    return file


def holds(network: nn.Module, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def refusal(name: str = "tiny") -> str:
    """What `load` says when it refuses, checked to be one sentence that names row and source."""
    with pytest.raises(WeightsUnavailable) as caught:
        weights.load(name)
    sentence = str(caught.value)
    assert re.fullmatch(r"No weights for tiny from \S+( \S+)?: [^\n]+\.", sentence)
    assert str(weights.WEIGHTS["tiny"].source) in sentence or os.environ["CONVLENS_WEIGHTS_REPO"] in sentence
    return sentence


def cached(cache: Path) -> list[str]:
    """The files (and parts of files) of weights in the cache."""
    return [file.name for folder in ("blobs", "snapshots") for file in cache.rglob(f"{folder}/**/*") if file.is_file()]


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty `weights/`."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def hub(tmp_path, cache, folder, monkeypatch):
    """A loopback Hub that the client in this process talks to, and one row, `tiny`, that comes from it."""
    with Hub(tmp_path / "hub") as hub:
        point_at(hub, cache, monkeypatch)
        row = Weights(
            tiny, HubFile("me/repo", "tiny/model.safetensors"), ("a", "b", "c"), "(N, 1, 2, 2)", 15, "MIT", ""
        )
        model_cache.forget()
        monkeypatch.setattr(weights, "WEIGHTS", {"tiny": row})
        weights._warn_once.cache_clear()
        put(hub.root / "me/repo", state_of(tiny()))
        yield hub
        hub.faults.clear()
        hub.release()
        for thread in threading.enumerate():
            if thread.name == "weights":  # one that was left to itself
                thread.join(30)
                assert not thread.is_alive()


@pytest.fixture
def hasty(monkeypatch):
    """The time limits, shortened: what they are is `test_the_limits`'s to say."""
    monkeypatch.setattr(weights, "ANSWER", 1.0)
    monkeypatch.setattr(weights, "STALL", 1.0)


def change(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    """Change the row `tiny`."""
    row = replace(weights.WEIGHTS["tiny"], **values)
    monkeypatch.setitem(weights.WEIGHTS, "tiny", row)


def test_downloads_once_and_then_needs_no_hub(hub, monkeypatch):
    network = weights.load("tiny")
    assert holds(network, state_of(tiny()))
    assert not network.training
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    requests = len(hub.requests)
    assert requests
    assert holds(weights.load("tiny"), state_of(tiny()))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert holds(weights.load("tiny"), state_of(tiny()))
    assert len(hub.requests) == requests


def test_asks_for_the_pinned_revision(hub, monkeypatch):
    commit = hub.commit("me/repo")
    change(monkeypatch, source=HubFile("me/repo", "tiny/model.safetensors", commit))
    weights.load("tiny")
    assert hub.requests
    assert all(path == f"me/repo/resolve/{commit}/tiny/model.safetensors" for _, path in hub.requests)


def test_offline_without_the_file_is_refused_and_asks_nobody(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE keeps this process away" in refusal()
    assert not hub.requests


@pytest.mark.parametrize(
    ("status", "code", "words", "requests_of_two_tries"),
    [
        (401, None, "HF_TOKEN", 2),
        (401, "GatedRepo", "HF_TOKEN", 2),
        (403, "GatedRepo", "conditions", 2),
        (404, "RepoNotFound", "no such repository", 2),
        (404, "RevisionNotFound", "revision", 2),
        (429, None, "pause", 1),
        (500, None, "answered 500", 1),
        (503, None, "answered 503", 1),
    ],
)
def test_a_refusing_hub_is_asked_once_and_quoted(hub, status, code, words, requests_of_two_tries):
    hub.faults.append(Fault("HEAD", "resolve", status=status, code=code))
    assert words in refusal()
    assert words in refusal()
    assert len(hub.requests) == requests_of_two_tries  # a server in trouble is left alone; ours to mend is tried again


def test_a_file_that_is_not_in_the_repository_is_said_so(hub, monkeypatch):
    change(monkeypatch, source=HubFile("me/repo", "no.safetensors"))
    assert "no such repository, revision or file" in refusal()


def test_a_repository_with_a_token_opens_with_it(hub, monkeypatch):
    hub.token = "hf_secret"
    assert "HF_TOKEN" in refusal()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert holds(weights.load("tiny"), state_of(tiny()))


def test_a_name_that_is_no_repository_is_refused(hub, monkeypatch):
    change(monkeypatch, source=HubFile("a//b", "tiny/model.safetensors"))
    assert "not the name of a repository" in refusal()


def test_the_limits():
    assert weights.ANSWER >= 1
    assert weights.STALL >= 5
    assert weights.ANSWER + weights.STALL < 15
    assert 30 <= weights.REMEMBER <= 120


def test_a_silent_hub_costs_seconds_once(hub, tmp_path, monkeypatch):
    # With telemetry the client asks the Hub one more question, once a day, wherever it makes a header.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"))
    monkeypatch.setattr(_detect_agent, "_registry", None)
    hub.faults += [Fault(method, silent_after=-1) for method in ("HEAD", "GET")]
    begin = time.monotonic()
    assert "cannot be reached" in refusal()
    assert time.monotonic() - begin < 15
    begin = time.monotonic()
    assert "cannot be reached" in refusal()
    assert time.monotonic() - begin < 0.5
    assert hub.count("HEAD") == 1
    hub.release()
    monkeypatch.setattr(weights, "REMEMBER", 0.0)
    assert holds(weights.load("tiny"), state_of(tiny()))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("HEAD", skip=1, silent_after=-1), id="second question"),
        pytest.param(Fault("GET", silent_after=-1), id="before the file"),
        pytest.param(Fault("GET", silent_after=100), id="inside the file"),
    ],
)
def test_a_hub_that_falls_silent_later_is_given_up_too(hub, hasty, fault):
    hub.faults.append(replace(fault))
    begin = time.monotonic()
    assert "cannot be reached" in refusal()
    assert time.monotonic() - begin < 6
    begin = time.monotonic()
    refusal()
    assert time.monotonic() - begin < 0.5


def test_a_hub_that_asks_for_a_long_pause_is_not_waited_for(hub, hasty):
    hub.faults.append(Fault("GET", status=429, headers={"Retry-After": "5"}, times=1))
    begin = time.monotonic()
    assert "cannot be reached" in refusal()
    assert time.monotonic() - begin < 4


def test_nothing_listening_is_known_at_once(hub, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"http://127.0.0.1:{port}/{{repo_id}}/{{filename}}")
    begin = time.monotonic()
    assert "cannot be reached" in refusal()
    assert time.monotonic() - begin < 3


def test_a_slow_download_that_moves_may_take_its_time(hub, hasty, monkeypatch):
    change(monkeypatch, build=wide)
    put(hub.root / "me/repo", state_of(wide()))  # 263 kB, in 9 pieces
    hub.faults.append(Fault("GET", pause=0.4))
    begin = time.monotonic()
    assert holds(weights.load("tiny"), state_of(wide()))
    assert time.monotonic() - begin > 2 * weights.STALL


def test_a_download_that_was_cut_goes_on_where_it_stopped(hub):
    hub.faults.append(Fault("GET", cut_after=100, times=1))
    assert holds(weights.load("tiny"), state_of(tiny()))
    assert hub.count("GET") == 2


@pytest.mark.parametrize("fault", [Fault("GET", body=b"too short"), Fault("GET", cut_after=0)], ids=["short", "cut"])
def test_a_truncated_file_is_refused_and_nothing_of_it_stays(hub, cache, monkeypatch, fault):
    monkeypatch.setattr(weights, "STALL", 30.0)
    hub.faults.append(replace(fault))
    assert re.search("broke off|as it should", refusal())
    assert cached(cache) == []
    hub.faults.clear()
    monkeypatch.setattr(weights, "REMEMBER", 0.0)
    assert holds(weights.load("tiny"), state_of(tiny()))


def test_a_wrong_hash_is_refused_and_the_next_try_fetches_anew(hub, cache, monkeypatch):
    right = put(hub.root / "me/repo", state_of(tiny())).read_bytes()
    change(monkeypatch, sha256=hashlib.sha256(right).hexdigest())
    put(hub.root / "me/repo", state_of(tiny(), seed=1))
    assert "SHA-256" in refusal()
    assert cached(cache) == []
    put(hub.root / "me/repo", state_of(tiny()))
    assert holds(weights.load("tiny"), state_of(tiny()))
    assert cached(cache)


def misfits() -> dict[str, dict[str, torch.Tensor]]:
    good = state_of(tiny())
    return {
        "shape": {**good, "1.weight": torch.zeros(4, 3)},
        "type": {**good, "1.weight": torch.zeros(3, 4, dtype=torch.bfloat16)},
        "missing": {"1.weight": good["1.weight"]},
        "unknown": {**good, "2.weight": torch.zeros(1)},
    }


@pytest.mark.parametrize("kind", misfits())
def test_a_file_that_does_not_fit_is_refused_and_the_next_try_fetches_anew(hub, cache, kind):
    put(hub.root / "me/repo", misfits()[kind])
    assert re.search(r"does not fit the network \([12]\.(weight|bias) is ", refusal())
    assert cached(cache) == []
    put(hub.root / "me/repo", state_of(tiny()))
    assert holds(weights.load("tiny"), state_of(tiny()))


def test_a_file_in_half_precision_is_widened(hub, cache):
    halved = {key: value.half() for key, value in state_of(tiny()).items()}
    put(hub.root / "me/repo", halved)
    network = weights.load("tiny")
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
    assert holds(network, {key: value.float() for key, value in halved.items()})


def test_shapes_are_compared_before_tensors_are_read(hub, tmp_path, monkeypatch):
    """A header that promises 4 TB: reading the tensor would fail otherwise than by its shape."""
    header = b'{"1.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},"1.bias":{"dtype":"F32","shape":[9],'
    header += b'"data_offsets":[48,84]}}'
    file = hub.root / "me/repo/tiny/model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(84))
    read = []
    monkeypatch.setattr(torch, "frombuffer", lambda *_: read.append(1))
    assert "1.bias is F32 [9], not F32 [3]" in refusal()
    assert not read


def test_a_file_that_is_no_safetensors_is_refused(hub, cache):
    (hub.root / "me/repo/tiny/model.safetensors").write_bytes(b"<html>Please log in</html>")
    assert "does not fit" in refusal()
    assert cached(cache) == []


def test_a_cache_that_cannot_be_made_is_said_so(hub, cache):
    cache.write_text("a file where the folder should be")
    assert "cache cannot be written" in refusal()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_is_read_only_is_said_so(hub, cache):
    cache.mkdir(mode=0o500)
    assert "cache cannot be written" in refusal()


def test_a_full_disk_is_said_so_and_nothing_half_written_stays(hub, cache, monkeypatch):
    change(monkeypatch, build=wide)
    put(hub.root / "me/repo", state_of(wide()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))  # half of the file
    try:
        assert "cache cannot be written" in refusal()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cached(cache) == []
    assert holds(weights.load("tiny"), state_of(wide()))


PROCESS = """
import sys
from torch import nn
from cnn_core import weights
row = weights.Weights(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3)),
    weights.HubFile("me/repo", "tiny/model.safetensors"), ("a", "b", "c"), "(N, 1, 2, 2)", 15, "MIT", "")
weights.WEIGHTS["tiny"] = row
assert "huggingface_hub" not in sys.modules
print(sum(value.sum().item() for value in weights.load("tiny").state_dict().values()))
"""


def process(hub: Hub, home: Path, **environment: str) -> "subprocess.Popen[str]":
    """Another Python that loads `tiny`, told only by its environment where the Hub is."""
    variables = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    variables.pop("HF_HUB_CACHE", None)
    command = [sys.executable, "-c", PROCESS]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=variables, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def test_two_processes_at_once_both_get_the_file_and_leave_it_for_offline_use(hub, tmp_path):
    hub.token = "hf_secret"
    hub.faults.append(Fault("HEAD", "resolve", barrier=threading.Barrier(2)))
    both = [process(hub, tmp_path / "home", HF_TOKEN="hf_secret") for _ in range(2)]
    outputs = [each.communicate(timeout=120) for each in both]
    assert [each.returncode for each in both] == [0, 0], outputs
    expected = sum(value.sum().item() for value in state_of(tiny()).values())
    assert [float(output) for output, _ in outputs] == [expected, expected]
    requests = len(hub.requests)
    offline = process(hub, tmp_path / "home", HF_HUB_OFFLINE="1")
    assert float(offline.communicate(timeout=120)[0]) == expected
    assert len(hub.requests) == requests


# The environment puts a Hub repository in the shipped files' place


@pytest.fixture
def shipped(hub, folder, monkeypatch):
    """The row `tiny` shipped, with other numbers than the Hub has."""
    change(monkeypatch, source=Shipped("tiny/model.safetensors"))
    put(folder, state_of(tiny(), seed=1))
    return folder


def test_a_shipped_file_needs_no_hub(hub, shipped):
    assert holds(weights.load("tiny"), state_of(tiny(), seed=1))
    assert weights.locate("tiny") == shipped / "tiny/model.safetensors"
    assert not hub.requests


def test_a_shipped_file_that_is_not_there_is_said_so(hub, shipped):
    (shipped / "tiny/model.safetensors").unlink()
    assert "the file is not there" in refusal()


def test_a_wrong_shipped_file_is_refused_and_left(hub, shipped, monkeypatch):
    file = put(shipped, misfits()["shape"])
    assert "does not fit" in refusal()
    change(monkeypatch, sha256="0" * 64)
    assert "SHA-256" in refusal()
    assert file.is_file()


@pytest.mark.parametrize(("value", "revision"), [("me/repo", "main"), ("me/repo@v2", "v2")])
def test_the_environment_names_another_place(hub, shipped, monkeypatch, value, revision):
    monkeypatch.setenv("CONVLENS_WEIGHTS_REPO", value)
    assert holds(weights.load("tiny"), state_of(tiny()))
    assert ("GET", f"me/repo/resolve/{revision}/tiny/model.safetensors") in hub.requests


def test_the_shipped_file_serves_while_that_place_is_out_of_reach_and_the_log_says_so_once(
    hub, shipped, monkeypatch, caplog
):
    monkeypatch.setenv("CONVLENS_WEIGHTS_REPO", "me/repo")
    hub.faults.append(Fault("HEAD", status=500))
    for _ in range(3):
        assert holds(weights.load("tiny"), state_of(tiny(), seed=1))
    said = [record for record in caplog.records if record.name == "cnn_core.weights"]
    assert [record.levelno for record in said] == [logging.WARNING]
    assert "me/repo" in said[0].getMessage()
    assert "weights/tiny/model.safetensors" in said[0].getMessage()
    (shipped / "tiny/model.safetensors").unlink()
    assert "answered 500" in refusal()


# The shared network, unknown names, torchvision's files


def test_unknown_name_lists_the_near_ones():
    for function in (weights.load, weights.shared, weights.locate):
        with pytest.raises(KeyError, match="fashion_cnn"):
            function("fashion_cn")
    with pytest.raises(KeyError) as caught:
        weights.load("fashion_cn")
    assert "tiny" not in str(caught.value)


def test_shared_is_loaded_once_by_threads_that_ask_at_once(hub, monkeypatch):
    built, inside = [], threading.Event()

    def build() -> nn.Module:
        built.append(1)
        inside.wait(0.5)  # long enough for the other threads to come in, were they let in
        return tiny()

    change(monkeypatch, build=build)
    networks: list[nn.Module] = []
    threads = [threading.Thread(target=lambda: networks.append(weights.shared("tiny"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert len(networks) == 4
    assert len({id(network) for network in networks}) == 1
    assert weights.load("tiny") is not networks[0]


def test_shared_does_not_keep_a_failure(hub):
    hub.faults.append(Fault("HEAD", status=404, times=1))
    with pytest.raises(WeightsUnavailable):
        weights.shared("tiny")
    assert holds(weights.shared("tiny"), state_of(tiny()))


@pytest.fixture
def checkpoint(hub, tmp_path, monkeypatch):
    """Where torch would keep ResNet-18's file, which the row `tiny` names now."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    change(monkeypatch, source=TorchvisionWeights("ResNet18_Weights.IMAGENET1K_V1"))
    file = tmp_path / "torch/checkpoints/resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    return file


def test_torchvision_weights_come_from_torchs_cache(checkpoint):
    torch.save(state_of(tiny()), checkpoint)
    assert weights.locate("tiny") == checkpoint
    assert holds(weights.load("tiny"), state_of(tiny()))


class Program:
    """Something that runs when unpickled."""

    def __reduce__(self) -> tuple:
        return print, ("it ran",)


def test_torchvision_file_with_more_than_tensors_is_refused_and_not_run(checkpoint, capsys):
    torch.save({"1.weight": Program()}, checkpoint)
    assert "more than tensors" in refusal()
    assert "it ran" not in capsys.readouterr().out
    assert not checkpoint.exists()


def test_torchvision_out_of_reach_is_said_so(checkpoint, monkeypatch):
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    assert "no route" in refusal()


# The command line

# The Hub's client hands its open file to httpx in a way that httpx has deprecated.
uploads = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_list_names_every_row_and_whether_it_is_here(hub, shipped, capsys):
    assert weights.main([]) == 0
    line = capsys.readouterr().out
    assert line.startswith("tiny")
    assert "15 parameters" in line
    assert "0.0 MB" in line
    (shipped / "tiny/model.safetensors").unlink()
    weights.main([])
    assert "not here" in capsys.readouterr().out
    assert not hub.requests


@uploads
def test_published_weights_can_be_read_back(hub, shipped, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.token = "hf_secret"
    (shipped / "README.md").write_text("All weights")
    (shipped / "tiny/README.md").write_text("A card")
    (shipped / "tiny/scores.json").write_text('{"accuracy": 0.5}')
    (shipped / "notes").mkdir()
    (shipped / "notes/private.txt").write_text("not of a row")
    for _ in range(2):  # the second time the repository is there already
        assert weights.main(["publish", "me/new", "--private"]) == 0
        assert capsys.readouterr().out.strip() == f"{hub.url}/me/new"
    kept = {"tiny/README.md", "tiny/model.safetensors", "tiny/scores.json"}
    assert set(hub.files("me/new")) == {".gitattributes", "README.md", *kept}
    assert hub.files("me/new")["tiny/README.md"].read_text() == "A card"
    assert hub.private == {"me/new"}
    monkeypatch.setenv("CONVLENS_WEIGHTS_REPO", "me/new")
    assert holds(weights.load("tiny"), state_of(tiny(), seed=1))
    assert hub.count("GET", "me/new/resolve/main/tiny/model.safetensors") == 1
    assert weights.beside("tiny", "scores.json") == shipped / "tiny/scores.json"
    (shipped / "tiny/scores.json").unlink()  # a Space that carries code only
    assert json.loads(weights.beside("tiny", "scores.json").read_text()) == {"accuracy": 0.5}
    monkeypatch.delenv("CONVLENS_WEIGHTS_REPO")
    with pytest.raises(WeightsUnavailable, match="the file is not there"):
        weights.beside("tiny", "scores.json")


@uploads
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(Fault("POST", "create", status=401), "HF_TOKEN", id="token not known"),
        pytest.param(Fault("POST", "create", status=403), "does not allow", id="somebody else's name"),
        pytest.param(Fault("POST", "commit", status=403), "does not allow", id="token may not write"),
        pytest.param(Fault("PUT", status=403), "does not allow", id="storage says no"),
        pytest.param(Fault("HEAD", silent_after=-1), "cannot be reached", id="silent"),
    ],
)
def test_publishing_that_fails_says_why(hub, shipped, hasty, monkeypatch, capsys, fault, words):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.faults.append(replace(fault))
    assert weights.main(["publish", "me/new"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]  # the client's progress bar may stand before it
    assert re.search(f"Nothing was published to me/new: .*{words}", said)


def test_publishing_without_a_token_or_without_weights_says_so(hub, shipped, monkeypatch):
    with pytest.raises(Refused, match="token"):
        weights.publish("me/new")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (shipped / "tiny/model.safetensors").unlink()
    with pytest.raises(Refused, match="no weights"):
        weights.publish("me/new")
    assert not hub.requests
