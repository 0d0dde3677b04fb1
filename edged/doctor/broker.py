"""The MQTT broker: name, port, TLS, certificate, and the right to publish and subscribe."""

from __future__ import annotations

import os
import queue
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

from edged.config.schema import Config, MqttConfig
from edged.doctor.remedy import parted
from edged.errors import EdgedError
from edged.messages.doctor import Finding, Level
from edged.ports.mqtt import credentials, tls
from edged.ports.mqtt.connection import CONNECT_TIMEOUT_S, reason, refused
from edged.ports.mqtt.topics import Topics

ANSWER_S = 5.0
ENDS_SOON_DAYS = 21.0


def look(config: Config, status: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Connects as another client and sends itself a message. `status` is the running daemon's."""
    mqtt = config.mqtt
    if not mqtt.enabled:
        return
    if mqtt.embedded:
        yield Finding("broker", "note", "the embedded broker serves demonstrations only")
        return
    for problem in status["broker_problems"] if status else ():
        yield Finding("broker", "error", problem)
    if readable := credentials.exposed(mqtt):
        yield Finding("broker-tls", "warning", readable, "set [mqtt.tls] enabled = true")
    port = mqtt.port or (8883 if mqtt.tls.enabled else 1883)
    where = f"{mqtt.host}:{port}"
    try:
        if mqtt.tls.enabled:
            yield from _certificate(mqtt, port)
        yield from _probe(mqtt, port, Topics(mqtt, config.device))
    except EdgedError as error:
        yield Finding("broker", "error", *parted(str(error)))
    except (OSError, ValueError) as error:
        what, do = parted(f"MQTT broker {where}: {reason(error)}")
        if isinstance(error, ConnectionRefusedError) and credentials.is_here(mqtt.host):
            do += "; if no broker is installed here: sudo apt install mosquitto"
        yield Finding("broker", "error", what, do)


def _certificate(mqtt: MqttConfig, port: int) -> Iterator[Finding]:
    with (
        socket.create_connection((mqtt.host, port), CONNECT_TIMEOUT_S) as plain,
        tls.context(mqtt.tls).wrap_socket(plain, server_hostname=mqtt.host) as secured,
    ):
        certificate = secured.getpeercert() or {}
    ends = certificate.get("notAfter")
    if not isinstance(ends, str):
        what = "the broker's certificate is not checked (mqtt.tls.verify = false)"
        yield Finding("broker-certificate", "warning", what, "set mqtt.tls.ca_file, and verify")
        return
    days = (ssl.cert_time_to_seconds(ends) - time.time()) / 86400
    level: Level = "warning" if days < ENDS_SOON_DAYS else "ok"
    do = "" if level == "ok" else "renew it on the broker"
    yield Finding(
        "broker-certificate", level, f"the broker's certificate expires in {days:.0f} days", do
    )


def _probe(mqtt: MqttConfig, port: int, topics: Topics) -> Iterator[Finding]:
    """A message to ourselves: what may not be published or subscribed to does not come back."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    topic, payload = f"{topics.root}/doctor", os.urandom(8).hex().encode()
    answers = _Answers()
    version = MQTTProtocolVersion.MQTTv5 if mqtt.protocol == "5" else MQTTProtocolVersion.MQTTv311
    client = Client(
        CallbackAPIVersion.VERSION2, f"edged-doctor-{os.urandom(4).hex()}", protocol=version
    )
    name, password = credentials.user(mqtt)
    if name is not None:
        client.username_pw_set(name, password)
    if mqtt.tls.enabled:
        client.tls_set_context(tls.context(mqtt.tls))
    client.on_connect = lambda _c, _u, _f, code, _p: answers.put("connected", code)
    client.on_subscribe = lambda _c, _u, _m, codes, _p: answers.put("subscribed", codes[0])
    client.on_publish = lambda _c, _u, _m, code, _p: answers.put("published", code)
    client.on_message = lambda _c, _u, message: answers.put("came", message.payload)
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.connect(mqtt.host, port)
    client.loop_start()
    where = f"{mqtt.host}:{port}"
    try:
        code = answers.next("connected")
        if code is None or code.is_failure:
            why = (
                "it does not answer; look at the broker's log"
                if code is None
                else refused(mqtt, code.getName())
            )
            yield Finding("broker", "error", *parted(f"MQTT broker {where}: {why}"))
            return
        yield Finding("broker", "ok", f"MQTT broker {where} accepts the connection")
        client.subscribe(topic, 1)
        code = answers.next("subscribed")
        if code is None or code.is_failure:
            yield _forbidden("subscribe to", topics.root)
            return
        client.publish(topic, payload, 1)
        code = answers.next("published")
        if code is None or code.is_failure or answers.next("came") != payload:
            yield _forbidden("publish to", topics.root)
            return
        yield Finding("broker-rights", "ok", f"messages under {topics.root}/ come and go")
    finally:
        client.disconnect()
        client.loop_stop()


def _forbidden(what: str, root: str) -> Finding:
    do = f"allow this user {root}/# in the broker's access control list"
    return Finding(
        "broker-rights", "error", f"the broker does not let this user {what} {root}/", do
    )


class _Answers:
    """What the network's thread hears, by kind."""

    def __init__(self) -> None:
        kinds = ("connected", "subscribed", "published", "came")
        self._heard: dict[str, queue.SimpleQueue[Any]] = {
            kind: queue.SimpleQueue() for kind in kinds
        }

    def put(self, kind: str, answer: Any) -> None:
        self._heard[kind].put(answer)

    def next(self, kind: str) -> Any:
        """None if none comes in time."""
        try:
            return self._heard[kind].get(timeout=ANSWER_S)
        except queue.Empty:
            return None
