from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from edged.cli import main
from edged.cli import models as command
from edged.messages import schemas
from edged.models import catalog, pins
from tests.evaluation.conftest import paint
from tests.inference import builder
from tests.inference.builder import colours
from tests.strangers import as_stranger, commons

__all__ = ["commons"]

SMALL = "mobilenet_v1_0.25_128_quant"
PERSON = "vww_96_int8"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory of models that there is."""
    path = tmp_path / "models"
    path.mkdir()
    monkeypatch.setenv("EDGED_MODELS", str(path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[Any]]]:
    """Runs ``edged models ...`` with --json: the status, and documents as their schemas say."""

    def run(*words: str) -> tuple[int, list[Any]]:
        status = main(["models", *words, "--json"])
        documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for document in documents:
            Draft202012Validator(schemas.load(document["type"])).validate(document)
        return status, documents

    return run


@pytest.fixture
def stick(tmp_path: Path, shared_data: Path) -> Path:
    """A folder with the files of the catalog's smallest model, as they are called there."""
    path = tmp_path / "stick"
    path.mkdir()
    shutil.copy(shared_data / "models" / f"{SMALL}.tflite", path)
    shutil.copy(shared_data / "labels" / "imagenet_labels.txt", path)
    return path


def test_list_shows_what_is_here_and_what_can_be_fetched(here: Path, said: Any) -> None:
    colours(here / "mine.tflite")
    status, rows = said("list")
    by_name = {row["name"]: row for row in rows}
    assert status == 0
    assert by_name["mine"]["path"] == str(here / "mine.tflite")
    assert by_name["mine"]["checked"] == "unverified"
    assert by_name["edged-cifar10-int8"]["path"]
    assert by_name[SMALL]["path"] is None
    assert by_name[SMALL]["checked"] == "catalog"
    assert {model.name for model in catalog.load().model} <= set(by_name)


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, dict[str, str]]]:
    """Runs ``edged models list`` for people: its cells by the model's name and the heading.

    WHAT is what stands below.
    """

    def run() -> dict[str, dict[str, str]]:
        assert main(["models", "list"]) == 0
        screen = capsys.readouterr().out.splitlines()
        assert all(len(line) <= 80 for line in screen if "    /" not in line)
        heading, *lines, _, _ = screen
        rows: dict[str, dict[str, str]] = {}
        for line in lines:
            if line.startswith(" "):
                row["WHAT"] += f" {line.strip()}"  # noqa: F821
                continue
            name, size, top1, checked, state = re.split(r"\s{2,}", line)
            row = {"SIZE": size, "TOP-1": top1, "HASH": checked, "STATE": state, "WHAT": ""}
            rows[name] = row
        assert heading.split() == ["NAME", *(key for key in row if key != "WHAT")]
        return rows

    return run


def test_list_for_people_says_of_each_what_one_chooses_by(here: Path, table: Any) -> None:
    rows = table()
    names = {" = ".join([*model.aliases, model.name]) for model in catalog.load().model}
    assert set(rows) == {"edged-cifar10-int8"} | names
    person = dict(rows[f"person = {PERSON}"])
    assert catalog.load().meant("person").about in person.pop("WHAT")
    assert person == {
        "SIZE": "0.3 MB",
        "TOP-1": "85.9%",
        "HASH": "verified",
        "STATE": "to fetch",
    }
    bundled = rows["edged-cifar10-int8"]
    assert (bundled["STATE"], bundled["TOP-1"]) == ("installed", "91.2%")
    assert "top-1 on CIFAR-10 test" in bundled["WHAT"]
    for model in catalog.load().model:
        row = rows[" = ".join([*model.aliases, model.name])]
        assert model.licence in row["WHAT"]
        assert (row["HASH"] == "unverified") == (not model.sha256)
        assert (row["TOP-1"] == "-") == (model.top1 is None)


def test_list_says_of_a_model_of_ones_own_what_it_cannot_know(here: Path, table: Any) -> None:
    colours(here / "mine.tflite")
    row = table()["mine"]
    assert (row["STATE"], row["HASH"], row["TOP-1"]) == ("installed", "unverified", "-")
    assert row["WHAT"].strip() == str(here / "mine.tflite")


def test_list_finds_a_file_that_is_not_what_the_catalog_says(
    here: Path, said: Any, table: Any
) -> None:
    (here / f"{SMALL}.tflite").write_bytes(b"another")
    assert table()[SMALL]["HASH"] == "wrong"
    by_name = {row["name"]: row for row in said("list")[1]}
    assert (by_name[SMALL]["checked"], by_name[SMALL]["hash"]) == ("catalog", "wrong")
    assert by_name["edged-cifar10-int8"]["hash"] == "right"
    assert table()["edged-cifar10-int8"]["HASH"] == "pinned"
    assert by_name[PERSON]["hash"] is None


