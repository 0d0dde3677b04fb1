"""A part of `make conformance`, in one process: edged and the reference answer the same."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from tests.conformance import child, models, pictures
from tests.conformance.child import Job, Way
from tests.conformance.compare import Answers, Case, compare
from tests.conformance.models import Model
from tests.conftest import SHARED_DATA

CASES = SHARED_DATA.parent / "cases"
FEW = 6
REFUSED = {
    "uint8-unlabelled",
    "one-value-softmax",
    "one-value-of-1-untold",
    "one-value-of-2-untold",
}
"""Models that edged may refuse: nobody can know from the file what they say."""

DAMAGED = {"half-zero.jpg", "half-zero-eoi.jpg"}
"""Pictures that edged refuses, and whose other half Pillow makes up."""

PUBLISHED = ("mobilenet_v1_0.25_128_quant", "vww_96_float", "automl_labeler_model")

with tempfile.TemporaryDirectory() as folder:
    NAMES = [model.path.stem for model in models.generated(Path(folder))]


@pytest.fixture(scope="module")
def made_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    made = models.generated(tmp_path_factory.mktemp("models"))
    return {model.path.stem: model for model in made}


@pytest.fixture(scope="module")
def made_pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return pictures.generated(tmp_path_factory.mktemp("pictures"))


def answered(model: Model, paths: list[Path]) -> list[Case]:
    """The cases of `model`, stretched and cropped, under the usual runtime."""
    ways = [Way(runtime="litert", xnnpack=True, fit=fit) for fit in model.fits]
    job = Job(model=str(model.path), told=model.told, ways=ways, pictures=list(map(str, paths)))
    edged, reference = (list(child.answers(side, job)) for side in (child.edged, child.reference))
    return compare(model, [Answers(job, edged, reference)])


def few(paths: list[Path]) -> list[Path]:
    return random.Random(0).sample(paths, FEW)  # noqa: S311


@pytest.mark.parametrize("name", NAMES)
def test_a_generated_model_says_the_same(
    name: str, made_models: dict[str, Model], made_pictures: list[Path]
) -> None:
    cases = answered(made_models[name], few(made_pictures))
    assert [case for case in cases if case.verdict == "disagrees"] == []
    assert name in REFUSED or {case.verdict for case in cases} == {"agrees"}


@pytest.mark.parametrize("name", ["uint8-places-8x6x3", "float32-places-8x6x3"])
def test_every_generated_picture_is_seen_the_same(
    name: str, made_models: dict[str, Model], made_pictures: list[Path]
) -> None:
    cases = answered(made_models[name], made_pictures)
    assert [case for case in cases if case.verdict != "agrees"] == []


def test_pictures_that_are_read_wrongly_elsewhere_are_seen_the_same(
    made_models: dict[str, Model], tmp_path: Path
) -> None:
    if not CASES.exists():
        pytest.skip("the program that makes them is not there: ../shared/cases")
    paths = pictures.cases(tmp_path, CASES / "make_pictures.py")
    cases = answered(made_models["float32-places-8x6x3"], paths)
    whole = [case for case in cases if case.picture not in DAMAGED]
    assert [case for case in whole if case.verdict not in ("agrees", "refused by both")] == []
    assert {case.verdict for case in cases if case.picture in DAMAGED} == {"refused by edged"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_says_the_same_of_photographs(
    shared_data: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of one runtime there are fewer copies.
    monkeypatch.setattr(child, "DISTURBED", 8)
    model = next(m for m in models.shared(shared_data) if m.path.stem == name)
    cases = answered(model, few(pictures.shared(shared_data, 0)))
    assert [case for case in cases if case.verdict != "agrees"] == []


def test_the_comparison_notices_a_picture_that_is_cut_instead_of_stretched(
    made_models: dict[str, Model], made_pictures: list[Path]
) -> None:
    model = made_models["float32-places-8x6x3"]
    paths = [str(path) for path in made_pictures if path.stem in ("plain", "progressive")]
    jobs = [
        Job(
            model=str(model.path),
            told=model.told,
            ways=[Way(runtime="litert", xnnpack=True, fit=fit)],
            pictures=paths,
        )
        for fit in ("stretch", "crop")
    ]
    edged = list(child.answers(child.edged, jobs[0]))
    reference = list(child.answers(child.reference, jobs[1]))
    cases = compare(model, [Answers(jobs[0], edged, reference)])
    assert {case.verdict for case in cases} == {"disagrees"}
