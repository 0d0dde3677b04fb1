"""Pixels: reading, turning, resizing, annotating and writing."""
