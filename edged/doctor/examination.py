"""The examination: every part, in the order in which a person would look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edged.cameras.auto import detect
from edged.config.schema import Config
from edged.doctor import board, broker, camera, model, pins, service
from edged.health import temperature_c
from edged.journal.paths import journal_path
from edged.messages.doctor import Finding
from edged.paths import running_socket
from edged.ports.control.client import ControlClient, DaemonError


class Patient:
    """What is examined: a configuration, and its daemon if that answers.

    ``problems`` are the configuration's, a line each. ``status`` is the daemon's answer, None where
    there is none, for the reason ``absent``.
    """

    def __init__(self, config: Config, problems: Sequence[str] = ()) -> None:
        self.config = config
        self.problems = problems
        self.status: Mapping[str, Any] | None = None
        self.absent = "the daemon cannot be asked; set control.enabled = true"
        if config.control.enabled:
            try:
                reply, _ = ControlClient(running_socket(config)).ask("status")
                self.status = reply["data"]
            except DaemonError as error:
                self.absent = str(error)


def examine(patient: Patient) -> Iterator[Finding]:
    """All findings, as they come: the slowest parts take seconds."""
    config, status = patient.config, patient.status
    runs = status is not None
    for problem in patient.problems:
        yield Finding("configuration", "error", problem)
    if not patient.problems:
        yield Finding("configuration", "ok", "the configuration is valid")
    yield from service.daemon(status, patient.absent)
    yield from service.others()
    yield from service.unit()
    yield from board.power()
    yield from board.temperature(temperature_c())
    yield from board.memory()
    yield from board.disk(journal_path(config.journal, config.device).parent)
    yield from board.wear()
    yield from board.wall_clock()
    yield from model.look(config, runs=runs)
    if status is not None:
        yield from camera.running(status, config.camera)
    else:
        kind = detect() if config.camera.kind == "auto" else config.camera.kind
        yield from camera.own(config.camera, kind)
    yield from pins.look(config, runs=runs, pins_error=status["pins_error"] if status else None)
    yield from broker.look(config, status)
