from __future__ import annotations

import socket
from pathlib import Path
from urllib.request import Request

import pytest

from edged.models.transfer import TransferError, _SafeRedirects, download
from tests.models.server import Server

CONTENT = b"".join(number.to_bytes(3, "big") for number in range(100_000))
LIMIT_BYTES = 1 << 20


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "part"


def silent(have: int, total: int) -> None:
    pass


def test_a_file_arrives_whole_and_is_told_of_on_the_way(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    told: list[tuple[int, int]] = []
    download(server.url("model"), part, LIMIT_BYTES, lambda *progress: told.append(progress))
    assert part.read_bytes() == CONTENT
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in part.parent.iterdir()] == ["part"]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    server.break_after = 100_000
    download(server.url("model"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == CONTENT
    assert [asked for _, asked in server.seen] == [None, "bytes=100000-", "bytes=200000-"]


def test_a_later_call_goes_on_with_what_an_earlier_one_left(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    left_off(server, part)
    download(server.url("model"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == CONTENT
    assert server.seen[-1] == ("model", "bytes=65536-")


def left_off(server: Server, part: Path) -> None:
    """A first call that ends after the first piece."""

    def pull_the_plug(have: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url("model"), part, LIMIT_BYTES, pull_the_plug)
    assert part.stat().st_size == 65536


def test_two_versions_are_never_joined(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    left_off(server, part)
    server.files["model"] = newer = CONTENT[::-1]
    download(server.url("model"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == newer


def test_the_beginning_of_another_address_is_not_used(server: Server, part: Path) -> None:
    server.files |= {"model": CONTENT, "other": CONTENT[::-1]}
    server.tag = '"1"'
    left_off(server, part)
    download(server.url("other"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == CONTENT[::-1]


def test_without_a_validator_it_begins_again(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    server.validators = False
    left_off(server, part)
    download(server.url("model"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == CONTENT
    assert server.seen[-1] == ("model", None)


def test_a_part_that_is_longer_than_the_file_is_dropped(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    left_off(server, part)
    part.write_bytes(CONTENT + b"more")
    download(server.url("model"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == CONTENT


def test_a_file_of_no_bytes_ends(server: Server, part: Path) -> None:
    server.files["model"] = b""
    download(server.url("model"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == b""


def test_more_bytes_than_allowed_are_not_taken(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    with pytest.raises(TransferError, match="over 1000 bytes"):
        download(server.url("model"), part, 1000, silent)
    assert part.stat().st_size <= 1000


def test_an_absent_file_is_the_servers_word(server: Server, part: Path) -> None:
    with pytest.raises(TransferError, match="404"):
        download(server.url("absent"), part, LIMIT_BYTES, silent)


def test_a_server_that_is_away_cannot_be_reached(part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TransferError, match="cannot be reached") as caught:
        download(f"http://127.0.0.1:{port}/model", part, LIMIT_BYTES, silent)
    assert caught.value.exit_status == 69


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "/etc/passwd"])
def test_only_web_addresses_are_fetched(url: str, part: Path) -> None:
    with pytest.raises(TransferError, match="not a web address"):
        download(url, part, LIMIT_BYTES, silent)


def test_redirects_are_followed(server: Server, part: Path) -> None:
    server.files["model"] = CONTENT
    server.redirects["old"] = server.url("model")
    download(server.url("old"), part, LIMIT_BYTES, silent)
    assert part.read_bytes() == CONTENT


def test_no_redirect_leads_out_of_encryption() -> None:
    request = Request("https://example.org/model")
    follow = _SafeRedirects().redirect_request
    assert follow(request, None, 302, "Found", {}, "https://example.com/model") is not None
    with pytest.raises(TransferError, match="not encrypted"):
        follow(request, None, 302, "Found", {}, "http://example.com/model")


def test_no_redirect_leads_to_a_file(server: Server, part: Path) -> None:
    server.redirects["model"] = "file:///etc/passwd"
    with pytest.raises(TransferError):
        download(server.url("model"), part, LIMIT_BYTES, silent)
