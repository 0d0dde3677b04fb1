"""The daemon without its threads, files and sockets: what must hold after each thing that happens.

For `tests.test_whole_daemon`. Plain: no time passes in it, and a frame is seen whenever one can be.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

LABELS = {"cat": "cat", "rocket": "ship"}
"""What the bundled model sees on each sound picture of tests/pictures; the names of its rules."""

Events = list[tuple[str, bool]]
"""A rule's name, and whether it became active, in the order of their numbers."""


class Wanted(Struct, frozen=True):
    """What a configuration says, of what the machine changes in it."""

    strict: bool = False
    """Thresholds that no score reaches."""
    cat: bool = True
    """Whether there is a rule of this name, which drives the lamp."""
    rocket: bool = False
    """Whether there is a rule of this name."""
    idles: bool = False
    other_labels: bool = False
    """Labels without that of the rocket."""
    threads: int = 1
    fps: int = 50
    """Needs a restart."""


OPTIONS = {
    "strict": ["decide.enter", "decide.exit"],
    "cat": ["rule", "output"],
    "rocket": ["rule"],
    "idles": ["idle.after_s"],
    "other_labels": ["model.labels"],
    "threads": ["model.threads"],
    "fps": ["camera.fps"],
}
"""The options of edged that each of these is."""


class Seen(NamedTuple):
    """What a frame has shown: the scene, and of each rule whether it is active."""

    scene: str | None
    rules: dict[str, bool]


NOTHING_YET = Seen(None, {})


class Model:
    """What is true from a start of the daemon to its end."""

    def __init__(self, wanted: Wanted, picture: str) -> None:
        """`picture` is cat, rocket, damaged or none."""
        self.in_force = wanted
        self.picture = picture
        self.paused = False
        self.seen = NOTHING_YET
        """As the daemon has it."""
        self.told: Seen | None = None
        """What was published; None while nothing was in this run."""
        self.events: Events = []
        self.looks = 0
        """How many frames had something new to show."""
        self.lamp = self.bell = 0.0
        self._active = dict.fromkeys(_rules(wanted), False)
        self._ended: list[str] = []
        self._rule_held = False
        self._lamp_follows: bool | None = None
        self._lamp_by_hand = False
        self._look()

    @property
    def idle(self) -> bool:
        """Nobody has woken it for long, and no rule is active."""
        return self.in_force.idles and not self._rule_held

    @property
    def awake(self) -> bool:
        """Whether it decides on frames."""
        return not self.paused and not self.idle

    @property
    def sound(self) -> bool:
        """Whether the camera's picture can be read."""
        return self.picture in LABELS

    @property
    def label(self) -> str:
        """What the model sees on a sound picture."""
        if self.in_force.other_labels and self.picture == "rocket":
            return OTHER_LABEL
        return LABELS[self.picture]

    def show(self, picture: str) -> None:
        """Another picture stands before the camera."""
        self.picture = picture
        if self.awake:
            self._look()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._look()

    def wake(self) -> None:
        if not self.paused:
            self._look()

    def reload(self, wanted: Wanted) -> list[str] | None:
        """What is answered to a reload: the options that wait for a restart; None refuses."""
        if not wanted.cat:
            # The lamp, which waits for a restart, names that rule: all or nothing.
            return _changed(self.in_force, wanted)
        if wanted.rocket and wanted.other_labels:
            return None
        old, self.in_force = self.in_force, replace(wanted, fps=self.in_force.fps)
        rules = _rules(wanted)
        self._ended += [
            name for name, active in self._active.items() if active and name not in rules
        ]
        self._active = {name: self._active.get(name, False) for name in rules}
        if old.other_labels != wanted.other_labels or _rules(old) != rules:
            self.seen = self.told = NOTHING_YET
        if self.awake:
            self._look()
        return _changed(self.in_force, wanted)

    def set_output(self, name: str, value: float) -> None:
        """Somebody sets an output by hand."""
        if name == "lamp":
            self.lamp, self._lamp_by_hand = value, True
        else:
            self.bell = value

    def stop(self) -> None:
        """What held ends, in the order of the rules."""
        self._end()

    def lose(self) -> None:
        """The camera has been away for long; the frames go on at once."""
        self._end()
        self.seen = self.told = NOTHING_YET
        self._rule_held = False
        if not self._lamp_by_hand or self._lamp_follows:
            self.lamp, self._lamp_follows, self._lamp_by_hand = 0.0, False, False
        if self.awake:
            self._look()

    @property
    def held(self) -> set[str]:
        """The rules that somebody believes to hold who hears the events."""
        return {name for name, active in self._active.items() if active} | set(self._ended)

    def _end(self) -> None:
        held = [name for name, active in self._active.items() if active]
        self.events += [(name, False) for name in (*self._ended, *held)]
        self._ended = []
        self._active = dict.fromkeys(self._active, False)

    def left_at(self) -> dict[str, float]:
        """The outputs after a clean stop: the bell keeps its level."""
        return {"lamp": 0.0, "bell": self.bell}

    def _look(self) -> None:
        """A frame, if there is one."""
        if not self.sound:
            return
        self.looks += 1
        holds = {name: name == self.picture and not self.in_force.strict for name in self._active}
        self.events += [(name, False) for name in self._ended]
        self.events += [(name, now) for name, now in holds.items() if now != self._active[name]]
        self._ended = []
        self._active = holds
        scene = next((name for name, active in holds.items() if active), self.label)
        self.seen = self.told = Seen(scene, holds)
        self._rule_held = any(holds.values())
        if holds["cat"] != self._lamp_follows:
            self._lamp_follows, self._lamp_by_hand = holds["cat"], False
        if not self._lamp_by_hand:
            self.lamp = float(holds["cat"])


OTHER_LABEL = "boat"


def _rules(wanted: Wanted) -> list[str]:
    return [name for name in LABELS if getattr(wanted, name)]


def _changed(old: Wanted, new: Wanted) -> list[str]:
    """Each once, in alphabetical order."""
    names: set[str] = set()
    for field, options in OPTIONS.items():
        before: Any = getattr(old, field)
        if before != getattr(new, field):
            names.update(options)
    return sorted(names)
