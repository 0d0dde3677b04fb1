"""Events reach a receiver over HTTP: signed, in order, each once, whatever it does."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from edged.config.schema import JournalConfig, WebhookConfig
from edged.core import CameraChanged, Ended
from edged.errors import ConfigError
from edged.journal.journal import Journal
from edged.ports.webhook import WebhookPort
from edged.ports.webhook.receiver import Receiver
from tests.mosquitto import free_port, wait_until
from tests.ports.mqtt.reports import event, result
from tests.ports.webhook.strict_receiver import SECRET, StrictReceiver, is_signed


@pytest.fixture
def receiver() -> Iterator[StrictReceiver]:
    with StrictReceiver() as receiver:
        yield receiver


class Device:
    """A journal, and webhooks that read it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "secret").write_text(f"{SECRET}\n")
        self.journal = Journal("porch", JournalConfig(path=str(folder / "events.db")))

    def webhook(self, url: str, **options: Any) -> WebhookConfig:
        defaults = {
            "name": "alarm",
            "secret_file": str(self._folder / "secret"),
            "retry_min_s": 0.02,
            "retry_max_s": 0.05,
            "timeout_s": 5.0,
        }
        return WebhookConfig(url=url, **{**defaults, **options})

    def port(self, *webhooks: WebhookConfig) -> WebhookPort:
        return WebhookPort(webhooks, self.journal, "/edged/porch")

    def happens(self, port: WebhookPort, count: int = 1) -> None:
        for _ in range(count):
            port.write(result(events=self.journal.record([event()])))


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path)
    with made.journal:
        yield made


def test_an_event_is_posted_at_once_and_signed(device: Device, receiver: StrictReceiver) -> None:
    with device.port(device.webhook(receiver.url)) as port:
        device.happens(port)
        wait_until(lambda: receiver.got)
    (got,) = receiver.got
    assert is_signed(got)
    assert not is_signed(got, key=b"another")
    assert got.headers["webhook-id"] == got.json["id"] == "porch-1"
    assert got.headers["Content-Type"] == "application/json"
    assert (got.json["rule"], got.json["replayed"]) == ("cat", False)


