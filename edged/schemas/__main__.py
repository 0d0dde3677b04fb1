"""Write the schemas anew from the types."""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from edged.ports.mqtt.payloads import PAYLOADS, Payload
from edged.schemas import path


def generate(name: str) -> dict[str, Any]:
    """The schema of the message `name`, from its type.

    The type is the document itself and not a reference into it, so that a person sees it first.
    """
    (_, *_), definitions = msgspec.json.schema_components(
        [PAYLOADS[name]], ref_template="#/$defs/{name}"
    )
    if issubclass(PAYLOADS[name], Payload):
        for definition in definitions.values():
            # What leaves has every field, also one that holds its default.
            definition["required"] = list(definition["properties"])
            for field in definition["properties"].values():
                field.pop("default", None)
    for definition in definitions.values():
        if "description" in definition:
            # Python before 3.13 keeps the indentation of docstrings.
            definition["description"] = inspect.cleandoc(definition["description"])
    own = definitions.pop(PAYLOADS[name].__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **own,
        **({"$defs": definitions} if definitions else {}),
    }


if __name__ == "__main__":
    for name in PAYLOADS:
        text = json.dumps(generate(name), indent=2, ensure_ascii=False)
        path(name).write_text(text + "\n", encoding="utf-8")
