"""The shared widgets, through a real server: by Gradio's client, by raw requests and by hand in a browser."""

import asyncio
import base64
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from cnn_core.errors import Refused
from demos import _parts, _text
from demos._parts import Blocks, Canvas, Picture, shown

FILE = {"_type": "gradio.FileData"}
SLOW = 15_000  # ms that a browser may take on a busy machine


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def data_url(content, kind="image/png"):
    return f"data:{kind};base64," + base64.b64encode(content).decode()


def boot():
    """An example whose ink is all on the right."""
    image = Image.new("RGB", (280, 280), "white")
    image.paste("black", (200, 100, 260, 180))
    return image


def where(picture):
    """What arrived, in words: "empty", or how much ink in each quarter (left above, right above, left below, ...)."""
    if picture is None:
        return "empty"
    ink = 255 - np.asarray(picture.convert("L"), float)
    quarters = ink.reshape(2, picture.height // 2, 2, picture.width // 2).sum((1, 3)).ravel() / 255
    return f"{picture.mode} {picture.width}x{picture.height} " + " ".join(f"{quarter:.0f}" for quarter in quarters)


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory):
    example = tmp_path_factory.mktemp("examples") / "half.png"
    half = Image.new("RGB", (40, 20), "white")
    half.paste("black", (0, 0, 20, 20))
    half.save(example)
    seen = []

    def count(picture):
        seen.append(where(picture))
        return where(picture), str(len(seen))

    with Blocks(analytics_enabled=False) as blocks:
        gr.Markdown("# Parts")
        with gr.Row():
            with gr.Column():
                canvas = Canvas(elem_id="sheet", label="Sheet")
                gr.Examples([[example]], [canvas])
                worked = Canvas(boot(), fresh=True, elem_id="worked", label="Worked")
            with gr.Column():
                drawn = gr.Textbox(label="Drawn", elem_id="drawn")
                calls = gr.Textbox(label="Calls", elem_id="calls")
                picture = Picture(label="Picture", elem_id="picture", alt_text="Your picture")
                gr.Examples([[str(example)]], [picture], example_labels=["A photograph"])
                told = gr.Textbox(label="Told", elem_id="told")
                show, empty = gr.Button("Show", elem_id="show"), gr.Button("Empty", elem_id="empty")
        canvas.input(count, canvas, [drawn, calls], trigger_mode="always_last", api_name="draw")
        worked.input(count, worked, [drawn, calls], trigger_mode="always_last", api_visibility="private")
        picture.change(where, picture, told, api_name="look")
        show.click(boot, None, canvas, api_visibility="private")
        empty.click(lambda: None, None, canvas, api_visibility="private")
    return serve(blocks)


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False)


def call(url, name, value):
    """What a raw request is answered: (True, result) or (False, the sentence)."""
    event = httpx.post(f"{url}gradio_api/call/{name}", json={"data": [value]}).json()["event_id"]
    answer = httpx.get(f"{url}gradio_api/call/{name}/{event}", timeout=30).text
    return "event: complete" in answer, answer


# Refusals


def test_refusal_is_shown_in_the_chosen_language(monkeypatch):
    monkeypatch.setitem(_text.CATALOGUES, "de", {"At most {limit}, please.": "Höchstens {limit}, bitte."})

    @shown
    def run(limit: int = 3) -> int:
        """Refuse."""
        raise Refused("At most {limit}, please.", limit=limit)

    with pytest.raises(gr.Error) as error, _text.speaking("de"):
        run(limit=7)
    assert error.value.message == "Höchstens 7, bitte."
    assert not error.value.print_exception
    assert (run.__name__, run.__doc__) == ("run", "Refuse.")


def test_refusal_of_a_generator_is_shown_where_it_stops():
    @shown
    def run():
        yield 1
        raise Refused("Enough.")

    steps = run()
    assert next(steps) == 1
    with pytest.raises(gr.Error, match="Enough"):
        next(steps)


