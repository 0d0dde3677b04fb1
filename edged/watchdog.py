"""systemd's watchdog and the outputs' dead-man switch: fed while the loop works as expected."""

from __future__ import annotations

import time
from collections.abc import Callable

from edged.core import Scene
from edged.notify import Notifier


class Watchdog:
    """Reports to systemd and the pin guard that the loop runs. Used only by the loop's thread.

    It is fed after each processed frame, and while none is overdue, including during the reopening
    of a camera after a failure. A longer silence is a hang: outputs go to their safe levels, and
    systemd restarts edged. edged is ready at the first frame, or at the first known reason for its
    absence.
    """

    def __init__(
        self,
        notifier: Notifier,
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notifier = notifier
        self._beat = beat
        self._clock = clock
        self._ready = False
        self._start_s = 0.0

    def feed(self, *, frame_came: bool, camera_error: str | None, due_s: float = 0.0) -> None:
        """Call it in each iteration of the loop; `due_s` is the camera's."""
        if not frame_came and self._clock() >= due_s:
            return
        self._notifier.watchdog()
        self._beat()
        if self._ready:
            return
        if frame_came or camera_error is not None:
            self._ready = True
            self._notifier.ready()
        elif due_s > self._start_s:
            self._start_s = due_s
            self._notifier.starting(due_s - self._clock())

    def describe(self, scene: Scene, fps: float) -> None:
        """One line for people, in ``systemctl status``."""
        self._notifier.status(f"{scene.name or 'undecided'}, {fps:.1f} frames a second")
