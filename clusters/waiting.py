"""The one waiting function; nothing else in the project sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, TypeVar

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
    tries = _Tries(what, probe, timeout, tolerate)
    waiting = tenacity.Retrying(
        stop=tenacity.stop_after_delay(timeout),
        wait=tenacity.wait_fixed(every),
        retry=tenacity.retry_if_exception_type(tolerate)
        | tenacity.retry_if_result(lambda answer: answer is None or answer is False),
        before_sleep=lambda _state: tries.tell(),
    )
    try:
        answer = waiting(tries.once)
    except tenacity.RetryError as error:
        raise WaitTimeout(what, tries.seconds, error.last_attempt.attempt_number, tries.seen) from None
    finally:
        tries.tell(over=True)
    assert answer is not None
    return answer


class _Tries(Generic[T]):
    """The tries of one wait: what was seen last, and who is told."""

    def __init__(
        self, what: str, probe: Callable[[], T | None], timeout: float, tolerate: tuple[type[Exception], ...]
    ) -> None:
        self._what = what
        self._tolerate = tolerate
        self._probe = probe
        self._timeout = timeout
        self._started = time.monotonic()
        self._last: object = "nothing yet"
        self._watcher = _WATCHER.get()

    def once(self) -> T | None:
        """Ask the probe; its answer is seen, and an error that is tolerated."""
        try:
            self._last = answer = self._probe()
        except self._tolerate as error:
            self._last = repr(error)
            raise
        return answer

    @property
    def seen(self) -> object:
        """What the probe kept as its last sight, else its last answer or error."""
        return getattr(self._probe, "last", None) or self._last

    @property
    def seconds(self) -> float:
        """Since the wait began."""
        return time.monotonic() - self._started

    def tell(self, *, over: bool = False) -> None:
        """Tell who watches, if anybody does."""
        if self._watcher is not None:
            seen = "not yet" if self.seen is None or self.seen is False else str(self.seen)
            self._watcher(Look(self._what, self.seconds, self._timeout, seen, over))


def pause(seconds: float) -> None:
    """Let time pass because the promise under test is about that much time; say why at the call."""
    time.sleep(seconds)
