"""The feature-map tab: as functions, through the API with many visitors at once, and on the page."""

import re
import threading
from pathlib import Path

import benchmark_feature_maps
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import constants
from PIL import Image
from torch import nn

from cnn_core import feature_maps as core
from cnn_core import saliency, weights, zoo
from cnn_core.errors import Refused
from demos import feature_maps as tab
from demos._photographs import LONGEST, photograph, receive

NETWORK, LAYER = "sketch_net", "features.3.relu"
HUB = Path(__file__).parents[2] / "shared" / "hub"


@pytest.fixture
def cat():
    return photograph("Cat")


@pytest.fixture
def hub(monkeypatch):
    """The Hub's cache with a few networks in it, and no way to the Hub."""
    if not HUB.is_dir():
        pytest.skip("there is no ../shared/hub beside the repository")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(HUB))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def view(cat):
    """Function that gives a view of the small network, changed as wanted."""
    return lambda **changes: tab.View(**({"image": cat, "model": NETWORK, "layer": LAYER} | changes))


# Functions


def test_grid_and_table_of_a_layer(cat):
    grid, table = tab.run(cat, NETWORK, LAYER)
    assert grid.size == (8 * (112 + 4) - 4, 4 * (112 + 4) - 4)
    assert table["channel"].tolist() == list(range(32))
    row = weights.WEIGHTS[NETWORK]
    maps = core.read(weights.shared(NETWORK), row.preprocess(receive(cat)), LAYER)[0].numpy()
    np.testing.assert_allclose(table["mean"], maps.mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(table["zeros"], (maps == 0).mean((1, 2)), atol=1e-5)


def test_order_page_and_channel_do_not_run_the_network_again(cat, monkeypatch):
    tab.run(cat, NETWORK, LAYER)

    def fail(*_):
        raise AssertionError("ran")

    monkeypatch.setattr(core, "read", fail)
    grids = [tab.run(cat, NETWORK, LAYER, order)[0].tobytes() for order in tab.ORDERS]
    assert len(set(grids)) == 4
    assert "Channel 3" in tab.channel_view(cat, NETWORK, LAYER, 3)
    with pytest.raises(AssertionError, match="ran"):
        tab.run(cat.rotate(90), NETWORK, LAYER)


def test_orders_and_methods_of_the_page_are_those_of_the_core():
    assert tuple(core.ORDERS) == tab.ORDERS
    assert saliency.METHODS == tab.METHODS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((NETWORK, "features.3.rel"), "There is no layer 'features.3.rel' in this network; there are features.3.relu"),
        (("sketch_nets", LAYER), "There is no network called 'sketch_nets'; there are sketch_net"),
        (("xai", LAYER), "There are no weights for xai: choose untrained/xai"),
        (("untrained/timm/eva02_enormous_patch14_clip_224", LAYER), "MB: choose a network of at most 700 MB"),
        (("untrained/lenet5", LAYER), "cannot take a colour photograph (channels: 1, not 3)"),
        ((NETWORK, "classifier.3"), "classifier.3 gives 10 numbers without rows and columns"),
        (("fashion_dnn", "classifier.1"), "This network has no layer with maps"),
        ((NETWORK, LAYER, "size"), "Channels can be ordered by"),
        ((NETWORK, LAYER, "index", 2), "There are 1 pages of channels: there is no page 2"),
    ],
)
def test_what_is_not_there_is_refused_with_near_names(cat, arguments, said):
    with pytest.raises(Refused, match=re.escape(said)):
        tab.run(cat, *arguments)


@pytest.mark.parametrize("size", [(4000, 1), (3, 3), (8000, 40)])
def test_pictures_that_are_lines_or_dots_are_refused(size):
    with pytest.raises(Refused, match="too small or too narrow"):
        receive(Image.new("RGB", size))
    with pytest.raises(Refused, match="Choose a picture"):
        receive(None)


def test_eight_megapixels_are_made_small():
    assert max(receive(Image.new("RGB", (3456, 2304))).size) == LONGEST


def test_values_that_are_no_numbers_are_counted_and_said(cat):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.no_grad():
        network[0].weight[1] = float("nan")
    broken = zoo.Network("broken", network.eval(), zoo.Photograph(16), (), True)
    maps = tab.maps_of(broken, cat, "0")
    found = core.statistics(maps)
    assert found.missing.tolist() == [0, 14 * 14, 0, 0]
    assert "196 values are no numbers" in tab.summary(broken, "0", maps, found)


