"""The daemon's whole life: build, run, reload, stop."""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edged import __version__, build, commands, logs, memory
from edged.attention import Attention
from edged.commands import Asker, Command, Request
from edged.config import saved
from edged.config.load import load
from edged.config.schema import Config
from edged.config.thresholds import Thresholds
from edged.core import CAMERA, DRIFT, UNDECIDED, Camera, Ended, Event, Port, Undecided
from edged.errors import CommandError, ConfigError, ModelError
from edged.health import Vitals
from edged.journal.journal import Journal
from edged.journal.paths import beside_journal
from edged.messages.message import Moment
from edged.messages.replies import (
    MetricsAnswer,
    OutputAnswer,
    ReloadAnswer,
    SetupAnswer,
    StatusAnswer,
)
from edged.messages.setup import setup
from edged.models import slots
from edged.models.chosen import Chosen
from edged.notify import Notifier
from edged.opening import Opening
from edged.outage import Outage
from edged.pipeline import Pipeline
from edged.reload import AddPort, InForce, Reloader, TakeOver
from edged.signals import Signals
from edged.snapshots import Snapshots
from edged.watchdog import Watchdog

if TYPE_CHECKING:
    from edged.probation import Probation
    from edged.swap import Swapper

log = logging.getLogger(__name__)

SWITCH_S = 0.0005
"""How long a busy thread, of the network for example, may keep the interpreter from the loop."""


class EndLeftOpen(Command, frozen=True, kw_only=True, tag="end-left-open"):
    """End rules that an earlier run left active: requested by the journal, for the loop."""

    rules: Sequence[str]


