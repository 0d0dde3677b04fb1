"""Values that do not fit each other are told, all of them, where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.load import load
from edged.errors import ConfigError

HOOK = "[[webhook]]\nname = 'a'\nurl = 'http://x/'\n"
CAT = "[[rule]]\nname = 'cat'\nlabels = ['cat']\n"


def said(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "edged.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[camera]\nkind = 'video'",
            'edged.toml:1: camera.source = "": camera.kind "video" needs a file or an address',
        ),
        (
            "[camera]\nretry_min_s = 9\nretry_max_s = 2",
            "edged.toml:2: camera.retry_min_s = 9.0: expected at most camera.retry_max_s, which is",
        ),
        (
            "[camera]\nsource = '0'",
            "edged.toml:2: camera.source: neither an address nor a device, file or folder that",
        ),
        (
            "[camera]\nkind = 'v4l2'\nsource = 'rtsp://user:secret@host/1'",
            'edged.toml:2: camera.kind = "v4l2": camera.source is of another kind; expected "vid',
        ),
        (
            "[camera]\nkind = 'video'\nsource = '/dev/video0'",
            'camera.kind = "video": camera.source is of another kind; expected "v4l2", or no kind',
        ),
        (
            "[camera]\nkind = 'demo'\nsource = 'pictures'",
            'camera.kind = "demo": camera.source is set, and kind "demo" does not use it',
        ),
        (
            "[camera]\nkind = 'v4l2'\nfps = 0.01",
            "camera.timeout_s = 5.0: at camera.fps = 0.01, a frame arrives every 100 s; expected",
        ),
        (
            "[camera]\nregion = [0.5, 0, 0.6, 1]",
            "edged.toml:2: camera.region = [0.5, 0.0, 0.6, 1.0]: the region exceeds the picture",
        ),
        ("[camera]\nprivacy = [[[0.5, 0.1], [0.5, 0.9]]]", "this hides nothing"),
        ("[camera]\nprivacy = [[[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]]", "camera.privacy[0]"),
        ("[camera]\nprivacy = [[[0.0, 0.0], [0.2, 0.2], [1.0, 1.0]]]", "this hides nothing"),
        ("[camera]\nregion = [0, 0, 1, 0]", "the region is empty; expected x, y, width, height"),
        ("[model]\nmean = [1.0, 2.0]", "model.mean = [1.0, 2.0]: expected 1 number, or 3 for red"),
        (
            "[model]\nmean = [0, 0]\nstd = [1]",
            "model.mean = [0.0, 0.0]: expected 1 number, or 3 for red, green and blue",
        ),
        ("[model]\nmean = [0]\nstd = [0]", "model.std = [0.0]: expected numbers above 0"),
        (
            "[decide]\nenter = 0.5\nexit = 0.6",
            "edged.toml:3: decide.exit = 0.6: expected at most decide.enter, which is 0.5",
        ),
        (
            CAT + "exit = 0.7",
            'edged.toml:4: rule[0].exit = 0.7 (rule "cat"): expected at most decide.enter, which',
        ),
        (
            CAT + "enter = 0.3\nexit = 0.35",
            'edged.toml:5: rule[0].exit = 0.35 (rule "cat"): expected at most enter, which is 0.3',
        ),
        (
            CAT + "enter = 0.3",
            'rule[0].enter = 0.3 (rule "cat"): expected at least decide.exit, which is 0.4; or set',
        ),
        (CAT + CAT, 'edged.toml:5: rule[1].name = "cat" (rule "cat"): another rule has this name'),
        (CAT.replace("'cat'\n", "'nothing'\n"), "this name is reserved for a scene without rules"),
        (CAT.replace("'cat'\n", "'camera'\n"), "this name is that of events of the camera itself"),
        (CAT.replace("'cat'\n", "'drift'\n"), "choose another, or set drift.enabled = false"),
        (CAT.replace("['cat']", "[' ']"), 'rule[0].labels[0] = " " (rule "cat"): expected a label'),
        (
            CAT + "[[output]]\nname = 'lamp'\npin = 1\nrule = 'cta'",
            'edged.toml:7: output[0].rule = "cta" (output "lamp"): no rule has this name; '
            "did you mean cat?; rules: cat",
        ),
        (
            CAT + "[[output]]\nname = 'lamp'\npin = 1\naction = 'score'\ndevice = 'pwm'",
            'edged.toml:4: output[0].rule = "" (output "lamp"): action "score" needs a rule; '
            'rules: cat; or set action = "manual"',
        ),
        (
            CAT + "[[output]]\nname = 'lamp'\npin = 1\nrule = 'cat'\naction = 'score'",
            'device "output" is on or off; expected device "pwm" or "servo"',
        ),
        (
            "[[output]]\nname = 'a'\npin = 1\naction = 'manual'\ninitial = 0.5",
            'output[0].initial = 0.5 (output "a"): device "output" is on or off; expected 0 or 1',
        ),
        (
            "[[output]]\nname = 'a'\npin = 1\naction = 'manual'\non_exit = 0.5\ndevice = 'led'",
            'output[0].on_exit = 0.5 (output "a"): device "led" is on or off; expected 0 or 1',
        ),
        (
            "[[output]]\nname='a'\npin=1\naction='manual'\ndevice='servo'\nactive_high=false",
            'output[0].active_high = false (output "a"): a servo\'s pulses are not inverted',
        ),
        (
            "[[output]]\nname='a'\npin=1\naction='manual'\n"
            "[[output]]\nname='a'\npin=2\naction='manual'",
            'edged.toml:6: output[1].name = "a" (output "a"): another output has this name already',
        ),
        (
            "[[output]]\nname = 'a'\npin = 17\naction = 'manual'\n"
            "[[input]]\nname = 'b'\npin = 'gpio17'",
            'edged.toml:7: input[0].pin = "gpio17" (input "b"): output a uses this pin already',
        ),
        (
            "[[input]]\nname = 'b'\npin = -1",
            'input[0].pin = -1 (input "b"): expected a GPIO number such as 17, or a name such as',
        ),
        ("[[input]]\nname = 'b'\npin = ''", "expected a GPIO number or a name such as"),
        (
            "[idle]\nafter_s = 60\n[mqtt]\ncommands = false\n[control]\nenabled = false",
            "edged.toml:2: idle.after_s = 60.0: nothing could wake edged; add an [[input]]",
        ),
        (
            "[mqtt]\nretry_min_s = 9\nretry_max_s = 2",
            "mqtt.retry_min_s = 9.0: expected at most mqtt.retry_max_s, which is 2",
        ),
        ("[mqtt]\nhost = 'mqtt://x'", 'mqtt.host = "mqtt://x": expected a host name or an IP'),
        ("[mqtt]\nhost = 'x:1883'", "the port is mqtt.port, encryption is [mqtt.tls]"),
        ("[mqtt]\nhost = ''", 'mqtt.host = "": expected a host name or an IP address alone'),
        ("[mqtt]\nhost = 'a b'", 'mqtt.host = "a b": expected a host name or an IP address'),
        ("[mqtt]\nprefix = 'a/'", 'mqtt.prefix = "a/": expected a topic that does not begin'),
        ("[mqtt]\nprefix = '$SYS'", 'mqtt.prefix = "$SYS": expected a topic that does not begin'),
        ('[mqtt]\nprefix = "a\\n"', 'mqtt.prefix = "a\\n": expected printable text'),
        (
            "[mqtt]\nusername = 'me'\nusername_file = 'f'",
            "mqtt.username_file: mqtt.username is set too; expected only one of the two",
        ),
        (
            "[mqtt]\nusername = 'me:secret'",
            "mqtt.username: user and password together; set the user alone, and mqtt.password_file",
        ),
        ("[mqtt]\npassword_file = 'f'", "a password needs a user; set mqtt.username or"),
        (
            "[mqtt.tls]\nenabled = true\ncert_file = 'c'",
            'edged.toml:1: mqtt.tls.key_file = "": mqtt.tls.cert_file is set and needs it',
        ),
        (
            "[mqtt.tls]\nca_file = 'c'",
            "mqtt.tls.enabled = false: nothing would be encrypted although ca_file is set",
        ),
        (
            "[mqtt]\nfrigate_topic = 'edged/porch/command'",
            'mqtt.frigate_topic = "edged/porch/command": mqtt.prefix has other topics',
        ),
        ("[mqtt]\nfrigate_topic = '/f'", 'mqtt.frigate_topic = "/f": expected a topic that does'),
        (
            "[mqtt.home_assistant]\nprefix = 'ha/'",
            'mqtt.home_assistant.prefix = "ha/": expected a topic that does not begin',
        ),
        (
            HOOK + "retry_min_s = 9\nretry_max_s = 2",
            'webhook[0].retry_min_s = 9.0 (webhook "a"): expected at most its retry_max_s, which',
        ),
        (
            HOOK + "ca_file = 'c'",
            'edged.toml:3: webhook[0].url (webhook "a"): nothing would be encrypted',
        ),
        (HOOK + HOOK, 'webhook[1].name = "a" (webhook "a"): another webhook has this name already'),
    ],
)  # fmt: skip
def test_a_misfit_is_told_where_it_is_written(tmp_path: Path, text: str, line: str) -> None:
    (told,) = said(tmp_path, text)
    assert line in told


def test_all_misfits_are_told_at_once(tmp_path: Path) -> None:
    lines = said(
        tmp_path,
        CAT + "exit = 0.9\n[[output]]\nname = 'a'\npin = 1\nrule = 'dog'\n[mqtt]\nhost = 'a/b'",
    )
    assert [line.split(" ")[0] for line in lines] == [
        "edged.toml:4:",
        "edged.toml:8:",
        "edged.toml:10:",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[camera]\nregion = [0.1, 0.7, 0.9, 0.3]",
        "[camera]\nkind = 'directory'\nsource = 'pictures'\nfps = 0.01",
        "[camera]\nkind = 'v4l2'\nfps = 0.01\ntimeout_s = 150",
        "[idle]\nafter_s = 60",
        "[idle]\nafter_s = 60\n[mqtt]\ncommands = false\n[control]\nenabled = false\n"
        "[[input]]\nname = 'pir'\npin = 4\naction = 'wake'",
        "[mqtt]\nhost = '::1'",
        "[mqtt]\nhost = '192.168.1.5'",
        "[mqtt]\nhost = ''\nenabled = false",
        CAT + "enter = 0.4",
        "[decide]\nenter = 0.5\nexit = 0.5",
        "[[output]]\nname = 'a'\npin = 'GPIO17'\naction = 'manual'\n"
        "[[input]]\nname = 'a'\npin = 'J8:12'",
        "[[output]]\nname = 'a'\npin = 1\naction = 'manual'\ndevice = 'pwm'\non_exit = 0.5",
    ],
)
def test_what_fits_is_accepted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(text)
    load(path)


def test_an_input_asks_for_what_an_input_may(tmp_path: Path) -> None:
    text = '[[input]]\nname = "door"\npin = 22\naction = "snapshoot"\n'
    assert said(tmp_path, text) == [
        'edged.toml:4: input[0].action = "snapshoot" (input "door"): expected one of "snapshot", '
        '"pause", "resume", "wake"; did you mean snapshot?'
    ]
