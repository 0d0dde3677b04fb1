"""The daemon's end of the control socket: a port, because watchers see what other ports see."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edged.core import Health, OutputState, Report, Result, Snapshot
from edged.errors import CommandError, ConfigError, EdgedError
from edged.mailbox import Answer, Command, Mailbox

log = logging.getLogger(__name__)

REQUEST_LIMIT_BYTES = 4096
CLIENTS_LIMIT = 16
ANSWER_TIMEOUT_S = 10.0
WATCH_BACKLOG = 64
"""Reports that may wait for a slow watcher; older ones are dropped."""

COMMANDS = frozenset({"snapshot", "pause", "resume", "wake", "status", "set-output", "reload"})


class ControlSocket:
    """Answers requests, each client in a thread of its own."""

    def __init__(self, path: Path, mailbox: Mailbox) -> None:
        self.path = path
        self._mailbox = mailbox
        self._listener: socket.socket | None = None
        self._watchers: set[queue.Queue[Report | None]] = set()
        self._clients = threading.Semaphore(CLIENTS_LIMIT)

    def __enter__(self) -> ControlSocket:
        """Listen. ConfigError where another daemon answers already, or the place is forbidden."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            if self._somebody_answers():
                raise ConfigError(
                    f"{self.path}: another edged answers here already; stop it, or give this one "
                    "its own device name or control.socket"
                )
            self.path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            # Owner and group may command; the mask applies to the moment of binding only.
            mask = os.umask(0o117)
            try:
                listener.bind(str(self.path))
            finally:
                os.umask(mask)
            listener.listen(CLIENTS_LIMIT)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: cannot listen here: {error.strerror or error}; set control.socket "
                "to a path that can be written"
            ) from error
        self._listener = listener
        threading.Thread(target=self._accept, name="control", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._listener is not None:
            # Only a shutdown wakes a thread that waits in accept(); a close alone does not.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.path.unlink(missing_ok=True)
        for watcher in list(self._watchers):
            _offer(watcher, None)

    def write(self, report: Report) -> None:
        """Hand a report to each watcher; one that reads slowly loses the oldest."""
        for watcher in list(self._watchers):
            _offer(watcher, report)

    def _somebody_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self.path))
            except OSError:
                return False
        return True

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if not self._clients.acquire(blocking=False):
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                client.settimeout(ANSWER_TIMEOUT_S)
                try:
                    self._answer(client)
                except EdgedError as error:
                    _send(client, {"ok": False, "error": str(error)})
        except OSError:
            # The client is gone; nobody is left to be told.
            return
        finally:
            self._clients.release()

    def _answer(self, client: socket.socket) -> None:
        name, arguments = _request(client)
        if name == "watch":
            self._watch(client)
            return
        if name not in COMMANDS:
            raise CommandError(f"unknown command {name!r}; known: {', '.join(sorted(COMMANDS))}")
        answers: queue.Queue[Answer] = queue.Queue(1)
        command = Command(name, arguments, asked_by="the control socket", reply=answers.put_nowait)
        self._mailbox.post(command)
        try:
            answer = answers.get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            raise CommandError(
                f"the daemon did not answer {name!r} within {ANSWER_TIMEOUT_S:.0f} s"
            ) from None
        if answer.error is not None:
            raise CommandError(answer.error)
        if answer.result is None:
            _send(client, {"ok": True, "data": dict(answer.data)})
            return
        from edged.imaging.snapshot import snapshot_jpeg

        picture = snapshot_jpeg(answer.result)
        data = {**described(answer.result), "jpeg_bytes": len(picture)}
        _send(client, {"ok": True, "data": data})
        client.sendall(picture)

    def _watch(self, client: socket.socket) -> None:
        watcher: queue.Queue[Report | None] = queue.Queue(WATCH_BACKLOG)
        self._watchers.add(watcher)
        try:
            _send(client, {"ok": True, "data": {}})
            while (report := watcher.get()) is not None:
                _send(client, described(report))
        finally:
            self._watchers.discard(watcher)


def _offer(watcher: queue.Queue[Report | None], report: Report | None) -> None:
    try:
        watcher.put_nowait(report)
    except queue.Full:
        with contextlib.suppress(queue.Empty):
            watcher.get_nowait()
        with contextlib.suppress(queue.Full):
            watcher.put_nowait(report)


def _request(client: socket.socket) -> tuple[str, Mapping[str, object]]:
    line = b""
    while not line.endswith(b"\n"):
        chunk = client.recv(REQUEST_LIMIT_BYTES)
        if not chunk:
            break
        line += chunk
        if len(line) > REQUEST_LIMIT_BYTES:
            raise CommandError(f"a request is longer than {REQUEST_LIMIT_BYTES} bytes")
    try:
        request = json.loads(line)
        name, arguments = request["command"], request.get("arguments", {})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        name = arguments = None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise CommandError('a request is one line of JSON: {"command": NAME, "arguments": {...}}')
    return name, arguments


def _send(client: socket.socket, message: Mapping[str, object]) -> None:
    client.sendall(json.dumps(message, ensure_ascii=False).encode() + b"\n")


def described(report: Report) -> dict[str, Any]:
    """A report as plain values for JSON; monotonic times in seconds, scores rounded."""
    match report:
        case Result():
            return {
                "type": "result",
                "frame": report.frame.number,
                "captured_s": round(report.frame.captured_s, 6),
                "scene": report.scene.name,
                "results": ranked(report),
                "rules": {
                    state.rule: {"active": state.active, "score": round(state.score, 4)}
                    for state in report.scene.rules
                },
                "events": [
                    {
                        "rule": event.rule,
                        "active": event.active,
                        "score": round(event.score, 4),
                        "onset_s": round(event.onset_s, 6),
                        "decided_s": round(event.decided_s, 6),
                    }
                    for event in report.events
                ],
                "timings_ms": {
                    stage: round(duration_s * 1e3, 3)
                    for stage, duration_s in report.prediction.stages_s.items()
                },
            }
        case Health():
            return {"type": "health", **msgspec.structs.asdict(report)}
        case Snapshot():
            return {"type": "snapshot", "asked_by": report.asked_by}
        case OutputState():
            return {"type": "output", "name": report.name, "value": report.value}


def ranked(result: Result, count: int = 3) -> list[dict[str, object]]:
    """The best classes of a result as plain values."""
    return [
        {"label": best.label, "index": best.index, "score": round(best.score, 4)}
        for best in result.prediction.top(count)
    ]
