"""Prints, as a JSON Schema, what Home Assistant's own code takes as the description of a device.

Runs under the Python of `make home-assistant`. What Home Assistant checks beyond keys is written
here by hand, from its documentation and source.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

import voluptuous as vol
from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.mqtt import schemas
from homeassistant.components.mqtt.light.schema_template import DISCOVERY_SCHEMA_TEMPLATE
from homeassistant.components.sensor.const import DEVICE_CLASS_UNITS
from homeassistant.const import __version__

PLATFORMS = (
    *("binary_sensor", "button", "event", "image", "light", "number", "sensor", "switch"),
    "update",
)
DEPRECATED = {"object_id", "via_hub"}
ABBREVIATED = {"device": "dev", "origin": "o", "components": "cmps"}


def keys(schema: Any) -> dict[str, bool]:
    """The keys of a schema of voluptuous, and whether each is required."""
    if isinstance(schema, vol.All):
        return {key: need for one in schema.validators for key, need in keys(one).items()}
    if isinstance(schema, vol.Schema):
        return keys(schema.schema)
    if not isinstance(schema, dict):
        return {}
    return {
        str(getattr(key, "schema", key)): isinstance(key, vol.Required)
        and key.default is vol.UNDEFINED
        for key in schema
    }


def table(schema: Any, **known: Any) -> dict[str, Any]:
    """The JSON Schema of an object with the keys of `schema`; of `known` keys more is said."""
    found = {key: need for key, need in keys(schema).items() if key not in DEPRECATED}
    properties = {key: known.pop(key, {}) for key in sorted(found)} | known
    required = sorted(key for key, need in found.items() if need)
    return {"properties": properties, "required": required, "additionalProperties": False}


def platform(name: str) -> dict[str, Any]:
    """What a component of this platform may have."""
    module = importlib.import_module(f"homeassistant.components.mqtt.{name}")
    schema = DISCOVERY_SCHEMA_TEMPLATE if name == "light" else module.DISCOVERY_SCHEMA
    known: dict[str, Any] = {
        "platform": {"const": name},
        "default_entity_id": {"pattern": rf"^{name}\.[a-z0-9_]+$"},
        "entity_category": {"enum": ["diagnostic", "config"]},
    }
    if name in ("sensor", "binary_sensor"):
        known["entity_category"] = {"const": "diagnostic"}
    if name == "binary_sensor":
        known["device_class"] = {"enum": sorted(one.value for one in BinarySensorDeviceClass)}
    made = table(schema, **known)
    made["required"] += ["platform", "unique_id"]
    if name == "image":
        made["oneOf"] = [{"required": ["image_topic"]}, {"required": ["url_topic"]}]
    if name == "sensor":
        made["allOf"] = [
            {
                "if": {
                    "properties": {"device_class": {"const": one}},
                    "required": ["device_class"],
                },
                "then": {"properties": {"unit_of_measurement": {"enum": units(one)}}},
            }
            for one in ("data_size", "duration", "temperature")
        ]
    return made


def units(device_class: str) -> list[str]:
    """The units that a sensor of this class may have."""
    return sorted(str(unit) for unit in DEVICE_CLASS_UNITS[device_class] if unit)


def described() -> dict[str, Any]:
    """The whole message, with the abbreviations that edged uses at its root."""
    root = table(schemas.DEVICE_DISCOVERY_SCHEMA)
    properties = {ABBREVIATED.get(key, key): value for key, value in root["properties"].items()}
    properties["dev"] = table(schemas.MQTT_ENTITY_DEVICE_INFO_SCHEMA)
    properties["dev"]["anyOf"] = [{"required": ["identifiers"]}, {"required": ["connections"]}]
    properties["o"] = table(schemas.MQTT_ORIGIN_INFO_SCHEMA)
    removed = {"properties": {"platform": {"enum": PLATFORMS}}, "additionalProperties": False}
    properties["cmps"] = {
        "additionalProperties": {
            "oneOf": [
                removed,
                *({"$ref": f"#/$defs/{name}"} for name in PLATFORMS),
            ]
        },
        # A space separates names inside of Home Assistant.
        "propertyNames": {"pattern": "^[^ ]+$"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Keys of Home Assistant {__version__}, homeassistant/components/mqtt, printed "
        "by tests/home_assistant/keys.py; documented at "
        "https://www.home-assistant.io/integrations/mqtt",
        **root,
        "properties": properties,
        "required": ["cmps", "dev", "o"],
        "$defs": {name: platform(name) for name in PLATFORMS},
    }


def printed(value: Any, indent: str = "") -> str:
    """JSON with a line for each key of the outer levels only."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict) or len(line) < 90:
        return line
    inner = ",\n".join(
        f"{indent} {json.dumps(key)}: {printed(item, indent + ' ')}" for key, item in value.items()
    )
    return f"{{\n{inner}\n{indent}}}"


if __name__ == "__main__":
    print(printed(described()))
