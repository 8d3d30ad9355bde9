"""The page as a whole: what every tab must offer, and how the page is served."""

import inspect
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from urllib.request import Request, urlopen

import benchmark_startup
import gradio as gr
import gradio.networking
import pytest

import app
from cnn_core import images
from cnn_core.errors import Refused
from demos import About
from demos._text import speaking

ROOT = Path(__file__).parents[1]

every_tab = pytest.mark.parametrize("tab", app.TABS, ids=[tab.NAME for tab in app.TABS])


@pytest.fixture(scope="module")
def endpoints(address):
    """Public endpoints by name, as the page documents them."""
    with urlopen(f"{address}gradio_api/info", timeout=30) as answer:
        return {name.strip("/"): about for name, about in json.load(answer)["named_endpoints"].items()}


# The contract of a tab


@every_tab
def test_tab_introduces_itself(tab):
    assert tab.TITLE.strip()
    assert len(tab.__doc__.split()) >= 8


@every_tab
def test_tab_is_named_after_its_file(tab):
    assert tab.__name__ == f"demos.{tab.NAME}"
    assert tab.NAME.isidentifier()


@every_tab
def test_examples_run(tab):
    assert len(tab.EXAMPLES) > 0
    for row in tab.EXAMPLES:
        assert tab.run(*row) is not None


@every_tab
def test_run_is_typed_and_described(tab):
    parameters = inspect.signature(tab.run).parameters.values()
    assert all(parameter.annotation is not parameter.empty for parameter in parameters)
    assert tab.run.__doc__


@every_tab
def test_run_is_an_endpoint_described_by_its_docstring(tab, endpoints):
    assert tab.API in endpoints
    first, *_ = inspect.getdoc(tab.run).split("\n\n")
    assert endpoints[tab.API]["description"].startswith(" ".join(first.split()))


def test_every_endpoint_is_in_the_readme_with_its_parameters(endpoints):
    """Which is also what keeps their names and order from changing unnoticed."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = readme.split("<!-- endpoints -->")[1].split("<!-- /endpoints -->")[0]
    found = dict(re.findall(r"^\| `/(\w+)\((.*?)\)`", listed, re.MULTILINE))
    assert found == {
        name: ", ".join(parameter["parameter_name"] for parameter in about["parameters"])
        for name, about in endpoints.items()
    }


def test_nothing_else_can_be_called_by_name(address, endpoints):
    with urlopen(f"{address}config", timeout=30) as answer:
        events = json.load(answer)["dependencies"]
    assert {event["api_name"] for event in events if event["api_visibility"] != "private"} == set(endpoints)


def test_every_endpoint_says_what_it_takes_gives_and_refuses(endpoints):
    pictures = f"at most {images.MOST_BYTES / 1e6:g} MB and {images.MOST_PIXELS / 1e6:g} megapixels"
    for name, about in endpoints.items():
        does, _, gives = about["description"].partition(" Returns: ")
        assert len(does.split()) >= 5, name
        assert len(gives.split()) >= 5, name
        assert "refused" in about["description"].lower(), name
        assert not [each["label"] for each in about["returns"] if re.match(r"value_\d", each["label"])], name
        for parameter in about["parameters"]:
            written = parameter["python_type"]["description"]
            assert parameter["label"].strip(), name
            assert len(written.split()) >= 3, f"{name}: {parameter['parameter_name']}"
            assert written.endswith("."), f"{name}: {written}"  # not cut short
            if parameter["component"] == "Image":
                assert pictures in written, name


def test_programs_hear_english_whoever_asks_first():
    with speaking("ko"):
        about = app.build_app().get_api_info()["named_endpoints"]["/predict_cat_dog"]
    assert [each["label"] for each in about["parameters"]] == ["Photograph", "Network"]


def test_programs_hear_of_closed_lists_only_where_there_are_any(endpoints):
    """Gradio says of lists beside which other names may be typed that they are all there is."""
    closed = {
        f"{name}: {parameter['parameter_name']}"
        for name, about in endpoints.items()
        for parameter in about["parameters"]
        if "enum" in json.dumps(parameter["type"])
    }
    assert closed == {"train_classifier: strategy", "feature_maps: order", "saliency: method"}


# The page


def test_page_is_served_and_says_its_name(address):
    with urlopen(address, timeout=30) as answer:
        assert answer.status == 200
        assert "ConvLens" in answer.read().decode()


def test_options_are_the_ones_of_the_project(address):
    with urlopen(f"{address}config", timeout=30) as answer:
        config = json.load(answer)
    assert config["analytics_enabled"] is False
    assert config["show_error"] is False
    assert config["run_history"] is False
    assert config["footer_links"] == ["api"]


def test_nothing_but_our_own_machine_is_needed():
    """Every look-up and connection of a process that serves the page once goes to 127.0.0.1."""
    program = """
