"""The transfer lab's core: what is frozen stays, what is kept is a copy, and what is said of the pictures is so."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import loopback_hub
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.testing import assert_close

from cnn_core import backbones, benchmark_transfer, transfer, weights
from cnn_core.archives import Pictures
from cnn_core.backbones import Backbone
from cnn_core.errors import Refused
from cnn_core.models.resnet import ResNet
from cnn_core.preprocessing import Photograph
from cnn_core.transfer import Classifier, Collection, Plan

ROOT = Path(__file__).parents[1]
HUB = ROOT.parent / "shared" / "hub"
SIDE = 32
LAYOUT = {"library": "convlens", "architecture": "cat_dog", "arguments": {}}


def tiny():
    return ResNet(18, num_classes=2, width=1 / 8)


@pytest.fixture(scope="module")
def backbone():
    """A ResNet of 8 to 64 channels with random parameters, and batch norms that have seen something."""
    torch.manual_seed(0)
    network = tiny()
    network.set_submodule("fc", nn.Identity())
    for _ in range(10):
        network.train()(torch.rand(8, 3, SIDE, SIDE))
    return Backbone("cat_dog", network.eval(), 64, SIDE, (0.5, 0.4, 0.3), (0.2, 0.2, 0.3), LAYOUT)


@pytest.fixture
def row(monkeypatch):
    """A row "cat_dog" whose network is the tiny one, so that files can be read again."""
    garment = weights.WEIGHTS["fashion_dnn"]
    monkeypatch.setitem(weights.WEIGHTS, "cat_dog", replace(garment, build=tiny, preprocess=Photograph(SIDE)))


def collection(per_class=(12, 12, 12), seed=0):
    """Pictures of one colour each with noise on it: red, green, blue."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(per_class)])
    pictures = torch.randint(0, 120, (len(labels), 3, SIDE, SIDE), generator=random)
    for index, label in enumerate(labels.tolist()):
        pictures[index, label % 3] += 100
    names = tuple(f"{number}.png" for number in range(len(labels)))
    classes = ("red", "green", "blue")[: len(per_class)]
    return Collection(classes, names, pictures.to(torch.uint8), labels)


