"""Pins: their factory, the devices on them, and their final levels."""
