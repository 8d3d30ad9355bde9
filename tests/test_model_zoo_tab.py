"""The model zoo's tab: as functions, through the API, and on the page; no network is ever asked for."""

import csv
import dataclasses
import threading
from pathlib import Path

import gradio as gr
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import constants
from PIL import Image

import app
from cnn_core import catalogue, comparison, weights
from cnn_core.comparison import Facts, Latency, Progress, Result
from cnn_core.errors import Refused, Words
from cnn_core.preprocessing import Photograph
from demos import model_zoo as tab
from demos._parts import Blocks
from demos._photographs import photograph

HUB = Path(__file__).parents[2] / "shared" / "hub"
MIRRORS = {
    "torchvision-mirror/squeezenet1_0": "Egyptian cat",
    "torchvision-mirror/mobilenet_v2": "Egyptian cat",
    "timm-mirror/mobilenetv2_100": "Egyptian cat",
}
FURTHER = ("cat_dog_two", "cat_dog_three")  # the shipped network under other names
MISSING = "squeezenet1_0"  # known, with a published accuracy, and out of reach here


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory):
    """No way to any server; the Hub's cache with a few networks, where there is one; further shipped networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(HUB if HUB.is_dir() else tmp_path_factory.mktemp("hub")))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(weights.TorchvisionWeights, "here", lambda source: None)
        patch.setattr(weights.TorchvisionWeights, "fetch", refuse)
        patch.setattr(comparison, "RUNS", 3)  # how exactly is measured is not asked here
        patch.setattr(comparison, "LEAST_RUNS", 3)
        for name in FURTHER:
            patch.setitem(weights.WEIGHTS, name, dataclasses.replace(weights.WEIGHTS["cat_dog"]))
        yield


ASKED = []  # what was to be downloaded


def refuse(source, name, *_):
    ASKED.append(name)
    raise weights.WeightsUnavailable(name, source, Words("the cable is cut"))


def mirrored():
    if not HUB.is_dir():
        pytest.skip("there is no ../shared/hub beside the repository")
    return list(MIRRORS)


def result(name, *answers, classes=("cat", "dog"), milliseconds=2.0):
    """A row with the given probabilities of the first class, a picture each."""
    shares = [[share, 1 - share] for share in answers]
    tops = tuple(tuple(sorted(zip(classes, row, strict=True), key=lambda pair: -pair[1])) for row in shares)
    facts = Facts(name, name, "Family", 1000, 5_000_000, 4.0, 32, 70.0, "somebody", "MIT")
    latency = Latency(milliseconds, 3.0, 15, 2, "processor")
    return Result(facts, tops, latency, 1.5, Words("here"), None, torch.tensor(shares), classes)


def board(*results, pictures=1):
    names = [each.facts.name for each in results]
    images = [Image.new("RGB", (40, 30), (90 * number, 0, 0)) for number in range(pictures)]
    made = tab.Board(("Cat",) * pictures, images, names)
    made.results = dict(zip(names, results, strict=True))
    return made


# Functions


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["resnet18", " resnet18 ", "vgg16"], ["resnet18", "vgg16"]),
        ("resnet18, vgg16,", ["resnet18", "vgg16"]),
    ],
)
def test_networks_are_named_once_each(given, names):
    assert tab.wanted(given) == names


@pytest.mark.parametrize(
    ("given", "said"),
    [([], "Choose a network"), (None, "Choose a network"), ([str(n) for n in range(25)], "25 networks")],
)
def test_none_and_too_many_networks_are_refused(given, said):
    with pytest.raises(Refused, match=said):
        tab.wanted(given)


def test_every_listed_network_stands_in_one_group():
    groups = tab.grouped()
    assert groups["The course's fourteen"] == list(catalogue.COURSE)
    assert "cat_dog" in groups["Shipped: cats and dogs"]
    names = [name for names in groups.values() for name in names]
    assert len(names) == len(set(names))
    listed = tab.list_models()
    assert [row["name"] for row in listed] == names
    (row,) = (row for row in listed if row["name"] == "resnet18")
    assert row["weights"][0] == "timm/resnet18.tv_in1k"
    assert row["top1"] == 69.758
    assert "torchvision" in row["top1_source"]


def test_a_failure_keeps_its_row_and_the_others_answer():
    table, details = tab.run(photograph("Cat"), ["cat_dog", MISSING, "no_such_network"])
    assert tuple(table.columns) == tab.COLUMNS
    assert tuple(tab.COLUMNS) == ("model", "top1", "confidence", "params", "gmacs", "latency_ms", "source", "error")
    good, missing, unknown = (table.loc[number] for number in range(3))
    assert good["top1"] in ("cat", "dog")
    assert 0.5 <= good["confidence"] <= 1
    assert good["params"] == weights.WEIGHTS["cat_dog"].num_params
    assert good["error"] == ""
    # SqueezeNet 1.0 has 1,248,424 parameters and 0.82 GMACs in torchvision's own table.
    assert missing["params"] == 1_248_424
    assert missing["gmacs"] == pytest.approx(0.82, abs=0.01)
    assert missing["latency_ms"] > 0
    assert missing["top1"] is None
    assert missing["confidence"] is None
    assert "the cable is cut" in missing["error"]
    assert unknown["params"] is None
    assert "no_such_network" in unknown["error"]
    assert details[0]["top"][0][0] == [good["top1"], pytest.approx(good["confidence"], abs=1e-4)]


def test_what_happens_is_said_in_megabytes():
    assert tab.phase(Progress("x", "downloading", 45_000_000, 98_000_000)) == "downloading 45 of 98 MB"
    assert tab.phase(Progress("x", "warming up")) == "warming up"
    assert tab.phase(Progress("x", "done")) == ""


def test_before_comparing_the_download_is_announced(monkeypatch):
    waiting = tab.Board(("Cat",), [photograph("Cat")], ["cat_dog", MISSING])
    said = tab.plan(waiting)
    assert said.startswith("2 networks not asked yet")
    assert "1 must be downloaded first, 5 MB" in said
    assert "Choose networks" in tab.plan(tab.Board(("Cat",), waiting.pictures, []))
    assert "Choose a picture" in tab.plan(tab.Board((), [], ["cat_dog"]))
    monkeypatch.setattr(comparison, "compare", lambda *_, **__: pytest.fail("compared"))
    value, _ = tab.preview(tab.Choice(("Cat",), ("cat_dog", MISSING)), None)
    assert [row["params"] for row in value["rows"]] == [weights.WEIGHTS["cat_dog"].num_params, 1_248_424]
    assert value["running"] is False


def test_answers_stay_with_their_pictures():
    """Other networks may be chosen beside those that answered; other pictures make the answers void."""
    _, first = tab.preview(tab.Choice(("Cat",), ("cat_dog",)), None)
    first.results["cat_dog"] = result("cat_dog", 0.9)
    _, more = tab.preview(tab.Choice(("Cat",), ("cat_dog", FURTHER[0])), first)
    assert more.answered == ["cat_dog"]
    _, other = tab.preview(tab.Choice(("Coffee",), ("cat_dog",)), more)
    assert other.answered == []


def test_closing_the_page_ends_the_work(monkeypatch):
    ended = []

    def endless(pictures, names, **_):
        try:
            while True:
                yield Progress("cat_dog", "measuring")
        finally:
            ended.append(names)

    monkeypatch.setattr(comparison, "compare", endless)
    watching = tab.watch(tab.Choice(("Cat",), ("cat_dog",)), None)
    value = [next(watching)[0] for _ in range(3)][-1]
    assert value["running"]
    assert value["rows"][0]["phase"] == "measuring"
    watching.close()
    assert ended == [["cat_dog"]]


@pytest.mark.parametrize(
    ("error", "said"), [(Refused("Too {what}.", what="narrow"), "Too narrow."), (ZeroDivisionError(), "Something went")]
)
def test_what_breaks_the_work_off_is_said_and_the_page_goes_on(error, said, monkeypatch):
    def broken(pictures, names, **_):
        yield Progress("cat_dog", "loading")
        raise error

    monkeypatch.setattr(comparison, "compare", broken)
    watching = tab.watch(tab.Choice(("Cat",), ("cat_dog",)), None)
    values = [next(watching)[0] for _ in range(3)]
    assert [value["running"] for value in values] == [True, True, False]
    assert values[-1]["status"].startswith(said)
    with pytest.raises(type(error)):
        next(watching)


def test_rows_appear_as_they_come(monkeypatch):
    def three(pictures, names, **_):
        for name in names:
            yield Progress(name, "loading")
            yield result(name, 0.9)

    monkeypatch.setattr(comparison, "compare", three)
    names = ("cat_dog", *FURTHER)
    counts = [
        sum(bool(row["top"]) for row in value["rows"]) for value, _ in tab.watch(tab.Choice(("Cat",), names), None)
    ]
    assert counts == [0, 0, 1, 1, 2, 2, 3, 3]


def test_folding_is_measured_beside_the_plain_network(monkeypatch):
    def half(pictures, names, *, folded=False, **_):
        for name in names:
            yield Progress(name, "measuring")
            yield result(name, 0.9, milliseconds=2.0 if folded else 4.0)

    monkeypatch.setattr(comparison, "compare", half)
    *_, (value, _) = tab.watch(tab.Choice(("Cat",), ("cat_dog",), True), None)
    (row,) = value["rows"]
    assert (row["latency"]["median"], row["folded"]["median"]) == (4.0, 2.0)
    *_, (value, _) = tab.watch(tab.Choice(("Cat",), ("cat_dog",), False), None)
    assert value["rows"][0]["folded"] is None


def test_pareto_fronts_are_of_imagenet_networks_only():
    made = board(result("resnet18", 0.9, milliseconds=5), result("vgg16", 0.9, milliseconds=50), result("cat_dog", 0.9))
    made.results["vgg16"] = dataclasses.replace(
        made.results["vgg16"], facts=dataclasses.replace(made.results["vgg16"].facts, top1=60.0)
    )
    rows = {row["name"]: row for row in tab.shown_rows(made, made.names)}
    assert "latency" in rows["resnet18"]["front"]
    assert rows["vgg16"]["front"] == []  # slower and worse
    assert rows["cat_dog"]["front"] == []
    assert not rows["cat_dog"]["comparable"]


def test_rows_lead_to_the_other_tabs_with_their_network():
    (row,) = tab.shown_rows(board(result("resnet18", 0.9)), ["resnet18"])
    assert [address for _, address in row["links"]] == [
        "?tab=feature_maps&network=resnet18",
        "?tab=receptive_field&network=resnet18&size=32",
    ]
    assert {"timm/resnet18.a1_in1k"} <= {other["name"] for other in row["others"]}


def test_votes_are_averaged_and_disagreement_is_a_share_of_pictures():
    made = board(result("one", 0.9, 0.6), result("two", 0.7, 0.1), pictures=2)
    (html,) = tab.agreement(tab.View(made))
    assert "cat 80%" in html  # (0.9 + 0.7) / 2
    assert "dog 65%" in html  # (0.4 + 0.9) / 2
    assert "1 of 2" in html
    assert "50%" in html  # they differ in the second picture
    assert "2 networks with the same 2 classes: one, two." in html


def test_networks_with_other_classes_have_no_say():
    made = board(result("one", 0.9), result("other", 0.9, classes=("tabby", "mug")))
    assert tab.alike(made) == [["one"], ["other"]]
    (html,) = tab.agreement(tab.View(made))
    assert html.count("It takes two") == 2
    assert "No network has answered yet" in next(tab.agreement(tab.View(board())))


@pytest.mark.parametrize("kind", tab.KINDS)
def test_a_picture_is_changed_until_networks_change_their_mind(kind):
    made = tab.Board(("Cat",), [photograph("Cat")], ["cat_dog"])
    list(made.compare())
    *_, last = tab.firm(tab.View(made, 0, kind))
    assert len(last["pictures"]) == len(tab.STRENGTHS) == 11
    assert len(set(last["pictures"])) > 5
    (row,) = last["rows"]
    assert row["first"] == row["answers"][0]
    others = [
        strength for strength, (name, _) in zip(tab.STRENGTHS, row["answers"], strict=True) if name != row["first"][0]
    ]
    assert row["changed"] == (others[0] if others else None)


def test_kinds_are_those_of_the_core():
    assert tuple(comparison.KINDS) == tab.KINDS


def test_the_most_surprising_pair_is_named():
    rows = [("slim", 100_000_000, 20.0, 20.0, "depthwise"), ("wide", 400_000_000, 10.0, 2.5, "dense")]
    said = tab.surprise(rows)
    assert said == "slim has 4.0 times fewer multiply–adds than wide, and yet takes 2.0 times as long here."
    assert "always faster" in tab.surprise([rows[1]])


def test_preprocessing_is_stated_and_networks_that_share_it_share_a_figure():
    # torchvision's ImageNet preset: resize 256, crop 224, so that the crop keeps 0.875 of the shorter side.
    lines = tab.prepared(Photograph(224, 0.875, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert lines == [
        "shorter side to 256 px, bilinear; the middle 224×224 px",
        "mean 0.485, 0.456, 0.406",
        "std 0.229, 0.224, 0.225",
    ]
    assert tab.prepared(Photograph(160))[0] == "squeezed to 160×160 px, bilinear"
    made = tab.Board(("Cat",), [photograph("Cat")], ["cat_dog", "alexnet", "googlenet", FURTHER[0]])
    (html,) = tab.seen(tab.View(made))
    assert html.count("<img") == 2
    assert "AlexNet, GoogLeNet" in html


@pytest.mark.parametrize("payload", [None, "x", [], {"pictures": 3}, {"pictures": [], "networks": "resnet18"}])
def test_whatever_is_sent_as_a_choice_is_read_or_nothing(payload):
    assert tab.Chooser("chooser", tab.words_of_chooser()).preprocess(payload) == tab.Choice()


def test_only_uploads_and_examples_are_opened(tmp_path):
    secret = tmp_path / "secret.png"
    photograph("Cat").save(secret)
    for path in (str(secret), "../../secret.png", "\0", "Unicorn"):
        with pytest.raises(Refused, match="upload the picture again"):
            tab.Choice((path,)).read()
    with pytest.raises(Refused, match="At most 8"):
        tab.Choice(("Cat",) * 9).read()


def test_a_typed_network_is_checked_before_it_is_listed():
    said = tab.checked("resnet19")
    assert "name" not in said
    assert "there are resnet18" in said["said"]
    found = tab.checked(" alexnet ")
    assert found["name"] == "alexnet"
    assert "61.1 million parameters, 244 MB" in found["said"]
    assert "HF_HUB_OFFLINE" in tab.checked("nobody/nothing")["said"]


@pytest.mark.parametrize("name", MIRRORS)
def test_real_networks_know_a_cat_each_by_its_own_preprocessing(name):
    mirrored()
    table, (row,) = tab.run(photograph("Cat"), [name])
    assert table.loc[0, "top1"] == MIRRORS[name]
    assert len(row["top"][0]) == 5
    assert row["error"] == ""


# API


@pytest.fixture(scope="module")
def address(serve, offline):
    """The tab on a page of its own."""
    with Blocks(title="Model zoo", analytics_enabled=False) as page:
        gr.Markdown("# ConvLens")
        with gr.Tabs(), gr.Tab(tab.TITLE, id=tab.NAME):
            tab.build()
    return serve(page, theme=app.THEME, css_paths=app.LAUNCH["css_paths"])


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


@pytest.fixture
def cat(tmp_path):
    path = tmp_path / "cat.png"
    photograph("Cat").save(path)
    return handle_file(str(path))


def test_endpoints_are_described(client):
    found = client.view_api(return_format="dict")["named_endpoints"]
    assert set(found) == {"/compare_models", "/list_models"}
    assert [each["parameter_name"] for each in found["/compare_models"]["parameters"]] == ["image", "models"]


@pytest.mark.parametrize("models", [["cat_dog", MISSING], f"cat_dog, {MISSING}"])
def test_compare_models_gives_the_table_first(client, cat, models):
    table, details = client.predict(cat, models, api_name="/compare_models")
    assert tuple(table["headers"]) == tab.COLUMNS
    (name, top1, confidence, *_, error), (other, *rest) = table["data"]
    assert (name, error, other) == ("cat_dog", "", MISSING)
    assert top1 == details[0]["top"][0][0][0]
    assert confidence == pytest.approx(details[0]["top"][0][0][1], abs=1e-4)
    assert rest[0] is None
    assert "the cable is cut" in rest[-1]


def test_list_models_names_the_fourteen(client):
    names = [row["name"] for row in client.predict(api_name="/list_models")]
    assert set(catalogue.COURSE) < set(names)


def test_no_network_is_refused_in_one_sentence(client, cat):
    with pytest.raises(AppError, match="Choose a network first"):
        client.predict(cat, [], api_name="/compare_models")


def test_two_visitors_at_once_get_their_own_answers(address, tmp_path):
    """Different pictures to one network at the same time, again and again."""
    expected, wrong = {}, []
    for name in ("Cat", "Coffee"):
        photograph(name).save(tmp_path / f"{name}.png")
        expected[name] = tab.run(Image.open(tmp_path / f"{name}.png"), ["cat_dog"])[1][0]["top"][0]
        expected[name] = dict(map(tuple, expected[name]))
    assert expected["Cat"] != expected["Coffee"]

    def visit(name):
        visitor = Client(address, verbose=False)
        for _ in range(3):
            _, details = visitor.predict(
                handle_file(str(tmp_path / f"{name}.png")), ["cat_dog"], api_name="/compare_models"
            )
            said = dict(map(tuple, details[0]["top"][0]))
            if said != pytest.approx(expected[name]):
                wrong.append((name, said))

    visitors = [threading.Thread(target=visit, args=(name,)) for name in expected]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert wrong == []


# The page


def opened(page, address, query=""):
    """The page once its worked example has been computed."""
    from playwright.sync_api import expect

    page.goto(f"{address}{query}")
    expect(page.locator("#model-zoo-table progress")).to_be_hidden(timeout=60_000)
    expect(row_of(page, "cat_dog").locator(".answer .bar")).to_be_visible(timeout=60_000)
    return page


def row_of(page, name):
    return page.locator(f'#model-zoo-table tr.row[data-name="{name}"]')


def choose(page, names):
    """Tick these networks and no others, and wait for their rows."""
    from playwright.sync_api import expect

    for box in page.locator("#model-zoo-chooser .chip input").all():
        box.set_checked(box.get_attribute("value") in names)
    expect(page.locator("#model-zoo-table tr.row")).to_have_count(len(names), timeout=30_000)


def test_the_first_view_is_an_answer_and_facts_without_any_download(page, address):
    from playwright.sync_api import expect

    ASKED.clear()
    opened(page, address)
    expect(row_of(page, "cat_dog").locator(".latency")).to_contain_text("p95")
    expect(row_of(page, "vgg16").locator(".params")).to_have_text("138.4 M")
    expect(row_of(page, "vgg16").locator(".macs")).to_contain_text("30.94 G FLOPs")
    expect(row_of(page, "vgg16").locator(".answer")).to_have_text("not asked yet")
    expect(page.locator('#model-zoo-table figure[data-by="params"] .mark')).to_have_count(len(tab.FIRST))
    expect(page.locator("#model-zoo-table .status")).to_contain_text("must be downloaded first")
    assert ASKED == []


def test_three_networks_answer_and_one_says_why_not(page, address, tmp_path):
    from playwright.sync_api import expect

    opened(page, address)
    choose(page, ["cat_dog", *FURTHER, MISSING])
    page.locator("#model-zoo-compare").click()
    status = page.locator("#model-zoo-table .status")
    expect(status).to_have_text("3 networks answered. 1 did not: the rows say why.", timeout=60_000)
    for name in ("cat_dog", *FURTHER):
        expect(row_of(page, name).locator(".answer .bar")).to_contain_text("%")
    expect(row_of(page, MISSING).locator(".answer")).to_contain_text("no prediction")
    expect(row_of(page, MISSING).locator(".answer")).to_contain_text("the cable is cut")
    expect(row_of(page, MISSING).locator(".latency")).to_contain_text(" ms")
    mark = page.locator('#model-zoo-table figure[data-by="latency"] .mark')
    expect(mark).to_have_count(1)
    mark.focus()
    expect(page.locator("#model-zoo-table .tip")).to_contain_text("SqueezeNet 1.0: 58.1 %")
    page.locator("#model-zoo-table thead .params button").click()
    expect(page.locator("#model-zoo-table thead .params")).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("#model-zoo-table tr.row").first).to_have_attribute("data-name", MISSING)
    page.locator("#model-zoo-table .find input").fill("three")
    expect(page.locator("#model-zoo-table tr.row")).to_have_count(1)
    page.locator("#model-zoo-table .find input").fill("")
    with page.expect_download() as download:
        page.locator("#model-zoo-table .csv").click()
    download.value.save_as(tmp_path / "zoo.csv")
    with open(tmp_path / "zoo.csv", encoding="utf-8-sig", newline="") as file:  # noqa: PTH123
        rows = {row["model"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"cat_dog", *FURTHER, MISSING}
    assert rows["cat_dog"]["params"] == str(weights.WEIGHTS["cat_dog"].num_params)
    assert int(rows["cat_dog"]["flops"]) == 2 * int(rows["cat_dog"]["multiply_adds"])
    assert rows[MISSING]["top1"] == ""
    assert "the cable is cut" in rows[MISSING]["error"]


def test_stop_ends_the_work(page, address, monkeypatch):
    from playwright.sync_api import expect

    opened(page, address)
    choose(page, ["cat_dog", MISSING])
    ended, turn = threading.Event(), threading.Event()

    def endless(pictures, names, **_):
        try:
            while True:
                yield Progress("cat_dog", "downloading", 45_000_000, 98_000_000)
                turn.wait(0.05)
        finally:
            ended.set()

    monkeypatch.setattr(comparison, "compare", endless)
    page.locator("#model-zoo-compare").click()
    expect(row_of(page, "cat_dog").locator(".answer")).to_have_text("downloading 45 of 98 MB", timeout=30_000)
    expect(page.locator("#model-zoo-chooser .typed button")).to_be_disabled()
    page.locator("#model-zoo-stop").click()
    expect(page.locator("#model-zoo-table .status")).to_contain_text("Stopped.", timeout=30_000)
    expect(page.locator("#model-zoo-chooser .typed button")).to_be_enabled()
    assert ended.wait(30)


def test_a_typed_network_and_pictures_of_ones_own(page, address, tmp_path):
    from playwright.sync_api import expect

    opened(page, address)
    typed = page.locator("#model-zoo-chooser .typed input")
    typed.fill("resnet19")
    typed.press("Enter")
    expect(page.locator("#model-zoo-chooser .said")).to_contain_text("there are resnet18", timeout=30_000)
    typed.fill("mnasnet0_5")
    typed.press("Enter")
    expect(row_of(page, "mnasnet0_5").locator(".params")).to_have_text("2.2 M", timeout=30_000)
    choose(page, ["cat_dog"])
    for name in ("Coffee", "Rocket"):
        photograph(name).save(tmp_path / f"{name}.png")
    files = [tmp_path / "Coffee.png", tmp_path / "Rocket.png"]
    page.locator("#model-zoo-chooser .add input").set_input_files(files)
    expect(page.locator("#model-zoo-table .looked button")).to_have_count(2, timeout=30_000)
    expect(row_of(page, "cat_dog").locator(".answer")).to_have_text("not asked yet")
    page.locator("#model-zoo-compare").click()
    expect(row_of(page, "cat_dog").locator(".answer .bar")).to_be_visible(timeout=30_000)
    row_of(page, "cat_dog").locator(".more").click()
    expect(page.locator("#model-zoo-table .five")).to_have_count(2)


PARTS = {
    "Do they agree?": "#model-zoo-agreement td",
    "How firm is it?": "#model-zoo-firm .rows .now",
    "Fewer multiply–adds, yet slower?": "#model-zoo-lesson tbody tr:nth-child(4)",
    "What it really saw": "#model-zoo-seen img",
}


@pytest.mark.parametrize(("device", "theme"), [("page", "light"), ("phone", "dark")])
def test_every_part_opens_and_no_reader_is_shut_out(device, theme, request, address, axe):
    from playwright.sync_api import expect

    models = ",".join(("cat_dog", FURTHER[0], MISSING, "alexnet"))
    page = opened(request.getfixturevalue(device), address, f"?__theme={theme}&models={models}")
    row_of(page, "alexnet").locator(".more").click()
    for name, element in PARTS.items():
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.locator(element).first).to_be_visible(timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert [found for found in axe(page) if found[1] in ("serious", "critical")] == [], name


def test_the_slider_shows_the_changed_picture_without_asking_again(page, address):
    from playwright.sync_api import expect

    opened(page, address, "?models=cat_dog")
    page.get_by_role("tab", name="How firm is it?", exact=True).click()
    expect(page.locator("#model-zoo-firm .status")).to_contain_text("change their mind", timeout=60_000)
    picture = page.locator("#model-zoo-firm .disturbed")
    before = picture.get_attribute("src")
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.locator("#model-zoo-firm input[type=range]").fill("7")
    expect(page.locator("#model-zoo-firm output")).to_have_text("70 %")
    expect(picture).not_to_have_attribute("src", before)
    assert asked == []
    page.locator("#model-zoo-firm").get_by_text("Darken").click()
    expect(page.locator("#model-zoo-firm figcaption")).to_contain_text("Darken", timeout=60_000)
