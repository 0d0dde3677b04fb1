"""The loop: camera, classifier, decider, ports. One direction, one thread, one screen."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from edged.core import Camera, Classifier, Event, Frame, Port, Report, Result, Scene, Snapshot
from edged.errors import EdgedError
from edged.health import Vitals
from edged.mailbox import Answer, Command, Mailbox
from edged.notify import Notifier
from edged.perception.rules import Decider

log = logging.getLogger(__name__)

TICK_S = 0.05
"""The longest that a command waits while no frame comes."""


class Pipeline:
    """Carries each frame from the camera to every port, and obeys what waits in the mailbox.

    ``handlers`` maps a command's name to what carries it out, for the commands that reach beyond
    the loop (reload, set-output); they return the answer's data and raise EdgedError to refuse.
    ``wake_s`` is how long a wake lasts before the loop idles; 0 means always awake.
    """

    def __init__(
        self,
        camera: Camera,
        classifier: Classifier,
        decider: Decider,
        ports: Sequence[Port],
        mailbox: Mailbox,
        *,
        notifier: Notifier,
        wake_s: float = 0.0,
        health_s: float = 30.0,
        handlers: Mapping[str, Callable[[Command], Mapping[str, object]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.camera = camera
        self.classifier = classifier
        self.decider = decider
        self.ports = ports
        self.mailbox = mailbox
        self.notifier = notifier
        self.wake_s = wake_s
        self.health_s = health_s
        self.clock = clock
        self.vitals = Vitals(clock())
        self.paused = False
        self.stopping = False
        self._handlers = {
            "pause": self._pause,
            "resume": self._resume,
            "wake": self._wake,
            "status": self._status,
            "stop": self._stop,
            **(handlers or {}),
        }
        self._snapshots: list[Command] = []
        self._awake_until_s = clock() + wake_s
        self._health_due_s = clock() + health_s
        self._scene = Scene("unknown")
        self._first_frame_due = True

    def run(self) -> None:
        """Until a stop command; every line is a verb of what edged does."""
        while not self.stopping:
            wanted = self.awake() or self._snapshots
            self.beat(delivering=self.see() if wanted else self.camera.skip(TICK_S))
            self.obey()

    def see(self) -> bool:
        """Wait for a frame and make of it what is wanted; whether there was one."""
        began_s = self.clock()
        frame = self.camera.read(TICK_S)
        if frame is None:
            return False
        if self.awake():
            self.tell(self.look(frame, began_s))
        elif self._snapshots:
            self.glance(frame)
        return True

    def look(self, frame: Frame, began_s: float) -> Result:
        """Classify a frame and decide what it means."""
        read_s = self.clock()
        prediction = self.classifier.classify(frame.pixels)
        classified_s = self.clock()
        scene, events = self.decider.decide(prediction.scores, frame.captured_s, frame.number)
        self._scene = scene
        self._keep_awake(scene, events)
        self.vitals.record(
            {
                "camera": read_s - began_s,
                **prediction.stages_s,
                "decide": self.clock() - classified_s,
                "latency": classified_s - frame.captured_s,
            }
        )
        return Result(frame, prediction, scene, events)

    def glance(self, frame: Frame) -> None:
        """Classify a frame for whoever asked, and decide nothing: the loop is paused or idle."""
        self._answer_snapshots(
            Result(frame, self.classifier.classify(frame.pixels), self._scene, ())
        )

    def tell(self, report: Report) -> None:
        """Every port gets every report."""
        for port in self.ports:
            port.write(report)
        if isinstance(report, Result) and self._snapshots:
            self._answer_snapshots(report)

    def obey(self) -> None:
        """Carry out the commands, and pass on the reports, that came since the last frame."""
        for item in self.mailbox.take():
            if not isinstance(item, Command):
                self.tell(item)
            elif item.name == "snapshot":
                self._snapshots.append(item)
            else:
                item.reply(self._carry_out(item))

    def awake(self) -> bool:
        """Whether frames are classified at present."""
        return not self.paused and not self.idle

    @property
    def idle(self) -> bool:
        """Whether no wake has come for so long that frames are left unclassified."""
        return self.wake_s > 0 and self.clock() >= self._awake_until_s

    def beat(self, *, delivering: bool) -> None:
        """Tell systemd and the ports how things are; refuse snapshots that no frame will answer.

        The watchdog is fed when a frame came through the loop, or when it is known why none did:
        the camera has said what is wrong and is being opened again. A camera that is silent and
        claims to be well is a hang, and systemd shall end it.
        """
        error = self.camera.error
        if delivering or error is not None:
            self.notifier.watchdog()
            if self._first_frame_due:
                self._first_frame_due = False
                self.notifier.ready()
        if error is not None and self._snapshots:
            for command in self._take_snapshots():
                command.reply(Answer(error=f"the camera delivers no picture: {error}"))
        now_s = self.clock()
        if self.health_s > 0 and now_s >= self._health_due_s:
            self._health_due_s = now_s + self.health_s
            health = self.vitals.sample(
                now_s, self.camera, self.classifier.name, paused=self.paused, idle=self.idle
            )
            self.notifier.status(f"{self._scene.name}, {health.fps:.1f} frames a second")
            self.tell(health)

    def _keep_awake(self, scene: Scene, events: Sequence[Event]) -> None:
        # Falling asleep while a rule holds would leave its output on until somebody moves.
        if self.wake_s > 0 and (events or scene.active):
            self._awake_until_s = self.clock() + self.wake_s

    def _carry_out(self, command: Command) -> Answer:
        handler = self._handlers.get(command.name)
        if handler is None:
            return Answer(error=f"unknown command {command.name!r}")
        try:
            return Answer(data=handler(command))
        except EdgedError as error:
            log.warning("%s, asked by %s: %s", command.name, command.asked_by or "edged", error)
            return Answer(error=str(error))

    def _take_snapshots(self) -> list[Command]:
        snapshots, self._snapshots = self._snapshots, []
        return snapshots

    def _answer_snapshots(self, result: Result) -> None:
        for command in self._take_snapshots():
            command.reply(Answer(result=result))
            if command.arguments.get("publish"):
                self.tell(Snapshot(result, command.asked_by))

    def _pause(self, command: Command) -> Mapping[str, object]:
        if not self.paused:
            log.info("paused by %s", command.asked_by)
        self.paused = True
        return {"paused": True}

    def _resume(self, command: Command) -> Mapping[str, object]:
        if self.paused:
            log.info("resumed by %s", command.asked_by)
        self.paused = False
        self._wake(command)
        return {"paused": False}

    def _wake(self, command: Command) -> Mapping[str, object]:
        if self.idle:
            log.info("woken by %s", command.asked_by)
        self._awake_until_s = self.clock() + self.wake_s
        return {"idle": False}

    def _stop(self, command: Command) -> Mapping[str, object]:
        log.info("stopping: %s", command.asked_by)
        self.stopping = True
        return {}

    def _status(self, command: Command) -> Mapping[str, object]:
        del command
        camera = self.camera
        return {
            "scene": self._scene.name,
            "rules": {
                state.rule: {"active": state.active, "score": round(state.score, 4)}
                for state in self._scene.rules
            },
            "camera": camera.name,
            "camera_error": camera.error,
            "model": self.classifier.name,
            "frames": self.vitals.frames,
            "dropped": camera.dropped,
            "paused": self.paused,
            "idle": self.idle,
        }
