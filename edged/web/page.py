"""The web page, and the routes that it uses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from edged import __version__
from edged.config.schema import Config
from edged.errors import EdgedError
from edged.ports.control.client import RefusedError
from edged.syntax import offered, unknown
from edged.web.daemon import Daemon
from edged.web.live import Live
from edged.web.resource import Bodies, RequestError, Resource, json_response, refusal

FOLDER = Path(__file__).parent

COMMANDS = (
    "pause",
    "resume",
    "wake",
    "set-output",
    "reload",
    "save",
    "undo",
    "teach",
    "taught",
    "forget",
    "undo-teaching",
    "taught-pictures",
    "review-decide",
    "review-teach",
)
"""The daemon's commands that the page may send."""

OF_PICTURES = frozenset({"taught-pictures", "review-decide", "review-teach"})
"""Those for which pictures must be served."""

ASKED_S = 1.0
"""One answer of the daemon serves all requests within this time."""

STILL_S = 10.0
"""The longest wait for a picture."""

HEARTBEAT_S = 10.0
"""A closed connection is noticed only when something is sent."""

BOUNDARY = "edged-picture"


def environment() -> jinja2.Environment:
    """The environment of the pages' templates."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def routes(config: Config, daemon: Daemon, live: Live) -> list[BaseRoute]:
    """The routes for browsers."""
    page = Page(config, daemon, live)
    return [
        Route("/", Resource(refusal, GET=page.whole)),
        Route("/status.json", Resource(refusal, GET=page.status)),
        Route("/command", Resource(refusal, POST=page.command)),
        Route("/live/state", Resource(refusal, GET=page.state)),
        Route("/live/picture.mjpeg", Resource(refusal, GET=page.pictures)),
        Route("/live/picture.jpg", Resource(refusal, GET=page.still)),
        Route("/live/events/{event}.jpg", Resource(refusal, GET=page.thumbnail)),
        Route("/manifest.webmanifest", Resource(refusal, GET=page.manifest)),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]


class Page:
    """The endpoints of the page."""

    def __init__(self, config: Config, daemon: Daemon, live: Live) -> None:
        self._config = config
        self._daemon = daemon
        self._live = live
        self._bodies = Bodies()
        self._told: tuple[float, dict[str, Any]] = (0.0, {})
        self._asking = asyncio.Lock()
        template = environment().get_template("page.html.jinja")
        self._whole = template.render(
            device=config.device,
            version=__version__,
            pictures=config.web.pictures,
            search=bool(config.web.search_folder and config.web.pictures),
            review=config.review.enabled and config.web.pictures,
        )

    async def whole(self, request: Request) -> Response:
        """The page itself; its contents come from the other paths."""
        del request
        return HTMLResponse(self._whole)

    async def status(self, request: Request) -> Response:
        """Everything that does not change with every frame, and the last minute."""
        del request
        return json_response(
            {
                **await self._setup_and_metrics(),
                "past": self._live.history.past(),
                "pictures": self._config.web.pictures,
            }
        )

    async def _setup_and_metrics(self) -> dict[str, Any]:
        # Twenty pages cause one request to the daemon.
        async with self._asking:
            at_s, told = self._told
            if time.monotonic() - at_s < ASKED_S:
                return told
            try:
                told = {
                    "setup": (await self._daemon.ask("setup"))["data"],
                    "metrics": (await self._daemon.ask("metrics"))["data"],
                    "trouble": None,
                }
            except EdgedError as error:
                told = {"setup": None, "metrics": None, "trouble": str(error)}
            self._told = time.monotonic(), told
            return told

    async def command(self, request: Request) -> Response:
        """Carry out one of `COMMANDS`, in the control socket's form."""
        async with self._bodies.read(request) as body:
            try:
                fields = msgspec.json.decode(body, type=dict[str, Any])
                command = fields.pop("command")
            except (ValueError, KeyError, RecursionError) as error:
                raise RequestError(400, 'expected JSON such as {"command": "pause"}') from error
        if command not in COMMANDS:
            hidden = () if self._config.web.pictures else OF_PICTURES
            commands = offered(name for name in COMMANDS if name not in hidden)
            raise RequestError(400, unknown(command, commands))
        if command in OF_PICTURES:
            self._may_see()
        if command == "review-decide":
            where = request.client.host if request.client else "another process"
            fields["by"] = f"the page, from {where}"
        try:
            reply = await self._daemon.ask(command, **fields)
        except RefusedError as error:
            raise RequestError(409, str(error)) from error
        except RecursionError as error:
            raise RequestError(400, "expected JSON that is less deeply nested") from error
        self._told = (0.0, {})
        return json_response(reply["data"])

    async def state(self, request: Request) -> Response:
        """The live state, as server-sent events; the newest wins."""
        del request
        return StreamingResponse(
            self._states(), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _states(self) -> AsyncIterator[bytes]:
        newest = self._live.state
        with newest.waiting():
            number = 0
            while not newest.closed:
                state = await newest.after(number, HEARTBEAT_S)
                number = newest.number
                yield b": nothing new\n\n" if state is None else b"data: " + state + b"\n\n"

    async def pictures(self, request: Request) -> Response:
        """The live picture as an endless multipart response."""
        del request
        self._may_see()
        return StreamingResponse(
            self._parts(),
            media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
            headers={"cache-control": "no-store"},
        )

    async def _parts(self) -> AsyncIterator[bytes]:
        yield f"--{BOUNDARY}\r\n".encode()
        async for jpeg in self._live.pictures():
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            # The boundary after it: otherwise some browsers show it only when the next one arrives.
            yield head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()

    async def still(self, request: Request) -> Response:
        """The next picture."""
        del request
        self._may_see()
        jpeg = await self._live.still(STILL_S)
        if jpeg is None:
            reason = self._live.trouble or "the daemon is paused or idle, or its camera fails"
            raise RequestError(503, f"no picture came within {STILL_S:g} s: {reason}")
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "no-store"})

    async def thumbnail(self, request: Request) -> Response:
        """The picture of the frame that caused an event."""
        self._may_see()
        jpeg = self._live.history.thumbnail(request.path_params["event"])
        if jpeg is None:
            raise RequestError(404, "no picture of this event is stored")
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "max-age=3600"})

    async def manifest(self, request: Request) -> Response:
        """The web app manifest."""
        del request
        text = environment().get_template("manifest.json.jinja").render(device=self._config.device)
        return Response(text, media_type="application/manifest+json")

    def _may_see(self) -> None:
        if not self._config.web.pictures:
            raise RequestError(
                403, "this port serves no pictures; see web.pictures in the configuration"
            )
