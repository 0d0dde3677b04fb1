"""gpiozero's pins over libgpiod: any Linux GPIO chip, its lines by number or name.

Imported only if these pins are used: gpiozero and gpiod take tens of milliseconds.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from types import MethodType
from typing import Any
from weakref import WeakMethod, ref

import gpiod
from gpiod.line import Bias, Direction, Edge, Value
from gpiozero import BoardInfo, Factory, HeaderInfo, Pin, PinInfo
from gpiozero.exc import (
    PinInvalidBounce,
    PinInvalidEdges,
    PinInvalidFunction,
    PinInvalidPin,
    PinInvalidPull,
    PinInvalidState,
    PinPWMFixedValue,
    PinSetInput,
)

from edged.ports.gpio.chips import Chip, find_chips, select_chip
from edged.ports.gpio.software_pwm import SoftwarePwm

CONSUMER = "edged"
JOIN_S = 1.0

BIASES = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "floating": Bias.DISABLED}
EDGES = {"both": Edge.BOTH, "rising": Edge.RISING, "falling": Edge.FALLING, "none": Edge.NONE}


class ChipsInfo(BoardInfo):
    """The chips in gpiozero's model of a board: each chip is a header, each line a pin of it.

    A pin's names are ``chip:line``, with any name of the chip and the line's number or name, and
    the bare number or name on the chips in `bare`. Several lines may share a name. ``denied`` are
    the chips without permission.
    """

    denied: Sequence[str] = ()

    @classmethod
    def from_chips(cls, chips: Iterable[Chip], bare: Iterable[Chip]) -> ChipsInfo:
        bare = list(bare)
        headers = {chip.names[0]: _header(chip, chip in bare) for chip in chips}
        fields: dict[str, Any] = dict.fromkeys(BoardInfo._fields, "")
        fields.update(model=", ".join(map(str, bare)), headers=headers)
        return cls(**fields)

    @property
    def description(self) -> str:
        return str(self.model)


def _header(chip: Chip, bare: bool) -> HeaderInfo:
    pins = {}
    for offset, line in enumerate(chip.lines):
        lines = {str(offset), line} - {""}
        names: set[int | str] = {f"{c}:{n}" for c in (*chip.names, chip.label) for n in lines}
        if bare:
            names |= {offset, *lines}
            if chip.is_header:
                names.add(f"GPIO{offset}")
        pins[offset] = PinInfo(
            number=offset,
            name=f"{chip.names[0]}:{offset}",
            names=frozenset(names),
            pull="",
            row=offset + 1,
            col=1,
            interfaces=frozenset({"gpio"}),
        )
    return HeaderInfo(name=str(chip), rows=len(pins), columns=1, pins=pins)


class GpiodFactory(Factory):
    """Makes `GpiodPin`s.

    `chip` is where bare line numbers and names are looked up: a path, name, number or label. If it
    is empty, that is the Raspberry Pi's header if there is one, else every chip. PortError if there
    is no such chip or none may be opened, ConfigError if several have its label.
    """

    def __init__(self, chip: str = "") -> None:
        super().__init__()
        chips = find_chips()
        self.chips = chips.found
        bare: Sequence[Chip] = [c for c in self.chips if c.is_header] or self.chips
        if chip:
            bare = [select_chip(self.chips, chip)]
        self._info = ChipsInfo.from_chips(self.chips, bare)
        if not chip:
            self._info.denied = chips.denied
        self._paths = {c.names[0]: c.path for c in self.chips}
        self._pins: dict[str, GpiodPin] = {}

    def pin(self, name: int | str) -> GpiodPin:
        for _, info in self._info.find_pin(name):
            if info.name not in self._pins:
                path = self._paths[info.name.partition(":")[0]]
                self._pins[info.name] = GpiodPin(self, info, path)
            return self._pins[info.name]
        raise PinInvalidPin(f"{name} is not a line of {self._info.description}")

    def close(self) -> None:
        for pin in self._pins.values():
            pin.close()
        self._pins.clear()

    @staticmethod
    def ticks() -> float:
        return time.monotonic()

    @staticmethod
    def ticks_diff(later: float, earlier: float) -> float:
        return later - earlier

    def _get_board_info(self) -> ChipsInfo:
        return self._info


class GpiodPin(Pin):
    """One line, requested from the kernel at its first use and released by `close`.

    The level of a released output depends on the chip's driver. ``when_lost`` is called, in the
    pin's own thread, when its edges are no longer seen because the chip is gone.
    """

    when_lost: Callable[[OSError], None] | None = None

    def __init__(self, factory: GpiodFactory, info: PinInfo, path: str) -> None:
        super().__init__()
        self._factory = factory
        self._info = info
        self._path = path
        self._offset: int = info.number
        # Two threads must not use a request at once: the threads are the caller, PWM and edges.
        self._lock = threading.RLock()
        self._request: gpiod.LineRequest | None = None
        self._function = "input"
        self._pull = "floating"
        self._edges = "both"
        self._bounce_s: float | None = None
        self._when_changed: Callable[[], Callable[[float, int], None] | None] | None = None
        self._watch: _EdgeWatch | None = None
        self._pwm: SoftwarePwm | None = None

    def __repr__(self) -> str:
        return str(self._info.name)

    def close(self) -> None:
        self._set_when_changed(None)
        self._set_frequency(None)
        with self._lock:
            if self._request is not None:
                self._request.release()
            self._request = None
            self._function, self._pull, self._bounce_s = "input", "floating", None

    def output_with_state(self, state: bool | float) -> None:
        self._make_output(Value.ACTIVE if state else Value.INACTIVE)

    def _make_output(self, value: Value) -> None:
        self._configure(gpiod.LineSettings(direction=Direction.OUTPUT, output_value=value))
        self._function = "output"

    def _make_input(self) -> None:
        watched = EDGES[self._edges] if self._watch is not None else Edge.NONE
        self._configure(
            gpiod.LineSettings(
                direction=Direction.INPUT,
                bias=BIASES[self._pull],
                edge_detection=watched,
                debounce_period=timedelta(seconds=self._bounce_s or 0.0),
            )
        )
        self._function = "input"

    def _configure(self, settings: gpiod.LineSettings) -> gpiod.LineRequest:
        with self._lock:
            if self._request is not None:
                self._request.reconfigure_lines({self._offset: settings})
                return self._request
            try:
                self._request = gpiod.request_lines(
                    self._path, {self._offset: settings}, consumer=CONSUMER
                )
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                raise OSError(errno.EBUSY, f"in use by {self._consumer()}") from error
            return self._request

    def _consumer(self) -> str:
        """The consumer of the line, by the name that it gave to the kernel."""
        with gpiod.Chip(self._path) as chip:
            return chip.get_line_info(self._offset).consumer or "the kernel"

    def _requested(self) -> gpiod.LineRequest:
        # The existing direction and level of a line must not change.
        return self._request or self._configure(gpiod.LineSettings(direction=Direction.AS_IS))

    def _level(self) -> Value:
        with self._lock:
            return self._requested().get_value(self._offset)

    def _switch(self, high: bool) -> None:
        with self._lock:
            if self._request is not None:
                self._request.set_value(self._offset, Value.ACTIVE if high else Value.INACTIVE)

    def _get_info(self) -> PinInfo:
        return self._info

    def _get_function(self) -> str:
        return self._function

    def _set_function(self, value: str) -> None:
        if value not in ("input", "output"):
            raise PinInvalidFunction(f'invalid function "{value}" for pin {self!r}')
        if value == "input":
            self._set_frequency(None)
            self._make_input()
        elif self._function != "output":
            self._make_output(self._level())

    def _get_state(self) -> float:
        return self._pwm.duty if self._pwm is not None else int(bool(self._level()))

    def _set_state(self, value: float) -> None:
        if self._function != "output":
            raise PinSetInput(f"cannot set state of pin {self!r}")
        if not 0.0 <= value <= 1.0:
            raise PinInvalidState(f'invalid state "{value}" for pin {self!r}')
        if self._pwm is not None:
            self._pwm.duty = float(value)
        else:
            self._switch(bool(value))

    def _get_pull(self) -> str:
        return self._pull

    def _set_pull(self, value: str) -> None:
        if value not in BIASES:
            raise PinInvalidPull(f'invalid pull "{value}" for pin {self!r}')
        self._pull = value
        self._make_input()

    def _get_frequency(self) -> float | None:
        return None if self._pwm is None else self._pwm.frequency_hz

    def _set_frequency(self, value: float | None) -> None:
        if not value:
            if self._pwm is not None:
                self._pwm.close()
            self._pwm = None
        elif self._pwm is not None:
            self._pwm.frequency_hz = value
        elif self._function != "output":
            raise PinPWMFixedValue(f"cannot start PWM on pin {self!r}")
        else:
            self._pwm = SoftwarePwm(self._switch, value, float(bool(self._level())))

    def _get_bounce(self) -> float | None:
        return self._bounce_s

    def _set_bounce(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise PinInvalidBounce("bounce must be 0 or greater")
        self._bounce_s = value
        self._make_input()

    def _get_edges(self) -> str:
        return self._edges

    def _set_edges(self, value: str) -> None:
        if value not in EDGES:
            raise PinInvalidEdges(f'invalid edges "{value}" for pin {self!r}')
        self._edges = value
        if self._watch is not None:
            self._make_input()

    def _get_when_changed(self) -> Callable[[float, int], None] | None:
        return None if self._when_changed is None else self._when_changed()

    def _set_when_changed(self, value: Callable[[float, int], None] | None) -> None:
        # Weak, as in gpiozero's own pins: an unreferenced device must be collectable.
        if value is None:
            self._when_changed = None
            if self._watch is not None:
                self._watch.close()
                self._watch = None
                self._make_input()
            return
        self._when_changed = WeakMethod(value) if isinstance(value, MethodType) else ref(value)
        if self._watch is None:
            self._watch = _EdgeWatch(self._requested(), self._lock, self._changed, self._lost)
            self._make_input()
            self._watch.start()

    def _changed(self, at_s: float, state: int) -> None:
        if call := self._get_when_changed():
            call(at_s, state)

    def _lost(self, error: OSError) -> None:
        if self.when_lost is not None:
            self.when_lost(error)


class _EdgeWatch:
    """The thread that waits for the edges of one request."""

    def __init__(
        self,
        request: gpiod.LineRequest,
        lock: AbstractContextManager[bool],
        changed: Callable[[float, int], None],
        lost: Callable[[OSError], None],
    ) -> None:
        self._request = request
        self._lock = lock
        self._changed = changed
        self._lost = lost
        self._stop_fd = os.eventfd(0)
        self._thread = threading.Thread(target=self._run, name="gpio-edges", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        os.eventfd_write(self._stop_fd, 1)
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)
        if not self._thread.is_alive():
            os.close(self._stop_fd)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._request.fd, select.POLLIN)
        poll.register(self._stop_fd, select.POLLIN)
        try:
            while True:
                if any(fd == self._stop_fd for fd, _ in poll.poll()):
                    return
                with self._lock:
                    events = self._request.read_edge_events()
                for event in events:
                    rising = event.event_type is event.Type.RISING_EDGE
                    self._changed(event.timestamp_ns / 1e9, int(rising))
        except OSError as error:
            self._lost(error)
