"""The Open Inference Protocol V2 over HTTP, as in KServe and Triton.

With the binary extension and the classification extension of Triton
(docs/protocol/extension_binary_data.md and extension_classification.md in triton-inference-server).
The input is pictures: ``UINT8`` [n, height, width, 3], RGB of the model's size for any tensor type,
or ``BYTES`` [n], the files of pictures.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edged import __version__
from edged.core import Prediction
from edged.errors import ModelError
from edged.messages.message import encoded
from edged.web.predict import BATCH, Predictor, classify_encoded, classify_pixels
from edged.web.resource import Bodies, RequestError, Resource, is_number, json_response, refusal
from edged.web.tensors import VERSION, check_count, decoded, picture_type

if TYPE_CHECKING:
    from edged.inference.tflite import TfliteClassifier

INPUT, OUTPUT = "image", "scores"
HEADER = "inference-header-content-length"
MOST_CLASSES = (1 << 31) - 1
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration"]


class Parameters(Struct, frozen=True):
    """Of a request, an input or an output: those with a meaning here."""

    binary_data_size: int | UnsetType = UNSET
    binary_data: bool | UnsetType = UNSET
    binary_data_output: bool = False
    classification: Annotated[int, Meta(ge=0, le=MOST_CLASSES)] = 0


class Input(Struct, frozen=True):
    """An input tensor; its ``data`` are here, or empty and follow the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = Parameters()
    data: msgspec.Raw = msgspec.Raw(b"")


class Wanted(Struct, frozen=True):
    """A requested tensor."""

    name: str
    parameters: Parameters = Parameters()


class Inference(Struct, frozen=True):
    """A request."""

    inputs: list[Input]
    outputs: list[Wanted] = []
    id: str = ""
    parameters: Parameters = Parameters()


class Output(Struct, frozen=True, omit_defaults=True):
    """A tensor of the answer; its data are here, or follow the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, int] | UnsetType = UNSET
    data: Sequence[float | str] | UnsetType = UNSET


class Inferred(Struct, frozen=True, omit_defaults=True):
    """An answer."""

    model_name: str
    model_version: str
    outputs: list[Output]
    id: str = ""


_inference = msgspec.json.Decoder(Inference)
RAW = Inference([], parameters=Parameters(binary_data_output=True))
"""The request of a body without JSON: its tensor is that of the only input."""


def routes(predictor: Predictor, bodies: Bodies) -> list[Route]:
    """All of ``/v2``."""

    async def server(request: Request) -> Response:
        del request
        return json_response({"name": "edged", "version": __version__, "extensions": EXTENSIONS})

    async def live(request: Request) -> Response:
        del request
        return json_response({"live": True})

    async def ready(request: Request) -> Response:
        try:
            await predictor.run(partial(_check_asked, request))
        except ModelError as error:
            return json_response({"live": True, "ready": False, "error": str(error)}, 503)
        return json_response({"live": True, "ready": True})

    def of_model(
        tell: Callable[[TfliteClassifier], object],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            def work(classifier: TfliteClassifier) -> Response:
                _check_asked(request, classifier)
                return json_response(tell(classifier))

            return await predictor.run(work)

        return answer

    async def infer(request: Request) -> Response:
        length = request.headers.get(HEADER)
        async with bodies.read(request) as body:

            def work(classifier: TfliteClassifier) -> Response:
                _check_asked(request, classifier)
                return _infer(classifier, body, length)

            return await predictor.run(work)

    at_model = {
        "": Resource(refusal, GET=of_model(metadata)),
        "/ready": Resource(refusal, GET=ready),
        "/config": Resource(refusal, GET=of_model(config)),
        "/infer": Resource(refusal, POST=infer),
    }
    return [
        Route("/v2", Resource(refusal, GET=server)),
        Route("/v2/health/live", Resource(refusal, GET=live)),
        Route("/v2/health/ready", Resource(refusal, GET=ready)),
        *(
            Route(f"/v2/models/{{name}}{version}{path}", resource)
            for version in ("", "/versions/{version}")
            for path, resource in at_model.items()
        ),
        Route("/v2/{rest:anything}", Resource(refusal)),
    ]


def _check_asked(request: Request, classifier: TfliteClassifier) -> None:
    """RequestError if the path names a model other than `classifier`."""
    name = request.path_params.get("name", classifier.name)
    version = request.path_params.get("version", VERSION)
    if name != classifier.name or version != VERSION:
        raise RequestError(
            404,
            f"Request for unknown model: '{name}' version {version} is not found; "
            f"there is '{classifier.name}' version {VERSION}",
        )


def metadata(classifier: TfliteClassifier) -> dict[str, Any]:
    """The model's inputs and outputs."""
    height, width = classifier.input_px
    classes = len(classifier.labels)
    return {
        "name": classifier.name,
        "versions": [VERSION],
        "platform": "tensorflow_lite",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, height, width, 3]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, classes]}],
    }


