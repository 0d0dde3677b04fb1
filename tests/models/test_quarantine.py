from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edged import confine
from edged.config.schema import ModelConfig
from edged.models import quarantine
from edged.models.quarantine import Verdict, inspect, judge
from tests.inference.builder import Model

LIMIT_S = 60.0


def try_out(model: ModelConfig, **limits: int) -> Verdict:
    return inspect(Path(model.path), model, timeout_s=LIMIT_S, **limits)


def test_a_sound_model_passes_and_was_run(sound: ModelConfig) -> None:
    verdict = try_out(sound)
    assert (verdict.outcome, verdict.reason, verdict.ran) == ("ok", "", True)


def test_a_real_model_passes(shared_data: Path) -> None:
    path = shared_data / "models" / "mobilenet_v1_0.25_128_quant.tflite"
    labels = shared_data / "labels" / "imagenet_labels.txt"
    assert try_out(ModelConfig(path=str(path), labels=str(labels))).outcome == "ok"


def test_relative_paths_mean_the_same_as_outside(
    sound: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(sound.path).parent)
    relative = msgspec.structs.replace(sound, path="sound.tflite", labels="colours.txt")
    assert try_out(relative).outcome == "ok"


def test_labels_beside_the_model_are_in_reach(sound: ModelConfig) -> None:
    Path(sound.labels).rename(Path(sound.path).with_suffix(".txt"))
    assert try_out(msgspec.structs.replace(sound, labels="")).outcome == "ok"


def test_labels_with_a_usual_name_beside_the_model_are_in_reach(sound: ModelConfig) -> None:
    Path(sound.labels).rename(Path(sound.path).with_name("dict.txt"))
    assert try_out(msgspec.structs.replace(sound, labels="")).outcome == "ok"


def test_labels_that_do_not_fit_are_refused_in_the_words_of_the_loader(sound: ModelConfig) -> None:
    path = Path(sound.path).with_name("labels.txt")
    path.write_text("one\n")
    verdict = try_out(msgspec.structs.replace(sound, labels=""))
    assert verdict.outcome == "refused"
    assert f"{path} has 1 labels" in verdict.reason


def test_what_is_refused_comes_with_the_words_of_the_loader(
    sound: ModelConfig, tmp_path: Path
) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(Path(sound.path).read_bytes()[:200])
    verdict = try_out(msgspec.structs.replace(sound, path=str(path)))
    assert verdict.outcome == "refused"
    assert str(path) in verdict.reason
    assert "\n" not in verdict.reason


def test_a_model_that_ends_its_process_ends_no_other(fatal: ModelConfig) -> None:
    # A newer runtime may see the damage and refuse it; none can run it.
    assert try_out(fatal).outcome in ("died", "refused")


def test_a_model_that_takes_too_long_is_given_up(sound: ModelConfig) -> None:
    verdict = inspect(Path(sound.path), sound, timeout_s=0.01)
    assert verdict.outcome == "timed out"
    assert "0.01 s" in verdict.reason


def test_a_pipe_is_no_model(tmp_path: Path, labels: Path) -> None:
    path = tmp_path / "pipe.tflite"
    os.mkfifo(path)
    verdict = inspect(path, ModelConfig(labels=str(labels)))
    assert verdict.outcome == "refused"
    assert "not a regular file" in verdict.reason


def test_a_model_that_wants_too_much_memory_does_not_get_it(tmp_path: Path, labels: Path) -> None:
    huge = Model()
    image = huge.tensor([1, 4, 4, 3], "float32", name="image")
    large = huge.tensor([1, 2048, 2048, 3], "float32")
    means = huge.tensor([1, 1, 1, 3], "float32")
    scores = huge.tensor([1, 3], "float32", name="scores")
    huge.operator(
        "RESIZE_BILINEAR",
        [image, huge.tensor([2], "int32", data=(2048).to_bytes(4, "little") * 2)],
        [large],
        kind="ResizeBilinearOptions",
    )
    huge.pool(large, means, 2048, 2048)
    huge.reshape(means, scores)
    path = tmp_path / "huge.tflite"
    path.write_bytes(huge.content([image], [scores]))
    model = ModelConfig(path=str(path), labels=str(labels))
    assert try_out(model, memory_bytes=1 << 30).outcome == "ok"
    # The runtime's own words for it, as it happens to notice.
    assert try_out(model, memory_bytes=32 << 20).outcome != "ok"


def test_a_model_for_an_accelerator_is_read_and_not_run(sound: ModelConfig) -> None:
    verdict = try_out(msgspec.structs.replace(sound, delegate="libedgetpu.so.1"))
    assert (verdict.outcome, verdict.ran) == ("ok", False)


@pytest.mark.parametrize(
    ("status", "said", "outcome", "reason"),
    [
        (-signal.SIGSEGV, b"", "died", "SIGSEGV"),
        (-signal.SIGABRT, b"INFO: chatter\nCheck failed\n", "died", "SIGABRT: Check failed"),
        (-signal.SIGABRT, b"what():  std::bad_alloc\n", "out of memory", "memory"),
        (-signal.SIGKILL, b"", "out of memory", "SIGKILL"),
        (-signal.SIGXCPU, b"", "timed out", "processor time"),
        (1, b"Traceback\nValueError: no\n", "died", "exit status 1: ValueError: no"),
        (0, b"", "died", "without a verdict"),
        (0, b'{"outcome": "fine"}', "died", "without a verdict"),
        (0, b"\xff\xfe", "died", "without a verdict"),
    ],
)
def test_each_end_of_a_child_has_its_verdict(
    status: int, said: bytes, outcome: str, reason: str
) -> None:
    verdict = judge(status, said)
    assert verdict.outcome == outcome
    assert reason in verdict.reason


def test_the_child_knows_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "secret")
    assert "secret" not in json.dumps(quarantine._environment())


CONFINED = """
import json, os, socket, sys
from pathlib import Path
from edged import confine
allowed, forbidden = map(Path, sys.argv[1:])
confine.limit(memory_bytes=64 << 20, cpu_s=60)
landlocked = confine.landlock([allowed])
def can(attempt):
    try:
        attempt()
    except (OSError, MemoryError):
        return False
    return True
print(json.dumps({
    "landlock": landlocked,
    "read the model": can(allowed.read_bytes),
    "read another file": can(forbidden.read_bytes),
    "write": can(lambda: allowed.write_text("more than nothing")),
    "signal the parent": can(lambda: os.kill(os.getppid(), 0)),
    "take memory": can(lambda: bytearray(1 << 30)),
}))
"""


def test_a_confined_process_reads_its_files_and_does_nothing_else(tmp_path: Path) -> None:
    allowed, forbidden = tmp_path / "allowed", tmp_path / "forbidden"
    allowed.write_text("")
    forbidden.write_text("")
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, allowed, forbidden],
        capture_output=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found.pop("read the model")
    assert not found.pop("write")
    assert not found.pop("take memory")
    if not found.pop("landlock"):
        pytest.skip("this kernel has no Landlock: files are not out of reach")
    assert not found["read another file"]


def test_landlock_without_a_kernel_for_it_is_said_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A system call that no kernel has stands in for a kernel without this one.
    monkeypatch.setattr(confine, "_CREATE_RULESET", 4095)
    assert confine.landlock([Path("/")]) is False
