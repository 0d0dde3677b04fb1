"""What a rule wants of an output over time, with time as a number."""

from __future__ import annotations

import pytest

from edged.config.schema import OutputConfig
from edged.core import Event
from edged.ports.gpio.drive import Drive


def event(active: bool = True, rule: str = "cat") -> Event:
    return Event(rule=rule, active=active, score=0.9, onset_s=0.0, decided_s=0.0, frame=1)


def drive(**options) -> Drive:
    return Drive(OutputConfig(name="lamp", pin=17, rule="cat", **options))


def test_while_is_on_as_long_as_the_rule_holds() -> None:
    lamp = drive(action="while")
    values = []
    for active in (False, True, True, False):
        lamp.follow(active, 0.9, [], 0.0)
        values.append(lamp.value)
        assert lamp.due_s is None
    assert values == [0, 1, 1, 0]


def test_the_first_frame_ends_the_initial_value() -> None:
    lamp = Drive(OutputConfig(name="lamp", pin=17, rule="cat", initial=1.0))
    lamp.follow(False, 0.1, [], 0.0)
    assert lamp.value == 0


def test_a_pulse_lasts_its_seconds() -> None:
    lamp = drive(action="pulse", pulse_s=2.0)
    lamp.follow(True, 0.9, [event()], 10.0)
    assert (lamp.value, lamp.due_s) == (1, 12.0)
    lamp.tick(11.9)
    assert lamp.value == 1
    lamp.tick(12.0)
    assert (lamp.value, lamp.due_s) == (0, None)


def test_a_new_event_extends_the_pulse() -> None:
    lamp = drive(action="pulse", pulse_s=2.0)
    lamp.follow(True, 0.9, [event()], 10.0)
    lamp.follow(True, 0.9, [event()], 11.5)
    lamp.tick(12.0)
    assert lamp.value == 1
    lamp.tick(13.5)
    assert lamp.value == 0


@pytest.mark.parametrize(
    ("on", "enters", "exits"), [("enter", 1, 0), ("exit", 0, 1), ("both", 1, 1)]
)
def test_a_pulse_starts_at_the_wanted_side_of_its_own_rule(on, enters, exits) -> None:
    for active, expected in ((True, enters), (False, exits)):
        lamp = drive(action="pulse", on=on)
        lamp.follow(active, 0.9, [event(active, rule="dog")], 0.0)
        assert lamp.value == 0
        lamp.follow(active, 0.9, [event(active)], 0.0)
        assert lamp.value == expected


def test_a_blink_keeps_to_its_grid_however_late_it_is_told() -> None:
    lamp = drive(action="blink", blink_on_s=0.25, blink_off_s=0.75)
    lamp.follow(True, 0.9, [], 100.0)
    assert (lamp.value, lamp.due_s) == (1, 100.25)
    lamp.tick(100.3)
    assert (lamp.value, lamp.due_s) == (0, 101.0)
    lamp.tick(101.1)
    assert (lamp.value, lamp.due_s) == (1, 101.25)
    lamp.tick(103.3)
    assert (lamp.value, lamp.due_s) == (0, 104.0)
    lamp.tick(3704.1)
    assert (lamp.value, lamp.due_s) == (1, 3704.25)


def test_a_blink_ends_dark_with_its_rule() -> None:
    lamp = drive(action="blink")
    lamp.follow(True, 0.9, [], 100.0)
    lamp.follow(True, 0.9, [], 100.1)
    assert lamp.value == 1
    lamp.follow(False, 0.1, [], 100.2)
    assert (lamp.value, lamp.due_s) == (0, None)


def test_score_is_the_value_while_the_rule_holds() -> None:
    lamp = drive(action="score", device="pwm")
    values = []
    for active, score in ((False, 0.5), (True, 0.8123), (True, 0.8124), (True, 1.0), (False, 0.3)):
        lamp.follow(active, score, [], 0.0)
        values.append(lamp.value)
    assert values == [0, 0.81, 0.81, 1, 0]


@pytest.mark.parametrize("action", ["while", "blink", "score"])
def test_a_value_set_by_hand_holds_until_the_rule_changes(action) -> None:
    lamp = drive(action=action, device="pwm")
    lamp.follow(True, 1.0, [], 0.0)
    lamp.hold(0.25)
    lamp.follow(True, 0.9, [], 1.0)
    lamp.tick(50.0)
    assert lamp.value == 0.25
    lamp.follow(False, 0.1, [], 51.0)
    assert lamp.value == 0
    lamp.follow(True, 1.0, [], 52.0)
    assert lamp.value == 1


@pytest.mark.parametrize(
    ("action", "active", "after"),
    [
        ("while", True, 1.0),
        ("while", False, 0.0),
        ("blink", True, 1.0),
        ("score", True, 0.9),
        ("pulse", True, 0.0),
        ("manual", False, 0.0),
    ],
)
def test_a_value_set_by_hand_for_a_time_ends_with_it(action, active, after) -> None:
    lamp = drive(action=action, device="pwm")
    lamp.follow(active, 0.9, [], 0.0)
    lamp.hold(0.25, until_s=10.0)
    lamp.follow(active, 0.9, [], 5.0)
    lamp.let_go(9.9)
    assert (lamp.value, lamp.held) == (0.25, True)
    lamp.let_go(10.0)
    lamp.follow(active, 0.9, [], 10.1)
    assert (lamp.value, lamp.held) == (after, False)


