"""What the daemon would decide, for who records without one: its loop, with no ports but a lane."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import msgspec

from edged import build
from edged.attention import Attention
from edged.config.schema import Config
from edged.core import Camera, Event, Report
from edged.errors import CameraError
from edged.health import Vitals
from edged.mailbox import Mailbox
from edged.notify import Notifier
from edged.outage import Outage
from edged.pipeline import Pipeline
from edged.recording.lane import Lane
from edged.reload import InForce
from edged.snapshots import Snapshots
from edged.watchdog import Watchdog

ENDED = "the camera has ended"


class Alone:
    """The loop, in a thread of its own; its end, whatever the reason, is the end of ``lane``."""

    def __init__(self, config: Config, *, features: bool, pictures: bool) -> None:
        self._config = config
        self._mailbox = Mailbox()
        self.lane = Lane(lambda: None, features=features, pictures=pictures)
        self._failure: BaseException | None = None

    def stop(self, reason: str) -> None:
        """End after the present frame. From any thread."""
        self._mailbox.stop(reason)

    @property
    def why(self) -> str:
        """Why it has ended. Raises what ended it where that was an error, such as CameraError."""
        if self._failure is not None:
            raise self._failure
        return self._mailbox.stopping or ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Model and camera are there; exit stops. ModelError, ConfigError."""
        config = self._config
        model = build.admitted(config)
        with (
            build.perception(build.unwatched(config), model) as perception,
            build.camera(config.camera, perception.wanted_px) as camera,
        ):
            pipeline = Pipeline(
                camera,
                perception,
                _Numbers(),
                _Port(None),
                [_Port(self.lane)],
                self._mailbox,
                {},
                Attention(),
                Vitals(time.monotonic()),
                Watchdog(Notifier({})),
                Outage(config.camera),
                Snapshots(self._mailbox),
            )
            pipeline.tell(InForce(config, perception, model).deciding)
            loop = threading.Thread(target=self._run, args=(pipeline,), name="loop", daemon=True)
            loop.start()
            try:
                yield
            finally:
                self.stop("nobody records any more")
                loop.join()

    def _run(self, pipeline: Pipeline) -> None:
        began_s = time.monotonic()
        try:
            while self._mailbox.stopping is None:
                pipeline.turn()
                if math.isinf(pipeline.camera.due_s):
                    self.stop(ENDED)
                elif not pipeline.vitals.frames:
                    self._expect_frame(pipeline.camera, began_s)
        except BaseException as failure:  # Raised where somebody asks why it ended.
            self._failure = failure
        finally:
            self.lane.offer(None)

    def _expect_frame(self, camera: Camera, began_s: float) -> None:
        limit_s = self._config.camera.start_s
        if camera.error is None and time.monotonic() < began_s + limit_s:
            return
        raise CameraError(
            camera.error
            or f"{camera.name}: no frame came for {limit_s:g} s; check that it is on and sends, or "
            "raise camera.first_frame_s"
        )


class _Numbers:
    """A journal that keeps nothing."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def record(self, events: Sequence[Event]) -> tuple[Event, ...]:
        return tuple(msgspec.structs.replace(event, number=next(self._numbers)) for event in events)


class _Port:
    """A port that is a lane, or leads nobody anywhere."""

    def __init__(self, lane: Lane | None) -> None:
        self._lane = lane

    def __enter__(self) -> _Port:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, report: Report) -> None:
        if self._lane is not None:
            self._lane.offer(report)
