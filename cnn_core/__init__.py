"""Convolutional networks, read and explained: everything the demos compute, usable from a notebook.

Importing the package costs nothing: each module loads when it is first used.
"""

import importlib
from threading import RLock
from types import ModuleType

# Two visitors of a page just opened ask for two modules at once; PyTorch's own imports do not bear being entered twice.
_importing = RLock()


def __getattr__(name: str) -> ModuleType:
    """Import `cnn_core.<name>` when it is first asked for (PEP 562)."""
    try:
        with _importing:
            return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as missing:
        if missing.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"cnn_core has no module {name!r}") from None
