"""Networks side by side: figures worked by hand, answers of real networks, and nothing shared between visitors."""

import threading
import time
from itertools import pairwise
from math import exp

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from cnn_core import comparison, model_cache, weights, zoo
from cnn_core.comparison import Facts, Result, disturb, frontier
from cnn_core.errors import Refused, Words
from cnn_core.preprocessing import Photograph
from cnn_core.weights import WEIGHTS
from demos._photographs import photograph

SQUEEZENET, MOBILENET, TIMM = (
    "torchvision-mirror/squeezenet1_0",
    "torchvision-mirror/mobilenet_v2",
    "timm-mirror/mobilenetv2_100",
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few runs, and no word to any server."""
    monkeypatch.setattr(comparison, "RUNS", 3)
    monkeypatch.setattr(comparison, "LEAST_RUNS", 1)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def hub(monkeypatch, shared):
    """The real networks beside the repository, where they are."""
    folder = shared.parent / "hub"
    if not folder.is_dir():
        pytest.skip("there is no ../shared/hub beside the repository")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))


@pytest.fixture(scope="module")
def cat():
    return photograph("Cat")


def results(steps):
    return [each for each in steps if isinstance(each, Result)]


# Counting


class Two(nn.Module):
    """A convolution with 2·(3·3·1) weights, one depthwise, one of 1×1, and a layer of 4·4·3 to 5."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Conv2d(1, 2, 3, padding=1)
        self.depthwise = nn.Conv2d(2, 2, 3, padding=1, groups=2, bias=False)
        self.pointwise = nn.Conv2d(2, 3, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.full = nn.Linear(48, 5)

    def forward(self, x):
        return self.full(self.relu(self.pointwise(self.depthwise(self.dense(x)))).flatten(1))


def test_work_is_the_sum_by_hand():
    done = comparison.work(Two(), (1, 4, 4))
    assert done.num_params == (18 + 2) + 18 + 6 + (240 + 5)
    assert done.kinds == {"dense": 16 * 18, "depthwise": 16 * 18, "1×1": 16 * 6, "fully connected": 240}
    assert done.multiply_adds == 288 + 288 + 96 + 240
    assert done.steps == 5 + 1  # the blank picture is made too
    # Most are alive in the third convolution, where its input (2·16) and output (3·16) are, and the picture (16) that
    # the caller holds; the first convolution's output is gone by then. Of 4 bytes each.
    assert done.peak == 4 * (16 + 32 + 48)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x1_0", "vit_b_16", "densenet121"])
def test_work_is_that_of_torchs_own_counter(name):
    with torch.device("meta"):
        network = models.get_model(name, weights=None).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, 3, 224, 224, device="meta"))
    done = comparison.work(network, (3, 224, 224))
    assert done.multiply_adds == counter.get_total_flops() // 2
    assert sum(done.kinds.values()) == done.multiply_adds


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "squeezenet1_0"])
def test_memory_is_near_to_what_the_profiler_sees(name, tmp_path):
    """The profiler also counts what convolutions take for themselves for a moment, so it sees more, not less."""
    import json

    network, images = models.get_model(name, weights=None).eval(), torch.rand(1, 3, 224, 224)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with (
        torch.inference_mode(),
        torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True) as profiler,
    ):
        network(images)
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    changes = [(each["ts"], each["args"]["Bytes"]) for each in events if each.get("name") == "[memory]"]
    most = max(np.cumsum([change for _, change in sorted(changes)])) + images.nbytes
    assert 0.5 * most <= comparison.work(network, (3, 224, 224)).peak <= 1.05 * most


def test_facts_take_little_memory_and_no_weights():
    facts = comparison.facts("vgg16")
    assert (facts.title, facts.family, facts.input_side) == ("VGG-16", "VGG", 224)
    assert (facts.num_params, round(facts.multiply_adds / 1e9, 2)) == (138_357_544, 15.47)
    assert facts.megabytes == pytest.approx(553.4, abs=0.5)
    assert (facts.top1, facts.licence) == (71.592, "BSD-3-Clause")
    assert not [key for key in model_cache.names() if "vgg16" in key]
    assert all(tensor.is_meta for tensor in zoo.numberless(comparison._blueprint("vgg16").build).parameters())


