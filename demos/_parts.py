"""What several tabs share: a picture from the visitor, a sheet to draw on, and refusals said in one sentence."""

from __future__ import annotations

import base64
import inspect
import re
from asyncio import wait_for
from collections.abc import Callable, Sequence
from functools import cache, wraps
from hashlib import sha256
from html import escape
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any, NoReturn, ParamSpec, TypeVar
from urllib.parse import unquote

import gradio as gr
import httpx
import numpy as np
import safehttpx
from gradio.components.dataframe import DataframeData
from gradio.context import Context
from gradio.data_classes import BlocksConfigDict, ImageData
from gradio.processing_utils import save_bytes_to_cache
from gradio.route_utils import API_PREFIX
from gradio.utils import get_function_description, get_upload_folder, is_in_or_equal
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse
from numpy.typing import NDArray
from PIL import Image, ImageOps
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

import cnn_core
from cnn_core import images
from cnn_core.data import CAT_DOG_CLASSES, FASHION_CLASSES
from cnn_core.errors import Refused, Words
from demos._text import ENGLISH, language, preferred, speaking, t

P = ParamSpec("P")
R = TypeVar("R")

try:  # on ZeroGPU, https://huggingface.co/docs/hub/spaces-zerogpu, where a GPU is lent to marked functions alone
    import spaces  # pyright: ignore[reportMissingImports]
except ImportError:
    spaces = None


