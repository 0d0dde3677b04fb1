"""Home Assistant discovery: one message that describes the device.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload. Home Assistant rejects a
whole message for some mistakes and silently ignores others; docs/home-assistant.md lists the
entities.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from edged import __version__
from edged.commands import Asker, Command, Reload, SetThreshold, TakeSnapshot, name_of, open_to
from edged.config.schema import Config, OutputConfig, RuleConfig
from edged.config.thresholds import thresholds
from edged.core import CAMERA, DRIFT
from edged.messages import device
from edged.messages.message import Moment, encoded
from edged.ports.mqtt.memory import Memory
from edged.ports.mqtt.topics import Topics

log = logging.getLogger(__name__)

MOST_RULES = 250
"""The most announced rules: each is four entities."""

ACTIVE, INACTIVE, LATE = "active", "inactive", "_late"
EVENT_TYPES = [ACTIVE, INACTIVE, ACTIVE + LATE, INACTIVE + LATE]
"""The types of an event entity. Home Assistant gives an event its time of arrival: one that was
stored while the broker was unreachable has its own type, so that it triggers no automation for new
events."""

Component: TypeAlias = tuple[str, str, str, Mapping[str, Any]]
"""Platform, identifier within the device, name for people, and other fields."""

DIAGNOSTICS = {
    "fps": (
        "Frame rate",
        "value_json.fps",
        {"unit_of_measurement": "fps"},
    ),
    "temperature": (
        "Temperature",
        "value_json.temperature_c",
        {"device_class": "temperature", "unit_of_measurement": "°C"},
    ),
    "memory": (
        "Memory",
        "value_json.memory_mb",
        {"device_class": "data_size", "unit_of_measurement": "MB"},
    ),
    "latency": (
        "Latency",
        "value_json.stages_ms.get('latency', {}).get('p50')",
        {"device_class": "duration", "unit_of_measurement": "ms"},
    ),
}
"""Sensors of the health message: name, template of the value, and kind."""

BUTTONS: tuple[tuple[type[Command], str, Mapping[str, str]], ...] = (
    (TakeSnapshot, "Snapshot", {}),
    (Reload, "Reload", {"entity_category": "config"}),
)


def described(
    config: Config, topics: Topics, memory: Memory, at: Moment
) -> Iterator[tuple[str, bytes]]:
    """The discovery message to retain, and its topic; empty: nothing any longer.

    `memory` has what was described before.
    """
    if config.mqtt.home_assistant.enabled:
        entities = components(config, topics)
        yield topic(config, topics), message(config, topics, entities, memory.gone(entities))
        if len(config.rule) > MOST_RULES:
            log.warning(
                "Home Assistant gets only the first %d of %d rules", MOST_RULES, len(config.rule)
            )
    if config.rule:
        said = {rule.name: thresholds(rule, config.decide) for rule in config.rule}
        yield topics.thresholds, device.thresholds(said, at).json()
    elif topics.thresholds in memory.retained:
        yield topics.thresholds, b""


def device_id(topics: Topics) -> str:
    """The unique identifier of the device: letters, digits, _ and - only."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", topics.root)
    if re.fullmatch(r"[A-Za-z0-9]+/[A-Za-z0-9_-]+", topics.root):
        return plain
    return f"{plain}_{zlib.crc32(topics.root.encode()):08x}"


def topic(config: Config, topics: Topics) -> str:
    """The topic of the message."""
    return f"{config.mqtt.home_assistant.prefix}/device/{device_id(topics)}/config"


def birth_topic(config: Config) -> str:
    """The topic on which Home Assistant publishes ``online`` when it has started."""
    return f"{config.mqtt.home_assistant.prefix}/status"


def components(config: Config, topics: Topics) -> dict[str, dict[str, Any]]:
    """Every entity, by an id that begins with its platform and a dot."""
    return {
        f"{platform}.{thing}": {
            "platform": platform,
            "unique_id": f"{device_id(topics)}_{thing}",
            "default_entity_id": f"{platform}.{_slug(config.device)}_{_slug(name)}",
            "name": name,
            **keys,
        }
        for platform, thing, name, keys in _components(config, topics)
    }


