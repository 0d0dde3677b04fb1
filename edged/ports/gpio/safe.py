"""Sets outputs to their safe levels after the daemon has ended, however it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edged.errors import EdgedError
from edged.ports.gpio.factory import choose, open_factory, pin_errors
from edged.ports.gpio.outputs import safe_value

if TYPE_CHECKING:
    from edged.config.schema import GpioConfig, OutputConfig


def put_outputs_safe(gpio: GpioConfig, outputs: Sequence[OutputConfig]) -> list[str]:
    """Set each output to its ``on_exit`` level and release it; "keep" is not touched.

    A servo gets no pulses. One line for each output that failed; the others are set all the same.
    """
    leaving = [output for output in outputs if safe_value(output) is not None]
    if not leaving or choose(gpio) in ("mock", "none"):
        return []
    problems = []
    try:
        with open_factory(gpio) as factory:
            for output in leaving:
                try:
                    with pin_errors(factory, f'output "{output.name}"', output.pin):
                        factory.pin(output.pin).output_with_state(_exit_level(output))
                except EdgedError as error:
                    problems.append(str(error))
    except EdgedError as error:
        problems.append(str(error))
    return problems


def _exit_level(output: OutputConfig) -> bool:
    """True for high."""
    on = bool(safe_value(output))
    return False if output.device == "servo" else on == output.active_high
