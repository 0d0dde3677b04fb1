"""A model that is encrypted on the disk is read by every command, and never written there plain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyrage
import pytest

from edged.cli import main
from edged.inference import encrypted
from edged.models import slots
from edged.paths import bundled_model
from tests import swaps
from tests.swaps import swapped

PICTURES = Path(__file__).parent / "pictures"
KEY = pyrage.x25519.Identity.generate()
PLAIN = bundled_model().read_bytes()
WEIGHTS = PLAIN[len(PLAIN) // 2 :][:64]
"""Some bytes that no other file holds."""


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "model-key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    monkeypatch.setenv(encrypted.VARIABLE, str(path))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return path


def encrypt(path: Path) -> Path:
    """The bundled model at `path`, encrypted, and its labels by the usual name."""
    path.write_bytes(pyrage.encrypt(PLAIN, [KEY.to_public()]))
    labels = bundled_model().with_name("edged-cifar10-int8.labels.txt")
    shutil.copy(labels, path.with_suffix("").with_suffix(".txt"))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return encrypt(tmp_path / "porch.tflite.age")


def labelled(folder: Path) -> Path:
    data = folder / "data"
    (data / "cat").mkdir(parents=True)
    shutil.copy(PICTURES / "cat.jpg", data / "cat")
    return data


def plain_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and WEIGHTS in path.read_bytes()]


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command that succeeds prints."""
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_every_command_reads_it_as_the_plain_one(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classified = [
        json.loads(said(capsys, "classify", PICTURES / "cat.jpg", "--json", "--model", path))
        for path in (model, bundled_model())
    ]
    assert classified[0]["results"] == classified[1]["results"]
    assert classified[0]["model"] == "porch"

    folder = ("--dir", tmp_path)
    assert "porch" in said(capsys, "models", "list", *folder)
    info = json.loads(said(capsys, "models", "info", "porch", "--json", *folder))
    assert (info["name"], info["quarantine"], info["classes"]) == ("porch", "ok", 10)
    assert "cat" in said(capsys, "models", "labels", model)
    assert "porch" in said(capsys, "models", "verify", model)

    config = tmp_path / "edged.toml"
    config.write_text(f'[model]\npath = "{model}"\n[[rule]]\nname = "cat"\nlabels = ["cat"]\n')
    assert "OK: 1 rule" in said(capsys, "check-config", "--config", config)

    data = labelled(tmp_path)
    report = json.loads(said(capsys, "models", "evaluate", model, "--data", data, "--json"))
    assert report["model"]["name"] == "porch"
    assert plain_files(tmp_path) == []


@pytest.mark.parametrize("command", ["classify", "check-config", "evaluate", "info"])
def test_without_the_key_every_command_says_so_in_one_line(
    command: str, model: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key.unlink()
    config = tmp_path / "edged.toml"
    config.write_text(f'[model]\npath = "{model}"\n')
    data = labelled(tmp_path)
    words = {
        "classify": ["classify", PICTURES / "cat.jpg", "--model", model],
        "check-config": ["check-config", "--config", config],
        "evaluate": ["models", "evaluate", model, "--data", data],
        "info": ["models", "info", model],
    }[command]
    status = main([str(word) for word in words])
    told = capsys.readouterr()
    (line,) = [one for one in (told.out + told.err).splitlines() if "the key of the model" in one]
    assert f"{key}, cannot be read (No such file or directory)" in line
    assert "Traceback" not in told.err
    assert status != 0 or command == "info"


def test_a_daemon_runs_it_and_keeps_a_chosen_one_encrypted(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    folder.mkdir()
    with swapped(folder, require_blessing="false") as daemon:
        other = encrypt(tmp_path / "other.tflite.age")
        assert daemon.use(other) == "other"
    other.unlink()
    with swapped(folder, require_blessing="false") as daemon:
        status = daemon.status()
        assert (status["model"], status["model_chosen"]) == ("other", True)
        assert status["rules"]["cat"]["active"]
        choice = slots.read_choice(daemon.slots)
        assert choice.current is not None
        slot = slots.read(daemon.slots, choice.current)
        stored = (daemon.slots / choice.current / slot.settings["path"]).read_bytes()
        assert encrypted.is_encrypted(stored)
    assert plain_files(folder) == [daemon.own], "the model of the configuration, which is plain"


def test_a_blessing_of_the_plain_model_holds_for_the_encrypted_one(tmp_path: Path) -> None:
    plain = tmp_path / "own.tflite"
    swaps.good(plain)
    model = encrypt(tmp_path / "own.tflite.age")
    config = tmp_path / "edged.toml"
    config.write_text(f'[model]\npath = "{model}"\nrequire_blessing = true\n')
    assert main(["check-config", "--config", str(config)]) == 0
