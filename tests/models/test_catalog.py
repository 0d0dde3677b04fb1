from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from edged.errors import ModelError
from edged.inference import labels as label_files
from edged.models import catalog, library, pins
from edged.models.catalog import Labels, Model

REPORTS = Path(__file__).parents[2] / "docs" / "reports"


def test_it_holds_the_families_of_public_classifiers() -> None:
    names = " ".join(model.name for model in catalog.load().model)
    for family in ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "efficientnet-lite", "inat"):
        assert family in names


def test_names_are_unique_and_references_lead_somewhere() -> None:
    known = catalog.load()
    names = [known.bundled.name, *known.names()]
    assert len(names) == len(set(names))
    assert known.bundled.source in known.sources
    for model in known.model:
        assert model.labels in known.labels
        assert model.source in known.sources
        assert model.top1 is None or model.top1_source in known.sources
        assert all(time.source in known.sources for time in model.times)
        assert bool(model.sha256) == bool(model.bytes)
        assert model.url.endswith(".tflite") != bool(model.member)
        labels = known.labels[model.labels]
        count = labels.count or len(labels.lines)
        assert not count or not model.classes or count == model.classes


def test_every_hash_is_that_of_the_file(shared_data: Path) -> None:
    hashed = {model.url: model for model in catalog.load().model if model.sha256}
    assert len(hashed) >= 7
    for url, model in hashed.items():
        path = shared_data / "models" / url.rpartition("/")[2]
        assert pins.sha256(path) == model.sha256
        assert path.stat().st_size == model.bytes
    for labels in catalog.load().labels.values():
        if labels.url is not None and labels.sha256:
            path = shared_data / "labels" / labels.url.rpartition("/")[2]
            assert pins.sha256(path) == labels.sha256
            assert path.stat().st_size == labels.bytes
            lines = path.read_text().splitlines()
            assert len(lines) - labels.skip_first == labels.count


def test_lines_of_labels_are_read_as_they_are_written() -> None:
    written = [labels.lines for labels in catalog.load().labels.values() if labels.lines]
    assert ["no person", "person"] in written
    for lines in written:
        content = "".join(f"{line}\n" for line in lines).encode()
        assert label_files.parse(content, "lines") == tuple(lines)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"url": "https://example.org/labels.txt", "lines": ["cat"]},
        {"lines": []},
        {"lines": ["cat\ndog"]},
        {"lines": [""]},
        {"lines": [" cat"]},
    ],
)
def test_labels_are_a_file_or_lines(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Labels)


@pytest.mark.parametrize("field", ["top1", "top1_on", "top1_source"])
def test_an_accuracy_says_on_what_it_was_measured_and_who_says_so(field: str) -> None:
    table = msgspec.to_builtins(catalog.load().find("vww_96_int8"))
    del table[field]
    with pytest.raises(msgspec.ValidationError, match="come together"):
        msgspec.convert(table, Model)


def test_the_bundled_models_facts_are_those_of_its_report() -> None:
    known = catalog.load().bundled
    assert library.bundled().stem == known.name
    report = json.loads((REPORTS / "bundled.json").read_text())
    assert known.top1 == round(report["overall"]["top1"], 3)
    assert known.classes == report["model"]["classes"]
    labels = library.bundled().with_suffix(".labels.txt").read_text().split()
    assert known.about.endswith(": " + ", ".join(labels))


def test_no_two_models_are_the_same_file() -> None:
    models = [model.sha256 for model in catalog.load().model if model.sha256]
    assert len(models) == len(set(models))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("EDGED_MODELS", raising=False)
    path = tmp_path / "data" / "edged" / "models"
    path.mkdir(parents=True)
    return path


def test_a_path_stays_a_path() -> None:
    assert library.resolve("./birds") == Path("birds")
    assert library.resolve("birds.tflite") == Path("birds.tflite")


def test_a_name_is_found_in_the_users_directory(own: Path) -> None:
    (own / "birds.tflite").write_bytes(b"x")
    assert library.resolve("birds") == own / "birds.tflite"


def test_named_directories_come_first(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (own, tmp_path / "environment", tmp_path / "given"):
        folder.mkdir(exist_ok=True)
        (folder / "birds.tflite").write_bytes(b"x")
    monkeypatch.setenv("EDGED_MODELS", f"{tmp_path / 'absent'}:{tmp_path / 'environment'}")
    assert library.resolve("birds") == tmp_path / "environment" / "birds.tflite"
    given = [tmp_path / "given"]
    assert library.resolve("birds", given) == tmp_path / "given" / "birds.tflite"
    assert library.destination(given) == tmp_path / "given"
    assert library.destination() == tmp_path / "absent"


def test_the_bundled_model_has_a_name() -> None:
    assert library.resolve("edged-cifar10-int8").name == "edged-cifar10-int8.tflite"


def test_a_model_of_the_catalog_that_is_not_here_says_how_it_comes(own: Path) -> None:
    with pytest.raises(ModelError, match=r"edged models fetch mobilenet_v2_1\.0_224_quant"):
        library.resolve("mobilenet_v2_1.0_224_quant")


def test_an_alias_means_a_model_of_the_catalog(own: Path) -> None:
    with pytest.raises(
        ModelError, match="model person is not installed yet: `edged models fetch pers"
    ):
        library.resolve("person")
    (own / "vww_96_int8.tflite").write_bytes(b"x")
    assert library.resolve("person") == own / "vww_96_int8.tflite"


def test_a_model_of_that_very_name_comes_before_an_alias(own: Path, tmp_path: Path) -> None:
    (tmp_path / "vww_96_int8.tflite").write_bytes(b"x")
    (own / "person.tflite").write_bytes(b"x")
    assert library.resolve("person", [tmp_path]) == own / "person.tflite"
    assert pins.expected(own / "person.tflite") == ("", None)


def test_an_alias_is_among_what_may_have_been_meant(own: Path) -> None:
    with pytest.raises(ModelError, match=r"did you mean person\?"):
        library.resolve("persn")


def test_an_unknown_name_is_told_what_was_meant(own: Path) -> None:
    with pytest.raises(ModelError, match="did you mean efficientnet-lite0-int8"):
        library.resolve("efficientnet-lite0")


def test_half_a_download_is_no_model(own: Path) -> None:
    (own / ".birds.tflite.part").write_bytes(b"x")
    (own / ".birds.tflite").write_bytes(b"x")
    assert list(library.files()) == []
