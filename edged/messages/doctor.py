"""What `edged doctor` finds on this machine."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edged.messages.message import Message

Level: TypeAlias = Literal["ok", "note", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    id: Annotated[str, Meta(description="names the kind of finding; docs/doctor.md lists them")]
    level: Annotated[
        Level,
        Meta(description="error: edged does not work as configured until this is corrected"),
    ]
    what: Annotated[str, Meta(description="what was found")]
    advice: Annotated[str, Meta(description="what to do; empty where nothing need be done")] = ""


class DoctorMessage(Message, frozen=True, kw_only=True):
    """The result of an examination of this machine, with this configuration."""

    version: str
    machine: str
    findings: list[Finding]
