"""The zoo's whole way from a name to an answer: the real client, and a Hub on 127.0.0.1 where everything goes wrong."""

import json
import re
import resource
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from loopback_hub import Fault, Hub, point_at
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision import models

from cnn_core import comparison, model_cache, weights, zoo
from cnn_core.catalogue import CATALOGUE, Entry
from cnn_core.comparison import Progress, Result
from cnn_core.errors import Refused
from cnn_core.feature_maps import randomised
from cnn_core.weights import TorchvisionWeights

# A network that timm has for its own tests: 160 px, 1,000 classes, 1.9 MB.
TIMM, ARCHITECTURE = "timm/test_byobnet.r160_in1k", "test_byobnet"
WEIGHT = "SqueezeNet1_1_Weights.IMAGENET1K_V1"  # 5 MB
PICTURE = Image.linear_gradient("L").convert("RGB")


@pytest.fixture(scope="module")
def network():
    """A small network with random weights, as the Hub serves it."""
    torch.manual_seed(0)
    return timm.create_model(ARCHITECTURE).eval()


def config(**changes):
    cfg = timm.get_pretrained_cfg(TIMM.removeprefix("timm/")).to_dict()
    keys = ("input_size", "interpolation", "crop_pct", "mean", "std", "license")
    said = {"architecture": ARCHITECTURE, "num_classes": 1000, "pretrained_cfg": {key: cfg[key] for key in keys}}
    return said | changes


def put(root, repo, network, name=zoo.FILE, **changes):
    """A repository in timm's layout."""
    folder = root / repo
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(**changes)))
    if name.endswith(".safetensors"):
        save_file(network.state_dict(), folder / name)
    else:
        torch.save(network.state_dict(), folder / name)
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path, cache, network, monkeypatch):
    """A loopback Hub with one repository of timm's and one of somebody else's; nothing else is within reach."""
    with Hub(tmp_path / "hub") as hub:
        point_at(hub, cache, monkeypatch)
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
        monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: (_ for _ in ()).throw(OSError("off")))
        monkeypatch.setattr(comparison, "RUNS", 2)
        monkeypatch.setattr(comparison, "LEAST_RUNS", 1)
        monkeypatch.setattr(comparison, "POLL", 0.02)
        row = Entry("small", "Small", "Tests", TIMM, WEIGHT, top1=12.5, top1_source="a test", licence="MIT")
        monkeypatch.setitem(CATALOGUE, "small", row)
        comparison.facts.cache_clear()
        comparison._work.cache_clear()
        model_cache.forget()
        put(hub.root, TIMM, network)
        put(hub.root, "me/own", network)
        yield hub
        hub.faults.clear()
        hub.release()
        for thread in threading.enumerate():
            if thread.name in ("weights", "zoo"):
                thread.join(30)
                assert not thread.is_alive()
        model_cache.forget()


@pytest.fixture
def hasty(monkeypatch):
    """The time limits, shortened."""
    monkeypatch.setattr(weights, "ANSWER", 1.0)
    monkeypatch.setattr(weights, "STALL", 1.0)


def ask(*names, measure=False):
    """Results by name, and the progress on the way."""
    steps = list(comparison.compare([PICTURE], names, measure=measure))
    results = {each.facts.name: each for each in steps if isinstance(each, Result)}
    return results, [each for each in steps if isinstance(each, Progress)]


def expected(network, classes=1000):
    """What the served network says, prepared as its own description wants it."""
    cfg = timm.get_pretrained_cfg(TIMM.removeprefix("timm/")).to_dict()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=cfg))
    with torch.inference_mode():
        return network(transform(PICTURE)[None]).softmax(1)[:, :classes]


def blobs(cache):
    """Files of weights, whole or in part; descriptions are left out."""
    return [file for file in cache.rglob("blobs/*") if file.is_file() and file.stat().st_size > 10_000]


def torchvision_has(tmp_path, network):
    """Put torchvision's file into torch's cache."""
    path = tmp_path / "torch/checkpoints/squeezenet1_1-b8a52dc0.pth"
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    return path


def squeezenet():
    torch.manual_seed(1)
    return models.squeezenet1_1(weights=None).eval()


# The way as it should be


