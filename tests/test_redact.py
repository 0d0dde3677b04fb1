"""Secrets, planted wherever one may stand: none of them leaves."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from edged.cli import main
from edged.errors import CommandError
from edged.logs import FORMATS
from edged.redact import (
    is_secret,
    names_file,
    public_name,
    public_option,
    public_path,
    public_pipeline,
    public_source,
    redacted,
    redacted_value,
    secrets_in,
)
from tests.mosquitto import wait_until
from tests.test_daemon_in_process import Living, Watching, as_it_was, living

__all__ = ["as_it_was", "living"]

SECRET = "hunter2x9"
PIPELINE = f"rtspsrc location=rtsp://u:{SECRET}@127.0.0.1:9/x user-id=u user-pw={SECRET}"


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("rtsp://u:hunter2x9@cam/x: no connection", "rtsp://***@cam/x: no connection"),
        ("rtsp://u:hunt@er2x9/hunter2x9@cam/x", "rtsp://***@cam/x"),
        ("rtsp://hunter2x9@cam", "rtsp://***@cam"),
        ("/etc/edged/u:hunter2x9@cam/x: no file", "/etc/edged/***@cam/x: no file"),
        ('mqtt.password = "hunter2x9 hunter2x9": bad', "mqtt.password = ***: bad"),
        ("http://cam/user=u&password=hunter2x9&channel=1: away", "http://cam/***: away"),
        ("rtsp://cam/user=u_password=hunter2x9_channel=1.sdp?real_stream", "rtsp://cam/***"),
        ("https://h/m.tflite?sig=hunter2x9: no", "https://h/m.tflite?***: no"),
        ("m.tflite?k=hunter2x9&sig=hunter2x9", "m.tflite?k=***"),
        ("?token=hunter2x9", "?token=***"),
        ("password: hunter2x9", "password: ***"),
        ("key: hunter2x9, pass: hunter2x9", "key: ***, pass: ***"),
        ("Authorization: Bearer hunter2x9", "Authorization: ***"),
        ("authorization: Digest username=u, response=hunter2x9", "authorization: ***"),
        ("Cookie: a=b; session=hunter2x9", "Cookie: ***"),
        ("it sent Bearer hunter2x9", "it sent Bearer ***"),
        ("it sent BEARER hunter2x9", "it sent BEARER ***"),
        ("psk=hunter2x9 wpa_psk = 'hunter2x9'", "psk=*** wpa_psk = ***"),
        (r'password="a\"hunter2x9" is bad', "password=*** is bad"),
        ("password='hunter2x9", "password=***"),
        ("password=hun,ter!hunter2x9&hunter2x9 is bad", "password=*** is bad"),
        (r'{"a": "{\"password\": \"hunter2x9\"}"}', r'{"a": "{\"password\": ***}'),
        ("x-api-key: hunter2x9", "x-api-key: ***"),
        ("accessKey=hunter2x9 apikey=hunter2x9", "accessKey=*** apikey=***"),
        ("expected KEY=VALUE such as camera.fps=10", "expected KEY=VALUE such as camera.fps=10"),
        ("mqtt.password: unknown key; allowed", "mqtt.password: unknown key; allowed"),
        ("password: unknown key; allowed", "password: unknown key; allowed"),
        ("monkey: 0.7, turkey=0.3, key frame: 1", "monkey: 0.7, turkey=0.3, key frame: 1"),
        ("compass: 1, author=2, keyboard: 3", "compass: 1, author=2, keyboard: 3"),
        ("API_KEY=hunter2x9 user-pw=hunter2x9", "API_KEY=*** user-pw=***"),
        ('{"clientSecret": "hunter2x9"}', '{"clientSecret": ***}'),
        ("mqtt.tls.key_file = /etc/x.pem: not there", "mqtt.tls.key_file = /etc/x.pem: not there"),
        ("rule.monkey.enter=0.7: pwm = 3", "rule.monkey.enter=0.7: pwm = 3"),
        ("/data/cat@2x.jpg: edged@garden.service", "/data/cat@2x.jpg: edged@garden.service"),
        ("edged.toml:12: camera.fps = 3", "edged.toml:12: camera.fps = 3"),
    ],
)  # fmt: skip
def test_only_what_is_secret_is_hidden(text: str, public: str) -> None:
    assert redacted(text) == public
    assert redacted(public) == public


def test_a_value_alone_is_hidden_up_to_its_last_at() -> None:
    assert redacted_value("rtsp://u:hunter 2x9@cam/x") == "rtsp://***@cam/x"
    assert redacted_value("hunter 2x9@cam") == "***@cam"
    assert redacted_value("rtsp://cam:554/x") == "rtsp://cam:554/x"


def test_a_file_keeps_its_name_and_an_address_without_a_scheme_loses_its_user(
    tmp_path: Path,
) -> None:
    film = tmp_path / "a:b@2x.mp4"
    film.touch()
    assert public_name(str(film)) == str(film)
    assert public_name(f"/etc/edged/u:{SECRET}@10.0.0.5/stream") == "***@10.0.0.5/stream"


@pytest.mark.parametrize(
    ("source", "public", "marked"),
    [
        ("rtsp://cam/user=u&password=hunter2x9", "rtsp://cam", "rtsp://cam/***"),
        (
            *("rtsp://cam/live/1/user=u/password=hunter2x9", "rtsp://cam/live/1"),
            "rtsp://cam/live/1/***",
        ),
        ("rtsp://cam//user=u_password=hunter2x9", "rtsp://cam", "rtsp://cam/***"),
        ("http://cam/x?k=hunter2x9#y", "http://cam/x", "http://cam/x?***"),
        ("rtsp://u:hunter2x9@cam/x", "rtsp://cam/x", "rtsp://***@cam/x"),
        ("rtsp://cam/x", "rtsp://cam/x", "rtsp://cam/x"),
        ("/dev/?video0", "/dev/", "/dev/?***"),
        ("SECRETab==", "", "***"),
        ("rtsp://dXNlcjpzZWNyZXQ=/cam", "rtsp://", "rtsp://***"),
    ],
)
def test_of_an_address_what_is_before_its_secrets_is_told(
    source: str, public: str, marked: str
) -> None:
    assert public_name(source) == public
    assert public_source(source) == marked


def test_an_address_is_no_file_whatever_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rtsp:").mkdir()
    Path("rtsp:", f"u:{SECRET}@cam").touch()
    assert public_name(f"rtsp://u:{SECRET}@cam") == "rtsp://cam"


def test_a_path_is_told_as_far_as_it_is_there(tmp_path: Path) -> None:
    assert public_path(tmp_path) == str(tmp_path)
    assert public_path(tmp_path / SECRET / "x") == f"{tmp_path}/***"
    assert public_path(SECRET) == "***"


def test_an_option_that_names_a_file_is_known_by_its_name() -> None:
    assert names_file("password_file")
    assert not names_file("password")


@pytest.mark.parametrize(
    ("value", "public"),
    [("", ""), ("5", "5"), ("-1.5", "-1.5"), ("True", "True"), ("(int)3", "(int)3"),
     ("/dev/video0", "/dev/video0"), ("tcp", "***"), ("5 hunter2x9", "***")],
)  # fmt: skip
def test_of_an_option_that_only_a_library_knows_numbers_and_truths_are_told(
    value: str, public: str
) -> None:
    assert public_option(value) == public


def test_of_a_pipeline_what_an_element_is_known_by_is_told() -> None:
    assert public_pipeline(
        "v4l2src device=/dev/video0 ! video/x-raw, format=RGB, width=320, height=240, "
        f"framerate=30/1, ! x is-live=true location=/a.mp4 filename=/b uri=rtsp://u:{SECRET}@c/x "
        f"pattern=ball user-pw={SECRET}"
    ) == (
        "v4l2src device=/dev/video0 ! video/x-raw, format=RGB, width=320, height=240, "
        "framerate=30/1, ! x is-live=true location=/a.mp4 filename=/b uri=rtsp://***@c/x "
        "pattern=*** user-pw=***"
    )


def test_of_a_pipeline_everyday_words_are_no_secrets_and_the_longest_is_hidden_first() -> None:
    pipeline = "x mode=tcp user-pw=mno pattern=zebr name=aardvark"
    assert secrets_in(pipeline) == ["aardvark", "zebr", "mno"]


@pytest.mark.parametrize("name", ["location", "uri", "filename"])
def test_of_a_place_in_a_pipeline_only_what_is_secret_is_hidden(name: str) -> None:
    secrets = secrets_in(f"x {name}=http://someone@h/x?{SECRET}")
    assert {"someone", SECRET} <= {*secrets}
    assert not any("//h/x" in secret or "@h" in secret for secret in secrets)


def test_a_secret_in_a_pipeline_is_found_however_it_is_written() -> None:
    assert SECRET in secrets_in(f"x ! video/x-raw,token={SECRET}")
    assert SECRET in secrets_in(f'x user-pw="{SECRET}')


def test_what_a_pipeline_hides_is_found_by_itself() -> None:
    assert set(secrets_in(PIPELINE)) >= {SECRET, f"u:{SECRET}"}
    assert "p@ss" in secrets_in("rtspsrc location=rtsp://u:p%40ss@h/x")
    assert "a b" in secrets_in('rtspsrc user-pw="a b"')
    assert f"Bearer {SECRET}" in secrets_in(f'x extra-headers="Bearer {SECRET}"')
    assert secrets_in("videotestsrc ! video/x-raw,width=320") == []


@pytest.mark.parametrize("name", ["password", "tls_key", "apiToken", "client-secret", "pw"])
def test_a_name_that_says_secret_is_one(name: str) -> None:
    assert is_secret(name)
    assert not is_secret(f"{name}_file")


WRONG = {
    "a key that is none": f'[mqtt]\npassword = "{SECRET}"',
    "a key that is misspelt": f'[camera]\nsorce = "{SECRET}"',
    "a list": f'[camera]\nkind = "video"\nsource = ["rtsp://u:{SECRET}@h/x", "{SECRET}"]',
    "a table": f'[camera]\nsource = {{pasword = "{SECRET}"}}',
    "a host with a user": f'[mqtt]\nhost = "mqtt://u:{SECRET}@broker"',
    "a host with a user, no scheme": f'[mqtt]\nhost = "u:{SECRET} {SECRET}@broker"',
    "a long address": f'[mqtt]\nhost = "mqtt://{SECRET * 20}@broker"',
    "a table that is text": f'mqtt = "{SECRET}"',
    "a table that is a list": f'[[mqtt]]\npassword = "{SECRET}"',
    "an array that is a table": f'[output]\npasswd = "{SECRET}"',
    "an array of text": f'rule = ["{SECRET}"]',
    "a table of its own": f'[secrets]\nbroker = "{SECRET}"',
    "an option's own key": f'[model]\ndelegate_options = {{token = ["{SECRET}"]}}',
    "a number that is a table": f'[mqtt]\nport = {{x = "{SECRET}"}}',
    "no TOML": f"[mqtt]\npassword = {SECRET}",
    "a file that is an address": f'[mqtt]\npassword_file = "mqtt://u:{SECRET}@h"',
}

RIGHT = {
    "an address": f'[camera]\nkind = "video"\nsource = "rtsp://u:{SECRET}@h/x?k={SECRET}"',
    "an address in a path": f'[camera]\nkind = "video"\nsource = "http://h/u=a&p={SECRET}"',
    "an address without a scheme": f'[camera]\nkind = "video"\nsource = "u:{SECRET}@10.0.0.5/x"',
    "a pipeline": f"[camera]\nkind = 'gstreamer'\nsource = '{PIPELINE}'",
    "an option of a delegate": f'[model]\ndelegate_options = {{api_key = "{SECRET}"}}',
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("command", [["check-config"], ["check-config", "--show"], ["run"]])
def test_a_wrong_file_is_refused_without_its_secrets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, command: list[str]
) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(text)
    status = main([*command, "--config", str(path)])
    said = "".join(capfd.readouterr())
    assert status in (0, 78)
    assert status == 78 or command[0] == "check-config"
    assert SECRET not in said
    assert "edged" in said


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_file_is_shown_without_its_secrets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(text)
    assert main(["check-config", "--show", "--config", str(path)]) == 0
    said = "".join(capfd.readouterr())
    assert SECRET not in said
    assert "[camera]" in said


@pytest.mark.parametrize(
    "override",
    [
        f"mqtt.password={SECRET}",
        f"mqtt.pasword {SECRET}",
        f"mqtt.pasword:{SECRET}",
        f"mqtt pasword={SECRET}",
        f"camera.kind=['rtsp://u:{SECRET}@h']",
        f"camera.source.x={SECRET}",
        f"mqtt={{pasword='{SECRET}'}}",
        f"mqtt.host=mqtt://u:{SECRET}@h",
        f"rule.cat.pasword={SECRET}",
        f"camera.fps=rtsp://u:{SECRET}@h",
    ],
)
def test_an_override_or_a_variable_is_refused_without_its_secret(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    assert main(["check-config", "--set", override]) == 78
    key, _, value = override.partition("=")
    if value:
        monkeypatch.setenv(f"EDGED_{key.upper().replace('.', '__')}", value)
        assert main(["check-config"]) == 78
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize("style", FORMATS)
def test_no_line_of_the_log_has_one(style: str) -> None:
    try:
        raise OSError(f"rtsp://u:{SECRET}@h: away")
    except OSError as error:
        failure = (OSError, error, None)
    record = logging.LogRecord(
        "x", logging.ERROR, "x", 1, "%s password=%s", (f"u:{SECRET}@h", SECRET), failure
    )
    assert SECRET not in FORMATS[style]().format(record)


def processes() -> bytes:
    """The command line of every process."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("video", f"rtsp://u:{SECRET}@127.0.0.1:9/x?k={SECRET}"),
        ("video", f"u:{SECRET}@127.0.0.1/stream"),
        ("video", f"{SECRET}@127.0.0.1/stream"),
        ("directory", f"u:{SECRET}@127.0.0.1/stream"),
        ("v4l2", f"u:{SECRET}@127.0.0.1/stream"),
        ("gstreamer", PIPELINE),
        ("gstreamer", f"rtsp://u:{SECRET}@127.0.0.1/x"),
        ("gstreamer", f"videotestsrc is-live=true name={SECRET}@h ! identity name=p:{SECRET}@h"),
    ],
)
def test_a_running_daemon_tells_nobody(
    living: Living, capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str, address: str
) -> None:
    if kind == "gstreamer" and shutil.which("gst-launch-1.0") is None:
        pytest.skip("GStreamer is not installed")
    # Found by its content, so that the length of the address is none of the test's business.
    source = next(line for line in living.path.read_text().splitlines() if "source" in line)
    living.change(source, f"source = {json.dumps(address)}")
    living.change('kind = "directory"', f'kind = "{kind}"')
    living.change("health_s = 0.0", "health_s = 0.05")
    trace = tmp_path / "trace.json"
    living.start(trace=trace)
    watching = Watching(living)
    said = [json.dumps(living.status()), processes().decode(errors="replace")]
    try:
        said.append(json.dumps(living.ask("snapshot")))
    except CommandError as error:
        said.append(str(error))
    wait_until(lambda: watching.of("health"))
    living.stop()
    said += [json.dumps(watching.messages), trace.read_text(), "".join(capsys.readouterr())]
    assert [text for text in said if SECRET in text] == []
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in tmp_path.iterdir() if path.is_file() and path != living.path
    )
    assert os.environ.get("EDGED_CAMERA__SOURCE") is None


@pytest.mark.parametrize(
    "name",
    [
        *("password", "passphrase", "passcode", "PWD", "Secret", "token", "psk", "credentials"),
        *("key", "PASS", "pw", "auth", "Authorization", "sig", "signature", "cookie", "jwt"),
        *("apikey", "streamKey", "dbpass", "my-key", "userPw", "pas\u017fword"),
    ],
)
def test_a_secret_behind_its_name_alone_is_hidden(name: str) -> None:
    assert SECRET not in redacted(f"{name}: {SECRET}")