def config(classifier: TfliteClassifier) -> dict[str, Any]:
    """The same as Triton's configuration of a model; shapes are without the batch."""
    height, width = classifier.input_px
    classes = len(classifier.labels)
    return {
        "name": classifier.name,
        "platform": "tensorflow_lite",
        "max_batch_size": BATCH,
        "input": [
            {
                "name": INPUT,
                "data_type": "TYPE_UINT8",
                "format": "FORMAT_NHWC",
                "dims": [height, width, 3],
            }
        ],
        "output": [{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [classes]}],
    }


def _infer(classifier: TfliteClassifier, body: bytes, length: str | None) -> Response:
    asked, rest = _split(body, length)
    try:
        wanted = _wanted(asked)
        predictions = _predictions(classifier, asked.inputs, rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, f"failed to parse the request JSON buffer: {error}") from error
    output, binary = _output(classifier, wanted, predictions)
    answer = Inferred(classifier.name, VERSION, [output], asked.id)
    if binary is None:
        return json_response(answer)
    head = encoded(answer)
    headers = {HEADER: str(len(head))}
    return Response(head + binary, headers=headers, media_type="application/octet-stream")


def _split(body: bytes, length: str | None) -> tuple[Inference, memoryview]:
    """The request, and the tensors that follow it."""
    if length is None:
        count = len(body)
    elif not (is_number(length) and int(length) <= len(body)):
        raise RequestError(
            400,
            f"{HEADER} is {length[:40]!a}: expected the number of bytes of JSON before the tensors",
        )
    elif (count := int(length)) == 0:
        return RAW, memoryview(body)
    try:
        asked = _inference.decode(memoryview(body)[:count])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, f"failed to parse the request JSON buffer: {error}") from error
    return asked, memoryview(body)[count:]


def _wanted(asked: Inference) -> Parameters:
    """The requested form of the output."""
    if unknown := [output.name for output in asked.outputs if output.name != OUTPUT]:
        raise RequestError(400, f"unexpected inference output '{unknown[0]}': there is '{OUTPUT}'")
    if len(asked.outputs) > 1:
        raise RequestError(400, f"output '{OUTPUT}' is requested more than once")
    own = asked.outputs[0].parameters if asked.outputs else Parameters()
    if own.binary_data is UNSET:
        own = replace(own, binary_data=asked.parameters.binary_data_output)
    return own