def test_first_layer_shows_its_filter_in_colour_and_the_patch_it_likes(cat):
    shown = tab.channel_view(cat, "untrained/resnet18", "conv1", 0)
    assert "Its filter; grey is 0" in shown
    assert "What excites it most" in shown
    assert shown.count("<img") == 4
    assert "<td" in shown


def test_patch_is_cut_out_by_the_receptive_field():
    """The most excited unit of an edge in a black picture sees that edge."""
    seen = Image.new("RGB", (224, 224))
    seen.putpixel((100, 60), (255, 255, 255))
    trace = tab.trace_of("untrained/resnet18")
    top, left, bottom, right = trace.box("conv1", (30, 50))
    assert (bottom - top, right - left) == (7, 7)
    assert top <= 60 < bottom
    assert left <= 100 < right


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("depth", ["What the network is given", "14×14", "7×7", "Probability"]),
        ("why", [*tab.METHODS, "probability"]),
        ("cam", ["Layer 1 of", "Grad-CAM", "Layer-CAM"]),
        ("off", ["Switched off in features.3.relu: 3, 5-6", "Loss, measured"]),
        ("compare", ["with random weights", "features.3.relu"]),
    ],
)
def test_every_part_shows_what_it_promises(part, words, view):
    *_, html = tab.part_html(part, view(off="3, 5-6"))
    assert [word for word in words if word not in html] == []


def test_filters_are_shown_for_convolutions_and_refused_for_others(view):
    (html,) = tab.part_html("filters", view(layer="features.0"))
    assert "32 filters of 5×5 over 1 channels" in html
    (html,) = tab.part_html("filters", view())
    assert "has no kernels of its own: choose a convolution" in html


def test_a_layer_behind_the_pooling_says_why_there_is_no_map(view):
    (html,) = tab.part_html("cam", view(depth=999))
    assert "stands behind the global pooling" in html


def test_another_network_is_compared_at_a_layer_as_deep(view):
    (html,) = tab.part_html("compare", view(layer="features.4", other="fashion_cnn"))
    assert "fashion_cnn" in html
    assert "sketch_net" in html


@pytest.mark.parametrize(("layer", "expected"), [("features.0", "conv1"), ("features.4", "layer4.2.conv3")])
def test_the_first_layer_is_compared_with_the_first_and_the_last_with_the_last(layer, expected):
    assert tab.counterpart(zoo.get("fashion_cnn"), layer, zoo.get("untrained/resnet50")) == expected


def test_an_untrained_network_is_compared_with_other_random_weights(cat):
    html = tab.compared(tab.View(cat, "untrained/squeezenet1_1", "features.0"))
    one, other = re.findall(r'<img src="([^"]+)"', html)
    assert one != other


def test_saliency_without_maps_is_occlusion_only(cat):
    assert tab.saliency(cat, "fashion_dnn", "Occlusion")[1]["layer"] is None
    with pytest.raises(Refused, match="no layer with maps"):
        tab.saliency(cat, "fashion_dnn", None)


def test_the_sanity_check_of_a_blank_map_says_that_it_shows_nothing(view, monkeypatch):
    def checks(*_):
        for share in (0.0, 1.0):
            yield saliency.Check("x" * (share > 0), share, blank, float("nan"))

    blank = saliency.Seen(np.zeros((4, 4), np.float32), Refused("Nothing speaks for it."), 0.0, 0.0)
    monkeypatch.setattr(saliency, "sanity_check", checks)
    *_, html = tab.sanity(view())
    assert "there is nothing to compare" in html
    assert "comes from what was learnt" not in html


def test_the_sanity_check_ends_in_a_verdict(view):
    *_, html = tab.sanity(view())
    assert html.count("<figure") == 5
    assert "As it was trained" in html
    assert "With random weights" in html


def test_the_course_figure_is_marked_untrained(cat):
    html = tab.course_figure(cat)
    assert "<b>untrained</b>" in html
    assert all(layer in html for layer in tab.COURSE_LAYERS)
    assert html.count("<img") == 3
    assert html != tab.course_figure(cat.rotate(90))


@pytest.mark.parametrize(("text", "expected"), [("", []), ("3", [3]), ("1, 4-6;9", [1, 4, 5, 6, 9]), ("6-4", [])])
def test_channels_are_written_as_numbers_and_ranges(text, expected):
    assert tab.channel_numbers(text) == expected


def test_more_channels_than_any_layer_has_are_refused_at_once():
    with pytest.raises(Refused, match="at most 10000 channels"):
        tab.channel_numbers("0-9999," * 100_000)