def test_stopping_a_shown_generator_stops_the_one_within():
    ended = []

    @shown
    def run():
        try:
            yield 1
            yield 2
        finally:
            ended.append(True)

    steps = run()
    next(steps)
    steps.close()
    assert ended


def test_bugs_stay_bugs():
    @shown
    def run():
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        run()


# Pictures


def test_upload_arrives_as_rgb(client, tmp_path):
    path = tmp_path / "half.png"
    image = Image.new("LA", (40, 20), (0, 0))
    image.paste((0, 255), (0, 0, 20, 20))
    path.write_bytes(png(image))
    assert client.predict(handle_file(path), api_name="/look") == "RGB 40x20 200 0 200 0"


def test_no_picture_is_none(client):
    assert client.predict(None, api_name="/look") == "empty"


def test_an_upload_may_be_named_by_its_address(url):
    """As Gradio's own tool for MCP clients names it; the server itself cannot be asked for it."""
    path = httpx.post(f"{url}gradio_api/upload", files={"files": ("a b.png", png(boot()))}).json()[0]
    assert call(url, "look", {"path": f"{url}gradio_api/file={quote(path)}", "meta": FILE})[0]


def test_data_url_is_read(url):
    assert call(url, "look", {"url": data_url(png(boot()))})[0]


SECRET = Path(__file__).with_name("conftest.py")
RELOAD = "That request cannot be read: please reload the page and try again."
AGAIN = "Please upload the picture again."
WEB = "That web address gave no picture: please download it and send the file itself."


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        pytest.param({"path": "{server_picture}"}, AGAIN, id="a picture on the server"),
        pytest.param({"path": "{server_picture}", "meta": FILE}, RELOAD, id="the same, said to be an upload"),
        pytest.param({"path": str(SECRET)}, AGAIN, id="a file on the server"),
        pytest.param({"path": str(SECRET), "meta": FILE}, RELOAD, id="the same, said to be one"),
        pytest.param({"path": "{uploads}/../server.png"}, AGAIN, id="up out of the uploads"),
        pytest.param({"path": "{uploads}/gone.png", "meta": FILE}, "not here any more", id="an upload long gone"),
        pytest.param({"path": "{uploads}"}, "not here any more", id="the folder itself"),
        pytest.param({"path": "/dev/zero"}, AGAIN, id="a device"),
        pytest.param({"path": "a\0b"}, AGAIN, id="NUL in the path"),
        pytest.param({"path": "x" * 5000}, AGAIN, id="a path longer than paths are"),
        pytest.param({"path": ""}, AGAIN, id="no path"),
        pytest.param({}, AGAIN, id="nothing"),
        pytest.param({"path": "{url}config", "meta": FILE}, WEB, id="this server's address"),
        pytest.param({"path": "http://169.254.169.254/latest", "meta": FILE}, WEB, id="a neighbour's address"),
        pytest.param({"path": "http://[::1]:1/", "meta": FILE}, WEB, id="this machine in IPv6"),
        pytest.param({"path": "http://", "meta": FILE}, WEB, id="half an address"),
        pytest.param({"path": "{url}gradio_api/file={server_picture}", "meta": FILE}, WEB, id="its file's address"),
        pytest.param({"path": "{url}gradio_api/file={uploads}/../server.png", "meta": FILE}, WEB, id="up and out"),
        pytest.param({"path": "{url}gradio_api/file=a%00b", "meta": FILE}, RELOAD, id="NUL in an address"),
        pytest.param({"path": "{url}config"}, AGAIN, id="an address as a path"),
        pytest.param({"url": "{url}config"}, AGAIN, id="an address as an address"),
        pytest.param({"url": "file:///etc/passwd"}, AGAIN, id="a file's address"),
        pytest.param({"url": data_url(b"<svg/>", "image/svg+xml")}, "That is not a PNG", id="SVG in the address"),
        pytest.param({"url": "data:text/html,<b>"}, "That is not a picture", id="markup in the address"),
        pytest.param({"url": "data:image/png;base64," + "A" * 30_000_000}, "20 MB", id="a long address"),
        pytest.param({"path": "{text_upload}", "meta": FILE}, "That is not a PNG", id="text uploaded as a picture"),
        pytest.param({"path": 5, "meta": FILE}, RELOAD, id="a number for a path"),
        pytest.param({"path": "x", "meta": "x"}, RELOAD, id="another meta"),
        pytest.param("picture.png", RELOAD, id="a string"),
        pytest.param([1, 2], RELOAD, id="a list"),
        pytest.param(7, RELOAD, id="a number"),
    ],
)
def test_hostile_picture_is_answered_with_one_sentence(url, client, tmp_path, capfd, payload, sentence):
    server_picture = tmp_path / "server.png"
    boot().save(server_picture)
    uploads = Path(os.environ["GRADIO_TEMP_DIR"])
    boot().save(uploads.with_name("server.png"))
    text = httpx.post(f"{url}gradio_api/upload", files={"files": ("a.png", b"text")}).json()[0]
    names = {"server_picture": server_picture, "uploads": uploads, "url": url, "text_upload": text}
    if isinstance(payload, dict):
        for name, value in names.items():
            payload = {
                key: old.replace(f"{{{name}}}", str(value)) if isinstance(old, str) else old
                for key, old in payload.items()
            }
    good, answer = call(url, "look", payload)
    assert not good
    assert sentence in answer
    assert str(Path(__file__).parents[1]) not in answer
    assert "Traceback" not in answer
    assert client.predict(None, api_name="/look") == "empty"


