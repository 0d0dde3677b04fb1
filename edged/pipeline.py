"""The loop: camera, perception, journal, ports. One direction, one thread, one screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from edged.attention import Attention
from edged.commands import Handlers, carry_out
from edged.core import Camera, Ended, Frame, Port, Reason, Report, Result
from edged.health import Vitals
from edged.journal import Recorder
from edged.mailbox import Mailbox
from edged.outage import Outage, no_picture
from edged.perception.perception import Perception
from edged.snapshots import Snapshots
from edged.watchdog import Watchdog

TICK_S = 0.05
"""The longest time that a request waits while no frame arrives."""


class Pipeline(msgspec.Struct):
    """Carries each frame from the camera to every port, and carries out waiting requests.

    ``handlers`` carry out the requests; one may replace ``perception``, between two frames.
    """

    camera: Camera
    perception: Perception
    journal: Recorder
    pins: Port
    ports: Sequence[Port]
    mailbox: Mailbox
    handlers: Handlers
    attention: Attention
    vitals: Vitals
    watchdog: Watchdog
    outage: Outage
    snapshots: Snapshots
    clock: Callable[[], float] = time.monotonic

    def run(self) -> None:
        """Run until the mailbox has a stop request."""
        while self.mailbox.stopping is None:
            self.turn()

    def turn(self) -> None:
        """One iteration: every line is a verb of what edged does."""
        self.carry_out_requests()
        if self.attention.awake:
            frame_came = self.decide_on_next_frame()
        elif self.snapshots.wanted:
            frame_came = self.classify_next_frame()
        else:
            frame_came = self.camera.skip(TICK_S)
        self.report_health(frame_came)

    def decide_on_next_frame(self) -> bool:
        """Classify and decide, then write to the pins, the journal and every port."""
        if (frame := self.next_frame()) is None:
            return False
        decided = self.perception.decide(frame, looked_at=self.snapshots.wanted)
        # A level needs no event number, and does not wait for the disk.
        self.pins.write(decided)
        result = self.record_events(decided)
        self.tell(result)
        self.snapshots.answer(result, self.tell)
        self.attention.keep_awake(result)
        self.vitals.record(result)
        return True

    def classify_next_frame(self) -> bool:
        """Answer requests for a picture; nothing is decided, because the loop is paused or idle."""
        if frame := self.next_frame():
            self.snapshots.answer(self.perception.classify(frame), self.tell)
        return frame is not None

    def next_frame(self) -> Frame | None:
        """The newest frame, as large as the model needs; None if none arrives in time."""
        return self.camera.read(TICK_S, self.perception.wanted_px)

    def end_rules(self, reason: Reason, why: str) -> None:
        """End the active rules without a frame."""
        ended = self.perception.end(self.clock(), reason)
        self.pins.write(Ended(reason, why))
        self.attention.nothing_holds()
        self.tell(Ended(reason, why, self.journal.record(ended)))

    def record_events(self, result: Result) -> Result:
        """Number the events before any port sees them."""
        if not result.events:
            return result
        return msgspec.structs.replace(result, events=self.journal.record(result.events))

    def tell(self, report: Report) -> None:
        """Send a report to every port."""
        for port in self.ports:
            port.write(report)

    def carry_out_requests(self) -> None:
        """Carry out the requests since the last iteration."""
        for request in self.mailbox.take():
            carry_out(request, self.handlers)

    def report_health(self, frame_came: bool) -> None:
        """Report to systemd and the ports; refuse requests for a picture if the camera fails."""
        camera = self.camera
        self.watchdog.feed(frame_came=frame_came, camera_error=camera.error, due_s=camera.due_s)
        # If frames are only faulty, the next one may be good.
        if camera.fails:
            self.snapshots.refuse(no_picture(camera.error))
        self.outage.watch(camera, self.journal, self.end_rules, self.tell, frame_came=frame_came)
        now_s = self.clock()
        if self.vitals.due(now_s):
            health = self.vitals.sample(now_s, camera, self.perception, self.attention)
            self.watchdog.describe(self.perception.scene, health.fps)
            self.tell(health)
