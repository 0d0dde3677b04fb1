"""TensorFlow Serving: paths, forms of bodies and errors as its documentation and code have them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.web.conftest import GREEN, RED, RED_PIXELS

AT = "/v1/models/colours"
RED_B64 = {"b64": base64.b64encode(RED).decode()}
GREEN_B64 = {"b64": base64.b64encode(GREEN).decode()}


def asked(client: TestClient, verb: str, body: Any, status: int = 200) -> Any:
    # As its clients do: without a Content-Type.
    answer = client.post(f"{AT}:{verb}", content=json.dumps(body))
    assert answer.status_code == status, answer.text
    if status != 200:
        assert list(answer.json()) == ["error"]
        assert "\n" not in answer.json()["error"]
    return answer.json()


def best(scores: list[list[float]]) -> list[int]:
    return [int(np.argmax(one)) for one in scores]


@pytest.mark.parametrize("path", [AT, f"{AT}/versions/1", "/v1/models/colou%72s"])
def test_the_model_is_available(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def test_metadata_has_a_signature_for_each_form(client: TestClient) -> None:
    told = client.get(f"{AT}/versions/1/metadata").json()
    assert told["model_spec"] == {"name": "colours", "signature_name": "", "version": "1"}
    signatures = told["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["image"]["dtype"] == "DT_STRING"
    pixels = signatures["pixels"]["inputs"]["image"]
    assert pixels["dtype"] == "DT_UINT8"
    assert [one["size"] for one in pixels["tensor_shape"]["dim"]] == ["-1", "4", "4", "3"]
    assert signatures["classify"]["method_name"] == "tensorflow/serving/classify"


@pytest.mark.parametrize(
    "instances",
    [
        [RED_B64, GREEN_B64],
        [{"image": RED_B64}, {"image": GREEN_B64}],
        np.stack([RED_PIXELS[0], RED_PIXELS[0][..., [1, 0, 2]]]).tolist(),
        (np.stack([RED_PIXELS[0], RED_PIXELS[0][..., [1, 0, 2]]]) / 255).tolist(),
        [{"image": RED_PIXELS[0].tolist()}, RED_PIXELS[0][..., [1, 0, 2]].tolist()],
    ],
    ids=["files", "named files", "pixels", "fractions", "named pixels"],
)
def test_rows_are_predicted(client: TestClient, instances: Any) -> None:
    told = asked(client, "predict", {"instances": instances})
    assert list(told) == ["predictions"]
    assert best(told["predictions"]) == [0, 1]


@pytest.mark.parametrize(
    "inputs",
    [
        [RED_B64],
        {"image": [RED_B64]},
        RED_PIXELS.tolist(),
        {"image": RED_PIXELS.tolist()},
    ],
)
def test_columns_are_predicted(client: TestClient, inputs: Any) -> None:
    told = asked(client, "predict", {"inputs": inputs, "signature_name": "pixels"})
    assert list(told) == ["outputs"]
    assert best(told["outputs"]) == [0]


def test_examples_are_classified(client: TestClient) -> None:
    body = {"examples": [{"image/encoded": RED_B64}, {"image/encoded": [GREEN_B64]}]}
    told = asked(client, "classify", body)["results"]
    assert [one[0][0] for one in told] == ["red", "green"]
    assert [label for label, _ in told[0]] == ["red", "green", "blue"]
    in_common = {"context": {"image/encoded": RED_B64}, "examples": [{}]}
    assert asked(client, "classify", in_common)["results"] == [told[0]]


def test_a_compressed_body_is_read(client: TestClient) -> None:
    body = gzip.compress(json.dumps({"instances": [RED_B64]}).encode())
    answer = client.post(f"{AT}:predict", content=body, headers={"content-encoding": "gzip"})
    assert best(answer.json()["predictions"]) == [0]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": []},
        {"instances": [RED_B64], "inputs": [RED_B64]},
        {"instances": [RED_B64] * 17},
        {"instances": [RED_B64, RED_PIXELS[0].tolist()]},
        {"instances": [{"b64": "no base64!"}]},
        {"instances": [{"b64": base64.b64encode(b"no picture").decode()}]},
        {"instances": [{**RED_B64, "more": 1}]},
        {"instances": [{"other": RED_B64}]},
        {"instances": [{}]},
        {"inputs": {"other": [RED_B64]}},
        {"instances": RED_PIXELS[:, :3].tolist()},
        {"instances": [[[[1, 2, 3]] * 4] * 3 + [[[1, 2, 3]] * 3]]},
        {"instances": (RED_PIXELS.astype(int) + 1).tolist()},
        {"instances": (RED_PIXELS.astype(int) - 1).tolist()},
        # Pixels as floats: else a dark picture would be taken for fractions.
        {"instances": RED_PIXELS.astype(float).tolist()},
        {"instances": [RED_B64], "signature_name": "classify"},
        {"instances": [RED_B64], "signature_name": "no such"},
        [],
        "text",
    ],
)
def test_a_wrong_body_is_refused_in_one_line(client: TestClient, body: Any) -> None:
    asked(client, "predict", body, 400)


@pytest.mark.parametrize(
    "body",
    [
        {"examples": []},
        {"examples": [{}]},
        {"examples": [{"image/encoded": "text"}]},
        {"examples": [{"other": RED_B64}]},
        {"examples": [{"image/encoded": RED_B64}], "signature_name": "pixels"},
    ],
)
def test_a_wrong_example_is_refused(client: TestClient, body: Any) -> None:
    asked(client, "classify", body, 400)


def test_json_that_is_none_is_refused(client: TestClient) -> None:
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"instances": NaN}'):
        answer = client.post(f"{AT}:predict", content=body)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_there_is_nothing_to_regress(client: TestClient) -> None:
    assert "regress" in asked(client, "regress", {"examples": [{}]}, 400)["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/other", 404),
        ("GET", f"{AT}/versions/2", 404),
        ("POST", f"{AT}/versions/2:predict", 404),
        ("GET", f"{AT}/labels/stable", 400),
        ("GET", f"{AT}/versions/one", 400),
        ("GET", f"{AT}/more/than/there/is", 400),
        ("POST", f"{AT}:guess", 400),
        ("POST", "/v1/models/:predict", 400),
        ("POST", "/v1/models/a%0Ab:predict", 404),
        ("POST", AT, 405),
        ("GET", f"{AT}:predict", 405),
    ],
)
def test_a_path_that_is_not_there_is_refused(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path, content=b"{}" if method == "POST" else None)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
