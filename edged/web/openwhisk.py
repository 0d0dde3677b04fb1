"""An OpenWhisk action: ``POST /init`` and ``POST /run``, which classifies one picture.

It follows the official runtimes, in particular core/actionProxy/actionproxy.py of
apache/openwhisk-runtime-docker. A call gets ``{"image": base64}`` and answers ``{"results":
[{"className", "probability"}]}``; a web action gets the picture as a form or as the body, and
answers like MAX.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct, field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edged.core import Prediction
from edged.errors import EdgedError, ModelError, PictureError
from edged.health import memory_mb
from edged.printable import printable
from edged.web.form import fields
from edged.web.max import MaxRefusal, ParameterError, Wanted
from edged.web.predict import Predictor, classify_encoded
from edged.web.resource import JSON, Bodies, RequestError, Resource, json_response, refusal
from edged.web.tensors import decoded

if TYPE_CHECKING:
    from edged.inference.tflite import TfliteClassifier

END = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
"""Ends the log of an activation, on standard output and on standard error."""

TOP = 3

INITIALISED = "Cannot initialize the action more than once."
NOT_INITIALISED = "The action is run before it is initialized."
NO_ARGUMENT = "The action did not receive a dictionary or array as an argument."
OTHER_CODE = "This action classifies pictures and runs no other code: create it without any."


class Class(Struct, frozen=True, rename="camel"):
    """A class of the picture."""

    class_name: str
    probability: float


class Results(Struct, frozen=True):
    """The action's answer, best class first."""

    results: list[Class]


class RawRequest(Struct, frozen=True):
    """The HTTP request of a raw web action."""

    body: str = field(name="__ow_body")
    query: str = field(name="__ow_query", default="")
    headers: dict[str, str] = field(name="__ow_headers", default_factory=dict)


class WebResult(Struct, frozen=True, rename="camel"):
    """A web action's answer, which the platform converts to HTTP."""

    status_code: int
    body: object
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


def app(load: Callable[[], TfliteClassifier]) -> Starlette:
    """The action; `load` loads its model, in `/init`."""
    action = Action(load)
    return Starlette(
        routes=[
            Route("/init", Resource(refusal, POST=action.init)),
            Route("/run", Resource(refusal, POST=action.run)),
        ]
    )


class Action:
    """The action of one container: initialised once, then run for each call."""

    def __init__(self, load: Callable[[], TfliteClassifier]) -> None:
        self._load = load
        self._predictor = Predictor(self._load_aloud, workers=1)
        self._bodies = Bodies()
        self._ready = False
        # Only the order shows which log belongs to which activation.
        self._one_at_a_time = asyncio.Lock()

    async def init(self, request: Request) -> Response:
        """Apply the environment and load the model."""
        async with self._one_at_a_time:
            if self._ready:
                print(INITIALISED, file=sys.stderr, flush=True)
                return refusal(403, INITIALISED)
            try:
                await self._init(await self._message(request))
            except ModelError as error:
                return _ended(_failed(502, error))
            except RequestError as error:
                return _ended(_failed(error.status, error))
            self._ready = True
            return json_response({"ok": True})

    async def run(self, request: Request) -> Response:
        """Run one activation. Its log ends when the answer is ready."""
        async with self._one_at_a_time:
            try:
                if not self._ready:
                    raise RequestError(403, NOT_INITIALISED)
                message = await self._message(request)
                arguments = message.pop("value", {})
                if not isinstance(arguments, dict | list):
                    raise RequestError(404, NO_ARGUMENT)
                _take_over({f"__OW_{key.upper()}": value for key, value in message.items()})
            except RequestError as error:
                return _ended(_failed(error.status, error))
            call = _web if "__ow_method" in arguments else _plain
            try:
                answer = await self._predictor.run(lambda classifier: call(classifier, arguments))
            except EdgedError as error:
                # For the platform the action has answered, with its own error.
                return _ended(_failed(200, error))
            return _ended(json_response(answer))

    async def _message(self, request: Request) -> dict[str, Any]:
        """The JSON object of a request; empty if it is not one. RequestError."""
        async with self._bodies.read(request) as body:
            message = _decoded(body)
        if not isinstance(message, dict):
            raise RequestError(404, NO_ARGUMENT)
        return message

    async def _init(self, message: dict[str, Any]) -> None:
        value = message.get("value", {})
        environment = value.get("env") or {} if isinstance(value, dict) else None
        if not isinstance(environment, dict):
            raise RequestError(404, NO_ARGUMENT)
        if value.get("code"):
            raise RequestError(502, OTHER_CODE)
        _take_over(environment)
        await self._predictor.run(lambda classifier: classifier.name)

    def _load_aloud(self) -> TfliteClassifier:
        began_s = time.perf_counter()
        classifier = self._load()
        _log("loadModel", time.perf_counter() - began_s)
        return classifier


