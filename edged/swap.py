"""Another model while edged runs: copied, tried, compared in the shadow, and only then taken."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edged import build, memory
from edged.commands import (
    Reply,
    Request,
    UseFile,
    UseModel,
    name_of,
)
from edged.config.schema import Config, ModelConfig, SwapConfig
from edged.errors import CommandError, ConfigError, EdgedError, ModelError
from edged.evaluation.check import Check
from edged.health import memory_mb
from edged.mailbox import Mailbox
from edged.models import admission, quarantine, trial
from edged.models.chosen import Chosen
from edged.models.naming import ENCRYPTED, SUFFIX, is_name, model_name
from edged.models.quarantine import Verdict
from edged.models.slots import Slot
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from edged.reload import AddPort, Adopt, InForce

if TYPE_CHECKING:
    from edged.inference.tflite import TfliteClassifier

log = logging.getLogger(__name__)

WARM_UP = 3
"""Runs of a new model before it is judged: the first ones take longer."""

QUARANTINE_S = 30.0
"""For the quarantine, which has only the processor time that the loop leaves."""

NICENESS = 19

MODEL_SUFFIXES = (SUFFIX, SUFFIX + ENCRYPTED)
LABEL_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".pbtxt")


class Swapper:
    """Tries a model in a thread of its own, one at a time, and hands it to the reloader.

    The loop goes on meanwhile. Nothing but the reloader changes what is in force.
    """

    def __init__(
        self,
        in_force: Callable[[], InForce],
        mailbox: Mailbox,
        chosen: Chosen,
        adopt: Callable[[Request[Adopt]], None],
    ) -> None:
        """`adopt` is the reloader's."""
        self._in_force = in_force
        self._mailbox = mailbox
        self._chosen = chosen
        self._adopt = adopt
        self._lock = threading.Lock()
        self._tried: str | None = None

    def begin(self, request: Request[UseModel | UseFile]) -> None:
        """Start. CommandError while another model is tried."""
        with self._lock:
            if self._tried is not None:
                raise CommandError(f"model {self._tried} is being tried; wait until that is over")
            model = request.command.model
            self._tried = model if is_name(model) else model_name(Path(model))
        thread = threading.Thread(target=self._run, args=(request,), name="swap", daemon=True)
        thread.start()

    def _run(self, request: Request[UseModel | UseFile]) -> None:
        try:
            reply = self._try(request)
        except (EdgedError, OSError) as error:
            # OSError: out of descriptors, threads or memory: the world, and no bug.
            name = name_of(type(request.command))
            for line in str(error).splitlines():
                log.error("%s, requested by %s: %s", name, request.asked_by, line)
            reply = Reply(error=str(error))
        # Of the model that was replaced, or of the one that was refused.
        memory.give_back()
        with self._lock:
            self._tried = None
        request.reply(reply)

    def _try(self, request: Request[UseModel | UseFile]) -> Reply:
        command = request.command
        wanted = _wanted(command)
        name = self._staged(wanted)
        model: ModelConfig | None = None
        try:
            slot, model = self._chosen.staged(name)
            self._chosen.check_not_set_aside(slot)
            old = self._in_force()
            config = replace(old.config, model=model)
            before_mb = memory_mb()
            admission.admit(model, inspect=_patiently)
            admitted = build.admitted(config)
            with ExitStack() as unless_taken:
                perception = unless_taken.enter_context(made(config, admitted, Path(wanted.path)))
                # What was freed meanwhile hides a part; the runtime keeps the whole file.
                grown_mb = max(memory_mb() - before_mb, Path(model.path).stat().st_size / 1e6)
                self._judge(old, perception, config.swap, grown_mb, command)
                reply = self._taken(request, name, slot, perception, admitted)
                if reply.error is None:
                    unless_taken.pop_all()
            return reply
        except EdgedError as error:
            # The copy is gone then, and nobody has heard of it.
            told = str(error).replace(model.path, wanted.path) if model else str(error)
            raise ModelError(told) from error
        finally:
            self._chosen.unstage(name)

    def _staged(self, wanted: ModelConfig) -> str:
        """The name of a slot with a copy of what is wanted. ModelError."""
        from edged.evaluation import blessing
        from edged.inference import labels as label_files
        from edged.inference import tflite
        from edged.perception import reference

        found = label_files.find(tflite.read(wanted), wanted.labels, wanted.locale)
        blessed = blessing.path_of(Path(wanted.path))
        others = (blessed, reference.path_of(Path(wanted.path)))
        beside = {path.name: path for path in others if path.is_file()}
        return self._chosen.stage(wanted, found.path, beside)

    def _judge(
        self,
        old: InForce,
        new: Perception,
        limits: SwapConfig,
        grown_mb: float,
        command: UseModel | UseFile,
    ) -> None:
        """ModelError, one line, where a gate does not hold."""
        if isinstance(command, UseFile) and command.shadow_s is not None:
            limits = replace(limits, shadow_s=command.shadow_s)
        most_mb = limits.memory_max_mb
        refuse([Check(f"MB <= {most_mb:g}", grown_mb <= most_mb, f"{grown_mb:.3g}")])
        if limits.shadow_s:
            self.check_in_shadow(old, new, limits)

    def check_in_shadow(self, old: InForce, new: Perception, limits: SwapConfig) -> None:
        """ModelError where `new` does not hold its gates in the shadow; blocks for that time."""
        log.info("model %s: in the shadow of %s", new.model, old.perception.model)
        shadow = trial.Shadow()
        labels = list(old.perception.labels)
        self._mailbox.post(Request(AddPort(port=shadow, hears=True)), bounded=False)
        try:
            seen = trial.watch(
                new, labels, shadow, limits.shadow_s, lambda: bool(self._mailbox.stopping)
            )
        finally:
            self._mailbox.post(Request(AddPort(port=shadow, hears=False)), bounded=False)
        if self._mailbox.stopping:
            raise CommandError("edged stops")
        refuse(trial.checks(seen, limits))

    def _taken(
        self,
        request: Request[UseModel | UseFile],
        name: str,
        slot: Slot,
        perception: Perception,
        model: build.Admitted,
    ) -> Reply:
        replies: queue.Queue[Reply] = queue.Queue(1)
        adopt = Adopt(slot=name, name=slot.name, perception=perception, model=model)
        self._adopt(Request(adopt, request.asked_by, replies.put_nowait))
        return replies.get()


