"""A picture that another application shares with the installed page, kept until it is fetched."""

from __future__ import annotations

import secrets
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from edged.web.form import fields
from edged.web.resource import Bodies, RequestError, Resource, refusal

KEPT = 4
"""The most pictures that wait for their page; more replace the oldest."""


def routes() -> list[BaseRoute]:
    """``/share``, which the manifest names, and the path of shared pictures."""
    bodies = Bodies()
    waiting: OrderedDict[str, bytes] = OrderedDict()

    async def share(request: Request) -> Response:
        async with bodies.read(request) as body:
            form = fields(request.headers.get("content-type", ""), body)
            if "image" not in form:
                raise RequestError(400, "nothing was shared; share a picture")
            name = secrets.token_urlsafe(16)
            waiting[name] = form["image"]
            if len(waiting) > KEPT:
                waiting.popitem(last=False)
        return RedirectResponse(f"/#shared={name}", 303)

    async def shared(request: Request) -> Response:
        picture = waiting.pop(request.path_params["name"], None)
        if picture is None:
            raise RequestError(404, "this picture was shown already; share it again")
        # It may be anything: it must never be shown as a page of this origin.
        headers = {"cache-control": "no-store", "content-disposition": "attachment"}
        return Response(picture, media_type="application/octet-stream", headers=headers)

    return [
        Route("/share", Resource(refusal, POST=share)),
        Route("/shared/{name}", Resource(refusal, GET=shared)),
    ]
