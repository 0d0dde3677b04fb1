"""Another model while edged runs: taken between two frames if its gates hold, else refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from edged import build
from edged.cli import main
from edged.commands import Request, UseFile
from edged.errors import CommandError, EdgedError, ModelError
from edged.models import slots
from edged.ports.control.client import ControlClient
from tests.mosquitto import LIMIT_S, wait_until
from tests.swaps import BAD, Swapped, good, good_with_other_labels, quick_quarantine, swapped


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with quick_quarantine():
        yield


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Swapped]:
    with swapped(tmp_path) as running:
        yield running


def test_a_good_model_is_taken_and_kept_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    with swapped(tmp_path) as daemon:
        assert daemon.use(path, **good(path)) == "other"
        status = daemon.status()
        assert (status["model"], status["model_chosen"]) == ("other", True)
        assert status["rules"]["cat"]["active"]
    path.unlink()
    with swapped(tmp_path) as daemon:
        status = daemon.status()
        assert (status["model"], status["model_chosen"]) == ("other", True)


@pytest.mark.parametrize("way", BAD)
def test_a_bad_model_is_refused_and_leaves_nothing_behind(
    daemon: Swapped, tmp_path: Path, way: str
) -> None:
    bad = BAD[way]
    path = tmp_path / "bad.tflite"
    assert bad.refused in daemon.refused(bad, path, bad.make(path))
    status = daemon.status()
    assert (status["model"], status["model_chosen"]) == ("own", False)
    assert status["rules"]["cat"]["active"]
    assert daemon.on_disk() == (None, set())
    other = tmp_path / "other.tflite"
    assert daemon.use(other, **good_with_other_labels(other)) == "other"


def test_one_model_is_tried_at_a_time(daemon: Swapped, tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    fields = good(path)
    assert daemon.daemon is not None
    swapper = daemon.daemon._swapper()
    swapper._tried = "first"
    with pytest.raises(CommandError, match="model first is being tried; wait until that is over"):
        swapper.begin(Request(UseFile(model=str(path))))
    swapper._tried = None
    assert daemon.use(path, **fields) == "other"


def test_back_to_the_model_before_and_to_the_configurations(
    daemon: Swapped, tmp_path: Path
) -> None:
    assert daemon.daemon is not None
    for name in ("first", "second"):
        path = tmp_path / f"{name}.tflite"
        daemon.use(path, **good(path))
        daemon.daemon._chosen.prove()
    for to, expected in (("previous", "first"), ("previous", "second"), ("configured", "own")):
        reply, _ = daemon.client.ask("revert-model", to=to)
        assert reply["data"]["model"] == expected
        assert daemon.status()["model"] == expected
    assert daemon.status()["model_chosen"] is False
    with pytest.raises(CommandError, match="is the configuration's"):
        daemon.client.ask("revert-model", to="configured")


def test_the_configuration_ends_a_choice_when_it_says_another_model(
    daemon: Swapped, tmp_path: Path
) -> None:
    path, edited = tmp_path / "other.tflite", tmp_path / "edited.tflite"
    daemon.use(path, **good(path))
    daemon.client.ask("reload")
    assert daemon.status()["model"] == "other"
    text = daemon.path.read_text()
    daemon.path.write_text(text.replace("own.tflite", "missing.tflite"))
    with pytest.raises(CommandError, match="cannot be read"):
        daemon.client.ask("reload")
    # What is refused has ended nothing.
    assert (daemon.status()["model"], daemon.on_disk()[0]) == ("other", "other")
    good(edited)
    daemon.path.write_text(text.replace("own.tflite", "edited.tflite"))
    daemon.client.ask("reload")
    assert (daemon.status()["model"], daemon.on_disk()[0]) == ("edited", None)


def test_over_mqtt_a_model_has_a_name_and_is_no_file(
    daemon: Swapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    good(models / "installed.tflite")
    good(tmp_path / "file")
    monkeypatch.setenv("EDGED_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    for name in ("file", "unheard-of", "own.tflite"):
        with pytest.raises(CommandError, match="no model is called"):
            daemon.client.ask("use-model", model=name)
    for name in ("../own", str(tmp_path / "own.tflite")):
        with pytest.raises(CommandError, match=r"use-model: model = .*: expected a name"):
            daemon.client.ask("use-model", model=name)
    reply, _ = daemon.client.ask("use-model", model="installed")
    assert reply["data"]["model"] == "installed"


def test_only_files_of_models_and_labels_can_be_named(daemon: Swapped, tmp_path: Path) -> None:
    other, link = tmp_path / "other.file", tmp_path / "labels.txt"
    other.write_text("secret\n")
    link.symlink_to(other)
    with pytest.raises(CommandError, match=r"expected a file that ends in \.txt or"):
        daemon.client.ask("use-file", model=str(daemon.own), labels=str(link))
    with pytest.raises(CommandError, match=r"expected a file that ends in \.tflite"):
        daemon.client.ask("use-file", model=str(other))


def test_while_edged_is_paused_no_model_can_be_compared(
    daemon: Swapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.models.trial.PATIENCE_S", 0.1)
    path = tmp_path / "other.tflite"
    fields = good(path)
    daemon.client.ask("pause")
    with pytest.raises(CommandError, match="is edged awake, and its camera on"):
        daemon.use(path, **fields)
    assert daemon.use(path, **fields, shadow_s=0.0) == "other"


def test_the_command_line_asks_waits_and_goes_back(
    daemon: Swapped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.tflite"
    good(path)
    configured = ["--config", str(daemon.path)]
    assert main(["models", "use", str(path), "--shadow", "0.1", *configured]) == 0
    assert capsys.readouterr().out == "model: other\n"
    assert main(["status", *configured]) == 0
    assert "chosen by command" in capsys.readouterr().out
    assert main(["check-config", *configured]) == 0
    assert "model other was chosen by command instead of" in capsys.readouterr().out
    assert main(["models", "use", "--configured", *configured]) == 0
    assert capsys.readouterr().out == "model: own\n"
    assert main(["models", "use", "--configured", *configured]) == 1
    assert "the model in use is the configuration's" in capsys.readouterr().err


def test_a_chosen_model_that_cannot_be_loaded_at_a_start_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    with swapped(tmp_path) as daemon:
        daemon.use(path, **good(path))
    with patch("edged.build.classifier", _refuses("other")), swapped(tmp_path) as daemon:
        status = daemon.status()
        assert (status["model"], status["model_chosen"]) == ("own", False)
        assert "model other was set aside: it cannot be loaded" in status["model_problem"]


def _refuses(name: str) -> Any:
    classifier = build.classifier

    def refused(config: Any, *loaded: Any) -> Any:
        if Path(config.model.path).stem == name:
            raise ModelError("it cannot be loaded")
        return classifier(config, *loaded)

    return refused


class Process:
    """`edged run`, which can be killed."""

    def __init__(self, folder: Path) -> None:
        state = {"RUNTIME_DIRECTORY": str(folder), "STATE_DIRECTORY": str(folder / "state")}
        self.client = ControlClient(folder / "edged.sock", LIMIT_S)
        with (folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edged", "run", "--config", str(folder / "edged.toml")],
                env=os.environ | state,
                stderr=log,
            )
        wait_until(self._decides)

    def _decides(self) -> bool:
        with suppress(OSError, EdgedError):
            return int(self.client.ask("status")[0]["data"]["frames"]) > 0
        return False

    def status(self) -> dict[str, Any]:
        data: dict[str, Any] = self.client.ask("status")[0]["data"]
        return data

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(LIMIT_S)


def test_a_model_under_which_edged_is_killed_twice_is_not_tried_a_third_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "other.tflite"
    with swapped(tmp_path) as daemon:
        daemon.use(path, **good(path))
        place = daemon.slots
    # That was a stop on purpose.
    for _ in range(2):
        process = Process(tmp_path)
        assert process.status()["model"] == "other"
        process.end(signal.SIGKILL)
    process = Process(tmp_path)
    status = process.status()
    process.end(signal.SIGTERM)
    assert (status["model"], status["model_chosen"]) == ("own", False)
    assert "edged died 2 times within 60 s of taking it" in status["model_problem"]
    assert slots.read_choice(place).current is None


def test_a_model_counts_as_good_when_the_loop_turns_after_its_probation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.probation.PROBATION_S", 0.05)
    path = tmp_path / "other.tflite"
    with swapped(tmp_path) as daemon:
        daemon.use(path, **good(path))
        assert daemon.daemon is not None
        chosen = daemon.daemon._chosen
        wait_until(lambda: not chosen.on_probation)
        assert slots.read_choice(daemon.slots).probation is False
