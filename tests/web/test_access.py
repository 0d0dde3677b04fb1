"""Who may ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from edged.config.schema import WebConfig
from edged.errors import ConfigError
from edged.web.access import COOKIE, FAILURES, REQUESTS, SESSION_S, Access
from edged.web.credentials import read_token

TOKEN = "correct-horse-battery-staple"
ELSEWHERE = ("192.0.2.7", 50000)
PAGE = "https://elsewhere.example"

Visit = Callable[..., TestClient]


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def done() -> list[str]:
    """What reached the application."""
    return []


@pytest.fixture
def visit(clock: Clock, done: list[str], tmp_path: Path) -> Visit:
    """A client of an application behind the checks."""

    async def answer(request: Request) -> Response:
        done.append(f"{request.method} {request.url.path}")
        return PlainTextResponse("fine")

    paths = ("/", "/command", "/model/predict", "/healthz", "/static/page.css", "/metrics")

    def make(
        web: WebConfig | None = None,
        token: bool = False,
        client: tuple[str, int] = ("127.0.0.1", 1),
        base: str = "http://localhost:8080",
    ) -> TestClient:
        if token:
            (tmp_path / "token").write_text(TOKEN + "\n")
            web = WebConfig(token_file=str(tmp_path / "token"))
        routes = [Route(path, answer, methods=["GET", "POST"]) for path in paths]
        app = Access(Starlette(routes=routes), web or WebConfig(), clock, clock)
        return TestClient(app, base_url=base, client=client, follow_redirects=False)

    return make


def line(answer: httpx.Response) -> str:
    error: str = answer.json()["error"]
    return error


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "192.168.1.20", "porch.lan"],
)
def test_this_machine_is_asked_by_its_names_and_any_address(visit: Visit, host: str) -> None:
    client = visit(WebConfig(hosts=["porch.lan"]))
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "",
        "127.0.0.1.evil.example",
        "[::1].evil.example",
        "localhost:80@evil.example",
        "[::1",
        "localhost:x",
    ],
)
def test_a_name_that_was_pointed_here_is_refused(visit: Visit, done: list[str], host: str) -> None:
    answer = visit().get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "web.hosts" in line(answer)
    assert not done


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": PAGE},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"origin": "https://localhost:8080"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost:8080"},
    ],
)
def test_a_page_of_another_origin_can_change_nothing(
    visit: Visit, done: list[str], headers: dict[str, str]
) -> None:
    answer = visit().post("/command", headers=headers)
    assert answer.status_code == 403
    assert "origin" in line(answer)
    assert not done


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8080"},
        {"sec-fetch-site": "same-origin", "origin": "http://localhost:8080"},
        {"sec-fetch-site": "none", "origin": "null"},
    ],
)
def test_the_own_page_and_who_is_no_browser_may(visit: Visit, headers: dict[str, str]) -> None:
    assert visit().post("/command", headers=headers).status_code == 200


def test_a_page_that_is_trusted_may_use_the_model_apis_and_nothing_else(
    visit: Visit, done: list[str]
) -> None:
    client = visit(WebConfig(cors=[PAGE]))
    predicted = client.post("/model/predict", headers={"origin": PAGE})
    assert predicted.status_code == 200
    assert predicted.headers["access-control-allow-origin"] == PAGE
    assert "Origin" in predicted.headers["vary"]
    commanded = client.post("/command", headers={"origin": PAGE})
    assert commanded.status_code == 403
    assert "access-control-allow-origin" not in commanded.headers
    assert done == ["POST /model/predict"]


def test_a_browser_that_asks_before_is_told_what_a_trusted_page_may(visit: Visit) -> None:
    asked = {"origin": PAGE, "access-control-request-method": "POST"}
    trusted = visit(WebConfig(cors=[PAGE])).options("/model/predict", headers=asked)
    assert (trusted.status_code, trusted.headers["access-control-allow-origin"]) == (204, PAGE)
    other = visit().options("/model/predict", headers=asked)
    assert "access-control-allow-origin" not in other.headers


def test_a_refusal_tells_a_trusted_page_why(visit: Visit) -> None:
    client = visit(WebConfig(cors=[PAGE]))
    missing = client.get("/model/nothing", headers={"origin": PAGE})
    assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, PAGE)


def test_every_answer_says_what_the_page_may_load(visit: Visit) -> None:
    for path in ("/", "/nothing"):
        policy = visit().get(path).headers
        assert "script-src 'self'" in policy["content-security-policy"]
        assert "unsafe" not in policy["content-security-policy"]
        assert policy["x-content-type-options"] == "nosniff"
        assert policy["cross-origin-resource-policy"] == "same-origin"
    over_tls = visit(base="https://localhost").get("/").headers
    assert "strict-transport-security" in over_tls


def test_without_the_token_nothing_is_told(visit: Visit, done: list[str]) -> None:
    client = visit(token=True)
    for path in ("/", "/metrics"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "Bearer TOKEN" in line(answer)
    assert client.post("/model/predict").status_code == 401
    assert not done


@pytest.mark.parametrize("path", ["/healthz", "/static/page.css"])
def test_what_tells_of_nothing_needs_no_token(visit: Visit, path: str) -> None:
    assert visit(token=True).get(path).status_code == 200


def test_a_path_that_only_looks_open_needs_the_token(visit: Visit) -> None:
    for path in ("/static/../command", "/healthz/../command", "//static/", "/loginx"):
        assert visit(token=True).get(path).status_code in (401, 404)
    assert visit(token=True).post("/static/%2e%2e/command").status_code in (401, 404, 405)


def test_a_program_shows_the_token(visit: Visit) -> None:
    client = visit(token=True)
    for value in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        assert client.get("/", headers={"authorization": value}).status_code == 200
    for value in ("Bearer wrong", f"Basic {TOKEN}", "Bearer", "Bearer \xff"):
        wrong = client.get("/", headers={"authorization": value.encode("latin-1")})
        assert wrong.status_code == 401


def test_wrong_tokens_are_shown_a_few_times_only(visit: Visit, clock: Clock) -> None:
    client = visit(token=True, client=ELSEWHERE)
    right, wrong = ({"authorization": f"Bearer {word}"} for word in (TOKEN, "wrong"))
    statuses = [client.get("/", headers=wrong).status_code for _ in range(FAILURES + 2)]
    assert statuses == [401] * FAILURES + [429] * 2
    refused = client.get("/", headers=right)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    clock.s += 60
    assert client.get("/", headers=right).status_code == 200


def test_who_shows_the_right_token_is_not_counted(visit: Visit) -> None:
    client = visit(token=True, client=ELSEWHERE)
    for _ in range(FAILURES + 2):
        assert client.get("/", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def logged_in(client: TestClient, token: str = TOKEN, to: str = "/") -> httpx.Response:
    return client.post(f"/login?to={to}", data={"token": token})


def test_a_browser_logs_in_once(visit: Visit, clock: Clock) -> None:
    client = visit(token=True)
    asked = client.get("/", headers={"accept": "text/html"})
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?to=/")
    assert 'name="token"' in client.get("/login").text
    answer = logged_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/").status_code == 200
    clock.s += SESSION_S + 1
    assert client.get("/").status_code == 401


def test_over_tls_the_cookie_is_for_tls_only(visit: Visit) -> None:
    secure = logged_in(visit(token=True, base="https://localhost"))
    assert "Secure" in secure.headers["set-cookie"]


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_after_the_login_one_stays_here(visit: Visit, to: str) -> None:
    assert logged_in(visit(token=True), to=to).headers["location"] == "/"


def test_a_wrong_token_is_told_in_the_form_and_counted(visit: Visit) -> None:
    client = visit(token=True)
    statuses = [logged_in(client, "wrong").status_code for _ in range(FAILURES + 1)]
    assert statuses == [403] * FAILURES + [429]
    assert logged_in(client).status_code == 429


@pytest.mark.parametrize("cookie", ["", "1.", "99999999999.00", "x", "²." + "0" * 64, "1" * 5000])
def test_a_made_up_session_is_none(visit: Visit, cookie: str) -> None:
    client = visit(token=True)
    answer = client.get("/", headers={"cookie": f"{COOKIE}={cookie}".encode()})
    assert answer.status_code == 401


def test_a_login_form_too_long_is_a_wrong_token(visit: Visit) -> None:
    assert logged_in(visit(token=True), "x" * 100_000).status_code == 403


def test_another_machine_that_asks_all_the_time_is_told_to_wait(visit: Visit, clock: Clock) -> None:
    client = visit(client=ELSEWHERE)
    statuses = [client.get("/healthz").status_code for _ in range(REQUESTS + 1)]
    assert statuses == [200] * REQUESTS + [429]
    clock.s += 1
    assert client.get("/healthz").status_code == 200


def test_this_machine_may_ask_all_the_time(visit: Visit) -> None:
    client = visit()
    assert {client.get("/healthz").status_code for _ in range(REQUESTS + 1)} == {200}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"short", "at least 16 ASCII characters"),
        (b"", "at least 16 ASCII characters"),
        (b"a word and another one", "at least 16 ASCII characters"),
        (b"\xff" * 20, "UTF-8"),
        ("é".encode() * 20, "ASCII"),
    ],
)
def test_a_token_that_can_be_guessed_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        read_token(str(path))


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"web.token_file: .* does not exist"):
        read_token(str(tmp_path / "nothing"))
