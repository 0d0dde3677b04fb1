"""The page that searches a folder."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image
from starlette.testclient import TestClient

from edged.config.schema import Config, ControlConfig, WebConfig
from edged.web import search as search_module
from edged.web.app import all_routes, app
from edged.web.daemon import Daemon
from edged.web.live import Live
from tests.mosquitto import wait_until

PICTURES = Path(__file__).parents[1] / "pictures"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setattr(search_module, "WAIT_S", 60.0)
    monkeypatch.setattr(search_module, "LOOK_AGAIN_S", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(PICTURES / "cat.jpg", folder / "<b>tom.jpg")
    shutil.copy(PICTURES / "rocket.jpg", folder / "rocket.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def config(folder: Path, tmp_path: Path) -> Config:
    web = WebConfig(search_folder=str(folder))
    return Config(device="porch", control=ControlConfig(socket=str(tmp_path / "s")), web=web)


def visiting(config: Config) -> TestClient:
    """The application without what follows a daemon, which none of these pages needs."""
    daemon = Daemon(config)
    routes = all_routes(config, daemon, Live(daemon.client, pictures=config.web.pictures))
    return TestClient(app(config, routes), base_url="http://localhost:8080")


@pytest.fixture
def client(config: Config) -> Iterator[TestClient]:
    with visiting(config) as client:
        yield client


def shown(text: str) -> list[str]:
    return re.findall(r'src="(/search/[^"]+)"', text)


def test_words_find_pictures_which_are_shown(client: TestClient) -> None:
    answer = client.get("/search", params={"words": "CAT"})
    assert answer.status_code == 200
    [source] = shown(answer.text)
    assert "&lt;b&gt;tom.jpg" in answer.text
    picture = client.get(source)
    assert picture.headers["content-type"] == "image/jpeg"
    assert 0 < Image.open(io.BytesIO(picture.content)).width <= search_module.SIDE_PX


def test_without_words_nothing_is_looked_for(client: TestClient) -> None:
    answer = client.get("/search")
    assert shown(answer.text) == []
    assert "Found" not in answer.text


def test_words_in_quotes_belong_together_and_each_other_is_one_more(client: TestClient) -> None:
    assert len(shown(client.get("/search", params={"words": "cat ship"}).text)) == 2
    told = client.get("/search", params={"words": '"cat ship"'}).text
    assert shown(told) == []
    assert "no label of the model has the word" in told


def test_half_a_quote_is_no_error(client: TestClient) -> None:
    answer = client.get("/search", params={"words": '"cat'})
    assert answer.status_code == 200


def test_pictures_like_one_that_is_shown(client: TestClient) -> None:
    found = client.get("/search", params={"words": "cat"}).text
    [like] = re.findall(r'href="(/search\?like=[^"]+)"', found)
    answer = client.get(like)
    assert "Similar to this picture" in answer.text
    assert "rocket.jpg" in answer.text
    assert "tom.jpg" not in answer.text


def test_only_what_was_shown_can_be_asked_for(client: TestClient, folder: Path) -> None:
    for name in ("0" * 24, "..%2frocket", "rocket"):
        assert client.get(f"/search/{name}.jpg").status_code == 404
    assert client.get("/search", params={"like": "0" * 24}).status_code == 404


def test_a_picture_that_is_gone_by_then_is_an_answer(client: TestClient, folder: Path) -> None:
    [source] = shown(client.get("/search", params={"words": "cat"}).text)
    (folder / "<b>tom.jpg").unlink()
    assert client.get(source).status_code == 404
    assert shown(client.get("/search", params={"words": "cat"}).text) == []


def test_a_new_picture_is_found(client: TestClient, folder: Path) -> None:
    client.get("/search", params={"words": "cat"})
    shutil.copy(PICTURES / "cat.jpg", folder / "new.jpg")
    assert len(shown(client.get("/search", params={"words": "cat"}).text)) == 2


def test_while_pictures_are_looked_at_the_page_says_so_and_comes_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "WAIT_S", 0.0)
    with visiting(config) as client:

        def seen() -> bool:
            text = client.get("/search", params={"words": "cat"}).text
            return bool(shown(text))

        wait_until(seen)


def test_a_model_that_cannot_be_used_is_told(config: Config, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"no model")
    config = replace(config, model=replace(config.model, path=str(tmp_path / "m.tflite")))
    with visiting(config) as client:
        assert "not a TensorFlow Lite model" in client.get("/search?words=cat").text


@pytest.mark.parametrize("web", [WebConfig(), WebConfig(search_folder="/", pictures=False)])
def test_without_a_folder_or_where_pictures_stay_there_is_no_search(
    web: WebConfig, config: Config
) -> None:
    with visiting(replace(config, web=web)) as client:
        assert client.get("/search").status_code == 404


def test_the_live_page_links_to_it(client: TestClient) -> None:
    assert 'href="/search"' in client.get("/").text
