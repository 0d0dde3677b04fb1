"""The paths of the review page, before a daemon's control socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.testclient import TestClient

from edged.commands import Reply, ReviewDecide, ReviewPicture, TellSetup
from edged.config import saved
from edged.config.schema import Config, ControlConfig, ReviewConfig, WebConfig
from edged.imaging.picture import jpeg
from edged.mailbox import Mailbox
from edged.messages.review import answer
from edged.messages.setup import setup
from edged.ports.control.server import ControlSocket
from edged.review.folder import Entry
from edged.web.app import app
from tests.review.made import kept, noise

TOLD = answer(Path("kept"), ReviewConfig(enabled=True), [Entry(7, kept(), 1000)], 0)


@contextmanager
def daemon(path: Path, asked: list[Any], refuses: bool = False) -> Iterator[None]:
    """Something that answers as a daemon with one picture."""
    mailbox, done = Mailbox(), threading.Event()

    def reply(command: Any) -> Reply:
        asked.append(command)
        match command:
            case TellSetup():
                return Reply(data=setup(Config(), ["cat", "dog"], saved.look(None)))
            case _ if refuses:
                return Reply(error="no pictures are kept for review")
            case ReviewPicture(number=7):
                return Reply(data=TOLD, jpeg=jpeg(noise(7), 90))
            case ReviewPicture():
                return Reply(error="picture 8 is not kept")
            case _:
                return Reply(data=TOLD)

    def loop() -> None:
        while not done.wait(0.002):
            for request in mailbox.take():
                request.reply(reply(request.command))

    with ControlSocket(path, "porch", mailbox):
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        device="porch",
        control=ControlConfig(socket=str(tmp_path / "s")),
        review=ReviewConfig(enabled=True),
    )


@pytest.fixture
def asked() -> list[Any]:
    return []


def visiting(config: Config) -> TestClient:
    return TestClient(app(config), base_url="http://localhost:8080")


@pytest.fixture
def client(config: Config, asked: list[Any]) -> Iterator[TestClient]:
    with daemon(Path(config.control.socket), asked), visiting(config) as talking:
        yield talking


def test_the_page_has_what_is_kept_and_the_labels(client: TestClient) -> None:
    assert '<script type="module" src="/static/review.js">' in client.get("/review").text
    told = client.get("/review.json").json()
    assert [one["number"] for one in told["pictures"]] == [7]
    assert told["labels"] == ["cat", "dog"]
    assert 'href="/review"' in client.get("/").text


def test_a_picture_is_shown(client: TestClient) -> None:
    shown = client.get("/review/7.jpg")
    assert (shown.content, shown.headers["content-type"]) == (jpeg(noise(7), 90), "image/jpeg")


@pytest.mark.parametrize("name", ["8", "0", "99999999999", "../7", "7.jpg/x", "x", "-1"])
def test_a_picture_that_is_not_kept_is_not_found(client: TestClient, name: str) -> None:
    answer = client.get(f"/review/{name}.jpg")
    assert answer.status_code == 404
    assert "\n" not in answer.json()["error"]


def test_who_decides_is_not_what_a_browser_says(client: TestClient, asked: list[Any]) -> None:
    fields = {"numbers": [7], "verdict": "accept", "by": "root"}
    answer = client.post("/command", json={"command": "review-decide", **fields})
    assert answer.status_code == 200
    (decided,) = [one for one in asked if isinstance(one, ReviewDecide)]
    assert (decided.numbers, decided.verdict) == ([7], "accept")
    assert decided.by == "the page, from testclient"


def test_a_page_of_another_origin_decides_nothing(client: TestClient, asked: list[Any]) -> None:
    answer = client.post(
        "/command",
        json={"command": "review-decide", "numbers": [7], "verdict": "discard"},
        headers={"sec-fetch-site": "cross-site"},
    )
    assert answer.status_code == 403
    assert asked == []


def test_where_pictures_are_off_none_is_reviewed(config: Config, asked: list[Any]) -> None:
    off = replace(config, web=WebConfig(pictures=False))
    with daemon(Path(config.control.socket), asked), visiting(off) as client:
        for path in ("/review", "/review.json", "/review/7.jpg"):
            assert client.get(path).status_code == 404
        for command in (
            {"command": "review-decide", "numbers": [7], "verdict": "accept"},
            {"command": "taught-pictures", "label": "cat"},
            {"command": "review-teach"},
        ):
            assert client.post("/command", json=command).status_code == 403
        assert 'href="/review"' not in client.get("/").text
    assert asked == []


def test_a_daemon_that_keeps_none_says_so(config: Config, asked: list[Any]) -> None:
    with daemon(Path(config.control.socket), asked, refuses=True), visiting(config) as client:
        answer = client.get("/review.json")
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "no pictures are kept for review"},
        )
