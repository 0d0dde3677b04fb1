"""What was changed from the page, over the configuration file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from edged.cli import main
from edged.config import saved
from edged.config.load import load
from edged.config.schema import SavedRule
from edged.errors import CommandError, ConfigError
from edged.perception.rules import Decider

MAIN = """
[camera]
region = [0, 0, 1, 1]
[[rule]]
name = "cat"
labels = ["cat"]
enter = 0.7
[[output]]
name = "lamp"
pin = 17
rule = "cat"
"""

MASK = {"camera": {"privacy": [[[0.0, 0.0], [0.5, 0.5]]]}}
DOG = {"rule": [{"name": "dog", "labels": ["dog"]}]}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file, with a state directory beside it."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr(saved, "SERVICE", tmp_path / "service")
    file = tmp_path / "edged.toml"
    file.write_text(MAIN)
    return file


def keep(path: Path, tree: dict[str, Any]) -> None:
    saved.write(saved.file(path), tree)


def test_what_was_changed_holds_and_the_file_stays_as_it_is(path: Path) -> None:
    keep(path, {**MASK, **DOG})
    config = load(path)
    assert config.camera.privacy == (((0.0, 0.0), (0.5, 0.5)),)
    assert [rule.name for rule in config.rule] == ["cat", "dog"]
    assert path.read_text() == MAIN


def test_a_rule_of_the_same_name_takes_its_place(path: Path) -> None:
    keep(path, {"rule": [{"name": "cat", "labels": ["cat", "tiger"]}]})
    (rule,) = load(path).rule
    assert (rule.labels, rule.enter) == (["cat", "tiger"], None)


def test_the_command_line_comes_last(path: Path) -> None:
    keep(path, DOG)
    assert load(path, ["rule.dog.enter=0.9"]).rule[1].enter == 0.9


def test_each_configuration_has_its_own(path: Path) -> None:
    keep(path, DOG)
    other = path.with_name("other.toml")
    other.write_text(MAIN)
    assert len(load(other).rule) == 1


def test_what_does_not_fit_any_more_is_left_out_and_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(path, {**MASK, "rule": [{"name": "dog", "labels": ["dog"], "exit": 0.65}]})
    path.write_text(MAIN + "[decide]\nenter = 0.5\n")
    with caplog.at_level(logging.ERROR):
        config = load(path)
    assert [rule.name for rule in config.rule] == ["cat"]
    assert config.camera.privacy
    (line,) = caplog.messages
    assert line.startswith("rule dog: ")
    assert line.endswith("; the rule was created on the web page, and is ignored")


def test_an_output_may_follow_a_rule_that_was_saved(path: Path) -> None:
    keep(path, {**MASK, **DOG})
    path.write_text(MAIN.replace('rule = "cat"', 'rule = "dog"'))
    config = load(path)
    assert config.output[0].rule == "dog"
    assert config.camera.privacy


def damaged(path: Path, content: bytes) -> Path:
    """The file of changes to a configuration, with this in it."""
    place = saved.file(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[", "line (1|None): Invalid initial character"),
        (b"\xff", "can't decode byte 0xff"),
        (b"\0" * 512, "line 1: column 1"),
        (b"", "it is empty"),
        (b"camera = 7", r"expected a table \[camera\]"),
        (b"rule = 5", r"expected a table \[camera\]"),
        (b"rule = [5]", r"expected tables \[\[rule\]\]"),
        (b"[kamera]\nprivacy = []", '"kamera" is not part of it'),
        (b"[camera]\nprivaci = []", '"privaci" is not part of it'),
        (b"[camera]\nprivacy = []\n" + b"#" * saved.LIMIT_BYTES, "larger than 256 KiB"),
    ],
)
def test_changes_that_cannot_be_used_are_refused(path: Path, content: bytes, reason: str) -> None:
    place = damaged(path, content)
    for use in (load, saved.kept, saved.look):
        with pytest.raises(ConfigError, match=reason) as refused:
            use(path)
        assert str(refused.value).startswith(f"{place}: the changes made on the web page cannot be")
        assert "repair this file, or remove it" in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


def test_changes_that_this_user_may_not_read_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(path, MASK)

    def refuse(place: Path) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(saved, "open_regular", refuse)
    with pytest.raises(ConfigError, match=r"not permitted; .*, or repair this"):
        load(path)
    # Its folder may not be looked into: a mask may be there.
    saved.file(path).unlink()
    with pytest.raises(ConfigError, match=r"not permitted; .*, or repair this"):
        load(path)


def test_in_the_home_of_another_user_there_are_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Path) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(saved, "open_regular", refuse)
    assert saved.kept(path) == {}


@pytest.mark.parametrize("service", [False, True])
def test_a_link_that_leads_nowhere_is_refused(path: Path, *, service: bool) -> None:
    place = saved.SERVICE / saved.file(path).name if service else saved.file(path)
    place.parent.mkdir(parents=True)
    place.symlink_to("gone")
    with pytest.raises(ConfigError, match="No such file or directory; repair"):
        load(path)


@pytest.mark.parametrize(
    "camera",
    [
        {"privacy": [[[0.0, 0.0]]]},
        {"privacy": 5},
        {"privacy": [[["a", 0.0], [0.5, 0.5]]]},
        {"region": [0.5, 0.5, 0.9, 0.2]},
    ],
)
def test_a_mask_or_region_that_does_not_fit_is_refused(path: Path, camera: dict[str, Any]) -> None:
    place = damaged(path, tomli_w.dumps({"camera": camera, **DOG}).encode())
    (option,) = camera
    with pytest.raises(ConfigError, match=f"cannot be used: camera.{option}: ") as refused:
        load(path)
    assert str(refused.value).startswith(str(place))
    assert len(str(refused.value).splitlines()) == 1


def test_more_than_can_be_read_again_is_not_kept(path: Path) -> None:
    keep(path, MASK)
    many = {"rule": [{"name": f"rule{n}", "labels": ["x" * 64]} for n in range(4000)]}
    with pytest.raises(CommandError, match="put the rules into the configuration file"):
        keep(path, many)
    assert saved.kept(path) == MASK


def test_damaged_changes_are_left_behind_by_undo(path: Path) -> None:
    keep(path, MASK)
    keep(path, {**MASK, **DOG})
    place = damaged(path, b"[")
    saved.write(place, saved.undone(place))
    assert load(path).camera.privacy


def test_a_label_that_another_model_has_not_leaves_its_rule_out(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(path, DOG)
    config = load(path)
    assert isinstance(config.rule[1], SavedRule)
    assert Decider(config.rule, config.decide, ["cat", "bird"]).names == ["cat"]
    assert "the rule was created on the web page, and is ignored" in caplog.text
    assert Decider(config.rule, config.decide, ["cat", "dog"]).names == ["cat", "dog"]


def test_a_change_that_does_not_fit_is_refused_before_it_is_kept(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"camera\.region: the region exceeds the picture"):
        load(path, changes={"camera": {"region": [0.5, 0.5, 0.9, 0.2]}})


def test_a_change_to_be_tried_is_strict_with_labels(path: Path) -> None:
    config = load(path, changes=DOG)
    with pytest.raises(ConfigError, match='no label "dog"'):
        Decider(config.rule, config.decide, ["cat", "bird"])


def test_the_last_change_is_taken_back_and_made_again(path: Path) -> None:
    place = saved.file(path)
    keep(path, DOG)
    keep(path, {**DOG, **MASK})
    keep(path, saved.undone(place))
    assert saved.read(place) == DOG
    keep(path, saved.undone(place))
    assert saved.read(place) == {**DOG, **MASK}


def test_the_same_change_once_more_leaves_the_one_before_to_undo(path: Path) -> None:
    place = saved.file(path)
    keep(path, DOG)
    keep(path, {**DOG, **MASK})
    keep(path, {**DOG, **MASK})
    assert saved.undone(place) == DOG


def test_without_a_change_nothing_is_taken_back(path: Path) -> None:
    with pytest.raises(CommandError, match="no change from the web page"):
        saved.undone(saved.file(path))
    assert saved.look(path) == saved.Kept()


def test_the_first_change_is_taken_back_to_nothing(path: Path) -> None:
    keep(path, DOG)
    assert saved.look(path) == saved.Kept(frozenset({"dog"}), undo=True)
    assert saved.undone(saved.file(path)) == {}


def test_a_change_is_added_to_those_before() -> None:
    both = saved.changed(DOG, MASK["camera"], {"name": "cat", "labels": ["cat"]}, None)
    assert both == {
        **MASK,
        "rule": [{"name": "dog", "labels": ["dog"]}, {"name": "cat", "labels": ["cat"]}],
    }
    assert saved.changed(both, {}, None, "dog")["rule"] == [{"name": "cat", "labels": ["cat"]}]


def test_a_rule_of_the_file_is_not_removed() -> None:
    with pytest.raises(CommandError, match="the others are in the configuration file"):
        saved.changed(DOG, {}, None, "cat")


def test_where_the_service_keeps_them_is_found_by_others(path: Path) -> None:
    name = saved.file(path).name
    saved.SERVICE.mkdir()
    (saved.SERVICE / name).write_text('[[rule]]\nname = "dog"\nlabels = ["dog"]\n')
    assert len(load(path).rule) == 2


def test_where_one_may_not_look_nothing_is_sought(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.SERVICE.mkdir()
    (saved.SERVICE / saved.file(path).name).write_text("[")
    monkeypatch.setattr(saved.os.path, "lexists", lambda _: False)
    assert len(load(path).rule) == 1
    assert not caplog.messages


def test_without_a_state_directory_there_are_none(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("edged.paths.home", lambda: None)
    assert len(load(path).rule) == 1
    assert saved.look(path) == saved.Kept()
    assert not caplog.messages


def test_check_config_says_where_changes_come_from(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(path, {**MASK, **DOG})
    assert main(["check-config", "--config", str(path)]) == 0
    place = saved.file(path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"# {place}: rule dog", f"# {place}: camera.privacy"]


def test_what_differs_between_two_sets_of_changes_is_named() -> None:
    both = saved.changed(DOG, MASK["camera"], {"name": "cat", "labels": ["cat"]}, None)
    assert saved.differing(DOG, both) == ["rule cat", "camera.privacy"]
    assert saved.differing(both, DOG) == ["rule cat", "camera.privacy"]
    assert saved.differing(both, both) == []
    other = saved.changed(both, {}, {"name": "cat", "labels": ["dog"]}, "dog")
    assert saved.differing(both, other) == ["rule dog", "rule cat"]


def test_what_is_saved_is_as_it_will_be_read(tmp_path: Path) -> None:
    rule = SavedRule(name="cat", labels=["cat"], enter=1.0)
    told = {"privacy": (((0.0, 0.5), (1.0, 1.0)),), "region": None}
    tree = saved.changed({}, saved.as_read(told), saved.as_read(rule), None)
    saved.write(tmp_path / "changes", tree)
    assert saved.read(tmp_path / "changes") == tree