import sys
hosts = set()
def listen(event, arguments):
    if event == "socket.getaddrinfo":
        hosts.add(arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        hosts.add(arguments[1][0])
sys.addaudithook(listen)
import app, time
page = app.build_app()
app.serve(page, server_name="127.0.0.1")
time.sleep(1)
page.close(verbose=False)
print(*sorted(map(str, hosts)))
"""
    wanted = os.environ | {"GRADIO_ANALYTICS_ENABLED": "True"}  # the app itself has to keep Gradio quiet
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=wanted, capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.split() == ["127.0.0.1"]


def test_larger_uploads_are_turned_away(address):
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = head + bytes(110 * 10**6) + b"\r\n--x--\r\n"
    request = Request(f"{address}gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})
    with pytest.raises(OSError, match=r"413|reset|Broken pipe"):
        urlopen(request, timeout=30)


# Which tab is open


def stand_in(name: str) -> ModuleType:
    """A tab that says its name."""
    tab = ModuleType(f"demos.{name}", f"What {name} is about.")
    vars(tab).update(NAME=name, API=name, TITLE=name.title(), EXAMPLES=[[1]], run=lambda number: number)
    vars(tab).update(ABOUT=About("How.", (), "print(1)"))
    vars(tab)["build"] = lambda: gr.Markdown(f"This is {name}.")
    return tab


@pytest.fixture
def three_tabs(monkeypatch):
    monkeypatch.setattr(app, "TABS", (stand_in("first"), stand_in("second"), stand_in("third")))


def test_address_and_open_tab_follow_each_other_in_the_browser(three_tabs, page):
    from playwright.sync_api import expect

    served = app.build_app()
    address = app.serve(served, server_name="127.0.0.1")
    try:
        page.goto(f"{address}?tab=second&mark=1")
        expect(page.get_by_role("tab", name="Second", exact=True)).to_have_attribute("aria-selected", "true")
        expect(page.get_by_text("This is second.")).to_be_visible()
        page.wait_for_function("window.convlensOpened")
        page.get_by_role("tab", name="Third", exact=True).click()
        expect(page.get_by_text("This is third.")).to_be_visible()
        page.wait_for_url(f"{address}?tab=third")
        page.reload()
        expect(page.get_by_text("This is third.")).to_be_visible()
        assert page.url == f"{address}?tab=third"
        for query in ("", "?tab=", "?tab=nonsense"):
            page.goto(f"{address}{query}")
            page.wait_for_function("window.convlensOpened")
            expect(page.get_by_text("This is first.")).to_be_visible()
    finally:
        served.close(verbose=False)


# The command line


def test_spaces_cannot_switch_rendering_on_the_server_on(monkeypatch, three_tabs):
    monkeypatch.setenv("GRADIO_SSR_MODE", "True")  # as they do for every Gradio Space
    page = app.build_app()
    app.serve(page, server_name="127.0.0.1")
    try:
        assert page.ssr_mode is False
    finally:
        page.close(verbose=False)


def test_help_names_every_option():
    found = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    options = {"--host", "--port", "--share", "--mcp", "--root-path", "--lang", "--weights-repo"}
    assert options <= set(found.stdout.replace("[", " ").split())


def test_port_in_use_is_said_in_one_sentence(address):
    port = address.rstrip("/").rpartition(":")[2]
    command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", port]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 1
    assert "try another --host or --port" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.fixture
def started(monkeypatch):
    """What `main` did, in order, with nothing really served."""
    done = []

    def block(page):
        for thread in threading.enumerate():
            if thread.name == "warm-up":
                thread.join()
        done.append("blocked")

    monkeypatch.setattr(app, "serve", lambda page, **where: done.append(where) or "http://127.0.0.1:1/")
    monkeypatch.setattr(app, "warm_up", lambda: done.append("warmed up"))
    monkeypatch.setattr(gr.Blocks, "block_thread", block)
    return done


def test_main_serves_then_warms_up_then_waits(started, capsys):
    app.main([])
    nowhere = {"server_name": None, "server_port": None, "root_path": None, "share": None, "mcp_server": None}
    assert started == [nowhere, "warmed up", "blocked"]
    assert "http://127.0.0.1:1/" in capsys.readouterr().out


def test_main_passes_its_options_on(started, monkeypatch):
    monkeypatch.setenv("CONVLENS_WEIGHTS_REPO", "")
    where = {"server_name": "0.0.0.0", "server_port": 8000, "root_path": "/demos"}
    given = ["--host", "0.0.0.0", "--port", "8000", "--root-path", "/demos"]
    app.main([*given, "--share", "--mcp", "--weights-repo", "me/nets"])
    assert started[0] == where | {"share": True, "mcp_server": True}
    assert app.os.environ["CONVLENS_WEIGHTS_REPO"] == "me/nets"


@pytest.fixture
def shared_page(monkeypatch, three_tabs):
    """Run `main` with --share and a tunnel that ends here: the page, what the tunnel was told, other hosts asked."""
    asked, hosts, pages = [], [], []
    connect = socket.socket.connect

    def here_only(self, address):
        if isinstance(address, tuple) and address[0] != "127.0.0.1":
            hosts.append(address[0])
        return connect(self, address)

    def run(tunnel):
        monkeypatch.setattr(gradio.networking, "setup_tunnel", lambda **where: asked.append(where) or tunnel())
        monkeypatch.setattr(socket.socket, "connect", here_only)
        monkeypatch.setattr(app, "warm_up", lambda: None)
        monkeypatch.setattr(gr.Blocks, "block_thread", lambda page: None)
        pages.append(app.main(["--share", "--host", "127.0.0.1"]))
        return pages[-1], asked, hosts

    yield run
    for page in pages:
        page.close(verbose=False)


def test_sharing_says_what_is_public_and_for_how_long(shared_page, capsys):
    page, (tunnel,), hosts = shared_page(lambda: "https://0123456789abcdef.gradio.live")
    assert (tunnel["local_host"], tunnel["local_port"]) == ("127.0.0.1", page.server_port)
    assert len(tunnel["share_token"]) >= 32  # nobody guesses it
    said = capsys.readouterr().out
    assert "Public: https://0123456789abcdef.gradio.live until Ctrl+C, for a week at most." in said
    assert "every tab and endpoint" in said
    assert page.delete_cache == (3600, 3600)  # "up to two hours": looked at every hour, deleted if older than one
    assert hosts == []
    with urlopen(page.local_url, timeout=30) as answer:  # here as well
        assert answer.status == 200


def test_sharing_that_fails_leaves_nothing_public(shared_page, capsys):
    def out_of_reach():
        raise RuntimeError("Could not get share link from Gradio API Server.")

    page, _, hosts = shared_page(out_of_reach)
    said = capsys.readouterr().out
    assert "Could not create share link" in said
    assert "Public:" not in said
    assert page.share_url is None
    assert hosts == []


def test_gradio_still_says_a_week():
    """The length of time that `PUBLIC` repeats."""
    assert "up to 1 week" in inspect.getsource(gr.Blocks.launch)


def test_mcp_without_its_package_is_said_in_one_sentence(monkeypatch, three_tabs, capsys):
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setattr(gr.Blocks, "block_thread", lambda page: None)
    with pytest.raises(SystemExit) as stopped:
        app.main(["--mcp", "--host", "127.0.0.1"])
    assert stopped.value.code == 1
    assert "requirements-mcp.txt" in capsys.readouterr().err


def test_warming_up_goes_on_where_weights_are_out_of_reach(three_tabs, monkeypatch, caplog):
    def refuse():
        raise Refused("No weights for {name}.", name="first")

    warmed = []
    app.TABS[0].warm_up = refuse
    app.TABS[2].warm_up = lambda: warmed.append("third")
    app.warm_up()
    assert warmed == ["third"]
    assert "first: No weights for first." in caplog.text


# The look


def contrast(one: str, other: str) -> float:
    """Contrast of two "#rrggbb" colours (WCAG 2.2, "relative luminance")."""

    def luminance(colour: str) -> float:
        shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("button_primary_text_color", "button_primary_background_fill"),
        ("button_primary_text_color_dark", "button_primary_background_fill_dark"),
        ("link_text_color", "body_background_fill"),
        ("link_text_color_dark", "body_background_fill_dark"),
        ("body_text_color_subdued", "body_background_fill"),
        ("body_text_color_subdued_dark", "body_background_fill_dark"),
        ("block_label_text_color", "block_label_background_fill"),
        ("block_label_text_color_dark", "block_label_background_fill_dark"),
    ],
)
def test_theme_has_the_contrast_of_wcag_aa(text, ground):
    def colour(name: str) -> str:
        value = getattr(app.THEME, name)
        return colour(value[1:]) if value.startswith("*") else {"white": "#ffffff"}.get(value, value)

    assert contrast(colour(text), colour(ground)) >= 4.5


def test_style_sheet_asks_for_nothing_elsewhere():
    style = (ROOT / "demos" / "style.css").read_text(encoding="utf-8")
    assert not any(word in style for word in ("http", "url(", "@import"))


# Starting


def test_page_is_light_to_hand_out():
    """Gradio copies the configuration for every visit; what is no plain value makes it copy half the process.

    One way in: an HTML component whose script has 'every' (or another of Gradio's attributes) in quotation marks gets
    an event listener of that name, and its configuration the listener.
    """
    config = app.build_app().config
    plain = (str, int, float, bool, type(None))

    def odd(value, path):
        if isinstance(value, dict):
            return [found for key, each in value.items() for found in odd(each, f"{path}.{key}")]
        if isinstance(value, list | tuple):
            return [found for number, each in enumerate(value) for found in odd(each, f"{path}.{number}")]
        return [] if isinstance(value, plain) or inspect.isfunction(value) else [f"{path}: {value!r}"]

    assert [found for each in config["components"] for found in odd(each["props"], each["type"])] == []
    assert len(json.dumps(config["components"], default=str)) < 150_000 * len(app.TABS)


def test_app_starts_about_as_fast_as_a_bare_page():
    for _ in range(2):  # a second chance, for a machine that was busy with something else
        ours, theirs = benchmark_startup.measure(runs=4)
        if ours <= 1.3 * theirs:
            return
    pytest.fail(f"{ours:.2f} s against {theirs:.2f} s")
