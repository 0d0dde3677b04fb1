"""What a configuration becomes, and what is said when it is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from edged.config.load import FILE_LIMIT_BYTES, PROBLEMS_LIMIT, load
from edged.config.schema import Config
from edged.errors import ConfigError
from tests.strangers import UID, as_stranger, commons

__all__ = ["commons"]

Refused = Callable[..., list[str]]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "edged.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def refused(written: Callable[[str | bytes], Path]) -> Refused:
    """The lines that a wrong configuration is answered with."""

    def refuse(
        text: str | bytes = "",
        overrides: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(written(text), overrides, environment)
        lines = str(caught.value).split("\n")
        assert all(line.isprintable() for line in lines)
        return lines

    return refuse


def test_no_file_and_an_empty_file_are_the_defaults(
    written: Callable[[str | bytes], Path],
) -> None:
    assert load(None) == Config()
    assert load(written("")) == Config()
    assert load(written(b"\xef\xbb\xbfdevice = 'door'")).device == "door"


def test_a_whole_number_is_a_number(written: Callable[[str | bytes], Path]) -> None:
    fps = load(written("[camera]\nfps = 10\nregion = [0, 0, 1, 0.5]")).camera.fps
    assert fps == 10.0
    assert isinstance(fps, float)


def test_every_problem_is_told_at_once_with_its_line(refused: Refused) -> None:
    assert refused(
        """device = "my cam"
