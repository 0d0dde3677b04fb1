"""Runs a source in a thread of its own and hands the newest frame to the loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edged.backoff import backoff_s
from edged.cameras.orient import needed_px, orient
from edged.cameras.source import Capture, ScalingSource, Source
from edged.config.schema import CameraConfig
from edged.core import Frame, Pixels
from edged.errors import CameraError

log = logging.getLogger(__name__)

CLOSE_LIMIT_S = 2.0
"""How long closing waits for a source that blocks; its thread is then left to the process's end."""


class SourceEnded(CameraError):  # noqa: N818 (an end is no error, as with StopIteration)
    """A finite source has delivered all that it has: do not open it again."""


class NewestFrame:
    """A `Camera` over any `Source`: the newest frame wins, a slow reader never makes a queue.

    `make_source` is called for each opening, in the capture thread; what it makes is opened,
    grabbed from and closed there. After a CameraError, also one raised by `make_source`, the
    source is made and opened again with back-off between ``retry_min_s`` and ``retry_max_s``,
    for ever. Any other exception is a bug: `read` raises it in the loop's thread.

    ``ended`` turns true after a finite source's last frame. Entered once.
    """

    def __init__(
        self,
        make_source: Callable[[], Source],
        camera: CameraConfig,
        wanted_px: tuple[int, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wanted_px` is what is wanted until the first `read` says it."""
        self._make_source = make_source
        self._camera = camera
        self._least_px = needed_px(camera, wanted_px)
        self._clock = clock
        self.name: str = camera.kind
        self.dropped = 0
        self.ended = False
        self.error: str | None = None
        self._lost: str | None = "not opened yet"
        self._damaged: str | None = None
        self._number = 0
        self._newest: tuple[int, Capture] | None = None
        self._bug: Exception | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def __enter__(self) -> NewestFrame:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._thread.join(CLOSE_LIMIT_S)
        if self._thread.is_alive():
            log.debug("camera %s: still waiting for its device; left behind", self.name)
        self._newest = None

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None = None) -> Frame | None:
        """See `edged.core.Camera.read`; a damaged frame is logged and not returned."""
        deadline_s = self._clock() + timeout_s
        self._least_px = needed_px(self._camera, wanted_px)
        while True:
            newest = self._take(max(0.0, deadline_s - self._clock()))
            if newest is None:
                return None
            number, capture = newest
            try:
                frame = self._frame(number, capture)
            except CameraError as error:
                self._tell_damage(str(error))
                continue
            self._tell_damage(None)
            return frame

    def skip(self, timeout_s: float) -> bool:
        """See `edged.core.Camera.skip`."""
        came = self._take(timeout_s) is not None
        if came:
            # Nobody has looked whether this one is damaged like the last that was decoded.
            self._tell_damage(None)
        return came

    def _take(self, timeout_s: float) -> tuple[int, Capture] | None:
        with self._changed:
            self._changed.wait_for(self._worth_waking, timeout_s)
            if self._bug is not None:
                raise self._bug
            newest, self._newest = self._newest, None
        return newest

    def _worth_waking(self) -> bool:
        return self._newest is not None or self._bug is not None

    def _frame(self, number: int, capture: Capture) -> Frame:
        camera = self._camera

        def full() -> Pixels:
            return orient(capture.decode(None), camera)

        began_s = self._clock()
        pixels = orient(capture.decode(self._least_px), camera)
        decode_s = self._clock() - began_s
        reduced = capture.reduces and self._least_px is not None
        return Frame(pixels, number, capture.captured_s, decode_s, full if reduced else None)

    def _run(self) -> None:
        try:
            self._capture()
        except Exception as bug:  # Not hidden: `read` raises it where somebody is listening.
            with self._changed:
                self._bug = bug
                self._changed.notify()

    def _capture(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                source = self._make_source()
                self.name = source.name
                scales = source if isinstance(source, ScalingSource) else None
                self._say_enough(scales)
                with source:
                    self.name = source.name
                    while not self._closing.is_set():
                        self._say_enough(scales)
                        self._keep(source.grab())
                        failures = 0
            except SourceEnded:
                self._end()
                return
            except CameraError as error:
                failures += 1
                self._tell_loss(str(error))
                self._closing.wait(
                    backoff_s(failures, self._camera.retry_min_s, self._camera.retry_max_s)
                )

    def _say_enough(self, source: ScalingSource | None) -> None:
        if source is not None:
            source.least_px = self._least_px

    def _keep(self, capture: Capture) -> None:
        self._tell_loss(None)
        with self._changed:
            self._number += 1
            if self._newest is not None:
                self.dropped += 1
            self._newest = (self._number, capture)
            self._changed.notify()

    def _end(self) -> None:
        log.info("camera %s: ended", self.name)
        with self._changed:
            self.ended = True
            self._lost = self.error = "ended"
            self._changed.notify()

    def _tell_loss(self, reason: str | None) -> None:
        if reason == self._lost:
            return
        with self._changed:
            self._lost = reason
            self.error = self._lost or self._damaged
        if reason is None:
            log.info("camera %s: delivers frames", self.name)
        else:
            # Its first word is the source's name, as in every CameraError.
            log.warning("camera: %s; trying again", reason)

    def _tell_damage(self, reason: str | None) -> None:
        if reason == self._damaged:
            return
        with self._changed:
            self._damaged = reason
            self.error = self._lost or self._damaged
        if reason is not None:
            log.warning("camera: frame left out: %s", reason)
