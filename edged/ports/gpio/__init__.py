"""Pins: which factory reaches them, what hangs on them, and the level they are left at."""
