"""Runs a source in a thread of its own and hands the newest frame to the loop."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np

from edged.backoff import backoff_s
from edged.cameras.kinds import KINDS
from edged.cameras.orient import needed_px, orient
from edged.cameras.source import (
    Capture,
    DecodePending,
    DecodingSource,
    FrameMissing,
    ScalingSource,
    ScheduledSource,
    Source,
    SourceDied,
    SourceEnded,
)
from edged.config.schema import CameraConfig
from edged.core import Fault, Frame, Pixels
from edged.errors import CameraError
from edged.redact import redacted

log = logging.getLogger(__name__)

REPEATED_S = 60.0
"""A camera that comes and goes logs the same line only after this interval."""

SAMPLED_PX = 16
"""One pixel in this many nearly always shows whether a picture has changed."""

EXPOSURE_S = 1.0
"""The longest that a frame may be exposed and read out by a camera that does not tell: USB cameras
expose for half a second in the dark."""

CLOSE_LIMIT_S = 2.0
"""How long closing waits for a source that blocks; its thread then lasts until the process ends."""


RESOLVER_S = 30.0
"""The C library's longest search for a host name: two rounds of three servers, 5 s each."""


class NewestFrame:
    """A `Camera` over any `Source`: the newest frame wins, a slow reader never makes a queue.

    `make_source` is called for each opening, in the capture thread; what it makes is opened,
    grabbed from and closed there. After a CameraError, also one raised by `make_source`, the
    source is made and opened again with back-off between ``retry_min_s`` and ``retry_max_s``,
    forever. Any other exception is a bug: `read` raises it in the loop's thread.

    ``ended`` turns true after a finite source's last frame. Entered once.
    """

    def __init__(
        self,
        make_source: Callable[[], Source],
        camera: CameraConfig,
        wanted_px: tuple[int, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        closing: threading.Event | None = None,
    ) -> None:
        """`wanted_px` is the size to deliver until the first `read` requests one.

        `closing` is set when no one waits for a frame any longer.
        """
        self._make_source = make_source
        self._camera = camera
        self._least_px = needed_px(camera, wanted_px)
        self._clock = clock
        self.name: str = camera.kind
        self.dropped = 0
        self.ended = False
        self.error: str | None = None
        self.failures = 0
        self.last_error: str | None = None
        self._due_s = 0.0
        self._scheduled: ScheduledSource | None = None
        self._expects: DecodingSource | None = None
        # Present problems, the worst first; then which of them are logged, and since when.
        self._troubles: dict[Fault, str | None] = dict.fromkeys(get_args(Fault))
        self._told: dict[Fault, str | None] = {**self._troubles, "camera lost": "not opened yet"}
        self._told_s: dict[str, float] = {}
        self._damaged_since_s: float | None = None
        self._spoilt = False
        self._only_damage: str | None = None
        # Of frames that nobody has decoded since.
        self._unseen: Fault | None = None
        self._seen: Pixels | None = None
        self._changed_s = 0.0
        self._number = 0
        self._newest: tuple[int, Capture] | None = None
        # Taken, and not decoded yet.
        self._pending: tuple[int, Capture] | None = None
        self._arrives = camera.kind != "auto" and KINDS[camera.kind].is_stamped_on_arrival
        self._captured_s = 0.0
        self._bug: Exception | None = None
        self._changed = threading.Condition()
        self._closing = closing or threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    @property
    def fails(self) -> bool:
        """Whether no frames come at all."""
        return self._troubles["camera lost"] is not None

    @property
    def fault(self) -> Fault | None:
        """See `edged.core.Camera.fault`."""
        if self.ended:
            return None
        lost = self._troubles["camera lost"]
        if lost is not None and lost == self._only_damage:
            return "frames damaged"
        present = (fault for fault, why in self._troubles.items() if why is not None)
        return next(present, self._unseen)

    def __enter__(self) -> NewestFrame:
        self._expect_opened()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._thread.join(CLOSE_LIMIT_S)
        if self._thread.is_alive():
            log.debug("camera %s: still waiting for its device; its thread is abandoned", self.name)
        self._newest = self._pending = None

    def aim(self, camera: CameraConfig) -> None:
        """Apply another region and privacy mask from the next frame on."""
        self._camera = camera

    @property
    def due_s(self) -> float:
        """See `edged.core.Camera.due_s`."""
        scheduled = self._scheduled
        return max(self._due_s, scheduled.due_s if scheduled is not None else 0.0)

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None = None) -> Frame | None:
        """See `edged.core.Camera.read`; a damaged frame is logged and not returned."""
        deadline_s = self._clock() + timeout_s
        self._least_px = needed_px(self._camera, wanted_px)
        while True:
            if self._expects is not None and self._newest is None and self._pending is None:
                self._expects.expect(self._least_px)
            newest = self._pending or self._take(max(0.0, deadline_s - self._clock()))
            self._pending = None
            if newest is None:
                return None
            number, capture = newest
            try:
                frame = self._frame(number, capture)
            except DecodePending:
                self._pending = newest
                if self._clock() >= deadline_s:
                    return None
                continue
            except FrameMissing:
                # Let go while this thread was busy: a newer one is there, or why none comes.
                continue
            except CameraError as error:
                self._note_damage(str(error), capture.live)
                continue
            self._unseen = None
            self._note_good()
            self._note_change(frame.pixels, capture.live)
            return frame

    def skip(self, timeout_s: float) -> bool:
        """See `edged.core.Camera.skip`."""
        self._pending = None
        came = self._take(timeout_s) is not None
        if came:
            # This frame has not been checked for damage like the last decoded one, nor for change.
            if self._troubles["frames damaged"] is not None:
                self._unseen = "frames damaged"
            self._note_good()
            self._seen = None
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

        def decoded(least_px: tuple[int, int] | None = None) -> Pixels:
            pixels = capture.decode(least_px)
            return pixels if capture.oriented else orient(pixels, camera)

        began_s = self._clock()
        pixels = decoded(self._least_px)
        decode_s = self._clock() - began_s
        reduced = capture.reduces and self._least_px is not None
        return Frame(
            pixels,
            number,
            capture.captured_s,
            decode_s,
            decoded if reduced else None,
            capture.exposure_s or 0.0,
        )

    def _run(self) -> None:
        try:
            self._capture()
        except Exception as bug:  # Not hidden: `read` raises it in the loop's thread.
            with self._changed:
                self._bug = bug
                self._changed.notify()

    def _capture(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                source = self._make_source()
                self.name = redacted(source.name)
                scales = source if isinstance(source, ScalingSource) else None
                self._scheduled = source if isinstance(source, ScheduledSource) else None
                self._say_enough(scales)
                self._expect_opened()
                with source:
                    self.name = redacted(source.name)
                    self._expects = source if isinstance(source, DecodingSource) else None
                    while not self._closing.is_set():
                        self._say_enough(scales)
                        try:
                            self._keep(source.grab())
                        except FrameMissing as missing:
                            self._expect(self._camera.start_s)
                            self._tell("camera lost", str(missing))
                            continue
                        self._check_damage()
                        if self._troubles["frames damaged"] is None:
                            failures = 0
                        self._expect(self._camera.timeout_s)
            except SourceEnded as end:
                self._end(str(end))
                return
            except CameraError as error:
                if self._closing.is_set():
                    return
                failures += 1
                at_once = failures == 1 and isinstance(error, SourceDied)
                wait_s = 0.0 if at_once else self._backoff_s(failures)
                self._expect_opened(wait_s)
                self._tell("camera lost", f"{error}", "; trying again")
                self._closing.wait(wait_s)

    def _backoff_s(self, failures: int) -> float:
        return backoff_s(failures, self._camera.retry_min_s, self._camera.retry_max_s)

    def _say_enough(self, source: ScalingSource | None) -> None:
        if source is not None:
            source.least_px = self._least_px

    def _expect_opened(self, wait_s: float = 0.0) -> None:
        # A source's own limits do not shorten what the resolver takes for its name.
        self._expect(wait_s + self._camera.start_s + RESOLVER_S)

    def _expect(self, limit_s: float) -> None:
        # At its slowest, a camera takes the whole configured time between two frames.
        self._due_s = self._clock() + max(limit_s, 1.0 / self._camera.fps)

    def _keep(self, capture: Capture) -> None:
        # Only decoding shows whether there is more than the damage so far.
        if self._troubles["frames damaged"] is None:
            self._tell("camera lost", None)
        self._tell("frames odd", capture.doubt)
        capture = capture._replace(exposure_s=self._exposure_s(capture))
        with self._changed:
            self._number += 1
            if self._newest is not None:
                self.dropped += 1
            self._newest = (self._number, capture)
            self._changed.notify()

    def _exposure_s(self, capture: Capture) -> float:
        """How long before its time stamp the exposure of a frame began, at most.

        A camera exposes a frame for no longer than the time of one, which is longer in the dark,
        and reads it out, or compresses it, during the next.
        """
        before_s, self._captured_s = self._captured_s, capture.captured_s
        if not capture.live:
            return 0.0
        if capture.exposure_s is not None:
            return capture.exposure_s
        frame_s = max(1.0 / self._camera.fps, capture.captured_s - before_s)
        on_the_way_s = self._camera.latency_s if self._arrives else 0.0
        return min(2.0 * frame_s, EXPOSURE_S) + on_the_way_s

    def _end(self, why: str) -> None:
        log.info("camera %s", why)
        self._due_s = math.inf
        with self._changed:
            self.ended = True
            self._troubles["camera lost"] = self.error = why
            self._changed.notify()

    def _check_damage(self) -> None:
        """CameraError if all frames have been damaged for ``timeout_s``."""
        if self._spoilt:
            self._damaged_since_s, self._spoilt = None, False
            self._only_damage = (
                f"{self.name}: only damaged frames for {self._camera.timeout_s:g} s; "
                "check its cable or network"
            )
            raise CameraError(self._only_damage)

    def _note_damage(self, reason: str, live: bool) -> None:
        self._tell("frames damaged", reason)
        now_s = self._clock()
        if self._damaged_since_s is None:
            self._damaged_since_s = now_s
        # Reopening does not repair a recording.
        self._spoilt = live and now_s - self._damaged_since_s >= self._camera.timeout_s

    def _note_good(self) -> None:
        self._damaged_since_s = None
        self._spoilt = False
        self._tell("frames damaged", None)

    def _note_change(self, pixels: Pixels, live: bool) -> None:
        """Report a live picture that has been the same for ``frozen_s``."""
        limit_s = self._camera.frozen_s
        if not (live and limit_s):
            return
        now_s = self._clock()
        if self._seen is None:
            # Whether it has changed shows with the next frame.
            if self._troubles["picture frozen"] is None:
                self._changed_s = now_s
        elif not _same(pixels, self._seen):
            self._changed_s = now_s
            self._tell("picture frozen", None)
        elif now_s - self._changed_s >= limit_s:
            self._tell(
                "picture frozen",
                f"{self.name}: the picture has been frozen for {limit_s:g} s; "
                "it is dark, or the camera hangs: restart it",
            )
        self._seen = pixels

    def _tell(self, trouble: Fault, reason: str | None, then: str = "") -> None:
        """`trouble` is now `reason`, or over; each change is logged once, and not too often."""
        if reason != self._troubles[trouble]:
            with self._changed:
                was_well = self.fault is None
                self._troubles[trouble] = reason
                self.error = next(filter(None, self._troubles.values()), None)
                if self.fault is not None:
                    self.failures += was_well
                    self.last_error = self.error
        if reason == self._told[trouble]:
            return
        if reason is None:
            if trouble != "frames damaged":
                log.info("camera %s: delivers %s", self.name, _RECOVERED[trouble])
        else:
            now_s = self._clock()
            if now_s < self._told_s.get(reason, -REPEATED_S) + REPEATED_S:
                return
            self._told_s = {
                line: at_s for line, at_s in self._told_s.items() if now_s < at_s + REPEATED_S
            } | {reason: now_s}
            # The reason begins with the source's name, as in every CameraError.
            left_out = "frame skipped: " if trouble == "frames damaged" else ""
            log.warning("camera: %s%s%s", left_out, reason, then)
        self._told[trouble] = reason


_RECOVERED: Mapping[Fault, str] = {
    "camera lost": "frames",
    "picture frozen": "changing pictures again",
    "frames odd": "frames with nothing odd about them",
}


def _same(pixels: Pixels, seen: Pixels) -> bool:
    """Whether two pictures are identical."""
    some = np.s_[::SAMPLED_PX, ::SAMPLED_PX]
    return np.array_equal(pixels[some], seen[some]) and np.array_equal(pixels, seen)
