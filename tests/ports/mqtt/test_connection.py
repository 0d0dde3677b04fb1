"""Getting in: TLS, client certificates, user and password, and what is said when it fails."""

from __future__ import annotations

import logging
import math
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edged.config.schema import MqttConfig, TlsConfig
from edged.errors import ConfigError, PortError
from edged.mailbox import Mailbox
from edged.ports.mqtt import MqttPort
from edged.ports.mqtt import connection as module
from edged.ports.mqtt.connection import (
    RIVAL,
    RIVAL_CUTS,
    RIVAL_GONE_S,
    SILENT_S,
    STABLE_S,
    Callbacks,
    Connection,
)
from edged.ports.mqtt.limits import ENDED, SIZE, Limits
from tests.mosquitto import (
    LIMIT_S,
    VERSIONS,
    Broker,
    brokers,
    free_port,
    needs_mosquitto,
    wait_until,
)
from tests.pki import available, certificates
from tests.ports.mqtt.recorded import RecordedPort

__all__ = ["brokers"]

StartBroker = Callable[..., Broker]
TLS = needs_mosquitto("TLS")
PASSWORDS = needs_mosquitto("passwords")


@contextmanager
def opened(tmp_path: Path, **mqtt: Any) -> Iterator[MqttPort]:
    defaults = {"host": "127.0.0.1", "retry_min_s": 0.05, "retry_max_s": 0.05}
    config = MqttConfig(**{**defaults, **mqtt})
    with RecordedPort(config, tmp_path, Mailbox()) as entered:
        yield entered


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, the broker's certificate for 127.0.0.1 and a client's."""
    if not available():
        pytest.skip("openssl is not installed: apt install openssl")
    return certificates(tmp_path_factory.mktemp("pki"))


def tls_lines(pki: Path, *, client: bool = False) -> list[str]:
    return [
        "allow_anonymous true",
        f"cafile {pki / 'ca.crt'}",
        f"certfile {pki / 'server.crt'}",
        f"keyfile {pki / 'server.key'}",
        f"require_certificate {'true' if client else 'false'}",
    ]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


@TLS
def test_tls_with_the_right_authority_connects(
    brokers: StartBroker, pki: Path, tmp_path: Path
) -> None:
    broker = brokers(*tls_lines(pki))
    tls = TlsConfig(enabled=True, ca_file=str(pki / "ca.crt"))
    with opened(tmp_path, port=broker.port, tls=tls) as entered:
        wait_until(lambda: entered.live)


@TLS
def test_tls_with_another_authority_is_refused_and_the_line_says_what_to_check(
    brokers: StartBroker, pki: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = brokers(*tls_lines(pki))
    tls = TlsConfig(enabled=True, ca_file=str(pki / "other.crt"))
    with opened(tmp_path, port=broker.port, tls=tls) as entered:
        wait_until(lambda: warnings_of(caplog))
        assert not entered.live
    assert "not trusted" in warnings_of(caplog)[0]
    assert "mqtt.tls.ca_file" in warnings_of(caplog)[0]


@TLS
def test_tls_without_verification_connects_where_configured(
    brokers: StartBroker, pki: Path, tmp_path: Path
) -> None:
    broker = brokers(*tls_lines(pki))
    with opened(tmp_path, port=broker.port, tls=TlsConfig(enabled=True, verify=False)) as entered:
        wait_until(lambda: entered.live)


@TLS
def test_a_client_certificate_lets_in(brokers: StartBroker, pki: Path, tmp_path: Path) -> None:
    broker = brokers(*tls_lines(pki, client=True))
    tls = TlsConfig(
        enabled=True,
        ca_file=str(pki / "ca.crt"),
        cert_file=str(pki / "client.crt"),
        key_file=str(pki / "client.key"),
    )
    with opened(tmp_path, port=broker.port, tls=tls) as entered:
        wait_until(lambda: entered.live)


@TLS
def test_without_a_client_certificate_it_stays_out_and_goes_on_trying(
    brokers: StartBroker, pki: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = brokers(*tls_lines(pki, client=True))
    tls = TlsConfig(enabled=True, ca_file=str(pki / "ca.crt"))
    with opened(tmp_path, port=broker.port, tls=tls) as entered:
        wait_until(lambda: warnings_of(caplog))
        assert not entered.live
    assert f"127.0.0.1:{broker.port}" in warnings_of(caplog)[0]


def test_a_port_that_speaks_no_tls_is_told(
    brokers: StartBroker, pki: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = brokers()
    tls = TlsConfig(enabled=True, ca_file=str(pki / "ca.crt"))
    with opened(tmp_path, port=broker.port, tls=tls):
        wait_until(lambda: warnings_of(caplog))
    assert "127.0.0.1" in warnings_of(caplog)[0]


@pytest.fixture
def guarded(brokers: StartBroker, tmp_path: Path) -> Broker:
    """A broker that lets in only user ``porch`` with the password ``open sesame``."""
    users = tmp_path / "users"
    users.write_text("porch:open sesame\n")
    subprocess.run(["mosquitto_passwd", "-U", str(users)], check=True)
    users.chmod(0o600)
    return brokers("allow_anonymous false", f"password_file {users}")


@PASSWORDS
@VERSIONS
def test_user_and_password_come_from_files(guarded: Broker, tmp_path: Path, version: str) -> None:
    (tmp_path / "user").write_text("porch\n")
    (tmp_path / "password").write_text("open sesame\n")
    with opened(
        tmp_path,
        port=guarded.port,
        protocol=version,
        username_file=str(tmp_path / "user"),
        password_file=str(tmp_path / "password"),
    ) as entered:
        wait_until(lambda: entered.live)


@PASSWORDS
def test_the_password_may_be_a_systemd_credential(
    guarded: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mqtt-password").write_text("open sesame")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with opened(
        tmp_path,
        port=guarded.port,
        username="porch",
        password_file="credential:mqtt-password",  # noqa: S106
    ) as entered:
        wait_until(lambda: entered.live)


@PASSWORDS
@VERSIONS
def test_a_wrong_password_is_told_once_and_a_corrected_one_is_used(
    guarded: Broker, tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "password").write_text("open barley\n")
    with opened(
        tmp_path,
        port=guarded.port,
        protocol=version,
        username="porch",
        password_file=str(tmp_path / "password"),
    ) as entered:
        wait_until(lambda: warnings_of(caplog))
        time.sleep(0.3)
        (tmp_path / "password").write_text("open sesame\n")
        wait_until(lambda: entered.live)
    assert len(warnings_of(caplog)) == 1
    assert "refuses the user or the password" in warnings_of(caplog)[0]
    assert "sesame" not in caplog.text


def test_a_name_that_is_not_found_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path, host="broker.invalid"):
        wait_until(lambda: len(warnings_of(caplog)) > 1)
    assert warnings_of(caplog)[1].startswith("MQTT broker broker.invalid:1883: ")


@pytest.mark.parametrize(
    ("mqtt", "told"),
    [
        ({"username": "a", "password_file": "/nonexistent/p"}, "mqtt.password_file"),
        ({"username": "a", "password_file": "/usr/" + "p" * 300}, r"password_file: /usr/\*\*\*"),
        ({"username": "a", "password_file": "/usr"}, "mqtt.password_file: /usr is a folder"),
        ({"tls": TlsConfig(enabled=True, ca_file="/nonexistent/ca")}, "mqtt.tls.ca_file"),
        (
            {"tls": TlsConfig(enabled=True, cert_file=__file__, key_file="/nonexistent/k")},
            r"mqtt.tls.key_file: /\*\*\* does not exist; check the path",
        ),
    ],
)
def test_a_file_that_is_not_there_is_told_at_the_start(
    tmp_path: Path, mqtt: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told), opened(tmp_path, port=free_port(), **mqtt):
        pass


def test_a_broker_of_mqtt_3_only_is_spoken_to_in_its_language(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    levels: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse_mqtt_5() -> None:
            for answer in (b"\x20\x02\x00\x01", b"\x20\x02\x00\x00"):
                client, _ = server.accept()
                with client:
                    greeting = client.recv(1024)
                    levels.append(greeting[greeting.index(b"MQTT") + 4])
                    client.sendall(answer)
                    while client.recv(1024):
                        pass

        thread = threading.Thread(target=refuse_mqtt_5, daemon=True)
        thread.start()
        with opened(tmp_path, port=server.getsockname()[1], protocol="5") as entered:
            wait_until(lambda: entered.live)
        thread.join()
    assert levels == [5, 4]
    assert any("edged uses MQTT 3.1.1" in line for line in warnings_of(caplog))


def test_a_broker_that_talks_nonsense_is_left_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    greetings: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk_nonsense() -> None:
            for nonsense in (b"\x20\x03\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff", b"\x00\x00"):
                client, _ = server.accept()
                with client, suppress(OSError):
                    greetings.append(client.recv(1024))
                    client.sendall(nonsense)
                    while client.recv(1024):
                        pass

        thread = threading.Thread(target=talk_nonsense, daemon=True)
        thread.start()
        with opened(tmp_path, port=server.getsockname()[1]):
            thread.join(30.0)
    assert len(greetings) == 2
    assert all("\n" not in line for line in warnings_of(caplog))


def test_the_embedded_broker_is_connected_to(tmp_path: Path) -> None:
    pytest.importorskip("amqtt")
    from edged.broker import ensure_broker

    port = free_port()
    with ensure_broker("localhost", port), opened(tmp_path, port=port, embedded=True) as entered:
        wait_until(lambda: entered.live)


def nothing(*_: object) -> None:
    pass


def unconnected(
    *subscriptions: str,
    problem: Callable[[str, str | None], None] = nothing,
    head_start_s: float = 0.0,
    **mqtt: Any,
) -> Connection:
    callbacks = Callbacks(
        up=nothing, down=nothing, acknowledged=nothing, message=nothing, problem=problem
    )
    config = MqttConfig(**{"host": "127.0.0.1", **mqtt})
    return Connection(
        config,
        "porch",
        "online",
        subscriptions,
        callbacks,
        heard_s=-math.inf,
        head_start_s=head_start_s,
    )


@pytest.mark.parametrize(
    ("mqtt", "port"), [({}, 1883), ({"tls": TlsConfig(enabled=True)}, 8883), ({"port": 7}, 7)]
)
def test_the_port_is_that_of_the_protocol_unless_configured(
    mqtt: dict[str, Any], port: int
) -> None:
    assert unconnected(**mqtt).broker == f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("mqtt", "level"),
    [({"protocol": "5"}, 5), ({"protocol": "3.1.1"}, 4), ({"protocol": "5", "embedded": True}, 4)],
)
def test_the_greeting_is_in_the_configured_language_and_in_the_older_for_the_embedded_broker(
    mqtt: dict[str, Any], level: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT_S)
        connection = unconnected(port=server.getsockname()[1], **mqtt)
        connection.start()
        client, _ = server.accept()
        with client:
            greeting = client.recv(1024)
        connection.stop()
    assert greeting[greeting.index(b"MQTT") + 4] == level


def test_connecting_waits_for_what_has_a_head_start(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(Connection, "_live_once", lambda _: steps.append("connect"))
    connection = unconnected(head_start_s=600.0)
    connection.start()
    steps.append("the first picture")
    connection.first_done()
    wait_until(lambda: len(steps) > 1)
    connection.stop()
    assert steps[:2] == ["the first picture", "connect"]


def test_a_stop_waits_for_no_head_start() -> None:
    connection = unconnected(head_start_s=600.0)
    connection.start()
    connection.stop()
    assert not connection._thread.is_alive()


def test_a_head_start_is_over_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = threading.Event()
    monkeypatch.setattr(Connection, "_live_once", lambda _: connected.set())
    connection = unconnected(head_start_s=0.01)
    connection.start()
    assert connected.wait(LIMIT_S)
    connection.stop()


def test_the_wait_grows_with_each_failure_and_starts_anew_after_a_good_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lasts_s = iter([1.0, 1.0, STABLE_S + 1.0, STABLE_S, 1.0])
    clock = SimpleNamespace(now_s=1000.0)
    waits: list[tuple[int, float, float]] = []
    connection = unconnected(retry_min_s=0.5, retry_max_s=8.0)

    def live(_: Connection) -> None:
        try:
            clock.now_s += next(lasts_s)
        except StopIteration:
            connection._stopping.set()
            return
        raise PortError("lost")

    def wait_s(*arguments: Any) -> float:
        waits.append(arguments)
        return 0.0

    monkeypatch.setattr(Connection, "_live_once", live)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    monkeypatch.setattr(module, "backoff_s", wait_s)
    connection._run()
    assert waits[:5] == [(failures, 0.5, 8.0) for failures in (1, 2, 1, 2, 3)]


def test_a_problem_is_told_once_until_it_is_over_or_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    connection = unconnected()
    for problem in ("a", "a", "b"):
        connection._tell_problem(problem)
    connection._tell_connected()
    connection._tell_problem("b")
    assert caplog.messages == [
        "MQTT broker 127.0.0.1:1883: a; trying again",
        "MQTT broker 127.0.0.1:1883: b; trying again",
        "MQTT broker 127.0.0.1:1883: connected as porch",
        "MQTT broker 127.0.0.1:1883: b; trying again",
    ]


def tls_failure(kind: type[ssl.SSLError], **said: str) -> ssl.SSLError:
    error = kind(1, "TLS")
    for name, text in said.items():
        setattr(error, name, text)
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (socket.gaierror(), "its name cannot be resolved; check mqtt.host"),
        (ConnectionRefusedError(), "nothing listens there; check mqtt.host and mqtt.port"),
        (
            tls_failure(ssl.SSLError, reason="WRONG_VERSION_NUMBER"),
            "TLS fails: WRONG_VERSION_NUMBER; check mqtt.port and mqtt.tls",
        ),
        (
            tls_failure(ssl.SSLCertVerificationError, verify_message="self-signed certificate"),
            "its certificate is not trusted: self-signed certificate; check mqtt.tls.ca_file",
        ),
        (TimeoutError(), "it does not answer; check mqtt.host and the network"),
        (OSError(113, "No route to host"), "cannot connect: No route to host"),
        (OSError("bare"), "cannot connect: bare"),
        (ValueError("a bug"), "cannot connect: a bug"),
    ],
)
def test_each_failure_says_what_to_look_at(error: Exception, told: str) -> None:
    assert module.reason(error) == told


@pytest.mark.parametrize(
    ("mqtt", "answer", "told"),
    [
        ({"username": "a"}, "Not authorized", r"\(Not authorized\); check mqtt.username and "),
        ({}, "Bad user name or password", r"\(Bad .*\); check mqtt.username_file and "),
        ({"protocol": "5"}, "Unsupported protocol version", "edged uses MQTT 3.1.1"),
        ({"protocol": "3.1.1"}, "Unsupported protocol version", "refuses the connection: Unsupp"),
        ({}, "Server busy", "it refuses the connection: Server busy"),
    ],
)
def test_each_refusal_says_what_to_look_at(mqtt: dict[str, Any], answer: str, told: str) -> None:
    refusal: Any = SimpleNamespace(getName=lambda: answer)
    assert re.search(told, unconnected(**mqtt)._refusal(refusal))


class Scripted:
    """A session for a connection to keep, as a test wants it."""

    receive_maximum = 7
    reason = "the test ended it"
    limits = Limits()
    present = taken_over = unsaid = False
    heard_s = 0.0
    refused_topics = ()
    unanswered_s = staticmethod(lambda: 0.0)

    def __init__(self, steps: list[str], *, lost: bool = False, **more: Any) -> None:
        self.lost = lost
        self._steps = steps
        vars(self).update(more)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def step(*_: object) -> Any:
            self._steps.append(name)
            if name == "answer":
                return SimpleNamespace(is_failure=False)
            return None

        return step


def test_a_connection_that_is_lost_is_closed_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from edged.ports.mqtt import session

    steps: list[str] = []
    kept = unconnected()
    monkeypatch.setattr(session, "Session", lambda *_, **__: Scripted(steps, lost=True))
    with pytest.raises(PortError, match="connection lost: the test ended it"):
        kept._live_once()
    assert not kept.up
    assert steps == ["connect", "start", "answer", "close"]


def test_a_connection_that_is_stopped_says_goodbye(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from edged.ports.mqtt import session

    steps: list[str] = []
    caplog.set_level(logging.INFO)
    kept = unconnected()
    kept._stopping.set()
    monkeypatch.setattr(session, "Session", lambda *_, **__: Scripted(steps))
    kept._live_once()
    assert not kept.up
    assert steps == ["connect", "start", "answer", "part", "settle", "close"]
    assert caplog.messages == ["MQTT broker 127.0.0.1:1883: connected as porch"]


class News:
    """What comes of each wait for news: True where there is some, False where the time is over."""

    def __init__(self, steps: list[str], *waits: Callable[[], bool]) -> None:
        self._steps = steps
        self._waits = iter(waits)

    def wait(self, limit_s: float) -> bool:
        assert limit_s == module.ALIVE_CHECK_S
        self._steps.append("wait")
        return next(self._waits)()

    def clear(self) -> None:
        assert "wait" in self._steps[-2:], "in vain"
        self._steps.append("clear")


def test_without_news_of_a_connection_its_thread_is_looked_at_and_left_where_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edged.ports.mqtt import session

    steps: list[str] = []
    scripted = Scripted(steps)
    kept = unconnected()

    def lose() -> bool:
        scripted.lost = True
        return False

    monkeypatch.setattr(session, "Session", lambda *_, **__: scripted)
    kept._news = News(steps, lambda: True, lambda: False, lose)  # type: ignore[assignment]
    with pytest.raises(PortError, match="connection lost"):
        kept._live_once()
    again = ["clear", "settle"]
    turns = ["wait", *again, "wait", "start", *again, "wait", *again]
    assert steps == ["connect", "start", "answer", *turns, "close"]


def test_how_long_a_connection_has_lived_counts_from_its_greeting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edged.ports.mqtt import session

    steps: list[str] = []
    lived_s: list[float] = []
    scripted = Scripted(steps)
    clock = SimpleNamespace(now_s=1000.0)
    kept = unconnected()

    def silence() -> bool:
        clock.now_s += 7.0
        return False

    def lose() -> bool:
        scripted.lost = True
        return True

    monkeypatch.setattr(session, "Session", lambda *_, **__: scripted)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    monkeypatch.setattr(Connection, "_look_again", lambda *seen: lived_s.append(seen[-1]))
    kept._news = News(steps, silence, silence, lose)  # type: ignore[assignment]
    with pytest.raises(PortError, match="connection lost"):
        kept._live_once()
    assert lived_s == [7.0, 14.0]


class Told:
    """What a connection has told of each thing, newest last."""

    def __init__(self) -> None:
        self.of: dict[str, list[str | None]] = {}

    def __call__(self, about: str, problem: str | None) -> None:
        self.of.setdefault(about, []).append(problem)


@pytest.mark.parametrize(
    ("topics", "present", "resumed"),
    [((), True, True), (("command",), False, True), (("command",), True, False)],
)
def test_only_a_session_with_commands_that_may_have_waited_is_not_resumed(
    topics: tuple[str, ...], present: bool, resumed: bool
) -> None:
    limits = Limits(subscription_identifiers=False)
    session: Any = Scripted([], present=present, limits=limits)
    kept = unconnected(*topics, commands=bool(topics))
    if resumed:
        kept._greet(session)
    else:
        with pytest.raises(PortError, match="does not report how long commands have waited"):
            kept._greet(session)
        # The next one is begun anew, whatever the broker says.
        kept._greet(session)
    assert kept.up


def test_what_was_too_large_is_forgotten_only_where_the_broker_takes_another_size() -> None:
    told = Told()
    kept = unconnected(problem=told)
    for most, times in ((100, 1), (100, 1), (200, 2), (None, 3), (None, 3)):
        session: Any = Scripted([], limits=Limits(packet_bytes=most))
        kept._greet(session)
        assert told.of[SIZE] == [None] * times


@pytest.mark.parametrize(("past_s", "told_of"), [(0.0, False), (0.1, True)])
def test_a_broker_that_has_been_silent_for_too_long_is_told(past_s: float, told_of: bool) -> None:
    told = Told()
    session: Any = Scripted([], unanswered_s=lambda: SILENT_S + past_s)
    unconnected(problem=told)._look_again(session, 0.0)
    (problem,) = told.of["acknowledgements"]
    assert (problem is not None) == told_of


@pytest.mark.parametrize(("past_s", "gone"), [(0.0, False), (0.1, True)])
def test_a_rival_is_gone_when_a_connection_has_lasted(past_s: float, gone: bool) -> None:
    told = Told()
    session: Any = Scripted([])
    unconnected(problem=told)._look_again(session, RIVAL_GONE_S + past_s)
    assert told.of.get(RIVAL) == ([None] if gone else None)


SHORT = (ENDED, STABLE_S - 0.1)


@pytest.mark.parametrize(
    ("first", "rival"),
    [
        (SHORT, True),
        ((ENDED, STABLE_S), False),
        ((ENDED, STABLE_S + 1.0), False),
        (("Server shutting down", 0.1), False),
    ],
)
def test_a_rival_is_suspected_after_so_many_short_connections_and_no_others(
    first: tuple[str, float], rival: bool
) -> None:
    told = Told()
    kept = unconnected(problem=told)
    for reason, lived_s in [first] + [SHORT] * (RIVAL_CUTS - 1):
        assert RIVAL not in told.of
        session: Any = Scripted([], reason=reason)
        kept._look_for_rival(session, lived_s)
    assert (RIVAL in told.of) == rival
    kept._look_for_rival(Scripted([], reason=ENDED), 0.1)  # type: ignore[arg-type]
    assert RIVAL in told.of


def test_a_connection_without_tls_to_another_host_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = unconnected(host="broker.invalid")
    connection.start()
    connection.stop()
    [warning] = [record.getMessage() for record in caplog.records if "no TLS" in record.message]
    assert warning.startswith("MQTT broker broker.invalid: no TLS")
    assert warning.endswith("set [mqtt.tls] enabled = true")
