"""What a daemon sets up before slow imports: the configuration, and the guard of its pins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from edged.config.load import load
from edged.guard import process
from edged.mailbox import Mailbox
from edged.paths import opened_outputs
from edged.ports.gpio import opened
from edged.ports.gpio.port import GpioPort


class Opening:
    """Reads the configuration, and opens the pins when it is first entered; exit closes them."""

    def __init__(self, path: Path | None, overrides: Sequence[str] = ()) -> None:
        """ConfigError."""
        self.path = path
        self.overrides = overrides
        self.config = config = load(path, overrides, os.environ)
        self.mailbox = Mailbox()
        self.pins = GpioPort(
            config.gpio, config.output, config.input, self.mailbox, process.GuardProcess
        )
        self._stack = ExitStack()
        self._entered = False

    def __enter__(self) -> Opening:
        """Let a guard open the pins, if any, in parallel with the rest of the start.

        The outputs are recorded for `edged safe-outputs`. PortError.
        """
        if self._entered:
            return self
        self._entered = True
        config, written_down = self.config, opened_outputs(self.path)
        with ExitStack() as unless_opened:
            if config.output or config.input:
                outputs = opened.OpenedOutputs(config.gpio, config.output)
                unless_opened.enter_context(opened.written(written_down, outputs))
            else:
                # Of an earlier configuration, whose outputs no process owns any longer.
                written_down.unlink(missing_ok=True)
            unless_opened.enter_context(self.pins)
            self._stack = unless_opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