def test_list_goes_on_where_a_file_cannot_be_read(
    here: Path, said: Any, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    (here / f"{SMALL}.tflite").write_bytes(b"x")
    monkeypatch.setattr(pins, "sha256", unreadable)
    status, rows = said("list")
    assert status == 0
    assert {row["hash"] for row in rows if row["name"] == SMALL} == {"unknown"}
    assert table()[SMALL]["HASH"] == "unverified"


@pytest.fixture
def painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small model that the catalog has, and people call "colour"."""
    path = tmp_path / "painted"
    path.mkdir()
    file = colours(path / "colours_1.0_quant.tflite")
    known = catalog.load()
    model = replace(
        known.meant("person"),
        name=file.stem,
        aliases=["colour"],
        url=f"https://example.org/models/{file.name}",
        labels="colours",
        sha256=pins.sha256(file),
        bytes=file.stat().st_size,
    )
    lines = catalog.Labels(lines=["red", "green", "blue"])
    made = replace(known, labels={**known.labels, "colours": lines}, model=[*known.model, model])
    monkeypatch.setattr(catalog, "load", lambda: made)
    return path


def test_an_alias_works_wherever_a_name_does(here: Path, painted: Path, said: Any) -> None:
    assert said("info", "colour")[1][0]["path"] is None
    status, [brought] = said("fetch", "colour", "--from", str(painted))
    assert (status, brought["name"]) == (0, "colour")
    assert brought["path"] == str(here / "colours_1.0_quant.tflite")
    status, [info] = said("info", "colour")
    assert (status, info["name"], info["checked"]) == (0, "colours_1.0_quant", "catalog")
    assert info["labels"] == str(here / "colours_1.0_quant.txt")
    status, [verified] = said("verify", "colour")
    assert (status, verified["hash"]) == (0, "right")


def test_a_configuration_names_a_model_by_its_alias(
    here: Path, painted: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    configuration = tmp_path / "edged.toml"
    configuration.write_text(
        '[model]\npath = "colour"\n[mqtt]\nenabled = false\n'
        '[[rule]]\nname = "red"\nlabels = ["red"]\n'
    )
    check = ["check-config", "--config", str(configuration)]
    assert main(check) == 65
    assert (
        "model colour is not installed yet: `edged models fetch colour`" in capsys.readouterr().err
    )
    assert main(["models", "fetch", "colour", "--from", str(painted)]) == 0
    assert main(check) == 0


def test_person_is_fetched_from_a_folder_and_sees_who_is_there(
    here: Path, shared_data: Path, said: Any, capsys: Any
) -> None:
    status, [brought] = said("fetch", "person", "--from", str(shared_data / "models"))
    assert (status, brought["path"]) == (0, str(here / f"{PERSON}.tflite"))
    pictures = [str(shared_data / "images" / name) for name in ("grace_hopper.bmp", "cat.bmp")]
    assert main(["classify", "--model", "person", "--top", "1", *pictures]) == 0
    hopper, cat = capsys.readouterr().out.splitlines()
    assert hopper.endswith("% person")
    assert not hopper.endswith("% no person")
    assert cat.endswith("% no person")


def test_fetch_brings_a_model_that_then_is_here_and_right(
    here: Path, stick: Path, said: Any
) -> None:
    status, [brought] = said("fetch", SMALL, "--from", str(stick))
    assert (status, brought["path"]) == (0, str(here / f"{SMALL}.tflite"))
    status, [verified] = said("verify", SMALL)
    assert status == 0
    assert (verified["hash"], verified["hash_source"]) == ("right", "catalog")
    assert (verified["quarantine"], verified["ran"]) == ("ok", True)


def test_fetch_says_what_is_wrong_and_goes_on_with_the_next(
    here: Path, stick: Path, said: Any
) -> None:
    status, [absent, brought] = said(
        "fetch", "mobilenet_v2_1.0_224_quant", SMALL, "--from", str(stick)
    )
    assert status == 69
    assert "without a connection copy" in absent["error"]
    assert brought["path"]


def test_verify_finds_a_changed_file(here: Path, stick: Path, said: Any) -> None:
    said("fetch", SMALL, "--from", str(stick))
    path = here / f"{SMALL}.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    status, [verified] = said("verify", SMALL)
    assert (status, verified["hash"]) == (65, "wrong")


ODD = os.fsdecode(b"m\xe9\x1b[31m\n")
SHOWN = r"m\xe9\x1b[31m\n"


@pytest.mark.parametrize("action", ["list", "info", "verify"])
def test_names_reach_no_terminal_unseen(
    action: str, here: Path, capsys: pytest.CaptureFixture[str], said: Any
) -> None:
    folder = here / ODD
    folder.mkdir()
    path = colours(folder / f"{ODD}.tflite", "uint8")
    path.with_suffix(".txt").write_text("red\ngreen\nblue\n")
    words = ["models", action, "--dir", str(folder)] + ([str(path)] if action != "list" else [])

    assert main(words) == 0

    shown = capsys.readouterr().out
    assert f"{here}/{SHOWN}/{SHOWN}.tflite" in shown
    assert all(line.isprintable() for line in shown.splitlines())
    _, documents = said(*words[1:])
    assert f"{here}/{SHOWN}/{SHOWN}.tflite" in [row["path"] for row in documents]


def test_what_fetch_says_reaches_no_terminal_unseen(
    here: Path, stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], said: Any
) -> None:
    folder = here / ODD
    odd = stick.rename(tmp_path / ODD)

    assert main(["models", "fetch", SMALL, "--from", str(odd), "--dir", str(folder)]) == 0
    assert capsys.readouterr().out == f"{SMALL}: {here}/{SHOWN}/{SMALL}.tflite\n"
    assert main(["models", "fetch", ODD, SMALL, "--from", str(here), "--dir", str(odd)]) == 69
    wrong, absent = capsys.readouterr().err.splitlines()
    assert wrong.startswith(f"edged: no model is called {SHOWN}")
    assert absent.isprintable()
    _, [row] = said("fetch", ODD)
    assert row["name"] == SHOWN


def test_verify_tells_a_closed_directory(commons: Path) -> None:
    closed = commons / "closed"
    closed.mkdir(mode=0o700)

    status, told = as_stranger(
        "import edged.cli.models, edged.cli.parser, edged.models.facts, edged.models.library\n"
        "import edged.inference.tflite, edged.models.quarantine\n"
        "from pathlib import Path\nfrom edged.cli import main\n"
        "edged.models.library.files = lambda _given: []\n"
        "edged.models.facts.verified = lambda path, _config: edged.models.facts.VerifiedMessage("
        "path='', sha256='', hash='right', hash_source='catalog', quarantine='ok', "
        "reason=None, ran=True, confined=True)",
        "sys.exit(main(['models', 'verify', '--dir', sys.argv[1]]))",
        str(closed),
    )

    assert f"edged: {closed} belongs to user root: " in told
    assert ": hash right (catalog), ok" in told
    assert status == 1


def test_verify_without_names_is_about_all_that_is_here(here: Path, said: Any) -> None:
    (here / "damaged.tflite").write_bytes(b"no model at all")
    status, found = said("verify")
    by_name = {Path(row["path"]).stem: row for row in found}
    assert status == 65
    assert by_name["edged-cifar10-int8"]["quarantine"] == "ok"
    assert by_name["damaged"]["quarantine"] == "refused"
    assert by_name["damaged"]["hash"] == "unknown"


def test_info_tells_what_the_file_and_the_catalog_say(here: Path, stick: Path, said: Any) -> None:
    said("fetch", SMALL, "--from", str(stick))
    status, [info] = said("info", SMALL)
    assert status == 0
    assert info["input"]["shape"] == [1, 128, 128, 3]
    assert info["input"]["quantised"]["zero_point"] == 128
    assert info["classes"] == 1001
    assert info["labels"].endswith("labels.txt")
    assert info["catalog"]["licence"] == "Apache-2.0"
    assert info["catalog"]["top1"] == 0.399
    assert info["blessing"] is None
    assert info["delegated"] is None or info["delegated"] > 0.5


def test_info_of_a_model_that_is_not_here_is_what_the_catalog_says(here: Path, said: Any) -> None:
    status, [info] = said("info", SMALL)
    assert (status, info["path"]) == (0, None)
    assert info["catalog"]["input"] == "128x128 RGB uint8"
    assert (info["checked"], info["catalog"]["top1_on"]) == ("catalog", "ImageNet validation")


def test_info_for_people_says_what_nobody_has_published_or_verified(
    here: Path, capsys: Any
) -> None:
    assert main(["models", "info", "mobilenet_v2_1.0_224_inat_plant_quant"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"checked: unverified", "catalog.top1: not published"} <= set(lines)


def test_info_loads_nothing_that_did_not_pass(here: Path, said: Any) -> None:
    (here / "damaged.tflite").write_bytes(b"no model at all")
    status, [info] = said("info", "damaged")
    assert (status, info["quarantine"]) == (65, "refused")
    assert (info["runtime"], info["input"]) == (None, None)


def test_info_for_people_has_one_fact_a_line(here: Path, capsys: Any) -> None:
    assert main(["models", "info", "edged-cifar10-int8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "input.type: uint8" in lines
    assert all(": " in line for line in lines)


def test_an_unknown_name_is_a_line_of_advice(here: Path, capsys: Any) -> None:
    assert main(["models", "info", "mobilenet"]) == 65
    error = capsys.readouterr().err
    assert error.startswith("edged: no model is called mobilenet")
    assert error.count("\n") == 1


def test_without_a_bar_progress_is_a_line_for_each_tenth(capsys: Any) -> None:
    progress = command._Tenths("model")
    for have in range(0, 1_000_001, 10_000):
        progress(have, 1_000_000)
    assert len(capsys.readouterr().err.splitlines()) == 11


@pytest.mark.parametrize(
    "words",
    [
        "evaluate x.tflite --data d --limit 3 --slice a --slice b --html r.html --json",
        "compare new.tflite old.tflite --data d.zip --gate gate.toml",
        "quantize saved --data d.csv --out o --mean 0 --std 255",
    ],
)
def test_the_words_of_the_other_commands_are_known(words: str) -> None:
    from edged.cli.parser import make_parser

    arguments = make_parser().parse_args(["models", *words.split()])
    assert arguments.module == words.split()[0]


@pytest.fixture
def named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is called colours_1.0_quant, and a working directory for each command."""
    monkeypatch.chdir(here.parent)
    monkeypatch.setenv("XDG_STATE_HOME", str(here.parent))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(here.parent))
    colours(here / "colours_1.0_quant.tflite", "uint8")
    (here / "colours_1.0_quant.txt").write_text("red\ngreen\nblue\n")
    paint(Path("pictures/red/1.png"), (255, 0, 0))
    Path("gate.toml").write_text("[overall]\ntop1_min = 1.0\n")
    Path("edged.toml").write_text(
        '[model]\npath = "colours_1.0_quant"\n[mqtt]\nenabled = false\n'
        '[camera]\nkind = "directory"\nsource = "pictures/red"\n'
    )


