from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged import paths
from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.models import admission
from edged.models.admission import admit
from edged.models.quarantine import Verdict


class Quarantine:
    """Counts what is sent there, and says what it was told to."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.tried = 0

    def __call__(self, path: Path, model: ModelConfig) -> Verdict:
        self.tried += 1
        return self.verdict


@pytest.fixture
def passing() -> Quarantine:
    return Quarantine(Verdict("ok", ran=True, landlock=True))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_model_is_tried_once_and_not_at_each_start(
    sound: ModelConfig, state: Path, passing: Quarantine
) -> None:
    for _ in range(3):
        admit(sound, state, passing)
    assert passing.tried == 1


def test_another_file_under_the_same_name_is_tried_again(
    sound: ModelConfig, state: Path, passing: Quarantine
) -> None:
    admit(sound, state, passing)
    path = Path(sound.path)
    before = path.stat()
    path.write_bytes(path.read_bytes())
    # Even one that claims to be as old as the first.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    admit(sound, state, passing)
    assert passing.tried == 2


def test_another_version_of_the_runtime_tries_it_again(
    sound: ModelConfig, state: Path, passing: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit(sound, state, passing)
    monkeypatch.setattr(admission, "_runtime_stamp", lambda: "newer")
    admit(sound, state, passing)
    assert passing.tried == 2


@pytest.mark.parametrize("outcome", ["refused", "died", "timed out", "out of memory"])
def test_what_does_not_pass_is_a_model_error_of_one_line_each_time(
    outcome: str, sound: ModelConfig, state: Path
) -> None:
    failing = Quarantine(Verdict(outcome, "because of this"))  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(ModelError, match=r"because of this") as caught:
            admit(sound, state, failing)
        assert "\n" not in str(caught.value)
    assert failing.tried == 2


def test_a_fatal_model_is_refused_by_the_real_quarantine(fatal: ModelConfig, state: Path) -> None:
    with pytest.raises(ModelError, match=r"fatal\.tflite"):
        admit(fatal, state)


def test_a_sound_model_passes_the_real_quarantine(sound: ModelConfig, state: Path) -> None:
    admit(sound, state)
    assert (state / admission.FILE).exists()


def test_the_model_that_comes_with_edged_is_trusted(state: Path) -> None:
    if not paths.bundled_model().exists():
        pytest.skip("the bundled model has not been made")
    never = Quarantine(Verdict("died"))
    admit(ModelConfig(), state, never)
    admit(ModelConfig(path=str(paths.bundled_model())), state, never)
    assert never.tried == 0


def test_a_name_becomes_the_file_that_it_means(
    sound: ModelConfig, state: Path, passing: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGED_MODELS", str(Path(sound.path).parent))
    named = ModelConfig(path="sound", labels=sound.labels)
    assert admit(named, state, passing) == sound
    assert passing.tried == 1


def test_an_unknown_name_is_a_model_error(state: Path, passing: Quarantine) -> None:
    with pytest.raises(ModelError, match="no model is called"):
        admit(ModelConfig(path="unheard-of"), state, passing)


def test_an_absent_model_is_left_for_the_loader_to_report(state: Path) -> None:
    admit(ModelConfig(path="/nowhere.tflite"), state, Quarantine(Verdict("died")))


def test_a_file_that_changes_while_it_is_tried_is_refused(sound: ModelConfig, state: Path) -> None:
    def slow(path: Path, model: ModelConfig) -> Verdict:
        path.write_bytes(path.read_bytes() + b"more")
        return Verdict("ok")

    with pytest.raises(ModelError, match="changed while it was tried"):
        admit(sound, state, slow)


@pytest.mark.parametrize("notes", [b"", b"[]", b"\xff", b'{"x": 1}'])
def test_damaged_notes_are_no_notes(
    notes: bytes, sound: ModelConfig, state: Path, passing: Quarantine
) -> None:
    state.mkdir()
    (state / admission.FILE).write_bytes(notes)
    admit(sound, state, passing)
    admit(sound, state, passing)
    assert passing.tried == 1


def test_without_a_place_for_notes_it_is_tried_at_each_start(
    sound: ModelConfig, state: Path, passing: Quarantine
) -> None:
    state.write_text("a file where the directory should be")
    admit(sound, state, passing)
    admit(sound, state, passing)
    assert passing.tried == 2
