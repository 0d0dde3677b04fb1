"""File names of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.load import load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edged.toml"


def test_what_the_file_names_starts_at_its_folder(file: Path) -> None:
    file.write_text('[model]\npath = "m.tflite"\n[journal]\npath = "events"\n')
    config = load(file)
    assert config.model.path == str(file.parent / "m.tflite")
    assert config.journal.path == str(file.parent / "events")


def test_what_is_overridden_starts_at_the_working_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("")
    (file.parent / "here").mkdir()
    monkeypatch.chdir(file.parent / "here")
    config = load(file, ["model.labels=l.txt"], {"EDGED_MODEL__PATH": "./m.tflite"})
    assert config.model.labels == str(file.parent / "here" / "l.txt")
    assert config.model.path == str(file.parent / "here" / "m.tflite")


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v2_1.0_224_quant"])
def test_a_bare_name_is_a_fetched_model_and_stays(file: Path, name: str) -> None:
    file.write_text(f'[model]\npath = "{name}"\n')
    assert load(file).model.path == name


def test_a_file_that_is_there_is_meant_whatever_it_is_called(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "model").touch()
    (file.parent / "here").mkdir()
    monkeypatch.chdir(file.parent / "here")
    file.write_text('[model]\npath = "model"\n')
    assert load(file).model.path == str(file.parent / "model")
    assert load(file, ["model.path=model"]).model.path == "model"


def test_credentials_and_addresses_are_no_files(file: Path) -> None:
    file.write_text(
        '[camera]\nkind = "video"\nsource = "rtsp://camera/1"\n'
        '[mqtt]\nusername = "u"\npassword_file = "credential:mqtt-password"\n'
    )
    config = load(file)
    assert config.camera.source == "rtsp://camera/1"
    assert config.mqtt.password_file == "credential:mqtt-password"


def test_home_is_expanded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    file.write_text('[model]\npath = "~/m.tflite"\n')
    assert load(file).model.path == "/home/somebody/m.tflite"


def test_the_files_of_a_webhook_start_where_it_is_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file.write_text("[[webhook]]\nname = 'a'\nurl = 'https://x/'\nsecret_file = 's'\nca_file = 'c'")
    hook = load(file, ["webhook.a.ca_file=c"]).webhook[0]
    assert hook.secret_file == str(file.parent / "s")
    assert hook.ca_file == str(tmp_path / "here" / "c")