def on_gpu(run: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that is faster with a GPU; where it need not be asked for, one that is there is used anyway."""
    return spaces.GPU(run) if spaces else run


WEIGHTS = Path(__file__).parents[1] / "weights"
OUR_CLASSES = frozenset((*CAT_DOG_CLASSES, *FASHION_CLASSES))

HTML, CSS, JS = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("canvas.html", "canvas.css", "canvas.js")
)


def shown(run: Callable[P, R]) -> Callable[P, R]:
    """Say to the visitor what `run`, a function or a generator, refuses; anything else that it raises is our bug."""
    if inspect.isgeneratorfunction(run):

        @wraps(run)
        def each(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return (yield from run(*args, **kwargs))
            except Refused as refused:
                _say(refused)

        return each

    @wraps(run)
    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return run(*args, **kwargs)
        except Refused as refused:
            _say(refused)

    return once


def _say(refused: Refused) -> NoReturn:
    raise gr.Error(told(refused), print_exception=False) from refused


def told(said: Refused | Words) -> str:
    """A refusal, or other words of `cnn_core`, in the visitor's language."""
    return (said.words if isinstance(said, Refused) else said).said(t)


def called(name: str) -> str:
    """A class in the visitor's language; ImageNet's thousand keep their names."""
    return t(name) if name in OUR_CLASSES else name


def for_label(answer: dict[str, float]) -> dict[str, float]:
    """Probabilities by class as the page's `gr.Label` shows them; programs get them as they are."""
    return {called(name): share for name, share in answer.items()}


def beside(name: str, file: str) -> Path:
    """A file that lies beside a shipped network's weights; PyTorch is loaded only if it has to be fetched.

    Raises:
        Refused: it cannot be had.
    """
    here = WEIGHTS / name / file
    return here if here.is_file() else cnn_core.weights.beside(name, file)


def endpoint(function: Callable[..., Any], inputs: Any, outputs: Any, name: str, **settings: Any) -> None:
    """Offer a function to programs, apart from what the page's own events call.

    They read its docstring: Args in the description of each parameter, all the rest in that of the endpoint.

    Args:
        function: its docstring has Args, Returns and Raises.
        inputs: components that read its arguments.
        outputs: components that show its results.
        name: of the endpoint, and of the tool for MCP clients.
        **settings: of the event.
    """
    offered: Any = shown(function)
    written = inspect.getdoc(function) or ""
    offered.__name__ = name  # by which Gradio names the tool
    offered.__doc__ = re.sub(r"\n {8,}", " ", written)  # each parameter on one line, of which Gradio reads the first
    sections = re.split(r"\n\n(?=Args:|Returns:|Raises:)", written)
    about = " ".join(" ".join(text for text in sections if not text.startswith("Args:")).split())
    about = about.replace("Raises: Refused:", "Refused if")
    gr.Button(visible=False).click(offered, inputs, outputs, api_name=name, api_description=about, **settings)


class Blocks(gr.Blocks):
    """Gradio's Blocks, lighter, in the language of each visitor, and with a sentence for every request.

    Forged files, missing inputs and values of the wrong type fail before a component sees them. Nothing more than a
    sentence is said; the log has the rest.

    Args:
        lay_out: makes the contents; called again for each other language that someone asks for. Events and components
            are those of the page in its first language, and only what they show differs.
        otherwise: the page's first language, also for those who ask for none of ours.
        **settings: as for `gr.Blocks`.
    """

    FOR_CALLERS = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")

    def __init__(
        self, *, lay_out: Callable[[], object] | None = None, otherwise: str = ENGLISH, **settings: Any
    ) -> None:
        self.lay_out, self.otherwise, self.settings = lay_out, otherwise, settings
        self.configs: dict[str, BlocksConfigDict] = {}
        self.translating = Lock()
        super().__init__(**settings)

    @property
    def config(self) -> BlocksConfigDict:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the page is made of, in the language that is spoken."""
        own: Any = self.configs[self.otherwise]
        if self.lay_out is None:
            return own
        if language() in self.configs:
            return self.configs[language()]
        with self.translating:
            if language() not in self.configs:
                with Blocks(**self.settings) as theirs:
                    self.lay_out()
                pairs = zip(own["components"], theirs.configs[ENGLISH]["components"], strict=True)
                self.configs[language()] = own | {"components": [one | {"props": it["props"]} for one, it in pairs]}
            return self.configs[language()]

    @config.setter
    def config(self, config: BlocksConfigDict) -> None:
        self.configs = {self.otherwise: config}

    async def process_api(self, *args: Any, request: Any = None, **kwargs: Any) -> Any:
        """Work on a request in its visitor's language."""
        with speaking(preferred(request.query_params, request.headers, self.otherwise) if request else self.otherwise):
            return await super().process_api(*args, request=request, **kwargs)

    def queue(self, *args: Any, **settings: Any) -> gr.Blocks:
        """Two requests at a time and 32 waiting, unless told otherwise; set here, the server is built once less."""
        return super().queue(*args, **({"default_concurrency_limit": 2, "max_size": 32} | settings))

    def __exit__(self, *error: Any) -> None:
        """Build the page; what it is made of, which Gradio asks for four times until it is served, stays as it is."""
        self.default_config.get_config = cache(self.default_config.get_config)
        super().__exit__(*error)

    def get_config_file(self) -> BlocksConfigDict:
        """What a page is made of, without each component's schema where no endpoint takes or gives it.

        Gradio copies all of this for every visit: the schemas are a third of the time to the first page.
        """
        config: Any = super().get_config_file()
        endpoints = [each for each in config["dependencies"] if each["api_visibility"] != "private"]
        called = {number for each in endpoints for number in (*each["inputs"], *each["outputs"])}
        for component in config["components"]:
            if component["id"] not in called:
                for key in self.FOR_CALLERS:
                    component.pop(key, None)
        return config

    def get_api_info(self, *args: Any, **kwargs: Any) -> Any:
        """What programs may ask for, with what is written of every parameter; in English, whoever asks first."""
        with speaking(ENGLISH):
            info: Any = super().get_api_info(*args, **kwargs)
        for function in self.fns.values():
            if about := info["named_endpoints"].get(f"/{function.api_name}"):
                _, written, _ = get_function_description(function.fn)  # pyright: ignore[reportArgumentType]
                for parameter in about["parameters"]:
                    parameter["python_type"]["description"] = written.get(parameter["parameter_name"], "")
        return info

    async def preprocess_data(self, block_fn: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Read what was sent, as Gradio does; files that were uploaded here also by their address."""
        try:
            pairs = zip(block_fn.inputs, inputs, strict=False)
            inputs = [block.written_out(given) if isinstance(block, Files) else given for block, given in pairs]
            inputs = traverse(inputs, _uploaded, is_file_obj_with_meta)
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(t("That request cannot be read: please reload the page and try again.")) from error


class Speaking:
    """Middleware: every answer is given in the language that its request asks for, or in `otherwise`."""

    def __init__(self, app: ASGIApp, otherwise: str = ENGLISH) -> None:
        self.app, self.otherwise = app, otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        asked = HTTPConnection(scope) if scope["type"] == "http" else None
        with speaking(preferred(asked.query_params, asked.headers, self.otherwise) if asked else self.otherwise):
            await self.app(scope, receive, send)


class Picture(gr.Image):
    """A picture that the visitor uploads, pastes or photographs; a function gets PIL RGB (`images.read`), or None.

    Only what Gradio itself has put into its folder is opened (uploads, examples, web addresses it was asked to fetch),
    whatever path a request names; beside that, a data: URL is read as it stands.
    """

    is_template = True  # the stock front end

    @shown
    def preprocess(self, payload: ImageData | None) -> Image.Image | None:
        """Read the picture.

        Raises:
            gr.Error: it is refused, in one sentence.
        """
        if payload is None:
            return None
        if payload.url and payload.url.startswith("data:"):
            return images.read_data_url(payload.url)
        if not payload.path or "\0" in payload.path or not is_in_or_equal(payload.path, get_upload_folder()):
            raise Refused("Please upload the picture again.")
        return images.read(payload.path)

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """Fetch a web address (`gradio_client.handle_file` may send one) within limits; files as Gradio does."""
        if not is_http_url_like(url_or_file_path):
            return await super().async_move_resource_to_block_cache(url_or_file_path)
        try:
            content = await wait_for(_fetch(str(url_or_file_path)), timeout=20)
        except Exception as error:
            sentence = t("That web address gave no picture: please download it and send the file itself.")
            raise gr.Error(sentence, print_exception=False) from error
        path = save_bytes_to_cache(content, "fetched", self.GRADIO_CACHE)
        self.temp_files.add(path)
        return path


class Answer(gr.Image):
    """A picture of ours that is shown; written to Gradio's folder once, and whole before anyone can read it.

    The stock component writes its file anew for every answer, under a name that its content gives: two visitors with
    the same picture, and one of them reads half a file.
    """

    is_template = True  # the stock front end

    def postprocess(self, value: Image.Image | None) -> ImageData | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write the picture as PNG."""
        if value is None:
            return None
        content = BytesIO()
        value.save(content, "PNG")
        path = Path(self.GRADIO_CACHE, sha256(content.getvalue()).hexdigest(), "image.png")
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, delete=False) as part:
                part.write(content.getvalue())
            Path(part.name).replace(path)
        return ImageData(path=str(path), orig_name="image.png")


class Table(gr.Dataframe):
    """A table that an endpoint answers with; pandas' styling, half a second to import, waits until there is a row."""

    is_template = True  # the stock front end

    def postprocess(self, value: Any) -> DataframeData:
        """What the page shows."""
        return DataframeData(headers=self.headers or [], data=[]) if value is None else super().postprocess(value)


class Files(gr.File):
    """Several files, for MCP clients too: to them, the stock component's schema points nowhere."""

    is_template = True  # the stock front end

    def api_info(self) -> dict[str, Any]:
        """What an API client sends."""
        parts = super().api_info()["$defs"]
        file = parts["FileData"]
        return {"type": "array", "items": file | {"properties": file["properties"] | {"meta": parts["FileDataMeta"]}}}

    def written_out(self, given: Any) -> Any:
        """What was sent, with addresses in a list, as MCP clients send them, written as Gradio writes files."""
        if not isinstance(given, list):
            return given
        file = {"meta": {"_type": "gradio.FileData"}}
        return [file | {"path": each} if isinstance(each, str) else each for each in given]


class Names(gr.Dropdown):
    """Names to choose from, beside which others may be typed; of the stock component, programs hear of no others."""

    is_template = True  # the stock front end

    def api_info(self) -> dict[str, Any]:
        """What an API client sends."""
        return {"type": "array", "items": {"type": "string"}} if self.multiselect else {"type": "string"}


def _uploaded(file: dict[str, Any]) -> dict[str, Any]:
    """A file by its path if it lies in Gradio's folder; MCP clients name it by the address that they were given."""
    path = unquote(file["path"].partition(f"{API_PREFIX}/file=")[2])
    ours = path and is_in_or_equal(path, get_upload_folder()) and Path(path).is_file()
    return file | {"path": path} if ours else file


async def _fetch(url: str) -> bytes:
    """The content of a public web address, of `images.MOST_BYTES` at most; redirections are not followed."""
    address = await safehttpx.async_validate_url(httpx.URL(url).host)  # refuses this machine and its neighbours
    transport = safehttpx.AsyncSecureTransport(address)
    plain = {"Accept-Encoding": "identity"}  # so that bytes received are bytes kept
    async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", url, headers=plain) as answer:
        answer.raise_for_status()
        content = bytearray()
        async for part in answer.aiter_raw():
            content += part
            if len(content) > images.MOST_BYTES:
                raise Refused("That file is too large.")
    return bytes(content)


class Canvas(gr.HTML):
    """A white sheet to draw on in black; a function gets it as PIL RGB, `SIZE` px square, or None when it is empty.

    It answers as one draws: 'input' is fired every 120 ms while the pen moves, and when it is lifted, undone or
    cleared. Listen with `trigger_mode="always_last"`, so that a slow answer skips drawings but never the last one.

    Args:
        value: a picture to begin with (PIL or a file's path); it is fitted onto the sheet.
        label: what the sheet is called, for those who hear the page and for the API.
        fresh: pictures shown by Python are worked examples: the first stroke begins on an empty sheet. Otherwise they
            are drawn over.
        **rest: as for `gr.HTML`.
    """

    SIZE = 280
    MOST = 400_000  # characters of a data: URL; a sheet full of scribbles has about 60,000

    def __init__(
        self,
        value: Image.Image | str | Path | None = None,
        *,
        label: str | None = None,
        fresh: bool = False,
        **rest: Any,
    ) -> None:
        words = {
            "hint": t("Draw here"),
            "example": t("Example – draw to replace it"),
            "tools": t("Drawing tools"),
            "brush": t("Brush"),
            "size": t("Brush size"),
            "draw": t("Draw"),
            "erase": t("Eraser"),
            "undo": t("Undo"),
            "clear": t("Clear"),
        }
        super().__init__(
            value,
            label=label or t("Drawing"),
            html_template=HTML,
            css_template=CSS,
            js_on_load=JS,
            apply_default_css=False,
            words=words,
            fresh=fresh,
            **rest,
        )

    @shown
    def preprocess(self, payload: Any) -> Image.Image | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read the drawing, which may be anything that someone chose to send.

        Raises:
            gr.Error: it is not a PNG of `SIZE` px square, in one sentence.
        """
        if payload in (None, ""):
            return None
        unlike = Refused("That is no drawing from this page: please clear the sheet and draw again.")
        if not isinstance(payload, str) or not payload.startswith("data:image/png;base64,") or len(payload) > self.MOST:
            raise unlike
        drawing = images.read_data_url(payload, most_bytes=self.MOST, most_pixels=self.SIZE**2)
        if drawing.size != (self.SIZE, self.SIZE):
            raise unlike
        return drawing

    def postprocess(self, value: Image.Image | str | Path | None) -> str | None:
        """A picture for the sheet, as a data: URL."""
        if value is None:
            return None
        picture = value if isinstance(value, Image.Image) else images.read(value)
        file = BytesIO()
        ImageOps.pad(picture.convert("RGB"), (self.SIZE, self.SIZE), color="white").save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

    def process_example(self, value: Image.Image | str | Path | None) -> str:
        """A thumbnail for `gr.Examples`."""
        name = t("Blank") if value is None else value.stem if isinstance(value, Path) else self.label
        return f'<img src="{self.postprocess(value) or ""}" alt="{escape(str(name))}" width="64" height="64">'

    def api_info(self) -> dict[str, Any]:
        """What an API client sends."""
        return {"type": "string", "description": f"data: URL of a PNG of {self.SIZE} px square, black ink on white"}

    def example_payload(self) -> str | None:
        """An empty sheet."""
        return self.postprocess(Image.new("RGB", (self.SIZE, self.SIZE), "white"))

    def example_value(self) -> str | None:
        """An empty sheet."""
        return self.example_payload()


class Choices(gr.HTML):
    """A row of small pictures to choose from; a function gets the name of the one that was clicked.

    Args:
        pictures: SVG markup of ours by name; the names are shown below the pictures.
        label: what the row is called.
        **rest: as for `gr.HTML`.
    """

    CLICK = """element.addEventListener('click', event => {
        const button = event.target.closest('button');
        if (button) { props.value = button.dataset.name; trigger('click'); }
    });"""

    def __init__(self, pictures: dict[str, str], label: str, **rest: Any) -> None:
        self.names = set(pictures)
        buttons = "".join(
            f'<button type="button" data-name="{escape(name)}">{svg}<span>{escape(t(name))}</span></button>'
            for name, svg in pictures.items()
        )
        row = f'<p>{escape(label)}</p><div class="choices" role="group" aria-label="{escape(label)}">{buttons}</div>'
        super().__init__(html_template=row, js_on_load=self.CLICK, label=label, elem_classes="choices-row", **rest)

    def preprocess(self, payload: Any) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The name of a picture of this row."""
        if payload not in self.names:
            raise gr.Error(t("That request cannot be read: please reload the page and try again."))
        return payload

    def api_info(self) -> dict[str, Any]:
        """What an API client sends."""
        return {"type": "string", "enum": sorted(self.names)}


def when_first_opened(begin: Callable[[], Sequence[Any]], outputs: Sequence[Any], **settings: Any) -> Any:
    """Fill `outputs` with what `begin` gives, once per visitor, when the tab that is being laid out is first seen.

    A tab reports that it is selected also when the page opens with it; what nobody looks at is not computed.

    Args:
        begin: as many values as there are outputs.
        outputs: components of the tab.
        **settings: of the event.
    """
    opened, place = gr.State(False), Context.block

    def once(before: bool) -> list[Any]:
        return [gr.skip()] * (1 + len(outputs)) if before else [True, *begin()]

    listen = place.select if isinstance(place, gr.Tab) else Context.root_block.load  # pyright: ignore[reportOptionalMemberAccess]
    return listen(once, opened, [opened, *outputs], **settings)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], shade: NDArray[np.floating] | None = None) -> str:
    """A table as HTML: the first column names the rows, the rest are figures.

    Args:
        heads: of the columns.
        rows: texts, as many as `heads` in each.
        shade: (rows, columns - 1) in [0, 1], how strongly a figure's cell is tinted with the accent colour.
    """
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = ""
    for number, (name, *figures) in enumerate(rows):
        tints = [0.0] * len(figures) if shade is None else shade[number]
        cells = "".join(
            f'<td style="--tint: {tint * 60:.0f}%">{escape(text)}</td>'
            for text, tint in zip(figures, tints, strict=True)
        )
        body += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return f'<div class="figures" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
