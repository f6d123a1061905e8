"""Questions and answers over a socket to a process that speaks one JSON line per line."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any


class LineTalk:
    """A process behind a socket; answers are matched to questions by `request`, so several can be open at once.

    Lines that answer no question are kept in ``events``; an answer that comes after its question was given up is
    dropped.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._speaking = threading.Lock()
        self._arrived = threading.Condition()
        self._next = 0
        self._waiting: dict[int, list[dict[str, Any]]] = {}
        self._closed = False
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self._read, name="line talk", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the process has closed its output, or we have closed ours."""
        return self._closed

    def _read(self) -> None:
        try:
            with self._socket.makefile("r", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    self._take(line)
        except (OSError, ValueError):
            pass  # the same end as a close from the other side; ValueError: closed before the first look
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def _take(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            message = {"event": "unreadable", "line": line[:500]}
        with self._arrived:
            number = message.get("request")
            if number in self._waiting:
                self._waiting[number].append(message)
            elif not isinstance(number, int):
                self.events.append(message)
            self._arrived.notify_all()

    def ask(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Send one request and wait for the answer with its number.

        Errors: TimeoutError after ``timeout`` seconds, also when the process does not read what it is asked;
        ConnectionError when it has ended.
        """
        deadline = time.monotonic() + timeout
        box: list[dict[str, Any]] = []
        with self._arrived:
            if self._closed:
                raise ConnectionError("the process has ended")
            self._next += 1
            number = self._next
            self._waiting[number] = box
        try:
            self._say(json.dumps({**request, "request": number}).encode() + b"\n", deadline)
            with self._arrived:
                self._arrived.wait_for(lambda: box or self._closed, deadline - time.monotonic())
        finally:
            with self._arrived:
                del self._waiting[number]
        if box:
            return box[0]
        if self._closed:
            raise ConnectionError(f"the process ended before it answered {request.get('do')}")
        raise TimeoutError(f"no answer to {request.get('do')} in {timeout:g} s")

    def _say(self, line: bytes, deadline: float) -> None:
        if not self._speaking.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError("the process does not read what others ask it")
        try:
            room = select.poll()  # a frozen process fills its buffer; writable means three quarters free (unix(7))
            room.register(self._socket, select.POLLOUT)
            if not room.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError("the process does not read what it is asked")
            self._socket.sendall(line)
        finally:
            self._speaking.release()

    def close(self) -> None:
        """Close the socket: the process sees the end of its standard input."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # already closed by the other side
        self._socket.close()
