"""systemd's watchdog and the dead-man of the outputs: fed while edged is well or knows why not."""

from __future__ import annotations

import time
from collections.abc import Callable

from edged.core import Scene
from edged.notify import Notifier


class Watchdog:
    """Tells systemd, and the guard of the pins, that the loop turns. The loop's thread only.

    It is fed when a frame came through the loop, and while none is overdue, which a camera that is
    opened again after a failure may be too. One that is silent for longer hangs: outputs go safe,
    and systemd ends it. The first time that a frame came, or it is known why not, is when edged is
    ready.
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
        """Once for each turn of the loop; `due_s` is the camera's."""
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
