"""The web application: every route, inside the checks of who may ask."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from edged.config.schema import Config
from edged.errors import EdgedError
from edged.web import api, metrics
from edged.web.daemon import Daemon


def app(config: Config, routes: Sequence[BaseRoute] | None = None) -> Starlette:
    """What `edged web` serves with `config`; `routes` stand in for all of them in tests."""
    daemon = Daemon(config)
    return Starlette(routes=all_routes(config, daemon) if routes is None else routes)


def all_routes(config: Config, daemon: Daemon) -> list[BaseRoute]:
    """Each module's own, in the order in which they are tried."""
    return [
        *page(config, daemon),
        *api.routes(config),
        *metrics.routes(daemon),
    ]


def page(config: Config, daemon: Daemon) -> list[BaseRoute]:
    """The page."""

    async def status(request: Request) -> Response:
        del request
        try:
            scene = (await daemon.ask("status"))["data"]["scene"]
        except EdgedError as error:
            scene = str(error)
        return HTMLResponse(f"<!doctype html><title>{config.device}</title><p>{scene}")

    return [Route("/", status)]
