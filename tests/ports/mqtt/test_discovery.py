"""What Home Assistant is told, through a real broker and by its own table of keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from edged.config.schema import (
    Config,
    DriftConfig,
    HomeAssistantConfig,
    MqttConfig,
    OutputConfig,
    RuleConfig,
)
from edged.core import OutputState
from edged.mailbox import Mailbox
from edged.messages import device, events, results
from edged.messages.message import Moment
from edged.ports.mqtt import discovery
from edged.ports.mqtt.topics import Topics
from tests.mosquitto import Broker, Listener, broker, brokers, needs_mosquitto, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, health, result
from tests.ports.mqtt.test_port import mqtt_to

__all__ = ["broker", "brokers"]

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "home_assistant" / "device.schema.json").read_text("utf-8")
)
AT = Moment("porch", 10.0, 1.7e9)
PORCH = "homeassistant/device/edged_porch/config"

RULES = [
    RuleConfig(name="cat", labels=["cat"], device_class="occupancy"),
    RuleConfig(name="A.b-c_1", labels=["dog"]),
]
OUTPUTS = [
    OutputConfig(name="lamp", pin=1, rule="cat"),
    OutputConfig(name="dim", pin=2, device="pwm", action="manual"),
    OutputConfig(name="arm", pin=3, device="servo", action="manual"),
]


def config(**options: Any) -> Config:
    return Config(**{"device": "porch", "rule": RULES, "output": OUTPUTS, **options})


def entities(config: Config) -> dict[str, dict[str, Any]]:
    return discovery.components(config, Topics(config.mqtt, config.device))


def message(config: Config, *gone: str) -> dict[str, Any]:
    topics = Topics(config.mqtt, config.device)
    made = discovery.message(config, topics, entities(config), gone)
    decoded: dict[str, Any] = json.loads(made)
    return decoded


CONFIGURATIONS = [
    config(),
    config(rule=[], output=[]),
    config(device="A.b-c", mqtt=MqttConfig(prefix="house/ground floor/ü")),
    config(mqtt=MqttConfig(commands=False)),
    config(mqtt=MqttConfig(health_s=0.0, classification_hz=0.0, event_format="cloudevents")),
]


@pytest.mark.parametrize("config", CONFIGURATIONS)
def test_it_has_the_keys_that_home_assistant_takes_and_all_that_it_needs(config: Config) -> None:
    described = message(config, "sensor.away", "switch.away")
    for component in described["cmps"].values():
        if component.keys() != {"platform"}:
            schema = {**SCHEMA["$defs"][component["platform"]], "$defs": SCHEMA["$defs"]}
            Draft202012Validator(schema).validate(component)
    Draft202012Validator(SCHEMA).validate(described)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda told: told.pop("o"),
        lambda told: told["dev"].pop("identifiers"),
        lambda told: told.update({"~": "edged"}),
        lambda told: told["cmps"]["sensor.scene"].pop("unique_id"),
        lambda told: told["cmps"]["sensor.fps"].update(entity_category="config"),
        lambda told: told["cmps"]["sensor.temperature"].update(unit_of_measurement="C"),
        lambda told: told["cmps"]["switch.output_lamp"].update(default_entity_id="lamp"),
        lambda told: told["cmps"]["button.snapshot"].pop("command_topic"),
        lambda told: told["cmps"]["image.image"].update(url_topic="x"),
        lambda told: told["cmps"]["event.event_cat"].update(object_id="cat"),
    ],
)
def test_the_table_refuses_what_home_assistant_refuses_or_ignores(spoil: Any) -> None:
    told = message(config())
    spoil(told)
    assert not Draft202012Validator(SCHEMA).is_valid(told)


@pytest.mark.parametrize("config", CONFIGURATIONS)
def test_no_two_entities_of_a_platform_have_the_same_id(config: Config) -> None:
    made = [(one["platform"], one["unique_id"]) for one in entities(config).values()]
    assert len(set(made)) == len(made)


def test_what_appears() -> None:
    assert set(entities(config())) == {
        "binary_sensor.rule_cat", "event.event_cat", "number.enter_cat", "number.exit_cat",
        "binary_sensor.rule_A.b-c_1", "event.event_A.b-c_1", "number.enter_A.b-c_1",
        "number.exit_A.b-c_1", "sensor.scene", "sensor.score", "image.image",
        "switch.output_lamp", "light.output_dim", "number.output_arm",
        "button.snapshot", "button.reload",
        "sensor.fps", "sensor.temperature", "sensor.memory", "sensor.latency", "update.model",
        "event.event_camera", "event.event_drift", "sensor.drift", "sensor.drift_cause",
    }  # fmt: skip


def test_without_commands_nothing_can_be_set() -> None:
    made = entities(config(mqtt=MqttConfig(commands=False)))
    assert not any("command_topic" in one for one in made.values())
    assert {"binary_sensor.output_lamp", "binary_sensor.output_dim"} < set(made)


def test_only_so_many_rules_are_announced() -> None:
    rules = [RuleConfig(name=f"r{n}", labels=["cat"]) for n in range(discovery.MOST_RULES + 1)]
    made = entities(config(rule=rules))
    assert f"event.event_r{discovery.MOST_RULES - 1}" in made
    assert f"event.event_r{discovery.MOST_RULES}" not in made


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("edged", "a.b"), ("edged", "a_b")),
        (("edged", "a_b"), ("edged_a", "b")),
        (("edged/a", "b"), ("edged", "a_b")),
        (("edged/a", "b"), ("edged_a", "b")),
        (("ü", "a"), ("ö", "a")),
    ],
)
def test_two_devices_are_never_taken_for_one(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    ids = {
        discovery.device_id(Topics(MqttConfig(prefix=prefix), name))
        for prefix, name in (first, second)
    }
    assert len(ids) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", one) for one in ids)


def said(form: str = "plain") -> dict[str, Any]:
    """What edged publishes, by topic, as decoded JSON."""
    of_event = events.event(event(), AT).json()
    if form == "cloudevents":
        of_event = discovery.encoded({"data": json.loads(of_event)})
    messages = {
        "state": results.state(result().scene, result().frame.number, AT).json(),
        "classification": results.classification(result(), 1, AT).json(),
        "health": device.health(health(), AT).json(),
        "event": of_event,
        "thresholds": device.thresholds({"cat": {"enter": 0.6, "exit": 0.4}}, AT).json(),
        **{
            f"output/{one.name}/state": device.output(OutputState(one.name, 0.2, 0.0), AT).json()
            for one in OUTPUTS
        },
    }
    return {f"edged/porch/{topic}": json.loads(payload) for topic, payload in messages.items()}


def rendered(template: str, **values: Any) -> str:
    """As Home Assistant renders it; a name that is not there is an error."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701
    environment.filters["tojson"] = json.dumps
    return environment.from_string(template).render(**values)