def message(
    config: Config, topics: Topics, entities: Mapping[str, Mapping[str, Any]], gone: Iterable[str]
) -> bytes:
    """The message. Removed entities (`gone`) must be named, or they stay."""
    return encoded(
        {
            "dev": {
                "identifiers": [device_id(topics)],
                "name": config.device,
                "manufacturer": "edged",
                "model": "Vision sensor",
                "sw_version": __version__,
            },
            "o": {
                "name": "edged",
                "sw_version": __version__,
                "support_url": "https://github.com/edged/edged/tree/main/docs",
            },
            "availability": [{"topic": topics.availability}],
            "cmps": {
                **{one: {"platform": one.partition(".")[0]} for one in gone},
                **entities,
            },
        }
    )


def _components(config: Config, topics: Topics) -> Iterator[Component]:
    asked = open_to(Asker.MQTT).values() if config.mqtt.commands else ()
    of_camera = {
        "availability": [{"topic": topics.availability}, {"topic": topics.camera}],
        "availability_mode": "all",
    }
    for rule in config.rule[:MOST_RULES]:
        yield from _of_rule(config, rule, topics, of_camera)
        if SetThreshold in asked:
            yield from _thresholds(rule, topics)
    scene = {"state_topic": topics.state, **of_camera}
    template = "{{ none if value_json.scene is none else value_json.scene[:255] }}"
    yield "sensor", "scene", "Scene", {"value_template": template, **scene}
    if config.mqtt.classification_hz > 0:
        yield "sensor", "score", "Score", {
            "state_topic": topics.classification,
            "value_template": _or_none("value_json.scene_score", "(x * 100) | round(1)"),
            "unit_of_measurement": "%",
            "state_class": "measurement",
            **of_camera,
        }  # fmt: skip
    for output in config.output:
        yield _of_output(output, topics, may_set=config.mqtt.commands)
    yield "image", "image", "Picture", {"image_topic": topics.image, "content_type": "image/jpeg"}
    for kind, name, keys in BUTTONS:
        if kind in asked:
            press = {"command_topic": topics.command, "payload_press": name_of(kind)}
            yield "button", name_of(kind), name, {**press, **keys}
    if config.mqtt.health_s > 0:
        yield from _of_health(topics)
    yield _event(config, CAMERA, "Camera event", topics, "'cause': x.cause")
    if config.drift.enabled:
        yield _event(config, DRIFT, "Pictures event", topics, "'cause': x.cause")
        if config.mqtt.health_s > 0:
            yield from _of_drift(topics)


def _of_rule(
    config: Config, rule: RuleConfig, topics: Topics, of_camera: Mapping[str, Any]
) -> Iterator[Component]:
    state = f"value_json.rules.get('{rule.name}')"
    yield "binary_sensor", f"rule_{rule.name}", rule.name, {
        "state_topic": topics.state,
        "value_template": _or_none(state, "'ON' if x.active else 'OFF'"),
        "json_attributes_topic": topics.state,
        "json_attributes_template": f"{{{{ ({state} or {{}}) | tojson }}}}",
        **({"device_class": rule.device_class} if rule.device_class else {}),
        **of_camera,
    }  # fmt: skip
    yield _event(config, rule.name, f"{rule.name} event", topics, "'score': x.score")


def _event(config: Config, rule: str, name: str, topics: Topics, what: str) -> Component:
    """Events of a rule, with an attribute of the message `x`."""
    event = "value_json" if config.mqtt.event_format == "plain" else "value_json.data"
    return "event", f"event_{rule}", name, {
        "state_topic": topics.event,
        "event_types": EVENT_TYPES,
        "value_template": (
            f"{{% set x = {event} %}}"
            f"{{% if x.type == 'event' and x.rule == '{rule}' %}}"
            f"{{{{ {{'event_type': ('{ACTIVE}' if x.active else '{INACTIVE}')"
            f" ~ ('{LATE}' if x.replayed else ''), 'number': x.number, {what}, "
            "'onset': x.onset, 'reason': x.reason} | tojson }}"
            "{% endif %}"
        ),
    }  # fmt: skip


