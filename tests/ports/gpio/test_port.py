"""Outputs as a port, on gpiozero's mock pins and on chips in memory."""

from __future__ import annotations

import errno
import time
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest

from edged.config.schema import GpioConfig, InputConfig, OutputConfig
from edged.core import Event, Frame, OutputState, Prediction, Result, RuleState, Scene
from edged.errors import CommandError, ConfigError
from edged.mailbox import Mailbox
from edged.ports.gpio.factory import open_factory
from tests.clocks import StandingClock
from tests.guard.direct import guard_of, opened_port
from tests.mosquitto import wait_until
from tests.ports.gpio.fake_gpiod import FakeChip, FakeLine, install

PATIENCE_S = 20.0


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(1000.0)


@pytest.fixture
def told() -> list[OutputState]:
    """What the port tells of its outputs."""
    return []


def opened(factory, outputs, told, clock):
    """A port on a factory that stays open."""
    return opened_port(
        lambda _gpio: nullcontext(factory), outputs, (), Mailbox(), told.append, clock
    )


def opened_anew(outputs, inputs, mailbox, tell, clock=time.monotonic):
    """A port that opens its factory for each attempt, as the guard does."""
    return opened_port(open_factory, outputs, inputs, mailbox, tell, clock)


def lamp(**options) -> OutputConfig:
    return OutputConfig(**({"name": "lamp", "pin": 17, "rule": "cat"} | options))


def result(
    active: bool, *, score: float = 0.9, changed: bool = True, before: int = 0, after: int = 0
) -> Result:
    """A frame on which rule "cat" holds or not, between other rules, which do the contrary."""

    def others(count: int) -> tuple[RuleState, ...]:
        return tuple(RuleState(f"rule{n}", not active, 1.0, 0.0) for n in range(count))

    events = (Event("cat", active, score, 0.0, 0.0, 1),) if changed else ()
    return Result(
        Frame(np.zeros((1, 1, 3), np.uint8), 1, 0.0),
        Prediction(np.array([score], np.float32), ["cat"], {}, "m"),
        Scene("cat", (*others(before), RuleState("cat", active, score, 0.0), *others(after))),
        events,
    )


def states(told: list[OutputState]) -> list[tuple[str, float]]:
    """What was told since the last time."""
    names_and_values = [(state.name, state.value) for state in told]
    told.clear()
    return names_and_values


@pytest.mark.parametrize("device", ["led", "buzzer", "output", "pwm"])
@pytest.mark.parametrize("active_high", [True, False])
def test_a_rule_switches_every_kind_of_device(mock_pins, told, clock, device, active_high):
    pin = mock_pins.pin(17)
    with opened(mock_pins, [lamp(device=device, active_high=active_high)], told, clock) as port:
        pin.clear_states()
        levels = [pin.state]
        for active in (True, False):
            port.write(result(active))
            levels.append(pin.state)
        assert levels == ([0, 1, 0] if active_high else [1, 0, 1])
    assert pin.state == (0 if active_high else 1)


