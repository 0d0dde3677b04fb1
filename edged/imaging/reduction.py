"""The numbers of the filter that everything which reduces pictures keeps to; without numpy."""

from __future__ import annotations

ROW_BITS = 12
COLUMN_BITS = 14
"""Weights of a row, and of a column, are in units of 2^-bits; _resample.h has the same numbers."""

MOST_REDUCTION = 100
"""Larger reductions are left to Pillow: the kernel's weights would be too coarse."""

REDUCING_GAP = 2
"""Reductions before the resize keep at least this many times the wanted size.

Decoders and scalers reduce with filters of their own; if they leave less to the filter that the
model was trained with, the model sees another picture. Pillow's ``Image.thumbnail`` keeps as much.
"""
