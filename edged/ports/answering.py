"""A port that works and answers in a thread of its own, which starts when it is needed."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from edged.commands import Request
from edged.errors import CommandError

CLOSE_S = 5.0
"""How long the end of the daemon waits for the disk."""


class AnsweringPort(ABC):
    """``_changed`` guards ``_questions``, ``_closing`` and what the thread waits for."""

    _thread_name: ClassVar[str]
    _most_questions: ClassVar[int]
    """How many may wait for an answer."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._questions: list[Request[Any]] = []
        self._closing = False

    def __exit__(self, *exception: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def answer(self, request: Request[Any]) -> None:
        """Reply later, from the thread. CommandError while too many wait."""
        with self._changed:
            if len(self._questions) >= self._most_questions:
                raise CommandError("others wait for an answer; try again")
            self._questions.append(request)
            self._wake()

    def _wake(self) -> None:
        """Start the thread, or let it look again. With ``_changed`` held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._thread_name, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    @abstractmethod
    def _run(self) -> None:
        """Answer and work until ``_closing``."""
