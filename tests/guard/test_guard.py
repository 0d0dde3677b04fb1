"""The dead-man and the words between daemon and guard, in one thread and by a standing clock."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, nullcontext
from typing import Any

import msgspec
import pytest

from edged.config.schema import GpioConfig, InputConfig, OutputConfig
from edged.core import OutputState
from edged.errors import CommandError
from edged.guard.guard import Guard
from edged.mailbox import Mailbox
from edged.ports.gpio.factory import open_factory
from edged.ports.gpio.port import GpioPort
from tests.clocks import StandingClock
from tests.guard.direct import guard_of, opened_port
from tests.mosquitto import wait_until
from tests.ports.gpio.fake_gpiod import FakeChip

DEADMAN_S = 2.0


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(1000.0)


@pytest.fixture
def told() -> list[OutputState]:
    return []


def lamp(**options: Any) -> OutputConfig:
    return OutputConfig(
        **({"name": "lamp", "pin": "LAMP", "action": "manual", "initial": 1.0} | options)
    )


@pytest.fixture
def beating(board: FakeChip, clock: StandingClock, told: list[OutputState]) -> Iterator[GpioPort]:
    """A lamp that is on, of a daemon that has given one beat."""
    with opened_port(open_factory, [lamp()], (), Mailbox(), told.append, clock) as port:
        port.beat()
        yield port


def test_a_lamp_stays_on_while_there_are_beats(
    beating: GpioPort, board: FakeChip, clock: StandingClock
) -> None:
    for _ in range(20):
        clock.now_s += DEADMAN_S * 0.75
        beating.beat()
        guard_of(beating).advance()
        assert board["LAMP"].level == 1


def test_without_a_beat_it_is_safe_after_the_dead_mans_time_and_not_before(
    beating: GpioPort, board: FakeChip, clock: StandingClock, told: list[OutputState]
) -> None:
    clock.now_s += DEADMAN_S - 0.25
    assert guard_of(beating).advance() == pytest.approx(0.25)
    assert board["LAMP"].level == 1
    clock.now_s += 0.25
    assert guard_of(beating).advance() is None
    assert board["LAMP"].level == 0
    assert told[-1].value == 0.0
    assert "has stalled for 2 s" in str(told[-1].error)
    assert "has stalled" in str(beating.error)


def test_with_the_next_beat_it_has_the_level_that_it_should_have_by_then(
    beating: GpioPort, board: FakeChip, clock: StandingClock, told: list[OutputState]
) -> None:
    clock.now_s += DEADMAN_S
    guard_of(beating).advance()
    beating.beat()
    assert board["LAMP"].level == 1
    assert (told[-1].value, told[-1].error, beating.error) == (1.0, None, None)


def test_before_the_first_beat_a_start_may_take_its_time(
    board: FakeChip, clock: StandingClock, told: list[OutputState]
) -> None:
    with opened_port(open_factory, [lamp()], (), Mailbox(), told.append, clock) as port:
        clock.now_s += 100 * DEADMAN_S
        guard_of(port).advance()
        assert board["LAMP"].level == 1


def test_nothing_is_set_by_hand_while_the_loop_stands_still(
    beating: GpioPort, board: FakeChip, clock: StandingClock
) -> None:
    clock.now_s += DEADMAN_S
    guard_of(beating).advance()
    with pytest.raises(CommandError, match="not set: edged's loop has stalled"):
        beating.set("lamp", 1.0)
    assert board["LAMP"].level == 0


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({"on_exit": "keep"}, 1),
        ({"on_exit": 1.0, "initial": 0.0}, 1),
        ({"active_high": False, "initial": 0.0, "on_exit": 1.0}, 0),
        ({"device": "pwm", "on_exit": 0.5}, 0),
        ({"device": "servo", "initial": 0.5}, 0),
    ],
)
def test_the_safe_level_is_that_of_on_exit(
    board: FakeChip, clock: StandingClock, told: list[OutputState], options: Any, level: int
) -> None:
    with opened_port(open_factory, [lamp(**options)], (), Mailbox(), told.append, clock) as port:
        port.beat()
        clock.now_s += DEADMAN_S
        guard_of(port).advance()
        assert board["LAMP"].level == level


def test_a_pulse_that_ended_meanwhile_does_not_come_again(
    board: FakeChip, clock: StandingClock, told: list[OutputState]
) -> None:
    pulse = lamp(action="pulse", rule="cat", initial=0.0, pulse_s=1.0)
    with opened_port(open_factory, [pulse], (), Mailbox(), told.append, clock) as port:
        port.beat()
        guard_of(port).send("levels", [(0, 1.0, clock.now_s + 2.5)])
        assert board["LAMP"].level == 1
        clock.now_s += DEADMAN_S
        guard_of(port).advance()
        clock.now_s += 1.0
        port.beat()
        assert board["LAMP"].level == 0


def test_a_safe_level_that_is_refused_is_tried_again(
    beating: GpioPort, board: FakeChip, clock: StandingClock
) -> None:
    board["LAMP"].refuses = True
    clock.now_s += DEADMAN_S
    assert guard_of(beating).advance() == 0.5
    assert board["LAMP"].level == 1
    board["LAMP"].refuses = False
    clock.now_s += 0.5
    guard_of(beating).advance()
    assert board["LAMP"].level == 0


def test_a_pin_that_comes_while_the_loop_stands_still_waits_for_a_beat(
    board: FakeChip, clock: StandingClock, told: list[OutputState]
) -> None:
    board["LAMP"].used = True
    with opened_port(open_factory, [lamp()], (), Mailbox(), told.append, clock) as port:
        port.beat()
        board["LAMP"].used = False
        clock.now_s += 60.0
        guard_of(port).advance()
        assert board["LAMP"].level == 0
        port.beat()
        guard_of(port).advance()
        assert board["LAMP"].level == 1


def test_a_wait_is_never_less_than_nothing(board: FakeChip, told: list[OutputState]) -> None:
    class Passing(StandingClock):
        """Time goes by between any two looks at it."""

        def __call__(self) -> float:
            self.now_s += 0.3
            return self.now_s

    with opened_port(open_factory, [lamp()], (), Mailbox(), told.append, Passing(0.0)) as port:
        port.beat()
        waits_s = [guard_of(port).advance() for _ in range(10)]
    # Less would be for ever, to poll(2).
    assert all(wait_s is None or wait_s >= 0 for wait_s in waits_s)
    assert waits_s[-1] is None


def test_a_beat_is_sent_four_times_in_the_dead_mans_time_and_not_with_each_frame(
    beating: GpioPort, clock: StandingClock
) -> None:
    beats = []
    guard_of(beating).send = lambda *message: beats.append(message) or True  # type: ignore
    for _ in range(100):
        clock.now_s += 0.04
        beating.beat()
    assert beats == [("beat",)] * 7


def test_levels_that_a_guard_did_not_take_are_sent_again_with_the_next_beat(
    board: FakeChip, clock: StandingClock, told: list[OutputState]
) -> None:
    from tests.ports.gpio.test_port import result

    follows = lamp(action="while", rule="cat", initial=0.0)
    with opened_port(open_factory, [follows], (), Mailbox(), told.append, clock) as port:
        guard_of(port).deaf = True
        port.write(result(True))
        assert board["LAMP"].level == 0
        guard_of(port).deaf = False
        clock.now_s += 1.0
        port.beat()
        assert board["LAMP"].level == 1


def test_when_the_guard_is_gone_outputs_count_as_not_set_and_that_is_said(
    beating: GpioPort, told: list[OutputState], caplog: pytest.LogCaptureFixture
) -> None:
    beating.hear("gone", "the pin guard has ended: SIGKILL")
    assert (told[-1].value, told[-1].error) == (0.0, beating.error)
    assert caplog.messages == [beating.error] == ["the pin guard has ended: SIGKILL"]
    guard_of(beating).deaf = True
    with pytest.raises(CommandError, match="not set: the pin guard has ended"):
        beating.set("lamp", 1.0)


def test_who_sets_an_output_does_not_wait_for_a_guard_that_is_gone(beating: GpioPort) -> None:
    guard = guard_of(beating)

    def die(*message: object) -> bool:
        beating.hear("gone", "the pin guard has ended: SIGKILL")
        return True

    guard.send = die  # type: ignore[method-assign]
    with pytest.raises(CommandError, match="not set: the pin guard has ended: SIGKILL"):
        beating.set("lamp", 0.0)


def test_an_answer_to_an_earlier_question_is_none_to_this_one(
    beating: GpioPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.ports.gpio.port.ANSWER_S", 0.01)
    guard = guard_of(beating)
    answers: list[tuple[str, int, None]] = []

    def send(*message: object) -> bool:
        for answer in answers:
            beating.hear(*answer)
        return True

    guard.send = send  # type: ignore[method-assign]
    with pytest.raises(CommandError, match="not set: the pin guard does not answer"):
        beating.set("lamp", 0.0)
    answers.append(("answer", 1, None))
    with pytest.raises(CommandError, match="does not answer"):
        beating.set("lamp", 0.0)


def test_a_new_guard_gets_the_levels_and_not_the_initial_ones(
    beating: GpioPort, board: FakeChip
) -> None:
    beating.set("lamp", 0.0)
    opening = json.loads(msgspec.json.encode(beating._opening()))
    assert opening["levels"] == [[0, 0.0, None]]
    assert opening["at_start"] is False


def test_an_input_is_not_active_while_its_guard_is_gone(board: FakeChip) -> None:
    board["PIR"].level = 1
    pir = InputConfig(name="pir", pin="PIR", pull="none", active_high=True, action="wake")
    with opened_port(open_factory, (), [pir], Mailbox(), print) as port:
        assert port.sensed()
        port.hear("gone", "the pin guard has ended: SIGKILL")
        assert not port.sensed()


class Ends:
    """A guard in a thread of the test's, and the daemon's end of its socket."""

    def __init__(self, pins: Any) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.guard = Guard(self.theirs, lambda _gpio: nullcontext(pins))
        self.thread = threading.Thread(target=self.guard.run)
        self.thread.start()

    def close(self) -> None:
        self.ours.close()
        self.thread.join()
        self.theirs.close()

    def open(self, *outputs: OutputConfig) -> None:
        opening = {
            "gpio": GpioConfig(factory="mock", deadman_s=60.0),
            "outputs": outputs,
            "inputs": [],
            "levels": [(place, output.initial, None) for place, output in enumerate(outputs)],
            "at_start": True,
        }
        self.ours.send(msgspec.json.encode(opening))

    def hear(self, verb: str) -> list[Any]:
        """The next message of this kind."""
        while (words := json.loads(self.ours.recv(1 << 16)))[0] != verb:
            pass
        return list(words)


@pytest.fixture
def ends(mock_pins: Any) -> Iterator[Ends]:
    with closing(Ends(mock_pins)) as ends:
        yield ends


def test_what_a_stopped_daemon_does_not_read_is_no_more_than_the_newest_of_each_output(
    ends: Ends,
) -> None:
    ends.open(lamp(pin=17))
    ends.hear("ready")
    count = 3000
    for number in range(count):
        ends.guard.tell("output", 0, number / count, 0.0, None)
    ends.guard.tell("output", 1, 0.5, 0.0, None)
    assert len(ends.guard._unsent) == 2
    values = []
    while len(values) < 2 or values[-1] != 0.5:
        values.append(ends.hear("output")[2])
        ends.ours.send(b'["beat"]')
    assert values[-2:] == [(count - 1) / count, 0.5]
    assert len(values) < count


def test_a_daemon_that_has_gone_before_its_pins_are_open_switches_nothing_on(
    board: FakeChip,
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    board["LAMP"].level = 1
    opening = {
        "gpio": GpioConfig(),
        "outputs": [lamp(), lamp(name="relay", pin="RELAY")],
        "inputs": [],
        "levels": [(0, 1.0, None), (1, 1.0, None)],
        "at_start": True,
    }
    ours.send(msgspec.json.encode(opening))
    ours.close()
    Guard(theirs).run()
    theirs.close()
    assert board["LAMP"].level == 0
    # Not for a moment.
    assert board["RELAY"].levels == []


def test_a_pin_that_there_is_not_is_said_and_the_guard_waits_for_the_daemons_end(
    ends: Ends, mock_pins: Any
) -> None:
    ends.open(lamp(pin=17), lamp(name="bell", pin=99))
    assert 'output "bell": pin "99": no such line' in ends.hear("wrong")[1]
    assert ends.thread.is_alive()
    assert mock_pins.pin(17).state == 0


def test_all_outputs_are_safe_before_any_pin_is_let_go(
    board: FakeChip, clock: StandingClock, told: list[OutputState], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edged.ports.gpio.outputs import Actuator

    levels = []
    close = Actuator.close

    def slow(actuator: Actuator) -> None:
        levels.append((board["LAMP"].level, board["RELAY"].level))
        close(actuator)

    monkeypatch.setattr(Actuator, "close", slow)
    both = [lamp(), lamp(name="relay", pin="RELAY")]
    with opened_port(open_factory, both, (), Mailbox(), told.append, clock):
        assert (board["LAMP"].level, board["RELAY"].level) == (1, 1)
    assert levels == [(0, 0), (0, 0)]


def test_a_chip_that_goes_while_the_loop_stands_still_is_opened_after_a_beat(
    beating: GpioPort, board: FakeChip, clock: StandingClock
) -> None:
    board["LAMP"].refuses = errno.ENODEV
    clock.now_s += DEADMAN_S
    guard_of(beating).advance()
    assert not board["LAMP"].used
    board["LAMP"].refuses = 0
    clock.now_s += 60.0
    guard_of(beating).advance()
    assert not board["LAMP"].used
    beating.beat()
    wait_until(lambda: guard_of(beating).advance() is not None and board["LAMP"].used)
    assert board["LAMP"].level == 1


def test_a_dimmed_lamp_that_is_to_stay_as_it_is_stays_dimmed_while_the_loop_stands_still(
    board: FakeChip, clock: StandingClock, told: list[OutputState]
) -> None:
    # Pulses go on while the guard lives; at its end nobody would make them.
    dimmed = lamp(device="pwm", initial=0.25, on_exit="keep")
    with opened_port(open_factory, [dimmed], (), Mailbox(), told.append, clock) as port:
        port.beat()
        clock.now_s += DEADMAN_S
        guard_of(port).advance()
        assert told[-1].value == 0.25
        assert "has stalled" in str(told[-1].error)


def test_a_guard_whose_daemon_has_gone_knows_that_nobody_hears_it(ends: Ends) -> None:
    ends.open(lamp(pin=17))
    ends.hear("ready")
    assert not ends.guard.alone
    ends.ours.close()
    ends.guard.tell("log", 20, "anything")
    wait_until(lambda: ends.guard.alone)


def test_that_the_loop_turns_again_is_logged(
    beating: GpioPort, clock: StandingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock.now_s += DEADMAN_S
    guard_of(beating).advance()
    beating.beat()
    assert "edged's loop runs again: outputs are back at their levels" in caplog.messages


def test_before_a_guard_has_said_anything_outputs_count_as_off(board: FakeChip) -> None:
    def no_guard(*_: Any) -> Any:
        raise AssertionError("it is not entered")

    port = GpioPort(GpioConfig(), [lamp()], (), Mailbox(), no_guard)
    assert port.values() == {"lamp": 0.0}
