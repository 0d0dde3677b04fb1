"""What a daemon sets up before slow imports: configuration, pins, the camera's process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from edged.cameras.isolation.process import CameraProcess, is_isolated
from edged.config.load import load
from edged.errors import CameraError
from edged.guard import process
from edged.mailbox import Mailbox
from edged.paths import opened_outputs
from edged.ports.gpio import opened
from edged.ports.gpio.port import GpioPort


class Opening:
    """Reads the configuration; entered first, it opens the pins, and a camera's process begins.

    Exit closes the pins. ``camera`` is that process, where the camera runs in one.
    """

    def __init__(self, path: Path | None, overrides: Sequence[str] = ()) -> None:
        """ConfigError."""
        self.path = path
        self.overrides = overrides
        self.config = config = load(path, overrides, os.environ)
        self.mailbox = Mailbox()
        self.pins = GpioPort(
            config.gpio, config.output, config.input, self.mailbox, process.GuardProcess
        )
        self.camera: CameraProcess | None = None
        self._stack = ExitStack()
        self._entered = False

    def __enter__(self) -> Opening:
        """Let a guard open the pins, if any, in parallel with the rest of the start.

        A process for the camera starts, too. The outputs are recorded for `edged safe-outputs`.
        PortError.
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
            # One that cannot be started now is tried again, and told, when frames are wanted.
            with suppress(CameraError):
                if is_isolated(config.camera):
                    self.camera = CameraProcess(config.camera)
                    unless_opened.callback(self.camera.end)
            self._stack = unless_opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
