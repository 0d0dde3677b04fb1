"""The value of an output over time, by its rule and by hand, and its representation on the pin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edged.config.schema import OutputConfig
    from edged.core import Event


def on_device(output: OutputConfig, value: float) -> float:
    """The value as the device shows it: a digital one has only 0 and 1."""
    if output.device in ("pwm", "servo"):
        return value
    return 1.0 if value >= 0.5 else 0.0


class Course:
    """A value, and a running pulse or blink, which the guard carries out.

    Pure: times are ``time.monotonic()`` seconds given by the caller. ``due_s`` is when `tick` has
    something to do, None if nothing is running.
    """

    def __init__(self, output: OutputConfig, value: float, due_s: float | None = None) -> None:
        self.value = value
        self.due_s = due_s
        self._output = output

    def tick(self, now_s: float) -> None:
        """End a pulse or change a blink's phase, if it is due."""
        if self.due_s is None or now_s < self.due_s:
            return
        if self._output.action == "pulse":
            self.value, self.due_s = 0.0, None
            return
        # The phases stay on their grid, however late this is and however long the machine slept.
        phases = (self._output.blink_off_s, self._output.blink_on_s)
        self.due_s += (now_s - self.due_s) // sum(phases) * sum(phases)
        while self.due_s <= now_s:
            self.value = 1.0 - self.value
            self.due_s += phases[int(self.value)]


class Drive(Course):
    """Determines the course of an output: by its rule, or a value set by hand. Also pure."""

    def __init__(self, output: OutputConfig) -> None:
        super().__init__(output, on_device(output, output.initial))
        self._active: bool | None = None
        self._held = False
        self._until_s: float | None = None
        self._before = self.value
        self._no_pictures = False

    def follow(self, active: bool, score: float, events: Sequence[Event], now_s: float) -> None:
        """Apply the rule's state at this frame, and the frame's events of all rules."""
        output = self._output
        if output.action == "pulse":
            if self._no_pictures and not self._held:
                self.value = 0.0
            self._no_pictures, self._active = False, active
            if any(self._starts_pulse(event) for event in events):
                self.value = 1.0
                self.due_s = now_s + output.pulse_s
            return
        changed = active != self._active or (self._no_pictures and not self._held)
        self._no_pictures, self._active = False, active
        if changed:
            self._held, self._until_s = False, None
        if self._held or output.action == "manual":
            return
        if output.action == "score":
            # Software PWM resolves a hundredth; finer steps would only cause messages.
            self.value = round(score, 2) if active else 0.0
        elif changed:
            self.value = 1.0 if active else 0.0
            blinks = active and output.action == "blink"
            self.due_s = now_s + output.blink_on_s if blinks else None

    def lose(self) -> None:
        """Frames have stopped: apply ``on_lost`` until the next one.

        A value set by hand while the rule was inactive stays.
        """
        wanted = self._output.on_lost
        if wanted == "keep" or self._output.action == "manual":
            return
        if self._held and not self._active:
            self._no_pictures = True
            return
        self.value = 0.0 if wanted == "off" else wanted
        self.due_s = None
        self._active = self._held = False
        self._until_s = None
        self._no_pictures = True

    def hold(self, value: float, until_s: float | None = None) -> None:
        """A value set by hand: it ends a pulse or a blink, and stays until the rule changes.

        Or until `until_s`: then the output returns to its rule's value, or to its previous one
        without a rule.
        """
        if self._until_s is None:
            self._before = self.value
        self.value = value
        self.due_s = None
        self._held, self._until_s = True, until_s

    def held_for_s(self, now_s: float) -> float | None:
        """How much longer a value set by hand stays; None without a time limit."""
        return None if self._until_s is None else self._until_s - now_s

    @property
    def held(self) -> bool:
        """Whether its value was set by hand."""
        return self._held

    def let_go(self, now_s: float) -> None:
        """End a value set by hand, if its time is over."""
        if self._until_s is None or now_s < self._until_s:
            return
        self._held, self._until_s = False, None
        if self._output.action == "manual":
            self.value = self._before
        elif self._no_pictures:
            self.lose()
        else:
            follows = self._output.action != "pulse" and self._active
            self.value = 1.0 if follows else 0.0
            # The next frame starts a blink, or sets a score.
            self._active = None

    def _starts_pulse(self, event: Event) -> bool:
        output = self._output
        return event.rule == output.rule and (
            output.on == "both" or (output.on == "enter") == event.active
        )
