"""What a real Home Assistant makes of what edged says: `make home-assistant`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.commands import Reload, SetOutput, SetThreshold, TakeSnapshot
from edged.config.schema import Config, MqttConfig, OutputConfig, RuleConfig
from edged.core import CameraThere, Ended, OutputState, Result
from edged.mailbox import Mailbox
from tests.mosquitto import Broker, broker, brokers, free_port, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, health, result

__all__ = ["broker", "brokers"]

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / "build" / "home-assistant" / "bin" / "python"

pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="needs make home-assistant"),
    pytest.mark.timeout(300),
]

CAT = RuleConfig(name="cat", labels=["cat"], device_class="occupancy")
ODD = RuleConfig(name="A.b-c_1", labels=["dog"])
OUTPUTS = [
    OutputConfig(name="lamp", pin=1, rule="cat"),
    OutputConfig(name="dim", pin=2, device="pwm", action="manual"),
    OutputConfig(name="arm", pin=3, device="servo", action="manual"),
]
APPEARS = {
    "binary_sensor.porch_cat", "binary_sensor.porch_a_b_c_1",
    "event.porch_cat_event", "event.porch_a_b_c_1_event",
    "number.porch_cat_enter_threshold", "number.porch_cat_exit_threshold",
    "number.porch_a_b_c_1_enter_threshold", "number.porch_a_b_c_1_exit_threshold",
    "sensor.porch_scene", "sensor.porch_score", "image.porch_picture",
    "switch.porch_lamp", "light.porch_dim", "number.porch_arm",
    "button.porch_snapshot", "button.porch_reload",
    "sensor.porch_frame_rate", "sensor.porch_temperature", "sensor.porch_memory",
    "sensor.porch_photon_to_decision", "update.porch_model",
}  # fmt: skip


class HomeAssistant:
    """A Home Assistant in a process of its own, with its state in `folder`."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self._folder = folder
        self._port = broker.port

    def __enter__(self) -> HomeAssistant:
        self._log = (self._folder.parent / "home-assistant.log").open("a+")
        self._process = subprocess.Popen(
            [
                *(str(PYTHON), str(Path(__file__).with_name("instance.py"))),
                *(str(self._folder), str(self._port), str(free_port())),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline()) == "ready"
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate(timeout=60)
        self._log.close()

    def ask(self, *request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def states(self) -> dict[str, str]:
        return {name: one["state"] for name, one in self.ask("states").items()}

    def attributes(self, entity: str) -> dict[str, Any]:
        attributes: dict[str, Any] = self.ask("states")[entity]["attributes"]
        return attributes

    def call(self, service: str, entity: str, **data: Any) -> None:
        domain, name = service.split(".")
        self.ask("call", domain, name, {"entity_id": entity, **data})

    def becomes(self, **states: str) -> None:
        """Wait until these entities, with ``__`` for the dot, have these states."""
        wanted = {name.replace("__", "."): state for name, state in states.items()}
        wait_until(lambda: wanted.items() <= self.states().items())

    def complaints(self) -> list[str]:
        """What it logged that is more than information, less what it says of itself."""
        text = (self._folder.parent / "home-assistant.log").read_text()
        itself = r"homeassistant\.helpers\.frame|aiohttp_fast_zlib"
        return re.findall(rf"^(?:WARNING|ERROR) (?!{itself}).*", text, re.M)


@pytest.fixture
def home(broker: Broker, tmp_path: Path) -> Iterator[HomeAssistant]:
    with HomeAssistant(tmp_path / "home", broker) as home:
        yield home
    assert home.complaints() == []


MakePort = Callable[..., RecordedPort]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def port_of(broker: Broker, tmp_path: Path, mailbox: Mailbox) -> MakePort:
    def make(**options: Any) -> RecordedPort:
        mqtt: dict[str, Any] = {"host": "127.0.0.1", "port": broker.port, "retry_min_s": 0.05}
        mqtt |= options.pop("mqtt", {})
        options = {"rule": [CAT, ODD], "output": OUTPUTS, "announced": True, **options}
        config = MqttConfig(**mqtt)
        return RecordedPort(config, tmp_path, mailbox, **options)

    return make


def seen(number: int, **options: Any) -> Result:
    return result(number, **options)


def test_everything_appears_and_has_a_state(home: HomeAssistant, port_of: MakePort) -> None:
    with port_of() as port:
        for output in OUTPUTS:
            port.write(OutputState(output.name, 0.0, 0.0))
        wait_until(lambda: home.states().keys() >= APPEARS)
        assert home.states().keys() == APPEARS
        port.write(seen(1))
        port.write(health())
        home.becomes(
            binary_sensor__porch_cat="on",
            sensor__porch_scene="cat",
            switch__porch_lamp="off",
            light__porch_dim="off",
            number__porch_arm="0.0",
            number__porch_cat_enter_threshold="0.6",
            number__porch_cat_exit_threshold="0.4",
            sensor__porch_frame_rate="29.97",
            sensor__porch_memory="81.2",
            sensor__porch_temperature="unknown",
            sensor__porch_photon_to_decision="unknown",
            update__porch_model="off",
            button__porch_snapshot="unknown",
        )
        assert home.attributes("binary_sensor.porch_cat")["device_class"] == "occupancy"
        assert home.attributes("binary_sensor.porch_cat")["score"] == 0.7
        assert home.attributes("update.porch_model")["installed_version"] == "mobilenet"
        # The rule is not in this frame's state: nothing is known of it.
        assert home.states()["binary_sensor.porch_a_b_c_1"] == "unknown"
        (device,) = home.ask("devices")
        assert device == {"name": "porch", "identifiers": [["mqtt", "edged_porch"]]}


def test_a_camera_that_is_lost_makes_unavailable_what_it_sees_and_nothing_else(
    home: HomeAssistant, port_of: MakePort
) -> None:
    with port_of() as port:
        wait_until(lambda: home.states().keys() >= APPEARS)
        port.write(seen(1))
        port.write(health())
        home.becomes(binary_sensor__porch_cat="on", sensor__porch_frame_rate="29.97")
        port.write(Ended("camera", "no picture"))
        home.becomes(
            binary_sensor__porch_cat="unavailable",
            sensor__porch_scene="unavailable",
            sensor__porch_frame_rate="29.97",
            number__porch_cat_enter_threshold="0.6",
        )
        port.write(CameraThere())
        home.becomes(binary_sensor__porch_cat="unknown", sensor__porch_scene="unknown")
    home.becomes(number__porch_cat_enter_threshold="unavailable", update__porch_model="unavailable")


def test_events_arrive_once_each_and_late_ones_are_of_their_own_type(
    home: HomeAssistant, port_of: MakePort
) -> None:
    def last() -> tuple[Any, Any]:
        attributes = home.attributes("event.porch_cat_event")
        return attributes.get("event_type"), attributes.get("number")

    with port_of() as port:
        home.becomes(event__porch_cat_event="unknown")
        wait_until(lambda: port.live)
        port.write(seen(1, events=(event(),)))
        wait_until(lambda: last() == ("active", 1))
        assert home.states()["event.porch_a_b_c_1_event"] == "unknown"
    with port_of() as port:
        # Before the connection stands.
        port.write(seen(2, active=False, events=(event(active=False),)))
        wait_until(lambda: last() == ("inactive_late", 2))


@pytest.mark.parametrize("form", ["plain", "cloudevents"])
def test_events_are_understood_in_either_form(
    home: HomeAssistant, port_of: MakePort, form: str
) -> None:
    with port_of(mqtt={"event_format": form}) as port:
        home.becomes(event__porch_cat_event="unknown")
        wait_until(lambda: port.live)
        port.write(seen(1, events=(event(),)))
        wait_until(lambda: home.attributes("event.porch_cat_event").get("event_type") == "active")


def test_what_is_pressed_and_set_there_comes_as_a_command(
    home: HomeAssistant, port_of: MakePort, mailbox: Mailbox
) -> None:
    def asked() -> list[Any]:
        requests: list[Any] = []

        def come() -> bool:
            requests.extend([*mailbox.take(), *mailbox.take_snapshots()])
            return bool(requests)

        wait_until(come)
        return [request.command for request in requests]

    with port_of() as port:
        for output in OUTPUTS:
            port.write(OutputState(output.name, 0.0, 0.0))
        home.becomes(switch__porch_lamp="off", light__porch_dim="off", number__porch_arm="0.0")
        home.call("button.press", "button.porch_snapshot")
        assert asked() == [TakeSnapshot()]
        home.call("button.press", "button.porch_reload")
        assert asked() == [Reload()]
        home.call("switch.turn_on", "switch.porch_lamp")
        assert asked() == [SetOutput(name="lamp", value=1.0)]
        home.call("light.turn_on", "light.porch_dim")
        assert asked() == [SetOutput(name="dim", value=1.0)]
        home.call("light.turn_on", "light.porch_dim", brightness=51)
        assert asked() == [SetOutput(name="dim", value=0.2)]
        home.call("light.turn_off", "light.porch_dim")
        assert asked() == [SetOutput(name="dim", value=0.0)]
        home.call("number.set_value", "number.porch_arm", value=0.25)
        assert asked() == [SetOutput(name="arm", value=0.25)]
        home.call("number.set_value", "number.porch_cat_enter_threshold", value=0.75)
        assert asked() == [SetThreshold(rule="cat", threshold="enter", value=0.75)]
        # Nothing is assumed: it is as edged says.
        home.becomes(switch__porch_lamp="off", number__porch_cat_enter_threshold="0.6")
        port.write(OutputState("lamp", 1.0, 0.0))
        port.write(OutputState("dim", 0.2, 0.0))
        home.becomes(switch__porch_lamp="on", light__porch_dim="on")
        assert home.attributes("light.porch_dim")["brightness"] == 51


def test_a_picture_arrives(home: HomeAssistant, port_of: MakePort) -> None:
    with port_of(mqtt={"image": "event"}) as port:
        wait_until(lambda: home.states().keys() >= APPEARS)
        wait_until(lambda: port.live)
        home.becomes(image__porch_picture="unknown")
        port.write(seen(1, events=(event(),)))
        wait_until(lambda: home.states()["image.porch_picture"] != "unknown")
        assert home.ask("image", "image.porch_picture") > 100


def test_what_is_gone_after_a_reload_is_removed(home: HomeAssistant, port_of: MakePort) -> None:
    with port_of() as port:
        wait_until(lambda: home.states().keys() >= APPEARS)
        port.reconfigure(Config(device="porch", mqtt=port._mqtt, rule=[CAT], output=OUTPUTS))
        left = {name for name in APPEARS if "a_b_c" not in name}
        wait_until(lambda: home.states().keys() == left)
        assert home.ask("entities").keys() == left


def test_what_is_gone_after_a_restart_is_removed_and_what_changed_its_kind(
    home: HomeAssistant, port_of: MakePort
) -> None:
    with port_of():
        wait_until(lambda: home.states().keys() >= APPEARS)
    lamp = [OutputConfig(name="lamp", pin=1, device="pwm", action="manual")]
    with port_of(rule=[CAT], output=lamp, mqtt={"health_s": 0.0}):
        wait_until(lambda: "light.porch_lamp" in home.states())
        wait_until(lambda: not home.states().keys() & {"switch.porch_lamp", "number.porch_arm"})
        assert home.states().keys() == {
            "binary_sensor.porch_cat", "event.porch_cat_event",
            "number.porch_cat_enter_threshold", "number.porch_cat_exit_threshold",
            "sensor.porch_scene", "sensor.porch_score", "image.porch_picture",
            "light.porch_lamp", "button.porch_snapshot", "button.porch_reload",
        }  # fmt: skip


def test_where_it_is_switched_off_the_device_goes(home: HomeAssistant, port_of: MakePort) -> None:
    with port_of():
        wait_until(lambda: home.states().keys() >= APPEARS)
    with port_of(announced=False):
        wait_until(lambda: home.states() == {})
        assert home.ask("devices") == []


def test_without_commands_there_is_nothing_to_press(home: HomeAssistant, port_of: MakePort) -> None:
    with port_of(mqtt={"commands": False}) as port:
        for output in OUTPUTS:
            port.write(OutputState(output.name, 1.0, 0.0))
        home.becomes(binary_sensor__porch_lamp="on", binary_sensor__porch_arm="on")
        domains = {name.partition(".")[0] for name in home.states()}
        assert domains == {"binary_sensor", "sensor", "event", "image", "update"}


def test_home_assistant_restarted_has_everything_again_from_its_birth_on(
    broker: Broker, tmp_path: Path, port_of: MakePort
) -> None:
    folder = tmp_path / "home"
    with port_of() as port:
        with HomeAssistant(folder, broker) as home:
            wait_until(lambda: home.states().keys() >= APPEARS)
            port.write(seen(1))
            port.write(health())
            home.becomes(binary_sensor__porch_cat="on", sensor__porch_frame_rate="29.97")
        with HomeAssistant(folder, broker) as home:
            # Health is not retained: only the birth, seconds after the start, brings it back.
            home.becomes(
                binary_sensor__porch_cat="on",
                sensor__porch_scene="cat",
                sensor__porch_frame_rate="29.97",
                update__porch_model="off",
            )
            assert home.states().keys() == APPEARS
        assert home.complaints() == []


def test_what_goes_while_home_assistant_is_away_stays_in_its_list_and_does_no_harm(
    broker: Broker, tmp_path: Path, port_of: MakePort
) -> None:
    folder = tmp_path / "home"
    with port_of() as port:
        with HomeAssistant(folder, broker) as home:
            wait_until(lambda: home.states().keys() >= APPEARS)
        port.reconfigure(Config(device="porch", mqtt=port._mqtt, rule=[CAT], output=OUTPUTS))
        with HomeAssistant(folder, broker) as home:
            home.becomes(
                number__porch_cat_enter_threshold="0.6", event__porch_a_b_c_1_event="unavailable"
            )
        assert home.complaints() == []


def test_two_devices_stand_side_by_side(
    home: HomeAssistant, port_of: MakePort, tmp_path: Path, broker: Broker
) -> None:
    (tmp_path / "other").mkdir()
    mqtt = MqttConfig(host="127.0.0.1", port=broker.port, prefix="upstairs")
    other = RecordedPort(mqtt, tmp_path / "other", Mailbox(), announced=True, rule=[CAT])
    with port_of() as port, other:
        wait_until(lambda: "binary_sensor.porch_cat_2" in home.states())
        port.write(seen(1))
        other.write(seen(1, scene="nothing", active=False))
        wait_until(
            lambda: (
                {"on", "off"}
                == {
                    state
                    for name, state in home.states().items()
                    if "binary_sensor.porch_cat" in name
                }
            )
        )
        assert len(home.ask("devices")) == 2
