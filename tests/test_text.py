"""Each visitor reads their own language: nothing is left in English, and nobody reads another visitor's."""

import ast
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import Formatter
from typing import get_args, get_type_hints

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import app
from cnn_core import data, weights, zoo
from cnn_core.catalogue import CATALOGUE
from cnn_core.errors import Refused, Words
from cnn_core.preprocessing import Photograph
from demos import _lab, _parts, _photographs, cats_dogs, feature_maps, model_zoo, receptive_field, sketch
from demos._parts import told
from demos._text import CATALOGUES, ENGLISH, language, preferred, speaking, t

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "app.py", *(ROOT / "demos").glob("*.py"), *(ROOT / "cnn_core").rglob("*.py")]
TREES = [ast.parse(file.read_text(encoding="utf-8")) for file in SOURCES]
OTHERS = {name: catalogue for name, catalogue in CATALOGUES.items() if name != ENGLISH}

every_language = pytest.mark.parametrize("catalogue", OTHERS.values(), ids=OTHERS)


# What is said


def refusals() -> set[str]:
    """`Refused`, and the names of the classes that derive from it."""
    found, before = {"Refused"}, set()
    while found != before:
        before = set(found)
        for tree in TREES:
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and {getattr(base, "id", "") for base in node.bases} & found:
                    found.add(node.name)
    return found


def literals() -> set[str]:
    """Every text that stands in a call of `t`, or is the template of words or of a refusal."""
    names, found = {"t", "Words", *refusals()}, []
    for tree in TREES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in names:
                    found += node.args[:1]
                elif node.func.id == "partial" and getattr(node.args[0], "id", "") in names:
                    found += node.args[1:2]
            elif isinstance(node, ast.ClassDef) and node.name in names:
                for call in ast.walk(node):
                    if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "__init__":
                        found += call.args[:1]
    return {str(text.value) for text in found if isinstance(text, ast.Constant) and text.value}


def tables() -> set[str]:
    """Texts that reach `t` from a table."""
    found = [*data.CAT_DOG_CLASSES, *data.FASHION_CLASSES, *_photographs.PHOTOGRAPHS]
    for tab in app.TABS:
        found += [tab.TITLE, tab.__doc__, tab.ABOUT.text, tab.ABOUT.device]
    found += [*_lab.STRATEGIES.values(), *_lab.TEXTURES, *_lab.PARTS]
    found += [*cats_dogs.NETWORKS, *sketch.COLOURS, *sketch.SHOWN]
    found += [*(title for title, _ in feature_maps.PARTS.values()), *map(str.capitalize, feature_maps.ORDERS)]
    found += [*(title for title, _ in model_zoo.PARTS.values()), *model_zoo.WORK.values(), *model_zoo.grouped()]
    found += [*(row.metric for row in weights.WEIGHTS.values()), "processor"]  # as `comparison.Latency.device`
    found += get_args(get_type_hints(Photograph)["interpolation"])
    return {str(text) for text in found}


def placeholders(template: str) -> Counter:
    """Names, format specifications and conversions of what is filled in."""
    return Counter(parts[1:] for parts in Formatter().parse(template) if parts[1] is not None)


@every_language
def test_everything_that_is_said_is_translated(catalogue):
    assert sorted((literals() | tables()) - catalogue.keys()) == []


@every_language
def test_no_translation_is_left_over(catalogue):
    assert sorted(catalogue.keys() - literals() - tables()) == []


@every_language
def test_translations_are_filled_in_like_the_english(catalogue):
    abouts = {tab.ABOUT.text for tab in app.TABS}  # not templates: formulas are full of braces
    wrong = {
        english: said
        for english, said in catalogue.items()
        if english not in abouts and placeholders(english) != placeholders(said)
    }
    assert wrong == {}


