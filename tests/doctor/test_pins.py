"""Lines that are missing, taken, or of somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.schema import Config, GpioConfig, InputConfig, OutputConfig
from edged.doctor import pins
from tests.ports.gpio.conftest import board
from tests.ports.gpio.fake_gpiod import FakeChip, install

__all__ = ["board"]


def config(*names: str, factory: str = "gpiod") -> Config:
    outputs = [OutputConfig(name=name.lower(), pin=name, rule="") for name in names]
    return Config(gpio=GpioConfig(factory=factory), output=outputs)  # type: ignore[arg-type]


def found(*names: str, runs: bool = False) -> list[tuple[str, str, str]]:
    findings = pins.look(config(*names), runs=runs)
    return [(one.id, one.level, one.what) for one in findings]


def test_without_outputs_and_inputs_no_pin_is_looked_at() -> None:
    assert [*pins.look(Config(), runs=False)] == []


def test_free_lines_are_in_order_and_stay_as_they_are(board: FakeChip) -> None:
    assert found("RELAY", "LAMP") == [("pins", "ok", "the lines of relay, lamp are free")]
    assert not any(line.used or line.levels for line in board.lines)


def test_who_uses_a_line_is_told(board: FakeChip) -> None:
    board["LAMP"].used, board["LAMP"].consumer = True, "backlight"
    [error, ok] = found("RELAY", "LAMP")
    assert error == ("gpio-line", "error", 'output "lamp": pin "LAMP" is used by backlight')
    assert ok[2] == "the lines of relay are free"


def test_a_line_of_the_kernel_without_a_name_is_told(board: FakeChip) -> None:
    board["LAMP"].used = True
    assert found("LAMP")[0][2].endswith("is used by the kernel")


@pytest.mark.parametrize(("runs", "level"), [(True, "ok"), (False, "error")])
def test_a_line_of_edged_is_in_order_where_the_daemon_runs(
    board: FakeChip, runs: bool, level: str
) -> None:
    board["LAMP"].used, board["LAMP"].consumer = True, "edged"
    assert [one[1] for one in found("LAMP", runs=runs)] == [level]


def test_a_line_that_does_not_exist_is_told(board: FakeChip) -> None:
    [one] = pins.look(config("LAMPE"), runs=False)
    assert (one.id, one.level) == ("gpio-line", "error")
    assert "did you mean LAMP?" in one.advice


def test_inputs_are_looked_at_too(board: FakeChip) -> None:
    board["BUTTON"].used, board["BUTTON"].consumer = True, "gpio-keys"
    inputs = [InputConfig(name="bell", pin="BUTTON", action="snapshot")]
    [one] = pins.look(Config(gpio=GpioConfig(factory="gpiod"), input=inputs), runs=False)
    assert one.what == 'input "bell": pin "BUTTON" is used by gpio-keys'


def test_a_machine_without_a_chip_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, tmp_path)
    assert [one[:2] for one in found("LAMP")] == [("gpio-chip", "error")]


@pytest.mark.parametrize(
    ("factory", "kind"), [("mock", ("pins-simulated", "warning")), ("none", ("pins-off", "note"))]
)
def test_pins_that_nobody_drives_are_told(factory: str, kind: tuple[str, str]) -> None:
    [one] = pins.look(config("LAMP", factory=factory), runs=False)
    assert (one.id, one.level) == kind


def test_what_the_daemon_says_of_its_pins_is_told() -> None:
    [one] = pins.look(config("LAMP"), runs=True, pins_error="the chip is gone")
    assert (one.id, one.level, one.what) == ("pins", "error", "the chip is gone")
