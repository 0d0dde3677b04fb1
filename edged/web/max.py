"""The API of IBM's Model Asset eXchange: one picture in a form, the best classes as the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edged.core import Prediction
from edged.models.naming import model_name
from edged.printable import printable
from edged.web.form import fields
from edged.web.predict import Predictor, classify_encoded
from edged.web.resource import Bodies, RequestError, Resource, is_number, json_response

if TYPE_CHECKING:
    from edged.inference.tflite import TfliteClassifier

TOP = 5


class Labelled(Struct, frozen=True):
    """One class of a picture."""

    label_id: str
    label: str
    probability: float


class Predicted(Struct, frozen=True):
    """The answer to a picture, best class first."""

    status: str
    predictions: list[Labelled]


class Label(Struct, frozen=True):
    """A class that the model knows."""

    id: str
    name: str


class Labels(Struct, frozen=True):
    """All of them, in the order of the scores."""

    count: int
    labels: list[Label]


class Metadata(Struct, frozen=True):
    """A description of the model."""

    id: str
    name: str
    description: str
    type: str
    source: str
    license: str


class MaxRefusal(Struct, frozen=True, omit_defaults=True):
    """Why a request is refused; ``errors`` is by parameter."""

    message: str
    errors: dict[str, str] = {}


class ParameterError(RequestError):
    """A parameter is absent or wrong."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(400, reason)
        self.refusal = MaxRefusal("Input payload validation failed", {name: reason})


class Wanted(Struct, frozen=True):
    """The request: the picture, and which classes to return."""

    image: bytes
    topk: int
    threshold: float

    @classmethod
    def of(cls, form: Mapping[str, bytes], query: Mapping[str, str]) -> Wanted:
        """From a form and the parameters of the address; the form has priority. ParameterError."""
        image = form.get("image")
        if image is None:
            raise ParameterError(
                "image", "the picture. Missing required parameter in an uploaded file"
            )

        def given(name: str) -> str | None:
            return form[name].decode("utf-8", "replace") if name in form else query.get(name)

        return cls(image, _topk(given("topk")), _threshold(given("threshold")))

    def answer(self, classifier: TfliteClassifier) -> Predicted:
        """The model's answer. PictureError, ModelError."""
        return self.predicted(classify_encoded(classifier, self.image, "image"))

    def predicted(self, prediction: Prediction) -> Predicted:
        """The requested classes."""
        best = [
            Labelled(str(one.index), one.label, one.score)
            for one in prediction.top(self.topk)
            if one.score > self.threshold
        ]
        return Predicted("ok", best)


def _topk(text: str | None) -> int:
    if text is None:
        return TOP
    if not (is_number(text) and int(text) >= 1):
        raise ParameterError("topk", f"{text[:40]!a}: expected a number of classes, from 1")
    return int(text)


def _threshold(text: str | None) -> float:
    # Below every score: all are kept.
    if text is None:
        return -math.inf
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0.0 <= value <= 1.0 and text.isascii()) or "_" in text:
        raise ParameterError("threshold", f"{text[:40]!a}: expected a score from 0 to 1")
    return value


def max_refusal(status: int, message: str) -> Response:
    """A refusal in MAX's form."""
    return json_response(MaxRefusal(message), status)


def routes(predictor: Predictor, bodies: Bodies) -> list[Route]:
    """``/model/predict``, ``/model/metadata``, ``/model/labels``."""

    async def predict(request: Request) -> Response:
        async with bodies.read(request) as body:
            try:
                form = fields(request.headers.get("content-type", ""), body)
                wanted = Wanted.of(form, request.query_params)
            except ParameterError as error:
                return json_response(error.refusal, error.status)
            return json_response(await predictor.run(wanted.answer))

    def of_model(tell: Callable[[TfliteClassifier], Labels | Metadata]) -> Resource:
        async def answer(request: Request) -> Response:
            del request
            return json_response(await predictor.run(tell))

        return Resource(max_refusal, GET=answer)

    return [
        Route("/model/predict", Resource(max_refusal, POST=predict)),
        Route("/model/labels", of_model(labels)),
        Route("/model/metadata", of_model(metadata)),
    ]


def labels(classifier: TfliteClassifier) -> Labels:
    """Every class."""
    known = [Label(str(index), name) for index, name in enumerate(classifier.labels)]
    return Labels(len(known), known)


def metadata(classifier: TfliteClassifier) -> Metadata:
    """A description of the model, from the catalog if it is there."""
    from edged.models import catalog

    facts = catalog.load().facts(model_name(classifier.path))
    classes = f"an image classifier of {len(classifier.labels)} classes"
    return Metadata(
        id=classifier.name,
        name=classifier.name,
        description=facts.about if facts else classes,
        type="Image Classification",
        source=facts.url if isinstance(facts, catalog.Model) else printable(classifier.path.name),
        license=facts.licence if facts else "unknown",
    )