def _predictions(
    classifier: TfliteClassifier, inputs: list[Input], rest: memoryview
) -> list[Prediction]:
    import numpy as np

    shape = (*classifier.input_px, 3)
    picture_bytes = math.prod(shape)
    if inputs is RAW.inputs:
        of_rest = Parameters(binary_data_size=len(rest))
        given = Input(INPUT, [len(rest) // picture_bytes, *shape], "UINT8", of_rest)
    elif [one.name for one in inputs] != [INPUT]:
        names = ", ".join(one.name for one in inputs)
        raise RequestError(400, f"expected the one input '{INPUT}', got: {names[:200]}")
    else:
        given = inputs[0]
    data = _data_bytes(given, rest)
    count = given.shape[0] if given.shape else 0
    if given.datatype == "UINT8":
        if given.shape[1:] != list(shape):
            raise RequestError(
                400,
                f"unexpected shape for input '{INPUT}': {given.shape}, expected [-1, "
                f"{', '.join(map(str, shape))}]",
            )
        check_count(count)
        numbers = _numbers(given, shape) if data is None else data
        if len(numbers) != count * picture_bytes:
            raise _wrong_size(len(numbers), count * picture_bytes, "numbers of a byte")
        batch = np.frombuffer(numbers, np.uint8).reshape(count, *shape)
        return [classify_pixels(classifier, pixels) for pixels in batch]
    if given.datatype == "BYTES":
        if given.shape not in ([count], [count, 1]):
            raise RequestError(400, f"unexpected shape for input '{INPUT}' of BYTES, expected [-1]")
        check_count(count)
        files = _texts(given) if data is None else _strings(data)
        if len(files) != count:
            raise _wrong_size(len(files), count, "pictures")
        return [
            classify_encoded(classifier, file, f"picture {number}")
            for number, file in enumerate(files)
        ]
    raise RequestError(
        400,
        f"inference input '{INPUT}' data-type is '{given.datatype[:20]}', but model "
        f"'{classifier.name}' expects 'UINT8', or 'BYTES' for the files of pictures",
    )


def _wrong_size(found: int, expected: int, unit: str) -> RequestError:
    return RequestError(
        400, f"input '{INPUT}' got unexpected size {found}, expected {expected} {unit}"
    )


def _data_bytes(given: Input, rest: memoryview) -> memoryview | None:
    """The bytes after the JSON for the only input; None if its data are within the JSON."""
    told = given.parameters.binary_data_size
    if told is UNSET and given.data:
        if rest:
            raise RequestError(400, f"{len(rest)} bytes follow the JSON that no input has")
        return None
    if given.data:
        raise RequestError(400, f"input '{INPUT}' has data and binary_data_size: give one")
    if told is UNSET:
        raise RequestError(400, f"input '{INPUT}' has neither data nor binary_data_size")
    if told != len(rest):
        raise _wrong_size(len(rest), told, "bytes after the JSON")
    return rest


def _numbers(given: Input, shape: tuple[int, int, int]) -> bytes:
    """Pixels from JSON: flat, or nested like the shape."""
    height_px, width_px, _ = shape
    numbers = _numbers_decoder(height_px, width_px).decode(given.data)
    try:
        if numbers and isinstance(numbers[0], list):
            return b"".join(bytes(pixel) for picture in numbers for row in picture for pixel in row)
        return bytes(numbers)
    except TypeError:
        raise RequestError(400, f"input '{INPUT}': data are flat or nested, not both") from None


@lru_cache(maxsize=2)
def _numbers_decoder(height_px: int, width_px: int) -> msgspec.json.Decoder[Any]:
    byte = Annotated[int, Meta(ge=0, le=255)]
    kind: Any = byte | picture_type(height_px, width_px, byte)
    return msgspec.json.Decoder(list[kind])


def _texts(given: Input) -> list[bytes]:
    """Files from JSON, which has no bytes: in base64."""
    return [decoded(text, INPUT) for text in msgspec.json.decode(given.data, type=list[str])]


def _strings(data: memoryview) -> list[bytes]:
    """Files from bytes: each after its length."""
    files = []
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data) or at + 4 > len(data):
            raise RequestError(400, f"input '{INPUT}' ends within a picture")
        files.append(bytes(data[at + 4 : end]))
        at = end
    return files


def _output(
    classifier: TfliteClassifier, wanted: Parameters, predictions: list[Prediction]
) -> tuple[Output, bytes | None]:
    """The output for the answer, and its bytes if they follow the JSON."""
    count = min(wanted.classification, len(classifier.labels))
    if count:
        shape, datatype = [len(predictions), count], "BYTES"
        texts = [
            f"{best.score:f}:{best.index}:{best.label}"
            for prediction in predictions
            for best in prediction.top(count)
        ]
        if not wanted.binary_data:
            return Output(OUTPUT, shape, datatype, data=texts), None
        strings = [text.encode() for text in texts]
        binary = b"".join(struct.pack("<I", len(string)) + string for string in strings)
    else:
        shape, datatype = [len(predictions), len(classifier.labels)], "FP32"
        if not wanted.binary_data:
            values = [score for prediction in predictions for score in prediction.scores.tolist()]
            return Output(OUTPUT, shape, datatype, data=values), None
        binary = b"".join(prediction.scores.astype("<f4").tobytes() for prediction in predictions)
    return Output(OUTPUT, shape, datatype, {"binary_data_size": len(binary)}), binary
