"""The control socket, over a real Unix socket."""

from __future__ import annotations

import io
import json
import os
import resource
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from edged import access
from edged.commands import COMMANDS, Command, Entry, Reply, Request, TellStatus, name_of
from edged.core import Event, Frame, OutputState, Prediction, Result, RuleState, Scene
from edged.errors import CommandError, ConfigError
from edged.mailbox import Mailbox
from edged.messages.replies import StatusAnswer
from edged.ports.control import PATH_BYTES, client, server
from edged.ports.control.client import ControlClient, DaemonError
from edged.ports.control.server import CLIENTS_LIMIT, ControlSocket
from edged.ports.control.watcher import WATCH_BACKLOG
from edged.syntax import REQUEST_BYTES
from tests.mosquitto import LIMIT_S, wait_until


def seen(number: int = 1, full: bool = False) -> Result:
    pixels = np.full((48, 64, 3), 200, np.uint8)
    frame = Frame(
        pixels, number, 12.5, 0.0, (lambda: np.zeros((96, 128, 3), np.uint8)) if full else None
    )
    prediction = Prediction(
        np.array([0.25, 0.75], np.float32), ("dog", "cat"), {"invoke": 0.003}, "m"
    )
    scene = Scene("cat", (RuleState("cat", True, 0.75, 12.0),), ("cat",))
    return Result(frame, prediction, scene, (Event("cat", True, 0.75, 12.0, 12.5, number),))


STATUS = StatusAnswer(
    scene="cat",
    rules={},
    outputs={"lamp": 1.0},
    camera="still",
    camera_error=None,
    model="m",
    frames=3,
    dropped=0,
    paused=False,
    idle=False,
)


class Loop(threading.Thread):
    """Stands for the daemon's loop: answers what comes into the mailbox."""

    def __init__(self, mailbox: Mailbox, reply: Reply) -> None:
        super().__init__(daemon=True)
        self.mailbox = mailbox
        self.reply = reply
        self.requests: list[Request[Any]] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.002):
            for request in (*self.mailbox.take(), *self.mailbox.take_snapshots()):
                self.requests.append(request)
                request.reply(self.reply)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "edged.sock"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def control(path: Path, mailbox: Mailbox) -> Iterator[ControlSocket]:
    with ControlSocket(path, "porch", mailbox) as opened:
        yield opened


@pytest.fixture
def loop(mailbox: Mailbox) -> Iterator[Loop]:
    thread = Loop(mailbox, Reply(data=STATUS))
    thread.start()
    yield thread
    thread.done.set()
    thread.join()


