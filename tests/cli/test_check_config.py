"""``edged check-config`` tells all that is wrong at once, the model's labels included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from edged import paths
from edged.cli import main

Told: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    def tell(text: str, status: int = 78) -> list[str]:
        path = tmp_path / "edged.toml"
        path.write_text(text)
        assert main(["check-config", "--config", str(path)]) == status
        said = capsys.readouterr()
        return [line.removeprefix("edged: ") for line in (said.err or said.out).splitlines()]

    return tell


RULE = '[[rule]]\nname = "cat"\nlabels = ["{}"]\n'
OUTPUT = '[[output]]\nname = "{}"\npin = {}\nrule = "{}"\n'


def test_what_is_right_is_counted(told: Told) -> None:
    text = RULE.format("cat") + OUTPUT.format("lamp", 17, "cat") + OUTPUT.format("bell", 4, "cat")
    (line,) = told(text, 0)
    assert line.endswith("edged.toml: OK: 1 rule, 2 outputs")


def test_types_misfits_pins_and_labels_come_together(told: Told) -> None:
    text = (
        '[camera]\nfps = "fast"\n[decide]\nexit = 0.8\n'
        + RULE.format("cta")
        + OUTPUT.format("lamp", 17, "cat")
        + OUTPUT.format("bell", 17, "dog")
        + '[mqtt]\nhost = "a:1"\n'
    )
    lines = told(text)
    assert [line.partition(": expected")[0].partition(" = ")[0] for line in lines] == [
        "edged.toml:2: camera.fps",
        "edged.toml:4: decide.exit",
        "edged.toml:15: output[1].rule",
        "edged.toml:14: output[1].pin",
        "edged.toml:17: mqtt.host",
        'rule "cat": the model has no label "cta"; did you mean cat?',
    ]


def test_a_start_that_fails_tells_all_of_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edged.toml"
    path.write_text('[camera]\nfps = "fast"\n' + RULE.format("cta"))
    assert main(["run", "--config", str(path)]) == 78
    first, second = capsys.readouterr().err.splitlines()
    assert 'camera.fps = "fast"' in first
    assert 'no label "cta"' in second


@pytest.mark.parametrize(
    "text",
    [
        # Whatever stands there later may fit.
        "[decide]\nenter = 'x'\nexit = 0.9",
        "[decide]\nenter = 2\n[[rule]]\nname = 'a'\nlabels = ['cat']\nexit = 0.9",
        "[[rule]]\nnmae = 'cat'\nlabels = ['cat']\n" + OUTPUT.format("lamp", 1, "cat"),
        "[[rules]]\nname = 'cat'\n" + OUTPUT.format("lamp", 1, "cat"),
        "rule = 3\n" + OUTPUT.format("lamp", 1, "cat"),
        "[mqtt]\nusrname = 'u'\npassword_file = 'x'",
        "[camera]\nfps = 'x'\nkind = 'v4l2'\ntimeout_s = 0.01",
        "[model]\npath = 3\n" + RULE.format("dragon"),
        "[models]\npath = 'person'\n" + RULE.format("dragon"),
        "path = 'person'\n" + RULE.format("dragon"),
        "[[rule]]\nname = 'a'\nlabels = 'dragon'",
    ],
)
def test_what_depends_on_a_wrong_value_is_not_told(told: Told, text: str) -> None:
    lines = told(text)
    # Of a misspelt key that must be there, its lack is told, too.
    assert len(lines) == (2 if "nmae" in text else 1), lines


def test_a_wrong_name_is_a_name_all_the_same(told: Told) -> None:
    text = "[[rule]]\nname = 'my cat'\nlabels = ['cat']\n" + OUTPUT.format("lamp", 1, "my cat")
    (line,) = told(text)
    assert line.startswith('edged.toml:2: rule[0].name = "my cat"')


def test_a_decimal_comma_is_recognised(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = told("[decide]\nexit = 0,4  # off\n")
    assert line.startswith("edged.toml:2: ")
    assert line.endswith("; write 0.4 with a decimal point")
    assert main(["check-config", "--set", "decide.exit=0,4"]) == 78
    assert capsys.readouterr().err.endswith("; did you mean 0.4?\n")


@pytest.mark.parametrize("value", ["2s", "40 %", "2 s  # at least"])
def test_a_unit_behind_a_number_is_recognised(told: Told, value: str) -> None:
    (line,) = told(f"[decide]\nmin_on_s = {value}\n")
    assert line.startswith("edged.toml:2: ")
    assert line.endswith("; write the number alone, without a unit")


def test_an_option_of_the_top_level_below_a_section_is_recognised(told: Told) -> None:
    (line,) = told("[camera]\nfps = 3\ndevice = 'porch'")
    assert "unknown key; device belongs to the top of the file" in line


WEBHOOK = '[[webhook]]\nname = "{0}"\nurl = "http://localhost/"\nsecret_file = "{1}"\n'


def test_every_file_without_which_nothing_starts_is_told(told: Told, tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_text("hello")
    text = (
        '[mqtt]\nusername_file = "u"\npassword_file = "p"\n[mqtt.tls]\nenabled = true\n'
        'ca_file = "c"\n[web]\ntoken_file = "t"\n[web.tls]\ncert_file = "c"\nkey_file = "k"\n'
    )
    lines = told(text + WEBHOOK.format("alarm", "s") + WEBHOOK.format("door", "rubbish"))
    absent = f"{tmp_path}/*** does not exist; check the path"
    assert [line.partition(" is not")[0] for line in lines] == [
        f"mqtt.username_file: {absent}",
        f"mqtt.password_file: {absent}",
        f"mqtt.tls.ca_file: {absent}",
        f"webhook alarm: secret_file: {absent}",
        f"webhook door: secret_file: {tmp_path}/rubbish",
        f"web.token_file: {absent}",
        f"web.tls.cert_file: {absent}",
        f"web.tls.key_file: {absent}",
    ]


def test_a_token_that_can_be_guessed_is_wrong_before_the_page_starts(
    told: Told, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret")
    (line,) = told('[web]\ntoken_file = "token"\n')
    assert line.startswith("web.token_file: ")
    assert "at least 16 ASCII characters" in line


def test_files_of_what_is_off_are_not_looked_for(told: Told) -> None:
    (line,) = told('[mqtt]\nenabled = false\nusername_file = "u"\n', 0)
    assert ": OK: " in line


def test_outside_of_a_unit_its_credential_is_not_checked_and_in_it_is(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    remark, line = told(WEBHOOK.format("alarm", "credential:alarm"), 0)
    assert remark.startswith("# webhook alarm: secret_file is not checked")
    assert ": OK: " in line

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (line,) = told(WEBHOOK.format("alarm", "credential:alarm"))
    assert line.startswith("webhook alarm: secret_file: there is no systemd credential alarm here")


def test_the_services_configuration_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "CONFIGURATIONS", tmp_path)
    monkeypatch.delenv("EDGED_CONFIG", raising=False)
    assert main(["check-config"]) == 0
    assert "the defaults: OK" in capsys.readouterr().out

    (tmp_path / "edged.toml").write_text('device = "door"\n')
    (tmp_path / "garden.toml").write_text(RULE.format("cat"))
    assert main(["check-config", "--show"]) == 0
    assert 'device = "door"' in capsys.readouterr().out
    for words in (
        ["--camera", "garden", "check-config"],
        ["check-config", "--camera", "garden"],
    ):
        assert main(words) == 0
        assert capsys.readouterr().out == f"{tmp_path}/garden.toml: OK: 1 rule, 0 outputs\n"
    assert main(["--camera", "garden", "check-config", "--show"]) == 0
    assert 'device = "garden"' in capsys.readouterr().out

    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "garden.toml"))
    assert main(["check-config"]) == 0
    assert "garden.toml" in capsys.readouterr().out
