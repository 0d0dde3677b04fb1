"""The page on which people say what the frames show that the model was least sure of."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from edged.config.schema import Config
from edged.ports.control.client import RefusedError
from edged.web.daemon import Daemon
from edged.web.page import environment
from edged.web.resource import RequestError, Resource, json_response, refusal


def routes(config: Config, daemon: Daemon) -> list[BaseRoute]:
    """``/review`` and what it shows, if pictures may be served."""
    if not config.web.pictures:
        return []
    whole = environment().get_template("review.html.jinja").render(device=config.device)

    async def page(request: Request) -> Response:
        del request
        return HTMLResponse(whole)

    async def kept(request: Request) -> Response:
        del request
        try:
            told = (await daemon.ask("review"))["data"]
        except RefusedError as error:
            raise RequestError(409, str(error)) from error
        labels = (await daemon.ask("setup"))["data"]["labels"]
        return json_response({**told, "labels": labels})

    async def picture(request: Request) -> Response:
        try:
            jpeg = await daemon.picture("review-picture", number=request.path_params["number"])
        except RefusedError as error:
            raise RequestError(404, str(error)) from error
        headers = {"cache-control": "private, max-age=3600"}
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    return [
        Route("/review", Resource(refusal, GET=page)),
        Route("/review.json", Resource(refusal, GET=kept)),
        Route("/review/{number:int}.jpg", Resource(refusal, GET=picture)),
    ]