def test_a_receiver_that_was_away_gets_everything_in_order_and_nothing_twice(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    number = free_port()
    with device.port(device.webhook(f"http://127.0.0.1:{number}/")) as port:
        device.happens(port, 120)
        wait_until(port.problems)
        time.sleep(0.1)
        with StrictReceiver(number) as receiver:
            wait_until(lambda: len(receiver.taken()) == 120)
            device.happens(port)
            wait_until(lambda: len(receiver.taken()) == 121)
            assert receiver.taken() == list(range(1, 122))
            assert port.problems() == []
    told = [one.message for one in caplog.records if "webhook" in one.name]
    assert len(told) == 2, "told once that it is away, and once that it is there"


@pytest.mark.parametrize("status", [408, 429, 500, 503, 599])
def test_what_may_be_taken_later_is_sent_until_it_is(
    device: Device, receiver: StrictReceiver, status: int
) -> None:
    receiver.answer = lambda attempt: 200 if attempt > 3 else status
    with device.port(device.webhook(receiver.url)) as port:
        device.happens(port, 2)
        wait_until(lambda: receiver.taken() == [1, 2])
    assert [got.headers["webhook-id"] for got in receiver.got] == ["porch-1"] * 4 + ["porch-2"]
    assert all(map(is_signed, receiver.got))


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 422])
def test_what_is_refused_is_told_once_counted_and_left_out(
    device: Device, receiver: StrictReceiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.headers = {"Location": receiver.url}
    receiver.answer = lambda attempt: 204 if attempt > 3 else status
    with device.port(device.webhook(receiver.url)) as port:
        device.happens(port, 4)
        wait_until(lambda: receiver.taken() == [4])
        (line,) = port.problems()
    assert [got.number for got in receiver.got] == [1, 2, 3, 4]
    assert f"refused 3 events, last: {status}" in line
    assert len(caplog.messages) == 1
    for said in (line, caplog.text):
        assert ("redirects are not followed" in said) == (status < 400)
        assert ("secret_file and the receiver have the same secret" in said) == (status == 401)


def test_a_receiver_that_refuses_what_is_not_signed_is_told_with_the_missing_option(
    device: Device, receiver: StrictReceiver
) -> None:
    receiver.answer = lambda _: 403
    with device.port(device.webhook(receiver.url, secret_file="")) as port:
        device.happens(port)
        wait_until(port.problems)
        (line,) = port.problems()
    assert line.endswith("; set secret_file if the receiver wants signed messages")


def test_it_goes_on_in_the_next_run_where_it_was(device: Device, receiver: StrictReceiver) -> None:
    receiver.answer = lambda attempt: 503 if attempt > 2 else 200
    with device.port(device.webhook(receiver.url)) as port:
        device.happens(port, 4)
        wait_until(port.problems)
    device.journal.sync()
    receiver.answer = lambda _: 200
    with device.port(device.webhook(receiver.url)):
        wait_until(lambda: receiver.taken() == [1, 2, 3, 4])
    assert [got.json["replayed"] for got in receiver.got[-2:]] == [True, True]


def test_what_came_before_a_webhook_was_configured_is_not_sent(
    tmp_path: Path, receiver: StrictReceiver
) -> None:
    before = Device(tmp_path)
    with before.journal:
        before.journal.record([event()])
    device = Device(tmp_path)
    with device.journal, device.port(device.webhook(receiver.url)) as port:
        wait_until(lambda: port._webhooks[0]._consumer.known)
        device.happens(port)
        wait_until(lambda: receiver.taken() == [2])


def test_two_webhooks_do_not_wait_for_each_other(device: Device, receiver: StrictReceiver) -> None:
    away = device.webhook(f"http://127.0.0.1:{free_port()}/", name="away")
    with device.port(away, device.webhook(receiver.url)) as port:
        device.happens(port, 3)
        wait_until(lambda: receiver.taken() == [1, 2, 3])


def test_a_rule_that_ends_with_edged_is_told(device: Device, receiver: StrictReceiver) -> None:
    with device.port(device.webhook(receiver.url)) as port:
        wait_until(lambda: port._webhooks[0]._consumer.known)
        ended = device.journal.record([event(active=False)])
        port.write(Ended("stop", "edged stops", ended))
    assert receiver.taken() == [1]


def test_a_fault_of_the_camera_is_told(device: Device, receiver: StrictReceiver) -> None:
    with device.port(device.webhook(receiver.url)) as port:
        wait_until(lambda: port._webhooks[0]._consumer.known)
        port.write(CameraChanged(device.journal.record([event()])))
        wait_until(lambda: receiver.taken() == [1])


def drips(file: Any) -> None:
    """Answers, a byte now and then, for as long as anybody listens."""
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000:
        file.write(bytes([byte]))
        file.flush()
        time.sleep(0.02)


def floods(file: Any) -> None:
    """A body without end."""
    file.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        file.write(b"x" * 65536)


def says_nothing(file: Any) -> None:
    time.sleep(30)


def lies(file: Any) -> None:
    file.write(b"\x00\xff not HTTP\r\n\r\n")


@pytest.mark.parametrize("hostile", [drips, says_nothing, lies])
def test_a_hostile_receiver_is_given_up_in_time_and_tried_again(
    device: Device, receiver: StrictReceiver, hostile: Callable[[Any], None]
) -> None:
    receiver.raw = hostile
    with device.port(device.webhook(receiver.url, timeout_s=0.3)) as port:
        device.happens(port)
        wait_until(port.problems)
        receiver.raw = None
        wait_until(lambda: receiver.taken() == [1])


def test_of_an_answer_without_end_the_status_counts(
    device: Device, receiver: StrictReceiver
) -> None:
    receiver.raw = floods
    with device.port(device.webhook(receiver.url)) as port:
        device.happens(port)
        wait_until(lambda: port._webhooks[0].settled and port._webhooks[0]._consumer.cursor == 1)


@pytest.mark.parametrize("hostile", [drips, says_nothing])
def test_a_stop_does_not_wait_for_it(
    device: Device, receiver: StrictReceiver, hostile: Callable[[Any], None]
) -> None:
    begun = threading.Event()

    def begin(file: Any) -> None:
        begun.set()
        hostile(file)

    receiver.raw = begin
    with device.port(device.webhook(receiver.url, timeout_s=300.0)) as port:
        device.happens(port)
        assert begun.wait(30.0)
    assert not port._webhooks[0]._thread.is_alive()


def test_writing_to_it_waits_for_nobody(device: Device) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with device.port(device.webhook(url, timeout_s=300.0)) as port:
            device.happens(port, 50)
            assert port._webhooks[0]._consumer.cursor == 0


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for localhost that it signs itself."""
    made = tmp_path / "both.pem"
    program = shutil.which("openssl") or pytest.skip("openssl is not installed")
    subprocess.run(
        [
            *(program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", tmp_path / "key.pem", "-out", tmp_path / "ca.pem"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    made.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "ca.pem").read_text())
    return made


@pytest.mark.parametrize(
    ("host", "trusted", "told"),
    [
        ("localhost", True, None),
        ("localhost", False, "its certificate is not trusted"),
        ("127.0.0.1", True, "its certificate is not trusted"),
    ],
)
def test_only_a_certificate_that_is_right_gets_events(
    device: Device, tmp_path: Path, certificate: Path, host: str, trusted: bool, told: str | None
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with StrictReceiver(tls=context) as receiver:
        url = f"https://{host}:{receiver.port}/"
        ca_file = str(tmp_path / "ca.pem") if trusted else ""
        with device.port(device.webhook(url, ca_file=ca_file)) as port:
            device.happens(port)
            if told is None:
                wait_until(lambda: receiver.taken() == [1])
            else:
                wait_until(port.problems)
                assert told in port.problems()[0]
        assert len(receiver.got) == (told is None)


def test_a_connection_that_is_cut_off_stays_encrypted(tmp_path: Path, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with StrictReceiver(tls=context) as strict:
        receiver = Receiver(f"https://localhost:{strict.port}/", 5.0, str(tmp_path / "ca.pem"))
        receiver.post(json.dumps({"number": 1}).encode(), {})
        secured = receiver._socket
        assert isinstance(secured, ssl.SSLSocket)
        receiver.abort()
        assert secured.version() is not None
        receiver.close()


def test_how_long_a_receiver_wants_to_be_left_alone_counts(
    device: Device, receiver: StrictReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    receiver.headers = {"Retry-After": "120"}
    receiver.answer = lambda attempt: 204 if attempt > 1 else 429
    port = device.port(device.webhook(receiver.url))
    closing = port._webhooks[0]._closing
    monkeypatch.setattr(closing, "wait", lambda timeout: waits.append(timeout))
    with port:
        device.happens(port)
        wait_until(lambda: receiver.taken() == [1])
    assert waits == [120.0]


def test_what_an_address_holds_beyond_its_host_stays_inside(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    number = free_port()
    with device.port(device.webhook(f"http://127.0.0.1:{number}/s3cret?key=s3cret")) as port:
        device.happens(port)
        wait_until(port.problems)
        (line,) = port.problems()
    assert line.startswith(f"webhook alarm (http://127.0.0.1:{number}/***): nothing listens there")
    assert "s3cret" not in caplog.text + line
    assert SECRET not in caplog.text


def test_a_secret_that_changes_is_used_from_the_next_message_on(
    device: Device, receiver: StrictReceiver, tmp_path: Path
) -> None:
    with device.port(device.webhook(receiver.url)) as port:
        device.happens(port)
        wait_until(lambda: receiver.taken() == [1])
        (tmp_path / "secret").write_text("whsec_bmV3")
        device.happens(port)
        wait_until(lambda: receiver.taken() == [1, 2])
    assert is_signed(receiver.got[1], key=b"new")


@pytest.mark.parametrize(
    ("file", "told"),
    [("away", r"\*\*\* does not exist"), ("wrong", "/wrong is not whsec_ and base64")],
)
def test_a_secret_that_is_not_there_or_is_none_refuses_the_configuration(
    device: Device, tmp_path: Path, file: str, told: str
) -> None:
    (tmp_path / "wrong").write_text("hunter2")
    with pytest.raises(ConfigError, match=f"webhook alarm: secret_file: .*{told}"):
        device.port(device.webhook("http://localhost/", secret_file=str(tmp_path / file)))


def test_a_structured_cloudevent_is_what_the_sdk_reads(
    device: Device, receiver: StrictReceiver
) -> None:
    with device.port(device.webhook(receiver.url, format="cloudevents")) as port:
        device.happens(port)
        wait_until(lambda: receiver.got)
    check_cloudevent(receiver)


def test_a_binary_cloudevent_is_what_the_sdk_reads(
    device: Device, receiver: StrictReceiver
) -> None:
    with device.port(device.webhook(receiver.url, format="cloudevents-binary")) as port:
        device.happens(port)
        wait_until(lambda: receiver.got)
    assert receiver.got[0].json["id"] == "porch-1"
    assert "ce-datacontenttype" not in receiver.got[0].headers
    check_cloudevent(receiver)


def check_cloudevent(receiver: StrictReceiver) -> None:
    (got,) = receiver.got
    assert is_signed(got)
    read = from_http_event(HTTPMessage(got.headers, got.body))
    data = read.get_data()
    assert isinstance(data, dict)
    assert (data["type"], data["rule"], data["id"]) == ("event", "cat", "porch-1")
    assert read.get_attributes() == {
        "specversion": "1.0",
        "id": "porch-1",
        "source": "/edged/porch",
        "type": "io.github.edged.event",
        "subject": "cat",
        "time": datetime.fromisoformat(data["time"]),
        "datacontenttype": "application/json",
    }