@pytest.mark.parametrize("name", [TIMM, "me/own", "small"])
def test_from_the_hub_to_an_answer(hub, network, name):
    results, progress = ask(name, measure=True)
    result = next(iter(results.values()))
    assert not result.error
    torch.testing.assert_close(result.probabilities, expected(network), rtol=1e-3, atol=1e-4)
    assert [word for word, _ in result.predictions[0]] == [
        zoo.imagenet_classes()[place] for place in expected(network)[0].topk(5).indices
    ]
    assert ("me/own" if name == "me/own" else TIMM) in str(result.source)
    assert "Hub" in str(result.source)
    assert result.latency
    assert result.latency.median_ms > 0
    assert result.peak_megabytes
    phases = list(dict.fromkeys(each.phase for each in progress))
    assert [phase for phase in phases if phase != "downloading"] == ["loading", "warming up", "measuring", "done"]
    requests = len(hub.requests)
    again, _ = ask(name)
    assert torch.equal(next(iter(again.values())).probabilities, result.probabilities)
    assert len(hub.requests) == requests  # the cache has it


def test_names_of_one_repository_are_one_network(hub):
    row = CATALOGUE["small"]
    assert zoo.key(TIMM) == zoo.key("test_byobnet.r160_in1k") == row.name
    assert zoo.get(TIMM) is zoo.get("small")


def test_progress_counts_the_bytes(hub, network):
    hub.faults.append(Fault("GET", "safetensors", pause=0.02))
    _, progress = ask("me/own")
    size = (hub.root / "me/own" / zoo.FILE).stat().st_size
    seen = [(each.done, each.total) for each in progress if each.phase == "downloading" and each.total == size]
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert all(0 <= done <= total for done, total in seen)
    assert any(0 < done < total for done, total in seen)
    assert not weights.transfers


def test_two_visitors_at_once_are_one_download(hub):
    hub.faults.append(Fault("GET", "safetensors", pause=0.02))
    together, found = threading.Barrier(4), []

    def visit():
        together.wait()
        results, progress = ask("small")
        found.append((results["small"].predictions, any(each.phase == "downloading" for each in progress)))

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert len({predictions for predictions, _ in found}) == 1
    assert len(found) == 4
    assert all(shown for _, shown in found)  # whoever waits sees how far it is
    assert hub.count("GET", "safetensors") == 1


def test_closing_ends_it_and_what_has_begun_serves_the_next(hub):
    hub.faults.append(Fault("GET", "safetensors", pause=0.02))
    steps = comparison.compare([PICTURE], ["me/own"], measure=False)
    assert any(step.phase == "downloading" for step in steps if isinstance(step, Progress))
    steps.close()
    results, _ = ask("me/own")
    assert results["me/own"].predictions
    assert hub.count("GET", "safetensors") == 1
    assert all(not entry.users for entry in model_cache._kept.values())


def test_auxiliary_heads_in_a_file_are_left_out(hub, network):
    state = network.state_dict() | {"AuxLogits.fc.weight": torch.zeros(3), "aux1.conv.weight": torch.zeros(3)}
    save_file(state, hub.root / "me/own" / zoo.FILE)
    assert ask("me/own")[0]["me/own"].predictions


def test_half_precision_is_widened(hub, network):
    state = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    save_file(state, hub.root / "me/own" / zoo.FILE)
    found = zoo.get("me/own").module
    assert {value.dtype for value in found.parameters()} == {torch.float32}
    torch.testing.assert_close(ask("me/own")[0]["me/own"].probabilities, expected(network), rtol=0.05, atol=0.01)


# The second source


def test_torchvision_serves_where_the_hub_cannot(hub, tmp_path):
    served = squeezenet()
    torchvision_has(tmp_path, served)
    hub.faults.append(Fault("HEAD", status=500))
    results, _ = ask("small")
    result = results["small"]
    assert str(result.source) == f"torchvision, {WEIGHT}"
    transform = models.get_weight(WEIGHT).transforms()
    with torch.inference_mode():
        right = served(transform(PICTURE)[None]).softmax(1)
    torch.testing.assert_close(result.probabilities, right, rtol=1e-2, atol=1e-4)
    # The figures are of the weights that served, under the row's own name.
    assert result.facts.top1 == models.get_weight(WEIGHT).meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert WEIGHT in result.facts.top1_source
    assert (result.facts.title, result.facts.input_side) == ("Small", 224)


