"""Questions and answers over a socket to a process that speaks one JSON line per line."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from typing import Any


class LineTalk:
    """A process behind a socket; answers are matched to questions by `request`, so several can be open at once."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._lock = threading.Lock()
        self._next = 0
        self._waiting: dict[int, list[dict[str, Any]]] = {}
        self._arrived = threading.Condition(self._lock)
        self._closed = False
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the process has closed its output."""
        return self._closed

    def _read(self) -> None:
        try:
            with self._socket.makefile("r", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    self._take(line)
        except OSError:
            pass  # the same end as a close from the other side
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def _take(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = {"event": "unreadable", "line": line[:500]}
        with self._arrived:
            box = self._waiting.get(message.get("request", -1))
            if box is None:
                self.events.append(message)
            else:
                box.append(message)
            self._arrived.notify_all()

    def ask(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Send one request and wait for the answer with its number."""
        with self._arrived:
            if self._closed:
                raise ConnectionError("the process has ended")
            self._next += 1
            number = self._next
            box: list[dict[str, Any]] = []
            self._waiting[number] = box
            try:
                self._socket.sendall(json.dumps({**request, "request": number}).encode() + b"\n")
                self._arrived.wait_for(lambda: box or self._closed, timeout)
            finally:
                del self._waiting[number]
        if box:
            return box[0]
        if self._closed:
            raise ConnectionError(f"the process ended before it answered {request.get('do')}")
        raise TimeoutError(f"no answer to {request.get('do')} in {timeout:g} s")

    def close(self) -> None:
        """Close the socket: the process sees the end of its standard input."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # already closed by the other side
        self._socket.close()
