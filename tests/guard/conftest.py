"""Chips and pins, as the tests of the port have them."""

from tests.ports.gpio.conftest import board, mock_pins

__all__ = ["board", "mock_pins"]
