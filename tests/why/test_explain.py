"""What is said of an event is what the scores say."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import Event
from edged.errors import CommandError
from edged.imaging.picture import decode_jpeg
from edged.messages.why import WhyAnswer
from edged.recording.records import packed
from edged.why.explain import NEAR_S, POINTS, explain, picture
from edged.why.folder import excerpts
from tests.recording.made import Loop, header
from tests.why.made import CAT, PLAIN, keeping


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def folder(journal: Path) -> Path:
    return journal.with_name("events.db.why")


def held(loop: Loop, level: float, seconds: float, dog: float = 0.0) -> None:
    for _ in range(round(seconds * 10)):
        loop.frame([0.0, level, dog, 0.0])


def changes(answer: WhyAnswer) -> dict[str, tuple[float, float]]:
    return {change.option: (change.was, change.to) for change in answer.changes}


SMOOTH = DecideConfig(enter=0.6, exit=0.4, smoothing_s=0.5)


def test_it_says_what_came_and_by_which_rule(journal: Path, folder: Path) -> None:
    with keeping(journal, replace(CAT, cooldown_s=3.0), defaults=SMOOTH) as (loop, _):
        held(loop, 0.05, 5)
        held(loop, 0.9, 2, dog=0.3)
        made = loop.events[0]
        held(loop, 0.05, 20)
    answer = explain(folder, 1)
    event = answer.event
    assert (event.number, event.rule, event.active, event.id) == (1, "cat", True, "porch-1")
    assert (event.frame, event.score) == (made.frame, pytest.approx(made.score, abs=1e-4))
    rule = answer.rule
    assert rule is not None
    assert (rule.labels, rule.match, rule.combine) == (["cat"], [], "max")
    assert (rule.enter, rule.exit, rule.smoothing_s, rule.cooldown_s) == (0.6, 0.4, 0.5, 3.0)
    assert answer.because == "the smoothed score reached enter (60%)"
    assert (answer.model, answer.lost, answer.picture) == ("m", 0, False)
    assert answer.fps == pytest.approx(10.0)
    assert answer.until_s >= 15.0


def test_the_scores_are_those_that_were_decided_on(journal: Path, folder: Path) -> None:
    with keeping(journal, defaults=SMOOTH) as (loop, _):
        held(loop, 0.05, 3)
        held(loop, 0.9, 2)
    scores = explain(folder).scores
    (decided,) = (score for score in scores if score.t_s == 0.0)
    assert (decided.active, decided.raw) == (True, 0.9)
    assert decided.score == pytest.approx(loop.events[0].score, abs=1e-4)
    before = [score for score in scores if score.t_s < 0]
    assert not any(score.active for score in before)
    assert all(score.score < 0.6 for score in before)
    assert [score.t_s for score in scores] == sorted(score.t_s for score in scores)
    # Smoothed, not raw.
    assert any(score.raw == 0.9 and score.score < 0.5 for score in before)


def test_of_many_scores_most_are_near_the_decision(journal: Path, folder: Path) -> None:
    with keeping(journal, defaults=SMOOTH) as (loop, port):
        held(loop, 0.05, 60)
        held(loop, 0.9, 1)
        port.work()
        held(loop, 0.05, 20)
    scores = explain(folder, 1).scores
    assert 100 < len(scores) <= POINTS
    assert sum(-NEAR_S <= score.t_s <= 4.0 for score in scores) > 60
    assert any(score.t_s == 0.0 for score in scores)
    assert scores[0].t_s < -40


def test_labels_that_competed_are_told_best_first(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        held(loop, 0.05, 3, dog=0.9)
        held(loop, 0.65, 1, dog=0.35)
    labels = explain(folder).labels
    assert [(label.label, label.of_rule) for label in labels] == [("dog", False), ("cat", True)]
    assert labels[0].greatest == 0.9
    assert labels[1].greatest == 0.65


@pytest.mark.parametrize(("option", "to"), [("enter", 0.81), ("smoothing_s", 1.1)])
def test_the_least_change_is_the_nearest_that_prevents_it(
    journal: Path, folder: Path, option: str, to: float
) -> None:
    def happens(defaults: DecideConfig) -> bool:
        loop = Loop([CAT], defaults)
        held(loop, 0.05, 5)
        held(loop, 0.9, 1.1)
        held(loop, 0.05, 5)
        return any(event.active for event in loop.events)

    with keeping(journal, defaults=SMOOTH) as (loop, _):
        held(loop, 0.05, 5)
        held(loop, 0.9, 1.1)
        held(loop, 0.05, 20)
    assert changes(explain(folder, 1))[option] == (getattr(SMOOTH, option), to)
    step = 0.01 if option == "enter" else 0.1
    assert not happens(replace(SMOOTH, **{option: to}))
    assert happens(replace(SMOOTH, **{option: to - step}))


def test_what_ended_a_rule_would_have_been_prevented_by_other_things(
    journal: Path, folder: Path
) -> None:
    with keeping(journal, defaults=SMOOTH) as (loop, _):
        held(loop, 0.9, 5)
        held(loop, 0.3, 2)
        held(loop, 0.9, 20)
    answer = explain(folder, 2)
    assert (answer.event.active, answer.because) == (
        False,
        "the smoothed score fell below exit (40%)",
    )
    found = changes(answer)
    assert set(found) == {"exit", "min_on_s", "smoothing_s"}
    assert found["exit"] == (0.4, 0.31)
    # It is above exit again two seconds later: 5 s of it, and these.
    assert found["min_on_s"] == (0.0, 8.0)


def test_a_cool_down_would_have_held_back_what_comes_soon_after(
    journal: Path, folder: Path
) -> None:
    with keeping(journal) as (loop, _):
        for level, seconds in ((0.05, 3), (0.9, 1), (0.05, 4), (0.9, 2), (0.05, 20)):
            held(loop, level, seconds)
    found = changes(explain(folder, 3))
    # Six seconds end with the last frame that is high.
    assert found["cooldown_s"] == (0.0, 7.0)
    assert found["enter"] == (0.6, 0.91)


def test_no_change_is_told_where_none_was_found(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        held(loop, 1.0, 30)
    assert changes(explain(folder)) == {}


@pytest.mark.parametrize(
    ("rule", "levels", "number", "told"),
    [
        (
            replace(CAT, cooldown_s=3.0),
            ((0.9, 1), (0.1, 1), (0.9, 5)),
            3,
            "the smoothed score reached enter (60%); cooldown_s = 3 held that back for 2.0 s",
        ),
        (
            replace(CAT, min_off_s=3.0, cooldown_s=1.0),
            ((0.9, 1), (0.1, 1), (0.9, 5)),
            3,
            "the smoothed score reached enter (60%); min_off_s = 3 held that back for 2.0 s",
        ),
        (
            replace(CAT, min_on_s=4.0),
            ((0.9, 1), (0.1, 5)),
            2,
            "the smoothed score fell below exit (40%); min_on_s = 4 held that back for 3.0 s",
        ),
    ],
)
def test_what_held_an_event_back_is_told(
    rule: RuleConfig,
    levels: tuple[tuple[float, float], ...],
    number: int,
    told: str,
    journal: Path,
    folder: Path,
) -> None:
    with keeping(journal, rule) as (loop, _):
        held(loop, 0.1, 1)
        for level, seconds in levels:
            held(loop, level, seconds)
    assert explain(folder, number).because == told


def test_an_end_without_a_frame_says_why(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        held(loop, 0.9, 1)
        loop.end("camera")
        held(loop, 0.9, 1)
        loop.end("stop")
    lost, stopped = explain(folder, 2), explain(folder, 4)
    assert (lost.because, lost.changes) == ("the camera delivers no picture", [])
    assert (stopped.because, stopped.event.reason) == ("edged stopped", "stop")


def test_a_rule_that_was_removed_says_so(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        held(loop, 0.9, 1)
        loop.reload([RuleConfig(name="dog", labels=["dog"])])
        held(loop, 0.9, 1)
    answer = explain(folder, 2)
    assert (answer.because, answer.rule) == ("a reload removed the rule", None)
    # What led to it is there all the same.
    assert answer.scores


def test_after_a_reload_the_rule_is_that_of_the_event(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        held(loop, 0.5, 1)
        loop.reload([replace(CAT, enter=0.45)])
        held(loop, 0.5, 1)
    answer = explain(folder)
    assert answer.rule is not None
    assert answer.rule.enter == 0.45
    assert changes(answer)["enter"] == (0.45, 0.51)
    # From before the reload, too.
    assert answer.scores[0].t_s < -0.5


def test_the_newest_is_meant_where_none_is_named(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        for level in (0.9, 0.1, 0.9):
            held(loop, level, 1)
    assert explain(folder).event.number == 3


def test_what_is_not_kept_says_what_is(journal: Path, folder: Path) -> None:
    with pytest.raises(CommandError, match=r"events\.db\.why: no scores are kept yet"):
        explain(folder)
    with keeping(journal) as (loop, _):
        for level in (0.9, 0.1):
            held(loop, level, 1)
    with pytest.raises(
        CommandError, match="event 9: no scores of it are kept; they go back to event 1"
    ):
        explain(folder, 9)


def test_a_damaged_file_is_one_line_and_the_sound_part_of_one_is_used(
    journal: Path, folder: Path
) -> None:
    with keeping(journal) as (loop, _):
        for level in (0.1, 0.9, 0.1):
            held(loop, level, 1)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-300])
    assert explain(folder, 1).event.number == 1
    path.write_bytes(whole[:8] + packed(header())[:5])
    with pytest.raises(CommandError, match=r"1-2\.rec: its beginning is cut short"):
        explain(folder, 1)


def test_the_picture_is_that_of_the_deciding_frame(journal: Path, folder: Path) -> None:
    with keeping(journal, pictures=True) as (loop, _):
        loop.frame([0.1] * 4, shade=10)
        loop.frame([0.0, 0.9, 0.0, 0.0], shade=200)
        loop.frame([0.0, 0.9, 0.0, 0.0], shade=50)
    assert explain(folder).picture
    assert abs(int(decode_jpeg(picture(folder), "a test").mean()) - 200) <= 2


def test_a_picture_that_is_not_kept_says_what_would_keep_it(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        held(loop, 0.9, 1)
    with pytest.raises(CommandError, match=r"event 1: its picture was not kept; set why\.pictures"):
        picture(folder)


def test_the_folder_has_other_files_too(journal: Path, folder: Path) -> None:
    with keeping(journal) as (loop, _):
        held(loop, 0.9, 1)
    for name in ("notes.txt", "1-2-3.rec", "9.rec", "x.part"):
        (folder / name).write_text("")
    assert [excerpt.first for excerpt in excerpts(folder)] == [1]


def test_events_of_one_frame_are_told_apart(journal: Path, folder: Path) -> None:
    dog = RuleConfig(name="dog", labels=["dog"])
    with keeping(journal, CAT, dog) as (loop, _):
        held(loop, 0.1, 1)
        held(loop, 0.9, 1, dog=0.7)
    first, second = explain(folder, 1), explain(folder, 2)
    assert (first.event.rule, second.event.rule) == ("cat", "dog")
    assert changes(first)["enter"] == (0.6, 0.91)
    assert changes(second)["enter"] == (0.6, 0.71)
    assert isinstance(loop.events[0], Event)
    assert PLAIN.enter == 0.6
