"""The action as the platform calls it: a process, its answers, its logs."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edged.config.schema import Config
from tests.web.conftest import GREEN, RED
from tests.web.serving import LIMIT_S, Serving, model_options, serving

END = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
INIT = {
    "value": {
        "name": "classify",
        "main": "main",
        "binary": False,
        "code": "",
        "env": {"__OW_API_HOST": "https://host", "__OW_NAMESPACE": "guest"},
    }
}


class Container:
    """The platform's end of an action."""

    def __init__(self, process: Serving) -> None:
        self.process = process
        self._read = {"stdout": 0, "stderr": 0}

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.process.address, timeout=LIMIT_S)
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body))
        answer = connection.getresponse()
        # An answer without it counts as none.
        length = int(answer.headers["content-length"])
        content = answer.read()
        assert len(content) == length
        connection.close()
        return answer.status, json.loads(content)

    def logged(self, stream: str) -> str:
        """What came since this was asked last."""
        whole = self.process.log(stream)
        new, self._read[stream] = whole[self._read[stream] :], len(whole)
        return new

    def run(self, value: Any, **more: Any) -> tuple[int, Any]:
        """An activation: there is one mark at the end of each log."""
        answer = self.post("/run", {"value": value, "deadline": "1700000000000", **more})
        for stream in ("stdout", "stderr"):
            text = self.logged(stream)
            assert (text.count(END), text[-len(END) :]) == (1, END), stream
            self.last = text if stream == "stdout" else self.last
        return answer


Start = Callable[[Path], Any]


@contextmanager
def started(folder: Path, config: Config) -> Iterator[Container]:
    with serving(folder, "action", *model_options(config)) as process:
        yield Container(process)


