"""The examples in the documentation do what they say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import yaml
from msgspec.structs import replace

from edged import __version__
from edged.cli import main
from edged.config.load import load
from edged.config.schema import Config, JournalConfig, OutputConfig, RuleConfig, WebhookConfig
from edged.config.toml import parse
from edged.journal.journal import Journal
from edged.models import catalog, pins
from edged.ports.mqtt import discovery
from edged.ports.mqtt.topics import Topics
from edged.ports.webhook import WebhookPort
from tests.device import soon
from tests.inference.builder import colours
from tests.mosquitto import free_port
from tests.ports.mqtt.reports import event, result
from tests.test_daemon import Running

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


def test_the_automation_for_home_assistant_waits_for_what_appears_there() -> None:
    (automation,) = blocks(ROOT / "docs" / "home-assistant.md", "yaml")
    (rule,) = yaml.safe_load(automation)["automation"]
    config = Config(device="porch", rule=[RuleConfig(name="cat", labels=["cat"])])
    made = discovery.components(config, Topics(config.mqtt, config.device))
    event = made["event.event_cat"]
    (trigger,), (condition,) = rule["triggers"], rule["conditions"]
    assert trigger["entity_id"] == condition["entity_id"] == event["default_entity_id"]
    assert condition["state"] in event["event_types"]
    template = rule["actions"][0]["data"]["message"]
    said = {"to_state": {"attributes": {"score": 0.7}}}
    assert jinja2.Template(template, autoescape=True).render(trigger=said) == "A cat, 70.0 %"


def test_what_the_page_says_of_home_assistant_appears_there() -> None:
    page = (ROOT / "docs" / "home-assistant.md").read_text()
    rules = [RuleConfig(name="cat", labels=["cat"])]
    outputs = [OutputConfig(name="lamp", pin=1, rule="cat")]
    config = Config(device="porch", rule=rules, output=outputs)
    made = discovery.components(config, Topics(config.mqtt, config.device))
    named = set(re.findall(r"`(\w+\.porch_\w+)`", page))
    assert len(named) > 8
    assert named <= {one["default_entity_id"] for one in made.values()}


def test_the_receiver_of_webhooks_takes_what_is_signed_and_nothing_else(tmp_path: Path) -> None:
    page = ROOT / "docs" / "webhooks.md"
    (code,) = blocks(page, "python")
    [secret] = re.findall(r"echo (whsec_\S+) > receiver\.secret", page.read_text())
    port = free_port()
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "other").write_text("whsec_b3RoZXI=")
    journal = Journal("porch", JournalConfig(path=str(tmp_path / "events.db")))
    webhooks = [
        WebhookConfig(name=name, url=f"http://127.0.0.1:{port}/", secret_file=str(tmp_path / name))
        for name in ("secret", "other")
    ]
    receiver = subprocess.Popen(
        [sys.executable, "-c", code.replace('("", 9000)', f'("127.0.0.1", {port})')],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with journal, WebhookPort(webhooks, journal, "/edged/porch") as sender:
            sender.write(result(events=journal.record([event()])))
            assert receiver.stdout is not None
            assert "'id': 'porch-1'" in receiver.stdout.readline()
            soon(
                lambda: any("refused 1 events, last: 401" in one for one in sender.problems()), True
            )
    finally:
        receiver.kill()
        rest, _ = receiver.communicate()
    assert rest == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_toml_example_is_a_right_configuration(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(page, "toml")):
        table = parse(text)
        if not ({"camera", "model", "rule", "output", "mqtt", "device", "webhook"} & set(table)):
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
    text, *_ = blocks(ROOT / "README.md", "toml")
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
    # The other models of the README are not in this mirror.
    rest = [words for words in rest if words[0] != "models"]
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
        soon(seen, ("nothing", 0.0))
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


def test_the_newest_change_is_that_of_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\d+\.\d+\.\d+)", changes, re.M)[0] == __version__


def test_the_steps_to_contribute_name_files_that_are_there() -> None:
    steps = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:edged|tests|docs|config)/[\w/.-]+)", steps)
    assert len(named) > 20
    for name in named:
        assert "NAME" in name or (ROOT / name).exists(), name


def test_the_start_of_the_readme_is_that_of_the_last_benchmark() -> None:
    parts = json.loads((ROOT / "docs" / "benchmarks.json").read_text())["parts"]
    (measured,) = (r["measured"] for r in parts["start"]["rows"] if "process start" in r["what"])
    ours, bare = re.findall(r"(\d+ ms) over (\d+ ms)", measured)[0]
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"takes {ours} to the first classification, a bare script {bare}." in readme


def test_the_counts_of_the_readme_are_those_of_the_boards_cores() -> None:
    cores = json.loads((ROOT / "docs" / "benchmarks-arm.json").read_text())["cores"]
    readme = " ".join((ROOT / "README.md").read_text().split())
    for core, board in (("cortex-a72", "Raspberry Pi 4"), ("cortex-a76", "Raspberry Pi 5")):
        frame = "frame/mobilenet/vga"
        ratio = cores[core][f"{frame}/whole"] / cores[core][f"{frame}/invoke alone"]
        added = f"{(ratio - 1) * 100:.1f} %"
        assert re.search(rf"{added}( to the instructions of MobileNetV2)? on a {board}", readme)


def test_each_threat_names_tests_that_there_are() -> None:
    table = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", table))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= defined
