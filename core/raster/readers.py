"""Stacks that stay open between the parts of a run: handed to one part at a time, and metadata is read once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .fingerprint import absolute
from .stack import Stack

_MOST = 256  # open at one time, beside those in use
_known: dict[str, Stack] = {}  # by path, for what they know of their files
_free: OrderedDict[int, Stack] = OrderedDict()  # by identity, those used longest ago first
_of_path: dict[str, list[int]] = {}  # identities of free ones
_lock = threading.Lock()


@contextmanager
def borrowed(path: str) -> Iterator[Stack]:
    """The stack at `path`, as it was when the run began, for this thread alone; do not close it."""
    stack = _take(path)
    try:
        yield stack
    finally:
        _give_back(stack)


def remember(stacks: Iterable[Stack]) -> None:
    """What these know of their files need not be read again."""
    with _lock:
        _known.update({absolute(stack.path): stack for stack in stacks})


def close_readers() -> None:
    """At the end of a run: files may change before the next, and where they are open they cannot on some systems."""
    with _lock:
        for kept in (_known, _free, _of_path):
            kept.clear()


def _take(path: str) -> Stack:
    with _lock:
        if _of_path.get(path):
            return _free.pop(_of_path[path].pop())
        known = _known.get(path)
    if known is None:
        known = _known[path] = Stack.open(path)
    return known.again(path)


def _give_back(stack: Stack) -> None:
    with _lock:
        _free[id(stack)] = stack
        _of_path.setdefault(stack.path, []).append(id(stack))
        if len(_free) > _MOST:
            number, oldest = _free.popitem(last=False)
            _of_path[oldest.path].remove(number)
