"""The web application: every route, inside the access checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from edged.config.schema import Config
from edged.web import api, metrics, page, review, search, share
from edged.web.access import Access
from edged.web.daemon import Daemon
from edged.web.live import Live
from edged.web.resource import refusal


def app(config: Config, routes: Sequence[BaseRoute] | None = None) -> Starlette:
    """What `edged web` serves with `config`; `routes` replace all of them in tests.

    ConfigError if the token cannot be read.
    """
    daemon = Daemon(config)
    live = Live(daemon.client, pictures=config.web.pictures)

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        del app
        live.start()
        yield

    made = Starlette(
        routes=all_routes(config, daemon, live) if routes is None else routes,
        middleware=[Middleware(Access, web=config.web)],
        exception_handlers={HTTPException: _refused},
        lifespan=running if routes is None else None,
    )
    made.state.live = live
    return made


async def _refused(request: Request, error: Exception) -> Response:
    """A refusal in this project's form, for an unknown path or method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    answer = refusal(status, f"{request.method} {request.url.path}: not found")
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


def all_routes(config: Config, daemon: Daemon, live: Live) -> list[BaseRoute]:
    """The routes of each module, in the order in which they are tried."""
    return [
        *page.routes(config, daemon, live),
        *share.routes(),
        *search.routes(config),
        *review.routes(config, daemon),
        *api.routes(config),
        *metrics.routes(daemon),
    ]
