"""Access control: checks around every route, before it sees a request.

The Host header must name this machine, against DNS rebinding. A request with side effects must come
from a page of this origin, or from no page at all (cross-site request forgery). If a token is set,
the request must have it, in ``Authorization`` or as the cookie from the login form. Each response
tells browsers what its page may load.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edged.config.schema import WebConfig
from edged.web.credentials import read_token
from edged.web.resource import refusal

COOKIE = "edged-session"
SESSION_S = 30 * 86400

FORM_BYTES = 4096

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

OPEN = ("/login", "/static/", "/healthz", "/readyz", "/manifest.webmanifest")
"""Served without a token: nothing that reveals the device, its pictures or its model."""

PROBES = ("/healthz", "/readyz")
"""Without a token they report only whether the daemon is healthy, not why not."""

STRANGER = "edged.stranger"
"""True in the scope of such a request."""

CROSS_ORIGIN = ("/model/", "/v1/", "/v2", "/openapi.json")
"""The model APIs, which pages of the origins in ``web.cors`` may use."""

FAILURES = 10
"""The most wrong tokens of an address at once; one more each `FAILURE_S`."""
FAILURE_S = 6.0

REQUESTS = 400
"""The most requests of another machine at once; `REQUESTS_HZ` more each second."""
REQUESTS_HZ = 100.0

ADDRESSES = 1024
"""The most counted addresses; the least recently active is forgotten."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
}


class Bucket:
    """A token bucket: a burst, and a rate per second."""

    def __init__(self, most: float, rate_hz: float) -> None:
        self._most = most
        self._rate_hz = rate_hz
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str, now_s: float) -> bool:
        """Whether `who` may act once more."""
        left = self.left(who, now_s)
        self._left[who] = (max(0.0, left - 1), now_s)
        self._left.move_to_end(who)
        if len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        return left >= 1

    def left(self, who: str, now_s: float) -> float:
        """How often `who` may act at `now_s`."""
        left, at_s = self._left.get(who, (self._most, now_s))
        return min(self._most, left + (now_s - at_s) * self._rate_hz)


