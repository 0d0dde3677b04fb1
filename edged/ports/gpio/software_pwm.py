"""Pulse-width modulation in a thread, for lines without hardware PWM."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

JOIN_S = 1.0


class SoftwarePwm:
    """Switches a line on for a share of each period.

    A duty of 0 or 1 is a steady level and costs nothing. In between, the thread wakes twice per
    period, and the latency of a wake-up (0.1 ms when idle, up to some milliseconds under load) is
    jitter of the pulse. Pulses begin on a grid, so they do not drift.
    """

    def __init__(self, switch: Callable[[bool], None], frequency_hz: float, duty: float) -> None:
        """`switch` sets the line's level; its OSError ends the thread and is logged."""
        self._switch = switch
        self._period_s = 1.0 / frequency_hz
        self._duty = duty
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def frequency_hz(self) -> float:
        return 1.0 / self._period_s

    @frequency_hz.setter
    def frequency_hz(self, value: float) -> None:
        self._period_s = 1.0 / value

    @property
    def duty(self) -> float:
        return self._duty

    @duty.setter
    def duty(self, value: float) -> None:
        with self._changed:
            self._duty = value
            if value in (0.0, 1.0):
                self._switch(value == 1.0)
            elif self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="gpio-pwm", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Stop at a steady level: high for a duty of 1, else low."""
        with self._changed:
            self._closed.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        self._switch(self._duty == 1.0)

    def _run(self) -> None:
        try:
            with self._changed:
                self._modulate()
        except OSError as error:
            logger.error("PWM has stopped: %s; check the GPIO chip", error)

    def _modulate(self) -> None:
        start_s = time.monotonic()
        while not self._closed.is_set():
            if self._duty in (0.0, 1.0):
                self._changed.wait()
                start_s = time.monotonic()
                continue
            self._switch(True)
            # From now, not from the grid: a servo measures the width, however late the pulse is.
            interrupted = self._changed.wait(self._duty * self._period_s)
            if self._closed.is_set():
                return
            if not interrupted or self._duty < 1.0:
                self._switch(False)
            start_s = max(start_s + self._period_s, time.monotonic() - self._period_s)
            low_s = start_s - time.monotonic()
            if low_s > 0:
                self._changed.wait(low_s)
