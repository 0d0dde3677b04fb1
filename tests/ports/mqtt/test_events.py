"""The forms that an event can have on its way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from jsonschema import Draft202012Validator
from paho.mqtt.enums import MQTTProtocolVersion

from edged.mailbox import Mailbox
from edged.messages import schemas
from tests.mosquitto import MQTT_5, Broker, Listener, broker, brokers, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, result
from tests.ports.mqtt.test_port import mqtt_to

__all__ = ["broker", "brokers"]


@MQTT_5
def test_a_cloudevent_is_what_the_sdk_reads_and_says_what_it_is(
    broker: Broker, tmp_path: Path
) -> None:
    mqtt = mqtt_to(broker, event_format="cloudevents")
    with (
        Listener(broker.port, "edged/porch/event", protocol=MQTTProtocolVersion.MQTTv5) as listener,
        RecordedPort(mqtt, tmp_path, Mailbox()) as port,
    ):
        wait_until(lambda: port.live)
        port.write(result(events=(event(),)))
        message = listener.next()
    content_type = message.properties.ContentType
    assert content_type == "application/cloudevents+json; charset=utf-8"
    read = from_http_event(HTTPMessage({"content-type": content_type}, message.payload))
    attributes = read.get_attributes()
    data = read.get_data()
    assert isinstance(data, dict)
    assert (attributes["id"], attributes["source"]) == ("porch-1", "/edged/porch")
    assert (attributes["type"], attributes["subject"]) == ("io.github.edged.event", "cat")
    assert (data["number"], data["rule"], data["active"]) == (1, "cat", True)


def test_without_mqtt_5_it_is_the_same_json(broker: Broker, tmp_path: Path) -> None:
    mqtt = mqtt_to(broker, protocol="3.1.1", event_format="cloudevents")
    with (
        Listener(broker.port, "edged/porch/event") as listener,
        RecordedPort(mqtt, tmp_path, Mailbox()) as port,
    ):
        wait_until(lambda: port.live)
        port.write(result(events=(event(),)))
        said = json.loads(listener.next().payload)
    Draft202012Validator(schemas.load("cloudevent")).validate(said)


def test_frigates_topic_tells_of_each_appearance_as_one_object(
    broker: Broker, tmp_path: Path
) -> None:
    mqtt = mqtt_to(broker, frigate_topic="frigate/events")
    told: list[dict[str, Any]] = []
    with (
        Listener(broker.port, "frigate/events", "edged/porch/event") as listener,
        RecordedPort(mqtt, tmp_path, Mailbox()) as port,
    ):
        wait_until(lambda: port.live)
        for number, active in ((1, True), (2, False), (3, True)):
            port.write(result(number, events=(event(number, active=active),)))
            assert json.loads(listener.next("edged/porch/event").payload)["number"] == number
            told.append(json.loads(listener.next("frigate/events").payload))
    for one in told:
        Draft202012Validator(schemas.load("frigate")).validate(one)
    new, end, again = told
    assert [one["type"] for one in told] == ["new", "end", "new"]
    assert (new["after"]["camera"], new["after"]["label"]) == ("porch", "cat")
    assert (new["before"]["false_positive"], new["after"]["false_positive"]) == (True, False)
    assert new["after"]["end_time"] is None
    assert end["after"]["id"] == new["after"]["id"]
    assert end["after"]["start_time"] == new["after"]["start_time"]
    assert end["after"]["end_time"] is not None
    assert again["after"]["id"] != new["after"]["id"]
