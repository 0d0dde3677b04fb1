"""Runs a GStreamer pipeline read from standard input, so that no process list shows it.

It does what ``gst-launch-1.0`` does, but that takes the pipeline only from its command line, where
every user of the machine can read it, and the password of a network camera with it. A separate
program over the C library that uses only the standard library; its error messages have the form of
that program.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from ctypes import CDLL, POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p

STATE_NULL, STATE_PLAYING = 1, 4
STATE_CHANGE_FAILURE = 0
MESSAGE_EOS, MESSAGE_ERROR = 1, 2
POLL_NS = 100_000_000
"""The interval of checks whether the parent requests the end."""

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


class _GError(ctypes.Structure):
    _fields_ = (("domain", ctypes.c_uint32), ("code", c_int), ("message", c_char_p))


class _MiniObject(ctypes.Structure):
    _fields_ = (
        ("type", c_size_t),
        ("refcount", c_int),
        ("lockstate", c_int),
        ("flags", c_uint),
        ("copy", c_void_p),
        ("dispose", c_void_p),
        ("free", c_void_p),
        ("n_qdata", c_uint),
        ("qdata", c_void_p),
    )


class _Message(ctypes.Structure):
    """The public head of a GstMessage; its layout is part of GStreamer's ABI since 1.0."""

    _fields_ = (
        ("mini_object", _MiniObject),
        ("type", c_int),
        ("timestamp", c_uint64),
        ("source", c_void_p),
    )


def main() -> int:
    """0 at the pipeline's end or on a request to stop, 1 with a line about an error."""
    words = [*sys.stdin.buffer.read().split(b"\0"), b"!", b"fdsink", sys.argv[2].encode()]
    prctl = CDLL(None).prctl
    prctl(PR_SET_NAME, b"edged-gst", 0, 0, 0)
    # Otherwise a pipeline without frames outlives a killed parent, and keeps the camera.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _confine()
    try:
        gst = CDLL("libgstreamer-1.0.so.0")
    except OSError:
        return _fail("GStreamer is not installed; install it with: apt install gstreamer1.0-tools")
    for name, result in (
        ("gst_parse_launchv", c_void_p),
        ("gst_element_get_bus", c_void_p),
        ("gst_bus_timed_pop_filtered", POINTER(_Message)),
        ("gst_object_get_path_string", c_char_p),
    ):
        getattr(gst, name).restype = result
    gst.gst_init(None, None)
    problem = POINTER(_GError)()
    pipeline = c_void_p(
        gst.gst_parse_launchv((c_char_p * (len(words) + 1))(*words, None), byref(problem))
    )
    if problem or not pipeline:
        return _fail(f"WARNING: erroneous pipeline: {_said(problem)}")
    stopping: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: stopping.append(number))
    try:
        return _run(gst, pipeline, stopping)
    finally:
        gst.gst_element_set_state(pipeline, STATE_NULL)


def _confine() -> None:
    """Debug, mount and signal nobody; a pipeline may need any file, socket and program."""
    sys.path.append(sys.argv[1])
    from edged import confine, syscalls

    confine.give_up_privileges()
    syscalls.forbid(syscalls.ALL_FAMILIES, processes=True)


def _run(gst: CDLL, pipeline: c_void_p, stopping: list[int]) -> int:
    bus = c_void_p(gst.gst_element_get_bus(pipeline))
    failed = gst.gst_element_set_state(pipeline, STATE_PLAYING) == STATE_CHANGE_FAILURE
    while not stopping:
        message = gst.gst_bus_timed_pop_filtered(
            bus, c_uint64(POLL_NS), MESSAGE_EOS | MESSAGE_ERROR
        )
        if message:
            if message.contents.type == MESSAGE_EOS:
                return 0
            problem = POINTER(_GError)()
            gst.gst_message_parse_error(message, byref(problem), None)
            path = gst.gst_object_get_path_string(c_void_p(message.contents.source)).decode()
            return _fail(f"ERROR: from element {path}: {_said(problem)}")
        if failed:
            return _fail("ERROR: pipeline doesn't want to play.")
    return 0


def _said(problem: ctypes._Pointer[_GError]) -> str:
    return (problem.contents.message or b"").decode(errors="replace") if problem else "no reason"


def _fail(text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