def made(config: Config, admitted: build.Admitted, source: Path) -> Perception:
    """The model of `config`, loaded and warm, with all of its rules.

    ModelError, also where its normalisation would be a guess, its labels lack one of a rule, or its
    answers are not the golden ones beside `source`, which it was copied from.
    """
    import numpy as np

    with ExitStack() as unless_made:
        bare, whole, training = build.sensing(config, admitted)
        unless_made.enter_context(whole)
        if bare.image.guessed:
            raise ModelError(
                f"{bare.name}: its input is float and nothing says how pixels are normalised: "
                "give mean and std"
            )
        try:
            decider = Decider(config.rule, config.decide, whole.labels)
        except ConfigError as error:
            raise ModelError(f"{bare.name}: {error}") from error
        if missing := [rule.name for rule in config.rule if rule.name not in decider.names]:
            raise ModelError(
                f"{bare.name}: it has no labels for rule {', '.join(missing)}, made from the page: "
                "remove that rule first"
            )
        for _ in range(WARM_UP):
            if not bare.classify(np.full((*bare.input_px, 3), 128, np.uint8)).finite:
                raise ModelError(f"{bare.name}: its outputs are not finite: export it again")
        refuse(golden(bare, source))
        unless_made.pop_all()
    # Without still scenes, of which a shadow would show nothing.
    return Perception(whole, decider, training=training)


def golden(classifier: TfliteClassifier, source: Path) -> Iterator[Check]:
    """The frozen answers beside the model, where there are some: they must come out here, too.

    ``NAME.golden.json`` has the answers, the folder ``NAME.golden`` the pictures. ModelError.
    """
    answers = source.with_name(f"{model_name(source)}.golden.json")
    if not answers.is_file():
        return
    from edged.evaluation import golden as frozen
    from edged.evaluation.dataset import DataError, open_dataset
    from edged.evaluation.gate import GoldenGate

    try:
        pictures = open_dataset(source.with_name(f"{model_name(source)}.golden"), labelled=False)
        away = frozen.worst_quanta(frozen.read(answers), classifier, pictures)
    except (ConfigError, DataError) as error:
        raise ModelError(f"golden answers: {error}") from error
    most = GoldenGate().tolerance_quanta
    yield Check(f"golden answers: quanta <= {most:g}", away <= most, f"{away:.3g}")


def refuse(gates: Iterable[Check]) -> None:
    """ModelError with the gates that do not hold."""
    if failed := [f"{gate.name}, but it is {gate.found}" for gate in gates if not gate.holds]:
        raise ModelError(f"the model in use stays: expected {'; '.join(failed)}")


def _patiently(path: Path, model: ModelConfig) -> Verdict:
    return quarantine.inspect(path, model, timeout_s=QUARANTINE_S, niceness=NICENESS)


def _wanted(command: UseModel | UseFile) -> ModelConfig:
    """The model that a command names. ModelError."""
    from edged.models import library

    if isinstance(command, UseModel):
        path = library.find(command.model)
        if path is None:
            # A file of this name is not meant: who sends this must not choose files.
            if is_name(command.model):
                library.resolve(command.model)
            raise ModelError(f"no model is called {command.model}: `edged models list` shows all")
        return ModelConfig(path=str(path.absolute()))
    for text, suffixes in ((command.model, MODEL_SUFFIXES), (command.labels, LABEL_SUFFIXES)):
        # What it is, not what a link to it is called: no secret can be read as labels.
        if text and not Path(text).resolve().name.lower().endswith(suffixes):
            raise ModelError(f"{text}: expected a file that ends in {' or '.join(suffixes)}")
    own = {
        key: getattr(command, key)
        for key in ("labels", "locale", "mean", "std", "channels", "scores")
    }
    return ModelConfig(path=command.model, **own)
