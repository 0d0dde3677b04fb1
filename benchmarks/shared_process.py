"""Several cameras in one process: a whole daemon for each, in a thread of its own.

``python -m benchmarks.shared_process CONFIGURATION...`` runs until SIGTERM. It says ``READY=1`` for
each camera, and leaves for each a trace beside its configuration.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

# As edged's own command line has it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from edged.daemon import Daemon
from edged.notify import Notifier
from edged.opening import Opening

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0


class FirstFrame(Notifier):
    """Lets a thread wait until the first frame has been classified."""

    def __init__(self) -> None:
        super().__init__()
        self.come = threading.Event()

    def ready(self) -> None:
        """See `Notifier.ready`."""
        super().ready()
        self.come.set()


class Camera:
    """A daemon in a thread; signals, which only a process has, are the main thread's."""

    def __init__(self, configuration: Path) -> None:
        self._first_frame = FirstFrame()
        self._daemon = Daemon(
            Opening(configuration),
            trace=configuration.with_suffix(".trace"),
            notifier=self._first_frame,
        )
        self._thread = threading.Thread(target=self._daemon.run, daemon=True)

    def start(self) -> None:
        """Returns when its first frame has been classified.

        Imports are no matter for two threads at once.
        """
        self._thread.start()
        if not self._first_frame.come.wait(START_LIMIT_S):
            raise TimeoutError("no frame comes")

    def stop(self) -> None:
        """Returns when all of it is closed."""
        self._daemon.stop("SIGTERM")
        self._thread.join(STOP_LIMIT_S)


def main() -> None:
    # Blocked in every thread, so that it waits for the main one to ask.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    cameras = [Camera(Path(configuration)) for configuration in sys.argv[1:]]
    for camera in cameras:
        camera.start()
    signal.sigwait({signal.SIGTERM})
    for camera in cameras:
        camera.stop()


if __name__ == "__main__":
    main()