[camera]
fps = "fast"
fsp = 3  # unknown
kind = "vidoe"
[[rule]]
name = "cat"
labels = "cat"
[mqtt]
port = 70000
"""
    ) == [
        'edged.toml:1: device = "my cam": expected a name of letters, digits, _, . and - '
        "(64 at most, a letter or digit first)",
        'edged.toml:3: camera.fps = "fast": expected a number above 0, at most 1000',
        "edged.toml:4: camera.fsp: unknown key; did you mean fps?; allowed here: kind, source, "
        "width_px, height_px, fps, rotate_deg, flip, region, privacy, fit, loop, first_frame_s, "
        "timeout_s, "
        "lost_after_s, frozen_s, latency_s, retry_min_s, retry_max_s, isolate",
        'edged.toml:5: camera.kind = "vidoe": expected one of "auto", "picamera2", "v4l2", '
        '"video", "gstreamer", "directory", "recording", "demo"; did you mean "video"?',
        'edged.toml:8: rule[0].labels = "cat" (rule "cat"): expected a list of texts; '
        'did you mean ["cat"]?',
        "edged.toml:10: mqtt.port = 70000: expected a whole number from 0 to 65535",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[camera]\nfps = '30'", 'camera.fps = "30": expected a number above 0, at most 1000; did'),
        ("[camera]\nloop = 'Yes'", 'camera.loop = "Yes": expected true or false; did you'),
        ("[camera]\nloop = 1", "camera.loop = 1: expected true or false; did you mean true?"),
        ("[camera]\nfps = true", "camera.fps = true: expected a number"),
        ("[camera]\nfps = nan", "camera.fps = nan: expected a number"),
        ("[camera]\nfps = inf", "camera.fps = inf: expected a number"),
        ("[camera]\nwidth_px = 640.0", "a whole number from 16 to 7680; did you mean 640?"),
        ("[camera]\nrotate_deg = 45", "expected one of 0, 90, 180, 270"),
        ("[camera]\nregion = [0, 0, 1]", "expected a list of 4 numbers from 0 to 1"),
        ("[camera]\nregion = [0, 0, 1, 2]", "camera.region[3] = 2: expected a number from 0 to 1"),
        ("[mqtt]\nprotocol = 5", 'mqtt.protocol = 5: expected one of "3.1.1", "5"; did you'),
        ("[mqtt]\nhost = 1979-05-27", "mqtt.host = 1979-05-27: expected text"),
        ('[mqtt]\nhost = "a\\u0000b"', "expected text in UTF-8 without NUL characters"),
        ("[mqtt]\nprefix = 'a/+'", "expected a topic without + and #"),
        ("[mqtt]\nhots = 'x'", 'mqtt.hots: unknown key; did you mean host?'),
        ("[camera]\nport = 1", "camera.port: unknown key; port belongs to [mqtt] or [web]; "),
        ("enter = 0.5", "enter: unknown key; enter belongs to [decide] or [[rule]]"),
        ("cert_file = 'x'", "unknown key; cert_file belongs to [mqtt.tls]"),
        ("[mqt]\nhost = 'x'", 'mqt: unknown key; did you mean mqtt?'),
        ("camera = 3", "camera: expected a table: write [camera]"),
        ("[[camera]]", "camera: expected a table: write [camera]"),
        ("[rule]\nname = 'x'", "expected an array of tables: write [[rule]]"),
        ("rule = [1]", "rule[0]: expected a table: write [[rule]]"),
        ("[[rule]]\nname = 'x'", 'rule[0].labels = [] (rule "x"): expected at least one'),
        ("[[rule]]\nname = 'x'\nlabels = []", "expected at least one label here, or a word"),
        ("[[rule]]\nname = 'x'\nmatch = [' ']", "rule[0].match[0] = \" \""),
        ("[[rule]]\nname = 'x'\nlabels = ['a', 1]", 'rule[0].labels[1] = 1 (rule "x"): expected'),
        ("[[output]]\nname = 'x'\npin = true", 'output[0].pin = true (output "x"): expected a'),
        ("[[output]]\nname = 'x'\npin = 1\non_exit = 'of'", 'from 0 to 1; did you mean "off"'),
        ("[camera]\nkind = 'USB'", '; did you mean "v4l2"?'),
        ("[camera]\nkind = 'rtsp'", '; did you mean "video"?'),
        ("[[output]]\nname = 'x'\npin = 1\ndevice = 'relay'", '; did you mean "output"?'),
        ("[[input]]\nname = 'x'\npin = 1\ndevice = 'pir'", '; did you mean "motion"?'),
        ("[model]\ndelegate_options = {a = 1}", "model.delegate_options.a = 1: expected text"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_answered_with_what_is_allowed(
    refused: Refused, text: str, line: str
) -> None:
    assert line in "\n".join(refused(text))


@pytest.mark.parametrize("name", ["x\\n", "", "-x", "ä", "a/b", "x" * 65])
def test_a_name_must_fit_a_topic(refused: Refused, name: str) -> None:
    assert "expected a name of letters" in refused(f'device = "{name}"')[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[camera]\nfps = fast", "edged.toml:2: column 7: Invalid value; text needs quotes"),
        ("[camera\n", "edged.toml:1: column 8: Expected ']' at the end of a table"),
        ("a = 1\na = 2", "a value (at end of document); this key is already set above, remove one"),
        ("a = 1\na = 2\n", "edged.toml:2: column 6: Cannot overwrite a value; this key is already"),
        (b"\n[camera]\nsource = '\xff'", "edged.toml:3: not UTF-8 text (byte 0xff); save the file"),
        ("x = " + "[" * 100_000, "edged.toml: arrays or tables are nested too deeply"),
        ("\n" + "a." * 400_000 + "a = 1", "edged.toml:2: a key of more than 32 parts"),
        ("x = " + "9" * 5000, "edged.toml: Exceeds the limit (4300"),
        ("#" * (FILE_LIMIT_BYTES + 1), "larger than 1 MiB; not a configuration"),
    ],
)
def test_what_is_not_toml_is_one_line(refused: Refused, text: str | bytes, line: str) -> None:
    (said,) = refused(text)
    assert line in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_file_that_this_user_may_not_read_says_who_may(commons: Path) -> None:
    path = commons / "edged.toml"
    path.touch()
    os.chown(path, 0, 54321)
    path.chmod(0o640)
    status, said = as_stranger(
        "from pathlib import Path\n"
        "from edged.config.load import load\n"
        "from edged.errors import ConfigError",
        "try:\n    load(Path(sys.argv[1]))\nexcept ConfigError as error:\n    print(error)",
        str(path),
    )
    assert (status, said) == (
        0,
        f"{path}: not permitted; {path} belongs to group 54321: "
        f"`sudo usermod -aG 54321 {UID}`, then log in again\n",
    )


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, zeros])
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "edged.toml"
    make(path)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "not a regular file" in str(caught.value) or "Is a directory" in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "# [camera]\n#fps = 5\n"])
def test_a_file_that_sets_nothing_is_refused_where_it_may_not_be_empty(
    written: Callable[[str | bytes], Path], text: str
) -> None:
    with pytest.raises(ConfigError, match=r"edged\.toml: sets no option; write the complete file"):
        load(written(text), ["camera.fps=5"], may_be_empty=False)


def test_a_file_that_sets_something_is_not_empty(written: Callable[[str | bytes], Path]) -> None:
    assert load(written("[camera]\nfps = 5"), may_be_empty=False).camera.fps == 5
    assert load(None, may_be_empty=False) == load(None)


def test_a_file_that_is_written_meanwhile_is_refused(
    written: Callable[[str | bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written("[camera]\nfps = 5\n")
    look = os.fstat

    def look_and_write(descriptor: int) -> os.stat_result:
        seen = look(descriptor)
        with path.open("a") as file:
            file.write("width_px = 320\n")
        return seen

    monkeypatch.setattr(os, "fstat", look_and_write)
    with pytest.raises(ConfigError, match="changed while it was read"):
        load(path)


def test_a_message_stays_short_whatever_the_file_says(refused: Refused) -> None:
    lines = refused("x" * 5000 + "= '" + "y" * 5000 + "'\nz = 0x" + "f" * 9000)
    assert all(len(line) < 400 for line in lines)
    lines = refused("".join(f"[[rule]]\nlabels = [{n}]\n" for n in range(5000)))
    assert len(lines) == PROBLEMS_LIMIT + 1
    assert lines[-1] == "edged.toml: there are more errors; correct these first"


def test_thousands_of_rules_load(written: Callable[[str | bytes], Path]) -> None:
    text = "".join(f'[[rule]]\nname = "r{n}"\nlabels = ["a", "b"]\n' for n in range(5000))
    assert len(load(written(text)).rule) == 5000


def test_set_wins_over_the_environment_and_that_over_the_file(
    written: Callable[[str | bytes], Path],
) -> None:
    path = written("[camera]\nfps = 5\nwidth_px = 320\nheight_px = 240\n[mqtt]\nhost = 'file'")
    environment = {
        "EDGED_CAMERA__FPS": "10",
        "edged_camera__width_px": "800",
        "EDGED_MQTT__TLS__ENABLED": "true",
        "EDGED_CONFIG": "x",
        "EDGED_KERNELS": "off",
        "PATH": "/bin",
    }
    config = load(path, ["camera.fps=15", "mqtt.host=broker.local", "camera.fps = 20"], environment)
    assert config.camera.fps == 20
    assert config.camera.width_px == 800
    assert config.camera.height_px == 240
    assert config.mqtt.host == "broker.local"
    assert config.mqtt.tls.enabled


def test_no_variable_that_edged_has_is_taken_for_a_wrong_option() -> None:
    root = Path(__file__).parent.parent.parent
    places = [*root.glob("edged/**/*.py"), *root.glob("docs/*.md"), *root.glob("systemd/*")]
    named = {
        name
        for place in [*places, root / "README.md", root / "Makefile"]
        for name in re.findall(r"EDGED_[A-Z]+(?!\w)", place.read_text())
    }
    assert {"EDGED_MODELS", "EDGED_KERNELS", "EDGED_DEVICE"} <= named
    load(None, [], dict.fromkeys(named, "x"))


def test_a_value_needs_no_quotes_where_the_option_is_text() -> None:
    config = load(
        None,
        [
            "device=1",
            "mqtt.protocol=5",
            "mqtt.host='quoted'",
            "mqtt.client_id=",
            "model.delegate_options.device=2",
            "decide.nothing=['a', 'b']",
        ],
        {"EDGED_MQTT__USERNAME": "true", "EDGED_GPIO__CHIP": "x\ny = 1"},
    )
    assert config.device == "1"
    assert config.mqtt.protocol == "5"
    assert config.mqtt.host == "quoted"
    assert config.mqtt.client_id == ""
    assert config.mqtt.username == "true"
    assert config.gpio.chip == "x\ny = 1"
    assert config.model.delegate_options == {"device": "2"}
    assert config.decide.nothing == ["a", "b"]


def test_an_element_is_overridden_by_its_name_or_its_position(
    written: Callable[[str | bytes], Path],
) -> None:
    path = written(
        "[[rule]]\nname = 'cat'\nlabels = ['cat']\n[[rule]]\nname = 'a.b'\nlabels = ['dog']"
    )
    config = load(
        path,
        ["rule.cat.enter=0.7", "rule.1.exit=0.2", 'rule."a.b".combine=sum'],
        {"EDGED_RULE__CAT__MIN_ON_S": "2", "EDGED_RULE__0__COOLDOWN_S": "3"},
    )
    cat, dog = config.rule
    assert (cat.enter, cat.min_on_s, cat.cooldown_s) == (0.7, 2.0, 3.0)
    assert (dog.exit, dog.combine) == (0.2, "sum")
    replaced = load(path, ['rule=[{name="x", labels=["y"]}]', "rule.x.enter=0.9"])
    assert [(rule.name, rule.enter) for rule in replaced.rule] == [("x", 0.9)]


def test_a_wrong_override_is_named_as_it_was_given(refused: Refused) -> None:
    lines = refused(
        "[[rule]]\nname = 'cat'\nlabels = ['cat']\n[camera]\nfps = 'x'\n[mqtt]\nport = 'x'",
        [
            "camera.fsp=3",
            "rule.cta.enter=0.5",
            "rule.cat.enter=high",
            "camera.fps.x=1",
            "nothing",
            "a b=1",
            "camra.fps=1",
            "output=[{}]",
        ],
        {"EDGED_CAMERA__HEIGTH_PX": "3", "EDGED_MQTT__PORT": "\x1b[31m"},
    )
    assert [line.split("; allowed")[0] for line in lines] == [
        "--set rule.cta.enter: there is no rule cta; did you mean cat?; there are: cat",
        "--set nothing: expected KEY=VALUE such as camera.fps=10",
        "--set a: this is not a key; expected one such as camera.fps",
        "--set rule.cat.enter=high: expected a number from 0 to 1",
        "--set camera.fps.x: expected a number above 0, at most 1000",
        "environment EDGED_CAMERA__HEIGTH_PX: unknown key; did you mean height_px?",
        "--set camera.fsp: unknown key; did you mean fps?",
        "environment EDGED_MQTT__PORT=\\u001b[31m: expected a whole number from 0 to 65535",
        "--set camra.fps: unknown key; did you mean camera?",
        "--set output: output[0].name: missing; expected a name of letters, digits, _, . "
        "and - (64 at most, a letter or digit first)",
        "--set output: output[0].pin: missing; expected a whole number or text",
    ]


def test_a_file_name_that_is_no_utf8_is_taken_from_outside() -> None:
    config = load(None, ["model.labels=/a/\udce9.txt"], {"EDGED_CAMERA__SOURCE": "/a/\udce9.mp4"})
    assert (config.model.labels, config.camera.source) == ("/a/\udce9.txt", "/a/\udce9.mp4")


def test_an_environment_that_is_not_text_is_refused(refused: Refused) -> None:
    (line,) = refused("", (), {"EDGED_MQTT__HOST": "\udcff"})
    assert line.encode().endswith(b"expected text in UTF-8 without NUL characters")


@pytest.mark.parametrize(
    ("kind", "source", "brings"),
    [
        ("v4l2", "rtsp://host/1", "video"),
        ("v4l2", "film.mp4", "video"),
        ("directory", "film.mp4", "video"),
        ("gstreamer", "/dev/video3", "v4l2"),
        ("picamera2", "1", "picamera2"),
        ("v4l2", "2", "v4l2"),
    ],
)
def test_a_source_that_is_set_brings_its_own_kind(
    written: Callable[[str | bytes], Path], kind: str, source: str, brings: str
) -> None:
    path = written(f'[camera]\nkind = "{kind}"\nsource = "x ! y"')
    assert load(path, [f"camera.source={source}"]).camera.kind == brings
    assert load(path, environment={"EDGED_CAMERA__SOURCE": source}).camera.kind == brings


def test_a_kind_that_is_set_beside_the_source_holds(
    written: Callable[[str | bytes], Path],
) -> None:
    path = written('[camera]\nkind = "v4l2"\nsource = "/dev/video0"')
    with pytest.raises(ConfigError, match="is of another kind"):
        load(path, ["camera.source=rtsp://host/1", "camera.kind=v4l2"])


def test_the_kind_of_a_camera_follows_from_its_source(
    written: Callable[[str | bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir("/")
    path = written('[camera]\nsource = "pictures"')
    camera = load(path).camera
    assert (camera.kind, camera.source) == ("directory", str(tmp_path / "pictures"))
    assert load(path, ["camera.source=/dev/video3"]).camera.kind == "v4l2"
    assert load(path, ["camera.source="]).camera.kind == "auto"


def test_file_names_start_at_the_file_that_says_them(
    written: Callable[[str | bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    path = written(
        """
        [camera]
        kind = "directory"
        source = "pictures"
        [model]
        path = "~/model.tflite"
        labels = "/srv/labels.txt"
        delegate = "libedgetpu.so.1"
        [mqtt]
        username_file = "credential:user"
        password_file = "secrets/password"
        [mqtt.tls]
        enabled = true
        ca_file = "ca.pem"
        """
    )
    config = load(path, ["journal.path=journal.db"])
    assert config.camera.source == str(tmp_path / "pictures")
    assert config.model.path == "/home/somebody/model.tflite"
    assert config.model.labels == "/srv/labels.txt"
    assert config.model.delegate == "libedgetpu.so.1"
    assert config.mqtt.username_file == "credential:user"
    assert config.mqtt.password_file == str(tmp_path / "secrets/password")
    assert config.mqtt.tls.ca_file == str(tmp_path / "ca.pem")
    assert config.mqtt.tls.cert_file == ""
    assert config.journal.path == str(Path.cwd() / "journal.db")


@pytest.mark.parametrize(
    ("kind", "source"),
    [("video", "rtsp://user@host/1"), ("gstreamer", "videotestsrc ! appsink"), ("v4l2", "video0")],
)
def test_what_is_no_file_name_stays_as_it_is(
    written: Callable[[str | bytes], Path], kind: str, source: str
) -> None:
    path = written(f'[camera]\nkind = "{kind}"\nsource = "{source}"')
    assert load(path).camera.source == source
