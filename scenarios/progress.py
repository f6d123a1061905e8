"""How far a long judgement has come, told to whoever listens; nobody need listen, and nothing depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int], None]
"""Called with what is counted ("operations read", "keys judged") and the count so far."""

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(what: str, count: int) -> None:
    """Say how many of `what` are done so far."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(what, count)


@contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """What is told in the block is passed on to `listener`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