def test_where_nobody_watches_the_pictures_nothing_says_how_they_are() -> None:
    made = entities(config(drift=DriftConfig(enabled=False)))
    assert not any("drift" in name for name in made)


def test_what_became_of_the_pictures_comes_with_its_cause() -> None:
    drifted = events.event(replace(event(), rule="drift", cause="view moved"), AT).json()
    made = entities(config())
    told = {
        name: rendered(made[name]["value_template"], value_json=json.loads(drifted))
        for name in ("event.event_drift", "event.event_cat")
    }
    assert json.loads(told["event.event_drift"])["cause"] == "view moved"
    assert told["event.event_cat"] == ""


@pytest.mark.parametrize("form", ["plain", "cloudevents"])
def test_its_templates_read_what_edged_says(form: str) -> None:
    made = entities(config(mqtt=MqttConfig(event_format=form)))
    published = said(form)
    read = {
        (name, key): rendered(template, value_json=published[one["state_topic"]])
        for name, one in made.items()
        for key, template in one.items()
        if key in ("value_template", "state_template", "brightness_template")
        or key == "json_attributes_template"
    }
    values = {name: value for (name, key), value in read.items() if key == "value_template"}
    started = json.loads(values.pop("event.event_cat"))
    assert (started["event_type"], started["score"]) == ("active", 0.7)
    model = json.loads(values.pop("update.model"))
    assert model == {"installed_version": "mobilenet", "latest_version": "mobilenet"}
    assert values == {
        "event.event_camera": "",
        "event.event_drift": "",
        "sensor.drift": "50.0",
        "sensor.drift_cause": "as usual",
        "binary_sensor.rule_cat": "ON",
        "binary_sensor.rule_A.b-c_1": "None",
        "event.event_A.b-c_1": "",
        "number.enter_cat": "0.6",
        "number.exit_cat": "0.4",
        "number.enter_A.b-c_1": "None",
        "number.exit_A.b-c_1": "None",
        "sensor.scene": "cat",
        "sensor.score": "70.0",
        "switch.output_lamp": "ON",
        "number.output_arm": "0.2",
        "sensor.fps": "29.97",
        "sensor.temperature": "None",
        "sensor.memory": "81.2",
        "sensor.latency": "None",
    }
    assert read["light.output_dim", "state_template"] == "on"
    assert read["light.output_dim", "brightness_template"] == "51"
    assert json.loads(read["binary_sensor.rule_cat", "json_attributes_template"])["score"] == 0.7
    assert read["binary_sensor.rule_A.b-c_1", "json_attributes_template"] == "{}"


def test_of_a_label_longer_than_a_state_may_be_the_beginning_is_shown() -> None:
    template = entities(config())["sensor.scene"]["value_template"]
    assert rendered(template, value_json={"scene": "x" * 300}) == "x" * 255
    assert rendered(template, value_json={"scene": None}) == "None"