def finished(steps):
    """What a generator returns in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def curve(trained):
    return [(epoch.train_loss, epoch.validation_loss, epoch.validation_accuracy) for epoch in trained.history]


def png(colour):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def files(tmp_path):
    """Function that writes pictures, or files with other content, and returns their paths."""

    def write(folder, *contents):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = [tmp_path / folder / f"{number}.png" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return Pictures(paths)

    return write


# The pictures


def test_pictures_are_collected_class_by_class(files):
    groups = [("a", files("a", png("red"), b"broken", png("red"))), ("b", files("b", png("blue"), png("blue")))]
    collected = finished(transfer.collect(groups, SIDE))
    assert collected.classes == ("a", "b")
    assert collected.labels.tolist() == [0, 0, 1, 1]
    assert collected.pictures.shape == (4, 3, SIDE, SIDE)
    assert collected.pictures[0, :, 0, 0].tolist() == [255, 0, 0]
    assert [each.name for each in collected.skipped] == ["1.png"]
    assert collected.thumbnails.shape == (4, 3, transfer.THUMBNAIL, transfer.THUMBNAIL)


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ({"a": [png("red")] * 3}, "tells 2 to 10 classes apart, and there are readable pictures of 1"),
        ({str(number): [png("red")] * 2 for number in range(11)}, "there are readable pictures of 11"),
        ({"a": [png("red")] * 3, "b": [png("red")]}, "The class b has one readable picture"),
        ({"a": [png("red")] * 3, "b": [png("red"), b"broken"]}, r"one readable picture .*\(1.png could not be read\)"),
    ],
)
def test_too_few_are_refused(files, contents, sentence):
    groups = [(name, files(name, *pictures)) for name, pictures in contents.items()]
    with pytest.raises(Refused, match=sentence):
        finished(transfer.collect(groups, SIDE))


def test_too_many_are_refused_before_they_are_read(files, monkeypatch):
    monkeypatch.setattr(transfer, "MOST_PICTURES", 3)
    with pytest.raises(Refused, match="at most 3 here"):
        next(transfer.collect([("a", files("a", png("red"), png("red"))), ("b", files("b", b"", b""))], SIDE))


def test_the_split_takes_a_fifth_of_each_class_and_one_at_least():
    labels = torch.tensor([0] * 50 + [1] * 2 + [2] * 10)
    learn, validate = transfer.split(labels)
    assert labels[validate].bincount().tolist() == [10, 1, 2]
    assert sorted([*learn.tolist(), *validate.tolist()]) == list(range(62))
    assert transfer.split(labels)[0].tolist() == learn.tolist()
    assert transfer.split(labels, 1)[0].tolist() != learn.tolist()


# The training


def test_a_head_learns_colours(backbone):
    trained = finished(transfer.fit(backbone, collection(), Plan("head", 12, 0.05)))
    assert trained.accuracy == 1
    assert trained.confusion.tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert trained.learning == 64 * 3 + 3
    assert trained.parameters == sum(each.numel() for each in backbone.network.parameters()) + 195


@pytest.mark.parametrize("strategy", ["everything", "from scratch"])
def test_learns_one_batch_by_heart(backbone, strategy):
    trained = finished(transfer.fit(backbone, collection((6, 6)), Plan(strategy, 25, 0.01)))
    assert min(epoch.train_loss for epoch in trained.history) < 0.1


def test_the_head_on_kept_features_equals_the_head_on_the_whole_network(backbone):
    kept, whole = (
        finished(transfer.fit(backbone, collection(), Plan("head", 4, 0.02), keep_features=keep))
        for keep in (True, False)
    )
    assert_close(torch.tensor(curve(kept)), torch.tensor(curve(whole)), atol=1e-4, rtol=1e-4)
    assert_close(kept.classifier.head.weight, whole.classifier.head.weight, atol=1e-4, rtol=1e-3)
    assert_close(kept.logits, whole.logits, atol=1e-3, rtol=1e-3)


def test_the_benchmark_compares_like_with_like(backbone):
    ours, course = benchmark_transfer.measure(backbone, collection((20, 20)), 3)
    assert ours.accuracy == course.accuracy
    squares = benchmark_transfer.textures(9, SIDE)
    assert squares.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert squares.pictures.shape == (9, 3, SIDE, SIDE)


@pytest.mark.parametrize(("strategy", "still"), [("head", 1.0), ("last block", 0.25), ("everything", 0.0)])
@pytest.mark.parametrize("keep", [True, False])
def test_what_is_frozen_does_not_move_and_statistics_do_not_drift(backbone, strategy, still, keep):
    before = {key: value.clone() for key, value in backbone.network.state_dict().items()}
    trained = finished(transfer.fit(backbone, collection(), Plan(strategy, 1, 0.01, augment=True), keep))
    after = trained.classifier.backbone.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert not {key for key in moved if "running" in key or "num_batches" in key}
    parameters = {key for key, _ in backbone.network.named_parameters()}
    share = sum(before[key].numel() for key in parameters - moved) / sum(before[key].numel() for key in parameters)
    assert share >= still
    assert (strategy == "everything") == (moved == parameters)
    assert strategy != "last block" or all(key.startswith("layer4.1") for key in moved)
    assert all(torch.equal(before[key], value) for key, value in backbone.network.state_dict().items())


def test_from_scratch_forgets_everything_and_learns_statistics(backbone):
    trained = finished(transfer.fit(backbone, collection(), Plan("from scratch", 1, 0.001)))
    after = trained.classifier.backbone.state_dict()
    assert not torch.equal(after["layer1.0.conv1.weight"], backbone.network.state_dict()["layer1.0.conv1.weight"])
    assert after["bn1.num_batches_tracked"] == 1
    assert trained.learning == trained.parameters


@pytest.mark.parametrize("strategy", transfer.STRATEGIES)
def test_same_seed_same_curve_and_another_seed_another(backbone, strategy):
    plan = Plan(strategy, 2, 0.01, augment=True)
    first, again, other = (
        curve(finished(transfer.fit(backbone, collection((5, 5)), replace(plan, seed=seed)))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_best_weights_are_a_copy(backbone, monkeypatch):
    monkeypatch.setattr(transfer, "_rank", lambda epoch: -epoch.number)  # let the first epoch be the best
    trained = finished(transfer.fit(backbone, collection((10, 10)), Plan("everything", 4, 0.01)))
    assert trained.best == 1
    chosen = trained.validation
    kept = nn.functional.cross_entropy(trained.logits[chosen], trained.labels[chosen]).item()
    assert kept == pytest.approx(trained.history[0].validation_loss, rel=1e-3)
    assert kept != pytest.approx(trained.history[-1].validation_loss, rel=1e-2)


def test_a_training_that_is_closed_stops(backbone):
    steps = transfer.fit(backbone, collection(), Plan("head", 50))
    assert next(steps).doing == "look"
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_steps_tell_how_far_it_is(backbone):
    steps = list(transfer.fit(backbone, collection((40, 40)), Plan("last block", 2)))
    shares = [step.share for step in steps if step.doing == "train"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert [step.measured.number for step in steps if step.measured] == [1, 2]
    assert steps[-1].doing == "report"


def test_a_loss_that_is_no_number_is_refused_in_the_first_epoch(backbone):
    with pytest.raises(Refused, match="lower learning rate"):
        finished(transfer.fit(backbone, collection(), Plan("everything", 3, 1e30)))


def test_a_loss_that_is_no_number_later_leaves_the_best_epoch(backbone, monkeypatch):
    real, calls = nn.functional.cross_entropy, []

    def sometimes(logits, labels):
        calls.append(1)
        return real(logits, labels) * (float("nan") if len(calls) > 6 else 1)  # an epoch takes three

    monkeypatch.setattr(transfer.F, "cross_entropy", sometimes)
    trained = finished(transfer.fit(backbone, collection((12, 12)), Plan("head", 5, 0.01)))
    assert trained.stopped == 3
    assert len(trained.history) == 2
    assert trained.best in (1, 2)
    assert trained.logits.isfinite().all()


@pytest.mark.parametrize("wrong", [{"strategy": "magic"}, {"epochs": 0}, {"learning_rate": float("nan")}])
def test_plans_that_cannot_be_are_refused(wrong):
    with pytest.raises(Refused, match="Choose"):
        Plan(**wrong)


@pytest.mark.parametrize(
    ("name", "library", "last"),
    [
        ("resnet18", "torchvision", ["BasicBlock"]),
        ("mobilenet_v2", "torchvision", ["BatchNorm2d", "Conv2d", "InvertedResidual"]),
        ("mobilenetv2_100", "timm", ["BatchNormAct2d", "Conv2d", "InvertedResidual"]),
    ],
)
def test_the_last_block_is_a_block(name, library, last):
    network = backbones.build({"library": library, "architecture": name})
    assert [type(part).__name__ for part in transfer.tail(network, 0.25)] == last


# What it makes of the pictures


def test_a_wrong_label_is_found(backbone):
    pictures = collection((20, 20))
    labels = pictures.labels.clone()
    labels[3] = 1
    trained = finished(transfer.fit(backbone, replace(pictures, labels=labels), Plan("head", 10, 0.05)))
    assert transfer.likely_wrong_labels(trained.features, labels)[0] == (3, 0)


def test_worst_mistakes_are_wrong_and_surest_first(backbone):
    trained = finished(transfer.fit(backbone, collection((12, 12)), Plan("head", 1, 0.001)))
    logits = torch.zeros_like(trained.logits)
    logits[torch.arange(24), 1 - trained.labels] = torch.arange(1.0, 25.0)  # all wrong, later ones surer
    mistakes = transfer.worst_mistakes(replace(trained, logits=logits))
    assert mistakes == sorted(trained.validation.tolist(), reverse=True)


def test_the_map_shows_the_first_two_principal_components():
    torch.manual_seed(0)
    features = torch.randn(200, 6) * torch.tensor([9.0, 5.0, 1.0, 1.0, 1.0, 1.0]) + 3
    shown = transfer.map_of(features)
    assert_close(shown.axes.abs().argmax(0), torch.tensor([0, 1]))
    assert shown.place(features[17]) == pytest.approx(shown.points[17].tolist(), abs=1e-4)
    assert shown.place(features.mean(0)) == pytest.approx((0, 0), abs=1e-4)


def test_separation_is_nought_for_noise_and_one_for_classes_apart():
    torch.manual_seed(0)
    labels = torch.arange(300) % 3
    noise = torch.randn(300, 8)
    assert transfer.separation(noise, labels) < 0.15
    assert transfer.separation(noise + 20 * torch.eye(3, 8)[labels], labels) == 1


def test_advice_covers_the_four_cases():
    few = collection((4, 4))
    many = replace(few, labels=torch.arange(1200) % 2)
    cases = [transfer.case(each, apart) for each in (few, many) for apart in (0.9, 0.1)]
    assert [transfer.ADVICE[each] for each in cases] == ["head", "last block", "last block", "everything"]


# The file


@pytest.fixture
def trained(backbone, row):
    return finished(transfer.fit(backbone, collection(), Plan("head", 2, 0.05)))


def test_a_saved_classifier_is_read_again(trained, tmp_path):
    model, about = transfer.save(trained.classifier, transfer.card(trained), tmp_path)
    assert json.loads(about.read_text())["classes"] == ["red", "green", "blue"]
    classifier, read = transfer.load(model)
    assert read == transfer.card(trained)
    image = torch.rand(2, 3, SIDE, SIDE)
    assert_close(classifier(image), trained.classifier(image))


def spoilt(model, **changes):
    """A saved file with another card or other tensors."""
    from safetensors import safe_open

    with safe_open(model, "pt") as file:
        about = json.loads(file.metadata()["card"])
    state = load_file(model)
    about |= changes.get("card", {})
    about["backbone"] |= changes.get("backbone", {})
    state |= changes.get("state", {})
    for key in changes.get("without", ()):
        del state[key]
    save_file(state, model, metadata={"card": json.dumps(about)})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"card": {"classes": ["a", "b"]}}, r"names 2 classes .* head.bias is \[3\], not \[2\]"),
        ({"card": {"classes": ["a"]}}, "does not name 2 to 10 classes"),
        ({"card": {"classes": "abc"}}, "does not name 2 to 10 classes"),
        ({"state": {"head.weight": torch.zeros(3, 65)}}, r"head.weight is \[3, 65\], not \[3, 64\]"),
        ({"state": {"more": torch.zeros(1)}}, "more is"),
        ({"without": ["backbone.conv1.weight"]}, "conv1.weight is missing"),
        ({"state": {"head.bias": torch.tensor([0, float("nan"), 0])}}, "no numbers"),
        ({"card": {"backbone": {}}}, "no classifier from here"),
        ({"backbone": {"mean": [0.5, 0.5]}}, "no classifier from here"),
        ({"backbone": {"std": [0.5, 0, 0.5]}}, "no classifier from here"),
        ({"backbone": {"features": 7}, "state": {"head.weight": torch.zeros(3, 7)}}, "no classifier from here"),
    ],
)
def test_files_that_do_not_fit_are_refused(trained, tmp_path, changes, sentence):
    model, _ = transfer.save(trained.classifier, transfer.card(trained), tmp_path)
    spoilt(model, **changes)
    with pytest.raises(Refused, match=sentence):
        transfer.load(model)


@pytest.mark.parametrize("content", [b"", b"no safetensors", png("red")])
def test_files_of_another_kind_are_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(Refused, match="no classifier from here"):
        transfer.load(tmp_path / "x.safetensors")


# The backbones


def test_a_shipped_row_becomes_a_backbone(row, monkeypatch):
    monkeypatch.setattr(weights, "shared", lambda name: tiny().eval())
    backbones.load.cache_clear()
    loaded = backbones.load("cat_dog")
    backbones.load.cache_clear()
    assert (loaded.num_features, loaded.side, loaded.std) == (64, SIDE, (1, 1, 1))
    rebuilt = backbones.build(loaded.layout)
    assert [value.shape for value in rebuilt.state_dict().values()] == [
        value.shape for value in loaded.network.state_dict().values()
    ]


@pytest.mark.parametrize("name", ["nothing", "a/b/c", ""])
def test_names_that_are_no_repository_are_refused(name):
    with pytest.raises(Refused, match="owner/name"):
        backbones.load(name)


def test_a_network_that_is_too_large_is_refused_before_it_is_built():
    with pytest.raises(Refused, match="million parameters"):
        backbones.build({"library": "timm", "architecture": "vit_giant_patch14_224"})
    with pytest.raises(Refused, match="no network like that"):
        backbones.build({"library": "timm", "architecture": "resnet18", "arguments": {"no_such": 1}})
    with pytest.raises(Refused, match="no network like that"):
        backbones.build({"library": "os", "architecture": "system"})
    for settings in ({"stem_width": 10**9}, {"drop_rate": 1e9}):
        with pytest.raises(Refused, match="no network like that"):
            backbones.build({"library": "timm", "architecture": "resnet18", "arguments": settings})
    for name in ("hf-hub:me/own", "local-dir:/etc"):
        with pytest.raises(Refused, match="no network like that"):
            backbones.build({"library": "timm", "architecture": name})


def test_settings_that_open_files_or_are_no_plain_values_are_left_out():
    settings = {"checkpoint_path": "/etc/passwd", "layers": [3_000_000, 1, 1, 1]}
    network = backbones.build({"library": "timm", "architecture": "resnet18", "arguments": settings})
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_176_512


HUB_PROGRAM = """
import json, torch
from cnn_core import backbones, transfer
for repo in ("torchvision-mirror/mobilenet_v2", "hf-hub:timm-mirror/mobilenetv2_100"):
    found = backbones.load(repo)
    with torch.inference_mode():
        features = transfer.Classifier(found, 2).features(torch.rand(2, 3, found.side, found.side))
    print(json.dumps([found.num_features, found.side, found.mean[0], features.shape[1], bool(features.std() > 0.01)]))