def test_each_change_is_reported_once_and_the_first_level_too(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        port.write(result(False, changed=False))
        port.write(result(True))
        port.write(result(True, changed=False))
        clock.now_s = 1001.0
        port.write(result(False))
        reports = list(told)
    assert [(r.name, r.value, r.at_s) for r in reports] == [
        ("lamp", 0.0, 1000.0),
        ("lamp", 1.0, 1000.0),
        ("lamp", 0.0, 1001.0),
    ]


def test_an_output_starts_at_its_initial_value(mock_pins, told, clock):
    outputs = [
        lamp(initial=1.0, active_high=False),
        lamp(name="dim", pin=18, device="pwm", initial=0.25),
    ]
    with opened(mock_pins, outputs, told, clock):
        assert mock_pins.pin(17).state == 0
        assert mock_pins.pin(18).state == 0.25
        assert states(told) == [("lamp", 1.0), ("dim", 0.25)]


def test_an_active_low_pwm_output_is_never_on_before_it_should_be(mock_pins, told, clock):
    pin = mock_pins.pin(17)
    pin.input_with_pull("up")
    pin.clear_states()
    with opened(mock_pins, [lamp(device="pwm", active_high=False)], told, clock):
        pass
    assert {state.state for state in pin.states} == {1}


def test_a_pulse_ends_by_the_clock_and_not_by_frames(mock_pins, told, clock):
    with opened(mock_pins, [lamp(action="pulse", pulse_s=3.0)], told, clock) as port:
        port.write(result(True))
        assert mock_pins.pin(17).state == 1
        assert guard_of(port).advance() == 3.0
        clock.now_s += 2.5
        assert guard_of(port).advance() == 0.5
        assert mock_pins.pin(17).state == 1
        clock.now_s += 0.5
        assert guard_of(port).advance() is None
        assert mock_pins.pin(17).state == 0
        assert states(told) == [("lamp", 0.0), ("lamp", 1.0), ("lamp", 0.0)]


def test_a_blink_follows_the_clock(mock_pins, told, clock):
    with opened(mock_pins, [lamp(action="blink")], told, clock) as port:
        port.write(result(True))
        levels = []
        for _ in range(5):
            levels.append(mock_pins.pin(17).state)
            clock.now_s += 0.5
            guard_of(port).advance()
        assert levels == [1, 0, 1, 0, 1]


def test_a_score_dims_a_lamp_and_turns_a_servo(mock_pins, told, clock):
    outputs = [
        lamp(action="score", device="pwm"),
        lamp(name="arm", pin=18, action="score", device="servo"),
    ]
    with opened(mock_pins, outputs, told, clock) as port:
        arm = mock_pins.pin(18)
        assert arm.state == pytest.approx(0.05)
        port.write(result(True, score=0.5))
        assert mock_pins.pin(17).state == 0.5
        assert arm.state == pytest.approx(0.075)
        port.write(result(True, score=1.0))
        assert arm.state == pytest.approx(0.1)
        port.write(result(False, score=0.2))
        assert mock_pins.pin(17).state == 0
    assert arm.state == 0


def test_a_rule_is_found_among_many_and_where_its_place_changes(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        for before, after, active in (
            (500, 0, True),
            (500, 9, False),
            (3, 1, True),
            (0, 2, False),
            (0, 5, True),
            (1, 1, False),
            (7, 7, True),
        ):
            port.write(result(active, before=before, after=after))
            assert mock_pins.pin(17).state == active


@pytest.mark.parametrize("before", [0, 2])
def test_a_place_that_is_known_is_not_looked_for_again(mock_pins, told, clock, before):
    class Counted(list[RuleState]):
        walks = 0

        def __iter__(self):
            self.walks += 1
            return super().__iter__()

    rules = Counted(result(True, before=before, after=2).scene.rules)
    frame = result(True)
    seen = Result(frame.frame, frame.prediction, Scene("cat", rules))
    with opened(mock_pins, [lamp()], told, clock) as port:
        for _ in range(3):
            port.write(seen)
    assert rules.walks == 1


def test_an_output_without_its_rule_stays_off_and_that_is_told_once(mock_pins, told, clock, caplog):
    absent = result(True)
    others = Result(absent.frame, absent.prediction, Scene("x", (RuleState("x", True, 1.0, 0.0),)))
    dim = lamp(device="pwm", action="score")
    with opened(mock_pins, [dim], told, clock) as port:
        for _ in range(3):
            port.write(others)
            assert mock_pins.pin(17).state == 0
    assert caplog.messages == ['no rule is named "cat": its outputs stay off']


def test_other_reports_than_results_move_no_pin(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        port.write(result(True))
        port.write(OutputState("lamp", 0.0, 0.0))
        assert mock_pins.pin(17).state == 1


def test_a_result_without_rules_is_a_rule_that_does_not_hold(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        empty = result(True)
        port.write(Result(empty.frame, empty.prediction, Scene("nothing")))
        assert mock_pins.pin(17).state == 0
        port.write(result(True))
        assert mock_pins.pin(17).state == 1


def test_an_output_set_by_hand_stays_until_its_rule_changes(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        port.write(result(False))
        assert port.set("lamp", 1.0) == 1.0
        port.write(result(False, changed=False))
        assert mock_pins.pin(17).state == 1
        assert port.values() == {"lamp": 1.0}
        port.write(result(True))
        port.write(result(False))
        assert mock_pins.pin(17).state == 0
        assert states(told) == [("lamp", 0.0), ("lamp", 1.0), ("lamp", 0.0)]


def test_an_output_set_by_hand_for_a_time_goes_back_without_a_frame(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        port.write(result(False))
        assert port.by_hand() == {}
        port.set("lamp", 1.0, for_s=60.0)
        assert port.by_hand() == {"lamp": 60.0}
        clock.now_s += 59.0
        port.beat()
        assert (mock_pins.pin(17).state, port.by_hand()) == (1, {"lamp": 1.0})
        clock.now_s += 1.0
        port.beat()
        assert (mock_pins.pin(17).state, port.by_hand()) == (0, {})
        port.set("lamp", 1.0)
        assert port.by_hand() == {"lamp": None}


def test_a_wrong_set_is_refused_with_what_would_be_right(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        with pytest.raises(CommandError, match=r'no output is named "lmap"; did you mean lamp'):
            port.set("lmap", 1.0)
        with pytest.raises(CommandError, match=r'no output is named "x"; there are: lamp$'):
            port.set("x", 1.0)
        for value in (-0.1, 1.1, float("nan")):
            with pytest.raises(CommandError, match='"lamp": expected a number from 0 to 1'):
                port.set("lamp", value)
        assert mock_pins.pin(17).state == 0


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("device", ["output", "pwm"])
@pytest.mark.parametrize(
    ("on_exit", "on"), [("off", False), ("keep", True), (1.0, True), (0.0, False)]
)
def test_an_output_is_left_as_on_exit_says(
    mock_pins, told, clock, device, active_high, on_exit, on
):
    pin = mock_pins.pin(17)
    config = lamp(device=device, active_high=active_high, on_exit=on_exit)
    with opened(mock_pins, [config], told, clock) as port:
        port.write(result(True))
        pin.clear_states()
    assert [state.state for state in pin.states] == (
        [active_high] if on else [active_high, not active_high]
    )
    mock_pins.close()
    assert pin.state == (on == active_high)


def test_an_exit_during_a_pulse_ends_it(board: FakeChip, told, clock):
    with (
        open_factory(GpioConfig()) as factory,
        opened(factory, [lamp(pin="RELAY", action="pulse")], told, clock) as port,
    ):
        port.write(result(True))
        assert board["RELAY"].level == 1
    assert board["RELAY"].level == 0
    assert not board["RELAY"].used


def test_a_kept_output_stays_where_the_chip_leaves_it(board: FakeChip, told, clock):
    with (
        open_factory(GpioConfig()) as factory,
        opened(factory, [lamp(pin="RELAY", on_exit="keep")], told, clock) as port,
    ):
        port.write(result(True))
    assert board["RELAY"].levels == [1]
    assert not board["RELAY"].used


def test_a_duty_cycle_that_nobody_keeps_up_is_off_after_the_exit(board: FakeChip, told, clock):
    config = lamp(pin="LAMP", device="pwm", action="manual", on_exit="keep", active_high=False)
    with (
        open_factory(GpioConfig()) as factory,
        opened(factory, [config], told, clock) as port,
    ):
        port.set("lamp", 0.5)
    assert board["LAMP"].level == 1


def test_an_output_that_fails_is_tried_again_and_logged_once(board, told, clock, caplog):
    caplog.set_level("INFO")
    with (
        open_factory(GpioConfig()) as factory,
        opened(factory, [lamp(pin="RELAY")], told, clock) as port,
    ):
        board["RELAY"].refuses = True
        for _ in range(3):
            port.write(result(True))
        assert board["RELAY"].level == 0
        with pytest.raises(CommandError, match="does not answer"):
            port.set("lamp", 1.0)
        board["RELAY"].refuses = False
        assert guard_of(port).advance() is None
        assert board["RELAY"].level == 1
    assert caplog.messages == [
        'output "lamp": [Errno 5] Input/output error; check the chip',
        'output "lamp" answers again',
    ]


def test_an_output_whose_rule_went_back_while_it_failed_answers_again(board, told, clock):
    with (
        open_factory(GpioConfig()) as factory,
        opened(factory, [lamp(pin="RELAY")], told, clock) as port,
    ):
        board["RELAY"].refuses = True
        port.write(result(True))
        board["RELAY"].refuses = False
        port.write(result(False))
        assert board["RELAY"].level == 0
        assert guard_of(port).advance() is None


def test_a_pulse_that_could_not_be_ended_is_ended_later(board, told, clock):
    with (
        open_factory(GpioConfig()) as factory,
        opened(factory, [lamp(pin="RELAY", action="pulse")], told, clock) as port,
    ):
        port.write(result(True))
        board["RELAY"].refuses = True
        clock.now_s += 5
        assert guard_of(port).advance() == 0.5
        assert board["RELAY"].level == 1
        board["RELAY"].refuses = False
        guard_of(port).advance()
        assert board["RELAY"].level == 0


def test_one_output_that_fails_is_tried_again_whatever_the_others_do(board, told, clock):
    outputs = [lamp(pin="RELAY"), lamp(name="fan", pin="LAMP", action="pulse", pulse_s=0.2)]
    with (
        open_factory(GpioConfig()) as factory,
        opened(factory, outputs, told, clock) as port,
    ):
        board["RELAY"].refuses = True
        port.write(result(True))
        assert guard_of(port).advance() == pytest.approx(0.2)
        clock.now_s += 0.2
        assert guard_of(port).advance() == pytest.approx(0.5)


def undriven(outputs, told):
    return opened_port(
        open_factory, outputs, (), Mailbox(), told.append, gpio=GpioConfig(factory="none")
    )


def test_that_outputs_stay_off_is_told_where_there_are_any(told, caplog):
    caplog.set_level("INFO")
    for outputs in ([], [lamp(), lamp(name="bell")]):
        with undriven(outputs, told):
            pass
    assert caplog.messages == ['[gpio] factory = "none": 2 outputs stay off']


@pytest.mark.parametrize("device", ["led", "output", "buzzer"])
def test_what_is_on_or_off_takes_no_value_between(mock_pins, told, clock, device):
    with opened(mock_pins, [lamp(device=device)], told, clock) as port:
        with pytest.raises(
            CommandError,
            match=f'"lamp": expected 0 or 1, not 0.4; device = "{device}" is on or off',
        ):
            port.set("lamp", 0.4)
        assert (mock_pins.pin(17).state, port.by_hand()) == (0, {})


def test_a_name_from_outside_is_told_in_one_short_line(mock_pins, told, clock):
    with opened(mock_pins, [lamp()], told, clock) as port:
        with pytest.raises(CommandError) as refused:
            port.set("\x1b[2J" + "x" * 60_000, 1.0)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 200


def test_a_servo_starts_where_it_should_and_stays_there_without_pulses(mock_pins, told, clock):
    arm = lamp(name="arm", device="servo", action="manual", initial=1.0)
    with opened(mock_pins, [arm], told, clock) as port:
        assert mock_pins.pin(17).state == pytest.approx(0.1)
        port.set("arm", 0.25)
        assert mock_pins.pin(17).state == pytest.approx(0.0625)
        told.clear()
        port.release()
        assert mock_pins.pin(17).state == 0
    assert states(told) == [("arm", 0.25)]


def test_what_is_released_may_be_used_by_others_at_once(board: FakeChip, told, clock):
    with open_factory(GpioConfig()) as factory:
        for _ in range(2):
            with opened(factory, [lamp(pin="RELAY")], told, clock) as port:
                port.release()
                assert not board["RELAY"].used


def test_an_output_that_cannot_be_left_is_told_and_the_others_are_left(board, told, clock, caplog):
    outputs = [lamp(pin="RELAY"), lamp(name="fan", pin="LAMP")]
    with open_factory(GpioConfig()) as factory, opened(factory, outputs, told, clock) as port:
        port.write(result(True))
        board["RELAY"].refuses = True
        told.clear()
        port.release()
        # Of the lamp nothing is known: it is not told as on for ever.
        assert [state.error is None for state in told] == [False, True]
        assert states(told) == [("lamp", 0.0), ("fan", 0.0)]
        board["RELAY"].refuses = False
    assert caplog.messages == ['output "lamp": [Errno 5] Input/output error; check the chip']


def test_no_pin_is_touched_where_the_factory_is_none(told):
    with undriven([lamp()], told) as port:
        port.begin(told.append)
        port.beat()
        port.write(result(True))
        assert port.values() == {}
        with pytest.raises(CommandError, match="is not driven"):
            port.set("lamp", 1.0)


def test_a_bad_output_leaves_the_others_safe(board: FakeChip, told, clock):
    outputs = [lamp(pin="LAMP", initial=1.0), lamp(name="relay", pin="RELAI")]
    with (
        open_factory(GpioConfig()) as factory,
        pytest.raises(ConfigError, match='output "relay": pin "RELAI": no such line'),
        opened(factory, outputs, told, clock),
    ):
        raise AssertionError("the port was opened")
    assert board["LAMP"].level == 0
    assert not board["LAMP"].used


def test_where_the_outputs_are_left_is_told_and_a_second_release_does_nothing(
    mock_pins, told, clock, caplog
):
    with opened(mock_pins, [lamp(), lamp(name="siren", pin=18, on_exit=1.0)], told, clock) as port:
        port.write(result(True))
        told.clear()
        port.release()
        assert states(told) == [("lamp", 0.0), ("siren", 1.0)]
        port.write(result(True))
        port.release()
        assert mock_pins.pin(17).state == 0
    assert told == []
    assert caplog.messages == []


def test_what_an_input_asks_for_reaches_the_mailbox_until_the_release(mock_pins):
    mailbox = Mailbox()
    door = InputConfig(name="door", pin=22)
    with opened_port(lambda _gpio: nullcontext(mock_pins), (), [door], mailbox, print) as port:
        mock_pins.pin(22).drive_low()
        assert mailbox.wants_picture
        mailbox.take_snapshots()
        mock_pins.pin(22).drive_high()
        port.release()
        mock_pins.pin(22).drive_low()
    assert not mailbox.wants_picture


LATE_S = 60.0
"""Later than any next attempt."""


def test_a_pin_that_another_holds_is_taken_when_it_is_free(board, told, clock, caplog):
    board["RELAY"].used, board["RELAY"].consumer = True, "spi0 CS0"
    outputs = [lamp(pin="RELAY"), lamp(name="fan", pin="FAN")]
    with opened_anew(outputs, (), Mailbox(), told.append, clock) as port:
        port.write(result(True))
        assert board["FAN"].level == 1
        assert port.values() == {"lamp": 0.0, "fan": 1.0}
        assert port.error == told[0].error
        assert "in use by spi0 CS0" in str(port.error)
        with pytest.raises(CommandError, match=r"not set: .*in use by spi0 CS0"):
            port.set("lamp", 1.0)
        board["RELAY"].used = False
        clock.now_s += LATE_S
        guard_of(port).advance()
        assert board["RELAY"].level == 1
        assert (port.error, told[-1].value, told[-1].error) == (None, 1.0, None)
    assert not board["RELAY"].used
    assert len([line for line in caplog.messages if "in use by spi0 CS0" in line]) == 1


def test_a_chip_that_comes_late_gets_the_level_of_the_rules_by_then(
    monkeypatch, tmp_path, told, clock
):
    install(monkeypatch, tmp_path)
    mailbox = Mailbox()
    outputs = [lamp(pin="RELAY"), lamp(name="bell", pin="BELL", action="pulse", pulse_s=1.0)]
    door = InputConfig(name="door", pin="DOOR", pull="up")
    with opened_anew(outputs, [door], mailbox, told.append, clock) as port:
        assert {(state.value, bool(state.error)) for state in told} == {(0.0, True)}
        assert "no GPIO chip" in str(port.error)
        port.write(result(True))
        chip = FakeChip("late", [FakeLine("RELAY"), FakeLine("BELL"), FakeLine("DOOR", 1)])
        install(monkeypatch, tmp_path, gpiochip3=chip)
        clock.now_s += LATE_S
        guard_of(port).advance()
        assert (chip["RELAY"].level, chip["BELL"].level) == (1, 0)
        assert port.error is None
        chip["DOOR"].put(0)
        wait_until(lambda: mailbox.wants_picture)
    assert [line.used for line in chip.lines] == [False, False, False]


def test_a_chip_that_goes_and_comes_again_has_its_outputs_driven_again(board, told, clock):
    with opened_anew([lamp(pin="RELAY")], (), Mailbox(), told.append, clock) as port:
        board["RELAY"].refuses = errno.ENODEV
        port.write(result(True))
        assert not board["RELAY"].used
        assert port.error is not None
        board["RELAY"].refuses = 0
        clock.now_s += LATE_S
        guard_of(port).advance()
        assert board["RELAY"].level == 1
        assert port.error is None


def test_what_stays_away_is_told_once_and_tried_ever_more_rarely(board, told, clock, caplog):
    board["RELAY"].used = True
    attempts = []

    def factory(gpio):
        attempts.append(clock.now_s)
        return open_factory(gpio)

    with opened_port(factory, [lamp(pin="RELAY")], (), Mailbox(), told.append, clock) as port:
        for _ in range(20):
            clock.now_s += guard_of(port).advance()
        waits_s = [later - earlier for earlier, later in pairwise(attempts)]
        assert 0.5 <= waits_s[0] <= 1.0
        assert 15.0 <= waits_s[-1] <= 30.0
        assert len(told) == 1
    assert len(caplog.messages) == 1


def test_a_late_chip_without_the_pin_is_told_and_ends_nothing(
    monkeypatch, tmp_path, told, clock, caplog
):
    install(monkeypatch, tmp_path)
    with opened_anew([lamp(pin="RELAY")], (), Mailbox(), told.append, clock) as port:
        install(monkeypatch, tmp_path, gpiochip0=FakeChip("late", [FakeLine("RELAI")]))
        clock.now_s += LATE_S
        guard_of(port).advance()
        assert "did you mean RELAI?" in str(port.error)
    assert "did you mean RELAI?" in caplog.messages[-1]


def test_two_names_of_one_pin_are_the_files_mistake(board, told, clock):
    outputs = [lamp(pin="RELAY"), lamp(name="fan", pin="gpiochip0:0")]
    with (
        pytest.raises(ConfigError, match=r'output "fan": .* in use'),
        opened_anew(outputs, (), Mailbox(), told.append, clock),
    ):
        raise AssertionError("the port was opened")
    assert not board["RELAY"].used


def test_an_input_whose_chip_goes_is_watched_again_when_it_comes(board, caplog):
    mailbox = Mailbox()
    door = InputConfig(name="door", pin="BUTTON")
    with opened_anew((), [door], mailbox, print) as port:
        assert port.error is None
        board["BUTTON"].request.lose()
        wait_until(lambda: guard_of(port).advance() and not board["BUTTON"].used)
        assert port.error == 'input "door": No such device; check the GPIO chip'
        wait_until(lambda: guard_of(port).advance() is None and port.error is None)
        board["BUTTON"].put(0)
        wait_until(lambda: mailbox.wants_picture)


def test_what_is_refused_because_a_chip_has_gone_is_not_done_when_it_comes_back(board, told, clock):
    manual = lamp(pin="RELAY", action="manual", rule="")
    with open_factory(GpioConfig()) as factory, opened(factory, [manual], told, clock) as port:
        board["RELAY"].refuses = True
        with pytest.raises(CommandError, match="does not answer"):
            port.set("lamp", 1.0)
        board["RELAY"].refuses = False
        for _ in range(3):
            clock.now_s += 60.0
            guard_of(port).advance()
        assert port.values() == {"lamp": 0.0}
