"""What a daemon has before anything slow is imported: a configuration, and a guard of its pins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edged.config.load import load
from edged.mailbox import Mailbox
from edged.paths import opened_outputs

if TYPE_CHECKING:
    from edged.config.schema import Config
    from edged.ports.gpio.port import GpioPort


class Opening:
    """Reads the configuration, and opens the pins when it is first entered; exit closes them.

    ``pins`` is None where no output or input is configured: then no guard is started.
    """

    def __init__(self, path: Path | None, overrides: Sequence[str] = ()) -> None:
        """ConfigError."""
        self.path = path
        self.overrides = overrides
        self.config: Config = load(path, overrides, os.environ)
        self.mailbox = Mailbox()
        self.pins: GpioPort | None = None
        self._stack = ExitStack()
        self._entered = False

    def __enter__(self) -> Opening:
        """Let the guard open the pins, beside all else that a start takes.

        Which outputs these are is written down, for `edged safe-outputs`. PortError.
        """
        if self._entered:
            return self
        self._entered = True
        config, written_down = self.config, opened_outputs(self.path)
        if not (config.output or config.input):
            # Of an earlier configuration, whose outputs are nobody's any more.
            written_down.unlink(missing_ok=True)
            return self
        from edged.guard.process import GuardProcess
        from edged.ports.gpio import opened
        from edged.ports.gpio.port import GpioPort

        outputs = opened.OpenedOutputs(config.gpio, config.output)
        with ExitStack() as unless_opened:
            unless_opened.enter_context(opened.written(written_down, outputs))
            self.pins = unless_opened.enter_context(
                GpioPort(config.gpio, config.output, config.input, self.mailbox, GuardProcess)
            )
            self._stack = unless_opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
