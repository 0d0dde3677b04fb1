from __future__ import annotations

import builtins
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

import pyrage
import pytest

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import encrypted, labels, modelfile, tflite
from edged.models import quarantine
from tests.inference import builder

KEY = pyrage.x25519.Identity.generate()
OTHER = pyrage.x25519.Identity.generate()


def made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return builder.colours(Path(folder, "colours.tflite"), "uint8").read_bytes()


MODEL = made()


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the key, as age-keygen writes it."""
    path = tmp_path / "model-key"
    path.write_text(f"# created: today\n# public key: {KEY.to_public()}\n{KEY}\n")
    path.chmod(0o600)
    monkeypatch.setenv(encrypted.VARIABLE, str(path))
    return path


def sealed(data: bytes, *, to: pyrage.x25519.Identity = KEY, armored: bool = False) -> bytes:
    return bytes(pyrage.encrypt(data, [to.to_public()], armored=armored))


@pytest.fixture
def colours(tmp_path: Path, key: Path) -> ModelConfig:
    """A model of three colours, encrypted, with the labels beside it under its own name."""
    path = tmp_path / "colours.tflite.age"
    path.write_bytes(sealed(MODEL))
    (tmp_path / "colours.txt").write_text("red\ngreen\nblue\n")
    return ModelConfig(path=str(path), threads=1)


@pytest.mark.parametrize("armored", [False, True])
def test_an_encrypted_model_is_the_model(colours: ModelConfig, armored: bool) -> None:
    path = Path(colours.path)
    path.write_bytes(sealed(MODEL, armored=armored))
    assert modelfile.content(path) == MODEL
    classifier = tflite.load(colours)
    assert (classifier.name, classifier.labels) == ("colours", ("red", "green", "blue"))


def test_labels_that_are_packed_into_it_are_read(tmp_path: Path, key: Path) -> None:
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(MODEL)
    builder.pack(plain, {"labels.txt": b"rouge\nvert\nbleu\n"})
    path = tmp_path / "packed.tflite.age"
    path.write_bytes(sealed(plain.read_bytes()))
    assert labels.find(modelfile.read(path)).names == ("rouge", "vert", "bleu")


def test_quarantine_runs_it_and_sees_neither_key_nor_file(
    colours: ModelConfig, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = quarantine._environment
    seen: list[dict[str, str]] = []

    def environment() -> dict[str, str]:
        # By now its content is read: the child cannot read the file again.
        key.unlink()
        Path(colours.path).write_bytes(b"")
        seen.append(real())
        return seen[-1]

    monkeypatch.setattr(quarantine, "_environment", environment)
    verdict = quarantine.inspect(Path(colours.path), colours, timeout_s=60.0)
    assert (verdict.outcome, verdict.ran) == ("ok", True), verdict.reason
    assert encrypted.VARIABLE not in seen[0]


def test_who_has_decrypted_leaves_no_core(colours: ModelConfig) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        modelfile.content(Path(colours.path))
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def refused(path: str) -> str:
    """What is said of it: one line, with no key in it."""
    with pytest.raises(ModelError) as caught:
        modelfile.read(Path(path))
    said = str(caught.value)
    assert "\n" not in said
    assert str(KEY)[15:] not in said.upper()
    return said


def test_a_wrong_key_is_told(colours: ModelConfig) -> None:
    Path(colours.path).write_bytes(sealed(MODEL, to=OTHER))
    assert "is encrypted for another key than that in" in refused(colours.path)


def test_a_file_for_a_passphrase_is_told(colours: ModelConfig) -> None:
    Path(colours.path).write_bytes(pyrage.passphrase.encrypt(MODEL, "pass"))
    assert "is encrypted for another key" in refused(colours.path)


def test_a_torn_file_is_told_wherever_it_is_torn(colours: ModelConfig) -> None:
    whole = Path(colours.path).read_bytes()
    for size_bytes in (0, 5, 22, 100, 200, 300, len(whole) - 1):
        Path(colours.path).write_bytes(whole[:size_bytes])
        assert "is encrypted, and damaged or cut short" in refused(colours.path), size_bytes
    Path(colours.path).write_bytes(whole + b"x")
    assert "damaged" in refused(colours.path)


def test_a_changed_byte_is_told(colours: ModelConfig) -> None:
    whole = bytearray(Path(colours.path).read_bytes())
    whole[-20] ^= 1
    Path(colours.path).write_bytes(whole)
    assert "damaged" in refused(colours.path)


def test_another_version_of_the_format_is_told_in_one_line(colours: ModelConfig) -> None:
    Path(colours.path).write_bytes(b"age-encryption.org/v2\n-> X25519 AAAA\nBBBB\n--- CCCC\n")
    assert "is encrypted, and damaged" in refused(colours.path)


def test_no_key_is_told_with_what_to_do(colours: ModelConfig, key: Path) -> None:
    key.unlink()
    said = refused(colours.path)
    assert f"the key of the model, {key}, cannot be read (No such file or directory)" in said
    assert "age-keygen" in said


@pytest.mark.parametrize("text", ["", "\n", "rubbish", str(KEY)[:-1], "\0\xff"], ids=range(5))
def test_what_is_no_key_is_told_and_not_shown(colours: ModelConfig, key: Path, text: str) -> None:
    key.write_text(text)
    said = refused(colours.path)
    assert "does not hold a key of age" in said
    assert text.strip() == "" or text not in said


def test_a_key_that_everybody_reads_is_refused(colours: ModelConfig, key: Path) -> None:
    key.chmod(0o644)
    assert f"can be read by everybody: chmod o= {key}" in refused(colours.path)


def test_a_missing_library_is_told_with_what_installs_it(
    colours: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "pyrage":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "is encrypted, and pyrage is not installed: " in refused(colours.path)


def test_the_key_is_the_credential_of_the_service_else_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(encrypted.VARIABLE, raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert encrypted.key_file() == encrypted.KEY
    given = tmp_path / "model-key"
    given.write_text("\n")
    assert encrypted.key_file() == encrypted.KEY, "the empty line of the unit"
    given.write_text(str(KEY))
    assert encrypted.key_file() == given


def test_several_keys_may_stand_in_the_file(colours: ModelConfig, key: Path) -> None:
    key.write_text(f"{OTHER}\n{KEY}\n")
    assert modelfile.content(Path(colours.path)) == MODEL


def test_a_plain_model_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encrypted.VARIABLE, str(tmp_path / "none"))
    path = tmp_path / "plain.tflite"
    path.write_bytes(MODEL)
    assert modelfile.content(path) == MODEL
    assert os.environ[encrypted.VARIABLE]
