"""Pixels: read, turned, resized, drawn on and written."""

import os

# Pillow else gives every picture's memory back to the system at once, and the page faults of the
# next one cost as much as its decoding (Pillow's documentation, "Block allocator"). It reads the
# variable when it is imported, which nothing does before this.
os.environ.setdefault("PILLOW_BLOCKS_MAX", "1")