def test_missing_input_is_answered_with_a_sentence(url):
    event = httpx.post(f"{url}gradio_api/call/look", json={"data": []}).json()["event_id"]
    assert RELOAD in httpx.get(f"{url}gradio_api/call/look/{event}", timeout=30).text


def fetch(monkeypatch, answer):
    """`_fetch` from a public address where `answer` is what is sent."""

    async def public(host):
        return "93.184.215.14"

    monkeypatch.setattr(_parts.safehttpx, "async_validate_url", public)
    monkeypatch.setattr(_parts.safehttpx, "AsyncSecureTransport", lambda address: httpx.MockTransport(answer))
    with ThreadPoolExecutor() as pool:  # a loop of its own, whatever runs on this thread
        return pool.submit(asyncio.run, _parts._fetch("https://example.org/a.png")).result()


def test_web_address_is_fetched(monkeypatch):
    async def parts():
        yield b"pic"
        yield b"ture"

    assert fetch(monkeypatch, lambda request: httpx.Response(200, content=parts())) == b"picture"


def test_web_address_that_sends_too_much_is_left(monkeypatch):
    sent = []

    async def endless():
        while True:
            sent.append(1)
            yield b"\0" * 1_000_000

    with pytest.raises(Refused):
        fetch(monkeypatch, lambda request: httpx.Response(200, content=endless()))
    assert len(sent) == 21


@pytest.mark.parametrize("status", [302, 404, 500])
def test_web_address_that_leads_elsewhere_is_left(monkeypatch, status):
    with pytest.raises(httpx.HTTPStatusError):
        fetch(monkeypatch, lambda request: httpx.Response(status, headers={"Location": "http://127.0.0.1/"}))


def test_example_picture_can_be_chosen(url, page):
    page.goto(url)
    page.get_by_role("button", name="A photograph").click(timeout=SLOW)
    page.wait_for_function("document.querySelector('#told textarea').value == 'RGB 40x20 200 0 200 0'", timeout=SLOW)


def test_bad_upload_is_a_toast(url, page, tmp_path):
    (tmp_path / "notes.png").write_text("not a picture")
    page.goto(url)
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "notes.png", timeout=SLOW)
    page.get_by_text("That is not a PNG, JPEG").wait_for(timeout=SLOW)