def as_of_old(state):
    """DenseNet's names before PyTorch forbade points in them ("norm.1.weight"), and before it counted batches."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize(
    ("name", "build", "change"),
    [
        ("googlenet", partial(models.googlenet, aux_logits=True, init_weights=False), dict),
        ("inception_v3", partial(models.inception_v3, init_weights=False), dict),
        ("densenet121", models.densenet121, as_of_old),
        ("mnasnet1_0", models.mnasnet1_0, lambda state: state),
        ("wide_resnet50_2", models.wide_resnet50_2, lambda state: {key: value.half() for key, value in state.items()}),
    ],
)
def test_torchvisions_files_are_read_as_torchvision_reads_them(hub, tmp_path, name, build, change):
    """Auxiliary heads, the pictures' own normalisation, old names, versions, half precision."""
    weight = next(iter(models.get_model_weights(name)))
    path = tmp_path / "torch/checkpoints" / Path(weight.url).name
    path.parent.mkdir(parents=True)
    torch.manual_seed(2)
    torch.save(change(randomised(build(weights=None)).state_dict()), path)
    side = weight.transforms().crop_size[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = models.get_model(name, weights=weight).eval()
    ours = zoo._load(name, TorchvisionWeights(str(weight))).module
    images = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        found = ours(images)
        torch.testing.assert_close(found, theirs(images))
        assert (found - ours(images * 0.9)).abs().max() > 0.01  # it does look at the picture


def test_what_is_here_is_not_fetched_from_elsewhere(hub, tmp_path):
    torchvision_has(tmp_path, squeezenet())
    assert "torchvision" in str(ask("small")[0]["small"].source)
    assert not hub.requests


def test_no_source_is_one_sentence_that_names_each(hub):
    hub.faults.append(Fault("HEAD", status=503))
    results, _ = ask("small", measure=True)
    result = results["small"]
    assert re.fullmatch(r"No weights for small \(\S*test_byobnet\S*: the server answered 503; "
                        r"torchvision SqueezeNet1_1\S*: [^\n]*off[^\n]*\)\.", str(result.error))  # fmt: skip
    # The row stays, and no answer is invented.
    assert (result.predictions, result.probabilities, result.source) == ((), None, None)
    assert result.facts.top1 == 12.5
    assert result.facts.num_params == models.get_weight(WEIGHT).meta["num_params"]
    assert result.latency
    assert result.peak_megabytes


uploads = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@uploads
def test_a_mirror_serves_torchvisions_weights(hub, tmp_path, network, monkeypatch, capsys):
    served = squeezenet()
    original = torchvision_has(tmp_path, served)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.token = "hf_secret"
    assert weights.main(["mirror", "me/mine", WEIGHT, "--private"]) == 0
    assert capsys.readouterr().out.strip() == f"{hub.url}/me/mine"
    files = hub.files("me/mine")
    assert set(files) == {".gitattributes", f"{WEIGHT}/config.json", f"{WEIGHT}/{zoo.FILE}"}
    state = load_file(files[f"{WEIGHT}/{zoo.FILE}"])
    assert all(torch.equal(value, state[key]) for key, value in served.state_dict().items())
    said = json.loads(files[f"{WEIGHT}/config.json"].read_text())
    assert zoo._photograph(said) == zoo.describe(TorchvisionWeights(WEIGHT)).preprocess
    assert said["license"] == "BSD-3-Clause"
    original.unlink()
    model_cache.forget()
    monkeypatch.setenv("CONVLENS_WEIGHTS_REPO", "me/mine")
    result = ask("squeezenet1_1")[0]["squeezenet1_1"]
    assert str(result.source) == f"me/mine on the Hugging Face Hub, a mirror of torchvision's {WEIGHT}"
    assert result.predictions


@uploads
@pytest.mark.parametrize(
    ("arguments", "fault", "words"),
    [
        ([WEIGHT], Fault("POST", "commit", status=403), "was not mirrored to me/mine: the token does not allow it"),
        ([WEIGHT], Fault("HEAD", silent_after=-1), "was not mirrored to me/mine: the server cannot be reached"),
        (["AlexNet_Weights.IMAGENET1K_V1"], Fault("PUT"), "No weights for AlexNet_Weights.IMAGENET1K_V1"),
        (["AlexNet"], Fault("PUT"), "Torchvision has no weights called 'AlexNet'"),
    ],
)
def test_a_mirror_that_fails_says_why(hub, hasty, tmp_path, monkeypatch, capsys, arguments, fault, words):
    torchvision_has(tmp_path, squeezenet())
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.faults.append(fault)
    assert weights.main(["mirror", "me/mine", *arguments]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_mirror_without_a_token_says_so(hub, tmp_path):
    torchvision_has(tmp_path, squeezenet())
    with pytest.raises(Refused, match="token"):
        zoo.mirror("me/mine", [WEIGHT])
    assert not hub.requests


# Faults


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(Fault("HEAD", "safetensors", status=500), "answered 500", id="down"),
        pytest.param(Fault("HEAD", "safetensors", status=429), "asks for a pause", id="rate-limited"),
        pytest.param(Fault("HEAD", "safetensors", silent_after=-1), "cannot be reached", id="silent"),
        pytest.param(Fault("GET", "safetensors", silent_after=500_000), "cannot be reached", id="silent inside"),
        pytest.param(Fault("GET", "safetensors", cut_after=0), "as it should|broke off", id="cut"),
        pytest.param(Fault("GET", "safetensors", body=b"short"), "broke off", id="short"),
        pytest.param(Fault("HEAD", "safetensors", status=401), "HF_TOKEN", id="token wanted"),
    ],
)
def test_a_fault_is_one_sentence_and_the_next_try_succeeds(hub, hasty, cache, monkeypatch, fault, words):
    monkeypatch.setattr(weights, "REMEMBER", 0.0)
    hub.faults.append(fault)
    began = time.monotonic()
    results, progress = ask("me/own")
    assert time.monotonic() - began < 10
    assert re.search(words, str(results["me/own"].error))
    assert str(results["me/own"].error).count("\n") == 0
    assert progress[-1] == Progress("me/own", "done")
    assert not weights.transfers
    hub.faults.clear()
    hub.release()
    monkeypatch.setattr(weights, "STALL", 30.0)  # the first try's client may still be at it, and holds the file
    assert ask("me/own")[0]["me/own"].predictions
    for thread in threading.enumerate():
        if thread.name == "weights":
            thread.join(30)
    assert not [file for file in blobs(cache) if "incomplete" in file.name]