class Daemon:
    """The running daemon of one configuration."""

    def __init__(
        self, opening: Opening, trace: Path | None = None, notifier: Notifier | None = None
    ) -> None:
        """`opening` may have been entered already: the sooner, the sooner the pins are safe."""
        self._opening = opening
        self._trace_path = trace
        self._config = opening.config
        self._mailbox = opening.mailbox
        self._notifier = notifier or Notifier()
        self._signals = Signals(opening.mailbox)

    def stop(self, reason: str) -> None:
        """Stop after the present frame. From any thread."""
        self._mailbox.stop(reason)

    def run(self) -> None:
        """Run until SIGTERM, SIGINT, `stop` or a bug. Opens the last stage first."""
        config = self._config
        style = logs.style(config.log.format)
        logs.start(config.log.level, "text" if style == "live" else style, limited=True)
        log.info("edged %s, device %s", __version__, config.device)
        self._thresholds = Thresholds(beside_journal(config.journal, config.device, "thresholds"))
        self._chosen = Chosen(_slots(self._opening.path))
        config = self._config = self._chosen.begin(self._thresholds.applied(config))
        with ExitStack() as stack:
            # Objects built now live as long as the daemon: garbage collection would only slow the
            # start, and later stop the loop for milliseconds at times.
            stack.callback(gc.enable)
            gc.disable()
            stack.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(SWITCH_S)
            stack.enter_context(self._signals)
            stack.enter_context(self._opening)
            self._ports = ports = build.Ports(stack, self._opening.pins)
            try:
                # Closed after the ports, whose cursors it writes.
                journal = stack.enter_context(
                    Journal(config.device, config.journal, left_open=self._post_left_open)
                )
                ports.open_others(config, journal, self._mailbox, live=style == "live")
                self._build(config, journal, stack)
                ports.await_pins()
                self._begin_probation()
                # What only the start needed.
                memory.give_back()
                gc.freeze()
                gc.enable()
                self._pipeline.run()
                log.info("stopping: %s", self._mailbox.stopping)
                if self._signals.bug is None:
                    self._chosen.stopped()
                self._notifier.stopping()
                ports.gpio.release()
                self._pipeline.end_rules("stop", "edged stops")
                self._pipeline.outage.end("stop", journal, self._pipeline.tell)
            finally:
                # Before any last message: an unresponsive broker must not keep a lamp on.
                ports.gpio.release()
        if self._signals.bug is not None:
            raise self._signals.bug
        log.info("stopped")

    def _build(self, config: Config, journal: Journal, stack: ExitStack) -> None:
        self._journal = journal
        camera, self._in_force = self._loaded(config, stack)
        config, perception, _ = self._in_force
        self._config = config
        self._chosen.settle(config)
        stack.callback(lambda: self._in_force.perception.__exit__())
        self._attention = attention = Attention(config.idle.after_s, sensed=self._ports.gpio.sensed)
        self._reloader = Reloader(
            self._read_again,
            lambda: self._in_force,
            self._mailbox,
            self._notifier,
            self._thresholds,
            self._opening.path,
            self._chosen,
            lambda *asked: self._swapper().check_in_shadow(*asked),
        )
        self._swapper_made: Swapper | None = None
        self._probation: Probation | None = None
        ports, pins = self._traced(stack)
        self._pipeline = Pipeline(
            camera,
            perception,
            journal,
            pins,
            ports,
            self._mailbox,
            {
                commands.Pause: attention.pause,
                commands.Resume: attention.resume,
                commands.Wake: attention.wake,
                commands.TellStatus: self._status,
                commands.TellMetrics: self._metrics,
                commands.TellWhy: self._why,
                commands.SetOutput: self._set_output,
                commands.TellSetup: self._setup,
                commands.SetThreshold: self._reloader.begin,
                commands.Reload: self._reload,
                commands.Save: self._save,
                commands.Undo: self._save,
                commands.UseModel: self._use,
                commands.UseFile: self._use,
                commands.RevertModel: self._reloader.begin,
                AddPort: self._add_port,
                commands.Teach: self._teach,
                commands.TellTaught: self._reloader.begin,
                commands.Forget: self._teach,
                commands.UndoTeaching: self._teach,
                commands.TellTaughtPictures: self._reloader.begin,
                commands.Review: self._review,
                commands.ReviewPicture: self._review,
                commands.ReviewDecide: self._review,
                commands.ReviewTeach: self._reloader.begin,
                TakeOver: self._take_over,
                EndLeftOpen: self._end_left_open,
            },
            attention=attention,
            vitals=Vitals(
                time.monotonic(),
                config.mqtt.health_s,
                lambda: self._ports.gpio.error,
                lambda: self._chosen.problem,
            ),
            watchdog=Watchdog(self._notifier, self._ports.gpio.beat),
            outage=Outage(config.camera),
            snapshots=Snapshots(self._mailbox),
        )
        self._pipeline.tell(self._in_force.deciding)

    def _loaded(self, config: Config, stack: ExitStack) -> tuple[Camera, InForce]:
        """The camera and the model, which start at the same time.

        A chosen model that cannot be loaded is set aside, for the one before it.
        """
        camera: Camera | None = None
        while True:
            try:
                model = build.admitted(config)
                if camera is None:
                    # Before the model is loaded: its device may take a second to start.
                    wanted_px = model.file.input_px
                    process = self._opening.camera
                    made = build.camera(config.camera, wanted_px, process)
                    camera = stack.enter_context(made)
                return camera, InForce(config, build.perception(config, model), model)
            except (ModelError, ConfigError) as error:
                if not self._chosen.holds(config):
                    raise
                self._chosen.set_aside(str(error))
                config = self._chosen.applied(self._thresholds.applied(self._opening.config))

    def _swapper(self) -> Swapper:
        # Only who chooses a model pays for the import.
        from edged.swap import Swapper

        if self._swapper_made is None:
            self._swapper_made = Swapper(
                lambda: self._in_force, self._mailbox, self._chosen, self._reloader.begin
            )
        return self._swapper_made

    def _use(self, request: Request[commands.UseModel | commands.UseFile]) -> None:
        self._swapper().begin(request)

    def _add_port(self, request: Request[AddPort]) -> None:
        command, pipeline = request.command, self._pipeline
        others = [port for port in pipeline.ports if port is not command.port]
        pipeline.ports = [*others, command.port] if command.hears else others

    def _begin_probation(self) -> None:
        if self._probation is not None:
            self._probation.end()
        if self._chosen.on_probation:
            from edged.probation import Probation

            self._probation = Probation(self._mailbox, self._chosen)
            self._probation.begin()

    def _read_again(self, changes: saved.Tree | None) -> Config:
        opening = self._opening
        return load(
            opening.path, opening.overrides, os.environ, may_be_empty=False, changes=changes
        )

    def _traced(self, stack: ExitStack) -> tuple[Sequence[Port], Port]:
        """The ports, and the pins."""
        ports, pins = self._ports.all, self._ports.gpio
        if self._trace_path is None:
            return ports, pins
        from edged.trace import Trace, TracedPort

        trace = stack.enter_context(Trace(self._trace_path))
        return trace.around(ports), TracedPort(pins, trace)

    def _status(self, request: Request[commands.TellStatus]) -> StatusAnswer:
        del request
        pipeline = self._pipeline
        at = Moment.now(self._config.device, time.monotonic, time.time)
        return pipeline.vitals.status(
            at,
            pipeline.camera,
            pipeline.perception,
            self._attention,
            self._ports.gpio.values(),
            self._ports.broker_problems(),
            self._ports.broker_state(),
            self._journal.last,
            self._ports.webhook_problems(),
            self._ports.gpio.by_hand(),
            self._chosen.holds(self._config),
            broker_error=self._ports.broker_error(),
        )

    def _setup(self, request: Request[commands.TellSetup]) -> SetupAnswer:
        del request
        return setup(self._config, self._pipeline.perception.labels, self._reloader.kept)

    def _metrics(self, request: Request[commands.TellMetrics]) -> MetricsAnswer:
        del request
        return self._pipeline.vitals.metrics(
            time.monotonic(),
            self._status(Request(commands.TellStatus())),
            self._journal.events,
            self._journal.metrics(),
            self._ports.mqtt.metrics() if self._ports.mqtt is not None else None,
        )

    def _why(self, request: Request[commands.TellWhy]) -> None:
        if self._ports.why is None:
            raise CommandError("no scores are kept: why.enabled is false, or journal.max_events 0")
        self._ports.why.answer(request)

    def _review(
        self, request: Request[commands.Review | commands.ReviewPicture | commands.ReviewDecide]
    ) -> None:
        if self._ports.review is None:
            raise CommandError("no pictures are kept for review; set review.enabled to true")
        self._ports.review.answer(request)

    def _set_output(self, request: Request[commands.SetOutput]) -> OutputAnswer:
        command = request.command
        value = self._ports.gpio.set(command.name, command.value, command.for_s)
        return OutputAnswer(name=command.name, value=value)

    def _post_left_open(self, rules: Sequence[str]) -> None:
        self._mailbox.post(Request(EndLeftOpen(rules=rules)), bounded=False)

    def _end_left_open(self, request: Request[EndLeftOpen]) -> None:
        """End rules that an earlier run left active, unless they are active again."""
        pipeline, now_s = self._pipeline, time.monotonic()
        drift = pipeline.perception.drift
        active = {
            *pipeline.perception.scene.active,
            *([CAMERA] if pipeline.outage.fault else []),
            *([DRIFT] if drift is not None and drift.cause else []),
        }
        events = [
            Event(rule, False, 0.0, now_s, now_s, 0, reason="restart")
            for rule in request.command.rules
            if rule not in active
        ]
        if events:
            numbered = pipeline.journal.record(events)
            pipeline.tell(Ended("restart", "edged had ended unexpectedly", numbered))

    def _reload(self, request: Request[commands.Reload]) -> None:
        self._signals.reload_begins()
        self._reloader.begin(request)

    def _save(self, request: Request[commands.Save | commands.Undo]) -> None:
        self._reloader.begin(request)

    def _teach(
        self, request: Request[commands.Teach | commands.Forget | commands.UndoTeaching]
    ) -> None:
        # Any client of the broker could blind the sensor with a label that fits everything.
        if request.asked_by == Asker.MQTT.value and not self._config.teach.mqtt:
            raise CommandError("teaching over MQTT is off; set teach.mqtt to true")
        self._reloader.begin(request)

    def _take_over(self, request: Request[TakeOver]) -> ReloadAnswer:
        """Apply, between two frames, what a reload has prepared."""
        pipeline = self._pipeline
        taken, restart_for, why = request.command.prepared
        if taken.config.camera != self._config.camera:
            pipeline.camera.aim(taken.config.camera)
        taken.perception.succeed(pipeline.perception)
        pipeline.perception = taken.perception
        pipeline.tell(taken.deciding)
        self._in_force, self._config = taken, taken.config
        self._attention.wake_s = taken.config.idle.after_s
        pipeline.vitals.health_s = taken.config.mqtt.health_s
        logging.getLogger().setLevel(taken.config.log.level.upper())
        self._ports.reconfigure(taken.config)
        if taken.perception.scene is UNDECIDED and not pipeline.outage.lost:
            pipeline.tell(Undecided())
        self._begin_probation()
        log.info("%s", why)
        if restart_for:
            log.warning("changed, but in effect only after a restart: %s", ", ".join(restart_for))
        return ReloadAnswer(model=taken.perception.model, restart_for=restart_for)


def _slots(configuration: Path | None) -> Path | None:
    try:
        return slots.folder(configuration)
    except ConfigError:
        # Without a state directory nothing can be chosen.
        return None
