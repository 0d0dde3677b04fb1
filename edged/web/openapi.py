"""The model APIs as an OpenAPI document, and a page to try them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from edged import __version__
from edged.web import kserve, tfserving
from edged.web import max as exchange
from edged.web.predict import BATCH, Predictor
from edged.web.resource import JSON, Refusal, Resource, json_response, refusal
from edged.web.tensors import VERSION

if TYPE_CHECKING:
    from edged.inference.tflite import TfliteClassifier

Schema = dict[str, Any]

FOLDER = Path(__file__).parent / "static"
TYPES = (
    Refusal,
    exchange.MaxRefusal,
    exchange.Predicted,
    exchange.Labels,
    exchange.Metadata,
    kserve.Inferred,
)
"""Answers that are structs."""

FILE = {"type": "string", "contentMediaType": "application/octet-stream", "format": "picture"}
BASE64 = {"type": "string", "contentEncoding": "base64", "format": "base64-picture"}
ENCODED: Schema = {
    "type": "object",
    "properties": {"b64": BASE64},
    "required": ["b64"],
    "additionalProperties": False,
}


def routes(predictor: Predictor) -> list[Route]:
    """``/openapi.json``, and ``/docs`` with its files."""

    async def told(request: Request) -> Response:
        del request
        return json_response(await predictor.run(document))

    def file(name: str) -> Resource:
        async def answer(request: Request) -> Response:
            del request
            return FileResponse(FOLDER / name)

        return Resource(refusal, GET=answer)

    return [
        Route("/openapi.json", Resource(refusal, GET=told)),
        Route("/docs", file("docs.html")),
        Route("/docs/docs.css", file("docs.css")),
        Route("/docs/docs.js", file("docs.js")),
    ]


def document(classifier: TfliteClassifier) -> Schema:
    """The OpenAPI document for the loaded model."""
    _, schemas = msgspec.json.schema_components(TYPES, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edged",
            "version": __version__,
            "description": f"Classifies pictures with {classifier.name}.",
        },
        "paths": {
            **_exchange(),
            **_tfserving(classifier),
            **_kserve(classifier),
            **_monitoring(),
        },
        "components": {"schemas": schemas},
    }


def _exchange() -> Schema:
    form = {
        "type": "object",
        "properties": {
            "image": {**FILE, "description": "the picture"},
            "topk": {
                "type": "integer",
                "minimum": 1,
                "maximum": 999_999_999,
                "default": exchange.TOP,
                "description": "how many classes to return",
            },
            "threshold": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "return only classes with a higher score",
            },
        },
        "required": ["image"],
    }
    told: Schema = {"error": "MaxRefusal", "tag": "MAX"}
    return {
        "/model/predict": {
            "post": _operation(
                "Classify a picture.", _ref("Predicted"), body={"multipart/form-data": form}, **told
            )
        },
        "/model/labels": {"get": _operation("Every class.", _ref("Labels"), **told)},
        "/model/metadata": {"get": _operation("Describe the model.", _ref("Metadata"), **told)},
    }


def _tfserving(classifier: TfliteClassifier) -> Schema:
    # All of one kind, because they form one tensor.
    fraction = {"type": "number", "minimum": 0, "maximum": 1}
    kinds = (ENCODED, _pixels(classifier), _pixels(classifier, fraction))
    many = {"anyOf": [_some(kind) for kind in kinds]}
    named = [n for n, m in tfserving.SIGNATURES.items() if m == tfserving.PREDICT]
    signature = {"enum": [*named, ""]}
    body = {
        "type": "object",
        "properties": {"signature_name": signature, "instances": many, "inputs": many},
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    }
    examples = {
        "type": "object",
        "properties": {
            "signature_name": {"enum": ["classify", ""]},
            "examples": _some(
                {
                    "type": "object",
                    "properties": {tfserving.FEATURE: ENCODED},
                    "required": [tfserving.FEATURE],
                    "additionalProperties": False,
                }
            ),
        },
        "required": ["examples"],
    }
    scores = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    rows = {"type": "object", "properties": {"predictions": scores, "outputs": scores}}
    told: Schema = {"tag": "TensorFlow Serving"}
    name = _enum(classifier.name)
    paths: Schema = {}
    for path, more in (("", {}), ("/versions/{version}", {"version": _enum(VERSION)})):
        at = f"/v1/models/{{name}}{path}"
        there = {"name": name, **more}
        anything = {"type": "object"}
        paths[at] = {"get": _operation("The state of the model.", anything, there, **told)}
        paths[f"{at}/metadata"] = {"get": _operation("Its signatures.", anything, there, **told)}
        paths[f"{at}:predict"] = {
            "post": _operation("Scores of pictures.", rows, there, {JSON: body}, **told)
        }
        paths[f"{at}:classify"] = {
            "post": _operation("Classes of pictures.", anything, there, {JSON: examples}, **told)
        }
    return paths


def _kserve(classifier: TfliteClassifier) -> Schema:
    height, width = classifier.input_px
    pixels = {
        "type": "object",
        "properties": {
            "name": {"const": kserve.INPUT},
            "datatype": {"const": "UINT8"},
            "shape": {"const": [1, height, width, 3]},
            "data": _many(_pixels(classifier), 1),
        },
        "required": ["name", "datatype", "shape", "data"],
    }
    files = {
        "type": "object",
        "properties": {
            "name": {"const": kserve.INPUT},
            "datatype": {"const": "BYTES"},
            "shape": {"const": [1]},
            "data": _many(BASE64, 1),
        },
        "required": ["name", "datatype", "shape", "data"],
    }
    output = {
        "type": "object",
        "properties": {
            "name": {"const": kserve.OUTPUT},
            "parameters": {
                "type": "object",
                "properties": {
                    "classification": {
                        "type": "integer",
                        "minimum": 0,
                        "maximum": kserve.MOST_CLASSES,
                    }
                },
            },
        },
        "required": ["name"],
    }
    body = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "inputs": _many({"anyOf": [pixels, files]}, 1),
            "outputs": {"type": "array", "items": output, "maxItems": 1},
        },
        "required": ["inputs"],
    }
    told: Schema = {"tag": "Open Inference Protocol V2"}
    anything = {"type": "object"}
    paths: Schema = {
        "/v2": {"get": _operation("The server.", anything, **told)},
        "/v2/health/live": {"get": _operation("Whether the server runs.", anything, **told)},
        "/v2/health/ready": {"get": _operation("Whether the model is loaded.", anything, **told)},
    }
    name = _enum(classifier.name)
    for path, more in (("", {}), ("/versions/{version}", {"version": _enum(VERSION)})):
        at = f"/v2/models/{{name}}{path}"
        there = {"name": name, **more}
        paths[at] = {"get": _operation("Inputs and outputs.", anything, there, **told)}
        paths[f"{at}/ready"] = {"get": _operation("Whether it is loaded.", anything, there, **told)}
        paths[f"{at}/config"] = {
            "get": _operation("Its configuration in Triton's format.", anything, there, **told)
        }
        paths[f"{at}/infer"] = {
            "post": _operation(
                "Scores or classes of pictures.", _ref("Inferred"), there, {JSON: body}, **told
            )
        }
    return paths


def _monitoring() -> Schema:
    told: Schema = {"tag": "Monitoring", "kind": "text/plain", "error": ""}
    text = {"type": "string"}
    return {
        "/metrics": {"get": _operation("Metrics for Prometheus.", text, **told)},
        "/healthz": {"get": _operation("Whether the daemon answers.", text, **told)},
        "/readyz": {"get": _operation("Whether it decides on frames.", text, **told)},
    }


def _operation(
    summary: str,
    answer: Schema,
    parameters: Mapping[str, Schema] | None = None,
    body: Mapping[str, Schema] | None = None,
    *,
    tag: str,
    error: str = "Refusal",
    kind: str = JSON,
) -> Schema:
    refused = {JSON: {"schema": _ref(error)}} if error else {kind: {"schema": {"type": "string"}}}
    operation: Schema = {
        "summary": summary,
        "tags": [tag],
        "responses": {
            "200": {"description": "done", "content": {kind: {"schema": answer}}},
            "default": {"description": "refused", "content": refused},
        },
    }
    if parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": schema}
            for name, schema in parameters.items()
        ]
    if body:
        content = {kind: {"schema": schema} for kind, schema in body.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _enum(value: str) -> Schema:
    return {"type": "string", "enum": [value]}


def _many(kind: Schema, count: int) -> Schema:
    return {"type": "array", "items": kind, "minItems": count, "maxItems": count}


def _some(kind: Schema) -> Schema:
    return {"type": "array", "items": kind, "minItems": 1, "maxItems": BATCH}


BYTE: Schema = {"type": "integer", "minimum": 0, "maximum": 255}


def _pixels(classifier: TfliteClassifier, number: Schema = BYTE) -> Schema:
    height, width = classifier.input_px
    return _many(_many(_many(number, 3), width), height)