def _decoded(body: bytes) -> object:
    """The decoded JSON; an empty object for anything else, as in the runtimes."""
    try:
        return msgspec.json.decode(body) or {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _take_over(environment: Mapping[str, object]) -> None:
    for name, value in environment.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        try:
            os.environ[name] = text
        except ValueError as error:
            print(f"{printable(name)}: left out of the environment: {error}", file=sys.stderr)


def _failed(status: int, error: EdgedError) -> Response:
    print(error, file=sys.stderr)
    return refusal(status, str(error))


def _plain(classifier: TfliteClassifier, arguments: Any) -> Results:
    """A call with the picture in ``image``. RequestError, PictureError."""
    image = arguments.get("image") if isinstance(arguments, dict) else None
    if not isinstance(image, str):
        raise RequestError(400, "image: give the file of a picture in base64")
    prediction = _classified(classifier, decoded(image, "image"))
    return Results([Class(one.label, one.score) for one in prediction.top(TOP)])


def _web(classifier: TfliteClassifier, arguments: Any) -> WebResult:
    """A call over HTTP: raw with a body, or with parameters."""
    try:
        wanted = _wanted(arguments)
        return WebResult(200, wanted.predicted(_classified(classifier, wanted.image)))
    except ParameterError as error:
        return WebResult(error.status, error.refusal)
    except RequestError as error:
        return WebResult(error.status, MaxRefusal(str(error)))
    except PictureError as error:
        return WebResult(400, MaxRefusal(str(error)))


def _wanted(arguments: dict[str, Any]) -> Wanted:
    if arguments.get("__ow_body") is None:
        # Not raw: query, JSON and forms without files have become parameters.
        return _from_parameters(arguments, {})
    try:
        request = msgspec.convert(arguments, RawRequest)
    except msgspec.ValidationError as error:
        raise RequestError(400, f"not a raw request: {error}") from error
    query = dict(parse_qsl(request.query))
    headers = {name.lower(): value for name, value in request.headers.items()}
    kind = headers.get("content-type", "")
    data = decoded(request.body, "__ow_body")
    if kind.lower().startswith("multipart/form-data"):
        return Wanted.of(fields(kind, data), query)
    if kind.lower().startswith(JSON):
        return _from_parameters(_decoded(data), query)
    return Wanted.of({"image": data} if data else {}, query)


def _from_parameters(parameters: object, query: Mapping[str, str]) -> Wanted:
    if not isinstance(parameters, dict):
        raise RequestError(400, NO_ARGUMENT)
    image = parameters.get("image")
    form = {"image": decoded(image, "image")} if isinstance(image, str) else {}
    options = {name: str(parameters[name]) for name in OPTIONS if name in parameters}
    return Wanted.of(form, {**query, **options})


OPTIONS = ("topk", "threshold")


def _classified(classifier: TfliteClassifier, image: bytes) -> Prediction:
    """As `classify_encoded`, with the stages in the log like the published action."""
    began_s = time.perf_counter()
    prediction = classify_encoded(classifier, image, "image")
    took_s = time.perf_counter() - began_s
    _log("decodeImage", took_s - sum(prediction.stages_s.values()))
    for stage, duration_s in prediction.stages_s.items():
        _log(stage, duration_s)
    _log("main", took_s)
    return prediction


def _log(stage: str, duration_s: float) -> None:
    print(f"{stage}: {duration_s * 1e3:.3f}ms\nmemory used: rss={memory_mb():.1f} MB")


def _ended(response: Response) -> Response:
    """`response`, after completing the log of the activation."""
    for stream in (sys.stdout, sys.stderr):
        print(END, file=stream, flush=True)
    return response
