"""The page's paths, before a daemon's control socket and without one."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image
from starlette.testclient import TestClient

from edged.commands import Reply
from edged.config.schema import Config, ControlConfig, WebConfig
from edged.core import Event, OutputState, Result
from edged.mailbox import Mailbox
from edged.messages.replies import AttentionAnswer
from edged.ports.control.server import ControlSocket
from edged.web import live as live_module
from edged.web import page
from edged.web.app import app
from edged.web.live import Live, Newest
from edged.web.share import KEPT
from tests.mosquitto import LIMIT_S, wait_until
from tests.ports.control.test_server import Loop, seen

EVENT_FRAME = 7


def frame(number: int) -> Result:
    """A frame, each of another grey; one of them makes an event."""
    result = seen(number)
    grey = replace(result.frame, pixels=np.full((48, 64, 3), number % 200 + 20, np.uint8))
    events = (
        (Event("cat", True, 0.75, 12.0, 12.5, number, number),) if number == EVENT_FRAME else ()
    )
    captured = replace(grey, captured_s=time.monotonic())
    return replace(result, frame=captured, events=events)


@contextmanager
def daemon(path: Path, reply: Reply, feed: bool = True) -> Iterator[Loop]:
    """Something that answers and sees frames as a daemon does."""
    mailbox = Mailbox()
    loop = Loop(mailbox, reply)
    done = threading.Event()
    with ControlSocket(path, "porch", mailbox) as control:

        def see() -> None:
            number = 0
            while not done.wait(0.02):
                number += 1
                control.write(frame(number))

        feeding = threading.Thread(target=see)
        loop.start()
        if feed:
            control.write(OutputState("lamp", 1.0, 0.0))
            feeding.start()
        yield loop
        done.set()
        if feed:
            feeding.join()
        loop.done.set()
        loop.join()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(device="porch", control=ControlConfig(socket=str(tmp_path / "s")))


def visiting(config: Config) -> TestClient:
    return TestClient(app(config), base_url="http://localhost:8080")


ANSWER = Reply(data=AttentionAnswer(paused=True, idle=False))


@pytest.fixture
def client(config: Config) -> Iterator[TestClient]:
    with daemon(Path(config.control.socket), ANSWER), visiting(config) as talking:
        yield talking


def said(answer: httpx.Response) -> str:
    error: str = answer.json()["error"]
    return error


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    text = client.get("/").text
    assert "<title>porch: edged</title>" in text
    for name in ("src", "href", "action"):
        assert f'{name}="http' not in text
    assert "<script>" not in text
    assert "style=" not in text


def test_each_file_of_the_page_is_there(client: TestClient) -> None:
    names = [path.name for path in (page.FOLDER / "static").iterdir()]
    assert {"page.js", "page.css", "icon.svg"} <= set(names)
    assert {client.get(f"/static/{name}").status_code for name in names} == {200}
    assert client.get("/static/../page.py").status_code == 404


def test_the_manifest_says_what_a_browser_installs(client: TestClient) -> None:
    manifest = client.get("/manifest.webmanifest").json()
    assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
    for icon in manifest["icons"]:
        assert client.get(icon["src"]).status_code == 200


def test_a_command_reaches_the_daemon(client: TestClient) -> None:
    answer = client.post("/command", json={"command": "pause"})
    assert (answer.status_code, answer.json()["paused"]) == (200, True)


def test_a_field_of_any_name_is_the_daemons_to_judge(client: TestClient) -> None:
    for name in ("self", "command_", "fields", "id"):
        assert client.post("/command", json={"command": "pause", name: 1}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"pause",
        b"[]",
        b"3",
        b'{"name": "lamp"}',
        b'{"command": "watch"}',
        b"\xff",
        b'{"command": ["pause"]}',
        b'{"command": "snapshot"}',
        b"[" * 5000,
        b'{"command": "set-output", "name": "lamp", "value": NaN}',
        b'{"command": "pause", "x": "\\ud800"}',
    ],
)
def test_what_is_no_command_is_told_in_one_line(client: TestClient, body: bytes) -> None:
    answer = client.post("/command", content=body)
    assert answer.status_code == 400
    assert "expected" in said(answer) or "is not a command; commands: pause" in said(answer)
    assert "\n" not in said(answer)


@pytest.mark.parametrize("pictures", [True, False])
def test_what_needs_pictures_is_offered_only_where_they_are_served(
    config: Config, pictures: bool
) -> None:
    closed = replace(config, web=WebConfig(pictures=pictures))
    with visiting(closed) as client:
        told = said(client.post("/command", json={"command": "watch"}))
    assert ("review-teach" in told) == pictures


def test_what_the_daemon_refuses_is_told(config: Config) -> None:
    refusal = Reply(error="lamp does not answer")
    with daemon(Path(config.control.socket), refusal, feed=False), visiting(config) as client:
        answer = client.post("/command", json={"command": "set-output", "name": "x", "value": 1})
        wrong = client.post("/command", json={"command": "set-output", "name": "x", "value": 7})
    assert (answer.status_code, said(answer)) == (409, "lamp does not answer")
    assert wrong.status_code == 409
    assert "value" in said(wrong)


def test_without_a_daemon_the_page_says_so(config: Config) -> None:
    with visiting(config) as client:
        assert client.get("/").status_code == 200
        assert "no daemon answers" in client.get("/status.json").json()["trouble"]
        answer = client.post("/command", json={"command": "pause"})
        assert answer.status_code == 503
        assert "no daemon answers" in said(answer)


def test_a_still_is_the_newest_picture(client: TestClient) -> None:
    answer = client.get("/live/picture.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (64, 48)


def test_an_event_keeps_its_picture(client: TestClient) -> None:
    def events() -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = client.get("/status.json").json()["past"]["events"]
        return shown

    wait_until(lambda: any(event["thumbnail"] for event in events()))
    (event,) = events()
    assert event["scores"]
    picture = client.get(f"/live/events/{event['id']}.jpg")
    with Image.open(io.BytesIO(picture.content)) as thumbnail:
        grey = thumbnail.convert("L").getpixel((5, 5))
    assert grey == pytest.approx(EVENT_FRAME + 20, abs=2)
    assert client.get("/live/events/5.jpg").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/v1", "/static/nothing.js", "/static/", f"/live/events/{'9' * 5000}.jpg"],
)
def test_a_path_that_is_not_there_is_refused_in_one_line(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert said(answer)
    assert client.put("/static/page.js").json()["error"]


def test_pictures_leave_only_where_the_configuration_says_so(config: Config) -> None:
    closed = replace(config, web=WebConfig(pictures=False))
    with daemon(Path(config.control.socket), ANSWER), visiting(closed) as client:
        for path in ("picture.jpg", "picture.mjpeg", f"events/{EVENT_FRAME}.jpg"):
            answer = client.get(f"/live/{path}")
            assert answer.status_code == 403
            assert "web.pictures" in said(answer)
        assert "/live/picture.jpg" not in client.get("/").text


def shared(client: TestClient, content: bytes) -> httpx.Response:
    files = {"image": ("x.jpg", content, "image/jpeg")}
    return client.post("/share", files=files, follow_redirects=False)


def test_a_shared_picture_waits_for_its_page_once(client: TestClient) -> None:
    target = client.get("/manifest.webmanifest").json()["share_target"]
    assert (target["action"], target["params"]["files"][0]["name"]) == ("/share", "image")
    answer = shared(client, b"jpeg")
    assert answer.status_code == 303
    name = answer.headers["location"].removeprefix("/#shared=")
    assert client.get(f"/shared/{name}").content == b"jpeg"
    assert client.get(f"/shared/{name}").status_code == 404


def test_few_shared_pictures_wait(client: TestClient) -> None:
    first, *_ = [shared(client, b"%d" % number) for number in range(KEPT + 1)]
    name = first.headers["location"].removeprefix("/#shared=")
    assert client.get(f"/shared/{name}").status_code == 404


def test_what_is_no_shared_picture_is_told(client: TestClient) -> None:
    assert client.post("/share", files={"other": b"x"}).status_code == 400
    assert client.post("/share", content=b"x").status_code == 415


# ---- the streams, without a server: a test client would wait for their end


@pytest.fixture
def live(config: Config) -> Iterator[Live]:
    from edged.web.daemon import Daemon

    with daemon(Path(config.control.socket), ANSWER):
        yield Live(Daemon(config).client, pictures=True)


async def first(stream: AsyncIterator[bytes], count: int) -> list[bytes]:
    got = []
    async for item in stream:
        got.append(item)
        if len(got) == count:
            break
    return got


def test_twenty_viewers_have_each_picture_encoded_once(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    encode = live_module._jpeg
    monkeypatch.setattr(live_module, "_jpeg", lambda *a: encoded.append(1) or encode(*a))

    async def all_of_them() -> list[list[bytes]]:
        return await asyncio.wait_for(
            asyncio.gather(*(first(live.pictures(), 5) for _ in range(20))), LIMIT_S
        )

    shown = asyncio.run(all_of_them())
    assert len(shown) == 20
    assert len(encoded) < 20


def test_who_is_slow_skips_what_has_become_old(live: Live) -> None:
    async def slowly() -> int:
        count = 0
        async for _ in live.pictures():
            count += 1
            if count == 3:
                return live.picture.number
            await asyncio.sleep(0.5)
        return 0

    assert asyncio.run(asyncio.wait_for(slowly(), LIMIT_S)) > 6


def test_when_nobody_looks_nothing_is_written(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LINGER_S", 0.1)
    asyncio.run(asyncio.wait_for(first(live.pictures(), 1), LIMIT_S))
    wait_until(lambda: not live._looking)
    number = live.picture.number
    time.sleep(0.3)
    assert live.picture.number == number


def test_an_old_picture_is_not_shown_as_the_present_one(live: Live) -> None:
    live.picture.put(b"of yesterday")
    (shown,) = asyncio.run(asyncio.wait_for(first(live.pictures(), 1), LIMIT_S))
    assert shown != b"of yesterday"


def test_each_part_of_the_stream_ends_with_its_boundary(config: Config, live: Live) -> None:
    from edged.web.daemon import Daemon

    made = page.Page(config, Daemon(config), live)

    async def parts() -> list[bytes]:
        return await asyncio.wait_for(first(made._parts(), 3), LIMIT_S)

    opening, *pictures = asyncio.run(parts())
    assert opening == b"--edged-picture\r\n"
    for part in pictures:
        head, _, rest = part.partition(b"\r\n\r\n")
        length = int(head.rpartition(b" ")[2])
        with Image.open(io.BytesIO(rest[:length])) as picture:
            assert picture.size == (64, 48)
        assert rest[length:] == b"\r\n--edged-picture\r\n"


def test_states_are_told_as_they_come_and_silence_is_filled(
    config: Config, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edged.web.daemon import Daemon

    monkeypatch.setattr(page, "HEARTBEAT_S", 0.1)
    made = page.Page(config, Daemon(config), live)

    async def states() -> list[bytes]:
        quiet = await first(made._states(), 1)
        live.start()
        wait_until(lambda: "live" in json.loads(live.state.value or b"{}"))
        return quiet + await first(made._states(), 1)

    quiet, told = asyncio.run(asyncio.wait_for(states(), LIMIT_S))
    assert quiet.startswith(b": ")
    state = json.loads(told.removeprefix(b"data: "))
    assert {"live", "rules", "outputs", "event", "trouble"} <= state.keys()


def test_the_newest_wins() -> None:
    async def waits() -> list[str | None]:
        newest: Newest[str] = Newest()
        newest.put("old")
        newest.put("new")
        now = await newest.after(0, 1.0)
        nothing = await newest.after(newest.number, 0.01)
        asyncio.get_running_loop().call_later(0.01, newest.put, "newer")
        return [now, nothing, await newest.after(newest.number, LIMIT_S)]

    assert asyncio.run(waits()) == ["new", None, "newer"]


def test_who_follows_hears_that_the_daemon_is_away_and_there_again(config: Config) -> None:
    from edged.web.daemon import Daemon

    live = Live(Daemon(config).client, pictures=True)
    live.start()
    wait_until(lambda: live.trouble is not None)
    with daemon(Path(config.control.socket), ANSWER):
        wait_until(lambda: live.trouble is None)
        wait_until(lambda: bool(live.history.present()["live"]))
    wait_until(lambda: live.trouble is not None)


def test_a_viewer_who_comes_when_the_pictures_end_has_them_started_again(config: Config) -> None:
    from edged.web.daemon import Daemon

    class Ending(Live):
        shows = 0

        def _show(self) -> None:
            self.shows += 1
            super()._show()

        def _looked_at(self) -> bool:
            if self.shows == 1:
                # Between the decision to end and the end.
                self.viewer = threading.Thread(target=self._look)
                self.viewer.start()
                self.viewer.join(0.2)
            return False

    live = Ending(Daemon(config).client, pictures=True)
    live._look()
    wait_until(lambda: live.shows == 2)
    wait_until(lambda: not live._looking)