def raw(path: Path, request: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(request)
        with client.makefile("rb") as reader:
            answer: dict[str, object] = json.loads(reader.readline())
            return answer


def test_a_command_reaches_the_loop_and_its_answer_comes_back(
    control: ControlSocket, path: Path, loop: Loop
) -> None:
    reply, rest = ControlClient(path).ask("status", id="a-1")
    assert (reply["type"], reply["device"], reply["request"]) == ("reply", "porch", "status")
    assert (reply["id"], reply["ok"], rest) == ("a-1", True, b"")
    assert reply["data"]["scene"] == "cat"
    assert [name_of(type(request.command)) for request in loop.requests] == ["status"]


def test_a_refusal_is_raised_with_the_reason(
    control: ControlSocket, path: Path, loop: Loop
) -> None:
    loop.reply = Reply(error="paused already")
    with pytest.raises(CommandError, match=r"^paused already$"):
        ControlClient(path).ask("pause")


def test_a_snapshot_comes_as_a_picture_at_full_size_and_what_is_on_it(
    control: ControlSocket, path: Path, loop: Loop
) -> None:
    loop.reply = Reply(result=seen(full=True))
    reply, picture = ControlClient(path).ask("snapshot")
    assert reply["classification"]["results"][0] == {"label": "cat", "index": 1, "score": 0.75}
    image = Image.open(io.BytesIO(picture))
    assert (image.format, image.size) == ("JPEG", (128, 96))


def test_a_watcher_gets_each_report_as_it_comes(control: ControlSocket, path: Path) -> None:
    reports = ControlClient(path).watch()
    received: list[dict[str, object]] = []
    arrived = threading.Event()

    def follow() -> None:
        for report in reports:
            received.append(report)
            if len(received) == 3:
                arrived.set()
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    # The watcher is known to the socket only once its request was read.
    while not arrived.wait(0.01):
        control.write(seen(number=5))
        control.write(OutputState("lamp", 1.0, 0.0))
    event, classification, output = received
    assert (event["type"], event["rule"], event["active"]) == ("event", "cat", True)
    assert (classification["type"], classification["frame"]) == ("classification", 5)
    assert (output["type"], output["output"], output["value"]) == ("output", "lamp", 1.0)


def test_a_watcher_that_does_not_read_does_not_hold_up_the_loop(
    control: ControlSocket, path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as sleeper:
        sleeper.settimeout(20)
        sleeper.connect(str(path))
        sleeper.sendall(b'{"command": "watch"}\n')
        assert json.loads(sleeper.recv(4096))["ok"] is True
        for number in range(5000):
            control.write(seen(number))


@pytest.mark.parametrize(
    "request_line",
    [
        b"\n",
        b"stop\n",
        b"[1]\n",
        b'{"command": 3}\n',
        b"[" * 3000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_nonsense_is_answered_with_what_can_be_asked(
    control: ControlSocket, path: Path, request_line: bytes
) -> None:
    answer = raw(path, request_line)
    assert answer["ok"] is False
    assert "commands: snapshot, pause, " in str(answer["error"])
    assert "\n" not in str(answer["error"])


@pytest.mark.parametrize(
    ("request_line", "told"),
    [
        (b"teach\n", "teach: label: missing"),
        (b'{"command": "set-output", "name": "lamp", "value": "on"}\n', "set-output: value"),
        (b'{"command": "set-output", "name": "lamp", "value": 2}\n', "set-output: value = 2"),
        (b'{"command": "status", "id": [1]}\n', "status: id = [1]"),
    ],
)
def test_a_command_that_does_not_fit_is_answered_with_the_field(
    control: ControlSocket, path: Path, request_line: bytes, told: str
) -> None:
    assert str(raw(path, request_line)["error"]).startswith(told)


def test_an_endless_request_is_refused(control: ControlSocket, path: Path) -> None:
    answer = raw(path, b"x" * (REQUEST_BYTES + 1))
    assert answer["error"] == f"a request has at most {REQUEST_BYTES} bytes"


def test_stopping_the_daemon_is_not_for_the_socket(control: ControlSocket, path: Path) -> None:
    with pytest.raises(CommandError, match='"stop" is not a command; commands: snapshot'):
        ControlClient(path).ask("stop")


def test_only_owner_and_group_may_connect(control: ControlSocket, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_second_daemon_on_the_same_socket_is_refused(
    control: ControlSocket, path: Path, mailbox: Mailbox
) -> None:
    with pytest.raises(ConfigError, match="another edged already listens here"):
        ControlSocket(path, "porch", mailbox).__enter__()


def test_what_a_killed_daemon_left_behind_is_taken_over(path: Path, mailbox: Mailbox) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with ControlSocket(path, "porch", mailbox):
        answer = raw(path, b'{"command": "dance"}\n')
    assert answer["ok"] is False
    assert not path.exists()


def test_a_place_that_is_forbidden_is_one_clear_line(tmp_path: Path, mailbox: Mailbox) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot listen here: .*; set control\.socket"):
        ControlSocket(tmp_path / "file" / "edged.sock", "porch", mailbox).__enter__()


def test_a_place_several_folders_deep_is_made_and_others_may_look_but_not_write(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    before = os.umask(0)
    try:
        with ControlSocket(tmp_path / "a" / "b" / "edged.sock", "porch", mailbox):
            assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o755
            mask = os.umask(0)
    finally:
        os.umask(before)
    assert mask == 0


def test_who_watches_is_let_go_at_the_end_and_nobody_listens_any_more(
    path: Path, mailbox: Mailbox
) -> None:
    ended = threading.Event()

    def follow() -> None:
        with suppress(DaemonError):
            for _ in ControlClient(path).watch():
                pass
        ended.set()

    with ControlSocket(path, "porch", mailbox) as control:
        threading.Thread(target=follow, daemon=True).start()
        wait_until(lambda: control._watchers)
    assert ended.wait(LIMIT_S)
    wait_until(lambda: not control._watchers)
    wait_until(lambda: "control" not in [thread.name for thread in threading.enumerate()])


def test_a_socket_that_somebody_has_removed_is_no_trouble_at_the_end(
    path: Path, mailbox: Mailbox
) -> None:
    with ControlSocket(path, "porch", mailbox):
        path.unlink()


def test_a_client_that_says_nothing_is_sent_away(
    path: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ANSWER_TIMEOUT_S", 0.02)
    with ControlSocket(path, "porch", mailbox), socket.socket(socket.AF_UNIX) as silent:
        silent.settimeout(LIMIT_S)
        silent.connect(str(path))
        assert b'"ok":false' in silent.recv(4096)
        assert silent.recv(1) == b""


def test_a_loop_that_does_not_answer_is_told(
    path: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = COMMANDS[TellStatus]._replace(within_s=0.02)
    monkeypatch.setitem(cast("dict[type[Command], Entry]", COMMANDS), TellStatus, entry)
    with ControlSocket(path, "porch", mailbox):
        assert "did not answer within 0.02 s" in str(raw(path, b"status\n")["error"])


def test_an_answer_has_a_limit_and_what_is_watched_has_none(
    control: ControlSocket, path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float | None] = []

    class Noted(socket.socket):
        def settimeout(self, value: float | None) -> None:
            if threading.current_thread() is threading.main_thread():
                limits.append(value)
            super().settimeout(value)

    def end_when_watched() -> None:
        wait_until(lambda: control._watchers)
        control.__exit__()

    monkeypatch.setattr(client.socket, "socket", Noted)
    ControlClient(path).ask("status")
    threading.Thread(target=end_when_watched).start()
    with pytest.raises(DaemonError, match="the daemon has stopped"):
        list(ControlClient(path).watch())
    assert limits == [client.TIMEOUT_S, client.TIMEOUT_S, None]


def test_a_request_ends_where_the_client_ends_it(control: ControlSocket, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as ended:
        ended.settimeout(LIMIT_S)
        ended.connect(str(path))
        ended.sendall(b"dance")
        ended.shutdown(socket.SHUT_WR)
        assert b'"ok":false' in ended.recv(4096)


def test_one_client_too_many_is_told(
    control: ControlSocket, path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        for _ in range(CLIENTS_LIMIT):
            idle = stack.enter_context(socket.socket(socket.AF_UNIX))
            idle.connect(str(path))
        # Again and again: the request may come before it is turned away, or after.
        for _ in range(20):
            with pytest.raises(CommandError, match=r"^too many clients at once"):
                ControlClient(path).ask("pause")
    assert loop.requests == []


def test_who_leaves_within_a_picture_left_none(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(REQUEST_BYTES)
                client.sendall(b'{"ok": true, "jpeg_bytes": 9}\nJPEG')

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(DaemonError, match="does not answer: it left during the picture"):
            ControlClient(path).ask("snapshot")


@pytest.mark.parametrize("answer", [b"", b'{"ok": true, "jpe'])
def test_a_daemon_that_leaves_without_a_whole_reply_has_not_obeyed(
    answer: bytes, path: Path
) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def leave() -> None:
            with listener.accept()[0] as client:
                client.recv(REQUEST_BYTES)
                client.sendall(answer)

        threading.Thread(target=leave, daemon=True).start()
        with pytest.raises(DaemonError, match="does not answer: it closed the connection"):
            ControlClient(path).ask("pause")


def test_a_user_who_may_not_ask_is_told_who_may(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forbidden(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(client.socket, "socket", Forbidden)
    with pytest.raises(DaemonError) as told:
        ControlClient(path).ask("status")
    assert str(told.value) == f"{path}: not permitted; {access.advice(path, os.W_OK)}"


class Line:
    """Stands for a listening socket: what becomes of those who call."""

    def __init__(self, control: ControlSocket, *callers: socket.socket | OSError) -> None:
        self._control = control
        self._callers = iter(callers)

    def accept(self) -> tuple[socket.socket, str]:
        caller = next(self._callers, None)
        if caller is None:
            self._control._listener = None
            raise OSError(22, "Invalid argument")
        if isinstance(caller, OSError):
            raise caller
        return caller, ""


def test_that_no_client_can_be_served_is_told_once_until_one_can_and_tried_without_haste(
    path: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(server, "time", SimpleNamespace(sleep=waits.append))
    control = ControlSocket(path, "porch", mailbox)
    monkeypatch.setattr(control, "_answer", lambda _client: None)
    full, no_memory = OSError(24, "Too many open files"), OSError(12, "Cannot allocate memory")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = Line(control, full, full, full, ours, no_memory, no_memory)
        control._listener = line  # type: ignore[assignment]
        control._accept(line)  # type: ignore[arg-type]
        assert theirs.recv(1) == b""
    assert caplog.messages == [
        f"{path}: no client can be accepted: {error}; retrying" for error in (full, no_memory)
    ]
    assert waits == [server.ACCEPT_RETRY_S] * 5


def test_a_client_that_has_left_before_it_is_turned_away_is_no_trouble(
    path: Path, mailbox: Mailbox
) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    ControlSocket(path, "porch", mailbox)._turn_away(ours, "too many clients")
    assert ours.fileno() == -1


def test_an_answer_has_its_own_time_to_be_taken_however_long_the_request_took(
    path: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        """A client whose request takes nearly as long as it may."""

        def __init__(self) -> None:
            self.now_s = 100.0
            self.limits_s: list[float | None] = []
            self.taken: list[float | None] = []

        def settimeout(self, limit_s: float | None) -> None:
            self.limits_s.append(limit_s)

        def recv(self, _size: int) -> bytes:
            self.now_s += server.ANSWER_TIMEOUT_S / 4
            return b"x" if self.now_s < 100.0 + 0.7 * server.ANSWER_TIMEOUT_S else b"\n"

        def sendall(self, _payload: bytes) -> None:
            self.taken.append(self.limits_s[-1])

    slow = Slow()
    monkeypatch.setattr(
        server, "time", SimpleNamespace(monotonic=lambda: slow.now_s, time=lambda: slow.now_s)
    )
    ControlSocket(path, "porch", mailbox)._answer(slow)  # type: ignore[arg-type]
    assert slow.limits_s[2] == server.ANSWER_TIMEOUT_S / 2
    assert slow.taken == [server.ANSWER_TIMEOUT_S]


def test_clients_are_served_again_after_a_time_without_descriptors(
    control: ControlSocket,
    path: Path,
    loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server, "ACCEPT_RETRY_S", 0.01)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LIMIT_S)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            client.connect(str(path))
            wait_until(lambda: bool(caplog.records))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.sendall(b"status\n")
        assert json.loads(client.recv(4096))["ok"] is True
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: no client can be accepted: [Errno 24] Too many open files; retrying"
    ]


def test_a_client_that_no_thread_can_be_had_for_is_told_and_the_next_is_served(
    control: ControlSocket,
    path: Path,
    loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server, "ACCEPT_RETRY_S", 0.01)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(CLIENTS_LIMIT + 1):
            with pytest.raises(CommandError, match=r"^can't start new thread$"):
                ControlClient(path).ask("status")
    assert ControlClient(path).ask("status")[0]["ok"] is True
    assert caplog.messages == [
        f"{path}: no client can be accepted: can't start new thread; retrying"
    ]


def test_a_file_in_the_sockets_place_is_left_alone(path: Path, mailbox: Mailbox) -> None:
    path.parent.mkdir()
    path.write_text("of great value")
    with pytest.raises(ConfigError, match=r"is not a socket; set control\.socket"):
        ControlSocket(path, "porch", mailbox).__enter__()
    assert path.read_text() == "of great value"


@pytest.mark.parametrize("another", [True, False])
def test_what_has_taken_the_sockets_place_is_left_at_the_end(
    another: bool, path: Path, mailbox: Mailbox
) -> None:
    with ExitStack() as stack:
        with ControlSocket(path, "porch", mailbox):
            # Not unlinked, so that the next has another inode.
            path.rename(path.with_suffix(".old"))
            if another:
                stack.enter_context(ControlSocket(path, "porch", mailbox))
            else:
                path.write_text("of great value")
        assert path.exists()


def test_a_daemon_that_has_no_time_keeps_its_socket(path: Path, mailbox: Mailbox) -> None:
    path.parent.mkdir()
    with ExitStack() as stack:
        stopped = stack.enter_context(socket.socket(socket.AF_UNIX))
        stopped.bind(str(path))
        stopped.listen(0)
        with suppress(BlockingIOError):
            while True:
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(str(path))
        with pytest.raises(ConfigError, match="another edged already listens here"):
            ControlSocket(path, "porch", mailbox).__enter__()
        for ask in (
            lambda: ControlClient(path).ask("status"),
            ControlClient(path).watch().__next__,
        ):
            with pytest.raises(DaemonError, match="the daemon does not answer: "):
                ask()


def test_the_longest_path_that_a_socket_can_have_will_do_and_a_longer_one_is_named(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    path = tmp_path / ("x" * (PATH_BYTES - len(os.fsencode(tmp_path / "_")) + 1))
    with ControlSocket(path, "porch", mailbox):
        assert raw(path, b"dance\n")["ok"] is False
    path = path.with_name(f"{path.name}x")
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        ControlSocket(path, "porch", mailbox).__enter__()
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        ControlClient(path).ask("status")


def test_watchers_that_leave_make_room_while_nothing_is_told(
    control: ControlSocket, path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LEFT_S", 0.01)
    with ExitStack() as stack:
        for _ in range(CLIENTS_LIMIT):
            watcher = stack.enter_context(socket.socket(socket.AF_UNIX))
            watcher.settimeout(LIMIT_S)
            watcher.connect(str(path))
            watcher.sendall(b"watch\n")
            assert b'"ok":true' in watcher.recv(4096)

    def answered() -> bool:
        with suppress(CommandError):
            return bool(ControlClient(path).ask("status")[0]["ok"])
        return False

    wait_until(answered)
    wait_until(lambda: not control._watchers)


def test_a_watcher_that_says_no_more_is_still_told(control: ControlSocket, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LIMIT_S)
        client.connect(str(path))
        client.sendall(b"watch\n")
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as stream:
            assert json.loads(stream.readline())["ok"] is True
            control.write(OutputState("lamp", 1.0, 0.0))
            assert json.loads(stream.readline())["output"] == "lamp"


def test_a_request_that_comes_by_the_byte_is_given_up(
    control: ControlSocket, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ANSWER_TIMEOUT_S", 0.3)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.settimeout(0.05)
        answer = b""
        for _ in range(200):
            # Who has answered and left can be read from still.
            with suppress(BrokenPipeError):
                client.sendall(b"x")
            with suppress(TimeoutError):
                answer = client.recv(4096)
                break
    assert json.loads(answer)["error"] == "no request came within 0.3 s"


def test_a_watcher_that_pauses_for_long_loses_the_oldest_and_stays(
    control: ControlSocket, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ANSWER_TIMEOUT_S", 0.05)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LIMIT_S)
        client.connect(str(path))
        client.sendall(b"watch\n")
        with client.makefile("rb") as stream:
            assert json.loads(stream.readline())["ok"] is True
            # More than the socket takes: it is sent only as far as it is read.
            control.write(OutputState("x" * 1_000_000, 1.0, 0.0))
            client.recv(1, socket.MSG_PEEK)
            time.sleep(0.2)
            for number in range(1000):
                control.write(OutputState(f"lamp {number}", 1.0, 0.0))
            first, *others = [json.loads(stream.readline()) for _ in range(WATCH_BACKLOG + 1)]
    assert len(first["output"]) == 1_000_000
    assert [other["output"] for other in others] == [
        f"lamp {number}" for number in range(1000 - WATCH_BACKLOG, 1000)
    ]


def test_the_end_of_the_daemon_is_told_to_who_watches(path: Path, mailbox: Mailbox) -> None:
    with ControlSocket(path, "porch", mailbox) as control:
        messages = ControlClient(path).watch()
        told = threading.Event()

        def tell() -> None:
            while not told.wait(0.01):
                control.write(OutputState("lamp", 1.0, 0.0))

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        assert next(messages)["output"] == "lamp"
        told.set()
        teller.join()
    with pytest.raises(DaemonError, match="the daemon has stopped"):
        list(messages)
