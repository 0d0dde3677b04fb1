"""What mosquitto refuses and limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edged.mailbox import Mailbox
from tests.mosquitto import Broker, brokers, needs_mosquitto, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.test_port import mqtt_to
from tests.ports.mqtt.test_strict_broker import EVENT, health_of, make_events, warnings_of

__all__ = ["brokers"]

pytestmark = needs_mosquitto("access lists and limits")

StartBroker = Callable[..., Broker]


def port_to(broker: Broker, folder: Path, **options: Any) -> RecordedPort:
    folder.mkdir(exist_ok=True)
    return RecordedPort(mqtt_to(broker, **options), folder, Mailbox(), ["lamp"])


def test_an_access_list_that_refuses_events_is_told(
    brokers: StartBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic edged/porch/availability\ntopic read edged/porch/command\n")
    acl.chmod(0o644)
    broker = brokers("allow_anonymous true", f"acl_file {acl}")
    with port_to(broker, tmp_path) as port:
        wait_until(lambda: port.live)
        make_events(port, 3)
        wait_until(lambda: health_of(port)["events_refused"] == 3)
        (line,) = [line for line in warnings_of(caplog) if EVENT in line]
    assert "Not authorized" in line


@pytest.mark.parametrize("lines", ["message_size_limit 150", "max_packet_size 150"])
def test_what_is_too_large_for_it_ends_no_connection(
    brokers: StartBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture, lines: str
) -> None:
    broker = brokers("allow_anonymous true", lines)
    with port_to(broker, tmp_path) as port:
        wait_until(lambda: port.live)
        make_events(port, 3)
        wait_until(lambda: health_of(port)["events_refused"] == 3)
    assert not any("lost" in line for line in warnings_of(caplog))


def test_a_broker_of_few_messages_at_a_time_gets_all(brokers: StartBroker, tmp_path: Path) -> None:
    broker = brokers("allow_anonymous true", "max_inflight_messages 1")
    with port_to(broker, tmp_path) as port:
        make_events(port, 50)
        wait_until(lambda: port.live)
        wait_until(lambda: port._delivery._consumer.cursor == 50)


def test_two_installations_of_one_device_name_leave_each_other_alone(
    brokers: StartBroker, tmp_path: Path
) -> None:
    broker = brokers("allow_anonymous true")
    with port_to(broker, tmp_path / "one") as one, port_to(broker, tmp_path / "two") as two:
        wait_until(lambda: one.live and two.live)
        make_events(one, 2)
        make_events(two, 2)
        for port in (one, two):
            wait_until(lambda p=port: p._delivery._consumer.cursor == 2)  # type: ignore[misc]
            assert port.live
            assert health_of(port)["broker_problems"] == []


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_two_clients_of_one_name_are_told_so(
    brokers: StartBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    broker = brokers("allow_anonymous true")
    options: dict[str, Any] = {"client_id": "x", "protocol": protocol}
    with port_to(broker, tmp_path / "one", **options), port_to(broker, tmp_path / "two", **options):
        wait_until(lambda: any("uses the identifier x" in line for line in warnings_of(caplog)))