"""


@pytest.mark.skipif(not HUB.is_dir(), reason="there is no ../shared/hub beside the repository")
def test_backbones_of_torchvision_and_timm_come_with_their_own_preprocessing():
    environment = os.environ | {"HF_HUB_CACHE": str(HUB), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", HUB_PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [1280, 224, 0.485, 1280, True],
        [1280, 224, 0.5, 1280, True],
    ]


PUBLISH_PROGRAM = """
import sys
from pathlib import Path
from cnn_core import transfer
from cnn_core.errors import Refused
try:
    print(transfer.publish(Path(sys.argv[1]), "me/lab", sys.argv[2]))
except Refused as refused:
    print(refused)
"""


def test_a_classifier_is_published_with_the_owners_token(trained, tmp_path):
    transfer.save(trained.classifier, transfer.card(trained), tmp_path / "saved")
    (tmp_path / "hub").mkdir()
    with loopback_hub.Hub(tmp_path / "hub") as hub:
        hub.token = "hf_mine"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        program = [sys.executable, "-c", PUBLISH_PROGRAM, str(tmp_path / "saved")]
        options = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "check": True}
        refused = subprocess.run([*program, "hf_other"], **options).stdout
        published = subprocess.run([*program, "hf_mine"], **options).stdout
        assert refused.startswith("Nothing was published to me/lab: a valid token is needed")
        assert published.strip() == f"{hub.url}/me/lab"
        assert "me/lab" in hub.private
        sent = tmp_path / "hub" / "me" / "lab" / "model.safetensors"
        assert sent.read_bytes() == (tmp_path / "saved" / "model.safetensors").read_bytes()
    with pytest.raises(Refused, match="paste a token"):
        transfer.publish(tmp_path, "me/lab", " ")
    assert isinstance(trained.classifier, Classifier)
