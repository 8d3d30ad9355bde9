"""The receptive-field tab: as functions, through the API, and in a browser, where its arithmetic is Python's again."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from cnn_core import chains, convolution, networks
from cnn_core.errors import Refused
from demos import receptive_field

PAGE = "?tab=receptive_field"

# ---------------------------------------------------------------------------------------------------- Functions


def test_table_has_the_columns_and_the_published_end():
    rows, said = receptive_field.run("alexnet", 224)
    assert list(rows.columns) == receptive_field.COLUMNS
    last = rows[rows["layer"] == "features.12"].iloc[0]
    assert [last[name] for name in ("op", "kernel", "stride", "output", "rf", "jump", "start")] == [
        "MaxPool2d", 3, 2, "256×6×6", 195, 32, -66
    ]  # fmt: skip
    assert said == ""


def test_remark_names_where_a_pooled_branch_begins():
    assert "features.1.block.1" in receptive_field.run("mobilenet_v3_small", 224)[1]


def test_opening_example_is_what_tracing_finds():
    ours, traced = receptive_field.opening(), receptive_field.view("alexnet", 224)
    found = {layer["layer"]: layer for layer in traced["layers"]}
    for layer in ours["layers"]:
        assert json.dumps(layer) == json.dumps(found[layer["layer"]])
    moving = [layer["layer"] for layer in traced["layers"] if layer["moves"] and not layer["pooled"]]
    assert [layer["layer"] for layer in ours["layers"]] == moving


@pytest.mark.parametrize("name", receptive_field.OFFERED)
def test_every_network_offered_is_known(name):
    assert networks.resolve(name)


@pytest.mark.parametrize("size", [None, 0, -1, 2.5, 10**6])
def test_sizes_that_no_picture_has_are_refused(size):
    with pytest.raises(Refused, match="8192"):
        receptive_field.run("alexnet", size)


def test_axes_that_differ_are_both_shown():
    rows = receptive_field.run_layers('[{"op": "conv", "kernel": [1, 7], "padding": [0, 3]}]', 20)
    assert rows.iloc[0].tolist() == [1, "conv", "1×7", 1, "0×3", 1, "20×20", "1×7", 1, "0×-3"]


def asks(name, size, layer, unit, weights="random", call=1):
    return {"name": name, "size": size, "layer": layer, "call": call, "unit": unit, "weights": weights}


def test_measured_field_lies_within_the_box():
    heat = receptive_field.measured(asks("sketch_net", 28, "features.4", [3, 3], "trained"))["heat"]
    found = receptive_field.traced("sketch_net", 28)
    assert 1 < heat["side"] <= found.layer("features.4").fields[0].size
    assert heat["source"].startswith("data:image/png;base64,")
    network = receptive_field.with_numbers("sketch_net", False)
    measured = receptive_field.cnn_core.effective.measure(network, "features.4", (3, 3), 28)
    top, left, bottom, right = found.box("features.4", (3, 3))
    assert measured.strength[top:bottom, left:right].sum() == pytest.approx(1)
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(
    "asked",
    [
        None,
        {},
        {"ask": {}},
        {"ask": asks("sketch_net", 28, "nowhere", [0, 0])},
        {"ask": asks("sketch_net", 28, "features.4", [0, 99])},
        {"ask": asks("sketch_net", 28, "features.4", [3, 3], call=2)},
        {"ask": asks("sketch_net", 28, "features.4", [3, 3], call=None)},
        {"ask": asks("no_net", 28, "features.4", [3, 3])},
        {"ask": asks("sketch_net", None, "features.4", [3, 3])},
        {"ask": asks("resnet18", 64, "layer1.0.add", [3, 3])},
        {"ask": {"layer": 5, "unit": "x"}},
    ],
)
def test_nonsense_is_not_measured(asked):
    question = (asked or {}).get("ask")
    with pytest.raises(Refused) as refused:
        receptive_field.measured(question)
    assert receptive_field.measure(asked) == {"unmeasured": str(refused.value), "of": question}


def test_each_run_of_a_layer_is_measured_by_itself():
    found = receptive_field.traced("resnet18", 64)
    runs = [layer for layer in found.layers if layer.name == "layer2.0.relu"]
    network = receptive_field.with_numbers("resnet18", False)
    sizes = []
    for call, layer in enumerate(runs, 1):
        top, left, bottom, right = found.box(layer, (4, 4))
        strength = receptive_field.cnn_core.effective.measure(network, layer.name, (4, 4), 64, call=call).strength
        assert strength[top:bottom, left:right].sum() == pytest.approx(1)
        rows, _ = strength.nonzero()
        sizes.append(int(rows.max() - rows.min()))
    assert sizes == [runs[0].fields[0].size - 1, 63 - found.box(runs[1], (4, 4))[0]]
    rows = receptive_field.view("resnet18", 64)["layers"]
    assert [row["call"] for row in rows if row["layer"] == "layer2.0.relu"] == [1, 2]
    assert [row["call"] for row in rows if row["layer"] == "layer2.0.add"] == [None]


def test_many_measure_one_network_at_once():
    network = receptive_field.with_numbers("sketch_net", True)
    units = [(row, column) for row in range(4) for column in range(4)]

    def strength(unit):
        return receptive_field.cnn_core.effective.measure(network, "features.4", unit, 28).strength

    alone = [strength(unit) for unit in units]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(strength, units), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_what_takes_too_much_memory_is_not_measured(monkeypatch):
    monkeypatch.setattr(receptive_field, "with_numbers", lambda *_: pytest.fail("was built all the same"))
    with pytest.raises(Refused, match="choose a smaller input"):
        receptive_field.measured(asks("densenet121", 1024, "features.denseblock4.denselayer16.conv2", [1, 1]))
    monkeypatch.undo()
    with pytest.raises(Refused, match="138 million parameters"):
        receptive_field.measured(asks("vgg16", 224, "features.28", [1, 1]))


def test_formulas_have_what_a_layer_looks_at():
    found = {layer["layer"]: layer for layer in receptive_field.view("resnet18", 224)["layers"]}
    assert found["layer1.0.conv1"]["before"] == [[56, 11, 4, -5]] * 2
    assert found["layer1.0.add"]["before"] is None


def test_course_numbers_of_the_steps():
    steps = receptive_field.presets()

    def output(name):
        preset = steps[name]
        settings = {key: preset[key] for key in ("stride", "padding", "dilation", "edges", "size") if key in preset}
        kernel = np.array(preset["kernel"], float) if "kernel" in preset else None
        return convolution.work(preset["op"], np.array(preset["input"], float), kernel, **settings).output

    first = output("grey")[0]
    assert (first[0].tolist(), first[1, 0]) == ([3, 1, 1, 3], 1)
    assert output("max").tolist() == [[[3, 12], [3, 4]]]
    assert output("average").tolist() == [[[0, 3], [0, 3]]]
    assert output("line").tolist() == [[0.75, 1, 1, 1, 0.75]]
    assert output("line_repeat").tolist() == [[1, 1, 1, 1, 1]]


# ---------------------------------------------------------------------------------------------------- The API


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


def test_endpoints_return_the_table_first(client):
    rows, said = client.predict("resnet50", 224, api_name="/receptive_field")
    assert rows["headers"] == receptive_field.COLUMNS
    assert ["layer4.2.conv3", "Conv2d", 1, 1, 0, 1, "2048×7×7", 427, 32, -213] in rows["data"]
    assert said == ""
    rows = client.predict('[{"op": "conv", "kernel": 3, "dilation": 2}]', 9, api_name="/receptive_field_of_layers")
    assert rows["data"] == [[1, "conv", 3, 1, 0, 2, "5×5", 5, 1, 0]]
    rows, output = client.predict(
        "[[1, 1, 1, 1, 1]]", "[[[0.25, 0.5, 0.25]]]", "conv", 1, 1, 1, "zeros", api_name="/convolution_steps"
    )
    assert json.loads(output) == [[0.75, 1, 1, 1, 0.75]]
    assert rows["data"][0] == ["0, 0", "0·0.25 + 1·0.5 + 1·0.25 = 0.75", 0.75]


@pytest.mark.parametrize(
    ("arguments", "endpoint", "says"),
    [
        (("resnet5000", 224), "receptive_field", "resnet50"),
        (("vit_b_16", 224), "receptive_field", "transformers"),
        (("resnet50", 0), "receptive_field", "8192"),
        (("[", 224), "receptive_field_of_layers", "not JSON"),
        ((json.dumps([{"op": "conv"}] * 500), 224), "receptive_field_of_layers", "at most 100"),
        (('[{"op": "conv", "kernel": 9}]', 5), "receptive_field_of_layers", "Layer 1"),
        (("[[1, 2]]", "[[[1, 1, 1]]]", "conv", 1, 0, 1, "zeros"), "convolution_steps", "does not fit"),
        (("what", "", "conv", 1, 0, 1, "zeros"), "convolution_steps", "not JSON"),
        (("[[1, 2]]", "[[[1]]]", "conv", 0, 0, 1, "zeros"), "convolution_steps", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(client, arguments, endpoint, says):
    with pytest.raises(AppError) as refused:
        client.predict(*arguments, api_name=f"/{endpoint}")
    assert says in str(refused.value)
    assert "Traceback" not in str(refused.value)


# ---------------------------------------------------------------------------------------------------- The page


def opened(page, address, query=""):
    """The page, at one of its parts."""
    page.goto(f"{address}{PAGE}{query}")
    page.wait_for_function("window.convlensOpened", timeout=60_000)
    return page


def test_first_view_is_worked_out_and_answers_clicks(page, address):
    from playwright.sync_api import expect

    opened(page, address)
    expect(page.locator(".rf-network .sees")).to_contain_text("195×195 px")
    page.locator(".rf-network .map").click(position={"x": 3, "y": 3})
    expect(page.locator(".rf-network .sees")).to_contain_text("rows -66 to 128")
    frame = page.locator(".rf-network .plan .frame")  # the whole field, where the picture's own box is cut
    assert [frame.get_attribute(name) for name in ("x", "y", "width", "height")] == ["-66", "-66", "195", "195"]
    page.locator(".rf-network .photo").click(position={"x": 200, "y": 200})
    expect(page.locator(".rf-network .unit")).to_contain_text("of 36 units look at pixel")
    page.get_by_role("button", name="features.0", exact=True).click()
    expect(page.locator(".rf-network .sees")).to_contain_text("11×11 px")


def test_address_restores_network_layer_and_unit(new_page, page, address):
    from playwright.sync_api import expect

    opened(page, address, "&network=resnet18&size=224&layer=layer3.0.conv1&unit=2.3")
    expect(page.locator(".rf-network .sees")).to_contain_text("rows -25 to 89, columns -9 to 105", timeout=60_000)
    page.get_by_label("Row of the unit").fill("5")
    page.wait_for_url(re.compile("unit=5.3"))
    assert "tab=receptive_field" in page.url
    linked = new_page()
    linked.goto(page.url)
    expect(linked.locator(".rf-network .sees")).to_contain_text("columns -9 to 105", timeout=60_000)
    expect(linked.get_by_label("Row of the unit")).to_have_value("5")
    opened(page, address, "&network=alexnet&size=224&layer=features.3&unit=2.4")  # of the network that it opens with
    expect(page.locator(".rf-network .column")).to_have_value("4", timeout=60_000)
    expect(page.locator(".rf-network .which")).to_contain_text("features.3")


def test_nonsense_in_the_address_does_no_harm(page, new_page, address):
    from playwright.sync_api import expect

    opened(page, address, "&network=alexnet&size=99999999&layer=%3Cb%3E&unit=x.y&layers=a.b&part=none&rates=9999")
    expect(page.locator(".rf-network .sees")).to_contain_text("195×195 px", timeout=60_000)
    expect(page.locator(".rf-network .note")).to_contain_text("Choose an input of 1 to 8192 px")
    page = new_page()
    opened(page, address, "&network=alexnet&size=200&layer=%3Cb%3E&unit=99.99")
    expect(page.locator(".rf-network .note")).to_contain_text("no layer called <b>", timeout=60_000)


def test_unknown_networks_are_refused_on_the_page(page, address):
    from playwright.sync_api import expect

    opened(page, address)
    box = page.locator("#receptive_field-architecture input")
    box.fill("resnet5000")
    box.press("Enter")
    expect(page.locator(".rf-network .note")).to_contain_text("There is no network called", timeout=60_000)
    box.fill("alexnet")  # which is shown still
    box.press("Enter")
    expect(page.locator(".rf-network .note")).to_be_empty(timeout=60_000)
    expect(page.locator(".rf-network.stale")).to_have_count(0)


def test_measured_field_is_laid_over_the_picture(page, address):
    from playwright.sync_api import expect

    opened(page, address, "&network=sketch_net&layer=features.4")
    expect(page.locator(".rf-network .layer option:checked")).to_contain_text("features.4", timeout=60_000)
    page.get_by_label("trained").check()
    page.get_by_role("button", name="Measure the unit's gradient").click()
    expect(page.locator(".rf-network .measured")).to_contain_text("of the gradient lies on", timeout=60_000)
    expect(page.locator(".rf-network .over image")).to_have_count(1)
    page.get_by_role("button", name="Measure the unit's gradient").click()
    page.get_by_label("Row of the unit").fill("1")  # before the answer comes: it is of another unit then
    expect(page.locator(".rf-network .over image")).to_have_count(0)
    page.evaluate("""() => {
        window.drawn = 0;
        const count = () => (window.drawn += document.querySelectorAll('.rf-network .over image').length);
        new MutationObserver(count).observe(document.querySelector('.rf-network .over'), { childList: true });
    }""")
    page.get_by_role("button", name="Measure the unit's gradient").click()
    found = receptive_field.measured(asks("sketch_net", 28, "features.4", [1, 3], "trained"))["heat"]
    expect(page.locator(".rf-network .over image")).to_have_attribute("href", found["source"], timeout=60_000)
    assert page.evaluate("window.drawn") == 1


STACKS = [
    "conv.7.2.3.1.0.16.1,max_pool.3.2.1.1.0.0.1,conv.3.1.2.2.0.32.4,depthwise.5.1.2.1.0.0.1",
    "conv.3.1.1.1.0.8.1,transposed.4.2.1.1.0.8.1,conv.3.3.0.1.0.8.1,transposed.3.3.0.1.1.4.1",
    "avg_pool.2.2.0.1.1.0.1,upsample.1.3.0.1.0.0.1,conv.5.2.4.2.0.6.3,max_pool.3.2.0.2.1.0.1",
    "conv.1x7.1x2.0x3.1.0.5.1,max_pool.2x3.2.1.1.1.0.1,transposed.3x2.2x3.1x0.2x1.1.4.1,adaptive_avg_pool.1.1.0.1.7x1.0.1",
]


def python_says(stack, size):
    """What cnn_core.chains makes of a stack as the address writes it: output, field, jump, start per layer and axis."""
    layers = []
    for part in stack.split(","):
        op, *numbers = part.split(".")
        values = [[int(each) for each in number.split("x")] for number in numbers]
        entry = {"op": op} | dict(zip(("kernel", "stride", "padding", "dilation"), values, strict=False))
        if op == "upsample":
            entry = {"op": op, "stride": entry["stride"]}
        elif extra := {"transposed": "output_padding", "adaptive_avg_pool": "output_size"}.get(op):
            entry[extra] = values[4]
        elif op.endswith("pool"):
            entry["ceil_mode"] = values[4]
        layers.append(entry)
    return [
        [
            list(each.sizes),
            *([float(getattr(reach.field, name)) for reach in each.reaches] for name in ("size", "jump", "start")),
        ]
        for each in chains.follow(chains.read(json.dumps(layers)), size)
    ]


def both(text):
    """Two numbers, which are written once where they are equal."""
    found = [float(each) for each in text.replace("−", "-").split("×")]
    return found * (3 - len(found))


@pytest.mark.parametrize("stack", STACKS)
def test_stack_on_the_page_is_pythons_and_its_code_runs(page, address, stack):
    opened(page, address, f"&part=own&layers={stack}&input=61x48")
    page.locator(".rf-stack tbody tr").nth(stack.count(",")).wait_for()
    rows = page.locator(".rf-stack tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('output')].map(cell => cell.textContent))"
    )
    for (output, *seen), theirs in zip(rows, python_says(stack, (61, 48)), strict=True):
        ours = map(both, (output.split("×", 1)[1], *seen))
        assert list(ours) == [pytest.approx(each, abs=1e-3) for each in theirs]
    code = page.locator(".rf-stack code").text_content()
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    shape = ", ".join(rows[-1][0].split("×"))
    assert printed.strip() == f"torch.Size([1, {shape}])"


def test_a_change_is_drawn_within_100_ms_and_mistakes_name_their_layer(new_page, page, address):
    from playwright.sync_api import expect

    opened(page, address, "&part=own")
    page.locator(".rf-stack tbody tr").nth(1).wait_for()
    # From the key to the picture on the screen, script, layout and painting, in the page's own processor time: other
    # things that the machine does at the same time do not count. The second frame begins when the first is painted.
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(1000 * each["value"] for each in metrics if each["name"] == "TaskDuration")  # ms

    took = []
    for kernel in ("5", "7", "9", "11", "15"):
        began = busy()
        page.evaluate(
            """async (kernel) => {
                const input = document.querySelector('[aria-label="Kernel of layer 2"]');
                input.value = kernel;
                input.dispatchEvent(new Event('input', { bubbles: true }));
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            }""",
            kernel,
        )
        took.append(busy() - began)
    assert sorted(took)[2] <= 100, took
    assert page.locator(".rf-stack tbody tr").nth(1).locator("output").nth(1).text_content() == "31"
    page.get_by_label("Stride of layer 3", exact=True).fill("0")
    expect(page.locator(".rf-stack .wrong")).to_contain_text("Layer 3: Stride")
    page.get_by_label("Stride of layer 3", exact=True).fill("2")
    page.get_by_label("Kernel of layer 1", exact=True).fill("99")
    expect(page.locator(".rf-stack .wrong")).to_contain_text("Layer 1: a window of 99 px does not fit into 66 px")
    page.get_by_label("Kernel of layer 1", exact=True).fill("3")
    page.get_by_label("Move layer 3 up").click()
    page.get_by_label("Remove layer 1").click()
    page.get_by_role("button", name="Add a layer").click()
    expect(page.locator(".rf-stack tbody tr")).to_have_count(5)
    page.wait_for_url(re.compile("layers=max_pool[^&]*32.1%2Cconv[^&]*32.1&"))
    kept = page.url
    linked = new_page()
    linked.goto(kept)
    expect(linked.get_by_label("Operation of layer 1", exact=True)).to_have_value("max_pool", timeout=60_000)


def test_layers_are_pasted_as_json_or_refused_by_layer(page, address):
    from playwright.sync_api import expect

    opened(page, address, "&part=own")
    page.get_by_text("The layers as JSON").click()
    text, wrong = page.locator(".rf-stack .json"), page.locator(".rf-stack .wrong")
    conv = {"op": "conv", "kernel": [1, 7], "padding": [0, 3], "channels": 4}
    text.fill(json.dumps([conv, {"op": "max_pool", "ceil_mode": True}]))
    cells = page.locator(".rf-stack tbody output")
    expect(cells).to_have_text(["4×64×64", "1×7", "1", "0×-3", "4×32×32", "2×8", "2", "0×-3"])
    for given, says in (
        ("not json", "not JSON"),
        (json.dumps([{"op": "conv"}] * 500), "at most 100 layers; these are 500"),
        ('[{"op": "attention"}]', "Layer 1 needs an op"),
        ('[{"op": "conv", "output_padding": 1}]', "Layer 1 has output_padding"),
    ):
        text.fill(given)
        expect(wrong).to_contain_text(says)
        expect(cells).to_have_count(8)
    text.fill('[{"op": "conv"}, {"op": "conv", "stride": 0}]')
    expect(wrong).to_contain_text("Layer 2: Stride must be a whole number from 1")


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        (",".join(["conv.3.1.1.1.0.8.1"] * 500), "Please list at most 100 layers; these are 500."),
        ("conv.3.1", "cannot be read"),
        ("<b>", "cannot be read"),
    ],
)
def test_layers_in_the_address_that_are_none_are_refused_beside_an_example(page, address, layers, says):
    from playwright.sync_api import expect

    opened(page, address, f"&part=own&layers={layers}")
    expect(page.locator(".rf-stack .wrong")).to_contain_text(says)
    expect(page.locator(".rf-stack tbody tr")).to_have_count(5)


def test_formulas_are_shown_with_their_numbers(page, address):
    from playwright.sync_api import expect

    opened(page, address)
    formulas = page.locator(".rf-network .formulas")
    expect(formulas).to_contain_text("⌊13 − 3 + 2 · 02⌋+ 1=6")  # a fraction: 13 − 3 + 2·0 over 2
    expect(formulas).to_contain_text("163 + 2 · 16=195")
    page.get_by_role("tab", name="Build your own", exact=True).click()
    formulas = page.locator(".rf-stack .formulas")
    expect(formulas).to_contain_text("3 + 2 · 1=5")
    page.get_by_label("Kernel of layer 5", exact=True).focus()
    expect(formulas).to_contain_text("⌊32 − 1 + 2 · 01⌋+ 1=32")
    expect(formulas).to_contain_text("⌊32 − 7 + 2 · 31⌋+ 1=32")


def test_rates_are_drawn_counted_and_linked(page, address):
    from playwright.sync_api import expect

    opened(page, address, "&part=atrous&rate=24&kernel=5")
    expect(page.locator(".rf-atrous .facts")).to_contain_text("5 + 4·23 = 97 px")
    assert page.locator(".taps .tap").count() == 25
    captions = page.locator(".rf-atrous .stacks figcaption")
    expect(captions.nth(0)).to_contain_text("13×13 px, of which 29 % are used")
    expect(captions.nth(1)).to_contain_text("17×17 px, of which 100 % are used, the most used 4 times")
    page.locator(".rf-atrous .rates").nth(0).fill("1,2,3")
    expect(captions.nth(0)).to_contain_text("100 % are used")
    page.wait_for_url(re.compile("rates=1%2C2%2C3"))
    strides = page.locator("#receptive_field-strides tbody")
    for part in ("16×16", "32×32", "64×64", "427"):
        expect(strides).to_contain_text(part, timeout=60_000)


def test_steps_on_the_page_are_pythons(page, address):
    opened(page, address, "&part=steps&steps=line")
    scrub = page.locator(".rf-steps .scrub")
    scrub.wait_for()
    assert page.locator(".rf-steps .preset").input_value() == "line"
    for name, preset in receptive_field.presets().items():
        page.locator(".rf-steps .preset").select_option(name)
        settings = {key: preset[key] for key in ("stride", "padding", "dilation", "edges", "size") if key in preset}
        kernel = np.array(preset["kernel"], float) if "kernel" in preset else None
        worked = convolution.work(preset["op"], np.array(preset["input"], float), kernel, **settings)
        assert int(scrub.get_attribute("max")) == len(worked.steps) - 1, name
        scrub.fill(str(len(worked.steps) - 1))
        shown = page.locator(".rf-steps .output td").all_text_contents()
        assert [float(text.replace("−", "-")) for text in shown] == pytest.approx(worked.output.ravel().tolist()), name
        if kernel is not None:
            assert page.locator(".rf-steps .sum").text_content() == worked.steps[-1].written(), name


def test_own_numbers_are_worked_out_and_linked(new_page, page, address):
    from playwright.sync_api import expect

    opened(page, address, "&part=steps")
    page.get_by_text("Your own numbers").last.click()
    picture, weights = page.locator(".rf-steps .picture"), page.locator(".rf-steps .weights")
    picture.fill("1 2 3\n4 5 6\n\n0 1 0\n1 0 −1")
    expect(page.locator(".rf-steps .wrong")).to_contain_text("1 blocks of weights")
    weights.fill("1 0.5\n\n0 -2\n\n1 1\n\n1 1")
    expect(page.locator(".rf-steps .shapes")).to_have_text(
        "2×2×3 by 2 filters of 2×1×2 gives 2×2×2: 8 sums of 4 products."
    )
    arrays = [[[1, 2, 3], [4, 5, 6]], [[0, 1, 0], [1, 0, -1]]], [[[[1, 0.5]], [[0, -2]]], [[[1, 1]], [[1, 1]]]]
    worked = convolution.work("conv", *(np.array(each, float) for each in arrays))

    def shown(where):
        where.locator(".rf-steps .scrub").fill("7")
        return [float(text.replace("−", "-")) for text in where.locator(".rf-steps .output td").all_text_contents()]

    assert shown(page) == worked.output.ravel().tolist()
    assert page.locator(".rf-steps .sum").text_content() == worked.steps[-1].written()
    linked = new_page()
    opened(linked, page.url.split("?")[0], "&" + page.url.split("?")[1])
    assert shown(linked) == worked.output.ravel().tolist()
    expect(linked.locator(".rf-steps .preset")).to_have_value("own")
    expect(linked.locator(".rf-steps .weights")).to_have_value("1 0.5\n\n0 -2\n\n1 1\n\n1 1")


def test_growth_is_drawn_as_wide_as_the_screen(phone, address):
    opened(phone, address)
    dot = phone.locator(".rf-network .growth circle")
    dot.wait_for()
    frame, end, text = phone.evaluate(
        "['.growth', '.growth circle', '.growth text'].map(e => document.querySelector(`.rf-network ${e}`))"
        ".map(e => e.getBoundingClientRect().toJSON())"
    )
    assert frame["right"] <= 390
    assert frame["left"] < end["left"] < end["right"] <= frame["right"]
    assert text["height"] > 12  # not shrunk with the plot


@pytest.mark.parametrize(
    ("picture", "weights", "says"),
    [
        ("1 2\n3", "1", "as many in each row"),
        ("1 two", "1", "please write numbers"),
        ("[[1, 2], [3", "1", "not JSON"),
        ("", "1", "please write numbers"),
        ("[[1, 2], [3]]", "1", "please write numbers"),
        ("1 2 3", "1 2 3 4", "does not fit into 3 px"),
        ("[1, 2, 3]", "[1]", "channels and one to three axes"),
        ("[[1, 2, 3]]", "[[[1], [1]]]", "2 channels and the input 1"),
        ("\n".join(["1 " * 30] * 30), "1", "stay at 441 numbers"),
    ],
)
def test_own_numbers_that_are_none_are_refused(steps_page, picture, weights, says):
    from playwright.sync_api import expect

    steps_page.locator(".rf-steps .picture").fill(picture)
    steps_page.locator(".rf-steps .weights").fill(weights)
    expect(steps_page.locator(".rf-steps .wrong")).to_contain_text(says)


@pytest.fixture(scope="module")
def steps_page(browser, address):
    page = browser.new_page()
    opened(page, address, "&part=steps")
    page.get_by_text("Your own numbers").last.click()
    yield page
    page.close()


def test_inserted_zeros_have_a_display_of_their_own(page, address):
    from playwright.sync_api import expect

    opened(page, address, "&part=steps&steps=transposed")
    titles = page.locator(".rf-steps .stage figcaption")
    expect(titles).to_have_text(["Input, 2×2", "Zeros inserted, 3×3", "Filter, 3×3", "Padded, 7×7",
                                 "Filter, turned about, 3×3", "Output, 5×5"])  # fmt: skip
    inserted = page.locator(".rf-steps .stage figure").nth(1)
    assert inserted.locator("td").all_text_contents() == ["1", "0", "2", "0", "0", "0", "3", "0", "4"]
    expect(inserted.locator(".gap")).to_have_count(5)
    expect(page.locator(".rf-steps .input .pad")).to_have_count(40)
    page.locator(".rf-steps .preset").select_option("dilated")
    spread = page.locator(".rf-steps .stage figure").filter(has_text="zeros between its taps, 5×5")
    expect(spread.locator(".gap")).to_have_count(16)


def test_steps_play_pause_and_answer_at_once(page, address):
    from playwright.sync_api import expect

    opened(page, address, "&part=steps")
    count = page.locator(".rf-steps .count")
    expect(count).to_have_text("1 / 16")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(count).not_to_have_text("1 / 16")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Play", exact=True).wait_for()
    at = int(count.inner_text().split()[0])
    page.get_by_role("button", name="One step back").click()
    expect(count).to_have_text(f"{at - 1} / 16")
    expect(page.locator(".rf-steps .now")).to_have_count(1)
    page.locator(".rf-steps .dilation").fill("4")
    expect(page.locator(".rf-steps .wrong")).to_contain_text("A window of 9 px does not fit into 6 px")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("device", ["page", "phone"])
def test_every_part_fits_and_no_reader_is_shut_out(device, theme, request, address, axe):
    page = request.getfixturevalue(device)
    opened(page, address, f"&__theme={theme}")
    parts = {"A network's receptive field": ".rf-network .sees", "Build your own": ".rf-stack .nest svg",
             "Atrous": ".rf-atrous .taps svg", "Step by step": ".rf-steps .sum"}  # fmt: skip
    for name, element in parts.items():
        page.get_by_role("tab", name=name, exact=True).click()
        page.locator(element).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert [found for found in axe(page) if found[1] in ("serious", "critical")] == [], name