def test_facts_of_other_weights_are_their_own():
    first, second = (comparison.facts(f"MobileNet_V2_Weights.IMAGENET1K_V{number}") for number in (1, 2))
    assert (first.top1, second.top1) == (71.878, 72.154)
    assert first.num_params == second.num_params
    assert second.title == "MobileNet v2 (IMAGENET1K_V2)"
    recipe = comparison.facts("timm/resnet18.a1_in1k")
    assert (recipe.title, recipe.top1, recipe.licence) == ("ResNet-18 (a1_in1k)", None, "Apache-2.0")
    assert comparison.facts("timm/resnet18.fb_swsl_ig1b_ft_in1k").licence == "CC-BY-NC-4.0"


def test_facts_of_the_shipped_networks_name_their_own_test():
    facts = comparison.facts("cat_dog")
    assert facts.top1 is None
    assert "test photographs" in facts.top1_source
    assert facts.num_params == WEIGHTS["cat_dog"].num_params
    file = weights.FOLDER / "cat_dog" / "model.safetensors"
    assert facts.megabytes == pytest.approx(file.stat().st_size / 1e6)


# Answers


@pytest.mark.parametrize("name", [SQUEEZENET, MOBILENET, TIMM])
def test_real_networks_know_a_cat(hub, cat, name):
    result = results(comparison.compare([cat], [name]))[0]
    assert not result.error
    words = [word for word, _ in result.predictions[0]]
    assert set(words[:3]) & {"tabby", "tiger cat", "Egyptian cat"} == set(words[:3])
    values = [value for _, value in result.predictions[0]]
    assert values == sorted(values, reverse=True)
    assert str(result.source) == f"{name} on the Hugging Face Hub"
    assert result.latency.median_ms <= result.latency.p95_ms
    assert result.latency.threads == torch.get_num_threads()


@pytest.mark.parametrize(
    ("file", "word"), [("dalmatian.jpg", "dalmatian"), ("zebra.jpg", "zebra"), ("goldfish.jpg", "goldfish")]
)
def test_real_networks_know_other_photographs(hub, shared, file, word):
    picture = Image.open(shared / "images" / file).convert("RGB")
    for result in results(comparison.compare([picture], [SQUEEZENET, MOBILENET, TIMM], measure=False)):
        assert word in [name.lower() for name, _ in result.predictions[0][:2]], result.facts.name


def test_real_network_answers_as_torchvision_would(hub, cat):
    """The very pixels and numbers: torchvision's transform and its network on the same file."""
    result = results(comparison.compare([cat], [MOBILENET], measure=False))[0]
    network = models.mobilenet_v2(weights=None).eval()
    network.load_state_dict(zoo.get(MOBILENET).module.state_dict())
    images = models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()(cat)[None]
    with torch.inference_mode():
        torch.testing.assert_close(result.probabilities, network(images).softmax(1), rtol=0.02, atol=2e-3)


def test_several_pictures_and_networks(hub, cat):
    pictures = [cat, photograph("Cheetah"), *[cat] * 8]  # more than go through at once
    found = results(comparison.compare(pictures, [SQUEEZENET, MOBILENET, SQUEEZENET, "cat_dog"], measure=False))
    assert [result.facts.name for result in found] == [SQUEEZENET, MOBILENET, "cat_dog"]
    assert found[0].probabilities.shape == (10, 1000)
    torch.testing.assert_close(found[0].probabilities.sum(1), torch.ones(10))
    assert [top[0][0] for top in found[1].predictions][:2] == ["Egyptian cat", "cheetah"]
    assert {word for word, _ in found[2].predictions[0]} == {"cat", "dog"}
    torch.testing.assert_close(found[0].probabilities[0], found[0].probabilities[9], rtol=1e-4, atol=1e-6)


