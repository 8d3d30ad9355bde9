"""ConvLens: see inside convolutional networks, one tab per topic.

    python app.py --help

What takes seconds to import, PyTorch above all, is imported in the background once the page is being served.
"""

import argparse
import gc
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

# What these imports make stays for good: nothing is gained by looking through it for rubbish again and again.
gc.disable()

import gradio as gr
from gradio import themes
from gradio.context import Context
from starlette.middleware import Middleware

from cnn_core.errors import Refused
from demos import Demo, _about, _visit, cats_dogs, feature_maps, model_zoo, receptive_field, sketch
from demos._parts import Blocks, Speaking
from demos._text import CATALOGUES, ENGLISH, speaking, t

gc.freeze()
gc.enable()

TABS: tuple[Demo, ...] = (sketch, cats_dogs, feature_maps, model_zoo, receptive_field)  # in teaching order

DEMOS = Path(__file__).parent / "demos"

SANS = ("ui-sans-serif", "system-ui", "sans-serif")  # the visitor's own fonts: nothing to download
MONO = ("ui-monospace", "Consolas", "monospace")

# Teal 700 on white and stone 950 on teal 400 have contrasts of 5.5:1 and 10.6:1; WCAG AA asks for 4.5:1.
THEME = themes.Base(
    primary_hue="teal", secondary_hue="teal", neutral_hue="stone", radius_size="md", font=SANS, font_mono=MONO
).set(
    color_accent="*primary_700",
    body_background_fill="*neutral_50",
    body_background_fill_dark="*neutral_950",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    block_border_width="1px",
    block_label_background_fill="*neutral_100",
    block_label_background_fill_dark="*neutral_800",
    block_label_text_color="*neutral_700",
    block_label_text_color_dark="*neutral_200",
    block_title_text_color="*neutral_700",
    block_title_text_color_dark="*neutral_200",
    block_title_text_weight="600",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_400",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_400",
    button_primary_background_fill_hover_dark="*primary_300",
    button_primary_text_color="white",
    button_primary_text_color_dark="*neutral_950",
    checkbox_background_color_selected="*primary_700",
    checkbox_background_color_selected_dark="*primary_600",
    checkbox_border_color_selected="*primary_700",
    checkbox_border_color_selected_dark="*primary_600",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_400",
    link_text_color="*primary_700",
    link_text_color_hover="*primary_800",
    link_text_color_visited="*primary_700",
    link_text_color_dark="*primary_400",
    link_text_color_hover_dark="*primary_300",
    link_text_color_visited_dark="*primary_400",
    slider_color="*primary_700",
    slider_color_dark="*primary_400",
    stat_background_fill="*primary_600",
    stat_background_fill_dark="*primary_500",
)

# A week is what Gradio says of its links; two hours follow from `delete_cache` below.
PUBLIC = """Public: {address} until Ctrl+C, for a week at most.
  Whoever has that address can use every tab and endpoint on this machine; all of it passes through Gradio's server.
  Files that are sent, and files made of them, can be read by whoever knows their own address, for up to two hours."""

GRACE = 1.0  # s between the page being up and the warm-up

LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css_paths": [DEMOS / "style.css"],
    "footer_links": ["api"],
    "run_history": False,  # it would keep every slider's every move in the visitor's browser
    "show_error": False,  # only what a tab says itself: an exception may hold what is nobody's business
    "enable_monitoring": False,
    "max_file_size": "100mb",  # a zip of a thousand photographs; the limit of a picture is in `cnn_core.images`
    "quiet": True,
    "ssr_mode": False,  # pages differ by language, which Node's server would not know
}

# In the browser itself: a server that is still loading networks would keep the visitor waiting for the right tab.
OPEN = """() => {
    const names = %s, named = new URL(location).searchParams.get('tab');
    window.convlensOpened = true;
    return { selected: names.includes(named) ? named : names[0], __type__: 'update' };
}"""


