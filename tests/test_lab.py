"""The transfer lab: as functions, through the API, and on the page, with small generated pictures."""

import io
import json
import os
import random
import re
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import gradio as gr
import loopback_hub
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from torch import nn

import app
from cnn_core import backbones, model_cache, transfer, weights
from cnn_core.archives import Pictures, Skipped
from cnn_core.errors import Refused
from cnn_core.models.resnet import ResNet
from cnn_core.preprocessing import Photograph
from demos import _lab
from demos._parts import Blocks

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 220)}


def tiny():
    return ResNet(18, num_classes=2, width=1 / 8)


@pytest.fixture(scope="module", autouse=True)
def shipped():
    """A small ResNet with random parameters in place of the shipped one, seeing pictures of 32 px."""
    patch = pytest.MonkeyPatch()
    torch.manual_seed(0)
    network = tiny()
    for _ in range(10):
        network.train()(torch.rand(8, 3, 32, 32))
    row = replace(weights.WEIGHTS["fashion_dnn"], build=tiny, preprocess=Photograph(32))
    patch.setitem(weights.WEIGHTS, "cat_dog", row)
    load = weights.load
    patch.setattr(weights, "load", lambda name: network.eval() if name == "cat_dog" else load(name))

    def forget():
        model_cache.forget()
        for kept in (backbones.load, _lab.example):
            kept.cache_clear()

    forget()
    yield
    patch.undo()
    forget()