def test_without_weights_the_row_stays_and_invents_nothing(cat, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    result = results(comparison.compare([cat], ["squeezenet1_0"]))[0]
    assert "HF_HUB_OFFLINE" in str(result.error)
    assert (result.predictions, result.probabilities, result.source, result.classes) == ((), None, None, ())
    assert result.facts.multiply_adds == 818_924_576
    assert result.latency.median_ms > 0
    assert result.peak_megabytes > 1


def test_random_weights_have_no_answer(cat):
    result = results(comparison.compare([cat], ["untrained/squeezenet1_1"], measure=False))[0]
    assert "random weights" in str(result.error)
    assert not result.predictions


def test_without_a_picture_networks_are_only_measured():
    result = results(comparison.compare([], ["cat_dog"]))[0]
    assert (result.predictions, result.error) == ((), None)
    assert result.latency


def test_a_strip_is_refused_before_it_is_blown_up():
    with pytest.raises(Refused, match="3000×10 px is too long and narrow"):
        next(comparison.compare([Image.new("RGB", (3000, 10))], ["cat_dog"]))
    assert results(comparison.compare([Image.new("RGB", (1, 1))], ["cat_dog"], measure=False))[0].predictions


def test_every_network_sees_the_picture_its_own_way(monkeypatch):
    """Two networks that answer with the brightness they see; one squeezes the picture in, one cuts it out."""

    class Bright(nn.Module):
        def forward(self, images):
            mean = images.mean((1, 2, 3))
            return torch.stack([mean, -mean], 1)

    ways = {"whole": Photograph(8), "centre": Photograph(8, 1.0)}
    made = {name: zoo.Network(name, Bright(), way, ("bright", "dark"), True) for name, way in ways.items()}
    plan = {name: comparison.Blueprint(Bright, way) for name, way in ways.items()}
    monkeypatch.setattr(comparison, "_blueprint", plan.__getitem__)
    monkeypatch.setattr(comparison, "_work", lambda _: comparison.Work(0, 0, {}, 0, 0, 0))
    monkeypatch.setattr(comparison, "facts", lambda name: Facts(name, name, "", 0, 0, 0, 8, None, "", ""))
    monkeypatch.setattr(zoo, "key", lambda name: name)
    monkeypatch.setattr(zoo, "make", made.__getitem__)
    picture = Image.new("RGB", (32, 8))
    picture.paste("white", (12, 0, 20, 8))  # the middle quarter
    whole, centre = results(comparison.compare([picture], list(ways), measure=False))
    model_cache.forget()
    assert whole.probabilities[0, 0] == pytest.approx(1 / (1 + exp(-0.5)), abs=0.02)  # the scores are 1/4 and -1/4
    assert centre.probabilities[0, 0] == pytest.approx(1 / (1 + exp(-2)), abs=0.02)  # 1 and -1


def test_networks_can_have_gradients_after_a_comparison_in_inference_mode(hub, cat):
    model_cache.forget()
    with torch.inference_mode():
        assert results(comparison.compare([cat], [SQUEEZENET], folded=True))[0].predictions
    network = zoo.get(SQUEEZENET)
    network.module(network.preprocess(cat)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.module.parameters())
    model_cache.forget()


def test_two_visitors_at_once_get_their_own_answers(hub, cat):
    pictures = {"cat": cat, "cheetah": photograph("Cheetah")}
    alone = {key: results(comparison.compare([one], [MOBILENET], measure=False))[0] for key, one in pictures.items()}
    wrong = []

    def visit(key):
        for folded in (False, True):
            for result in results(comparison.compare([pictures[key]], [MOBILENET, SQUEEZENET], folded=folded)):
                if result.facts.name == MOBILENET and result.predictions[0][0][0] != alone[key].predictions[0][0][0]:
                    wrong.append(key)

    visitors = [threading.Thread(target=visit, args=(key,)) for key in [*pictures] * 2]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not wrong
    module = zoo.get(MOBILENET).module
    assert all(not each._forward_hooks and not each._forward_pre_hooks for each in module.modules())


# Measuring


class Sleepy(nn.Module):
    """Notes when it runs, and takes a known time on a clock of our own."""

    def __init__(self, clock, takes):
        super().__init__()
        self.clock, self.takes = clock, iter(takes)

    def forward(self, images):
        self.clock[0] += next(self.takes)
        return images


def test_latency_is_the_median_after_warm_up(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(comparison, "RUNS", 10)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    takes = [0.9, 0.8, *(n / 1000 for n in (10, 2, 3, 4, 5, 6, 7, 8, 9, 1))]  # s: two to warm up, then 1 to 10 ms
    found = comparison.latency(Sleepy(clock, takes), torch.zeros(1))
    assert found.median_ms == pytest.approx(5.5)
    assert found.p95_ms == pytest.approx(9.55)  # between the 9 and the 10, as numpy puts it
    assert (found.runs, found.device) == (10, "processor")


def test_a_slow_network_is_run_less_often(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(comparison, "RUNS", 30)
    monkeypatch.setattr(comparison, "LEAST_RUNS", 5)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert comparison.latency(Sleepy(clock, [1.0] * 40), torch.zeros(1)).runs == 5


def test_no_two_are_measured_at_once():
    spans = []

    class Watched(nn.Module):
        def forward(self, images):
            began = time.perf_counter()
            torch.rand(300, 300) @ torch.rand(300, 300)
            spans.append((began, time.perf_counter(), threading.get_ident()))
            return images

    threads = [threading.Thread(target=comparison.latency, args=(Watched(), torch.zeros(1))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owners = [owner for _, _, owner in sorted(spans)]
    assert sum(left != right for left, right in pairwise(owners)) == 2  # one after the other, never in between


# Folding


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "shufflenet_v2_x1_0", "squeezenet1_1"])
def test_folded_networks_answer_the_same(name):
    torch.manual_seed(0)
    network = models.get_model(name, weights=None)
    images = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        for module in network.modules():  # normalisations that do something
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        network.train()(images)
    network.eval()
    state = {key: value.clone() for key, value in network.state_dict().items()}
    folded = comparison.folded(network, images)
    assert folded is not network
    left = sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    all_of_them = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert left == {"densenet121": 62}.get(name, 0)  # there, half of them stand before their convolution
    assert all_of_them >= left
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), network(images), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_timms_normalisations_keep_their_activation():
    network = timm.create_model("test_efficientnet").eval()
    images = torch.rand(1, 3, 96, 96)
    folded = comparison.folded(network, images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), network(images), rtol=1e-4, atol=1e-4)


def test_what_folding_would_change_is_left(monkeypatch, caplog):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    network[1].running_mean.fill_(1)
    monkeypatch.setattr(comparison, "fuse_conv_bn_eval", lambda convolution, _: convolution)  # forgets the 1
    assert comparison.folded(network, torch.rand(1, 3, 8, 8)) is network
    assert "Sequential" in caplog.text


def test_a_convolution_that_runs_twice_is_not_folded():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, images):
            return self.norm(self.conv(self.conv(images))).mean((2, 3))

    network = Twice().eval()
    assert isinstance(comparison.folded(network, torch.rand(1, 3, 8, 8)).norm, nn.BatchNorm2d)


