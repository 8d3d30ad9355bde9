"""Loaded networks, kept for all tabs within one budget of memory: whoever asks, a network is loaded once.

`CONVLENS_MODEL_MEMORY`, e.g. "2GB" or "512MB", sets the budget; by default it is a quarter of the machine's memory, or
of what its control group (a container, a Space) may use. While it is exceeded, the networks that were used least
recently are let go, never one in use: memory stays within the budget and the largest network.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from cnn_core.errors import Refused

if TYPE_CHECKING:
    from cnn_core.zoo import Network

VARIABLE = "CONVLENS_MODEL_MEMORY"
SHARE = 4  # of the machine's memory: one in four bytes
UNKNOWN = 8 * 10**9  # bytes a machine is taken to have that does not say
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

T = TypeVar("T")


@dataclass
class Kept:
    """A network in the cache: its bytes, and how many are using it now."""

    value: Any
    size: int
    users: int = 0


_lock = threading.Lock()
_kept: OrderedDict[str, Kept] = OrderedDict()  # the least recently used first
_lent: WeakValueDictionary[str, Any] = WeakValueDictionary()  # let go here, and still held by somebody
_making: WeakValueDictionary[str, Any] = WeakValueDictionary()  # key -> lock of whoever loads it


def budget() -> int:
    """Bytes that loaded networks may take together.

    Raises:
        Refused: `CONVLENS_MODEL_MEMORY` is no amount of memory.
    """
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        return machine_memory() // SHARE
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?I?B?)", said.upper())
    if not found or found[2] not in UNITS:
        raise Refused("{variable} is {said!r}: write an amount like 2GB or 512MB.", variable=VARIABLE, said=said[:40])
    return int(float(found[1]) * UNITS[found[2]])


@cache
def machine_memory() -> int:
    """Bytes of memory that this machine has, or that its control group lets this process use if that is less."""
    amounts = []
    with suppress(AttributeError, ValueError, OSError):
        amounts.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # not Linux, the other version of control groups, or "max"
            amounts.append(int(Path(file).read_text()))
    return min([amount for amount in amounts if amount > 0], default=UNKNOWN)


def size(value: Any) -> int:
    """Bytes of a network's parameters and buffers; what several share counts once."""
    module = getattr(value, "module", value)
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in chain(module.parameters(), module.buffers())
    }
    return sum(storages.values())


def used() -> int:
    """Bytes of all networks that are loaded, those included that were let go and are still held by somebody."""
    with _lock:
        return _total()


def names() -> list[str]:
    """What is kept, the least recently used first."""
    with _lock:
        return list(_kept)


def forget() -> None:
    """Let go of everything that is not in use."""
    with _lock:
        for key in [key for key, entry in _kept.items() if not entry.users]:
            _let_go(key)


@contextmanager
def using(name: str) -> Iterator[Network]:
    """The network of a name, as `zoo.get` takes it: loaded once whoever asks, and not let go while in use.

    Raises:
        Refused: on entering; there is no such network, or its weights are out of reach.
    """
    from cnn_core import weights, zoo

    key = zoo.key(name)
    if key in weights.WEIGHTS:  # kept as `weights.shared` keeps it
        with keeping(key, partial(weights.load, key)) as module:
            yield zoo.shipped(key, module)
    else:
        with keeping(key, partial(zoo.make, key)) as network:
            yield network


@contextmanager
def keeping(key: str, make: Callable[[], T]) -> Iterator[T]:
    """Something with parameters, or with a `module` that has them, made if need be and kept.

    Args:
        key: two callers with one key get one and the same.
        make: called by one caller while others with this key wait; what it raises is not kept.
    """
    entry = _enter(key, make)
    try:
        yield entry.value
    finally:
        with _lock:
            entry.users -= 1
            _shrink(spare=key)


def _enter(key: str, make: Callable[[], Any]) -> Kept:
    with _lock:
        own = _making.get(key)
        if own is None:
            _making[key] = own = threading.Lock()
    with own:
        with _lock:
            if entry := _found(key):
                return entry
            _shrink()  # room, as far as it is known before it is loaded
        value = make()
        with _lock:
            entry = _kept[key] = Kept(value, size(value), users=1)
            _shrink()
        return entry


def _found(key: str) -> Kept | None:
    """What is kept under a key, or else still held by somebody, now with one user more."""
    entry = _kept.get(key)
    if entry is None:
        value = _lent.pop(key, None)
        if value is None:
            return None
        entry = _kept[key] = Kept(value, size(value))
    _kept.move_to_end(key)
    entry.users += 1
    return entry


def _total() -> int:
    return sum(entry.size for entry in _kept.values()) + sum(size(value) for value in list(_lent.values()))


def _shrink(spare: str = "") -> None:
    """Let go of what nobody uses, the least recently used first, until the rest fits.

    Args:
        spare: left if it is the last one: a network larger than the budget is not loaded anew for every question.
    """
    most = budget()
    for key in [key for key, entry in _kept.items() if not entry.users]:
        if _total() <= most or (key == spare and key == next(reversed(_kept))):
            break
        _let_go(key)


def _let_go(key: str) -> None:
    value = _kept.pop(key).value
    _lent[key] = value
    del value  # if nobody else holds it, it is gone now
    _give_back()


def _give_back() -> None:
    """Freed memory to the system: the C library of Linux keeps blocks of up to 32 MB for itself."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than GNU's
            ctypes.CDLL("libc.so.6").malloc_trim(0)