@pytest.fixture
def missed(monkeypatch):
    """What is said and has no translation, by language."""
    found: dict[str, set[str]] = {name: set() for name in OTHERS}

    class Listening(dict):
        def __init__(self, name: str) -> None:
            super().__init__(OTHERS[name])
            self.name = name

        def get(self, english: str, otherwise: str = "") -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
            if english not in self:
                found[self.name].add(english)
            return super().get(english, otherwise)

    for name in OTHERS:
        monkeypatch.setitem(CATALOGUES, name, Listening(name))
    return found


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_reaches_the_page_has_a_translation(name, missed):
    with speaking(name):
        app.build_app(name)
        for tab in app.TABS:
            tab.run(*tab.EXAMPLES[0])
        sketch.look(sketch.EXAMPLES[0][0], None)
        sketch.summary()
        sketch.per_class()
        sketch.confusion("SketchNet")
        sketch.layers("FashionCNN")
        _lab.look(None)
        view = feature_maps.View(*feature_maps.EXAMPLES[0])
        for part in feature_maps.PARTS:
            assert list(feature_maps.part_html(part, view))
        board = model_zoo.Board((), [model_zoo.EXAMPLES[0][0]], [model_zoo.SHIPPED])
        for _ in board.compare():
            model_zoo.table_value(board, model_zoo.plan(board))
        for _, part in model_zoo.PARTS.values():
            list(part(model_zoo.View(board)))
    assert missed[name] == set()


# How it is said


def test_a_refusal_is_told_with_its_reasons_in_the_visitors_language(monkeypatch):
    monkeypatch.setitem(
        CATALOGUES,
        "fr",
        {"No weights for {name}: {reasons}.": "Pas de poids pour {name} : {reasons}.", "offline": "hors ligne",
         "the server answered {code}": "le serveur a dit {code}"},
    )  # fmt: skip
    reasons = [Words("offline"), Words("the server answered {code}", code=503)]
    refused = Refused("No weights for {name}: {reasons}.", name="vgg16", reasons=reasons)
    assert str(refused) == told(refused) == "No weights for vgg16: offline; the server answered 503."
    with speaking("fr"):
        assert told(refused) == "Pas de poids pour vgg16 : hors ligne; le serveur a dit 503."
    assert str(Refused("It is {shape}.", shape=[3, 64])) == "It is [3, 64]."


def test_the_language_is_spoken_within_the_block_only():
    with speaking("ko"):
        assert t("Training") == OTHERS["ko"]["Training"] != "Training"
        with speaking(ENGLISH):
            assert t("Training") == "Training"
        assert language() == "ko"
    assert (language(), t("Training"), t("never said")) == (ENGLISH, "Training", "never said")


def test_classes_of_ours_are_called_in_the_visitors_language_and_imagenets_are_not():
    with speaking("ko"):
        assert _parts.for_label({"cat": 0.25, "tabby": 0.5}) == {OTHERS["ko"]["cat"]: 0.25, "tabby": 0.5}
        for name in data.FASHION_CLASSES:
            assert _parts.called(name) == OTHERS["ko"][name] != name
        assert not {name for name in zoo.imagenet_classes() if _parts.called(name) != name}


def test_an_english_answer_is_not_kept_for_a_korean_visitor_nor_the_other_way():
    for name in ("ko", ENGLISH, "ko"):
        with speaking(name):
            table = receptive_field.output_strides()
            outcome, *_, colours, _ = _lab.look(None)
            assert t("Output stride") in table
            assert (
                t("Worked example: {count} squares cut from three photographs of textures, one a class.")[-9:]
                in outcome
            )
            assert all(t(texture) in colours for texture in _lab.TEXTURES)


# Who is spoken to in which language


