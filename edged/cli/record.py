"""``edged record``."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from edged.cli.daemon_socket import configured, running_daemon
from edged.cli.snapshot import silence
from edged.errors import CameraError
from edged.messages.recordings import RecordedMessage
from edged.ports.control.client import ControlClient, DaemonAbsentError, DaemonError
from edged.printable import printable
from edged.recording.records import End, Header, Over, RecordingError, Records, Seen, Setup
from edged.recording.writer import Writer

TOLD_S = 1.0
"""How often the line on a terminal is written over."""

MB = 1_000_000

ASKED = "it was asked to"
GONE = "the daemon has ended"


def over(seconds: float) -> str:
    """The reason that a time is over."""
    return f"{seconds:g} s are over"


class Ending:
    """Why a recording ends: the first reason that anybody gives, from any thread."""

    def __init__(self) -> None:
        self.why: str | None = None
        self.stop: Callable[[], None] = lambda: None
        """Makes whoever gives the records end them."""
        self._timer: threading.Timer | None = None

    def because(self, why: str) -> None:
        """End now."""
        if self.why is None:
            self.why = why
            self.stop()

    def within(self, seconds: float) -> None:
        """End after so long."""
        self._timer = threading.Timer(seconds, self.because, [over(seconds)])
        self._timer.daemon = True
        self._timer.start()

    @contextmanager
    def obeying_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM are the usual reasons."""

        def obey(number: int, frame: FrameType | None) -> None:
            del number, frame
            self.because(ASKED)

        wanted = (signal.SIGINT, signal.SIGTERM)
        is_main = threading.current_thread() is threading.main_thread()
        before = {number: signal.signal(number, obey) for number in wanted if is_main}
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)


def run(arguments: argparse.Namespace) -> int:
    """Of the running daemon where one answers, else with camera and model of our own.

    With ``--set camera...`` another camera is meant than the daemon's.
    """
    if arguments.file.exists():
        # Before a camera is opened for it.
        raise RecordingError(
            f"{printable(arguments.file)}: there is such a file already; name another, or remove it"
        )
    ending = Ending()
    with ending.obeying_signals():
        if any(override.strip().startswith("camera.") for override in arguments.overrides):
            return _own(arguments, ending)
        try:
            return _of_daemon(arguments, running_daemon(arguments), ending)
        except DaemonAbsentError:
            return _own(arguments, ending)


def _of_daemon(arguments: argparse.Namespace, client: ControlClient, ending: Ending) -> int:
    wanted = {"features": arguments.features, "pictures": arguments.frames}
    with client.recording(**wanted) as (connection, stream):

        def stop() -> None:
            # Ends the read that waits for the next record.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

        ending.stop = stop
        records = Records(stream, str(client.path))
        status = _record(arguments, records.header, _until_end(records, ending), ending)
    if ending.why == GONE:
        raise DaemonError(f"{client.path}: {GONE}; what came until then is recorded")
    return status


def _until_end(records: Records, ending: Ending) -> Iterator[Setup | Seen | Over]:
    for record in records:
        if not isinstance(record, End):
            yield record
    ending.because(GONE)


def _own(arguments: argparse.Namespace, ending: Ending) -> int:
    # Who records what the daemon sees needs no runtime.
    from edged.recording.alone import Alone

    config = configured(arguments)
    alone = Alone(config, features=arguments.features, pictures=arguments.frames)
    ending.stop = lambda: alone.stop(ASKED)

    def records() -> Iterator[Setup | Seen | Over]:
        for record in alone.lane.records(config.device, TOLD_S):
            if record is not None:
                yield record
        ending.because(alone.why)

    with silence(logging.getLogger("edged.cameras")), alone.running():
        return _record(arguments, alone.lane.header(config.device), records(), ending)


def _record(
    arguments: argparse.Namespace,
    header: Header,
    records: Iterator[Setup | Seen | Over],
    ending: Ending,
) -> int:
    first_s = last_s = None
    progress = _Progress()
    with Writer(arguments.file) as writer, _none_left_empty(writer):
        writer.write(header)
        for record in records:
            writer.write(record)
            if isinstance(record, Seen):
                last_s = record.captured_s
                if first_s is None:
                    first_s = last_s
                    if arguments.seconds is not None:
                        # The camera may fall silent.
                        ending.within(arguments.seconds)
                if arguments.seconds is not None and last_s - first_s >= arguments.seconds:
                    ending.because(over(arguments.seconds))
            if writer.bytes >= arguments.max_mb * MB:
                ending.because(f"{arguments.max_mb} MB are reached")
            if ending.why is not None:
                break
            progress.tell(writer)
        progress.clear()
        if first_s is None or last_s is None:
            raise CameraError("no frame came: nothing is recorded; `edged status` says why")
        writer.end(ending.why or ASKED)
    message = RecordedMessage(
        path=printable(arguments.file),
        frames=writer.frames,
        events=writer.events,
        lost=writer.lost,
        duration_s=round(last_s - first_s, 3),
        bytes=writer.bytes,
        why=ending.why or ASKED,
    )
    print(message.json().decode() if arguments.json else _line(message))
    if message.lost:
        print(
            f"edged: {message.lost} frames are lost, and marked in the file: the disk was too slow",
            file=sys.stderr,
        )
    return 1 if message.lost else 0


@contextmanager
def _none_left_empty(writer: Writer) -> Iterator[None]:
    try:
        yield
    finally:
        if not writer.frames:
            writer.path.unlink()


def _line(message: RecordedMessage) -> str:
    return (
        f"{message.path}: {message.frames} frames in {message.duration_s:.1f} s, "
        f"{message.events} events, {message.bytes / MB:.1f} MB; {message.why}"
    )


class _Progress:
    """One line on a terminal, written over."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._told_s = 0.0

    def tell(self, writer: Writer) -> None:
        now_s = time.monotonic()
        if self._shown and now_s >= self._told_s + TOLD_S:
            self._told_s = now_s
            text = f"{writer.frames} frames, {writer.events} events, {writer.bytes / MB:.1f} MB"
            print(f"\r{text}  (Ctrl-C ends)", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._told_s:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
