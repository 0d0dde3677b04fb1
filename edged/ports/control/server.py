"""The daemon's end of the control socket."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import socket
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edged.commands import COMMANDS, Asker, Command, Record, Reply, Request, Watch, name_of
from edged.core import Deciding, Report
from edged.errors import CommandError, ConfigError, EdgedError
from edged.mailbox import Mailbox
from edged.messages.message import Message, Moment
from edged.messages.replies import RequestId
from edged.ports.control import address
from edged.ports.control.watcher import Watcher
from edged.syntax import REQUEST_BYTES, Parser

if TYPE_CHECKING:
    from edged.recording.lane import Lane

log = logging.getLogger(__name__)

CLIENTS_LIMIT = 16
ANSWER_TIMEOUT_S = 10.0
"""The limit for a whole request to arrive, and for the client to read the reply."""
ACCEPT_RETRY_S = 1.0
LEFT_S = 1.0
"""How often an idle watcher is checked for having left."""


class ControlSocket:
    """Answers requests, each client in a thread of its own."""

    def __init__(self, path: Path, device: str, mailbox: Mailbox) -> None:
        self.path = path
        self._device = device
        self._mailbox = mailbox
        self._parser = Parser(Asker.SOCKET)
        self._listener: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._watchers: set[Watcher | Lane] = set()
        self._deciding: Deciding | None = None
        self._clients = threading.Semaphore(CLIENTS_LIMIT)

    def __enter__(self) -> ControlSocket:
        """Listen. ConfigError if another daemon listens already, or without permission."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            if self._somebody_answers():
                raise ConfigError(
                    f"{self.path}: another edged already listens here; stop it, or give this one "
                    "its own device name or control.socket"
                )
            if _inode(self.path) is not None:
                self.path.unlink()
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            # Owner and group may send commands; the umask is set only while binding.
            mask = os.umask(0o117)
            try:
                listener.bind(address(self.path))
            finally:
                os.umask(mask)
            self._inode = _inode(self.path)
            listener.listen(CLIENTS_LIMIT)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: cannot listen here: {error.strerror or error}; set control.socket "
                "to a path that can be written"
            ) from error
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        if (listener := self._listener) is not None:
            self._listener = None
            # Only a shutdown wakes a thread in accept(); a close does not.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with contextlib.suppress(OSError, ConfigError):
            # Whatever has replaced it is not ours.
            if _inode(self.path) == self._inode:
                self.path.unlink()
        for watcher in list(self._watchers):
            watcher.offer(None)

    def write(self, report: Report) -> None:
        """Pass a report to each watcher; a slow one loses some."""
        if isinstance(report, Deciding):
            self._deciding = report
        for watcher in list(self._watchers):
            watcher.offer(report)

    def _somebody_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(address(self.path))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except BlockingIOError:
                # The daemon listens, but is busy.
                return True
        return True

    def _accept(self, listener: socket.socket) -> None:
        failing = False
        while True:
            try:
                self._admit(listener.accept()[0])
            except (OSError, RuntimeError) as error:
                if self._listener is None:
                    return
                if not failing:
                    log.error("%s: no client can be accepted: %s; retrying", self.path, error)
                failing = True
                time.sleep(ACCEPT_RETRY_S)
            else:
                failing = False

    def _admit(self, client: socket.socket) -> None:
        """Serve one more client; RuntimeError if no thread can be started."""
        if not self._clients.acquire(blocking=False):
            self._turn_away(client, "too many clients at once; try again")
            return
        try:
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()
        except RuntimeError as error:
            self._clients.release()
            self._turn_away(client, str(error))
            raise

    def _turn_away(self, client: socket.socket, why: str) -> None:
        with client, contextlib.suppress(OSError):
            # A new connection has room for a line: this does not block.
            _send(client, Reply(error=why).message(self._now(), None))

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                self._answer(client)
        except OSError:
            # The client is gone.
            return
        finally:
            self._clients.release()

    def _answer(self, client: socket.socket) -> None:
        request: str | None = None
        request_id: RequestId = None
        picture = b""
        try:
            command = self._parser.parse(_received(client))
            request, request_id = name_of(type(command)), command.id
            if isinstance(command, Watch):
                self._watch(client, command)
                return
            if isinstance(command, Record):
                self._record(client, command)
                return
            reply = self._asked(command)
            picture = reply.jpeg
            if reply.result is not None:
                from edged.imaging.snapshot import snapshot_jpeg

                picture = snapshot_jpeg(reply.result, self._now())
        except EdgedError as error:
            reply = Reply(error=str(error))
        message = reply.message(self._now(), request, request_id, jpeg_bytes=len(picture))
        client.settimeout(ANSWER_TIMEOUT_S)
        client.sendall(message.json() + b"\n" + picture)

    def _asked(self, command: Command) -> Reply:
        replies: queue.Queue[Reply] = queue.Queue(1)
        self._mailbox.post(Request(command, Asker.SOCKET.value, replies.put_nowait))
        within_s = COMMANDS[type(command)].within_s
        try:
            return replies.get(timeout=within_s)
        except queue.Empty:
            raise CommandError(f"the daemon did not answer within {within_s:g} s") from None

    def _watch(self, client: socket.socket, command: Watch) -> None:
        with contextlib.closing(Watcher(command)) as watcher:
            self._watchers.add(watcher)
            try:
                # A client that does not read is kept: messages in the meantime are dropped.
                client.settimeout(None)
                reply = Reply().message(self._now(), name_of(Watch), command.id)
                socket.send_fds(client, [reply.json() + b"\n"], watcher.descriptors)
                while not _left(client):
                    with contextlib.suppress(queue.Empty):
                        if (report := watcher.wait(LEFT_S)) is None:
                            return
                        for message in watcher.described(report, self._now()):
                            _send(client, message)
            finally:
                self._watchers.discard(watcher)

    def _record(self, client: socket.socket, command: Record) -> None:
        # Only who records pays for the import.
        from edged.recording.lane import Lane
        from edged.recording.records import MAGIC, packed

        lane = Lane(lambda: self._deciding, features=command.features, pictures=command.pictures)
        self._watchers.add(lane)
        try:
            client.settimeout(None)
            _send(client, Reply().message(self._now(), name_of(Record), command.id))
            client.sendall(MAGIC + packed(lane.header(self._device), deflate=False))
            for record in lane.records(self._device, LEFT_S):
                if record is not None:
                    # Its reader deflates it, in a process of its own.
                    client.sendall(packed(record, deflate=False))
                elif _left(client):
                    return
        finally:
            self._watchers.discard(lane)

    def _now(self) -> Moment:
        return Moment.now(self._device, time.monotonic, time.time)


def _received(client: socket.socket) -> bytes:
    """One line, or the data before the client shut its end. CommandError if neither arrives."""
    give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
    line = b""
    while not line.endswith(b"\n") and len(line) <= REQUEST_BYTES:
        try:
            # Never 0, which would make it non-blocking.
            client.settimeout(max(0.001, give_up_s - time.monotonic()))
            chunk = client.recv(REQUEST_BYTES)
        except TimeoutError:
            raise CommandError(f"no request came within {ANSWER_TIMEOUT_S:g} s") from None
        if not chunk:
            break
        line += chunk
    return line


def _left(client: socket.socket) -> bool:
    """Whether it has closed its socket; shutting down its sending end does not count."""
    poll = select.poll()
    poll.register(client, 0)
    return bool(poll.poll(0))


def _inode(path: Path) -> tuple[int, int] | None:
    """Device and inode of the existing socket, None if there is none.

    ConfigError if it is not a socket, which must not be touched.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"{path}: is not a socket; set control.socket to a path of its own")
    return found.st_dev, found.st_ino


def _send(client: socket.socket, message: Message) -> None:
    client.sendall(message.json() + b"\n")