# The sheet, called by programs


@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_sheet_is_none(client, nothing):
    assert client.predict(nothing, api_name="/draw")[0] == "empty"


def test_drawing_arrives(client):
    assert client.predict(data_url(png(boot())), api_name="/draw")[0] == "RGB 280x280 0 2400 0 2400"


def test_api_describes_the_sheet(client):
    (parameter,) = client.view_api(return_format="dict")["named_endpoints"]["/draw"]["parameters"]
    assert "PNG of 280 px square" in parameter["type"]["description"]
    assert client.predict(Canvas().example_payload(), api_name="/draw")[0] == "RGB 280x280 0 0 0 0"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("<img src=x onerror=alert(1)>", id="markup"),
        pytest.param(5, id="a number"),
        pytest.param({"path": "/etc/passwd", "meta": {}}, id="a file"),
        pytest.param([], id="a list"),
        pytest.param(data_url(png(Image.new("RGB", (28, 28)))), id="too small"),
        pytest.param(data_url(png(Image.new("RGB", (281, 280)))), id="too large"),
        pytest.param(data_url(png(Image.new("1", (12_000, 12_000)))), id="a bomb"),
        pytest.param(data_url(png(boot()), "image/jpeg"), id="another type"),
        pytest.param(data_url(png(boot())[:300]), id="cut short"),
        pytest.param(data_url(b"<svg/>"), id="SVG"),
        pytest.param("data:image/png;base64," + "A" * 400_000, id="too long"),
        pytest.param("data:image/png;base64,****", id="not base64"),
    ],
)
def test_hostile_drawing_is_answered_with_one_sentence(url, client, payload):
    good, answer = call(url, "draw", payload)
    assert not good
    assert "please" in answer
    assert "Traceback" not in answer
    assert client.predict(None, api_name="/draw")[0] == "empty"


@pytest.mark.parametrize("size", [(28, 28), (280, 280), (40, 20), (1, 300)])
def test_pictures_are_fitted_onto_the_sheet(size, tmp_path):
    path = tmp_path / "black.png"
    Image.new("RGB", size, "black").save(path)
    canvas = Canvas()
    for value in (path, str(path), Image.open(path)):
        sheet = canvas.preprocess(canvas.postprocess(value))
        assert sheet.getpixel((140, 140)) == (0, 0, 0)
    assert canvas.postprocess(None) is None


# The sheet, drawn on in a browser


