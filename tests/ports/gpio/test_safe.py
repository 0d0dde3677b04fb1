"""Outputs to their safe level after the daemon, on a chip in memory."""

from __future__ import annotations

import pytest
from gpiod import _ext

from edged.config.schema import GpioConfig, OutputConfig
from edged.ports.gpio.safe import put_outputs_safe
from tests.ports.gpio.fake_gpiod import FakeChip


def relay(**options) -> OutputConfig:
    return OutputConfig(**({"name": "relay", "pin": "RELAY", "rule": "cat"} | options))


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, 1, 0),
        ({"active_high": False}, 0, 1),
        ({"on_exit": "keep"}, 1, 1),
        ({"on_exit": "keep"}, 0, 0),
        ({"on_exit": 1.0}, 0, 1),
        ({"on_exit": 1}, 0, 1),
        ({"on_exit": 0.5}, 0, 1),
        ({"on_exit": 0.49}, 1, 0),
        ({"on_exit": 1.0, "active_high": False}, 1, 0),
        ({"on_exit": 0.5, "device": "pwm"}, 1, 0),
        ({"on_exit": 0.5, "device": "pwm", "active_high": False}, 0, 1),
        ({"on_exit": 1.0, "device": "servo"}, 1, 0),
    ],
)
def test_each_output_goes_to_its_exit_level(board: FakeChip, options, before, after) -> None:
    board["RELAY"].level = before
    for _ in range(2):
        assert put_outputs_safe(GpioConfig(), [relay(**options)]) == []
        assert board["RELAY"].level == after
        assert not board["RELAY"].used


def test_a_kept_output_is_not_even_requested(board: FakeChip) -> None:
    put_outputs_safe(GpioConfig(), [relay(on_exit="keep")])
    assert board["RELAY"].direction == _ext.DIRECTION_INPUT
    assert put_outputs_safe(GpioConfig(chip="other"), [relay(on_exit="keep")]) == []


def test_one_bad_output_does_not_stop_the_others(board: FakeChip) -> None:
    board["RELAY"].level = 1
    board["FAN"].used, board["FAN"].consumer = True, "fan-control"
    outputs = [relay(name="a", pin="RELAI"), relay(name="b", pin="FAN"), relay()]
    problems = put_outputs_safe(GpioConfig(), outputs)
    assert board["RELAY"].level == 0
    assert [problem.partition(":")[0] for problem in problems] == ['output "a"', 'output "b"']
    assert "in use by fan-control" in problems[1]


def test_an_unknown_chip_is_one_line(board: FakeChip) -> None:
    (problem,) = put_outputs_safe(GpioConfig(chip="other"), [relay()])
    assert "no such GPIO chip" in problem


@pytest.mark.parametrize("factory", ["mock", "none"])
def test_simulated_pins_have_nothing_to_make_safe(factory) -> None:
    assert put_outputs_safe(GpioConfig(factory=factory), [relay(pin="nowhere")]) == []
