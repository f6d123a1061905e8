"""The one waiting function; nothing else in the project sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from clusters.errors import WaitTimeout

T = TypeVar("T")

TRANSIENT: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at what is waited for, in vain so far: seconds since the wait began, seconds at most, what was seen.

    ``over`` is the last one of a wait, however that ended; it saw nothing new.
    """

    what: str
    seconds: float
    timeout: float
    seen: str
    over: bool = False


Watcher = Callable[[Look], None]
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Every wait of this thread in the block tells ``watcher`` each of its looks; no wait depends on it."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def until(
    what: str,
    probe: Callable[[], T | None],
    *,
    timeout: float,
    every: float = 0.1,
    tolerate: tuple[type[Exception], ...] = TRANSIENT,
) -> T:
    """Return the first answer of ``probe`` that is neither None nor False.

    An exception outside ``tolerate`` surfaces at once: a typing error must not cost a whole timeout. After
    ``timeout`` seconds (monotonic) WaitTimeout names ``what`` and the last thing seen. ``every`` is the pause
    between two tries, in seconds; the last try starts before the deadline.
    """
    last: list[object] = ["nothing yet"]

    def attempt() -> T | None:
        try:
            answer = probe()
        except tolerate as error:
            last[0] = repr(error)
            raise
        last[0] = answer
        return answer

    def seen() -> object:
        return getattr(probe, "last", None) or last[0]

    watcher = _WATCHER.get()

    def look(*, over: bool = False) -> None:
        if watcher is not None:
            now = seen()
            words = "not yet" if now is None or now is False else str(now)
            watcher(Look(what, time.monotonic() - started, timeout, words, over))

    waiting = tenacity.Retrying(
        stop=tenacity.stop_after_delay(timeout),
        wait=tenacity.wait_fixed(every),
        retry=tenacity.retry_if_exception_type(tolerate)
        | tenacity.retry_if_result(lambda answer: answer is None or answer is False),
        before_sleep=lambda _state: look(),
    )
    started = time.monotonic()
    try:
        answer = waiting(attempt)
    except tenacity.RetryError as error:
        tries = error.last_attempt.attempt_number
        raise WaitTimeout(what, time.monotonic() - started, tries, seen()) from None
    finally:
        look(over=True)
    assert answer is not None
    return answer


def pause(seconds: float) -> None:
    """Let time pass because the promise under test is about that much time; say why at the call."""
    time.sleep(seconds)
