"""Any GStreamer pipeline as a camera, run as ``gst-launch-1.0`` would in a child process.

A child process rather than PyGObject in this process: a virtual environment does not see Debian's
``gi``, a crash or a leak in a vendor's plug-in affects only the child, and GStreamer's memory stays
there. The price is that each frame passes through a pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edged.cameras.isolation.process import gone_or_left_behind, refuse_more_stuck
from edged.cameras.pace import LOOK_S
from edged.cameras.source import AGAIN, Capture, SourceEnded
from edged.child import public_environment
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError
from edged.redact import MASK, public_name, redacted, secrets_in

CHILD = (sys.executable, "-I", "-S", "-B", str(Path(__file__).with_name("gstreamer_child.py")))
"""Without site packages, which it does not need: it starts much faster."""

STOP_LIMIT_S = 1.0
"""How long the child may take to stop by itself; drivers need that to release the camera."""

PIPE_BYTES = 1 << 20
"""The pipe's size: with the kernel's default of 64 KiB, a frame takes many context switches."""

TOLD_BYTES = 8192
"""How much of the child's latest output is kept."""


class GStreamerSource:
    """Runs pipeline ``source``, in the syntax of ``gst-launch-1.0``, and reads its RGB frames.

    Scaling to ``width_px`` x ``height_px``, conversion and the sink are added; they replace an
    ``appsink`` at the end. ``captured_s`` is when the whole frame has arrived. If the pipeline ends
    by itself, SourceEnded is raised with ``loop`` false, otherwise CameraError.
    """

    def __init__(
        self,
        camera: CameraConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # Only its first element: the rest may contain an address with a password.
        self.name = " ".join(["gstreamer", *map(public_name, camera.source.split()[:1])])
        self._secrets = secrets_in(camera.source)
        self._camera = camera
        self._clock = clock
        self._sleep = sleep
        # GStreamer pads the rows of RGB to whole 32-bit words.
        self._stride_bytes = (camera.width_px * 3 + 3) // 4 * 4
        self._child: subprocess.Popen[bytes] | None = None
        self._frames_fd = self._told_fd = -1
        self._told = b""
        self._limit_s = camera.start_s
        self._ready = selectors.DefaultSelector()

    def __enter__(self) -> GStreamerSource:
        refuse_more_stuck(self.name)
        # In memory, not in the arguments, which every user can read; not a pipe, which may be full.
        pipeline_fd = os.memfd_create("pipeline")
        os.write(pipeline_fd, "\0".join(self._pipeline()).encode())
        os.lseek(pipeline_fd, 0, os.SEEK_SET)
        self._frames_fd, sink_fd = os.pipe()
        self._told_fd, tell_fd = os.pipe()
        try:
            self._child = subprocess.Popen(  # noqa: S603
                [*CHILD, str(Path(__file__).parents[2]), f"fd={sink_fd}"],
                stdin=pipeline_fd,
                # Not used for frames: NVIDIA's camera library prints there.
                stdout=tell_fd,
                stderr=tell_fd,
                pass_fds=(sink_fd,),
                env=public_environment(),
                start_new_session=True,
                # SIGPIPE stays ignored, so that a closed pipe is an error and does not kill the
                # process.
                restore_signals=False,
            )
        except OSError as error:
            self._close_pipes()
            raise CameraError(
                f"{self.name}: cannot start a process ({error.strerror}); free some memory"
            ) from error
        finally:
            os.close(pipeline_fd)
            os.close(sink_fd)
            os.close(tell_fd)
        with contextlib.suppress(OSError):
            # Above the user's limit for pipes, the default size remains.
            fcntl.fcntl(self._frames_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._told_fd, False)
        self._ready.register(self._frames_fd, selectors.EVENT_READ)
        self._ready.register(self._told_fd, selectors.EVENT_READ)
        return self

    def __exit__(self, *exception: object) -> None:
        child = self._child
        if child is None:
            return
        self._signal(signal.SIGINT)
        # If the child waits to write a frame, this wakes it.
        self._close_pipes()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_LIMIT_S)
        self._signal(signal.SIGKILL)
        if gone_or_left_behind(child.pid):
            child.wait()
        self._child = None

    def grab(self) -> Capture:
        height_px, width_px = self._camera.height_px, self._camera.width_px
        # New for each frame: the loop may still read the one before.
        rows = np.empty((height_px, self._stride_bytes), np.uint8)
        self._fill(rows.data.cast("B"))
        captured_s = self._clock()
        self._limit_s = self._camera.timeout_s
        pixels: Pixels = rows[:, : width_px * 3].reshape(height_px, width_px, 3)
        # The pipe carries whole frames in any case, so there is nothing to reduce.
        return Capture(captured_s, lambda _least_px: pixels)

    def _close_pipes(self) -> None:
        self._ready.close()
        os.close(self._frames_fd)
        os.close(self._told_fd)

    def _pipeline(self) -> list[str]:
        try:
            words = shlex.split(self._camera.source)
        except ValueError as error:
            raise CameraError(
                f"{self.name}: camera.source has an unclosed quotation mark; close it"
            ) from error
        ends = [at for at, word in enumerate(words) if word == "!"]
        if ends and words[ends[-1] + 1 : ends[-1] + 2] == ["appsink"]:
            words = words[: ends[-1]]
        if not words:
            raise CameraError("gstreamer: no pipeline given; set camera.source")
        camera = self._camera
        return [
            *words,
            *("!", "queue", "max-size-buffers=1", "leaky=downstream"),
            # Phones record how they were held in the tag image-orientation.
            *("!", "videoconvert", "!", "videoflip", "video-direction=auto"),
            *("!", "videoscale", "!", "videoconvert"),
            *("!", f"video/x-raw,format=RGB,width={camera.width_px},height={camera.height_px}"),
        ]

    def _fill(self, frame: memoryview) -> None:
        deadline_s = self._clock() + self._limit_s
        filled = 0
        while filled < len(frame):
            ready = self._ready.select(min(LOOK_S, max(0.0, deadline_s - self._clock())))
            if not ready:
                self._sleep(0.0)
            # Also if it prints a lot, or sends a frame in small pieces.
            if self._clock() >= deadline_s:
                raise CameraError(
                    f"{self.name}: no frame within {self._limit_s:g} s; "
                    f"check the camera and the pipeline{self._last_words(': ')}"
                )
            for key, _ in ready:
                if key.fd == self._told_fd:
                    self._listen()
                    continue
                count = os.readv(self._frames_fd, [frame[filled:]])
                if count == 0:
                    raise self._end()
                filled += count

    def _listen(self) -> None:
        """Keep the latest of the child's output, so that its pipe never fills."""
        while True:
            try:
                told = os.read(self._told_fd, TOLD_BYTES)
            except BlockingIOError:
                return
            if not told:
                with contextlib.suppress(KeyError):
                    self._ready.unregister(self._told_fd)
                return
            self._told = (self._told + told)[-TOLD_BYTES:]

    def _end(self) -> CameraError:
        status: int | None = None
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._child.wait(STOP_LIMIT_S)
        self._listen()
        if status == 0 and not self._camera.loop:
            return SourceEnded(f"{self.name}: the pipeline has ended; {AGAIN}")
        if status is not None and status < 0:
            return CameraError(f"{self.name}: killed by signal {-status}{self._last_words(': ')}")
        words = self._last_words("") or "the pipeline ended; check the camera"
        return CameraError(f"{self.name}: {words}")

    def _last_words(self, before: str) -> str:
        """The child's first error as one line, else its last line; "" without output."""
        text = redacted(self._told.decode(errors="replace"))
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            return ""
        errors = [line for line in lines if line.startswith(("ERROR: from", "WARNING: erroneous"))]
        line = re.sub(
            r"^(ERROR|WARNING): (from element \S*/|erroneous )", "", (errors or lines[-1:])[0]
        )
        return before + "".join(c if c.isprintable() else "?" for c in line)[:300]

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            # Plug-ins may have child processes, which are in the same process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)
