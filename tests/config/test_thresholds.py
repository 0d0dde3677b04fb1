"""Thresholds changed by command hold until the configuration says another."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edged.config.load import load
from edged.config.schema import Config
from edged.config.thresholds import Threshold, Thresholds, thresholds


def configured(*overrides: str) -> Config:
    return load(None, ['rule=[{name="cat", labels=["cat"]}]', *overrides])


def of_cat(config: Config) -> dict[Threshold, float]:
    return thresholds(config.rule[0], config.decide)


def changed(path: Path | None, threshold: Threshold = "enter", value: float = 0.9) -> Thresholds:
    """Changes by command in a run of the daemon."""
    made = Thresholds(path)
    made.change(made.applied(configured()), "cat", threshold, value)
    made.save()
    return made


def test_a_change_holds_in_the_next_run(tmp_path: Path) -> None:
    kept = tmp_path / "state" / "thresholds"
    changed(kept)
    assert of_cat(Thresholds(kept).applied(configured())) == {"enter": 0.9, "exit": 0.4}


@pytest.mark.parametrize("new", ["rule.cat.enter=0.7", "decide.enter=0.7"])
def test_it_ends_when_the_configuration_says_another_and_never_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, new: str
) -> None:
    caplog.set_level(logging.INFO)
    changed(tmp_path / "kept")
    run = Thresholds(tmp_path / "kept")
    assert of_cat(run.applied(configured(new)))["enter"] == 0.7
    assert "enter is 0.7 from the configuration; it replaces the 0.9 set by command" in (
        caplog.text
    )
    for later in (run, Thresholds(tmp_path / "kept")):
        assert of_cat(later.applied(configured()))["enter"] == 0.6


def test_the_newest_of_two_changes_holds_and_ends_with_the_same_configuration(
    tmp_path: Path,
) -> None:
    run = changed(tmp_path / "kept")
    run.change(run.applied(configured()), "cat", "enter", 0.8)
    run.save()
    assert of_cat(Thresholds(tmp_path / "kept").applied(configured()))["enter"] == 0.8


def test_what_does_not_fit_a_new_configuration_is_dropped_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed(tmp_path / "kept", "enter", 0.5)
    wanted = configured("decide.exit=0.55")
    assert of_cat(Thresholds(tmp_path / "kept").applied(wanted)) == {"enter": 0.6, "exit": 0.55}
    assert "enter would be 0.5 and exit 0.55" in caplog.text


def test_of_a_rule_that_is_gone_nothing_is_changed(tmp_path: Path) -> None:
    changed(tmp_path / "kept")
    other = load(None, ['rule=[{name="dog", labels=["dog"]}]'])
    assert Thresholds(tmp_path / "kept").applied(other) == other


def test_what_cannot_be_read_is_told_and_nothing_is_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "kept").write_text("[{]")
    assert Thresholds(tmp_path / "kept").applied(configured()) == configured()
    assert "the thresholds of the configuration apply" in caplog.text


def test_what_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    changed(tmp_path / "file" / "kept")
    assert "thresholds changed by command are lost at a restart" in caplog.text


def test_without_a_file_a_change_ends_with_the_run() -> None:
    run = changed(None)
    assert of_cat(run.applied(configured()))["enter"] == 0.9