@pytest.mark.parametrize("text", ["x", "-1", "1-2-3", "1.5", "9" * 40])
def test_other_ways_to_write_channels_are_refused(text):
    with pytest.raises(Refused, match="numbers and ranges"):
        tab.channel_numbers(text)


def test_files_hold_the_grid_and_the_raw_maps(cat):
    png, npz = tab.files(cat, NETWORK, LAYER, "mean", 1)
    with Image.open(png) as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(tab.run(cat, NETWORK, LAYER, "mean")[0]))
    with np.load(npz) as found:
        assert found["maps"].shape == (32, 14, 14)
        assert (str(found["network"]), str(found["layer"])) == (NETWORK, LAYER)
        assert len(found["mean"]) == 32
    assert Path(npz).name == "sketch_net-features.3.relu.npz"


BEGUN = {"layer": "features.0", "order": "index", "page": 1, "channel": 0, "class": "", "off": "", "with": tab.RANDOM}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"layer": LAYER, "order": "mean", "channel": "7"}, {"layer": LAYER, "order": "mean", "channel": 7}),
        (
            {"page": "2", "class": "Bag", "depth": "3", "off": "1, 4-6", "with": "fashion_cnn"},
            {"page": 2, "class": "Bag", "depth": 3, "off": "1, 4-6", "with": "fashion_cnn"},
        ),
        ({"layer": "nonsense", "order": "x", "channel": "-3"}, {}),
        ({"page": "-1", "class": "Bagg", "depth": "9" * 30, "off": "all", "with": "no such network"}, {}),
        ({"depth": "99999"}, {}),
    ],
)
def test_an_address_restores_what_it_names_rightly(query, expected):
    found, missed = tab.asked_for({"network": NETWORK, **query})
    deepest = len(tab.nodes(zoo.get(NETWORK)))
    assert found == {"network": NETWORK, "depth": deepest} | BEGUN | expected
    assert bool(missed) == (query.get("layer") == "nonsense")


@pytest.mark.parametrize("query", [{}, {"network": "../../etc", "layer": LAYER, "channel": "9" * 30}])
def test_an_address_without_a_network_opens_the_usual_one(query):
    found, missed = tab.asked_for(query)
    default = tab.default_network()
    assert (found["network"], found["layer"], found["channel"]) == (default, tab.first_layer(default), 0)
    assert bool(missed) == bool(query)


# Networks


@pytest.mark.parametrize(
    ("name", "shape", "likely"),
    [
        ("torchvision-mirror/mobilenet_v2", (3, 224, 224), "cat"),
        ("torchvision-mirror/squeezenet1_0", (3, 224, 224), "cat"),
        ("timm-mirror/mobilenetv2_100", (3, 224, 224), "cat"),
    ],
)
def test_networks_of_the_hub_know_a_cat(name, shape, likely, hub, cat):
    network = zoo.get(name)
    assert network.shape == shape
    picture, words = tab.saliency(cat, name)
    assert likely in words["class"]
    assert words["blank"] is None
    assert picture.size == (tab.SIDE, tab.SIDE)
    grid, _ = tab.run(cat, name, tab.first_layer(name))
    assert grid.width > 500
    assert zoo.get(name) is network


def test_a_network_that_is_out_of_reach_says_so(hub):
    with pytest.raises(Refused, match="HF_HUB_OFFLINE"):
        zoo.get("nobody/nothing")


def test_settings_of_a_repository_that_open_other_files_are_not_believed(tmp_path):
    config = {"architecture": "resnet18", "pretrained_cfg": {}, "num_classes": 5,
              "model_args": {"checkpoint_path": "/etc/passwd", "pretrained": True, "base_width": {"a": 1}}}  # fmt: skip
    network = zoo._architecture("x", "me/x", config)
    assert network.fc.out_features == 5
    with pytest.raises(weights.WeightsUnavailable, match="names no network"):
        zoo._architecture("x", "me/x", {"architecture": "no_such_net"})


def test_untrained_networks_are_said_to_be(cat):
    network = zoo.get("untrained/xai")
    assert not network.trained
    assert sum(parameter.numel() for parameter in network.module.parameters()) == 14_983_106
    maps = np.zeros((1, 2, 2), np.float32)
    assert "**untrained**" in tab.summary(network, "features.0", maps, core.statistics(maps))


# The API


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


@pytest.fixture
def files(tmp_path):
    """Eight different pictures, as files."""
    paths = []
    for number in range(8):
        paths.append(tmp_path / f"{number}.png")
        photograph("Coffee").rotate(45 * number).resize((200, 133)).save(paths[-1])
    return paths


