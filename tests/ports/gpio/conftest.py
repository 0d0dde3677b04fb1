"""Chips and pins that the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.config.schema import GpioConfig
from edged.ports.gpio.factory import open_factory
from tests.ports.gpio.fake_gpiod import FakeChip, FakeLine, install


@pytest.fixture
def mock_pins() -> Iterator[Any]:
    """gpiozero's mock factory, as the daemon opens it."""
    with open_factory(GpioConfig(factory="mock")) as factory:
        yield factory


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeChip:
    """A machine with one chip of eight lines."""
    names = ["RELAY", "LAMP", "BUTTON", "PIR", "", "", "", "FAN"]
    chip = FakeChip("pinctrl-test", [FakeLine(name) for name in names])
    install(monkeypatch, tmp_path, gpiochip0=chip)
    return chip
