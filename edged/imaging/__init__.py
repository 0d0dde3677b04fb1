"""Pixels: read, turned, resized, drawn on and written."""