def picture(colour, seed=0):
    """A noisy square of a colour, as the content of a PNG file."""
    noise = Image.frombytes("RGB", (24, 24), random.Random(seed).randbytes(3 * 24 * 24))
    file = io.BytesIO()
    Image.blend(Image.new("RGB", (24, 24), COLOURS[colour]), noise, 0.3).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def pack(tmp_path):
    """Function that writes a zip with a folder of pictures for each class, and other files."""

    def write(counts, others=None, name="pictures.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as packed:
            for colour, count in counts.items():
                for number in range(count):
                    packed.writestr(f"{colour}/{number}.png", picture(colour, number))
            for member, content in (others or {}).items():
                packed.writestr(member, content)
        return path

    return write


@pytest.fixture
def files(tmp_path):
    """Function that writes pictures of a colour and returns their paths."""

    def write(colour, count):
        (tmp_path / colour).mkdir(exist_ok=True)
        paths = [tmp_path / colour / f"{colour} {number}.png" for number in range(count)]
        for number, path in enumerate(paths):
            path.write_bytes(picture(colour, number))
        return paths

    return write


def trained(archive, strategy="head", epochs=6, rate=0.01, augment=False):
    *_, (said, _, _, session) = _lab.train(_lab.groups(str(archive)), "cat_dog", strategy, epochs, rate, augment)
    return said, session


# Functions


def test_the_tables_are_those_of_the_core():
    assert list(_lab.STRATEGIES) == list(transfer.STRATEGIES)
    assert transfer.MOST_CLASSES == _lab.MOST_CLASSES == len(_lab.COLOURS)


def test_a_training_tells_how_far_it_is_and_ends_with_a_session(pack):
    views = list(_lab.train(_lab.groups(str(pack({"red": 10, "blue": 10}))), "cat_dog", "head", 6, 0.01, False))
    assert views[0][0].startswith("<progress")
    assert all(session is None for *_, session in views[:-1])
    said, loss, accuracy, session = views[-1]
    assert "<strong>100.0%</strong> of 4 validation pictures" in said
    assert "130 of" in said
    assert set(loss["what"]) == set(accuracy["what"]) == set(_lab.PARTS)
    assert len(accuracy) == 12
    assert session.thumbnails.shape == (20, 3, 96, 96)


def test_everything_is_said_of_a_session(pack):
    _, session = trained(pack({"red": 10, "blue": 10, "green": 10}))
    outcome, loss, _, matrix, opened, worst, doubted, plane, colours, answer = _lab.look(session)
    assert "Worked example" not in outcome
    assert matrix.count("<button") == 3
    assert opened.count("<img") == 2
    assert (worst, doubted) == ("<p>None.</p>",) * 2
    assert plane.size == _lab.MAP
    assert colours.count("<span") == 3
    assert not answer["visible"]
    assert len(loss) == 12


def test_a_wrong_label_and_its_mistake_are_shown(pack):
    _, session = trained(pack({"red": 12, "blue": 12}, {"red/wrong.png": picture("blue", 99)}))
    _, doubted = _lab.mistakes(session)
    assert 'alt="red/wrong.png"' in doubted
    assert "red, or blue?" in doubted


def test_names_of_classes_and_files_are_not_markup(pack):
    evil = "<img src=x onerror=alert(1)>"
    others = {f"{evil}/{number}<b>.png": picture("red", number) for number in range(6)}
    _, session = trained(pack({"blue": 6}, others | {f"{evil}/not<b>.txt": b"no"}))
    for html in _lab.look(session):
        assert not isinstance(html, str) or "<img src=x" not in html
        assert not isinstance(html, str) or "<b>" not in html


def test_a_new_photograph_is_answered_and_placed(pack):
    _, session = trained(pack({"red": 10, "blue": 10}))
    answer, plane = _lab.answer(session, Image.new("RGB", (300, 200), COLOURS["red"]))
    assert max(answer, key=answer.get) == "red"
    assert plane.tobytes() != _lab.drawn_map(session).tobytes()
    assert _lab.answer(session, None)[0] is None


def test_without_pictures_there_is_a_worked_example():
    outcome, *_ = _lab.look(None)
    assert "Worked example: 75 squares" in outcome
    assert _lab.example().classes == ["brick", "grass", "gravel"]
    assert _lab.example() is _lab.example()


def test_without_a_shipped_backbone_that_is_said(monkeypatch):
    def refuse():
        raise Refused("No weights for {name}.", name="cat_dog")

    monkeypatch.setattr(_lab, "example", refuse)
    assert _lab.look(None)[0] == "<p>No weights for cat_dog.</p>"


def test_skipped_files_are_counted_and_named(pack):
    said, _ = trained(pack({"red": 6, "blue": 6}, {"red/words.txt": b"hello", "red/cut.png": picture("red")[:90]}))
    assert "2 skipped (red/words.txt: That is not a PNG" in said
    assert "red/cut.png: That picture is damaged" in said
    many = [Skipped(f"{number}.png", Refused("No.")) for number in range(7)]
    assert _lab.left_out(many).endswith(" and 2 more)")
    assert _lab.left_out([]) == ""


def test_rows_and_zip_are_taken_together(pack, files):
    archive = str(pack({"green": 4}))
    rows = [" Rot ", [str(path) for path in files("red", 3)], "", [str(path) for path in files("blue", 2)], "x", None]
    found = _lab.groups(archive, *rows)
    assert [(name, len(pictures)) for name, pictures in found] == [("Rot", 3), ("Class 2", 2), (None, 4)]
    assert isinstance(found[0][1], Pictures)
    with pytest.raises(Refused, match="choose a zip"):
        _lab.groups(str(files("red", 1)[0]))


def test_advice_names_the_case(pack):
    views = list(_lab.advise(_lab.groups(str(pack({"red": 10, "blue": 12}))), "cat_dog"))
    said, strategy = views[-1]
    assert strategy == "head"  # colours lie apart even for random parameters
    assert "Your smallest class has 10 pictures: a small data set" in said
    assert said.count("--tint: 36%") == 1
    assert all(first is None for _, first in views[:-1])


def test_the_race_is_run_by_all(pack):
    *_, (said, points) = _lab.race(_lab.groups(str(pack({"red": 8, "blue": 8}))), "cat_dog", 2, 0.01, False)
    assert all(name in said for name in _lab.STRATEGIES.values())
    assert said.count("100.00%") == 2  # everything, and from scratch
    assert points.groupby("what").size().to_dict() == dict.fromkeys(_lab.STRATEGIES, 2)


def test_a_racer_that_breaks_down_leaves_the_others(pack):
    *_, (said, _) = _lab.race(_lab.groups(str(pack({"red": 8, "blue": 8}))), "cat_dog", 1, 1e25, False)
    assert "The loss is no longer a number" in said
    assert said.count("<tr>") == 5


def test_a_training_that_is_closed_stops_and_keeps_nothing(pack):
    steps = _lab.train(_lab.groups(str(pack({"red": 8, "blue": 8}))), "cat_dog", "everything", 100, 0.01, False)
    for _ in range(3):
        next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_a_downloaded_classifier_is_loaded_again(pack, tmp_path):
    _, session = trained(pack({"red": 8, "blue": 8}))
    model, _ = transfer.save(session.classifier, session.about, tmp_path / "kept")
    again = _lab.load(str(model))
    red = Image.new("RGB", (30, 30), COLOURS["red"])
    assert _lab.answer(again, red)[0] == pytest.approx(_lab.answer(session, red)[0], abs=1e-5)
    outcome, *_, plane, _, _ = _lab.look(again)
    assert "Loaded: a classifier of red, blue" in outcome
    assert plane is None
    with pytest.raises(Refused, match="choose the model"):
        _lab.load(None)


def test_pushing_wants_a_classifier_and_a_token(pack):
    with pytest.raises(Refused, match="Train or load"):
        _lab.publish(None, "me/lab", "hf_mine", True)
    _, session = trained(pack({"red": 4, "blue": 4}), epochs=1)
    with pytest.raises(Refused, match="paste a token"):
        _lab.publish(session, "me/lab", "", True)


@pytest.mark.parametrize("where", ["9,9", "x", None, "0", [1]])
def test_a_cell_that_is_not_there_is_refused(where):
    with pytest.raises(Refused, match="cell"):
        _lab.cell(_lab.example(), where)


# The API


@pytest.fixture(scope="module")
def address():
    """The lab on a page of its own, served as the app is."""
    with Blocks(title="Lab", analytics_enabled=False) as page:
        gr.Markdown("# Lab")
        _lab.build()
    page.queue(default_concurrency_limit=2, max_size=32)
    _, url, _ = page.launch(prevent_thread_lock=True, server_name="127.0.0.1", **app.LAUNCH)
    yield url
    page.close(verbose=False)


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


def test_only_the_documented_endpoint_is_public(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert list(endpoints) == ["/train_classifier"]
    names = [each["parameter_name"] for each in endpoints["/train_classifier"]["parameters"]]
    assert names == ["archive", "backbone", "strategy", "epochs", "learning_rate", "augment"]


def test_train_classifier_answers_accuracy_report_and_file(client, pack):
    archive = handle_file(pack({"red": 8, "blue": 8}, {"red/no.txt": b"no"}))
    accuracy, report, kept = client.predict(archive, "cat_dog", "head", 6, 0.01, True, api_name="/train_classifier")
    assert accuracy == 1
    assert report["classes"] == ["red", "blue"]
    assert [each["name"] for each in report["skipped"]] == ["red/no.txt"]
    model = next(file for file in kept if file.endswith("model.safetensors"))
    assert transfer.load(model)[1]["validation_accuracy"] == 1
    assert json.loads(next(Path(file) for file in kept if file.endswith("card.json")).read_text())["classes"]


@pytest.mark.parametrize(
    ("counts", "others", "sentence"),
    [
        ({"red": 4}, {}, "tells 2 to 10 classes apart"),
        ({"red": 4, "blue": 1}, {}, "The class blue has one readable picture"),
        ({"red": 4, "blue": 4}, {"../x.png": b""}, "leads out of it"),
        ({"red": 4, "blue": 4}, {"red/x.zip": b""}, "holds a packed file"),
        ({"red": 4, "blue": 4}, {"red/x.bmp": bytes(30_000_000)}, ""),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_sentence(client, pack, counts, others, sentence):
    archive = pack(counts, others)
    if not sentence:  # 30 MB of zeros, packed to nothing
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("red/x.bmp", bytes(30_000_000))
        sentence = "would unpack to 30 MB"
    with pytest.raises(AppError, match=sentence) as refused:
        client.predict(handle_file(archive), "cat_dog", "head", 1, 0.01, False, api_name="/train_classifier")
    assert str(refused.value).count(". ") == 0
    assert "Traceback" not in str(refused.value)


def test_two_trainings_at_once_never_mix(address, pack):
    archives = {"red": pack({"red": 8, "green": 8}, name="a.zip"), "blue": pack({"blue": 8, "green": 8}, name="b.zip")}
    found = {}

    def visit(colour):
        visitor = Client(address, verbose=False)
        arguments = (handle_file(archives[colour]), "cat_dog", "head", 3, 0.01, False)
        found[colour] = visitor.predict(*arguments, api_name="/train_classifier")[1]["classes"]

    visitors = [threading.Thread(target=visit, args=(colour,)) for colour in archives]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert found == {"red": ["red", "green"], "blue": ["blue", "green"]}


# The page


def opened(page, address, theme="light"):
    """The page, once the worked example is there."""
    from playwright.sync_api import expect

    page.goto(f"{address}?__theme={theme}")
    expect(page.locator("#lab-progress")).to_contain_text("Worked example: ", timeout=60_000)
    expect(page.locator("#lab-matrix button").first).to_be_visible(timeout=30_000)
    return page


def fill(page, number, name, paths):
    """Give a class its name and pictures."""
    from playwright.sync_api import expect

    row = page.locator(f"#lab-class-{number}")
    row.get_by_role("textbox").fill(name)
    row.locator("input[type=file]").set_input_files(paths)
    expect(row).to_contain_text(re.compile(r"\.png"), timeout=30_000)


def test_the_whole_lab_is_driven(page, address, files, tmp_path):
    from playwright.sync_api import expect

    opened(page, address)
    page.locator("#lab-more-classes").click()
    for number, (name, colour) in enumerate({"Tomato": "red", "Sky": "blue", "Leaf": "green"}.items(), 1):
        fill(page, number, name, files(colour, 6))
    page.locator("#lab-ask").click()
    expect(page.locator("#lab-advice")).to_contain_text("Your smallest class has 6 pictures", timeout=60_000)
    page.locator("#lab-train").click()
    expect(page.locator("#lab-progress")).to_contain_text("of 3 validation pictures are answered right", timeout=60_000)
    expect(page.locator("#lab-matrix")).to_contain_text("Tomato", timeout=30_000)
    page.locator("#lab-matrix button").last.click()
    expect(page.locator("#lab-cell")).to_contain_text("taken for")
    expect(page.locator("#lab-cell img").first).to_be_visible()
    with page.expect_download() as download:
        page.locator("#lab-files a[download]", has_text=re.compile("B")).first.click()
    download.value.save_as(tmp_path / "kept.safetensors")
    assert transfer.load(tmp_path / "kept.safetensors")[1]["classes"] == ["Tomato", "Sky", "Leaf"]
    page.get_by_role("tab", name="Map, and a new photograph", exact=True).click()
    page.locator("#lab-new input[type=file]").set_input_files(files("blue", 1)[0])
    expect(page.locator("#lab-answer h2")).to_have_text(re.compile("Tomato|Sky|Leaf"), timeout=30_000)
    expect(page.locator("#lab-map img")).to_be_visible()
    page.get_by_role("tab", name="Keep it", exact=True).click()
    page.locator("#lab-load input[type=file]").set_input_files(tmp_path / "kept.safetensors")
    expect(page.locator("#lab-progress")).to_contain_text("Loaded: a classifier of Tomato, Sky, Leaf", timeout=30_000)
    page.locator("#lab-push").click()
    expect(page.get_by_text("Please paste a token")).to_be_visible(timeout=30_000)


def test_a_refusal_is_shown_and_nothing_is_lost(page, address, files):
    from playwright.sync_api import expect

    opened(page, address)
    fill(page, 1, "Tomato", files("red", 3))
    page.locator("#lab-train").click()
    expect(page.get_by_text("A classifier tells 2 to 10 classes apart")).to_be_visible(timeout=30_000)
    expect(page.locator("#lab-class-1")).to_contain_text(".png")
    fill(page, 2, "Sky", files("blue", 3))
    page.locator("#lab-train").click()
    expect(page.locator("#lab-progress")).to_contain_text("answered right", timeout=60_000)


def slowly(monkeypatch):
    """Make every step of a training take a while, and count the trainings that have not ended."""
    real, running = transfer.fit, []

    def fit(*arguments, **options):
        running.append(1)
        steps = real(*arguments, **options)
        try:
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
                time.sleep(0.35)
                yield step
        finally:
            running.pop()

    monkeypatch.setattr(transfer, "fit", fit)
    return running


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()


def test_two_who_train_at_once_are_queued_and_told_and_stop_really_stops(new_page, address, monkeypatch):
    from playwright.sync_api import expect

    pages = [opened(new_page(viewport={"width": 1280, "height": 800}), address) for _ in range(2)]
    running = slowly(monkeypatch)
    first, second = pages
    first.locator("#lab-train").click()
    expect(first.locator("#lab-progress")).to_contain_text("The frozen backbone", timeout=30_000)
    second.locator("#lab-train").click()
    expect(second.locator("#lab-progress")).to_contain_text(re.compile(r"queue: \d/\d"), timeout=30_000)
    assert len(running) == 1
    first.locator("#lab-stop").click()
    expect(first.locator("#lab-progress")).to_contain_text("Stopped: nothing was kept", timeout=30_000)
    expect(second.locator("#lab-progress")).to_contain_text("The frozen backbone", timeout=30_000)
    assert len(running) == 1
    second.close()  # in the middle of it
    until(lambda: not running)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("device", ["page", "phone"])
def test_every_part_opens_and_no_reader_is_shut_out(device, theme, request, address, axe):
    from playwright.sync_api import expect

    page = opened(request.getfixturevalue(device), address, theme)
    shows = {
        "What is taken for what": "#lab-cell img",
        "Mistakes": "#lab-mistakes",
        "Map, and a new photograph": "#lab-map img",
        "Race": "#lab-race",
        "Keep it": "#lab-push",
    }
    for name, element in shows.items():
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.locator(element).first).to_be_visible(timeout=20_000)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert [found for found in axe(page) if found[1] in ("serious", "critical")] == [], name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what the Hub's client does within
def test_a_classifier_is_pushed_with_the_visitors_own_token(pack, tmp_path, monkeypatch):
    from huggingface_hub import constants

    _, session = trained(pack({"red": 4, "blue": 4}), epochs=1)
    (tmp_path / "hub").mkdir()
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with loopback_hub.Hub(tmp_path / "hub") as hub:
        assert os.environ.get("HF_TOKEN") is None
        hub.token = "hf_mine"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", hub.url)
        said = _lab.publish(session, "me/lab", "hf_mine", False)
    assert said.endswith("/me/lab")
    assert (tmp_path / "hub" / "me" / "lab" / "card.json").is_file()
    assert isinstance(session.classifier, nn.Module)
