"""Inputs: a button or a motion sensor asks for something as somebody would over MQTT."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from edged.commands import Asker, Reply, Request, open_to
from edged.config.schema import InputConfig
from edged.mailbox import Mailbox
from edged.ports.gpio.factory import pin_errors

logger = logging.getLogger(__name__)


class GpioInputs:
    """Watches the input pins; each activation leaves a request in the mailbox.

    The pin factory's thread calls, at the edge that the chip saw; nothing is polled.
    """

    def __init__(self, factory: Any, inputs: Sequence[InputConfig], mailbox: Mailbox) -> None:
        """`factory` is that of `edged.ports.gpio.factory.open_factory`; None watches nothing."""
        self._factory = factory
        self._configs = inputs
        self._mailbox = mailbox
        self._opened = ExitStack()

    def __enter__(self) -> GpioInputs:
        """Open all pins. ConfigError if one cannot be used."""
        if self._factory is None:
            return self
        with ExitStack() as opened:
            for config in self._configs:
                opened.callback(self._open(config).close)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    def _open(self, config: InputConfig) -> Any:
        from gpiozero import DigitalInputDevice

        pull_up = {"up": True, "down": False, "none": None}[config.pull]
        with pin_errors(self._factory, f'input "{config.name}"', config.pin):
            device = DigitalInputDevice(
                config.pin,
                pull_up=pull_up,
                active_state=config.active_high if pull_up is None else None,
                bounce_time=config.bounce_s or None,
                pin_factory=self._factory,
            )
        # gpiozero derives the active level from the pull; a contact that opens when it is
        # pressed is active at the level of its pull, which is gpiozero's inactive.
        if pull_up == config.active_high:
            device.when_deactivated = self._asker(config)
        else:
            device.when_activated = self._asker(config)
        return device

    def _asker(self, config: InputConfig) -> Callable[[], None]:
        who = f"input {config.name}"
        command = open_to(Asker.INPUT)[config.action]()

        def log_refusal(reply: Reply) -> None:
            if reply.error is not None:
                logger.warning("%s: %s: %s", who, config.action, reply.error)

        def ask() -> None:
            self._mailbox.post(Request(command, who, log_refusal, publish=True))

        return ask
