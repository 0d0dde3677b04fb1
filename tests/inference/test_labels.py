"""Where the labels of a model are found, and that no other model's are taken in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.errors import ModelError
from edged.inference import labels, modelfile
from edged.inference.labels import Labels
from tests.inference import builder

RGB = ("red", "green", "blue")
RGB_TEXT = "red\ngreen\nblue\n"


def found(path: Path, given: str = "", locale: str = "") -> Labels:
    return labels.find(modelfile.read(path), given, locale)


def beside(names: tuple[str, ...]) -> Labels:
    return Labels(names, "labels.txt", Path("labels.txt"))


def refusal(path: Path, given: str = "", locale: str = "") -> str:
    with pytest.raises(ModelError) as raised:
        found(path, given, locale)
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return builder.colours(tmp_path / "colours.tflite")


# Label files beside the model.


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", RGB_TEXT),
        ("Labels.TXT", RGB_TEXT),
        ("dict.txt", RGB_TEXT),
        ("labelmap.txt", RGB_TEXT),
        ("label_map.txt", RGB_TEXT),
        ("classes.txt", RGB_TEXT),
        ("class_names.txt", RGB_TEXT),
        ("labels.csv", "ClassId,Name\n2,blue\n0,red\n1,green\n"),
        ("labels.json", '["red", "green", "blue"]'),
        ("class_labels.json", '{"0": "red", "1": "green", "2": "blue"}'),
        ("class_indices.json", '{"blue": 2, "red": 0, "green": 1}'),
        (
            "label_map.pbtxt",
            "item{id:0 name:'red'} item{id:1 name:'green'} item{id:2 name:'blue'}",
        ),
    ],
)
def test_a_file_with_a_usual_name_is_taken_if_it_fits(model: Path, name: str, content: str) -> None:
    path = model.with_name(name)
    path.write_text(content)
    assert found(model) == Labels(RGB, str(path), path, guessed=True)


@pytest.mark.parametrize(
    "name",
    ["colours.txt", "colours.labels.txt", "colours_labels.txt", "colours-labelmap.csv"],
)
def test_a_file_with_the_name_of_the_model_goes_first(model: Path, name: str) -> None:
    model.with_name("labels.txt").write_text("one\ntwo\nthree\n")
    model.with_name("colours_v2_labels.txt").write_text("four\nfive\nsix\n")
    path = model.with_name(name)
    path.write_text(RGB_TEXT)
    assert found(model) == Labels(RGB, str(path), path)


def test_two_files_with_the_name_of_the_model_that_differ_leave_it_open(model: Path) -> None:
    model.with_name("colours.labels.txt").write_text(RGB_TEXT)
    other = model.with_name("colours_labels.csv")
    other.write_text("0,blue\n1,green\n2,red\n")
    message = refusal(model)
    assert "colours.labels.txt and " in message
    assert f"{other} could each be its labels: set model.labels" in message
    other.write_text("0,red\n1,green\n2,blue\n")
    assert found(model).names == RGB
    other.write_text("a description\n")
    assert found(model).names == RGB


def test_a_file_that_does_not_fit_is_refused_and_another_taken(model: Path) -> None:
    model.with_name("labels.txt").write_text("cat\ndog\n")
    message = refusal(model)
    assert "has 3 outputs" in message
    assert "labels.txt has 2 labels" in message
    model.with_name("dict.txt").write_text(RGB_TEXT)
    assert found(model).names == RGB


def test_two_files_that_fit_and_differ_leave_it_open(model: Path) -> None:
    model.with_name("labels.txt").write_text(RGB_TEXT)
    model.with_name("dict.txt").write_text("one\ntwo\nthree\n")
    message = refusal(model)
    assert "labels.txt" in message
    assert "dict.txt" in message
    assert "set model.labels" in message
    model.with_name("dict.txt").write_text("0 red\n1 green\n2 blue\n")
    assert found(model).names == RGB


def test_other_variants_of_the_model_leave_no_doubt(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model.with_name("labels.txt").write_text(RGB_TEXT)
    builder.colours(model.with_name("colours_quant.tflite"), "uint8")
    builder.colours(model.with_name("colours-float16.tflite"))
    assert found(model).names == RGB
    assert caplog.text == ""


def test_another_model_that_the_labels_fit_is_said(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = model.with_name("labels.txt")
    path.write_text(RGB_TEXT)
    other = builder.colours(model.with_name("shapes.tflite"))
    assert found(model).names == RGB
    (record,) = caplog.records
    assert f"labels {path} match colours.tflite and shapes.tflite alike" in record.getMessage()
    caplog.clear()
    other.with_suffix(".txt").write_text("square\ncircle\nline\n")
    assert found(model).names == RGB
    assert caplog.text == ""


def test_another_model_that_the_labels_do_not_fit_leaves_no_doubt(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model.with_name("labels.txt").write_text(RGB_TEXT)
    builder.echo(model.with_name("shapes.tflite"), "float32", (1, 3, 5, 3))
    model.with_name("broken.tflite").write_bytes(b"no model")
    assert found(model).names == RGB
    assert caplog.text == ""


def test_a_model_without_labels_says_what_to_do(model: Path) -> None:
    assert "neither colours.txt nor labels.txt beside it: set model.labels" in refusal(model)


# Label files inside of the model.


@pytest.fixture
def bilingual(tmp_path: Path) -> Path:
    described = builder.metadata(labels={"de.txt": "de", "labels.txt": "", "fr.txt": "fr-CA"})
    path = builder.colours(tmp_path / "model.tflite", metadata=described)
    contents = {
        "de.txt": b"rot\ngruen\nblau\n",
        "labels.txt": RGB_TEXT.encode(),
        "fr.txt": b"rouge\nvert\nbleu\n",
    }
    builder.pack(path, contents)
    return path


def test_labels_without_a_locale_go_before_those_with_one(
    bilingual: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert found(bilingual) == Labels(RGB, f"{bilingual}:labels.txt")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("locale", "first"), [("de", "rot"), ("fr-CA", "rouge"), ("FR_ca", "rouge")]
)
def test_the_locale_chooses(bilingual: Path, locale: str, first: str) -> None:
    assert found(bilingual, locale=locale).names[0] == first


def test_a_locale_that_is_not_there_is_told_with_those_that_are(bilingual: Path) -> None:
    message = refusal(bilingual, locale="it")
    assert "no labels of the locale it" in message
    assert "one of de, fr-CA" in message


def test_a_locale_without_labels_inside_is_refused(model: Path) -> None:
    model.with_suffix(".txt").write_text(RGB_TEXT)
    assert "remove model.locale" in refusal(model, locale="de")
    given = str(model.with_suffix(".txt"))
    assert "model.labels and model.locale are both set" in refusal(model, given, "de")


def test_of_locales_alone_the_first_is_taken_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    described = builder.metadata(labels={"de.txt": "de", "en.txt": "en"})
    path = builder.colours(tmp_path / "model.tflite", metadata=described)
    builder.pack(path, {"de.txt": b"rot\ngruen\nblau\n", "en.txt": RGB_TEXT.encode()})
    assert found(path).names[0] == "rot"
    (record,) = caplog.records
    assert "labels in locales de, en: de.txt is used" in record.getMessage()


def test_of_labels_that_the_metadata_name_only_those_count_that_are_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    described = builder.metadata(labels={"de.txt": "de", "en.txt": "en"})
    path = builder.colours(tmp_path / "model.tflite", metadata=described)
    builder.pack(path, {"en.txt": RGB_TEXT.encode()})
    assert found(path) == Labels(RGB, f"{path}:en.txt")
    assert caplog.text == ""
    message = refusal(path, locale="de")
    assert "no labels of the locale de: set model.locale to one of en" in message


@pytest.mark.parametrize("locale", ["", "de"])
def test_two_files_of_one_locale_that_differ_leave_it_open(tmp_path: Path, locale: str) -> None:
    described = builder.metadata(labels={"a.txt": locale, "b.txt": locale, "fr.txt": "fr"})
    path = builder.colours(tmp_path / "model.tflite", metadata=described)
    contents = {"a.txt": RGB_TEXT.encode(), "b.txt": b"rot\ngruen\nblau\n", "fr.txt": b"a\nb\nc\n"}
    builder.pack(path, contents)
    message = refusal(path, locale=locale)
    assert f"{path}:a.txt and {path}:b.txt could each be its labels: unpack it" in message
    assert found(path, locale="fr").names == ("a", "b", "c")


def test_two_files_of_one_locale_that_say_the_same_leave_no_doubt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    described = builder.metadata(labels={"a.txt": "", "b.txt": ""})
    path = builder.colours(tmp_path / "model.tflite", metadata=described)
    builder.pack(path, {"a.txt": RGB_TEXT.encode(), "b.txt": b"0 red\n1 green\n2 blue\n"})
    assert found(path).names == RGB
    assert caplog.text == ""


def test_packed_labels_need_no_metadata_if_they_fit(model: Path) -> None:
    licence = b"You may do\nwhat\nyou want\nwith it.\n"
    builder.pack(model, {"LICENSE.txt": licence, "labels.txt": RGB_TEXT.encode()})
    assert found(model) == Labels(RGB, f"{model}:labels.txt")


def test_packed_labels_that_differ_leave_it_open(model: Path) -> None:
    builder.pack(model, {"labels.txt": RGB_TEXT.encode(), "b_labels.txt": b"one\ntwo\nthree\n"})
    message = refusal(model)
    assert f"{model}:labels.txt and {model}:b_labels.txt could each be its labels" in message
    assert "unpack it with unzip and set model.labels" in message


@pytest.mark.parametrize("name", ["LICENSE.txt", "notes.txt", "metadata.json", "docs/AUTHORS.txt"])
def test_a_packed_file_that_is_not_called_labels_is_none(model: Path, name: str) -> None:
    builder.pack(model, {name: b"one\ntwo\nthree\n" if "json" not in name else b'["a","b","c"]'})
    message = refusal(model)
    assert f"has no labels in it by a usual name (it holds {name})" in message
    model.with_name("labels.txt").write_text(RGB_TEXT)
    assert found(model).names == RGB


@pytest.mark.parametrize("name", ["imagenet_labels.txt", "assets/dict.txt", "labels_quant.txt"])
def test_a_packed_file_that_is_called_labels_is_taken(model: Path, name: str) -> None:
    builder.pack(model, {name: RGB_TEXT.encode(), "LICENSE.txt": b"one\ntwo\nthree\n"})
    assert found(model) == Labels(RGB, f"{model}:{name}")


def test_packed_labels_that_do_not_fit_are_none(model: Path) -> None:
    builder.pack(model, {"labels.txt": b"cat\ndog\n"})
    assert "has no labels in it" in refusal(model)


def test_a_published_model_without_metadata_has_its_packed_labels(shared_data: Path) -> None:
    name = "mobilenet_v1_0.25_224_quant_without_subgraph_metadata.tflite"
    labels_inside = found(shared_data / "models" / name)
    assert len(labels_inside.names) == 1001
    assert labels_inside.names[:2] == ("background", "tench")


# The file that the configuration names, and the count of labels.


def test_a_file_that_is_absent_or_endless_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.txt cannot be read: No such file"):
        labels.load(tmp_path / "none.txt")
    long = tmp_path / "long.txt"
    long.write_bytes(b"cat\n" * (labels.MAX_BYTES // 4 + 1))
    with pytest.raises(ModelError, match="bytes"):
        labels.load(long)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("imagenet", 1001, "background", "toilet tissue, toilet paper, bathroom tissue"),
        ("inat_bird", 965, "Haemorhous cassinii (Cassin's Finch)", "background"),
        ("inat_insect", 1022, "Nicrophorus tomentosus (Tomentose Burying Beetle)", "background"),
    ],
)
def test_published_lists_are_read_whole(
    shared_data: Path, name: str, count: int, first: str, last: str
) -> None:
    read = labels.load(shared_data / "labels" / f"{name}_labels.txt")
    assert (len(read), read[0], read[-1]) == (count, first, last)


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    os.mkfifo(path)
    with pytest.raises(ModelError, match="not a regular file"):
        labels.load(path)


def test_a_count_that_is_one_off_may_be_a_matter_of_background() -> None:
    path = Path("model.tflite")
    with pytest.raises(ModelError, match="first class is background, add it"):
        labels.check_count(path, 3, beside(RGB[:2]))
    with pytest.raises(ModelError, match=r"first label, 'red', .* background, remove its line"):
        labels.check_count(path, 2, beside(RGB))


@pytest.mark.parametrize(("outputs", "edit"), [(2, "remove its line"), (4, "add it as the first")])
def test_labels_inside_of_a_model_are_edited_in_a_copy(outputs: int, edit: str) -> None:
    with pytest.raises(ModelError) as raised:
        labels.check_count(Path("m.tflite"), outputs, Labels(RGB, "m.tflite:labels.txt"))
    assert f"in a copy of the list that you set model.labels to, {edit}" in str(raised.value)


@pytest.mark.parametrize("count", [0, 3])
def test_one_output_has_nothing_to_do_with_background(count: int) -> None:
    with pytest.raises(ModelError) as raised:
        labels.check_count(Path("model.tflite"), 1, beside(RGB[:count]))
    assert "background" not in str(raised.value)
    assert "set model.labels" in str(raised.value)
