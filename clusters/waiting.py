"""The one waiting function; nothing else in the project sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from clusters.errors import WaitTimeout

T = TypeVar("T")

TRANSIENT: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)


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

    waiting = tenacity.Retrying(
        stop=tenacity.stop_after_delay(timeout),
        wait=tenacity.wait_fixed(every),
        retry=tenacity.retry_if_exception_type(tolerate)
        | tenacity.retry_if_result(lambda answer: answer is None or answer is False),
    )
    started = time.monotonic()
    try:
        answer = waiting(attempt)
    except tenacity.RetryError as error:
        tries = error.last_attempt.attempt_number
        seen = getattr(probe, "last", None) or last[0]
        raise WaitTimeout(what, time.monotonic() - started, tries, seen) from None
    assert answer is not None
    return answer


def pause(seconds: float) -> None:
    """Let time pass because the promise under test is about that much time; say why at the call."""
    time.sleep(seconds)