@pytest.mark.parametrize("name", [SQUEEZENET, MOBILENET, TIMM])
def test_real_networks_answer_the_same_folded(hub, cat, name):
    plain, folded = (results(comparison.compare([cat], [name], measure=False, folded=how))[0] for how in (False, True))
    torch.testing.assert_close(plain.probabilities, folded.probabilities, rtol=1e-4, atol=1e-4)


# Reading the rows


def test_frontier_by_hand():
    points = [(10, 70.0), (20, 75.0), (15, 65.0), (20, 74.0), (5, 50.0), (10, 70.0)]
    assert frontier(points) == [True, True, False, False, True, True]
    assert frontier([]) == []


def answered(name, rows, classes=("a", "b", "c")):
    rows = torch.tensor(rows)
    facts = Facts(name, name, "", 0, 0, 0, 0, None, "", "")
    return Result(facts, tuple(comparison._top(row, classes) for row in rows), probabilities=rows, classes=classes)


def test_vote_and_disagreement_by_hand():
    one = answered("one", [[0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    two = answered("two", [[0.1, 0.7, 0.2], [0.2, 0.7, 0.1]])
    three = answered("three", [[0.6, 0.2, 0.2], [0.3, 0.3, 0.4]])
    other = answered("other", [[0.9, 0.1], [0.9, 0.1]], ("cat", "dog"))
    failed = Result(one.facts, error=Words("gone"))
    names, shares = comparison.disagreement([other, one, failed, two, three])
    assert names == ["one", "two", "three"]
    assert shares.tolist() == [[0, 0.5, 0.5], [0.5, 0, 1], [0.5, 1, 0]]
    first, second = comparison.vote([other, one, failed, two, three])
    assert first == (("a", pytest.approx(1.3 / 3)), ("b", pytest.approx(1.2 / 3)), ("c", pytest.approx(0.5 / 3)))
    assert [word for word, _ in second] == ["b", "a", "c"]
    assert comparison.vote([failed]) == ()
    assert comparison.disagreement([])[1].shape == (0, 0)


# How firm


@pytest.mark.parametrize("kind", comparison.KINDS)
def test_pictures_are_disturbed_more_and_more(cat, kind):
    original = np.asarray(cat.convert("RGB"), np.float32)
    assert np.array_equal(np.asarray(disturb(cat, kind, 0)), original)
    changes = [np.abs(np.asarray(disturb(cat, kind, s), np.float32) - original).mean() for s in (0.1, 0.4, 1)]
    assert 0.5 < changes[0] < changes[1]
    assert changes[2] > 5
    assert disturb(cat, kind, 0.5).size == cat.size


def test_changes_by_hand():
    white = Image.new("RGB", (40, 20), "white")
    assert disturb(white, "darken", 1.0).getpixel((0, 0)) == (13, 13, 13)  # 5 % of 255
    marked = Image.new("RGB", (40, 20))
    marked.paste("red", (0, 0, 20, 20))
    assert disturb(marked, "turn", 1.0).getpixel((5, 10)) == (0, 0, 0)  # upside down
    assert disturb(marked, "turn", 1.0).getpixel((35, 10)) == (255, 0, 0)
    assert disturb(marked, "crop", 1.0).getpixel((5, 10)) == (255, 0, 0)
    with pytest.raises(Refused, match="blur, crop, turn, darken, jpeg"):
        disturb(white, "melt", 0.5)


def test_firmness_finds_when_the_mind_changes(hub, cat):
    strengths = (0.1, 0.5, 0.98)
    found = {name: rest for name, *rest in comparison.firmness(cat, [MOBILENET, "vgg16"], "darken", strengths)}
    answers, changed = found[MOBILENET]
    assert [strength for strength, *_ in answers] == list(strengths)
    assert answers[0][1] == "Egyptian cat"
    assert changed in (None, *strengths)
    first = next((strength for strength, word, _ in answers if word != "Egyptian cat"), None)
    assert changed == first
    assert found["vgg16"] == [[], None]


def test_lesson_measures_and_explains():
    rows = comparison.lesson(["shufflenet_v2_x1_0", "alexnet"])
    assert [row[0] for row in rows] == ["shufflenet_v2_x1_0", "alexnet"]
    for name, multiply_adds, took, relative, work in rows:
        assert multiply_adds == comparison.facts(name).multiply_adds
        assert relative == pytest.approx(took / multiply_adds * 1e8)
        assert work == comparison._work(name)
        assert work.per_byte == work.multiply_adds / work.bytes_moved
    shares = [{kind: round(count / row[1], 2) for kind, count in row[4].kinds.items()} for row in rows]
    assert (shares[0]["1×1"], shares[0]["depthwise"]) == (0.91, 0.03)
    assert shares[1]["fully connected"] == 0.08  # 58.6 million of 714 million
    model_cache.forget()
