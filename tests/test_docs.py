"""The examples in the documentation do what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from msgspec.structs import replace

from edged.cli import main
from edged.config.load import load
from edged.config.schema import MqttConfig
from edged.config.toml import parse
from edged.core import OutputState
from edged.messages import device, events, results
from edged.messages.message import Moment
from edged.models import catalog, pins
from edged.ports.mqtt.topics import Topics
from tests.device import soon
from tests.inference.builder import colours
from tests.ports.mqtt.reports import event, health, result
from tests.test_daemon import Running

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
            "state": results.state(result().scene, result().frame.number, at),
            "health": device.health(health(), at),
            "event": events.event(event(), at),
            "output/lamp/state": device.output(OutputState("lamp", 1.0, 1.0), at),
        }.items()
    }


def rendered(template: str, **values: Any) -> str:
    """What Home Assistant makes of a template; a name that is not there is an error."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    return environment.from_string(template).render(**values)


def test_home_assistant_takes_what_is_not_known_for_unknown_and_not_for_off() -> None:
    entities = yaml.safe_load(blocks(ROOT / "docs" / "home-assistant.md", "yaml")[0])["mqtt"]
    unknown = json.loads(results.undecided(None, Moment("porch", 10.0, 1.7e9)).json())
    for entity in (entities["binary_sensor"][0], entities["sensor"][0]):
        assert rendered(entity["value_template"], value_json=unknown) == "None"


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


def typed(*commands: str) -> list[list[str]]:
    """What the README says to type after `edged`, for each line with one of `commands`."""
    lines = re.findall(r"^    \.venv/bin/edged (.*)$", (ROOT / "README.md").read_text(), re.M)
    return [words for words in map(str.split, lines) if words[0] in commands]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the README's configuration, of a user who has no models yet."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "EDGED_MODELS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (text,) = blocks(ROOT / "README.md", "toml")
    (tmp_path / "my.toml").write_text(text)
    return tmp_path


@pytest.fixture(params=["generated", "published"])
def mirror(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the file that `edged models fetch person` asks for."""
    if request.param == "published":
        shared: Path = request.getfixturevalue("shared_data")
        return shared / "models"
    known = catalog.load()
    person = known.meant("person")
    assert person is not None
    file = colours(tmp_path / Path(person.url).name, "uint8")
    made = replace(person, sha256=pins.sha256(file), bytes=file.stat().st_size)
    lines = [*known.labels[person.labels].lines, "neither"]
    labels = {**known.labels, person.labels: replace(known.labels[person.labels], lines=lines)}
    others = [model for model in known.model if model != person]
    monkeypatch.setattr(
        catalog, "load", lambda: replace(known, labels=labels, model=[made, *others])
    )
    return tmp_path


@pytest.mark.usefixtures("bare")
def test_the_first_example_of_the_readme_can_be_typed(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch, *rest = typed("models", "check-config", "classify")
    assert fetch == ["models", "fetch", "person"]
    assert main(["check-config", "--config", "my.toml"]) == 65
    assert "edged models fetch person" in capsys.readouterr().err
    assert main([*fetch, "--from", str(mirror)]) == 0
    assert ["check-config", "--config", "my.toml"] in rest
    for words in rest:
        assert (main(words), capsys.readouterr().err) == (0, ""), words


def test_the_first_example_of_the_readme_lights_a_lamp_for_a_person(
    bare: Path, shared_data: Path
) -> None:
    def stand_before_it(name: str) -> None:
        (bare / "new").write_bytes((shared_data / "images" / name).read_bytes())
        (bare / "new").replace(bare / "pictures" / "picture.bmp")

    def seen() -> tuple[str, float] | None:
        said = daemon.edged("status", "--json").stdout
        if not said:
            return None
        data = json.loads(said)["data"]
        return data["scene"], data["outputs"]["lamp"]

    assert main(["models", "fetch", "person", "--from", str(shared_data / "models")]) == 0
    (bare / "pictures").mkdir()
    stand_before_it("cat.bmp")
    daemon = Running(bare / "my.toml")
    daemon.start(
        *("--set", "camera.kind=directory", "--set", "camera.source=pictures"),
        *("--set", "gpio.factory=mock", "--set", "mqtt.enabled=false"),
    )
    try:
        soon(seen, ("no person", 0.0))
        stand_before_it("grace_hopper.bmp")
        soon(seen, ("visitor", 1.0))
    finally:
        assert daemon.stop() == 0


def test_what_the_readme_says_of_models_is_what_the_catalog_says() -> None:
    known = catalog.load()
    readme = " ".join((ROOT / "README.md").read_text().split())
    *labels, last = known.bundled.about.partition(": ")[2].split(", ")
    assert f"knows ten things only: {', '.join(labels)} and {last}." in readme
    person = known.meant("person")
    assert person is not None
    assert person.top1 is not None
    assert f"right for {person.top1:.0%}".rstrip("%") + " of 100 pictures" in readme
    assert f"({person.bytes / 1e6:.1f} MB, {person.licence};" in readme


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