def test_endpoints_are_public_and_described(client):
    found = client.view_api(return_format="dict")["named_endpoints"]
    assert {"/feature_maps", "/list_layers", "/saliency"} <= found.keys()
    names = [parameter["parameter_name"] for parameter in found["/feature_maps"]["parameters"]]
    assert names == ["image", "model", "layer", "order", "page"]
    names = [parameter["parameter_name"] for parameter in found["/saliency"]["parameters"]]
    assert names == ["image", "model", "method", "target"]


def test_feature_maps_answers_like_the_function(client, files):
    grid, table = client.predict(handle_file(files[1]), NETWORK, LAYER, "variance", 1, api_name="/feature_maps")
    expected, statistics = tab.run(Image.open(files[1]), NETWORK, LAYER, "variance", 1)
    with Image.open(grid) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGBA")), np.asarray(expected))
    assert table["headers"] == list(statistics.columns)
    assert len(table["data"]) == 32


def test_list_layers_names_every_layer(client):
    layers = client.predict(NETWORK, api_name="/list_layers")
    assert layers[0] == {"name": "features", "kind": "Sequential", "shape": [96, 7, 7], "maps": True}
    assert [layer["name"] for layer in layers if not layer["maps"]][-1] == "classifier.3"


@pytest.mark.parametrize("method", tab.METHODS)
def test_saliency_answers_by_every_method(client, files, method):
    over, words = client.predict(handle_file(files[0]), NETWORK, method, "Bag", api_name="/saliency")
    with Image.open(over) as picture:
        assert picture.size == (tab.SIDE, tab.SIDE)
    assert words["class"] == "Bag"
    assert 0 <= words["probability"] <= 1


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("/feature_maps", (NETWORK, "nothing", "index", 1), "There is no layer 'nothing'"),
        ("/feature_maps", ("nothing", LAYER, "index", 1), "There is no network called 'nothing'"),
        ("/feature_maps", (NETWORK, LAYER, "index", 99), "there is no page 99"),
        ("/feature_maps", (None, LAYER, "index", 1), "There is no network called ''"),
        ("/feature_maps", (NETWORK, None, None, None), "There is no layer ''"),
        ("/saliency", (NETWORK, "Grad-CAM", "Bagg"), "sketch_net knows no class 'Bagg'; it knows Bag"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(client, files, name, arguments, said):
    with pytest.raises(AppError) as refused:
        client.predict(handle_file(files[0]), *arguments, api_name=name)
    assert said in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_two_hundred_requests_at_once_never_mix_their_pictures_up(address, files):
    """Eight visitors with pictures of their own, on the endpoints that read maps and gradients of the same network."""
    rounds, wrong, done = 13, [], []
    expected = [
        (tab.run(Image.open(file), NETWORK, LAYER)[1], tab.saliency(Image.open(file), NETWORK)) for file in files
    ]

    def visit(number):
        try:
            visitor = Client(address, verbose=False)
            for turn in range(rounds):
                tab.recent.cache_clear()  # so that every request runs the network
                ask(visitor, number, turn)
                done.append(2)
        except Exception as error:
            wrong.append((number, repr(error)))

    def ask(visitor, number, turn):
        statistics, (over, words) = expected[number]
        file = handle_file(files[number])
        _, table = visitor.predict(file, NETWORK, LAYER, tab.ORDERS[turn % 4], 1, api_name="/feature_maps")
        if not np.allclose(np.array(table["data"], float), statistics.to_numpy(), atol=1e-5):
            wrong.append(("maps", number, turn))
        found, said = visitor.predict(file, NETWORK, "Grad-CAM", "", api_name="/saliency")
        with Image.open(found) as picture:
            if said != words or np.abs(np.asarray(picture.convert("RGB"), int) - np.asarray(over, int)).max() > 1:
                wrong.append(("saliency", number, turn))

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(len(files))]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert wrong == []
    assert sum(done) >= 200
    network = weights.shared(NETWORK)
    assert not any(layer._forward_hooks for layer in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_first_page_of_2048_channels_costs_little_more_than_the_network():
    for _ in range(2):  # a second chance, for a machine that was busy with something else
        took = benchmark_feature_maps.measure(5)
        if took["first"] <= 1.5 * took["forward"] + took["encode"]:
            break
    assert took["first"] <= 1.5 * took["forward"] + took["encode"]
    assert took["next"] < took["forward"]


# The page


def opened(page, address, query=""):
    """The page with the tab open, once its own example has been looked at."""
    from playwright.sync_api import expect

    page.goto(f"{address}?tab=feature_maps{query}")
    expect(page.locator("#feature-maps-one figcaption").first).to_be_visible(timeout=60_000)
    return page


def test_a_channel_is_clicked_and_seen_large(page, address):
    from playwright.sync_api import expect

    opened(page, address, f"&network={NETWORK}&layer={LAYER}")
    expect(page.locator("#feature-maps-sentence")).to_contain_text("32 maps of 14×14", timeout=30_000)
    page.locator("#feature-maps-grid button[data-channel='7']").click()
    expect(page.locator("#feature-maps-one figcaption").first).to_have_text("Channel 7", timeout=30_000)
    expect(page.locator("#feature-maps-grid button[data-channel='7']")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#feature-maps-grid button[data-channel='0']")).to_have_attribute("aria-pressed", "false")
    width, natural = page.locator("#feature-maps-one img").first.evaluate("img => [img.clientWidth, img.naturalWidth]")
    assert min(width, natural) >= 200


def test_a_link_opens_the_view_again(page, new_page, address):
    from playwright.sync_api import expect

    opened(page, address, f"&network={NETWORK}&layer={LAYER}&order=mean&channel=3&class=Bag")
    expect(page.locator("#feature-maps-one figcaption").first).to_have_text("Channel 3", timeout=30_000)
    expect(page.get_by_label("Class to explain")).to_have_value("Bag")
    page.locator("#feature-maps-grid button[data-channel='4']").click()
    expect(page.locator("#feature-maps-one figcaption").first).to_have_text("Channel 4", timeout=30_000)
    page.wait_for_url("**channel=4**")
    other = new_page(viewport={"width": 1280, "height": 800})
    other.goto(page.url)
    expect(other.locator("#feature-maps-sentence")).to_contain_text(f"{LAYER} of {NETWORK}", timeout=60_000)
    expect(other.locator("#feature-maps-one figcaption").first).to_have_text("Channel 4", timeout=30_000)
    expect(other.get_by_label("Mean", exact=True)).to_be_checked()
    expect(other.get_by_label("Class to explain")).to_have_value("Bag")


def test_an_upload_of_eight_megapixels_is_made_smaller_before_it_travels(page, address, tmp_path):
    from playwright.sync_api import expect

    opened(page, address, f"&network={NETWORK}&layer={LAYER}")
    path = tmp_path / "large.png"
    photograph("Coffee").resize((3456, 2304)).save(path)
    sent = []
    page.on("request", lambda request: "/upload" in request.url and sent.append(len(request.post_data_buffer or b"")))
    before = page.locator("#feature-maps-one img").first.get_attribute("src")
    page.locator("#feature-maps-picture").get_by_label("Remove Image").click()
    page.locator("#feature-maps-picture input[type=file]").set_input_files(path, timeout=30_000)
    expect(page.locator("#feature-maps-one img").first).not_to_have_attribute("src", before, timeout=60_000)
    assert 0 < sum(sent) < path.stat().st_size / 5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("device", ["page", "phone"])
def test_every_part_opens_and_no_reader_is_shut_out(device, theme, request, address, axe):
    from playwright.sync_api import expect

    page = opened(request.getfixturevalue(device), address, f"&network={NETWORK}&layer=features.0&__theme={theme}")
    shows = {
        "Through the depth": "#feature-maps-depth img",
        "Filters": "#feature-maps-filters img",
        "Why this class": "#feature-maps-why figure:nth-child(4)",
        "Evidence at every layer": "#feature-maps-cam figure",
        "Switch channels off": "#feature-maps-ablation td",
        "Compare": "#feature-maps-compare img",
        "Take it away": "#feature-maps-prepare",
    }
    for name, element in shows.items():
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.locator(element).first).to_be_visible(timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert [found for found in axe(page) if found[1] in ("serious", "critical")] == [], name


def test_files_are_prepared_and_downloaded(page, address, tmp_path):
    opened(page, address, f"&network={NETWORK}&layer={LAYER}")
    page.get_by_role("tab", name="Take it away", exact=True).click()
    page.locator("#feature-maps-prepare").click()
    page.locator("#feature-maps-npz").wait_for(state="visible", timeout=30_000)
    with page.expect_download() as download:
        page.locator("#feature-maps-npz").click()
    download.value.save_as(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as found:
        assert found["maps"].shape == (32, 14, 14)
