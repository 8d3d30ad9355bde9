"""The endpoints as tools for MCP clients, asked by the protocol's own client."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import skimage
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

import app

CAT = Path(skimage.__path__[0], "data", "chelsea.png")


@pytest.fixture(scope="module")
def served():
    """The app's address, started as --mcp does."""
    page = app.build_app()
    yield app.serve(page, server_name="127.0.0.1", mcp_server=True)
    page.close(verbose=False)


@pytest.fixture(scope="module")
def ask(served):
    """Do something with a session, as in `ask(lambda session: session.list_tools())`."""

    async def within(talk):
        async with (
            streamable_http_client(f"{served}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await talk(session)

    # In a thread of its own: while a browser is open, playwright's loop runs on this one.
    with ThreadPoolExecutor(1) as thread:
        yield lambda talk: thread.submit(asyncio.run, within(talk)).result()


@pytest.fixture(scope="module")
def call(ask):
    """Call a tool; gives its content. As many clients do, it asks to be told of progress."""

    async def progress(*_):
        pass

    return lambda tool, **arguments: ask(lambda session: session.call_tool(tool, arguments, progress_callback=progress))


@pytest.fixture(scope="module")
def tools(ask):
    """By name."""
    return {tool.name: tool for tool in ask(lambda session: session.list_tools()).tools}


def upload(served, picture):
    """The address of an uploaded file, as Gradio's `upload_file_to_gradio` makes it."""
    (path,) = httpx.post(f"{served}gradio_api/upload", files={"files": (picture.name, picture.read_bytes())}).json()
    return f"{served}gradio_api/file={path}"


def test_tools_are_the_endpoints_under_the_same_names(served, tools):
    named = httpx.get(f"{served}gradio_api/info").json()["named_endpoints"]
    assert set(tools) == {name.strip("/") for name in named}
    for name, about in named.items():
        tool = tools[name.strip("/")]
        assert tool.description.startswith(about["description"])
        described = {key: each.get("description") for key, each in tool.inputSchema["properties"].items()}
        assert described == {each["parameter_name"]: each["python_type"]["description"] for each in about["parameters"]}


def test_what_has_no_default_is_required(tools):
    assert tools["predict_cat_dog"].inputSchema["required"] == ["image"]
    assert tools["feature_maps"].inputSchema["required"] == ["image", "model", "layer"]
    assert "required" not in tools["receptive_field"].inputSchema


def test_numbers_and_text(call):
    layers = '[{"op": "conv", "kernel": 3, "stride": 2}, {"op": "conv", "kernel": 3, "dilation": 2}]'
    answer = call("receptive_field_of_layers", layers_json=layers, input_size=32)
    assert not answer.isError
    # By hand: 3 px; then 3 + (3 - 1) * 2 * 2 = 11 px, 2 px apart; (32 - 3) // 2 + 1 = 15 and 15 - 4 = 11 units a side.
    assert "[1, 'conv', 3, 2, 0, 1, '15×15', 3, 2, 0]" in answer.content[0].text
    assert "[2, 'conv', 3, 1, 0, 2, '11×11', 11, 2, 0]" in answer.content[0].text


def test_any_network_may_be_named(call):
    answer = call("list_layers", model="untrained/squeezenet1_1")
    assert not answer.isError
    assert "Conv2d" in answer.content[0].text


@pytest.mark.parametrize("how", ["address", "data"])
def test_picture(served, call, how):
    data = f"data:image/png;base64,{base64.b64encode(CAT.read_bytes()).decode()}"
    answer = call("predict_cat_dog", image=upload(served, CAT) if how == "address" else data)
    assert not answer.isError
    probabilities, sentence, picture, *_ = answer.content
    assert "'label': 'cat'" in probabilities.text
    assert "cat" in sentence.text
    assert picture.mimeType == "image/png"
    assert base64.b64decode(picture.data).startswith(b"\x89PNG")


def test_several_pictures(served, call):
    answer = call("predict_cat_dog_batch", files=[upload(served, CAT)])
    assert not answer.isError
    assert "'chelsea.png', 'cat'" in answer.content[0].text


def test_refusals_say_why(call):
    answer = call("receptive_field", architecture="resnet50", input_size=0)
    assert answer.isError
    assert "Choose an input of 1 to 8192 px, a whole number." in answer.content[0].text