class Access:
    """The application inside all checks."""

    def __init__(
        self,
        app: ASGIApp,
        web: WebConfig,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """ConfigError if the token cannot be read, or is short."""
        self._app = app
        self._web = web
        self._clock = clock
        self._wall_clock = wall_clock
        self._token = read_token(web.token_file) if web.token_file else None
        self._names = {"localhost", *own_names(), *(name.lower() for name in web.hosts)}
        self._requests = Bucket(REQUESTS, REQUESTS_HZ)
        self._failures = Bucket(FAILURES, 1 / FAILURE_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        origin = self._trusted_origin(request)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = "max-age=31536000"
                if origin is not None:
                    headers["access-control-allow-origin"] = origin
                    headers["cross-origin-resource-policy"] = "cross-origin"
                if self._web.cors:
                    headers.add_vary_header("Origin")
            await send(message)

        answer = await self._checked(request, origin)
        await (self._app if answer is None else answer)(scope, receive, send_with_headers)

    async def _checked(self, request: Request, origin: str | None) -> Response | None:
        """Why a request is refused; None if it is accepted."""
        who = request.client.host if request.client else ""
        if not _is_loopback(who) and not self._requests.take(who, self._clock()):
            return _later(429, "too many requests from this address")
        if not self._is_own(request.headers.get("host", "")):
            return refusal(
                421, "the Host header is not a name of this machine; add yours to web.hosts"
            )
        if origin is not None and request.method == "OPTIONS":
            return _preflight(request.headers)
        if request.method not in SAFE and origin is None and not self._same_origin(request):
            return refusal(403, "a page of another origin may not do this; see web.cors")
        if self._token is None or _is_open(request.url.path):
            if request.url.path == "/login" and self._token is not None:
                return await self._login(request, who)
            if self._token is not None and request.url.path in PROBES:
                request.scope[STRANGER] = self._authorized(request, who) is not None
            return None
        return self._authorized(request, who)

    def _is_own(self, host: str) -> bool:
        name = _name_of(host).lower().rstrip(".")
        return name in self._names or _is_address(name) or name.endswith(".localhost")

    def _same_origin(self, request: Request) -> bool:
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = request.headers.get("origin")
        # Without both, the client is not a browser, so no page caused the request.
        return origin is None or origin == f"{request.url.scheme}://{request.headers['host']}"

    def _trusted_origin(self, request: Request) -> str | None:
        origin = request.headers.get("origin")
        trusted = origin in self._web.cors and request.url.path.startswith(CROSS_ORIGIN)
        return origin if trusted else None

    def _authorized(self, request: Request, who: str) -> Response | None:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if self._failures.left(who, self._clock()) < 1:
                return _later(429, "too many wrong tokens from this address")
            if self._is_token(shown.strip()):
                return None
            self._failures.take(who, self._clock())
        elif self._is_session(request.cookies.get(COOKIE, "")):
            return None
        elif "text/html" in request.headers.get("accept", "") and request.method == "GET":
            return RedirectResponse(f"/login?to={quote(request.url.path)}", 303)
        answer = refusal(401, "send the token: Authorization: Bearer TOKEN, or log in at /login")
        answer.headers["www-authenticate"] = "Bearer"
        return answer

    async def _login(self, request: Request, who: str) -> Response:
        to = request.query_params.get("to", "/")
        # Only local paths: one that begins with two slashes is another machine.
        to = to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
        if request.method != "POST":
            return _login_form()
        if self._failures.left(who, self._clock()) < 1:
            return _login_form("Too many wrong tokens; wait a minute.", 429)
        form = parse_qs((await _body(request)).decode("utf-8", "replace"))
        if not self._is_token(form.get("token", [""])[0].strip()):
            self._failures.take(who, self._clock())
            return _login_form("Wrong token.", 403)
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            COOKIE,
            self._session(int(self._wall_clock()) + SESSION_S),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _is_token(self, shown: str) -> bool:
        # compare_digest takes constant time, and hashes hide the lengths.
        return hmac.compare_digest(_digest(shown), _digest(self._token or ""))

    def _session(self, until_s: int) -> str:
        key = (self._token or "").encode()
        return f"{until_s}.{hmac.new(key, b'session %d' % until_s, 'sha256').hexdigest()}"

    def _is_session(self, cookie: str) -> bool:
        until = cookie.partition(".")[0]
        if not (until.isascii() and until.isdecimal() and len(until) < 12):
            return False
        right = hmac.compare_digest(cookie.encode(), self._session(int(until)).encode())
        return right and self._wall_clock() < int(until)


def own_names() -> set[str]:
    """The names of this machine in its network."""
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"}


def _is_open(path: str) -> bool:
    return path.startswith(OPEN)


_HOST = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::[0-9]*)?")


def _name_of(host: str) -> str:
    """A Host header without its port; empty if it is not valid."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2] or "") if found else ""


def _is_address(name: str) -> bool:
    # No page can make a browser treat an address as another.
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return _is_address(address) and ipaddress.ip_address(address).is_loopback


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _later(status: int, message: str) -> Response:
    answer = refusal(status, f"{message}; try again in a minute")
    answer.headers["retry-after"] = "60"
    return answer


def _preflight(headers: Mapping[str, str] | Headers) -> Response:
    return Response(
        status_code=204,
        headers={
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": headers.get(
                "access-control-request-headers", "content-type"
            ),
            "access-control-max-age": "600",
        },
    )


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            return b""
    return body


def _login_form(problem: str = "", status: int = 200) -> Response:
    from edged.web.page import environment

    text = environment().get_template("login.html.jinja").render(problem=problem)
    return HTMLResponse(text, status)
