"""Every message is what its schema says, and so are the examples in the documentation."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator
from msgspec import Raw
from msgspec.structs import replace

from edged import build
from edged.cli import main
from edged.commands import Reply
from edged.config.load import load
from edged.config.schema import Config, ModelConfig
from edged.core import CAMERA, Frame, OutputState
from edged.evaluation.dataset import open_dataset
from edged.evaluation.quantization import Quantization, Source, quantize
from edged.imaging.picture import jpeg, read_picture
from edged.messages import cloudevents, device, events, results, schemas
from edged.messages.events import GapMessage
from edged.messages.frigate import Tracker
from edged.messages.message import Document, Moment, encoded
from edged.messages.results import PictureMessage, milliseconds, ranked
from edged.messages.schemas.__main__ import NAMES, SAID, generate
from edged.review.folder import Folder, Verdict
from tests.evaluation.conftest import COLOURS, paint
from tests.inference import builder
from tests.ports.mqtt.reports import event, health, result
from tests.recording.made import written
from tests.review.made import kept, noise
from tests.tuning.made import recorded
from tests.why.made import keeping

DOCUMENTATION = Path(__file__).parents[2] / "docs"

PICTURES = Path(__file__).parents[1] / "pictures"
AT = Moment.now("porch", time.monotonic, time.time)


MODEL = "edged-cifar10-int8"
TYPED: dict[str, str] = {
    "version": "version",
    "bench": "bench --warmup 1 --runs 2",
    "doctor": "doctor --set mqtt.enabled=false",
    "found": "search --least 0 red {0}/data --model {0}/colours.tflite --no-index",
    "why": "why --set journal.path={0}/events.db",
    "recorded": "record {0}/new.rec --seconds 0.2 --set camera.kind=demo",
    "replayed": "replay {0}/quiet.rec",
    "tuned": "tune {0}/a.rec --truth {0}/a.csv --tries 8",
    "review": "review --set journal.path={0}/events.db",
    "listed": "models list",
    "label": "models labels {0}/colours.tflite --picture {0}/data/red/1.png",
    "model": f"models info {MODEL}",
    "fetched": "models fetch mobilenet_v1_0.25_128_quant --dir {0} --from {0}",
    "verified": f"models verify {MODEL}",
    "evaluation": "models evaluate {0}/colours.tflite --data {0}/data",
    "calibration": "models calibrate {0}/colours.tflite --data {0}/many",
    "comparison": "models compare {0}/colours.tflite {0}/colours.tflite --data {0}/data "
    "--gate {0}/gate.toml",
}
"""The commands that say a form.

{0} is a folder with a model, pictures for it and a gate file, with recordings, and a journal.
"""

Made: TypeAlias = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One message as it leaves."""
    folder = tmp_path_factory.mktemp("forms")
    model = builder.colours(folder / "colours.tflite", "uint8")
    model.with_suffix(".txt").write_text("red\ngreen\nblue\n")
    (folder / "gate.toml").write_text("[overall]\ntop1_min = 1.0\n")
    for label, colour in COLOURS.items():
        paint(folder / "data" / label / "1.png", colour)
        for number in range(4):
            paint(folder / "many" / label / f"{number}.png", colour, number)

    recorded(folder, "a", seed=1, minutes=1.0)
    with keeping(folder / "events.db") as (loop, _):
        lane = loop.lane()
        loop.frames(0.1, 0.1)
        written(folder / "quiet.rec", lane)
        loop.frames(0.9, 0.9)

    pictures = Folder(folder / "events.db.review")
    with pictures.locked():
        pictures.add(kept(taught=0.5, known=0.2), jpeg(noise(1), 90))
        pictures.decide([1], Verdict("correct", "my fox", "ann", False))

    def quantized() -> Quantization:
        labels = str(model.with_suffix(".txt"))
        source = Source(model, Config(model=ModelConfig(labels=labels)))
        data = open_dataset(folder / "data")
        content = model.read_bytes()
        return quantize(source, data, data, folder / "made", lambda _: lambda *_: content)

    @cache
    def make(name: str) -> dict[str, Any]:
        if name in TYPED:
            with redirect_stdout(StringIO()) as said:
                main([*TYPED[name].format(folder).split(), "--json"])
            line = said.getvalue().splitlines()[0]
        else:
            line = encoded(quantized() if name == "quantization" else reported()[name]).decode()
        decoded: dict[str, Any] = json.loads(line)
        return decoded

    return make


