"""Which model is in use: chosen by command, on probation, set aside, until the configuration's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.config.load import load
from edged.config.schema import Config, ModelConfig
from edged.errors import CommandError, ModelError
from edged.models import slots
from edged.models.chosen import Chosen

OWN = load(None, ["model.path=/models/own.tflite", "model.mean=[127.5]", "model.threads=2"])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "slots"


def chosen(place: Path, config: Config = OWN) -> Chosen:
    """As a start of edged has it."""
    made = Chosen(place)
    made.begin(config)
    return made


def choose(one: Chosen, folder: Path, name: str) -> str:
    """Switch to a model of this name; returns its slot."""
    path = folder / f"{name}.tflite"
    path.write_text(f"the model {name}")
    labels = folder / f"{name}.txt"
    labels.write_text("cat\n")
    slot = one.stage(ModelConfig(path=str(path), labels=str(labels)), labels, {})
    one.switch_to(slot)
    one.unstage(slot)
    return slot


def in_use(one: Chosen, config: Config = OWN) -> str:
    return Path(one.applied(config).model.path).stem


def test_without_a_choice_the_model_is_the_configurations(place: Path) -> None:
    one = chosen(place)
    assert one.applied(OWN) == OWN
    assert not place.exists()


def test_a_chosen_model_has_its_own_description_and_the_machines_options(
    place: Path, tmp_path: Path
) -> None:
    one = chosen(place)
    slot = choose(one, tmp_path, "new")
    model = one.applied(OWN).model
    assert (model.path, model.labels) == (
        str(place / slot / "new.tflite"),
        str(place / slot / "labels.txt"),
    )
    assert (model.mean, model.threads) == ([], 2)
    assert in_use(chosen(place)) == "new"


def test_whoever_spoke_last_is_obeyed(place: Path, tmp_path: Path) -> None:
    one = chosen(place)
    choose(one, tmp_path, "new")
    edited = load(None, ["model.path=/models/edited.tflite"])
    assert in_use(one, edited) == "edited"
    # A reload that is refused has changed nothing.
    assert in_use(one) == "new"
    one.settle(edited)
    assert in_use(one) == "own"
    assert in_use(chosen(place)) == "own"


def test_a_model_that_edged_dies_of_twice_is_not_tried_a_third_time(
    place: Path, tmp_path: Path
) -> None:
    good = chosen(place)
    choose(good, tmp_path, "good")
    good.prove()
    choose(good, tmp_path, "deadly")
    second = chosen(place)
    assert in_use(second) == "deadly"
    third = chosen(place)
    assert in_use(third) == "good"
    told = "model deadly was set aside: edged died 2 times within 60 s of taking it"
    assert third.problem == f"{told}; the model before it is used"
    fourth = chosen(place)
    assert (in_use(fourth), fourth.problem) == ("good", told)
    path = tmp_path / "deadly.tflite"
    slot = fourth.stage(ModelConfig(path=str(path)), None, {})
    with pytest.raises(ModelError, match="it is not tried again"):
        fourth.check_not_set_aside(fourth.staged(slot)[0])


def test_without_a_model_before_it_the_configurations_is_used(place: Path, tmp_path: Path) -> None:
    choose(chosen(place), tmp_path, "deadly")
    chosen(place)
    last = chosen(place)
    assert in_use(last) == "own"
    assert "the configuration's model is used" in str(last.problem)


def test_a_stop_on_purpose_is_no_death_and_no_success(place: Path, tmp_path: Path) -> None:
    choose(one := chosen(place), tmp_path, "new")
    one.stopped()
    for _ in range(3):
        one = chosen(place)
        assert in_use(one) == "new"
        one.stopped()
    chosen(place)
    chosen(place)
    assert in_use(chosen(place)) == "own"


def test_a_model_that_ran_for_a_minute_may_die_as_often_as_any(place: Path, tmp_path: Path) -> None:
    choose(one := chosen(place), tmp_path, "new")
    one.prove()
    for _ in range(5):
        assert in_use(chosen(place)) == "new"


@pytest.mark.parametrize("file", ["new.tflite", "labels.txt", "slot.json"])
def test_a_torn_slot_is_reported_and_the_model_before_it_used(
    place: Path, tmp_path: Path, file: str
) -> None:
    one = chosen(place)
    choose(one, tmp_path, "good")
    one.prove()
    slot = choose(one, tmp_path, "new")
    torn = place / slot / file
    torn.write_bytes(torn.read_bytes()[:-3])
    after = chosen(place)
    assert in_use(after) == "good"
    assert "is damaged" in str(after.problem)
    assert not (place / slot).exists()


def test_a_choice_that_cannot_be_read_is_reported_and_the_configurations_model_used(
    place: Path, tmp_path: Path
) -> None:
    choose(chosen(place), tmp_path, "new")
    (place / slots.FILE).write_text("{")
    one = chosen(place)
    assert in_use(one) == "own"
    assert "cannot be read" in str(one.problem)


def test_a_disk_that_takes_nothing_refuses_the_switch(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = chosen(place)
    choose(one, tmp_path, "good")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slots, "write_choice", full)
    with pytest.raises(ModelError, match="No space left on device: make room"):
        choose(one, tmp_path, "new")
    assert in_use(one) == "good"


def test_on_disk_are_the_current_model_and_the_last_good_one_and_no_others(
    place: Path, tmp_path: Path
) -> None:
    one = chosen(place)
    good = choose(one, tmp_path, "good")
    one.prove()
    for name in ("first", "second"):
        current = choose(one, tmp_path, name)
    assert set(slots.all_slots(place)) == {good, current}
    (place / "slot-left-by-a-crash").mkdir()
    chosen(place)
    assert set(slots.all_slots(place)) == {good, current}


def test_back_to_the_model_before_and_to_the_configurations(place: Path, tmp_path: Path) -> None:
    one = chosen(place)
    with pytest.raises(CommandError, match="no model was in use before"):
        one.to_previous()
    with pytest.raises(CommandError, match="is the configuration's"):
        one.to_configured()
    choose(one, tmp_path, "first")
    one.prove()
    choose(one, tmp_path, "second")
    one.prove()
    one.take(one.to_previous())
    assert in_use(one) == "first"
    one.take(one.to_previous())
    assert in_use(one) == "second"
    one.take(one.to_configured())
    assert in_use(one) == "own"
    one.take(one.to_previous())
    assert in_use(chosen(place)) == "second"


def test_a_model_on_probation_is_none_to_go_back_to(place: Path, tmp_path: Path) -> None:
    one = chosen(place)
    choose(one, tmp_path, "unproven")
    one.take(one.to_previous())
    assert in_use(one) == "own"
    with pytest.raises(CommandError, match="no model was in use before"):
        one.to_previous()


def test_a_file_that_is_too_large_to_be_a_model_is_not_copied(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "MAX_BYTES", 10)
    with pytest.raises(ModelError, match="over 0 MiB"):
        choose(chosen(place), tmp_path, "large")
    assert list(slots.all_slots(place)) == []


def test_the_file_of_the_choice_says_all_that_holds(place: Path, tmp_path: Path) -> None:
    slot = choose(chosen(place), tmp_path, "new")
    told = json.loads((place / slots.FILE).read_text())
    assert (told["current"], told["probation"], told["starts"]) == (slot, True, 1)
    assert told["instead_of"]["path"] == "/models/own.tflite"
