"""Generate the schemas from the types."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from edged.commands import COMMANDS, union
from edged.evaluation.calibrate import Calibration
from edged.evaluation.comparison import Comparison
from edged.evaluation.document import Evaluation
from edged.evaluation.quantization import Quantization
from edged.messages.cloudevents import CloudEvent
from edged.messages.device import HealthMessage, OutputMessage, ThresholdsMessage
from edged.messages.doctor import DoctorMessage
from edged.messages.events import EventMessage, GapMessage
from edged.messages.frigate import FrigateMessage
from edged.messages.machine import BenchMessage, VersionMessage
from edged.messages.models import (
    FetchedMessage,
    LabelMessage,
    ListedMessage,
    ModelMessage,
    VerifiedMessage,
)
from edged.messages.recordings import RecordedMessage, ReplayedMessage, TunedMessage
from edged.messages.replies import ReplyMessage
from edged.messages.results import (
    ClassificationMessage,
    FoundMessage,
    PictureMessage,
    SharedMessage,
    StateMessage,
)
from edged.messages.review import ReviewAnswer
from edged.messages.schemas import path
from edged.messages.why import WhyAnswer

SAID: Mapping[str, type[msgspec.Struct]] = {
    "state": StateMessage,
    "event": EventMessage,
    "gap": GapMessage,
    "cloudevent": CloudEvent,
    "frigate": FrigateMessage,
    "classification": ClassificationMessage,
    "shared": SharedMessage,
    "picture": PictureMessage,
    "found": FoundMessage,
    "health": HealthMessage,
    "output": OutputMessage,
    "thresholds": ThresholdsMessage,
    "reply": ReplyMessage,
    "recorded": RecordedMessage,
    "replayed": ReplayedMessage,
    "tuned": TunedMessage,
    "why": WhyAnswer,
    "review": ReviewAnswer,
    "listed": ListedMessage,
    "label": LabelMessage,
    "model": ModelMessage,
    "fetched": FetchedMessage,
    "verified": VerifiedMessage,
    "evaluation": Evaluation,
    "comparison": Comparison,
    "quantization": Quantization,
    "calibration": Calibration,
    "bench": BenchMessage,
    "doctor": DoctorMessage,
    "version": VersionMessage,
}
"""Outgoing messages, by the name in the schemas' file names."""

NAMES = (*SAID, "command")
"""All names; a command is incoming."""


def generate(name: str) -> dict[str, Any]:
    """The schema of the message `name`, from its type.

    The type is inlined rather than referenced, so that a person sees it first.
    """
    kind: Any = SAID[name] if name in SAID else union(COMMANDS)
    (schema,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if name in SAID:
            # Outgoing messages have every field, even one with its default.
            definition["required"] = list(definition["properties"])
            for field in definition["properties"].values():
                field.pop("default", None)
        if "description" in definition:
            # Python before 3.13 keeps the indentation of docstrings.
            definition["description"] = inspect.cleandoc(definition["description"])
    own = definitions.pop(kind.__name__) if name in SAID else schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **own,
        **({"$defs": definitions} if definitions else {}),
    }


if __name__ == "__main__":
    for name in NAMES:
        text = json.dumps(generate(name), indent=2, ensure_ascii=False)
        path(name).write_text(text + "\n", encoding="utf-8")
