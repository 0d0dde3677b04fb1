"""Inputs: a button or a motion sensor on its pin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edged.ports.gpio.factory import pin_errors

if TYPE_CHECKING:
    from edged.config.schema import InputConfig


class Input:
    """Watches a pin: the pin factory's thread calls, at the edge that the chip saw."""

    def __init__(
        self,
        config: InputConfig,
        factory: Any,
        changed: Callable[[bool, bool], None],
        lost: Callable[[Input, str], None],
    ) -> None:
        """Opens the pin. PortError where it cannot be had now, ConfigError where it is none.

        `changed` hears whether it is active, and whether that is an edge: at once, which is none,
        then at each, in a thread of the pin's. `lost` hears there why it is not watched any more.
        """
        from gpiozero import DigitalInputDevice

        self.config = config
        pull_up = {"up": True, "down": False, "none": None}[config.pull]
        with pin_errors(factory, f'input "{config.name}"', config.pin):
            self._device = DigitalInputDevice(
                config.pin,
                pull_up=pull_up,
                active_state=config.active_high if pull_up is None else None,
                bounce_time=config.bounce_s or None,
                pin_factory=factory,
            )
        self._device.pin.when_lost = lambda error: lost(
            self, f'input "{config.name}": {error.strerror or error}; check the GPIO chip'
        )
        # gpiozero derives the active level from the pull; a contact that opens when it is
        # pressed is active at the level of its pull, which is gpiozero's inactive.
        inverted = pull_up == config.active_high
        in_order = threading.Lock()

        def tell(active: bool) -> None:
            with in_order:
                changed(active, True)

        self._device.when_activated = lambda: tell(not inverted)
        self._device.when_deactivated = lambda: tell(inverted)
        with in_order:
            # By the latest edge, which may not be told yet: the pin itself may be past it.
            changed((self._device.active_time is None) == inverted, False)

    def close(self) -> None:
        """Let go of the pin, also of one that does not answer any more."""
        with suppress(OSError):
            self._device.close()
