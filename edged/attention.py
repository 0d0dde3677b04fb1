"""Whether frames are classified: the loop may be paused by a command, or idle until it is woken."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from edged.commands import Request
from edged.core import Result
from edged.messages.replies import AttentionAnswer

log = logging.getLogger(__name__)


class Attention:
    """Used only by the loop's thread.

    ``wake_s`` is how long a wake lasts before the loop idles; 0 means always awake. It may be
    changed at any time and counts from the last wake. `sensed` returns whether an input that wakes
    is active; while it is, the loop stays awake.
    """

    def __init__(
        self,
        wake_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sensed: Callable[[], bool] = lambda: False,
    ) -> None:
        self.wake_s = wake_s
        self._sensed = sensed
        self.paused = False
        self._clock = clock
        self._woken_s = clock()
        self._rule_holds = False
        self._has_idled = False

    @property
    def awake(self) -> bool:
        """Whether frames are classified at present."""
        return not self.paused and not self.idle

    @property
    def idle(self) -> bool:
        """Whether frames are not classified because the last wake is too long ago."""
        # Idling while a rule is active would leave its output on until the next wake; this also
        # holds when no frame arrives, or the idle time has just been set.
        if self.wake_s <= 0 or self._rule_holds:
            return False
        if self._sensed():
            self._woken_s = self._clock()
            return False
        self._has_idled = self._clock() >= self._woken_s + self.wake_s
        return self._has_idled

    def keep_awake(self, result: Result) -> None:
        """An event counts as a wake; while a rule is active, none is needed."""
        self._rule_holds = bool(result.scene.active)
        if any(event.cause is None for event in result.events):
            self._woken_s = self._clock()

    def nothing_holds(self) -> None:
        """Rules have ended without a frame."""
        self._rule_holds = False

    def pause(self, request: Request[Any]) -> AttentionAnswer:
        """Classify nothing until `resume`."""
        if not self.paused:
            log.info("paused by %s", request.asked_by)
        self.paused = True
        return self._answer()

    def resume(self, request: Request[Any]) -> AttentionAnswer:
        """Classify again, awake."""
        if self.paused:
            log.info("resumed by %s", request.asked_by)
        self.paused = False
        return self.wake(request)

    def wake(self, request: Request[Any]) -> AttentionAnswer:
        """Classify again for ``wake_s``."""
        # If a motion sensor requested it, its input is already high and has already ended the
        # idling.
        if self._has_idled or self.idle:
            log.info("woken by %s", request.asked_by)
        self._has_idled = False
        self._woken_s = self._clock()
        return self._answer()

    def _answer(self) -> AttentionAnswer:
        return AttentionAnswer(paused=self.paused, idle=self.idle)
