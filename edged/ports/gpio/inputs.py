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
    """Watches a pin: the pin factory's thread calls at each edge."""

    def __init__(
        self,
        config: InputConfig,
        factory: Any,
        changed: Callable[[bool, bool], None],
        lost: Callable[[Input, str], None],
    ) -> None:
        """Opens the pin.

        PortError if it is unavailable now, ConfigError if it does not exist. `changed` is called
        with whether it is active, and whether that is an edge: once at the start, which is not an
        edge, then at each edge, in the pin's thread. `lost` is called there with why it is no
        longer watched.
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
            # By the latest reported edge: the pin itself may have changed since.
            changed((self._device.active_time is None) == inverted, False)

    def close(self) -> None:
        """Release the pin, even one that no longer answers."""
        with suppress(OSError):
            self._device.close()
