"""Inputs: a button or a motion sensor asks for something as somebody would over MQTT."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edged.commands import Asker, Reply, Request, open_to
from edged.config.schema import InputConfig
from edged.mailbox import Mailbox
from edged.ports.gpio.factory import pin_errors

logger = logging.getLogger(__name__)


class Input:
    """Watches a pin; each activation leaves a request in the mailbox.

    The pin factory's thread calls, at the edge that the chip saw; nothing is polled.
    """

    def __init__(
        self,
        config: InputConfig,
        factory: Any,
        mailbox: Mailbox,
        lost: Callable[[Input, str], None],
    ) -> None:
        """Opens the pin. PortError where it cannot be had now, ConfigError where it is none.

        `lost` is called, in a thread of the pin's, with why it is not watched any more.
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
        self._inverted = pull_up == config.active_high
        if self._inverted:
            self._device.when_deactivated = _asker(config, mailbox)
        else:
            self._device.when_activated = _asker(config, mailbox)

    def close(self) -> None:
        """Let go of the pin, also of one that does not answer any more."""
        with suppress(OSError):
            self._device.close()

    @property
    def active(self) -> bool:
        """Whether it is pressed, or something moves, by the latest edge."""
        # Not ``is_active``, which reads the pin: a chip on a bus takes milliseconds.
        return (self._device.active_time is None) == self._inverted


def _asker(config: InputConfig, mailbox: Mailbox) -> Callable[[], None]:
    who = f"input {config.name}"
    command = open_to(Asker.INPUT)[config.action]()

    def log_refusal(reply: Reply) -> None:
        if reply.error is not None:
            logger.warning("%s: %s: %s", who, config.action, reply.error)

    def ask() -> None:
        mailbox.post(Request(command, who, log_refusal, publish=True))

    return ask
