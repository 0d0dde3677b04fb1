"""A port with a journal of its own, written to as the loop does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edged.config.schema import Config, HomeAssistantConfig, JournalConfig, MqttConfig, OutputConfig
from edged.core import CameraChanged, Ended, Report, Result
from edged.journal.journal import Journal
from edged.mailbox import Mailbox
from edged.ports.mqtt import MqttPort


class RecordedPort(MqttPort):
    """The port of the device ``porch``; its journal lies in `folder`.

    It says nothing to Home Assistant, for tests of all else, unless it is `announced`.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        folder: Path,
        mailbox: Mailbox,
        outputs: Sequence[str] = (),
        *,
        announced: bool = False,
        **more: Any,
    ) -> None:
        if not announced:
            mqtt = msgspec.structs.replace(mqtt, home_assistant=HomeAssistantConfig(enabled=False))
        self.journal = Journal("porch", JournalConfig(path=str(folder / "events.db")))
        memory = folder / "events.db.mqtt"
        config = Config(
            device="porch",
            mqtt=mqtt,
            **{"output": [OutputConfig(name=name, pin=pin) for pin, name in enumerate(outputs)]}
            | more,
        )
        super().__init__(config, self.journal, mailbox, memory=memory)

    def __enter__(self) -> RecordedPort:
        self.journal.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__()
        self.journal.__exit__()

    def write(self, report: Report) -> None:
        """Events get their numbers before the port hears of them."""
        if isinstance(report, Result | Ended | CameraChanged) and report.events:
            report = msgspec.structs.replace(report, events=self.journal.record(report.events))
        super().write(report)
