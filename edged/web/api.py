"""The model APIs: the same classifier with established protocols."""

from __future__ import annotations

from starlette.routing import BaseRoute

from edged.config.schema import Config
from edged.web.kserve import routes as kserve_routes
from edged.web.max import routes as max_routes
from edged.web.openapi import routes as openapi_routes
from edged.web.predict import Predictor, loader
from edged.web.resource import Bodies
from edged.web.tfserving import routes as tfserving_routes

PROTOCOLS = (max_routes, tfserving_routes, kserve_routes)


def routes(config: Config) -> list[BaseRoute]:
    """The routes of every protocol, for one classifier that is loaded at the first request."""
    predictor, bodies = Predictor(loader(config)), Bodies()
    protocols = [route for protocol in PROTOCOLS for route in protocol(predictor, bodies)]
    return [*protocols, *openapi_routes(predictor)]