def test_a_slow_hub_may_take_its_time(hub, hasty):
    hub.faults.append(Fault("GET", "safetensors", pause=0.05))
    assert ask("me/own")[0]["me/own"].predictions


def test_a_cut_download_resumes_at_its_byte(hub):
    hub.faults.append(Fault("GET", "safetensors", cut_after=1_000_000, times=1))
    assert ask("me/own")[0]["me/own"].predictions
    assert hub.count("GET", "safetensors") == 2


def test_a_full_disk_leaves_nothing_half_written(hub, cache):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        results, _ = ask("me/own")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cache cannot be written" in str(results["me/own"].error)
    assert not blobs(cache)
    assert ask("me/own")[0]["me/own"].predictions


def test_a_server_in_trouble_is_left_alone_for_a_while(hub):
    hub.faults.append(Fault("HEAD", status=503))
    for _ in range(2):
        ask("me/own")
    assert len(hub.requests) == 1


def test_one_networks_failure_leaves_the_others(hub):
    results, _ = ask("nobody/nothing", "small", "no_such_network", "me/own")
    assert list(results) == ["nobody/nothing", "small", "no_such_network", "me/own"]
    assert [bool(result.error) for result in results.values()] == [True, False, True, False]


def test_a_network_that_breaks_is_a_row_and_not_the_end(hub, monkeypatch, caplog):
    zoo.get("me/own").module.forward = lambda _: 1 / 0
    results, _ = ask("me/own", "small")
    assert "me/own failed on this machine (ZeroDivisionError)" in str(results["me/own"].error)
    assert "ZeroDivisionError" in caplog.text
    assert results["small"].predictions
    model_cache.forget()


