"""A picture of Pillow as an array over the same memory, by the Arrow C data interface.

``numpy.asarray`` copies a picture twice on its way, into new memory each time, which for the frame
of a camera takes as long as a good part of its decoding.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from edged.core import Pixels

if TYPE_CHECKING:
    from PIL import Image


class _Array(ctypes.Structure):
    """``struct ArrowArray`` (Apache Arrow, "The Arrow C data interface"), as far as it is read."""


_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
]

_address = ctypes.pythonapi.PyCapsule_GetPointer
_address.restype = ctypes.c_void_p
_address.argtypes = [ctypes.py_object, ctypes.c_char_p]


def rgb(picture: Image.Image) -> Pixels:
    """The pixels of a loaded picture of mode RGB: read-only, and 4 bytes apart as Pillow has them.

    A copy where Pillow is too old (before 11.2.1) or keeps the picture in several pieces.
    """
    try:
        _, owner = picture.__arrow_c_array__()
    except (AttributeError, ValueError):
        return np.asarray(picture)
    top = _Array.from_address(_address(owner, b"arrow_array"))
    pixels = top.children[0].contents if top.n_children else None
    if pixels is None or pixels.length != picture.width * picture.height * 4:
        return np.asarray(picture)
    memory = (ctypes.c_uint8 * pixels.length).from_address(pixels.buffers[1])
    memory.owner = owner  # which frees it when the last view is gone
    whole = np.frombuffer(memory, np.uint8).reshape(picture.height, picture.width, 4)
    whole.flags.writeable = False
    return whole[..., :3]
