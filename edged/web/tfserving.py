"""The REST API of TensorFlow Serving, for a single model.

Paths, bodies and errors as in tensorflow_serving/model_servers/http_rest_api_handler.cc and
tensorflow_serving/util/json_tensor.cc. A picture is a file in base64 or a nested list of pixels,
whatever the signature; metadata names the signature of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from edged.core import Prediction
from edged.web.predict import Predictor, classify_encoded, classify_pixels
from edged.web.resource import Bodies, RequestError, Resource, json_response, refusal
from edged.web.tensors import VERSION, Encoded, batch_of, check_count, picture_type

if TYPE_CHECKING:
    from edged.inference.tflite import TfliteClassifier

INPUT = "image"
FEATURE = "image/encoded"
"""The name of a picture's file in examples, as in TensorFlow's image datasets."""

PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
SIGNATURES = {"serving_default": PREDICT, "pixels": PREDICT, "classify": CLASSIFY}

_GET = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(/metadata)?", re.I)
_POST = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)", re.I
)


class Classification(Struct, frozen=True):
    """A request for the classes of examples; ``context`` contains their common features."""

    examples: list[dict[str, Any]]
    signature_name: str = ""
    context: dict[str, Any] = {}


def routes(predictor: Predictor, bodies: Bodies) -> list[Route]:
    """All below ``/v1/models/``; this protocol defines the paths."""

    async def tell(request: Request) -> Response:
        name, version, label, metadata_asked = _asked(_GET, request)
        return await predictor.run(
            lambda classifier: _told(classifier, name, version, label, bool(metadata_asked))
        )

    async def infer(request: Request) -> Response:
        name, version, label, verb = _asked(_POST, request)
        answer = VERBS[verb.lower()]
        async with bodies.read(request) as body:

            def work(classifier: TfliteClassifier) -> Response:
                _check(classifier, name, version, label)
                try:
                    return answer(classifier, body)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise RequestError(400, f"JSON Parse error: {error}") from error

            return await predictor.run(work)

    told, inferred = Resource(refusal, GET=tell), Resource(refusal, POST=infer)
    return [Route("/v1/models/{rest:anything}", _Either(told, inferred))]


class _Either:
    """An ASGI application: `inferred` if the path ends in a verb, else `told`."""

    def __init__(self, told: Resource, inferred: Resource) -> None:
        self._told, self._inferred = told, inferred

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        verb = b":" in scope["raw_path"].rpartition(b"/")[2]
        await (self._inferred if verb else self._told)(scope, receive, send)


def _asked(pattern: re.Pattern[str], request: Request) -> tuple[str, str, str, str]:
    # As sent: a decoded name may contain a separator.
    path = request.scope["raw_path"].decode("ascii", "replace")
    found = pattern.fullmatch(path)
    if found is None:
        raise RequestError(400, f"Malformed request: {request.method} {path[:200]}")
    name, version, label, last = found.groups(default="")
    return unquote(name), version, unquote(label), last


def _check(classifier: TfliteClassifier, name: str, version: str, label: str) -> None:
    if label:
        raise RequestError(400, f"Unrecognized servable version label: {label}")
    if name != classifier.name or version not in ("", VERSION):
        raise RequestError(
            404,
            f"Servable not found for request: {version or 'Latest'}({name}); "
            f"there is version {VERSION} of {classifier.name}",
        )


def _told(
    classifier: TfliteClassifier, name: str, version: str, label: str, metadata_asked: bool
) -> Response:
    _check(classifier, name, version, label)
    return json_response(metadata(classifier) if metadata_asked else STATUS)


STATUS = {
    "model_version_status": [
        {
            "version": VERSION,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
}


def metadata(classifier: TfliteClassifier) -> dict[str, Any]:
    """The signatures, in protobuf's JSON form of a SignatureDefMap."""
    height, width = classifier.input_px
    classes = len(classifier.labels)
    files = _tensor(INPUT, "DT_STRING", -1)
    scores = {"scores": _tensor("scores", "DT_FLOAT", -1, classes)}
    inputs = {
        "serving_default": {INPUT: files},
        "pixels": {INPUT: _tensor(INPUT, "DT_UINT8", -1, height, width, 3)},
        "classify": {"inputs": files},
    }
    named = {
        "classes": _tensor("classes", "DT_STRING", -1, classes),
        **scores,
    }
    signatures = {
        name: {
            "inputs": inputs[name],
            "outputs": named if method == CLASSIFY else scores,
            "method_name": method,
            "defaults": {},
        }
        for name, method in SIGNATURES.items()
    }
    return {
        "model_spec": {"name": classifier.name, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _tensor(name: str, dtype: str, *sizes: int) -> dict[str, Any]:
    dim = [{"size": str(size), "name": ""} for size in sizes]
    shape = {"dim": dim, "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": f"{name}:0"}


def _predict(classifier: TfliteClassifier, body: bytes) -> Response:
    asked = _decoder(*classifier.input_px).decode(body)
    _check_signature(asked.signature_name, PREDICT)
    if (asked.instances is UNSET) == (asked.inputs is UNSET):
        raise RequestError(400, "Missing 'inputs' or 'instances' key, or both are given: give one")
    if asked.instances is not UNSET:
        given = [_alone(one) for one in asked.instances]
        return _written("predictions", _classified(classifier, given))
    columns = asked.inputs if isinstance(asked.inputs, list) else asked.inputs.image
    return _written("outputs", _classified(classifier, columns))


def _alone(instance: Any) -> Any:
    """A row's picture, which may be the value of its name."""
    if isinstance(instance, list):
        return instance
    if (instance.b64 is UNSET) == (instance.image is UNSET):
        raise RequestError(400, f'an instance is {{"b64": ".."}}, pixels, or {{"{INPUT}": either}}')
    return instance.image if instance.b64 is UNSET else Encoded(instance.b64)


def _classify(classifier: TfliteClassifier, body: bytes) -> Response:
    asked = msgspec.json.decode(body, type=Classification)
    _check_signature(asked.signature_name, CLASSIFY)
    files = [_feature({**asked.context, **example}) for example in asked.examples]
    told = [
        [[best.label, best.score] for best in prediction.top(len(classifier.labels))]
        for prediction in _classified(classifier, files)
    ]
    return json_response({"results": told})


def _regress(classifier: TfliteClassifier, body: bytes) -> Response:
    del body
    raise RequestError(400, f"{classifier.name} has no signature for regress; use predict")


VERBS: dict[str, Callable[[TfliteClassifier, bytes], Response]] = {
    "predict": _predict,
    "classify": _classify,
    "regress": _regress,
}


def _check_signature(name: str, method: str) -> None:
    # Without a name, it is that of the method.
    if name and SIGNATURES.get(name) != method:
        fit = ", ".join(known for known, of in SIGNATURES.items() if of == method)
        raise RequestError(
            400, f'Serving signature name: "{name}" not found in signature def; give {fit}'
        )


def _feature(example: dict[str, Any]) -> Encoded:
    if set(example) != {FEATURE}:
        raise RequestError(400, f'an example has the one feature "{FEATURE}": {{"b64": "..."}}')
    value = example[FEATURE]
    # A feature is a list of values, or a single value.
    alone = value[0] if isinstance(value, list) and len(value) == 1 else value
    return msgspec.convert(alone, Encoded)


def _classified(classifier: TfliteClassifier, given: list[Any]) -> list[Prediction]:
    check_count(len(given))
    if all(isinstance(one, Encoded) for one in given):
        return [
            classify_encoded(classifier, one.data, f"picture {number}")
            for number, one in enumerate(given)
        ]
    if any(isinstance(one, Encoded) for one in given):
        raise RequestError(400, 'give all pictures as pixels, or all as {"b64": "..."}')
    return [classify_pixels(classifier, pixels) for pixels in batch_of(given)]


def _written(key: str, predictions: list[Prediction]) -> Response:
    return json_response({key: [prediction.scores.tolist() for prediction in predictions]})


@lru_cache(maxsize=2)
def _decoder(height_px: int, width_px: int) -> msgspec.json.Decoder[Any]:
    """Reads the body of ``:predict`` for a model of this size, and refuses any other picture."""
    pixels: Any = picture_type(height_px, width_px, int | float)
    picture: Any = Encoded | pixels
    row: Any = msgspec.defstruct(
        "Instance",
        [("b64", str | UnsetType, UNSET), (INPUT, picture | UnsetType, UNSET)],
        forbid_unknown_fields=True,
    )
    columns: Any = msgspec.defstruct("Inputs", [(INPUT, list[picture])], forbid_unknown_fields=True)
    asked = msgspec.defstruct(
        "Prediction",
        [
            ("signature_name", str, ""),
            ("instances", list[pixels | row] | UnsetType, UNSET),
            ("inputs", list[picture] | columns | UnsetType, UNSET),
        ],
    )
    return msgspec.json.Decoder(asked)
