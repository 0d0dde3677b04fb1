"""Inputs on gpiozero's mock pins and on a chip in memory: an activation becomes a command."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import pytest

from edged.commands import Reply, TakeSnapshot, name_of
from edged.config.schema import GpioConfig, InputConfig
from edged.errors import ConfigError
from edged.mailbox import Mailbox
from edged.ports.gpio.factory import open_factory
from edged.ports.gpio.port import GpioPort
from tests.guard.direct import DirectGuard, opened_port
from tests.ports.gpio.fake_gpiod import FakeChip

PATIENCE_S = 20.0


def button(**options) -> InputConfig:
    return InputConfig(**({"name": "door", "pin": 22} | options))


def watched(factory, inputs, mailbox) -> AbstractContextManager[GpioPort]:
    return opened_port(lambda _gpio: nullcontext(factory), (), inputs, mailbox, print)


def asked(mailbox: Mailbox) -> list[str]:
    """The names of the commands that were asked for."""
    requests = [*mailbox.take(), *mailbox.take_snapshots()]
    return [name_of(type(request.command)) for request in requests]


def test_a_pressed_button_asks_for_a_snapshot(mock_pins) -> None:
    mailbox = Mailbox()
    pin = mock_pins.pin(22)
    with watched(mock_pins, [button()], mailbox):
        pin.drive_low()
        (request,) = mailbox.take_snapshots()
        assert (request.command, request.asked_by) == (TakeSnapshot(), "input door")
        assert request.publish
        pin.drive_high()
        assert asked(mailbox) == []
        pin.drive_low()
        assert asked(mailbox) == ["snapshot"]


@pytest.mark.parametrize("action", ["wake", "pause", "resume"])
def test_a_motion_sensor_asks_for_its_action(mock_pins, action) -> None:
    mailbox = Mailbox()
    sensor = button(device="motion", pull="none", active_high=True, action=action)
    with watched(mock_pins, [sensor], mailbox):
        mock_pins.pin(22).drive_high()
        assert asked(mailbox) == [action]


@pytest.mark.parametrize(
    ("pull", "active_high", "level"),
    [
        ("up", False, "low"),
        ("up", True, "high"),
        ("down", True, "high"),
        ("down", False, "low"),
        ("none", True, "high"),
        ("none", False, "low"),
    ],
)
def test_the_active_level_is_independent_of_the_pull(mock_pins, pull, active_high, level) -> None:
    mailbox = Mailbox()
    pin = mock_pins.pin(22)
    pin.input_with_pull({"low": "up", "high": "down"}[level])
    with watched(mock_pins, [button(pull=pull, active_high=active_high)], mailbox):
        rest, active = (pin.drive_low, pin.drive_high)
        if level == "low":
            rest, active = active, rest
        rest()
        asked(mailbox)
        active()
        assert asked(mailbox) == ["snapshot"]


@pytest.mark.parametrize(("pull", "wanted"), [("up", "up"), ("down", "down"), ("none", "floating")])
def test_the_pull_is_the_configured_one(mock_pins, pull, wanted) -> None:
    with watched(mock_pins, [button(pull=pull)], Mailbox()):
        assert mock_pins.pin(22).pull == wanted


@pytest.mark.parametrize(("bounce_s", "wanted"), [(0.05, 0.05), (0.0, None)])
def test_a_contact_that_bounces_counts_once(mock_pins, bounce_s, wanted) -> None:
    with watched(mock_pins, [button(bounce_s=bounce_s)], Mailbox()):
        assert mock_pins.pin(22).bounce == wanted


def test_why_a_press_was_refused_is_in_the_log(mock_pins, caplog) -> None:
    mailbox = Mailbox()
    with watched(mock_pins, [button()], mailbox):
        mock_pins.pin(22).drive_low()
        (request,) = mailbox.take_snapshots()
        request.reply(Reply())
        request.reply(Reply(error="no camera"))
    assert caplog.messages == ["input door: snapshot: no camera"]


def test_nothing_is_asked_after_closing(mock_pins) -> None:
    mailbox = Mailbox()
    pin = mock_pins.pin(22)
    with watched(mock_pins, [button()], mailbox):
        pass
    pin.drive_low()
    assert asked(mailbox) == []


def test_an_edge_of_a_chip_becomes_a_command(board: FakeChip) -> None:
    mailbox = Mailbox()
    with (
        open_factory(GpioConfig()) as factory,
        watched(factory, [button(pin="BUTTON")], mailbox),
    ):
        board["BUTTON"].put(0)
        deadline_s = time.monotonic() + PATIENCE_S
        commands = []
        while not commands and time.monotonic() < deadline_s:
            time.sleep(0.005)
            commands = asked(mailbox)
        assert commands == ["snapshot"]
    assert not board["BUTTON"].used


def test_an_unknown_pin_is_refused_and_the_others_let_go(board: FakeChip) -> None:
    with (
        open_factory(GpioConfig()) as factory,
        pytest.raises(ConfigError, match=r'input "pir": pin "PIRR": .* did you mean PIR'),
        watched(factory, [button(pin="BUTTON"), button(name="pir", pin="PIRR")], Mailbox()),
    ):
        raise AssertionError("the inputs were opened")
    assert not board["BUTTON"].used


def test_no_pin_is_watched_where_the_factory_is_none() -> None:
    def start(*_: object) -> DirectGuard:
        raise AssertionError("a guard was started")

    gpio, mailbox = GpioConfig(factory="none"), Mailbox()
    with GpioPort(gpio, (), [button(action="wake")], mailbox, start) as port:
        port.begin(print)
        assert port.error is None
        assert not port.sensed()


@pytest.mark.parametrize("pull", ["none", "down", "up"])
def test_a_motion_sensor_is_sensed_for_as_long_as_it_is_high(mock_pins, pull) -> None:
    pin = mock_pins.pin(22)
    pin.drive_low()
    sensor = button(device="motion", pull=pull, active_high=True, action="wake")
    with watched(mock_pins, [sensor], Mailbox()) as port:
        pin.drive_low()
        assert not port.sensed()
        pin.drive_high()
        assert port.sensed()
        pin.drive_low()
        assert not port.sensed()
    assert not port.sensed()


def test_motion_at_the_start_is_sensed_without_an_edge(board: FakeChip) -> None:
    board["PIR"].level = 1
    sensor = button(pin="PIR", pull="none", active_high=True, action="wake")
    with open_factory(GpioConfig()) as factory, watched(factory, [sensor], Mailbox()) as port:
        assert port.sensed()


def test_only_an_input_that_wakes_keeps_awake(mock_pins) -> None:
    pin = mock_pins.pin(22)
    with watched(mock_pins, [button(action="snapshot")], Mailbox()) as port:
        pin.drive_low()
        assert not port.sensed()