def test_without_frames_an_output_follows_its_rule_again_when_its_time_by_hand_is_over() -> None:
    lamp = drive()
    lamp.follow(True, 0.9, [], 0.0)
    lamp.hold(0.0, until_s=10.0)
    lamp.let_go(10.0)
    assert (lamp.value, lamp.due_s) == (1.0, None)


def test_without_pictures_an_output_does_as_it_is_told_when_its_time_by_hand_is_over() -> None:
    lamp = drive(on_lost=1.0)
    lamp.follow(False, 0.1, [], 0.0)
    lamp.hold(0.0, until_s=10.0)
    lamp.lose()
    assert lamp.value == 0.0
    lamp.let_go(10.0)
    assert lamp.value == 1.0


def test_a_manual_output_goes_back_to_what_it_was_before_its_time_by_hand() -> None:
    lamp = drive(action="manual", device="pwm")
    lamp.hold(0.5)
    lamp.hold(1.0, until_s=10.0)
    lamp.hold(0.75, until_s=20.0)
    lamp.let_go(20.0)
    assert (lamp.value, lamp.due_s) == (0.5, None)


def test_a_rule_that_changes_ends_the_time_by_hand() -> None:
    lamp = drive(action="score", device="pwm")
    lamp.follow(True, 0.9, [], 0.0)
    lamp.hold(0.25, until_s=10.0)
    lamp.follow(False, 0.1, [], 5.0)
    lamp.let_go(10.0)
    assert (lamp.value, lamp.due_s) == (0.0, None)


def test_a_value_set_by_hand_ends_a_pulse_and_the_next_event_starts_one() -> None:
    lamp = drive(action="pulse", pulse_s=2.0)
    lamp.follow(True, 0.9, [event()], 0.0)
    lamp.hold(1.0)
    lamp.tick(10.0)
    assert lamp.value == 1
    lamp.follow(True, 0.9, [event()], 20.0)
    lamp.tick(22.0)
    assert lamp.value == 0


def test_a_manual_output_follows_no_rule() -> None:
    lamp = drive(action="manual")
    lamp.hold(1.0)
    lamp.follow(False, 0.0, [event(False)], 1.0)
    assert lamp.value == 1


def test_a_pulse_starts_with_its_event_and_with_nothing_else() -> None:
    lamp = drive(action="pulse")
    lamp.follow(True, 0.9, [], 0.0)
    assert lamp.value == 0
    lamp.follow(True, 0.9, [event(rule="dog"), event()], 0.0)
    assert lamp.value == 1


def test_a_blink_finds_its_phase_after_a_long_sleep_of_the_machine() -> None:
    lamp = drive(action="blink", blink_on_s=0.25, blink_off_s=0.5)
    lamp.follow(True, 0.9, [], 0.0)
    lamp.tick(3e9 + 0.3)
    assert (lamp.value, lamp.due_s) == (0, 3e9 + 0.75)


@pytest.mark.parametrize(
    ("on_lost", "value"), [("off", 0.0), (0.0, 0.0), (1.0, 1.0), ("keep", 1.0)]
)
def test_without_pictures_an_output_does_as_it_is_told(on_lost, value) -> None:
    lamp = drive(on_lost=on_lost)
    lamp.follow(True, 0.9, [], 0.0)
    lamp.lose()
    assert (lamp.value, lamp.due_s) == (value, None)
    # With the first picture the rule counts again.
    lamp.follow(False, 0.1, [], 20.0)
    assert lamp.value == 0.0


def test_a_lamp_that_warns_of_a_lost_camera_goes_off_with_the_first_picture() -> None:
    for action in ("while", "pulse", "blink", "score"):
        lamp = drive(action=action, on_lost=1.0)
        lamp.follow(False, 0.1, [], 0.0)
        lamp.lose()
        assert lamp.value == 1.0
        lamp.follow(False, 0.1, [], 20.0)
        assert lamp.value == 0.0


def test_a_lost_camera_ends_a_blink() -> None:
    lamp = drive(action="blink")
    lamp.follow(True, 0.9, [], 0.0)
    lamp.lose()
    lamp.tick(10.0)
    assert (lamp.value, lamp.due_s) == (0.0, None)


def test_what_was_set_by_hand_stays_when_the_camera_is_lost_unless_the_rule_held() -> None:
    lamp = drive()
    lamp.follow(False, 0.1, [], 0.0)
    lamp.hold(1.0)
    lamp.lose()
    assert lamp.value == 1.0
    lamp.follow(True, 0.9, [], 1.0)
    lamp.hold(1.0)
    lamp.lose()
    assert lamp.value == 0.0


def test_an_output_that_follows_no_rule_does_not_care_for_the_camera() -> None:
    lamp = drive(action="manual")
    lamp.hold(1.0)
    lamp.lose()
    assert lamp.value == 1.0


def test_what_is_set_by_hand_while_the_camera_is_lost_stays_with_the_first_picture() -> None:
    lamp = drive(on_lost=0.0)
    lamp.follow(False, 0.1, [], 0.0)
    lamp.lose()
    lamp.hold(1.0)
    lamp.follow(False, 0.1, [], 20.0)
    assert lamp.value == 1.0
    lamp.follow(True, 0.9, [], 21.0)
    lamp.follow(False, 0.1, [], 22.0)
    assert lamp.value == 0.0


def test_a_lost_camera_ends_the_time_by_hand_of_an_output_whose_rule_held() -> None:
    lamp = drive(on_lost="off")
    lamp.follow(True, 0.9, (), 0.0)
    lamp.hold(1.0, until_s=10.0)
    lamp.lose()
    assert lamp.held_for_s(1.0) is None
    assert not lamp.held
