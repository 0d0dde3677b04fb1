"""A secret in every option that takes text, as the schema has them: it leaves by no way."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import tomli_w

from edged.config.effective import effective
from edged.config.load import load
from edged.config.schema import Config
from edged.config.toml import KeyPath, parse
from edged.config.validate import fields, is_table, table_of
from edged.errors import ConfigError, EdgedError
from edged.redact import is_secret
from tests.mosquitto import Broker, Listener, broker, brokers
from tests.test_daemon_in_process import PICTURES, Living, as_it_was, living

__all__ = ["as_it_was", "broker", "brokers", "living"]

SECRET = "hunter2x9"

FORMS = {
    "address": f"rtsp://u:{SECRET}@127.0.0.1:9/x",
    "address, quoted": f"rtsp://u:p%40{SECRET}@127.0.0.1:9/x",
    "address without a scheme": f"u:{SECRET}@127.0.0.1/x",
    "query": f"http://127.0.0.1:9/x?sig={SECRET}&k={SECRET}",
    "query of a file": f"x.tflite?auth={SECRET}",
    "path": f"rtsp://127.0.0.1:9/user=admin_password={SECRET}_channel=1_stream=0.sdp",
    "assignment": f"psk={SECRET}",
    "too long for a file": "x" * 300 + f" password={SECRET}",
    "told": f"password: {SECRET}",
    "header": f"Authorization: Bearer {SECRET}",
    "quoted": f'token="a\\"{SECRET}"',
    "pipeline": f"souphttpsrc user-pw={SECRET} extra-headers="
    f'"headers,Authorization=(string)\\"Bearer {SECRET}\\"" ! fakesink',
}

NEEDED: dict[str, dict[str, Any]] = {
    "rule": {"name": "cat", "labels": ["cat"]},
    "output": {"name": "lamp", "pin": 17, "rule": "cat"},
    "input": {"name": "door", "pin": 27},
    "webhook": {"name": "hook", "url": "http://127.0.0.1:9/"},
}


def options(struct: type = Config, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every option and its type; of an array the first table's."""
    for name, kind in fields(struct).items():
        table = kind if is_table(kind) else table_of(kind)
        if table is None:
            yield (*path, name), kind
        else:
            yield from options(table, (*path, name) if is_table(kind) else (*path, name, 0))


def takes_text(kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return False
    return kind is str or any(map(takes_text, typing.get_args(kind)))


TEXTS = {".".join(map(str, path)): (path, kind) for path, kind in options() if takes_text(kind)}
TEXT = pytest.mark.parametrize("option", TEXTS)


def planted(option: str, secret: str, base: dict[str, Any]) -> str:
    """The configuration `base` with `secret` in an option."""
    path, kind = TEXTS[option]
    origin = typing.get_origin(kind)
    value: object = secret
    if origin is dict:
        value = {"a": secret, "api_token": secret}
    elif origin is list or typing.get_origin(typing.get_args(kind)[0] if origin else None) is list:
        value = [secret]
    table: Any = base
    for part in path[:-1]:
        if isinstance(part, int):
            continue
        if part in NEEDED:
            table = table.setdefault(part, [dict(NEEDED[part])])[0]
        else:
            table = table.setdefault(part, {})
    table[path[-1]] = value
    if "output" in base:
        base.setdefault("rule", [dict(NEEDED["rule"])])
    return tomli_w.dumps(base)


def forms(option: str) -> list[str]:
    """How a secret may stand there; alone where the option says so, or a library knows it only."""
    alone = is_secret(option) or option.endswith("_file") or option == "model.delegate_options"
    return [
        *FORMS.values(),
        *([SECRET, f"/a/{SECRET}", f"~/{SECRET}", "x" * 300 + SECRET] if alone else []),
    ]


def test_the_schema_is_searched_as_deep_as_it_is() -> None:
    assert {"device", "camera.source", "mqtt.tls.key_file", "rule.0.labels"} <= TEXTS.keys()
    assert {"output.0.pin", "model.delegate_options", "gpio.chip", "input.0.action"} <= TEXTS.keys()
    assert not {"camera.kind", "camera.fps", "output.0.device"} & TEXTS.keys()


@TEXT
@pytest.mark.parametrize(
    ("kind", "source"),
    [
        *(("auto", "/dev/video0"), ("video", "x"), ("gstreamer", "a ! appsink")),
        *(("directory", "x"), ("v4l2", "/dev/video0")),
    ],
)
def test_no_check_of_the_configuration_tells_it(
    option: str, kind: str, source: str, tmp_path: Path
) -> None:
    path = tmp_path / "edged.toml"
    for secret in forms(option):
        base: dict[str, Any] = {"camera": {"kind": kind, "source": source}}
        path.write_text(planted(option, secret, base))
        try:
            said = effective(load(path))
            assert msgspec.convert(parse(said), Config), "what is shown is a configuration"
        except ConfigError as error:
            said = str(error)
        assert SECRET not in said, secret
        assert option.rpartition(".")[2] in said


def secret_in_daemon(option: str) -> str:
    return SECRET if SECRET in forms(option) else FORMS["query" if "path" in option else "address"]


@TEXT
@pytest.mark.parametrize("form", [None, "path", "assignment", "too long for a file"])
def test_no_daemon_tells_it(
    option: str,
    form: str | None,
    broker: Broker,
    living: Living,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # Some options make files.
    monkeypatch.chdir(tmp_path)
    secret = FORMS[form] if form else secret_in_daemon(option)
    base = parse(living.path.read_text())
    base["mqtt"] = {"port": broker.port, "host": "127.0.0.1", "health_s": 0.05}
    base["gpio"] = {"factory": "mock"}
    base["camera"]["source"] = str(PICTURES / "cat.jpg")
    if option == "camera.source":
        base["camera"]["kind"] = "video"
    living.write(planted(option, secret, base))
    said: list[str] = []
    with Listener(broker.port, "#") as listener:
        try:
            living.start()
            said.append(json.dumps(living.status()))
            with suppress(Exception):
                said.append(json.dumps(living.ask("snapshot")))
        except (EdgedError, AssertionError) as error:
            # It has ended, or `living` has seen it end.
            said.append(str(error))
        living.stop()
        said.append("".join(capfd.readouterr()))
        if living.failure is not None:
            assert isinstance(living.failure, EdgedError), "a traceback"
            said.append(str(living.failure))
        payloads = list(listener.messages.queue)
    said += [
        message.payload.decode("utf-8", "replace")
        for message in payloads
        # It names topics, which everybody at the broker sees.
        if option != "mqtt.prefix" or not message.topic.endswith("/config")
    ]
    assert [text for text in said if SECRET in text] == []
    assert "".join(said)