@pytest.mark.parametrize(
    "words",
    [
        "check-config --config edged.toml",
        "snapshot --config edged.toml",
        "bench --config edged.toml --warmup 1 --runs 1",
        "bench --model colours_1.0_quant --warmup 1 --runs 1",
        "classify --model colours_1.0_quant pictures",
        "models info colours_1.0_quant",
        "models verify colours_1.0_quant",
        "models evaluate colours_1.0_quant --data pictures",
        "models compare colours_1.0_quant colours_1.0_quant --data pictures --gate gate.toml",
    ],
)
@pytest.mark.usefixtures("named")
def test_a_model_goes_by_its_name_everywhere(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (main(words.split()), capsys.readouterr().err.count("edged:")) == (0, 0)


@pytest.mark.usefixtures("named")
def test_info_tells_what_a_model_was_blessed_on_or_why_that_does_not_hold(
    here: Path, said: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "colours_1.0_quant"
    assert main(f"models compare {name} {name} --data pictures --gate gate.toml".split()) == 0
    capsys.readouterr()
    _, [info] = said("info", name)
    assert (info["blessing"]["data"], info["blessing"]["gates"]) == ("pictures", 1)
    (here / f"{name}.tflite.blessing.json").write_text("{}")
    _, [info] = said("info", name)
    assert "is not a blessing" in info["blessing"]


@pytest.mark.usefixtures("named")
def test_the_daemon_finds_a_model_by_its_name() -> None:
    command = [sys.executable, "-m", "edged", "run", "--config", "edged.toml"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        loaded = next((line for line in daemon.stderr if "/colours_1.0_quant.tflite:" in line), "")
        daemon.terminate()
        rest = daemon.stderr.read()
    assert "3 classes" in loaded
    assert daemon.returncode == 0, rest


def test_a_name_that_nobody_has_is_one_line(here: Path, capsys: Any) -> None:
    for words in ("evaluate nobody --data d", "compare nobody nobody --data d --gate g"):
        assert main(["models", *words.split()]) == 65
        assert capsys.readouterr().err.startswith("edged: no model is called nobody")
    assert main(["classify", "--model", "nobody", "x.png"]) == 65
    assert main(["classify", "--model", "n" * 300, "x.png"]) == 65


@pytest.mark.usefixtures("named")
def test_info_and_verify_are_told_how_a_model_is_fed(here: Path, said: Any) -> None:
    model = builder.Model()
    image, value = model.tensor([1, 1, 1, 1], name="image"), model.tensor([1, 1], name="value")
    model.reshape(image, value)
    path = here / "lone.tflite"
    path.write_bytes(model.content([image], [value]))
    path.with_suffix(".txt").write_text("dog\n")
    fed = ["--scores", "logits", "--mean", "100", "--std", "10"]
    status, [refused] = said("verify", str(path))
    assert (status, refused["quarantine"]) == (65, "refused")
    status, [found] = said("verify", str(path), *fed)
    assert (status, found["quarantine"]) == (0, "ok")
    status, [info] = said("info", str(path), *fed)
    assert (status, info["output"]["scores"]) == (0, "logits")
    assert info["input"]["normalised"] == "by model.mean and model.std"
