"""The daemon's whole life: build, run, reload, stop."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from edged import __version__, build, logs
from edged.config.load import load
from edged.config.reload import reloadable
from edged.config.schema import Config
from edged.mailbox import Command, Mailbox
from edged.notify import Notifier
from edged.pipeline import Pipeline

log = logging.getLogger(__name__)


class Daemon:
    """One configuration, brought to life."""

    def __init__(
        self, path: Path | None, overrides: Sequence[str] = (), trace: Path | None = None
    ) -> None:
        self._path = path
        self._trace_path = trace
        self._overrides = overrides
        self._config = load(path, overrides, os.environ)
        self._mailbox = Mailbox()
        self._notifier = Notifier()
        self._bug: BaseException | None = None

    def run(self) -> None:
        """Until SIGTERM, SIGINT or a stop. Opened back to front, closed in reverse."""
        config = self._config
        style = log_style(config.log.format)
        logs.start(config.log.level, "text" if style == "live" else style)
        log.info("edged %s, device %s", __version__, config.device)
        # What is built now lives as long as the daemon: looking for garbage in it would only slow
        # the start, and later stop the loop for milliseconds now and then.
        gc.disable()
        with ExitStack() as stack:
            stack.callback(gc.enable)
            self._obey_signals(stack)
            self._surface_bugs(stack)
            self._ports = build.ports(config, self._mailbox, stack, live=style == "live")
            model = build.admitted(config)
            # Before the model is loaded: meanwhile the device starts, which may take a second.
            camera = stack.enter_context(build.camera(config.camera, model.file.input_px))
            classifier = build.classifier(config, model)
            decider = build.decider(config, classifier.labels)
            self._pipeline = self._pipeline_type(stack)(
                camera,
                classifier,
                decider,
                self._ports.all,
                self._mailbox,
                notifier=self._notifier,
                wake_s=config.idle.after_s,
                health_s=config.mqtt.health_s,
                handlers={"reload": self._reload, "set-output": self._set_output},
            )
            stack.callback(lambda: self._pipeline.classifier.close())
            stack.callback(self._notifier.stopping)
            gc.freeze()
            gc.enable()
            self._pipeline.run()
        if self._bug is not None:
            raise self._bug
        log.info("stopped")

    def _pipeline_type(self, stack: ExitStack) -> Callable[..., Pipeline]:
        if self._trace_path is None:
            return Pipeline
        from edged.trace import Trace, TracedPipeline

        return partial(TracedPipeline, trace=stack.enter_context(Trace(self._trace_path)))

    def _obey_signals(self, stack: ExitStack) -> None:
        def leave_a_command(number: int, frame: FrameType | None) -> None:
            del frame
            name = "reload" if number == signal.SIGHUP else "stop"
            self._mailbox.post(Command(name, asked_by=signal.Signals(number).name))

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            stack.callback(signal.signal, number, signal.signal(number, leave_a_command))

    def _surface_bugs(self, stack: ExitStack) -> None:
        """Let a bug in a thread end the daemon like one in the loop.

        Else the thread would be gone and the daemon would look well; so outputs go to their safe
        level, and systemd starts it again.
        """

        def end(bug: threading.ExceptHookArgs) -> None:
            thread = bug.thread.name if bug.thread is not None else "a thread"
            self._bug = bug.exc_value
            self._mailbox.post(Command("stop", asked_by=f"a bug in {thread}"))

        stack.callback(setattr, threading, "excepthook", threading.excepthook)
        threading.excepthook = end

    def _set_output(self, command: Command) -> Mapping[str, object]:
        name, value = command.arguments.get("name"), command.arguments.get("value")
        self._ports.set_output(name, value)
        return {"name": name, "value": value}

    def _reload(self, command: Command) -> Mapping[str, object]:
        """Take over what can change while running; a wrong configuration changes nothing."""
        del command
        self._notifier.reloading()
        try:
            return self._take_over(load(self._path, self._overrides, os.environ))
        finally:
            self._notifier.ready()

    def _take_over(self, wanted: Config) -> Mapping[str, object]:
        old, pipeline = self._config, self._pipeline
        new, restart_for = reloadable(old, wanted)
        classifier = pipeline.classifier
        with ExitStack() as unless_taken_over:
            if new.model != old.model:
                classifier = build.classifier(new)
                unless_taken_over.callback(classifier.close)
            decider = build.decider(new, classifier.labels)
            unless_taken_over.pop_all()
        decider.adopt(pipeline.decider)
        if classifier is not pipeline.classifier:
            pipeline.classifier.close()
        pipeline.classifier, pipeline.decider = classifier, decider
        pipeline.wake_s, pipeline.health_s = new.idle.after_s, new.mqtt.health_s
        logging.getLogger().setLevel(new.log.level.upper())
        self._ports.reconfigure(new)
        self._config = new
        log.info("configuration reloaded")
        if restart_for:
            log.warning("restart edged for the new %s to hold", ", ".join(restart_for))
        return {"restart_for": restart_for}


def log_style(configured: str) -> str:
    """What ``auto`` means here: the live line on a terminal, the journal's way under systemd."""
    if configured == "live" and find_spec("rich") is None:
        return "text"
    if configured != "auto":
        return configured
    if sys.stderr.isatty():
        return "live" if find_spec("rich") else "text"
    return "journal" if os.environ.get("JOURNAL_STREAM") else "text"
