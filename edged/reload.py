"""Reads the configuration again while edged runs: prepared in a thread, applied in the loop."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edged import build
from edged.commands import (
    Command,
    Forget,
    Reload,
    Reply,
    Request,
    RevertModel,
    ReviewTeach,
    Save,
    SetThreshold,
    TakeSnapshot,
    Teach,
    TellTaught,
    TellTaughtPictures,
    Undo,
    UndoTeaching,
    name_of,
)
from edged.config import saved
from edged.config.reload import reloadable
from edged.config.schema import Config, SwapConfig
from edged.config.thresholds import Thresholds, thresholds
from edged.config.toml import shown
from edged.core import Deciding, Frame, Port
from edged.errors import CameraError, CommandError, ConfigError, EdgedError
from edged.mailbox import Mailbox
from edged.messages.replies import ReloadAnswer, SavedAnswer, ThresholdAnswer
from edged.models.chosen import Chosen
from edged.models.slots import Choice
from edged.notify import Notifier
from edged.perception.perception import Perception

log = logging.getLogger(__name__)

REQUESTS = 16
"""The most requests that wait for a reload."""

FRAME_S = 5.0
"""The longest that teaching waits for a frame."""

SETTLED_S = 0.1
"""A file that is unchanged after this time counts as complete: half of one may be valid, too."""

SETTLING = 50
"""How often it may have changed."""


class InForce(NamedTuple):
    """The active configuration, the objects built from it, and its model."""

    config: Config
    perception: Perception
    model: build.Admitted

    @property
    def deciding(self) -> Deciding:
        """What ports are notified of it."""
        return Deciding(self.perception.decider, self.perception.model, self.model.sha256)


class Prepared(NamedTuple):
    """The prepared objects, the changed options that need a restart, and the reason."""

    next: InForce
    restart_for: list[str]
    why: str = "configuration reloaded"


class TakeOver(Command, frozen=True, kw_only=True, tag="take-over"):
    """Apply what a reload has prepared: the second half of `Reload`, for the loop alone."""

    prepared: Prepared


class AddPort(Command, frozen=True, kw_only=True, tag="add-port"):
    """Let a port hear the reports, or no more: from who tries a model, for the loop alone."""

    port: Port
    hears: bool


class Adopt(Command, frozen=True, kw_only=True, tag="adopt"):
    """Take a model that has held its gates: from who tried it, for the reloader alone.

    ``slot`` is where it is staged, ``name`` what people call it.
    """

    slot: str
    name: str
    perception: Perception
    model: build.Admitted


class Reloader:
    """Prepares a changed configuration, or a command's change, in a thread of its own.

    Reading a file, the quarantine and loading a model take from milliseconds to seconds, and a file
    may never answer: the loop continues meanwhile, and can be stopped. One reload at a time; a
    request during one is answered by the next, which sees everything written before.
    """

    def __init__(
        self,
        read: Callable[[saved.Tree | None], Config],
        in_force: Callable[[], InForce],
        mailbox: Mailbox,
        notifier: Notifier,
        thresholds: Thresholds,
        path: Path | None,
        chosen: Chosen,
        check_in_shadow: Callable[[InForce, Perception, SwapConfig], None],
    ) -> None:
        """`read` returns the new configuration, with the given changes in place of the saved ones.

        `in_force` is the active one, `path` the configuration file. Only this object's thread uses
        `thresholds`. `check_in_shadow` raises ModelError for a model that fails its gates, if a
        reload applies them.
        """
        self._chosen = chosen
        self._check_in_shadow = check_in_shadow
        self._thresholds = thresholds
        self._read = read
        self._path = path
        self.kept = saved.look(path)
        """The stored changes from the web page."""
        self._in_force = in_force
        self._mailbox = mailbox
        self._notifier = notifier
        self._lock = threading.Lock()
        self._asked: list[Request[Any]] = []
        self._thread: threading.Thread | None = None
        self._told = False

    def begin(self, request: Request[Any]) -> None:
        """Start, or restart after the present one. CommandError while too many wait."""
        with self._lock:
            if len(self._asked) >= REQUESTS:
                raise CommandError("an earlier reload hangs; check that its file can be read")
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
                    case TellTaught() | TellTaughtPictures():
                        request.reply(self._taught(request.command, request.asked_by))
                    case Teach() | Forget() | UndoTeaching() | ReviewTeach():
                        request.reply(self._teach(request.command, request.asked_by))
                    case Save() | Undo():
                        request.reply(self._reload(request.asked_by, request.command))
                    case Adopt():
                        request.reply(self._adopt(request.command, request.asked_by))
                    case RevertModel():
                        request.reply(self._revert(request.command, request.asked_by))
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
        """The configuration once the file no longer changes. ConfigError."""
        wanted = self._read(changes)
        for _ in range(SETTLING):
            time.sleep(SETTLED_S)
            before, wanted = wanted, self._read(changes)
            if wanted == before:
                return wanted
        raise ConfigError("the configuration keeps changing; reload when it is complete")

    def _wanted(self, change: Save | Undo) -> saved.Tree:
        """The saved changes with one more, or one less. CommandError, ConfigError."""
        place = saved.file(self._path)
        if isinstance(change, Undo):
            return saved.undone(place)
        if not any((change.region, change.privacy is not None, change.rule, change.remove_rule)):
            raise CommandError("nothing to save; give region, privacy, rule or remove_rule")
        camera = saved.as_read({"region": change.region, "privacy": change.privacy})
        rule = None if change.rule is None else saved.as_read(change.rule)
        return saved.changed(saved.read(place), camera, rule, change.remove_rule)

    def _reload(
        self, asked_by: str, change: Save | Undo | None = None, choice: Choice | None = None
    ) -> Reply:
        """Read the configuration again, with a `change` to it or another `choice` of the model."""
        old = self._in_force()
        try:
            changes = None if change is None else self._wanted(change)
            changed = []
            read = self._thresholds.applied(self._settled(changes))
            prepared = prepare(old, self._chosen.applied(read, choice))
            self._check(old, prepared)
            if changes is not None:
                place = saved.file(self._path)
                before: saved.Tree = {}
                # `undo` also takes back a file that is damaged.
                with suppress(ConfigError):
                    before = saved.read(place)
                changed = saved.differing(before, changes)
                saved.write(place, changes)
            if choice is not None:
                self._chosen.take(choice)
            self._chosen.settle(prepared.next.config)
            self.kept = saved.look(self._path)
        except (EdgedError, OSError) as error:
            # OSError: out of descriptors or memory, a missing folder: external causes, not bugs.
            for line in str(error).splitlines():
                log.error("reload: %s", line)
            log.error("reload, requested by %s: refused; nothing has changed", asked_by)
            return Reply(error=str(error))
        reply = self._taken_over(prepared, asked_by)
        if change is not None and isinstance(reply.data, ReloadAnswer):
            fields = msgspec.structs.asdict(reply.data)
            return Reply(data=SavedAnswer(**fields, changed=changed))
        return reply

    def _check(self, old: InForce, prepared: Prepared) -> None:
        """ModelError where another model must hold its gates in the shadow, and does not."""
        config, perception = prepared.next.config, prepared.next.perception
        limits = config.swap
        same = perception.shares_model(old.perception)
        if limits.on_reload and limits.shadow_s and not same:
            with ExitStack() as unless_held:
                unless_held.push(perception)
                # It decides there, and starts from what holds afterwards.
                twin = build.perception(config, keep=perception)
                self._check_in_shadow(old, twin, limits)
                unless_held.pop_all()

    def _adopt(self, command: Adopt, asked_by: str) -> Reply:
        old = self._in_force()
        try:
            perception = build.perception(old.config, keep=command.perception)
            self._chosen.switch_to(command.slot)
        except EdgedError as error:
            log.error("model %s, requested by %s: %s", command.name, asked_by, error)
            return Reply(error=str(error))
        config = self._chosen.in_force(old.config)
        why = f"the model is {command.name}, chosen by {asked_by}"
        prepared = Prepared(InForce(config, perception, command.model), [], why)
        return self._taken_over(prepared, asked_by)

    def _revert(self, command: RevertModel, asked_by: str) -> Reply:
        try:
            back = {
                "previous": self._chosen.to_previous,
                "configured": self._chosen.to_configured,
            }
            choice = back[command.to]()
        except CommandError as error:
            log.warning("%s, requested by %s: %s", name_of(RevertModel), asked_by, error)
            return Reply(error=str(error))
        return self._reload(asked_by, choice=choice)

    def _set_threshold(self, command: SetThreshold, asked_by: str) -> Reply:
        old = self._in_force()
        try:
            config = self._thresholds.change(
                old.config, command.rule, command.threshold, command.value
            )
        except CommandError as error:
            log.warning("%s, requested by %s: %s", name_of(SetThreshold), asked_by, error)
            return Reply(error=str(error))
        perception = build.perception(config, keep=old.perception)
        why = f"rule {command.rule}: {command.threshold} is {command.value:g}, set by {asked_by}"
        self._taken_over(Prepared(InForce(config, perception, old.model), [], why), asked_by)
        self._thresholds.save()
        (rule,) = (rule for rule in config.rule if rule.name == command.rule)
        return Reply(data=ThresholdAnswer(rule=rule.name, **thresholds(rule, config.decide)))

    def _taught(self, command: TellTaught | TellTaughtPictures, asked_by: str) -> Reply:
        from edged.teaching import session

        config = self._in_force().config
        try:
            if isinstance(command, TellTaught):
                return Reply(data=session.taught(config))
            return Reply(data=session.pictures(config, command.label))
        except (EdgedError, OSError) as error:
            log.warning("%s, requested by %s: %s", name_of(type(command)), asked_by, error)
            return Reply(error=str(error))

    def _teach(self, command: Teach | Forget | UndoTeaching | ReviewTeach, asked_by: str) -> Reply:
        from edged.teaching import session

        old = self._in_force()
        try:
            taught = session.carry_out(
                command,
                old.config,
                self._frame,
                lambda: self._taken_over(
                    prepare(old, old.config)._replace(why=f"{_described(command)}, by {asked_by}"),
                    asked_by,
                ),
            )
        except (EdgedError, OSError) as error:
            log.warning("%s, requested by %s: %s", name_of(type(command)), asked_by, error)
            return Reply(error=str(error))
        return Reply(data=taught)

    def _frame(self) -> Frame:
        """The next frame. CameraError where none comes."""
        replies: queue.Queue[Reply] = queue.Queue(1)
        self._mailbox.post(Request(TakeSnapshot(), "teaching", replies.put_nowait))
        try:
            reply = replies.get(timeout=FRAME_S)
        except queue.Empty:
            raise CameraError(f"no frame came within {FRAME_S:g} s; is the camera there?") from None
        if reply.result is None:
            raise CameraError(reply.error or "no frame came")
        return reply.result.frame

    def _taken_over(self, prepared: Prepared, asked_by: str) -> Reply:
        replies: queue.Queue[Reply] = queue.Queue(1)
        command = TakeOver(prepared=prepared)
        self._mailbox.post(Request(command, asked_by, replies.put_nowait), bounded=False)
        return replies.get()


def _described(command: Teach | Forget | UndoTeaching | ReviewTeach) -> str:
    match command:
        case Teach():
            return f"label {shown(command.label)} taught"
        case Forget():
            return f"label {shown(command.label)} forgotten"
        case ReviewTeach():
            return "reviewed pictures taught"
        case _:
            return "the last change of taught labels taken back"


def prepare(old: InForce, wanted: Config) -> Prepared:
    """The successor of `old`. After ModelError or ConfigError nothing has changed."""
    config, restart_for = reloadable(old.config, wanted)
    model = build.admitted(config)
    same_model = config.model == old.config.model and model.stamp == old.model.stamp
    perception = build.perception(config, model, old.perception if same_model else None)
    return Prepared(InForce(config, perception, model), restart_for)
