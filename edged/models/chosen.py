"""The model in use: the configuration's, until a command chooses another, and back.

A chosen model holds until the configuration says another than it replaced: whoever spoke last is
obeyed. It is on probation until edged has run it for a minute. If edged dies twice before that, the
model is set aside: edged goes back to the one before and does not try it a third time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from edged.config.schema import Config, ModelConfig
from edged.errors import CommandError, EdgedError, ModelError
from edged.models import slots
from edged.models.slots import Choice, SetAside, Slot

log = logging.getLogger(__name__)

PROBATION_S = 60.0
"""How long a chosen model must run before it counts as good."""

TRIES = 2
"""How often edged may die during that time."""

REMEMBERED = 16
"""Models that were set aside; the oldest are forgotten first."""

Change: TypeAlias = Callable[[Choice], Choice]


class Chosen:
    """What was chosen, in the folder `place`; without one, nothing can be.

    From any thread: each change is written before it holds.
    """

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._configured: ModelConfig | None = None
        self._staged: set[str] = set()
        self._choice = Choice()
        self.problem: str | None = None
        """What is wrong with a model that was chosen, one line; None where nothing is."""
        if place is not None:
            try:
                self._choice = slots.read_choice(place)
            except ModelError as error:
                self._tell(f"{error}; the configuration's model is used")
        if self._choice.set_aside:
            self.problem = _told(self._choice.set_aside[-1])

    @property
    def choice(self) -> Choice:
        """What holds."""
        return self._choice

    @property
    def on_probation(self) -> bool:
        """Whether the current model has not run for a minute yet."""
        return self._choice.current is not None and self._choice.probation

    def begin(self, config: Config) -> Config:
        """`config` as edged starts with it: with the chosen model, if that may be tried."""
        if self._place is not None:
            self._clear()
        if self.on_probation:
            if self._choice.starts >= TRIES:
                self.set_aside(f"edged died {TRIES} times within {PROBATION_S:g} s of taking it")
            else:
                self._attempt(lambda choice: replace(choice, starts=choice.starts + 1))
        return self.applied(config)

    def applied(self, config: Config, choice: Choice | None = None) -> Config:
        """`config`, as it was read, with the model of `choice`, or of what holds.

        ModelError where the slot of `choice` is damaged. If that of what holds is, edged reports it
        and uses the model before it.
        """
        self._configured = config.model
        if choice is not None:
            return self._with(config, choice)
        while True:
            try:
                return self._with(config, self._choice)
            except ModelError as error:
                self._attempt(_back)
                self._tell(f"{error}; {self._now()} is used")

    def _with(self, config: Config, choice: Choice) -> Config:
        place, current = self._place, choice.current
        if place is None or current is None:
            return config
        if choice.instead_of != slots.described(config.model):
            return config
        own = slots.settings(place, current, slots.read(place, current))
        return replace(config, model=replace(config.model, **own))

    def _now(self) -> str:
        return "the model before it" if self._choice.current else "the configuration's model"

    def in_force(self, config: Config) -> Config:
        """`config`, which is in force, with the model that was switched to. ModelError."""
        place, current = self._place, self._choice.current
        if place is None or current is None:
            return config
        own = slots.settings(place, current, slots.read(place, current))
        return replace(config, model=replace(config.model, **own))

    def holds(self, config: Config) -> bool:
        """Whether the model of `config` is the chosen one."""
        current = self._choice.current
        return current is not None and Path(config.model.path).parent.name == current

    def settle(self, config: Config) -> None:
        """End a choice that `config`, which is in force, does not have any more."""
        if self._choice.current is not None and not self.holds(config):
            log.info(
                "the model is %s, as the configuration says since; the one that was chosen by "
                "command is over",
                config.model.path or "the bundled one",
            )
            self._attempt(_to_configured)

    def stage(self, model: ModelConfig, labels: Path | None, beside: dict[str, Path]) -> str:
        """Copy a model into a slot that is not in use yet. ModelError."""
        if self._place is None:
            raise ModelError("edged has no state directory to keep a chosen model in")
        name = slots.copied(self._place, model, labels, beside)
        self._staged.add(name)
        return name

    def staged(self, name: str) -> tuple[Slot, ModelConfig]:
        """A staged slot, and the ``[model]`` with which it is to be run. ModelError."""
        place, configured = self._place, self._configured
        if place is None or configured is None:
            raise ModelError("nothing is staged")
        slot = slots.read(place, name)
        return slot, replace(configured, **slots.settings(place, name, slot))

    def unstage(self, name: str) -> None:
        """Remove a staged slot, unless it is in use now."""
        self._staged.discard(name)
        if self._place is not None and name not in (self._choice.current, self._choice.good):
            slots.discard(self._place, name)

    def check_not_set_aside(self, slot: Slot) -> None:
        """ModelError where this very model was set aside."""
        for one in self._choice.set_aside:
            if one.sha256 == slot.sha256:
                raise ModelError(f"{_told(one)}; it is not tried again: export it again")

    def switch_to(self, name: str) -> None:
        """Make a staged slot the current one: at the next start, too. ModelError."""
        if self._configured is None:
            raise ModelError("nothing is configured yet")
        instead_of = slots.described(self._configured)

        def change(choice: Choice) -> Choice:
            return replace(
                choice,
                current=name,
                good=_last_good(choice),
                instead_of=instead_of,
                probation=True,
                starts=1,
            )

        self._change(change)
        self.problem = None

    def to_configured(self) -> Choice:
        """What would hold with the configuration's model. CommandError where it holds already."""
        if self._choice.current is None:
            raise CommandError("the model in use is the configuration's")
        return _to_configured(self._choice)

    def to_previous(self) -> Choice:
        """What would hold with the model before. CommandError where there is none."""
        choice = self._choice
        if choice.good is not None:
            return replace(
                choice,
                current=choice.good,
                good=None if choice.probation else choice.current,
                instead_of=self._configured and slots.described(self._configured),
                probation=False,
                starts=0,
            )
        if choice.current is not None:
            return _to_configured(choice)
        raise CommandError("no model was in use before")

    def take(self, choice: Choice) -> None:
        """Make `choice` hold. ModelError."""
        self._change(lambda _: choice)
        self.problem = None

    def prove(self) -> None:
        """The current model has run for a minute."""
        if self.on_probation:
            log.info("the chosen model has run for %g s, and counts as good", PROBATION_S)
            self._attempt(lambda choice: replace(choice, probation=False, starts=0))

    def stopped(self) -> None:
        """Edged stops on purpose, which is no fault of the model's."""
        if self.on_probation:
            self._attempt(lambda choice: replace(choice, starts=max(0, choice.starts - 1)))

    def set_aside(self, why: str) -> None:
        """Do not try the current model again, and go back to the one before."""
        place, current = self._place, self._choice.current
        if place is None or current is None:
            return
        try:
            slot = slots.read(place, current)
            one = SetAside(slot.name, slot.sha256, why)
        except ModelError as error:
            one = SetAside(current, "", f"{why}; {error}")
        self._attempt(
            lambda choice: replace(_back(choice), set_aside=(*choice.set_aside, one)[-REMEMBERED:])
        )
        self._tell(f"{_told(one)}; {self._now()} is used")

    def _change(self, change: Change) -> None:
        try:
            with self._lock:
                choice = change(self._choice)
                if self._place is not None:
                    slots.write_choice(self._place, choice)
                self._choice = choice
        except OSError as error:
            raise ModelError(
                f"{self._place}: the choice of the model cannot be written: "
                f"{error.strerror or error}: make room, or correct the permissions"
            ) from error
        self._clear()

    def _attempt(self, change: Change) -> None:
        """As `_change`, but it holds for this run also where it cannot be written."""
        try:
            self._change(change)
        except EdgedError as error:
            log.error("%s", error)
            self._choice = change(self._choice)

    def _clear(self) -> None:
        """Remove what no choice names: the slot before the last good one, and what a crash left."""
        if self._place is None:
            return
        kept = {self._choice.current, self._choice.good, *self._staged}
        for name in slots.all_slots(self._place):
            if name not in kept:
                slots.discard(self._place, name)

    def _tell(self, problem: str) -> None:
        self.problem = problem
        log.error("%s", problem)


def _back(choice: Choice) -> Choice:
    """Without the current slot: the last good one, which has passed its probation."""
    return replace(
        choice,
        current=choice.good,
        good=None,
        probation=False,
        starts=0,
        instead_of=choice.instead_of if choice.good is not None else None,
    )


def _last_good(choice: Choice) -> str | None:
    """Of the models until now."""
    return choice.good if choice.probation else choice.current


def _to_configured(choice: Choice) -> Choice:
    return replace(
        choice,
        current=None,
        good=_last_good(choice),
        instead_of=None,
        probation=False,
        starts=0,
    )


def _told(one: SetAside) -> str:
    return f"model {one.name} was set aside: {one.why}"