def lay_out() -> None:
    """All tabs, in teaching order; `?tab=` in the page's address names the one that is open."""
    names = [tab.NAME for tab in TABS]
    _visit.build(names)
    with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
        for tab in TABS:
            with gr.Tab(t(tab.TITLE), id=tab.NAME, elem_id=f"tab-{tab.NAME}") as label:
                # First: the page runs listeners in turn, and what a tab begins with may take long.
                label.select(None, js=f"() => convlens.selected('{tab.NAME}')", api_visibility="private")
                gr.Markdown(t(tab.__doc__ or ""), elem_classes="introduction")
                tab.build()
                _about.build(tab.ABOUT)
    page = Context.root_block
    page.load(None, None, tabs, js=OPEN % json.dumps(names), api_visibility="private")  # pyright: ignore[reportOptionalMemberAccess]


def build_app(language: str = ENGLISH) -> Blocks:
    """The page.

    Args:
        language: a key of `CATALOGUES`, spoken to those whose browser asks for none of them.
    """
    with (
        speaking(language),
        Blocks(
            lay_out=lay_out, otherwise=language, title="ConvLens", analytics_enabled=False, delete_cache=(3600, 3600)
        ) as page,
    ):
        lay_out()
    return page


def serve(page: Blocks, **where: Any) -> str:
    """Serve the page in the background, with the one set of options there is.

    Args:
        page: what `build_app` made.
        **where: `server_name`, `server_port`, `root_path`, `share` and `mcp_server` of `gr.Blocks.launch`; where they
            are `None` or left out, GRADIO_SERVER_NAME and its like in the environment decide, which a Space sets.

    Returns:
        The page's address.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
    """
    middleware = [Middleware(Speaking, otherwise=page.otherwise)]
    return page.launch(prevent_thread_lock=True, app_kwargs={"middleware": middleware}, **LAUNCH, **where)[1]


def warm_up() -> None:
    """Import and load what the tabs need for their first answer."""
    for tab in TABS:
        try:
            getattr(tab, "warm_up", lambda: None)()
        except Refused as refused:  # weights out of reach: the tab tells its visitors
            logging.getLogger(__name__).warning("%s: %s", tab.NAME, refused)


def main(arguments: list[str] | None = None) -> gr.Blocks:
    """The command line; serves until it is interrupted."""
    parser = argparse.ArgumentParser(
        description="Serve the ConvLens demos as a web page on this machine.",
        epilog="Without arguments: http://127.0.0.1:7860, or what GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say.",
    )
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=int, help="port to listen on; by default the first free one from 7860")
    parser.add_argument("--share", action="store_true", default=None, help="also open a public gradio.live address")
    parser.add_argument("--mcp", action="store_true", default=None, help="offer every endpoint to MCP clients too")
    parser.add_argument("--root-path", metavar="PATH", help="path under which a reverse proxy serves the page")
    parser.add_argument(
        "--lang",
        choices=CATALOGUES,
        default=ENGLISH,
        help="language for browsers that ask for none of these (default: %(default)s)",
    )
    parser.add_argument(
        "--weights-repo",
        metavar="OWNER/NAME[@REVISION]",
        help="Hugging Face repository to take the trained weights from; by default the shipped ones serve",
    )
    chosen = parser.parse_args(arguments)
    if chosen.weights_repo:
        os.environ["CONVLENS_WEIGHTS_REPO"] = chosen.weights_repo
    page = build_app(chosen.lang)
    where = {"server_name": chosen.host, "server_port": chosen.port, "root_path": chosen.root_path}
    try:
        address = serve(page, share=chosen.share, mcp_server=chosen.mcp, **where)
    except OSError as error:
        parser.exit(1, f"ConvLens cannot be served there; try another --host or --port. ({error})\n")
    if page.mcp_error:
        page.close(verbose=False)
        parser.exit(1, f"For --mcp, install what requirements-mcp.txt lists. ({page.mcp_error})\n")
    if address:  # none when `gradio app.py` runs this again for a change: the page is being served already
        print(f"ConvLens: {address} (Ctrl+C stops it)", flush=True)
        if page.share_url:
            print(PUBLIC.format(address=page.share_url), flush=True)
        later = threading.Timer(GRACE, warm_up)  # importing PyTorch at once would hold up the first page
        later.name, later.daemon = "warm-up", True
        later.start()
    page.block_thread()
    return page


if __name__ == "__main__":
    demo = main()  # `gradio app.py`, which reloads on every change, looks for it by this name
