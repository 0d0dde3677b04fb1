"""The examples in the documentation do what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from edged.cli import main
from edged.config.load import load
from edged.config.schema import MqttConfig
from edged.config.toml import parse
from edged.core import OutputState
from edged.messages import device, events, results
from edged.messages.message import Moment
from edged.ports.mqtt.topics import Topics
from tests.ports.mqtt.reports import event, health, result

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


def said() -> dict[str, Any]:
    """What edged publishes, by topic, as decoded JSON."""
    at = Moment("porch", 10.0, 1.7e9)
    return {
        f"edged/porch/{topic}": json.loads(message.json())
        for topic, message in {
            "state": results.state(result(), at),
            "health": device.health(health(), at),
            "event": events.event(event(), at),
            "output/lamp/state": device.output(OutputState("lamp", 1.0, 1.0), at),
        }.items()
    }


def rendered(template: str, **values: Any) -> str:
    """What Home Assistant makes of a template; a name that is not there is an error."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    return environment.from_string(template).render(**values)


def test_home_assistant_reads_what_edged_says() -> None:
    (text, automation) = blocks(ROOT / "docs" / "home-assistant.md", "yaml")
    entities = yaml.safe_load(text)["mqtt"]
    published = said()
    topics = Topics(MqttConfig(), "porch")
    values = {}
    for kind, members in entities.items():
        for entity in members:
            assert entity.get("availability_topic", topics.availability) == topics.availability
            if "value_template" in entity:
                values[kind, entity["name"]] = rendered(
                    entity["value_template"], value_json=published[entity["state_topic"]]
                )
    assert values["binary_sensor", "Cat on the porch"] == "ON"
    assert values["sensor", "Porch scene"] == "cat"
    assert values["switch", "Porch lamp"] == "ON"
    assert entities["button"][0]["command_topic"] == topics.command
    assert entities["camera"][0]["topic"] == topics.image
    (rule,) = yaml.safe_load(automation)["automation"]
    trigger = {"payload_json": published[rule["triggers"][0]["topic"]]}
    condition = rule["conditions"][0]["value_template"]
    assert rendered(condition, trigger=trigger) == "True"
    message = rule["actions"][0]["data"]["message"]
    assert rendered(message, trigger=trigger) == "A cat, 70.0 %"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_toml_example_is_a_right_configuration(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(page, "toml")):
        table = parse(text)
        if not ({"camera", "model", "rule", "output", "mqtt", "device"} & set(table)):
            continue
        for name in re.findall(r'_file = "(?!credential:)(.*?)"', text):
            text = text.replace(name, str(tmp_path / Path(name).name))
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        load(path)


def test_the_first_rule_of_the_readme_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = blocks(ROOT / "README.md", "toml")
    path = tmp_path / "my.toml"
    path.write_text(text)
    assert main(["check-config", "--config", str(path)]) == 0
    assert "rules: 1, outputs: 1" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_figures_of_the_readme_are_those_of_the_last_benchmark() -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("## How fast")[2].partition("\n## ")[0]
    claimed = dict(re.findall(r"^\| ([^|]*[^| ]) \| ([^|]+) \|$", section, re.M))
    parts = json.loads((ROOT / "docs" / "benchmarks.json").read_text())["parts"].values()
    measured = {row["what"]: row["measured"] for part in parts for row in part["rows"]}

    assert claimed
    for what, figure in claimed.items():
        assert measured[what].startswith(figure), what


def test_the_counts_of_the_readme_are_those_of_the_boards_cores() -> None:
    cores = json.loads((ROOT / "docs" / "benchmarks-arm.json").read_text())["cores"]
    readme = " ".join((ROOT / "README.md").read_text().split())
    for core, board in (("cortex-a72", "Raspberry Pi 4"), ("cortex-a76", "Raspberry Pi 5")):
        frame = "frame/mobilenet/vga"
        ratio = cores[core][f"{frame}/whole"] / cores[core][f"{frame}/invoke alone"]
        assert re.search(rf"{ratio:.3f}( of its invoke)? on a {board}", readme), f"{ratio:.3f}"