@pytest.fixture(scope="module")
def container(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Initialised."""
    with started(tmp_path_factory.mktemp("action"), config) as made:
        assert made.post("/init", INIT)[0] == 200
        assert END not in made.logged("stdout") + made.logged("stderr")
        yield made


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def form(image: bytes, **options: str) -> tuple[str, bytes]:
    """A multipart form, and its Content-Type."""
    parts = [b'name="image"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n' + image]
    parts += [f'name="{name}"\r\n\r\n{text}'.encode() for name, text in options.items()]
    body = b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
    return "multipart/form-data; boundary=b", body + b"--b--\r\n"


def raw(content_type: str, body: bytes, query: str = "") -> dict[str, Any]:
    """What a raw web action gets."""
    return {
        "__ow_method": "post",
        "__ow_headers": {"content-type": content_type, "host": "host"},
        "__ow_path": "",
        "__ow_query": query,
        "__ow_body": b64(body),
    }


def test_a_picture_is_answered_as_by_the_published_action(container: Container) -> None:
    status, told = container.run({"image": b64(RED)})
    assert status == 200
    assert [one["className"] for one in told["results"]] == ["red", "green", "blue"]
    assert told["results"][0]["probability"] == pytest.approx(0.576, abs=0.01)
    lines = container.last.splitlines()
    assert [line.split(":")[0] for line in lines[:-1:2]] == [
        *("decodeImage", "resize", "tensor", "invoke", "scores", "main"),
    ]
    assert all(line.startswith("memory used: rss=") for line in lines[1:-1:2])


def test_only_once_is_it_initialised(container: Container) -> None:
    status, told = container.post("/init", INIT)
    assert (status, told) == (403, {"error": "Cannot initialize the action more than once."})
    assert container.logged("stderr") == "Cannot initialize the action more than once.\n"
    assert container.logged("stdout") == ""
    assert container.run({"image": b64(RED)})[0] == 200


@pytest.mark.parametrize("value", [{}, {"image": 3}, {"image": "no base64!"}, [], ["x"]])
def test_an_error_of_the_action_is_an_answer(container: Container, value: Any) -> None:
    status, told = container.run(value)
    assert (status, list(told)) == (200, ["error"])


def test_what_is_no_picture_is_an_error_of_the_action(container: Container) -> None:
    status, told = container.run({"image": b64(b"no picture")})
    assert status == 200
    assert told["error"].startswith("image: not a picture in a supported format")


@pytest.mark.parametrize("value", [3, "text", None, True])
def test_arguments_that_are_no_object_are_not_found(container: Container, value: Any) -> None:
    assert container.run(value) == (
        404,
        {"error": "The action did not receive a dictionary or array as an argument."},
    )


@pytest.mark.parametrize("body", [b"[1]", b'"text"'])
def test_a_message_that_is_no_object_is_not_found(container: Container, body: bytes) -> None:
    assert container.post("/run", body)[0] == 404
    assert container.logged("stdout") == END
    assert container.logged("stderr").endswith(END)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_a_message_that_is_no_json_has_no_arguments(container: Container, body: bytes) -> None:
    status, told = container.post("/run", body)
    assert (status, list(told)) == (200, ["error"])
    assert container.logged("stdout") == END
    container.logged("stderr")


def test_a_form_through_a_raw_web_action_is_answered_as_by_max(container: Container) -> None:
    kind, body = form(GREEN, topk="1")
    status, told = container.run(raw(kind, body))
    assert status == 200
    assert told["statusCode"] == 200
    assert told["headers"] == {"Content-Type": "application/json"}
    assert told["body"]["status"] == "ok"
    assert [one["label"] for one in told["body"]["predictions"]] == ["green"]


@pytest.mark.parametrize(
    "value",
    [
        raw("image/png", GREEN, "topk=1"),
        raw("application/json", json.dumps({"image": b64(GREEN), "topk": 1}).encode()),
        raw("application/json", json.dumps({"image": b64(GREEN)}).encode(), "topk=1"),
        {"__ow_method": "post", "__ow_headers": {}, "image": b64(GREEN), "topk": "1"},
        raw("Multipart/Form-Data; boundary=b", form(GREEN, topk="1")[1]),
        {**raw("", form(GREEN, topk="1")[1]), "__ow_headers": {"Content-Type": form(GREEN)[0]}},
    ],
)
def test_a_web_action_takes_a_picture_in_other_ways(container: Container, value: Any) -> None:
    told = container.run(value)[1]
    assert told["statusCode"] == 200
    assert [one["label"] for one in told["body"]["predictions"]] == ["green"]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (raw("image/png", b""), 400),
        (raw("image/png", b"no picture"), 400),
        (raw("image/png", GREEN, "topk=0"), 400),
        (raw("multipart/form-data; boundary=c", form(GREEN)[1]), 400),
        (raw("multipart/form-data", form(GREEN)[1]), 415),
        (raw("application/json", b"[1]"), 400),
        ({**raw("image/png", b""), "__ow_body": "no base64!"}, 400),
        ({**raw("image/png", b""), "__ow_body": 3}, 400),
        ({**raw("image/png", GREEN), "__ow_headers": "none"}, 400),
        ({**raw("image/png", GREEN), "__ow_query": 7}, 400),
        ({"__ow_method": "get"}, 400),
    ],
)
def test_a_wrong_web_request_gets_its_status(container: Container, value: Any, status: int) -> None:
    told = container.run(value)[1]
    assert told["statusCode"] == status
    assert "message" in told["body"]


def test_other_fields_of_an_activation_do_no_harm(container: Container) -> None:
    more = {"namespace": "guest", "a=b": "c", "": "d", "nul": "a\0b", "number": 3, "none": None}
    assert container.run({"image": b64(RED)}, **more)[0] == 200


def test_before_it_is_initialised_it_does_not_run(config: Config, tmp_path: Path) -> None:
    with started(tmp_path, config) as container:
        assert container.run({"image": b64(RED)})[0] == 403
        assert container.post("/init", {})[0] == 200
        assert container.run({"image": b64(RED)})[0] == 200


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ([1], 404),
        ({"value": 3}, 404),
        ({"value": {"env": 3}}, 404),
        ({"value": {"code": "function main() {}"}}, 502),
    ],
)
def test_a_wrong_initialisation_can_be_followed_by_a_right_one(
    config: Config, tmp_path: Path, message: Any, status: int
) -> None:
    with started(tmp_path, config) as container:
        told, answer = container.post("/init", message)
        assert (told, list(answer)) == (status, ["error"])
        assert container.logged("stdout") == END
        assert container.logged("stderr").endswith(END)
        assert container.post("/init", {"value": {"env": None}})[0] == 200


def test_a_model_that_cannot_be_loaded_is_a_failed_initialisation(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model")
    with serving(tmp_path, "action", f"--model={broken}") as process:
        container = Container(process)
        status, told = container.post("/init", INIT)
        assert status == 502
        assert "broken.tflite" in told["error"]
        assert container.logged("stdout") == END
        assert container.logged("stderr").endswith(END)
