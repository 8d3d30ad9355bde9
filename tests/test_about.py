"""What a tab says of itself: its sources are those that run, and its six lines print the page's figures."""

import ast
import inspect
import io
import re
from contextlib import redirect_stdout
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from textwrap import dedent

import gradio as gr
import pytest

import app
from demos import _about

ROOT = Path(__file__).parents[1]
SPACE = "somebody/convlens"

every_tab = pytest.mark.parametrize("tab", app.TABS, ids=[tab.NAME for tab in app.TABS])
every_name = pytest.mark.parametrize("name", sorted({name for tab in app.TABS for name in tab.ABOUT.code}))

# What each page shows of its first example, in the order in which the six lines print it. What is left out is measured
# anew each time (latency).
SHOWN = {
    "sketch": lambda *answers: [max(answer.values()) for answer in answers[:3]],
    "cats_dogs": lambda answer, *_: [answer["cat"], answer["dog"]],
    "feature_maps": lambda grid, table: [len(table), *table["mean"]],
    "model_zoo": lambda table, rows: [rows[0]["top"][0][0][1], rows[0]["params"], rows[0]["macs"]],
    "receptive_field": lambda table, remark: table[["rf", "jump", "start"]].to_numpy().ravel().tolist(),
}
NOT_ON_THE_PAGE = {"feature_maps": slice(1, 3), "model_zoo": slice(3, None)}  # height and width; latency


@every_name
def test_named_code_is_what_runs(name):
    module, _, path = name.partition(":")
    thing = attrgetter(path)(import_module(module))
    found = _about.source(name)
    assert found.text == dedent(inspect.getsource(thing)).rstrip("\n")
    line = (ROOT / found.file).read_text(encoding="utf-8").split("\n")[found.line - 1]
    assert line.strip() == found.text.split("\n")[0]


@every_tab
def test_text_has_formulas_and_papers(tab):
    formulas = tab.ABOUT.text.split("$$")[1::2]
    assert 1 <= len(formulas) <= 4
    assert re.findall(r"\]\(https://[^ )]+\)", tab.ABOUT.text)
    assert tab.ABOUT.text.replace("$$", "").count("$") % 2 == 0


@every_tab
def test_python_is_six_lines_without_the_page(tab):
    assert len([line for line in tab.ABOUT.python.splitlines() if line.strip()]) == 6
    nodes = list(ast.walk(ast.parse(tab.ABOUT.python)))
    used = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    used |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in used} <= {"cnn_core", "PIL", "skimage", "torch", "numpy"}


@every_tab
def test_python_prints_what_the_page_shows(tab):
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(tab.ABOUT.python, tab.NAME, "exec"), {})
    printed = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-\d+)?(?!\w)", out.getvalue())
    if tab.NAME in NOT_ON_THE_PAGE:
        assert all(float(text) > 0 for text in printed[NOT_ON_THE_PAGE[tab.NAME]])
        del printed[NOT_ON_THE_PAGE[tab.NAME]]
    shown = SHOWN[tab.NAME](*tab.run(*tab.EXAMPLES[0]))
    assert len(printed) == len(shown) > 1
    for text, figure in zip(printed, shown, strict=True):
        decimals = len(text.partition("e")[0].partition(".")[2])
        assert float(text) == pytest.approx(figure, abs=max(0.5001 * 10**-decimals, 1e-5)), out.getvalue()


def test_on_a_space_each_source_links_to_its_file(monkeypatch):
    monkeypatch.setenv("SPACE_ID", SPACE)
    about = app.TABS[-1].ABOUT
    line = _about.source(about.code[0]).line
    assert f'href="https://huggingface.co/spaces/{SPACE}/blob/main/{_about.source(about.code[0]).file}#L{line}"' in (
        _about.listed(about)
    )
    monkeypatch.delenv("SPACE_ID")
    assert "href" not in _about.listed(about)


@pytest.fixture(scope="module")
def url(serve):
    with pytest.MonkeyPatch.context() as space, gr.Blocks(analytics_enabled=False) as blocks:
        space.setenv("SPACE_ID", SPACE)
        gr.Markdown("# About")
        for tab in app.TABS:
            _about.build(tab.ABOUT)
    return serve(blocks, css_paths=[ROOT / "demos" / "style.css"], theme=app.THEME)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read_on_a_phone(url, phone, axe, theme):
    from playwright.sync_api import expect

    phone.goto(f"{url}?__theme={theme}")
    labels = phone.get_by_role("button", name="About this tab")
    expect(labels).to_have_count(len(app.TABS))
    assert phone.locator(".about .katex").count() == 0
    for label in labels.all():
        label.click()
    formulas = sum(tab.ABOUT.text.count("$$") // 2 for tab in app.TABS)
    expect(phone.locator(".about .katex-display")).to_have_count(formulas)
    expect(phone.locator(".katex-error")).to_have_count(0)
    expect(phone.locator(".about details")).to_have_count(sum(len(tab.ABOUT.code) for tab in app.TABS))
    phone.locator(".about summary code").first.click()
    expect(phone.get_by_text("def prepare(")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    too_wide = (
        "() => [...document.querySelectorAll('.about .katex-display')].filter(e => e.scrollWidth > e.clientWidth)"
    )
    assert phone.evaluate(f"({too_wide})().map(e => e.innerText)") == []
    assert phone.evaluate("document.fonts.check('16px KaTeX_Main')")
    boxes = phone.locator(".about pre:visible")
    assert boxes.evaluate_all("boxes => boxes.every(box => box.tabIndex === 0)")
    boxes.first.focus()
    assert boxes.first.evaluate("box => box === document.activeElement && box.scrollWidth > box.clientWidth")
    assert [found for found in axe(phone) if found[1] in ("serious", "critical")] == []
