"""`edged doctor`, as a command."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest

import edged.doctor.board
from edged.cli import main
from tests.messages.test_messages import validator

PICTURES = Path(__file__).parent.parent / "pictures"
DOCS = Path(__file__).parent.parent.parent / "docs" / "doctor.md"
SOURCES = Path(edged.doctor.__file__).parent

SOUND = f"""
[camera]
kind = "directory"
source = "{PICTURES}"
fps = 1
[mqtt]
enabled = false
"""


def configuration(folder: Path, text: str = SOUND) -> str:
    path = folder / "edged.toml"
    path.write_text(text)
    return str(path)


def test_a_sound_configuration_has_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--config", configuration(tmp_path), "--all"]) == 0
    said = capsys.readouterr().out
    assert "ok        the configuration is valid [configuration]" in said
    assert max(map(len, said.splitlines())) <= 80


def test_without_all_only_what_needs_a_look_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["doctor", "--config", configuration(tmp_path)])
    said = capsys.readouterr().out
    assert not re.search("^ok ", said, re.MULTILINE)
    assert re.search("^note .*no daemon answers", said, re.MULTILINE)


def test_each_fault_of_the_configuration_is_a_finding_and_the_rest_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = SOUND + '[decide]\nenter = 5\n[[rule]]\nname = "x"\nlabels = ["nonsense"]\n'
    assert main(["doctor", "--config", configuration(tmp_path, wrong), "--json"]) == 1
    message = json.loads(capsys.readouterr().out)
    validator("doctor").validate(message)
    errors = [one["what"] for one in message["findings"] if one["id"] == "configuration"]
    assert any("decide.enter" in error for error in errors)
    assert {"memory", "clock"} <= {one["id"] for one in message["findings"]}


def test_a_configuration_that_cannot_be_read_is_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--config", str(tmp_path / "absent.toml"), "--json"]) == 1
    [error] = [
        one
        for one in json.loads(capsys.readouterr().out)["findings"]
        if one["id"] == "configuration"
    ]
    assert "absent.toml" in error["what"]


def test_a_bundle_holds_the_findings_and_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "hunter2x9"
    text = SOUND.replace(
        "enabled = false", f'enabled = false\nusername = "ann"\npassword_file = "/a/{secret}"'
    )
    text += f'[[webhook]]\nname = "door"\nurl = "https://u:{secret}@h/{secret}?token={secret}"\n'
    bundle = tmp_path / "report.tar.gz"
    main(["doctor", "--config", configuration(tmp_path, text), "--bundle", str(bundle)])
    assert f"report written to {bundle}" in capsys.readouterr().out
    assert bundle.stat().st_mode & 0o777 == 0o600
    with tarfile.open(bundle) as tar:
        parts = {one.name: tar.extractfile(one).read().decode() for one in tar}  # type: ignore[union-attr]
    assert set(parts) == {
        f"edged-doctor/{name}"
        for name in ("doctor.json", "configuration.toml", "status.json", "log.txt")
    }
    assert json.loads(parts["edged-doctor/doctor.json"])["findings"]
    assert "door" in parts["edged-doctor/configuration.toml"]
    assert secret not in "".join(parts.values())


def test_a_bundle_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "absent" / "report.tar.gz"
    assert main(["doctor", "--config", configuration(tmp_path), "--bundle", str(place)]) == 1
    assert f"edged: {place}: No such file or directory" in capsys.readouterr().err


def test_every_kind_of_finding_is_in_the_docs() -> None:
    kinds = {
        kind
        for source in SOURCES.glob("*.py")
        for kind in re.findall(r'Finding\(\s*"([\w-]+)"', source.read_text())
    } | {name for _, name, *_ in edged.doctor.board._BITS}
    documented = {
        kind
        for row in re.findall(r"^\| (`.*?`) \|", DOCS.read_text(), re.MULTILINE)
        for kind in re.findall(r"`([\w-]+)`", row)
    }
    assert documented == kinds