def _thresholds(rule: RuleConfig, topics: Topics) -> Iterator[Component]:
    for threshold in ("enter", "exit"):
        command = (
            f'{{"command": "{name_of(SetThreshold)}", "rule": "{rule.name}", '
            f'"threshold": "{threshold}", "value": {{{{ value }}}}}}'
        )
        yield "number", f"{threshold}_{rule.name}", f"{rule.name} {threshold} threshold", {
            "state_topic": topics.thresholds,
            "value_template": _or_none(f"value_json.rules.get('{rule.name}')", f"x.{threshold}"),
            "command_topic": topics.command,
            "command_template": command,
            "entity_category": "config",
            **_FRACTION,
        }  # fmt: skip


_FRACTION = {"min": 0, "max": 1, "step": 0.01}


def _of_output(output: OutputConfig, topics: Topics, *, may_set: bool) -> Component:
    thing = f"output_{output.name}"
    state = topics.output_state(output.name)
    keys: dict[str, Any] = {
        "state_topic": state,
        "json_attributes_topic": state,
        "json_attributes_template": "{{ {'value': value_json.value, 'error': value_json.error}"
        " | tojson }}",
    }
    on = "{{ 'ON' if value_json.on else 'OFF' }}"
    if not may_set:
        return "binary_sensor", thing, output.name, {**keys, "value_template": on}
    keys["command_topic"] = topics.output_set(output.name)
    if output.device == "servo":
        value = "{{ value_json.value }}"
        return "number", thing, output.name, {**keys, "value_template": value, **_FRACTION}
    if output.device == "pwm":
        return "light", thing, output.name, {
            **keys,
            "schema": "template",
            "command_on_template": "{{ (brightness / 255) | round(3) if brightness is defined "
            "else 'ON' }}",
            "command_off_template": "OFF",
            "state_template": "{{ 'on' if value_json.on else 'off' }}",
            "brightness_template": "{{ (value_json.value * 255) | round | int }}",
        }  # fmt: skip
    return "switch", thing, output.name, {**keys, "value_template": on}


def _of_health(topics: Topics) -> Iterator[Component]:
    diagnostic = {"state_topic": topics.health, "entity_category": "diagnostic"}
    for thing, (name, where, keys) in DIAGNOSTICS.items():
        template = {"value_template": f"{{{{ {where} }}}}", "state_class": "measurement"}
        yield "sensor", thing, name, {**diagnostic, **template, **keys}
    model = "{'installed_version': value_json.model, 'latest_version': value_json.model}"
    yield "update", "model", "Model", {
        **diagnostic,
        "value_template": f"{{{{ {model} | tojson }}}}",
        "title": "Model",
    }  # fmt: skip


def _of_drift(topics: Topics) -> Iterator[Component]:
    diagnostic = {"state_topic": topics.health, "entity_category": "diagnostic"}
    yield "sensor", "drift", "Drift", {
        **diagnostic,
        "value_template": _or_none("value_json.drift", "(x.score * 100) | round(1)"),
        "unit_of_measurement": "%",
        "state_class": "measurement",
    }  # fmt: skip
    yield "sensor", "drift_cause", "Pictures", {
        **diagnostic,
        "value_template": _or_none("value_json.drift", "x.cause or 'as usual'"),
    }  # fmt: skip


def _or_none(value: str, x: str) -> str:
    """A template of `x`, in which x is `value`; none, which means unknown, if that is none."""
    return f"{{% set x = {value} %}}{{{{ none if x is none else {x} }}}}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
