"""What ends or reloads the daemon from beside the loop: signals, and bugs in threads."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from types import FrameType

from edged.commands import Reload, Request
from edged.mailbox import Mailbox


class Signals:
    """While entered, SIGTERM and SIGINT stop the loop, SIGHUP reloads, and no bug goes unnoticed.

    ``bug`` is what ended a thread.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self.bug: BaseException | None = None
        self._mailbox = mailbox
        self._hung_up = False
        self._before = ExitStack()

    def __enter__(self) -> Signals:
        self._obey()
        self._surface_bugs()
        return self

    def __exit__(self, *exception: object) -> None:
        self._before.close()

    def reload_begins(self) -> None:
        """Another SIGHUP asks for another reload."""
        self._hung_up = False

    def _obey(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            # Signals belong to the process, whose main thread is not ours here.
            return

        def stop(number: int, frame: FrameType | None) -> None:
            del frame
            self._mailbox.stop(signal.Signals(number).name)

        def reload(number: int, frame: FrameType | None) -> None:
            del frame
            if not self._hung_up:
                # Never lost to a full queue, and never more than one.
                self._hung_up = True
                request = Request(Reload(), signal.Signals(number).name)
                self._mailbox.post(request, bounded=False)

        for number, obey in (
            (signal.SIGTERM, stop),
            (signal.SIGINT, stop),
            (signal.SIGHUP, reload),
        ):
            self._before.callback(signal.signal, number, signal.signal(number, obey))

    def _surface_bugs(self) -> None:
        """A bug in a thread ends the daemon like one in the loop.

        Otherwise the thread would be gone and the daemon would look healthy; this way outputs go to
        their safe level, and systemd restarts it.
        """

        def end(bug: threading.ExceptHookArgs) -> None:
            thread = bug.thread.name if bug.thread is not None else "a thread"
            self.bug = bug.exc_value
            self._mailbox.stop(f"a bug in {thread}")

        self._before.callback(setattr, threading, "excepthook", threading.excepthook)
        threading.excepthook = end
