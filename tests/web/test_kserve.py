"""The Open Inference Protocol, asked by Triton's own client and by hand."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from edged.config.schema import Config
from tests.web.conftest import GREEN, RED, RED_PIXELS
from tests.web.serving import model_options, serving

triton = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")

AT = "/v2/models/colours"
LENGTH = "inference-header-content-length"


@pytest.fixture(scope="module")
def remote(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Triton's client of a process of its own."""
    with serving(tmp_path_factory.mktemp("web"), "web", *model_options(config)) as process:
        client = triton.InferenceServerClient(process.address)
        yield client
        client.close()


def pixels(array: Any = RED_PIXELS, *, binary: bool = True) -> Any:
    given = triton.InferInput("image", list(array.shape), "UINT8")
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def files(*data: bytes, binary: bool = True) -> Any:
    given = triton.InferInput("image", [len(data)], "BYTES")
    texts = data if binary else [base64.b64encode(file) for file in data]
    given.set_data_from_numpy(np.array(texts, object), binary_data=binary)
    return given


def test_tritons_client_finds_server_and_model(remote: Any) -> None:
    assert remote.is_server_live()
    assert remote.is_server_ready()
    assert remote.is_model_ready("colours")
    assert remote.is_model_ready("colours", "1")
    assert not remote.is_model_ready("other")
    assert "binary_tensor_data" in remote.get_server_metadata()["extensions"]
    told = remote.get_model_metadata("colours")
    assert told["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 4, 4, 3]}]
    assert told["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}]
    configured = remote.get_model_config("colours", "1")
    assert configured["input"][0]["format"] == "FORMAT_NHWC"
    assert configured["max_batch_size"] > 1


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("given", [pixels, files])
def test_tritons_client_gets_scores(
    remote: Any, given: Any, binary_in: bool, binary_out: bool
) -> None:
    made = given(binary=binary_in) if given is pixels else files(RED, binary=binary_in)
    wanted = [triton.InferRequestedOutput("scores", binary_data=binary_out)]
    result = remote.infer("colours", [made], outputs=wanted, request_id="7")
    assert result.as_numpy("scores") == pytest.approx(np.array([[0.576, 0.212, 0.212]]), abs=0.01)
    assert result.get_response()["id"] == "7"
    assert result.get_response()["model_version"] == "1"


def test_tritons_client_gets_scores_without_naming_an_output(remote: Any) -> None:
    assert remote.infer("colours", [pixels()]).as_numpy("scores").shape == (1, 3)


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_gets_classes(remote: Any, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("scores", binary_data=binary, class_count=2)]
    told = remote.infer("colours", [files(RED, GREEN)], outputs=wanted).as_numpy("scores")
    texts = [[one.decode() if binary else one for one in row] for row in told]
    assert [[text.split(":")[1:] for text in row] for row in texts] == [
        [["0", "red"], ["1", "green"]],
        [["1", "green"], ["0", "red"]],
    ]
    assert float(texts[0][0].split(":")[0]) == pytest.approx(0.576, abs=0.01)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_tritons_client_may_compress(remote: Any, algorithm: str) -> None:
    result = remote.infer(
        "colours",
        [pixels()],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert result.as_numpy("scores").argmax() == 0


def test_tritons_client_hears_why_a_request_is_refused(remote: Any) -> None:
    other = triton.InferInput("image", [1, 4, 4, 3], "FP32")
    other.set_data_from_numpy(RED_PIXELS.astype(np.float32))
    with pytest.raises(triton.InferenceServerException, match="expects 'UINT8'"):
        remote.infer("colours", [other])
    with pytest.raises(triton.InferenceServerException, match="unknown model"):
        remote.infer("other", [pixels()])


def test_tritons_client_may_send_the_tensor_alone(remote: Any) -> None:
    body = triton.InferenceServerClient.generate_request_body([pixels()])
    assert body[1] is not None
    response = remote._post(
        request_uri="v2/models/colours/infer",
        request_body=RED_PIXELS.tobytes(),
        headers={LENGTH: "0"},
        query_params=None,
    )
    header = int(response.get("inference-header-content-length"))
    result = triton.InferenceServerClient.parse_response_body(response.read(), header_length=header)
    assert result.as_numpy("scores").argmax() == 0


def asked(client: TestClient, body: Any, status: int = 200, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body)
    answer = client.post(f"{AT}/infer", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == ["error"]
        assert "\n" not in answer.json()["error"]
    return answer.json()


def tensor(**changed: Any) -> dict[str, Any]:
    given = {"name": "image", "shape": [1, 4, 4, 3], "datatype": "UINT8"}
    return {**given, "data": RED_PIXELS.ravel().tolist(), **changed}


def test_json_may_be_flat_or_nested(client: TestClient) -> None:
    flat = asked(client, {"inputs": [tensor()]})
    assert asked(client, {"inputs": [tensor(data=RED_PIXELS.tolist())]}) == flat
    assert flat["outputs"][0]["shape"] == [1, 3]


def test_what_kserves_client_sends_is_taken(client: TestClient) -> None:
    body = {"id": "5f0c", "model_name": "colours", "inputs": [tensor(parameters={"content": "np"})]}
    assert asked(client, body)["id"] == "5f0c"


def test_health_says_live_and_ready_to_every_client(client: TestClient) -> None:
    assert client.get("/v2/health/live").json()["live"] is True
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        {},
        {"inputs": []},
        {"inputs": [tensor(), tensor()]},
        {"inputs": [tensor(name="other")]},
        {"inputs": [tensor(datatype="FP32")]},
        {"inputs": [tensor(shape=[])]},
        {"inputs": [tensor(shape=[4, 4, 3])]},
        {"inputs": [tensor(shape=[2, 4, 4, 3])]},
        {"inputs": [tensor(shape=[0, 4, 4, 3])]},
        {"inputs": [tensor(shape=[-1, 4, 4, 3])]},
        {"inputs": [tensor(shape=[1 << 62, 4, 4, 3])]},
        {"inputs": [tensor(shape=[1, 4, 4, 1])]},
        {"inputs": [tensor(data=[256] * 48)]},
        {"inputs": [tensor(data=[-1] * 48)]},
        {"inputs": [tensor(data=[0.5] * 48)]},
        {"inputs": [tensor(data=[0] * 47)]},
        {"inputs": [tensor(data=[*RED_PIXELS.tolist(), 1])]},
        {"inputs": [tensor(data=[1, *RED_PIXELS.tolist()])]},
        {"inputs": [tensor(data=RED_PIXELS[:, :3].tolist())]},
        {"inputs": [tensor(data="text")]},
        {"inputs": [tensor(data=None)]},
        {"inputs": [{"name": "image", "shape": [1, 4, 4, 3], "datatype": "UINT8"}]},
        {"inputs": [tensor(parameters={"binary_data_size": 48})]},
        {"inputs": [tensor(datatype="BYTES", shape=[1], data=["no base64!"])]},
        {"inputs": [tensor(datatype="BYTES", shape=[2], data=[""])]},
        {"inputs": [tensor(datatype="BYTES", shape=[1, 2], data=["", ""])]},
        {"inputs": [tensor()], "outputs": [{"name": "other"}]},
        {"inputs": [tensor()], "outputs": [{"name": "scores"}] * 2},
        {
            "inputs": [tensor()],
            "outputs": [{"name": "scores", "parameters": {"classification": -1}}],
        },
    ],
)
def test_a_wrong_request_is_refused_in_one_line(client: TestClient, body: Any) -> None:
    asked(client, body, 400)


def binary(size: int, data: bytes, **changed: Any) -> tuple[bytes, int]:
    given = tensor(parameters={"binary_data_size": size}, **changed)
    del given["data"]
    head = json.dumps({"inputs": [given]}).encode()
    return head + data, len(head)


@pytest.mark.parametrize(
    ("size", "data", "shape", "datatype"),
    [
        (47, bytes(47), [1, 4, 4, 3], "UINT8"),
        (48, bytes(47), [1, 4, 4, 3], "UINT8"),
        (48, bytes(49), [1, 4, 4, 3], "UINT8"),
        (48, b"", [1, 4, 4, 3], "UINT8"),
        (8, struct.pack("<I", 5) + b"1234", [1], "BYTES"),
        (3, b"\0\0\0", [1], "BYTES"),
        (4, struct.pack("<I", 1 << 31), [1], "BYTES"),
        (8, struct.pack("<II", 0, 0), [1], "BYTES"),
    ],
)
def test_tensors_after_the_json_must_fit(
    client: TestClient, size: int, data: bytes, shape: list[int], datatype: str
) -> None:
    body, length = binary(size, data, shape=shape, datatype=datatype)
    asked(client, body, 400, **{LENGTH: str(length)})


@pytest.mark.parametrize("length", ["-1", "1e3", "many", "99999999", "", "\xb2"])
def test_the_length_of_the_json_must_be_one(client: TestClient, length: str) -> None:
    body, _ = binary(48, bytes(48))
    headers = [(LENGTH.encode(), length.encode("latin-1"))]
    answer = client.post(f"{AT}/infer", content=body, headers=headers)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_bytes_that_nothing_speaks_of_are_refused(client: TestClient) -> None:
    head = json.dumps({"inputs": [tensor()]}).encode()
    asked(client, head + b"more", 400, **{LENGTH: str(len(head))})
    asked(client, b"", 400, **{LENGTH: "0"})
    asked(client, bytes(47), 400, **{LENGTH: "0"})


def test_compression_that_bursts_or_is_none_is_refused(client: TestClient) -> None:
    bomb = gzip.compress(bytes(1 << 28))
    assert len(bomb) < 1 << 20
    asked(client, bomb, 413, **{"content-encoding": "gzip"})
    asked(client, zlib.compress(b"{}")[:-1], 400, **{"content-encoding": "deflate"})
    asked(client, zlib.compress(b"{}") + b"x", 400, **{"content-encoding": "deflate"})
    asked(client, b"{}", 400, **{"content-encoding": "gzip"})
    asked(client, b"{}", 415, **{"content-encoding": "br"})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/other", 404),
        (f"{AT}/versions/2", 404),
        (f"{AT}/nothing", 404),
        ("/v2/nothing", 404),
        (f"{AT}/infer", 405),
    ],
)
def test_a_path_that_is_not_there_is_refused(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_a_model_that_cannot_be_loaded_is_not_ready(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model")
    with serving(tmp_path, "web", f"--set=model.path={broken}") as process:
        client = triton.InferenceServerClient(process.address)
        assert client.is_server_live()
        assert not client.is_server_ready()
        with pytest.raises(triton.InferenceServerException, match=r"broken\.tflite"):
            client.infer("broken", [pixels()])
        client.close()
