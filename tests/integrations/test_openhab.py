"""The example for openHAB reads what edged says, and says what edged reads."""

from __future__ import annotations

import json
import re
from functools import reduce
from pathlib import Path
from typing import Any

from edged.syntax import level
from tests.ports.mqtt.test_discovery import said

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

OPTIONS = {"stateTopic", "commandTopic", "transformationPattern", "on", "off", "trigger"}
"""Those of the MQTT binding's README that the example uses."""


def channels() -> dict[str, tuple[str, dict[str, str]]]:
    """Each channel's type and options."""
    text = (EXAMPLES / "openhab.things").read_text()
    lines = re.findall(r'^\s+Type (\w+) : (\w+)\s+"[^"]*"\s+\[(.*)\]$', text, re.M)
    return {
        name: (kind, dict(re.findall(r'(\w+)="?([^",]+)"?', options)))
        for kind, name, options in lines
    }


def test_every_channel_reads_what_edged_says() -> None:
    published = said()
    read: dict[str, Any] = {}
    for name, (_, options) in channels().items():
        assert options.keys() <= OPTIONS
        message = published[options["stateTopic"]]
        if path := options.get("transformationPattern"):
            keys = path.removeprefix("JSONPATH:$.").split(".")
            read[name] = reduce(lambda value, key: value[key], keys, message)
    assert read == {"scene": "cat", "cat": True, "lamp": True, "fps": 29.97}


def test_a_switch_says_and_reads_words_that_edged_knows() -> None:
    switches = [options for kind, options in channels().values() if kind == "switch"]
    assert switches
    for options in switches:
        assert (json.loads(options["on"]), json.loads(options["off"])) == (True, False)
        assert (level(options["on"]), level(options["off"])) == (1.0, 0.0)


def test_every_item_has_a_channel() -> None:
    text = (EXAMPLES / "openhab.items").read_text()
    items = re.findall(r'channel="mqtt:topic:porch:(\w+)"', text)
    assert len(items) == 4
    assert set(items) < set(channels())