def at(page, sheet, x, y):
    """Page coordinates of a place on the sheet, in parts of its side."""
    box = page.locator(f"#{sheet} canvas").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def stroke(page, sheet, *places, lift=True):
    page.mouse.move(*at(page, sheet, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*at(page, sheet, *place), steps=5)
    if lift:
        page.mouse.up()


def quarters(page, condition):
    """Wait until the answer's ink by quarters [a, b, c, d] (null when empty) meets a JavaScript condition."""
    words = "document.querySelector('#drawn textarea').value"
    answer = f"{words} == 'empty' ? null : {words} ? {words}.split(' ').slice(2).map(Number) : undefined"
    page.wait_for_function(
        f"(() => {{ const q = {answer}; return q !== undefined && ({condition}); }})()", timeout=SLOW
    )


def shows(page, sheet, what):
    page.locator(f"#{sheet} .drawing[data-shows={what}]").wait_for(timeout=SLOW)


@pytest.fixture
def desk(url, page):
    page.goto(url)
    shows(page, "sheet", "nothing")
    return page


def test_ink_arrives_where_it_was_drawn(desk):
    stroke(desk, "sheet", (0.1, 0.1), (0.4, 0.1), (0.4, 0.4))
    quarters(desk, "q && q[0] > 1500 && q[1] + q[2] + q[3] == 0")
    stroke(desk, "sheet", (0.6, 0.6), (0.9, 0.9))
    quarters(desk, "q && q[0] > 1500 && q[3] > 1000 && q[1] + q[2] == 0")


def test_a_tap_leaves_a_dot(desk):
    stroke(desk, "sheet", (0.75, 0.25))
    quarters(desk, "q && q[1] > 100 && q[1] < 200 && q[0] + q[2] + q[3] == 0")  # a disc 14 px across has 154


def test_answers_come_while_the_pen_is_down(desk):
    stroke(desk, "sheet", (0.1, 0.1), (0.4, 0.1), lift=False)
    quarters(desk, "q && q[0] > 500 && q[3] == 0")
    desk.mouse.move(*at(desk, "sheet", 0.9, 0.9), steps=5)
    quarters(desk, "q && q[0] > 500 && q[3] > 500")
    desk.mouse.up()


COUNT = """() => {
    window.sent = 0;
    const encode = HTMLCanvasElement.prototype.toDataURL;
    HTMLCanvasElement.prototype.toDataURL = function (...kind) { window.sent++; return encode.apply(this, kind); };
}"""


def test_moves_are_sent_at_most_every_120_ms(desk):
    desk.evaluate(COUNT)
    began = desk.evaluate("performance.now()")
    stroke(desk, "sheet", (0.1, 0.1), *[(0.1 + 0.02 * n, 0.1 + 0.3 * (n % 2)) for n in range(20)])
    took = desk.evaluate("performance.now()") - began
    quarters(desk, "q && q[0] > 3000")
    assert 1 <= desk.evaluate("window.sent") <= took / 120 + 2


def test_undo_and_clear(desk):
    stroke(desk, "sheet", (0.1, 0.1), (0.4, 0.4))
    stroke(desk, "sheet", (0.6, 0.6), (0.9, 0.9))
    quarters(desk, "q && q[0] > 500 && q[3] > 500")
    undo, clear = (desk.locator(f"#sheet .{name}") for name in ("undo", "clear"))
    undo.click()
    quarters(desk, "q && q[0] > 500 && q[3] == 0")
    undo.click()
    quarters(desk, "q === null")
    shows(desk, "sheet", "nothing")
    assert undo.get_attribute("aria-disabled") == clear.get_attribute("aria-disabled") == "true"

    stroke(desk, "sheet", (0.1, 0.1), (0.4, 0.4))
    quarters(desk, "q && q[0] > 500")
    clear.click()
    quarters(desk, "q === null")
    undo.click()  # cleared by mistake
    quarters(desk, "q && q[0] > 500")


def test_eraser_and_brush_size(desk):
    desk.get_by_label("Brush size").first.fill("40")
    stroke(desk, "sheet", (0.25, 0.25))
    quarters(desk, "q && q[0] > 1100 && q[0] < 1400")  # a disc 40 px across has 1257
    eraser = desk.locator("#sheet").get_by_role("button", name="Eraser")
    eraser.click()
    assert eraser.get_attribute("aria-pressed") == "true"
    assert desk.locator("#sheet").get_by_role("button", name="Draw").get_attribute("aria-pressed") == "false"
    stroke(desk, "sheet", (0.25, 0.25), (0.3, 0.25))
    quarters(desk, "q && q[0] > 1 && q[0] < 900")
    stroke(desk, "sheet", (0.15, 0.25), (0.4, 0.25))
    quarters(desk, "q === null")
    shows(desk, "sheet", "nothing")


def test_everything_is_reached_by_keyboard(desk):
    stroke(desk, "sheet", (0.25, 0.25))
    quarters(desk, "q && q[0] > 100")
    reached = []
    for _ in range(5):
        desk.keyboard.press("Tab")
        reached.append(desk.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert reached == ["Brush size", "Draw", "Eraser", "Undo", "Clear"]
    desk.keyboard.press("Space")
    quarters(desk, "q === null")
    desk.keyboard.press("Control+z")
    quarters(desk, "q && q[0] > 100")
    desk.keyboard.press("Shift+Tab")
    desk.keyboard.press("Enter")
    quarters(desk, "q === null")


def test_python_shows_a_picture_to_draw_over(desk):
    desk.locator("#show").click()
    shows(desk, "sheet", "picture")
    stroke(desk, "sheet", (0.1, 0.1), (0.4, 0.4))
    quarters(desk, "q && q[0] > 500 && q[1] == 2400 && q[3] == 2400")
    desk.locator("#sheet .undo").click()
    quarters(desk, "q && q[0] == 0 && q[1] == 2400")
    desk.locator("#empty").click()
    shows(desk, "sheet", "nothing")
    stroke(desk, "sheet", (0.1, 0.1), (0.4, 0.4))
    quarters(desk, "q && q[0] > 500 && q[1] == 0")


def test_example_is_shown_on_the_sheet(desk):
    thumbnail = desk.locator(".gallery-item").first
    assert thumbnail.locator("img").get_attribute("alt") == "half"
    thumbnail.click()
    shows(desk, "sheet", "picture")
    stroke(desk, "sheet", (0.9, 0.9))
    quarters(desk, "q && q[0] > 9000 && q[1] < 1000 && q[2] > 9000 && q[3] > 100")


def test_worked_example_is_replaced_by_the_first_stroke(desk):
    shows(desk, "worked", "example")
    assert desk.get_by_text("Example – draw to replace it").locator("visible=true").count() == 1
    stroke(desk, "worked", (0.1, 0.1), (0.4, 0.4))
    quarters(desk, "q && q[0] > 500 && q[1] + q[3] == 0")
    assert desk.get_by_text("Example – draw to replace it").locator("visible=true").count() == 0
    desk.locator("#worked .undo").click()
    quarters(desk, "q === null")
    desk.locator("#worked .undo").click()
    shows(desk, "worked", "example")
    quarters(desk, "q && q[1] == 2400")


def test_second_finger_and_right_button_do_not_draw(desk):
    desk.mouse.move(*at(desk, "sheet", 0.25, 0.25))
    desk.mouse.down(button="right")
    desk.mouse.move(*at(desk, "sheet", 0.4, 0.4), steps=3)
    desk.mouse.up(button="right")
    shows(desk, "sheet", "nothing")


def test_touch_draws_and_does_not_scroll(url, phone):
    phone.goto(url)
    shows(phone, "sheet", "nothing")
    touch = phone.context.new_cdp_session(phone)

    def send(kind, *place):
        points = [dict(zip("xy", at(phone, "sheet", *place), strict=True))] if place else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = phone.evaluate("scrollY")
    send("touchStart", 0.25, 0.9)
    for step in range(1, 9):
        send("touchMove", 0.25, 0.9 - 0.1 * step)
    send("touchEnd")
    quarters(phone, "q && q[0] > 1000 && q[2] > 1000 && q[1] + q[3] == 0")
    assert phone.evaluate("scrollY") == before
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")

    send("touchStart", 0.75, 0.2)  # the system takes the finger away: what was drawn stays, and the next one draws
    send("touchMove", 0.75, 0.4)
    send("touchCancel")
    quarters(phone, "q && q[1] > 500 && q[3] == 0")
    send("touchStart", 0.75, 0.7)
    send("touchEnd")
    quarters(phone, "q && q[3] > 100")


def test_targets_are_large_enough_for_a_finger(url, phone):
    phone.goto(url)
    shows(phone, "sheet", "nothing")
    for control in phone.locator("#sheet button, #sheet input").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 40
    assert phone.locator("#sheet canvas").bounding_box()["width"] > 300


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sheet_is_accessible_and_white_in_both_themes(url, page, axe, theme):
    page.goto(f"{url}?__theme={theme}")
    shows(page, "sheet", "nothing")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('#sheet .sheet')).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert not [found for found in axe(page) if any("drawing" in node or "brush" in node for node in found[2])]
    assert not [found for found in axe(page) if found[1] == "critical"]
