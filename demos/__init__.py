"""The tabs: one module per topic, each shaped as `Demo` says; modules with an underscore are what they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gradio.component_meta

# Gradio writes a .pyi beside every module that derives a component, and type checkers would read that instead.
gradio.component_meta.create_or_modify_pyi = lambda *_: None


@dataclass(frozen=True)
class About:
    """What is computed in a tab, by which code, and how to compute it without the page.

    Attributes:
        text: Markdown in English; formulas between $$ ... $$, symbols between $ ... $, papers as links.
        code: what computes the figures, as "cnn_core.module:function"; a class or "Class.method" will do too.
        python: six lines that compute the worked example with `cnn_core` alone and print its figures.
        device: a sentence in English on what computes it.
    """

    text: str
    code: tuple[str, ...]
    python: str
    device: str = "All of this is computed on the server's processor (CPU)."


class Rows(Protocol):
    """What `EXAMPLES` must be able to do; a list of lists can."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sequence[Any]: ...


class Demo(Protocol):
    """What a tab module offers; modules fit it as they are, there is nothing to inherit from.

    The module's docstring is the introduction shown at the top of the tab. A tab that needs seconds before its first
    answer may also have a `warm_up()` without arguments: it is called once, in the background, after the page is up.
    """

    @property
    def NAME(self) -> str:  # noqa: N802
        """The module's own name; in `?tab=`, and part of every endpoint's name."""
        ...

    @property
    def API(self) -> str:  # noqa: N802
        """The endpoint that calls `run`."""
        ...

    @property
    def TITLE(self) -> str:  # noqa: N802
        """On the tab, in English."""
        ...

    @property
    def EXAMPLES(self) -> Rows:  # noqa: N802
        """Rows of arguments for `run`; at least one."""
        ...

    @property
    def ABOUT(self) -> About:  # noqa: N802
        """Formulas, sources and six lines of Python; `_about` shows it."""
        ...

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """What the tab computes: plain values in, plain values out, nothing of Gradio."""
        ...

    def build(self) -> object:
        """Lay out the tab inside the caller's Blocks and wire its events; what it returns is not used."""
        ...