@pytest.mark.parametrize(
    ("query", "accepted", "spoken"),
    [
        ("", "", "en"),
        ("", "ko", "ko"),
        ("", "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),  # Chromium in Korean
        ("", "ko-KR,ko;q=0.8,en-US;q=0.5,en;q=0.3", "ko"),  # Firefox in Korean
        ("", "en-US,en;q=0.9,ko;q=0.8", "en"),
        ("", "de-DE,de;q=0.9,ko;q=0.5,en;q=0.4", "ko"),
        ("", "fr;q=0.1, en;q=0.2, KO ; q=0.9 ", "ko"),
        ("", "en;q=0.5,ko;q=0.7", "ko"),
        ("", "en,ko", "en"),  # alike: the first
        ("", "ko;q=0", "en"),  # not acceptable
        ("", "ko;q=0.000,en;q=0.1", "en"),
        ("", "kok, korean", "en"),  # Konkani is not Korean
        ("", "*", "en"),
        ("", "zh-Hant-TW", "en"),
        ("", ";;;=,ko;q=high,,q=1", "en"),
        ("", "ko;q=nan, en;q=0.1", "en"),
        ("", "\x00" * 100 + ",ko", "ko"),
        ("", ";q=" * 20_000 + "," + "ko-" * 20_000, "ko"),
        ("", "ko;q=1e9,en", "en"),
        ("ko", "en", "ko"),
        ("en", "ko-KR,ko;q=0.9", "en"),
        ("xx", "ko", "ko"),
        ("../ko", "en", "en"),
    ],
)
def test_the_language_is_the_one_asked_for(query, accepted, spoken):
    assert preferred({"lang": query}, {"accept-language": accepted}) == spoken


def test_without_a_wish_the_page_speaks_its_first_language():
    assert preferred({}, {}, "ko") == "ko"
    assert preferred({}, {"accept-language": "sv"}, "ko") == "ko"
    assert preferred({}, {"accept-language": "en"}, "ko") == "en"


def config(address: str, accepted: str) -> dict:
    return httpx.get(f"{address}config", headers={"Accept-Language": accepted}, timeout=60).json()


def differences(one, other, where=()):
    """Pairs of values that differ, with where they stand."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], (*where, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, (*where, number))
    elif one != other:
        yield where, one, other


NOT_TEXT = {"elem_id", "elem_classes", "name", "type", "variant", "color_map", "x", "y"}


def test_two_visitors_get_the_same_page_in_their_languages(address):
    with ThreadPoolExecutor(4) as pool:
        english, korean, *again = pool.map(lambda accepted: config(address, accepted), ("en-GB", "ko-KR", "en", "ko"))
    assert again == [english, korean]
    for page in (english, korean):
        for part in ("components", "dependencies", "layout"):
            assert part in page
    assert english["dependencies"] == korean["dependencies"]
    assert english["layout"] == korean["layout"]
    found = list(differences(english, korean))
    assert len(found) > 100
    for where, one, other in found:
        assert where[0] == "components", where
        assert where[2] == "props", where
        assert not NOT_TEXT & set(where), where
        assert isinstance(one, str), where
        assert isinstance(other, str), where


def asked(address: str, accepted: str):
    return Client(address, headers={"Accept-Language": accepted}, verbose=False, analytics_enabled=False)


def test_events_answer_each_visitor_in_their_language_also_at_once(address):
    visitors = {accepted: asked(address, accepted) for accepted in ("en", "ko")}
    picture = _photographs.photograph("Cat")
    url = _photographs.picture_url(picture)

    def ask(accepted):
        with pytest.raises(AppError) as refused:
            visitors[accepted].predict(None, api_name="/classify_sketch")
        answer, sentence, _ = visitors[accepted].predict({"url": url}, "cat_dog", api_name="/predict_cat_dog")
        return str(refused.value), sentence, answer["label"]

    with ThreadPoolExecutor(2) as pool:
        turns = ["en", "ko"] * 4
        found = list(zip(turns, pool.map(ask, turns), strict=True))
    empty = "Draw something: the sheet is empty."
    for accepted, (refused, sentence, label) in found:
        assert label == "cat"  # what programs are answered does not depend on language
        with speaking(accepted):
            assert t(empty) in refused
        assert ("고양이" in sentence) == (accepted == "ko")
        assert ("cat" in sentence) == (accepted == "en")


# In the browser


def english(text: str) -> list[str]:
    """The English words in a text; names, code, figures and units are none."""
    if re.sub(r"[\d.,% ]+$", "", text) in zoo.imagenet_classes():  # and how likely it is
        return []
    for name in NAMES:
        text = text.replace(name, " ")
    text = re.sub(r"[A-Z][a-z]+ (and [A-Z][a-z]+|et al\.), \d{4}", " ", text)
    tokens = re.findall(r"[A-Za-z0-9_./+’'-]+", text)
    return [word for word in (token.strip("./+-") for token in tokens) if re.fullmatch(r"[A-Za-z][a-z]+(['’]s?)?", word)
            and word not in ("px", "timm", "torchvision", "depthwise", "atrous")]  # fmt: skip


NAMES = (
    "Hugging Face",
    "channels last",  # as PyTorch calls it
    *(row.title for row in CATALOGUE.values()),
)
# Of what is visible; not code, formulas, papers, links to other languages, and Gradio's own footer.
TEXTS = """() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    const skipped = 'code, pre, script, style, .katex, a[href^="http"], a[lang], footer';
    while (walker.nextNode()) {
        const text = walker.currentNode.data.trim(), parent = walker.currentNode.parentElement;
        const shown = parent.checkVisibility({ visibilityProperty: true }) && parent.getClientRects().length;
        if (text && shown && !parent.closest(skipped)) found.push(text);
    }
    return found;
}"""
# Nothing is being waited for, which all of our texts say with an ellipsis, and the page has been the same for a while.
SETTLED = f"""() => {{
    const texts = ({TEXTS})(), now = texts.join();
    window.same = now === window.before ? (window.same ?? 0) + 1 : 0;
    window.before = now;
    return window.same >= 4 && texts.length > 30 && !texts.some(text => text.endsWith(' …'));
}}"""


def test_english_is_told_from_names():
    assert english("또는 timm이나 torchvision 형식의 Hub 저장소를 owner/name으로") == ["Hub"]
    assert english("Fashion-MNIST, Grad-CAM++, features.0.conv1, MobileNet v3 Large: 28×28 px") == []
    assert english("Press Train for a network") == ["Press", "Train", "for", "network"]
    assert english("Egyptian cat 93.1%") == []
    assert english("구멍을 남깁니다(Wang et al., 2018).") == []
    assert english("the network's SHA-256") == ["the", "network's"]


@pytest.mark.parametrize("tab", app.TABS, ids=[tab.NAME for tab in app.TABS])
def test_a_korean_browser_shows_no_english(new_page, address, tab):
    page = new_page(locale="ko-KR", viewport={"width": 1280, "height": 1000})
    page.goto(f"{address}?tab={tab.NAME}")
    parts, found = page.locator("[role=tabpanel] [role=tab] >> visible=true"), {}
    page.wait_for_function(SETTLED, polling=400, timeout=180_000)
    for part in ["", *dict.fromkeys(parts.all_inner_texts())]:
        if part:
            parts.get_by_text(part, exact=True).first.click()
            page.wait_for_function(SETTLED, polling=400, timeout=180_000)
        for text in page.evaluate(TEXTS):
            if len(english(text)) > 1:
                found.setdefault(text, part)
    assert found == {}
    assert page.locator("html").get_attribute("lang") == "ko"


def test_english_can_be_asked_for_in_a_korean_browser(new_page, address):
    from playwright.sync_api import expect

    page = new_page(locale="ko-KR", viewport={"width": 1280, "height": 800})
    page.goto(f"{address}?lang=en")
    for tab in app.TABS:
        expect(page.get_by_role("tab", name=tab.TITLE, exact=True).locator("visible=true").first).to_be_visible()
    expect(page.locator("#sketch-verdict")).to_contain_text("%")
    assert not re.search("[가-힣]", page.locator("#sketch-verdict").inner_text())
    expect(page.locator("html")).to_have_attribute("lang", "en")