def reported() -> dict[str, Document | Raw]:
    """What the daemon says."""
    seen = result()
    return {
        "state": results.state(seen.scene, seen.frame.number, AT),
        "event": events.event(event(), AT),
        "gap": GapMessage(device="porch", time=AT.time, first=3, last=5, reason="full"),
        "cloudevent": Raw(cloudevents.structured(events.event(event(), AT).json(), "/edged/porch")),
        "frigate": Raw(Tracker().follow(events.event(event(), AT).json()) or b""),
        "classification": results.classification(seen, 3, AT),
        "picture": PictureMessage(
            path="cat.jpg",
            model="m",
            results=ranked(seen.prediction, 2),
            stages_ms=milliseconds(seen.stages_s),
        ),
        "health": device.health(health(), AT, messages_dropped=2),
        "output": device.output(OutputState("lamp", 1.0, AT.now_s), AT),
        "shared": results.shared(seen, 5, (480, 640), AT),
        "thresholds": device.thresholds({"cat": {"enter": 0.6, "exit": 0.4}}, AT),
        "reply": Reply(result=seen).message(AT, "snapshot", 3),
    }


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(
        schemas.load(name), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


OUTGOING = pytest.mark.parametrize("name", sorted(SAID))


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_in_the_package_is_that_of_the_type(name: str) -> None:
    Draft202012Validator.check_schema(schemas.load(name))
    assert schemas.load(name) == generate(name), "run: python -m edged.messages.schemas"


@OUTGOING
def test_a_message_is_what_its_schema_says(made: Made, name: str) -> None:
    validator(name).validate(made(name))


@OUTGOING
def test_a_message_without_any_one_field_or_with_a_wrong_one_is_not(made: Made, name: str) -> None:
    message = made(name)
    for field in message:
        without = {key: value for key, value in message.items() if key != field}
        assert not validator(name).is_valid(without), field
    for field, wrong in [
        ("type", "other"),
        ("schema", 2),
        ("device", 5),
        ("time", 12.5),
        ("path", 1),
    ]:
        if field in message:
            assert not validator(name).is_valid({**message, field: wrong})


def test_a_score_beyond_1_is_not_an_event(made: Made) -> None:
    assert not validator("event").is_valid({**made("event"), "score": 1.5})


def test_what_became_of_the_pictures_is_no_tracked_object_of_frigate() -> None:
    drifted = replace(event(), rule="drift", cause="view moved")
    message = events.event(drifted, AT)
    assert message.cause == "view moved"
    assert Tracker().follow(message.json()) is None


def test_a_fault_of_the_camera_that_an_earlier_run_left_open_is_none_either() -> None:
    ended = replace(event(active=False), rule=CAMERA, reason="restart")
    assert Tracker().follow(events.event(ended, AT).json()) is None


def test_a_command_has_a_known_name() -> None:
    assert validator("command").is_valid({"command": "pause", "id": "x"})
    assert not validator("command").is_valid({"command": "reboot"})
    assert not validator("command").is_valid({"id": "x"})


def test_a_reply_can_never_be_taken_for_a_command(made: Made) -> None:
    assert not validator("command").is_valid(made("reply"))


def test_a_score_that_rounding_pushed_out_of_range_is_brought_back() -> None:
    told = device.output(OutputState("lamp", 1.0000001, 0.0), AT)
    assert told.value == 1.0


def test_replaying_marks_an_event_and_changes_nothing_else() -> None:
    original = events.event(event(), AT).json()
    again = json.loads(events.replayed(original))
    assert again == {**json.loads(original), "replayed": True}
    validator("event").validate(again)


def test_replaying_keeps_the_fields_of_another_version() -> None:
    assert json.loads(events.replayed(b'{"schema": 7, "new": [1]}')) == {
        "schema": 7,
        "new": [1],
        "replayed": True,
    }


def examples() -> list[tuple[str, str]]:
    """Each fenced JSON block of the documentation, with the schema that it names before it."""
    text = "".join(page.read_text("utf-8") for page in sorted(DOCUMENTATION.glob("*.md")))
    return re.findall(r"<!-- schema: (\w+) -->\s*```json\n(.*?)```", text, re.DOTALL)


def reports() -> list[Path]:
    """What was evaluated of the models that are here."""
    return sorted((DOCUMENTATION / "reports").glob("*.json"))


def test_the_documentation_shows_every_message() -> None:
    # A comparison is two evaluations, of which there are whole reports.
    told = {name for name, _ in examples()} | {"comparison"}
    told |= {json.loads(report.read_text("utf-8"))["type"] for report in reports()}
    assert told == set(NAMES)


@pytest.mark.parametrize("report", reports(), ids=lambda path: path.stem)
def test_a_committed_report_is_what_its_schema_says(report: Path) -> None:
    document = json.loads(report.read_text("utf-8"))
    validator(document["type"]).validate(document)


def test_the_stages_in_the_documentation_are_those_of_a_real_frame() -> None:
    shown = {name: json.loads(example) for name, example in examples()}
    with build.perception(load(None)) as perception:
        pixels = read_picture(PICTURES / "cat.jpg")
        stages = list(perception.decide(Frame(pixels, 1, 0.0)).stages_s)
    assert list(shown["classification"]["stages_ms"]) == stages
    assert list(shown["health"]["stages_ms"]) == [*stages, "latency"]


@pytest.mark.parametrize(("name", "example"), examples())
def test_an_example_in_the_documentation_is_what_its_schema_says(name: str, example: str) -> None:
    validator(name).validate(json.loads(example))


def test_a_path_that_is_no_utf8_is_escaped_in_json() -> None:
    odd = json.loads(device.output(OutputState("caf\udce9", 1.0, 1.0), AT).json())
    plain = json.loads(device.output(OutputState("cafe", 1.0, 1.0), AT).json())

    assert odd == {**plain, "output": r"caf\xe9"}
