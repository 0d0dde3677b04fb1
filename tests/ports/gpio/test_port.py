"""Outputs as a port, on gpiozero's mock pins and on chips in memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edged.config.schema import GpioConfig, OutputConfig
from edged.core import Event, Frame, OutputState, Prediction, Result, RuleState, Scene
from edged.errors import CommandError, ConfigError
from edged.mailbox import CAPACITY, Mailbox
from edged.ports.gpio.factory import open_factory
from edged.ports.gpio.port import GpioPort
from tests.ports.gpio.fake_gpiod import FakeChip

PATIENCE_S = 20.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def lamp(**options) -> OutputConfig:
    return OutputConfig(**({"name": "lamp", "pin": 17, "rule": "cat"} | options))


def result(active: bool, *, score: float = 0.9, changed: bool = True, before: int = 0) -> Result:
    """A frame on which rule "cat" holds or not, after `before` other rules."""
    others = tuple(RuleState(f"rule{n}", True, 1.0, 0.0) for n in range(before))
    events = (Event("cat", active, score, 0.0, 0.0, 1),) if changed else ()
    return Result(
        Frame(np.zeros((1, 1, 3), np.uint8), 1, 0.0),
        Prediction(np.array([score], np.float32), ["cat"], {}),
        Scene("cat", (*others, RuleState("cat", active, score, 0.0))),
        events,
    )


def states(mailbox: Mailbox) -> list[tuple[str, float]]:
    return [(item.name, item.value) for item in mailbox.take() if isinstance(item, OutputState)]


@pytest.mark.parametrize("device", ["led", "buzzer", "output", "pwm"])
@pytest.mark.parametrize("active_high", [True, False])
def test_a_rule_switches_every_kind_of_device(mock_pins, mailbox, clock, device, active_high):
    pin = mock_pins.pin(17)
    with GpioPort(
        mock_pins, [lamp(device=device, active_high=active_high)], mailbox, clock
    ) as port:
        pin.clear_states()
        levels = [pin.state]
        for active in (True, False):
            port.write(result(active))
            levels.append(pin.state)
        assert levels == ([0, 1, 0] if active_high else [1, 0, 1])
    assert pin.state == (0 if active_high else 1)


def test_each_change_is_reported_once_and_the_first_level_too(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp()], mailbox, clock) as port:
        port.write(result(False, changed=False))
        port.write(result(True))
        port.write(result(True, changed=False))
        clock.now_s = 1001.0
        port.write(result(False))
        reports = mailbox.take()
    assert [(r.name, r.value, r.at_s) for r in reports] == [
        ("lamp", 0.0, 1000.0),
        ("lamp", 1.0, 1000.0),
        ("lamp", 0.0, 1001.0),
    ]


def test_a_change_that_finds_the_mailbox_full_is_reported_later(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp()], mailbox, clock) as port:
        mailbox.take()
        while mailbox.post(OutputState("other", 0.0, 0.0)):
            pass
        port.write(result(True))
        assert len(mailbox.take()) == CAPACITY
        port.write(result(True, changed=False))
        assert states(mailbox) == [("lamp", 1.0)]


def test_an_output_starts_at_its_initial_value(mock_pins, mailbox, clock):
    outputs = [
        lamp(initial=1.0, active_high=False),
        lamp(name="dim", pin=18, device="pwm", initial=0.25),
    ]
    with GpioPort(mock_pins, outputs, mailbox, clock):
        assert mock_pins.pin(17).state == 0
        assert mock_pins.pin(18).state == 0.25
        assert states(mailbox) == [("lamp", 1.0), ("dim", 0.25)]


def test_an_active_low_pwm_output_is_never_on_before_it_should_be(mock_pins, mailbox, clock):
    pin = mock_pins.pin(17)
    pin.input_with_pull("up")
    pin.clear_states()
    with GpioPort(mock_pins, [lamp(device="pwm", active_high=False)], mailbox, clock):
        pass
    assert {state.state for state in pin.states} == {1}


def test_a_pulse_ends_by_the_clock_and_not_by_frames(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp(action="pulse", pulse_s=3.0)], mailbox, clock) as port:
        port.write(result(True))
        assert mock_pins.pin(17).state == 1
        assert port.advance() == 3.0
        clock.now_s += 2.5
        assert port.advance() == 0.5
        assert mock_pins.pin(17).state == 1
        clock.now_s += 0.5
        assert port.advance() is None
        assert mock_pins.pin(17).state == 0
        assert states(mailbox) == [("lamp", 0.0), ("lamp", 1.0), ("lamp", 0.0)]


def test_a_pulse_ends_by_itself_in_real_time(mock_pins, mailbox):
    pin = mock_pins.pin(17)
    with GpioPort(mock_pins, [lamp(action="pulse", pulse_s=0.05)], mailbox) as port:
        port.write(result(True))
        deadline_s = time.monotonic() + PATIENCE_S
        while pin.state and time.monotonic() < deadline_s:
            time.sleep(0.005)
        assert pin.state == 0


def test_a_blink_follows_the_clock(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp(action="blink")], mailbox, clock) as port:
        port.write(result(True))
        levels = []
        for _ in range(5):
            levels.append(mock_pins.pin(17).state)
            clock.now_s += 0.5
            port.advance()
        assert levels == [1, 0, 1, 0, 1]


def test_a_score_dims_a_lamp_and_turns_a_servo(mock_pins, mailbox, clock):
    outputs = [
        lamp(action="score", device="pwm"),
        lamp(name="arm", pin=18, action="score", device="servo"),
    ]
    with GpioPort(mock_pins, outputs, mailbox, clock) as port:
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


def test_a_rule_is_found_among_many_and_where_its_place_changes(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp()], mailbox, clock) as port:
        for before, active in ((500, True), (500, False), (3, True), (0, False), (7, True)):
            port.write(result(active, before=before))
            assert mock_pins.pin(17).state == active


def test_a_result_without_rules_is_a_rule_that_does_not_hold(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp()], mailbox, clock) as port:
        empty = result(True)
        port.write(Result(empty.frame, empty.prediction, Scene("nothing")))
        assert mock_pins.pin(17).state == 0
        port.write(result(True))
        assert mock_pins.pin(17).state == 1


def test_an_output_set_by_hand_stays_until_its_rule_changes(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp()], mailbox, clock) as port:
        port.write(result(False))
        port.set("lamp", 0.7)
        port.write(result(False, changed=False))
        assert mock_pins.pin(17).state == 1
        port.write(result(True))
        port.write(result(False))
        assert mock_pins.pin(17).state == 0
        assert states(mailbox) == [("lamp", 0.0), ("lamp", 1.0), ("lamp", 0.0)]


def test_a_wrong_set_is_refused_with_what_would_be_right(mock_pins, mailbox, clock):
    with GpioPort(mock_pins, [lamp()], mailbox, clock) as port:
        with pytest.raises(CommandError, match='no output is named "lmap"; did you mean "lamp"'):
            port.set("lmap", 1.0)
        for value in (-0.1, 1.1, float("nan")):
            with pytest.raises(CommandError, match=r"must be in 0\.\.1"):
                port.set("lamp", value)
        assert mock_pins.pin(17).state == 0


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("device", ["output", "pwm"])
@pytest.mark.parametrize(
    ("on_exit", "on"), [("off", False), ("keep", True), (1.0, True), (0.0, False)]
)
def test_an_output_is_left_as_on_exit_says(
    mock_pins, mailbox, clock, device, active_high, on_exit, on
):
    pin = mock_pins.pin(17)
    config = lamp(device=device, active_high=active_high, on_exit=on_exit)
    with GpioPort(mock_pins, [config], mailbox, clock) as port:
        port.write(result(True))
        pin.clear_states()
    assert [state.state for state in pin.states] == (
        [active_high] if on else [active_high, not active_high]
    )
    mock_pins.close()
    assert pin.state == (on == active_high)


def test_an_exit_during_a_pulse_ends_it(board: FakeChip, mailbox, clock):
    with (
        open_factory(GpioConfig()) as factory,
        GpioPort(factory, [lamp(pin="RELAY", action="pulse")], mailbox, clock) as port,
    ):
        port.write(result(True))
        assert board["RELAY"].level == 1
    assert board["RELAY"].level == 0
    assert not board["RELAY"].used


def test_a_kept_output_stays_where_the_chip_leaves_it(board: FakeChip, mailbox, clock):
    with (
        open_factory(GpioConfig()) as factory,
        GpioPort(factory, [lamp(pin="RELAY", on_exit="keep")], mailbox, clock) as port,
    ):
        port.write(result(True))
    assert board["RELAY"].levels == [1]
    assert not board["RELAY"].used


def test_a_duty_cycle_that_nobody_keeps_up_is_off_after_the_exit(board: FakeChip, mailbox, clock):
    config = lamp(pin="LAMP", device="pwm", action="manual", on_exit="keep", active_high=False)
    with (
        open_factory(GpioConfig()) as factory,
        GpioPort(factory, [config], mailbox, clock) as port,
    ):
        port.set("lamp", 0.5)
    assert board["LAMP"].level == 1


def test_an_output_that_fails_is_tried_again_and_logged_once(board, mailbox, clock, caplog):
    with (
        open_factory(GpioConfig()) as factory,
        GpioPort(factory, [lamp(pin="RELAY")], mailbox, clock) as port,
    ):
        board["RELAY"].refuses = True
        for _ in range(3):
            port.write(result(True))
        assert board["RELAY"].level == 0
        with pytest.raises(CommandError, match="does not answer"):
            port.set("lamp", 1.0)
        board["RELAY"].refuses = False
        port.write(result(True, changed=False))
        assert board["RELAY"].level == 1
    errors = [r for r in caplog.records if r.levelname == "ERROR"]
    assert [r.getMessage() for r in errors] == [
        'output "lamp": [Errno 5] Input/output error; check the chip'
    ]


def test_an_output_whose_rule_went_back_while_it_failed_answers_again(board, mailbox, clock):
    with (
        open_factory(GpioConfig()) as factory,
        GpioPort(factory, [lamp(pin="RELAY")], mailbox, clock) as port,
    ):
        board["RELAY"].refuses = True
        port.write(result(True))
        board["RELAY"].refuses = False
        port.write(result(False))
        assert board["RELAY"].level == 0
        assert port.advance() is None


def test_a_pulse_that_could_not_be_ended_is_ended_later(board, mailbox, clock):
    with (
        open_factory(GpioConfig()) as factory,
        GpioPort(factory, [lamp(pin="RELAY", action="pulse")], mailbox, clock) as port,
    ):
        port.write(result(True))
        board["RELAY"].refuses = True
        clock.now_s += 5
        assert port.advance() is not None
        assert board["RELAY"].level == 1
        board["RELAY"].refuses = False
        port.advance()
        assert board["RELAY"].level == 0


def test_a_bug_in_the_timer_switches_off_and_ends_the_process(mock_pins, mailbox, monkeypatch):
    from edged.ports.gpio import outputs

    def broken(self, now_s: float) -> None:
        raise ZeroDivisionError("bug")

    pin = mock_pins.pin(17)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with GpioPort(mock_pins, [lamp(action="pulse", pulse_s=60.0)], mailbox) as port:
        monkeypatch.setattr(outputs.Drive, "tick", broken)
        port.write(result(True))
        deadline_s = time.monotonic() + PATIENCE_S
        while pin.state and time.monotonic() < deadline_s:
            time.sleep(0.005)
        assert pin.state == 0
        with pytest.raises(RuntimeError, match="times the outputs"):
            port.write(result(True))


def test_no_pin_is_touched_where_the_factory_is_none(mailbox, clock):
    with (
        open_factory(GpioConfig(factory="none")) as factory,
        GpioPort(factory, [lamp()], mailbox, clock) as port,
    ):
        port.write(result(True))
        with pytest.raises(CommandError, match="is not driven"):
            port.set("lamp", 1.0)


def test_a_bad_output_leaves_the_others_safe(board: FakeChip, mailbox, clock):
    outputs = [lamp(pin="LAMP", initial=1.0), lamp(name="relay", pin="RELAI")]
    with (
        open_factory(GpioConfig()) as factory,
        pytest.raises(ConfigError, match='output "relay": pin "RELAI": no such line'),
        GpioPort(factory, outputs, mailbox, clock),
    ):
        raise AssertionError("the port was opened")
    assert board["LAMP"].level == 0
    assert not board["LAMP"].used