def test_weights_that_do_not_fit_are_said_so(hub, network, cache):
    state = dict(network.state_dict())
    key = next(iter(state))
    for wrong in ({**state, key: torch.zeros(2, 2)}, {k: v for k, v in state.items() if k != key},
                  {**state, "more": torch.zeros(2)}):  # fmt: skip
        save_file(wrong, hub.root / "me/own" / zoo.FILE)
        assert "does not fit the network" in str(ask("me/own")[0]["me/own"].error)
        assert not blobs(cache)
    save_file(state, hub.root / "me/own" / zoo.FILE)
    assert ask("me/own")[0]["me/own"].predictions


def test_a_file_that_is_no_safetensors_is_said_so(hub, cache):
    (hub.root / "me/own" / zoo.FILE).write_bytes(b"<html>" * 10_000)
    assert "does not fit the network" in str(ask("me/own")[0]["me/own"].error)
    assert not blobs(cache)


# What is checked before anything is downloaded


def test_check_says_what_it_would_be(hub, network):
    (hub.root / "me/own/README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    (hub.root / "me/own/config.json").write_text(json.dumps(config(pretrained_cfg={"input_size": [3, 160, 160]})))
    facts = comparison.check(" me/own ")
    assert facts.name == "me/own"
    assert facts.num_params == sum(value.numel() for value in network.parameters())
    assert facts.megabytes * 1e6 == (hub.root / "me/own" / zoo.FILE).stat().st_size
    assert (facts.input_side, facts.licence) == (160, "CC-BY-NC-4.0")
    assert not hub.count("GET", "safetensors")


@pytest.mark.parametrize("typed", ["resnet18", "timm/resnet50.a1_in1k", "ResNet50_Weights.IMAGENET1K_V2", "cat_dog"])
def test_known_names_are_checked_without_the_hub(hub, typed):
    assert comparison.check(typed).num_params > 10**6
    assert not hub.requests


def refusal(typed):
    with pytest.raises(Refused) as caught:
        comparison.check(typed)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_unknown_name_lists_the_near_ones(hub):
    assert "resnet18" in refusal("resnet81")
    assert "resnet18.tv_in1k" in refusal("timm/resnet18.tv2_in1k")
    assert "resnet50" in refusal("somebody/resnet50d")
    assert "Type the name" in refusal("  ")


def test_a_repository_that_is_no_classifier_is_refused(hub, network):
    def says(**changes):
        put(hub.root, "me/other", network, **changes)
        comparison.facts.cache_clear()
        for folder in Path(constants.HF_HUB_CACHE).glob("models--me--other"):
            folder.rename(folder.with_name(f"old-{time.monotonic_ns()}"))
        return refusal("me/other")

    assert "features, no classes" in says(num_classes=0)
    assert "names no network" in says(architecture="BertForMaskedLM")
    assert "names no network" in says(architecture="hf-hub:me/own")
    assert "pictures and classes cannot be used" in says(pretrained_cfg={"input_size": [1, 28, 28]})
    assert "unreasonable size" in says(model_args={"width": 10**9})
    (hub.root / "me/other/config.json").unlink()
    assert "has no config.json" in refusal("me/other")
    (hub.root / "me/other" / zoo.FILE).unlink()
    (hub.root / "me/other/README.md").write_text("words")
    assert "holds no model.safetensors" in refusal("me/other")


def test_a_pickle_is_refused_and_never_fetched(hub, network):
    put(hub.root, "me/pickled", network, "pytorch_model.bin")
    assert "pickle only (pytorch_model.bin)" in refusal("me/pickled")
    assert not hub.count("GET", "resolve")


def test_too_large_is_refused_before_it_is_fetched(hub, monkeypatch):
    monkeypatch.setattr(zoo, "MOST_MEGABYTES", 1)
    assert "me/own has 2 MB: choose a network of at most 1 MB" in refusal("me/own")
    assert "at most 1 MB" in refusal("vgg16")
    results, _ = ask("me/own")  # typed past the check
    assert "at most 1 MB" in str(results["me/own"].error)
    assert not hub.count("GET", "safetensors")


@pytest.mark.parametrize("status", [500, 429])
def test_a_hub_in_trouble_cannot_be_asked(hub, status):
    hub.faults.append(Fault("GET", "api/models", status=status))
    assert re.search("answered 500|asks for a pause", refusal("me/own"))
