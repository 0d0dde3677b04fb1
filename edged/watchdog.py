"""systemd's watchdog: fed while edged is well, and while it is known why it is not."""

from __future__ import annotations

from edged.core import Scene
from edged.notify import Notifier


class Watchdog:
    """Tells systemd that the loop turns. The loop's thread only.

    It is fed when a frame came through the loop, or when it is known why none did: the camera has
    said what is wrong and is being opened again. A camera that is silent and claims to be well is
    a hang, and systemd shall end it. The first time is when edged is ready.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._ready = False

    def feed(self, *, frame_came: bool, camera_error: str | None) -> None:
        """Once for each turn of the loop."""
        if not frame_came and camera_error is None:
            return
        self._notifier.watchdog()
        if not self._ready:
            self._ready = True
            self._notifier.ready()

    def describe(self, scene: Scene, fps: float) -> None:
        """One line for people, in ``systemctl status``."""
        self._notifier.status(f"{scene.name or 'undecided'}, {fps:.1f} frames a second")
