"""A configuration read again while edged runs: made ready beside the loop, taken over in it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edged import build
from edged.commands import Command, Reload, Reply, Request, Save, SetThreshold, Undo, name_of
from edged.config import saved
from edged.config.reload import reloadable
from edged.config.schema import Config
from edged.config.thresholds import Thresholds, thresholds
from edged.core import Deciding
from edged.errors import CommandError, ConfigError, EdgedError
from edged.mailbox import Mailbox
from edged.messages.replies import ThresholdAnswer
from edged.notify import Notifier
from edged.perception.perception import Perception

log = logging.getLogger(__name__)

REQUESTS = 16
"""Who may wait for a reload that does not end."""

SETTLED_S = 0.1
"""A file that says the same after this time is taken for whole: half of one may be right, too."""

SETTLING = 50
"""How often it may say something else."""


class InForce(NamedTuple):
    """What the daemon runs with: a configuration, what was made of it, and of which model."""

    config: Config
    perception: Perception
    model: build.Admitted

    @property
    def deciding(self) -> Deciding:
        """What ports are told of it."""
        return Deciding(self.perception.decider, self.perception.model, self.model.sha256)


class Prepared(NamedTuple):
    """What was made ready, the changed options that hold only after a restart, and why."""

    next: InForce
    restart_for: list[str]
    why: str = "configuration reloaded"


class TakeOver(Command, frozen=True, kw_only=True, tag="take-over"):
    """Put in what a reload has made ready: the second half of `Reload`, for the loop alone."""

    prepared: Prepared


class Reloader:
    """Makes ready what a configuration says now, or a command, in a thread of its own.

    Reading a file, the quarantine and loading a model take from milliseconds to seconds, and a
    file may never answer: the loop goes on meanwhile, and can be stopped. One reload at a time;
    who asks during one is answered with the next, which sees all that was written before.
    """

    def __init__(
        self,
        read: Callable[[saved.Tree | None], Config],
        in_force: Callable[[], InForce],
        mailbox: Mailbox,
        notifier: Notifier,
        thresholds: Thresholds,
        path: Path | None,
    ) -> None:
        """`read` gives the wanted configuration, with other changes than those that are saved.

        `in_force` is what it is to succeed, `path` the configuration file. `thresholds` are used by
        this object's thread alone.
        """
        self._thresholds = thresholds
        self._read = read
        self._path = path
        self.kept = saved.look(path)
        """What is kept of the changes made from the page."""
        self._in_force = in_force
        self._mailbox = mailbox
        self._notifier = notifier
        self._lock = threading.Lock()
        self._asked: list[Request[Any]] = []
        self._thread: threading.Thread | None = None
        self._told = False

    def begin(self, request: Request[Any]) -> None:
        """Start, or start again when the present one is done. CommandError while too many wait."""
        with self._lock:
            if len(self._asked) >= REQUESTS:
                raise CommandError("a reload is under way and does not end; is its file there?")
            self._asked.append(request)
            if isinstance(request.command, Reload) and not self._told:
                self._told = True
                self._notifier.reloading()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while asked := self._next():
            reloads = []
            for request in asked:
                match request.command:
                    case SetThreshold():
                        request.reply(self._set_threshold(request.command, request.asked_by))
                    case Save() | Undo():
                        request.reply(self._reload(request.asked_by, request.command))
                    case _:
                        reloads.append(request)
            if reloads:
                reply = self._reload(reloads[0].asked_by)
                for request in reloads:
                    request.reply(reply)

    def _next(self) -> list[Request[Any]]:
        with self._lock:
            asked, self._asked = self._asked, []
            if not asked:
                self._thread = None
                if self._told:
                    self._told = False
                    self._notifier.ready()
        return asked

    def _settled(self, changes: saved.Tree | None) -> Config:
        """The configuration when nobody writes it any more. ConfigError."""
        wanted = self._read(changes)
        for _ in range(SETTLING):
            time.sleep(SETTLED_S)
            before, wanted = wanted, self._read(changes)
            if wanted == before:
                return wanted
        raise ConfigError("the configuration changes all the time; reload when it is written")

    def _wanted(self, change: Save | Undo) -> saved.Tree:
        """What is saved with one more change, or one less. CommandError, ConfigError."""
        place = saved.file(self._path)
        if isinstance(change, Undo):
            return saved.undone(place)
        told = {"region": change.region, "privacy": change.privacy}
        camera = {
            key: value for key, value in msgspec.to_builtins(told).items() if value is not None
        }
        rule = None
        if change.rule is not None:
            fields = msgspec.to_builtins(change.rule)
            rule = {key: value for key, value in fields.items() if value is not None}
        return saved.changed(saved.read(place), camera, rule, change.remove_rule)

    def _reload(self, asked_by: str, change: Save | Undo | None = None) -> Reply:
        try:
            changes = None if change is None else self._wanted(change)
            wanted = self._thresholds.applied(self._settled(changes))
            prepared = prepare(self._in_force(), wanted)
            if changes is not None:
                saved.write(saved.file(self._path), changes)
            self.kept = saved.look(self._path)
        except (EdgedError, OSError) as error:
            # OSError: out of descriptors or memory, a folder that is gone: the world, and no bug.
            for line in str(error).splitlines():
                log.error("reload: %s", line)
            log.error("reload, asked by %s: refused; everything stays as it was", asked_by)
            return Reply(error=str(error))
        return self._taken_over(prepared, asked_by)

    def _set_threshold(self, command: SetThreshold, asked_by: str) -> Reply:
        old = self._in_force()
        try:
            config = self._thresholds.change(
                old.config, command.rule, command.threshold, command.value
            )
        except CommandError as error:
            log.warning("%s, asked by %s: %s", name_of(SetThreshold), asked_by, error)
            return Reply(error=str(error))
        perception = build.perception(config, keep=old.perception)
        why = f"rule {command.rule}: {command.threshold} is {command.value:g}, set by {asked_by}"
        self._taken_over(Prepared(InForce(config, perception, old.model), [], why), asked_by)
        self._thresholds.save()
        (rule,) = (rule for rule in config.rule if rule.name == command.rule)
        return Reply(data=ThresholdAnswer(rule=rule.name, **thresholds(rule, config.decide)))

    def _taken_over(self, prepared: Prepared, asked_by: str) -> Reply:
        replies: queue.Queue[Reply] = queue.Queue(1)
        command = TakeOver(prepared=prepared)
        self._mailbox.post(Request(command, asked_by, replies.put_nowait), bounded=False)
        return replies.get()


def prepare(old: InForce, wanted: Config) -> Prepared:
    """What is to succeed `old`. ModelError, ConfigError: nothing has changed."""
    config, restart_for = reloadable(old.config, wanted)
    model = build.admitted(config)
    same_model = config.model == old.config.model and model.stamp == old.model.stamp
    perception = build.perception(config, model, old.perception if same_model else None)
    return Prepared(InForce(config, perception, model), restart_for)