def at(broker: Broker, topic: str) -> bytes | None:
    """What the broker retains there."""
    with Listener(broker.port, topic, "end") as listener:
        listener.send("end", b"")
        first = listener.next()
        return bytes(first.payload) if first.topic == topic else None


def port_of(broker: Broker, folder: Path, **options: Any) -> RecordedPort:
    mqtt = mqtt_to(broker, **options.pop("mqtt", {}))
    options = {"announced": True, "rule": RULES, "output": OUTPUTS, **options}
    return RecordedPort(mqtt, folder, Mailbox(), **options)


def told_at(broker: Broker, topic: str = PORCH) -> dict[str, Any]:
    wait_until(lambda: at(broker, topic))
    decoded: dict[str, Any] = json.loads(at(broker, topic) or b"")
    return decoded


def test_it_is_retained_and_says_what_the_broker_carries(broker: Broker, tmp_path: Path) -> None:
    with port_of(broker, tmp_path):
        told = told_at(broker)
    Draft202012Validator(SCHEMA).validate(told)
    assert told["cmps"].keys() == entities(config()).keys()
    seen = told["cmps"]["binary_sensor.rule_cat"]["availability"]
    assert [one["topic"] for one in seen] == [
        "edged/porch/availability",
        "edged/porch/camera/availability",
    ]
    assert at(broker, PORCH) is not None, "who comes later hears of it"


def test_it_comes_before_the_states_and_online_after_them(broker: Broker, tmp_path: Path) -> None:
    with Listener(broker.port, "#") as listener, port_of(broker, tmp_path):
        topics = []
        while "edged/porch/availability" not in topics:
            topics.append(listener.next().topic)
    assert topics == [
        PORCH,
        "edged/porch/thresholds",
        "edged/porch/state",
        "edged/porch/camera/availability",
        "edged/porch/availability",
    ]


def test_what_is_gone_is_named_after_a_reload_and_in_later_runs(
    broker: Broker, tmp_path: Path
) -> None:
    with port_of(broker, tmp_path) as port:
        told_at(broker)
        port.reconfigure(config(rule=RULES[:1], mqtt=port._mqtt))
        wait_until(lambda: told_at(broker)["cmps"]["event.event_A.b-c_1"] == {"platform": "event"})
    with port_of(broker, tmp_path, rule=[], output=[]):
        wait_until(lambda: told_at(broker)["cmps"]["number.output_arm"] == {"platform": "number"})
        told = told_at(broker)["cmps"]
        assert told["binary_sensor.rule_A.b-c_1"] == {"platform": "binary_sensor"}
        assert at(broker, "edged/porch/thresholds") is None
    with port_of(broker, tmp_path):
        wait_until(lambda: told_at(broker)["cmps"].keys() == entities(config()).keys())


@pytest.mark.parametrize(
    "options", [{"enabled": False}, {"enabled": True, "prefix": "ha"}], ids=["off", "elsewhere"]
)
def test_what_an_earlier_run_announced_is_taken_back(
    broker: Broker, tmp_path: Path, options: dict[str, Any]
) -> None:
    with port_of(broker, tmp_path):
        told_at(broker)
    wanted = {"home_assistant": HomeAssistantConfig(**options)}
    with port_of(broker, tmp_path, mqtt=wanted, announced=options["enabled"]):
        wait_until(lambda: at(broker, PORCH) is None)


def test_a_birth_brings_everything_again_in_order(broker: Broker, tmp_path: Path) -> None:
    with port_of(broker, tmp_path) as port:
        wait_until(lambda: port.live)
        port.write(result())
        port.write(health())
        with Listener(broker.port, "homeassistant/#", "edged/#") as home:
            wait_until(lambda: at(broker, "edged/porch/state"))
            for payload, again in ((b"offline", False), (b"online", True)):
                while not home.messages.empty():
                    home.messages.get()
                home.send("homeassistant/status", payload)
                topics = []
                if again:
                    while "edged/porch/health" not in topics:
                        message = home.next()
                        topics.append(message.topic)
                    assert [one for one in topics if one != "homeassistant/status"] == [
                        PORCH,
                        "edged/porch/thresholds",
                        "edged/porch/state",
                        "edged/porch/camera/availability",
                        "edged/porch/availability",
                        "edged/porch/health",
                    ]


@needs_mosquitto("what waits for a client")
def test_a_birth_that_waited_while_edged_was_away_is_no_command(
    broker: Broker, tmp_path: Path
) -> None:
    with port_of(broker, tmp_path, mqtt={"command_age_s": 0.0}) as port:
        wait_until(lambda: port.live)
    with Listener(broker.port, "edged/porch/command/reply", "edged/porch/availability") as listener:
        listener.next()
        listener.send("homeassistant/status", b"online")
        with port_of(broker, tmp_path, mqtt={"command_age_s": 0.0}) as port:
            wait_until(lambda: port.live)
            assert listener.next().topic == "edged/porch/availability"
        assert listener.next().payload == b"offline"
