"""Cameras: every kind of frame source behind one interface."""
