"""MAX: what its own tests ask of a model, and what else can be asked wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.conftest import GREEN, RED, picture


def predicted(client: TestClient, image: bytes, **options: str) -> list[tuple[str, str]]:
    answer = client.post("/model/predict", files={"image": ("x.jpg", image)}, data=options)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["status"] == "ok"
    return [(one["label_id"], one["label"]) for one in told["predictions"]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_a_picture_of_every_kind_is_classified(client: TestClient, kind: str) -> None:
    assert predicted(client, picture((0, 0, 255), kind))[0] == ("2", "blue")


def test_the_best_class_comes_first_with_its_probability(client: TestClient) -> None:
    told = client.post("/model/predict", files={"image": GREEN}).json()["predictions"]
    assert [one["label"] for one in told] == ["green", "red", "blue"]
    assert told[0]["probability"] == pytest.approx(0.576, abs=0.01)


def test_topk_and_threshold_choose_classes_in_the_form_or_the_address(client: TestClient) -> None:
    assert len(predicted(client, RED, topk="2")) == 2
    assert predicted(client, RED, threshold="0.5") == [("0", "red")]
    assert predicted(client, RED, threshold="1") == []
    answer = client.post("/model/predict?topk=1", files={"image": RED})
    assert len(answer.json()["predictions"]) == 1


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("topk", "0"),
        ("topk", "-1"),
        ("topk", "many"),
        ("topk", "1_0"),
        ("topk", "9" * 5000),
        ("threshold", "nan"),
        ("threshold", "1.1"),
        ("threshold", "0_1"),
    ],
)
def test_a_wrong_option_is_named(client: TestClient, option: str, text: str) -> None:
    answer = client.post("/model/predict", files={"image": RED}, data={option: text})
    assert answer.status_code == 400
    assert answer.json()["message"] == "Input payload validation failed"
    assert list(answer.json()["errors"]) == [option]


def test_a_form_without_a_picture_says_which_field_is_missing(client: TestClient) -> None:
    answer = client.post("/model/predict", files={"picture": RED})
    assert answer.status_code == 400
    assert "Missing required parameter in an uploaded file" in answer.json()["errors"]["image"]


@pytest.mark.parametrize("image", [b"", b"text as image/jpeg", RED[:45]])
def test_what_is_no_picture_is_refused_in_one_line(client: TestClient, image: bytes) -> None:
    answer = client.post("/model/predict", files={"image": ("x.jpg", image, "image/jpeg")})
    assert answer.status_code == 400
    assert set(answer.json()) == {"message"}
    assert answer.json()["message"].startswith("image: ")


def test_what_is_no_form_is_refused(client: TestClient) -> None:
    whole = client.build_request("POST", "/model/predict", files={"image": RED})
    for content_type, body, status in (
        ("image/jpeg", RED, 415),
        ("multipart/form-data", RED, 415),
        (whole.headers["content-type"], whole.read()[:-10], 400),
        (whole.headers["content-type"], b"", 400),
        (whole.headers["content-type"], b"--no boundary", 400),
    ):
        answer = client.post("/model/predict", content=body, headers={"content-type": content_type})
        assert (answer.status_code, list(answer.json())) == (status, ["message"])


def test_a_method_that_is_not_there_is_refused_with_those_that_are(client: TestClient) -> None:
    answer = client.get("/model/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert list(answer.json()) == ["message"]


def test_labels_are_told_in_the_order_of_the_scores(client: TestClient) -> None:
    assert client.get("/model/labels").json() == {
        "count": 3,
        "labels": [
            {"id": "0", "name": "red"},
            {"id": "1", "name": "green"},
            {"id": "2", "name": "blue"},
        ],
    }


def test_metadata_are_texts(client: TestClient) -> None:
    told = client.get("/model/metadata").json()
    assert set(told) == {"id", "name", "description", "type", "source", "license"}
    assert told["id"] == "colours"
    assert all(isinstance(value, str) for value in told.values())


def test_the_document_is_json_with_a_title(client: TestClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"]["title"] == "edged"
    assert "/model/predict" in answer.json()["paths"]


def test_the_page_of_the_apis_loads_nothing_from_elsewhere(client: TestClient) -> None:
    folder = Path(__file__).parents[2] / "edged" / "web" / "static"
    for path in ("/docs", "/docs/docs.css", "/docs/docs.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "//" not in answer.text.replace("// ", ""), path
    assert json.dumps("style=") not in (folder / "docs.html").read_text()
