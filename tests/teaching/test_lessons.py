"""The file of what was taught: whole or refused, bound to its model, one step back."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from edged.errors import CommandError, ConfigError
from edged.teaching import lessons
from edged.teaching.lessons import Backbone, Example, Lessons
from edged.teaching.reading import Block, Reading

BACKBONE = Backbone("net", "ab" * 32, (), (), "rgb", "stretch")
READING = Reading((Block(3, 4), Block(5, 2)))


def example(label: str, number: int = 0) -> Example:
    vector = np.arange(6, dtype=np.float16) + number
    return Example(label, vector.tobytes(), bytes([number]) * 32, f"{number}.jpg", 1e9, b"jpeg")


def taught(*labels: str) -> Lessons:
    examples = tuple(example(label, number) for number, label in enumerate(labels))
    return Lessons(BACKBONE, READING, examples)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "net.taught"


def test_what_was_written_is_read_again(place: Path) -> None:
    known = taught("mug", "cup", "mug")
    lessons.write(place, known)
    assert lessons.read(place) == known
    assert known.labels == ["mug", "cup"]
    material = known.material()
    assert material.classes.tolist() == [0, 1, 0]
    assert material.vectors[1].tolist() == [1, 2, 3, 4, 5, 6]
    assert material.sizes == [4, 2]
    assert place.stat().st_mode & 0o777 == 0o640


def test_where_nothing_was_taught_there_is_nothing(place: Path) -> None:
    assert lessons.read(place) is None
    assert lessons.read(place / "deeper") is None


def test_every_cut_and_every_changed_byte_is_refused(place: Path) -> None:
    whole = lessons.encoded(taught("mug"))
    broken = [whole[:size] for size in range(len(whole))]
    broken += [
        whole[:spot] + bytes([whole[spot] ^ 1]) + whole[spot + 1 :] for spot in range(len(whole))
    ]
    for content in broken:
        place.write_bytes(content)
        with pytest.raises(ConfigError, match=r"net\.taught: taught labels cannot be used: it is "):
            lessons.read(place)


def sealed(body: object) -> bytes:
    """A body that is whole, whatever it says."""
    known = msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=Lessons)
    return lessons.encoded(known)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (replace(taught(), examples=(replace(example("mug"), vector=b"12"),)), "another length"),
        (
            replace(taught(), examples=(replace(example("mug"), label=" "),)),
            "a label must not be empty",
        ),
        (
            replace(taught(), examples=(replace(example("mug"), vector=b"\xff" * 12),)),
            "not finite",
        ),
        (replace(taught(), reading=Reading(())), "reads no tensors"),
        (replace(taught(), reading=Reading((Block(1, 6), Block(1, 0)))), "reads no tensors"),
        (replace(taught(), examples=(replace(example("mug"), closer=b"12"),)), "another length"),
        (replace(taught(), examples=(replace(example("mug"), known=2.0),)), "a share that is none"),
    ],
)
def test_a_whole_file_that_makes_no_sense_is_refused(
    place: Path, body: Lessons, reason: str
) -> None:
    place.write_bytes(sealed(body))
    with pytest.raises(ConfigError, match=reason):
        lessons.read(place)


def test_a_file_that_is_no_struct_of_ours_is_refused(place: Path) -> None:
    import hashlib

    body = msgspec.msgpack.encode([1, 2])
    place.write_bytes(b"edged-taught 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    with pytest.raises(ConfigError, match="cannot be used"):
        lessons.read(place)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (replace(BACKBONE, sha256="cd" * 32, name="other"), r"taught to net \(SHA-256 abab"),
        (replace(BACKBONE, fit="crop"), "camera.fit = 'stretch'"),
        (replace(BACKBONE, mean=(1.0,)), r"model.mean = \[\]"),
        (replace(BACKBONE, channels="bgr"), "model.channels = 'rgb'"),
    ],
)
def test_a_file_for_another_model_or_other_pixels_is_refused(
    place: Path, other: Backbone, told: str
) -> None:
    lessons.write(place, taught("mug"))
    before = place.read_bytes()
    with pytest.raises(ConfigError, match=told):
        lessons.fitting(place, other)
    assert place.read_bytes() == before


def test_the_name_of_the_file_does_not_matter(place: Path) -> None:
    lessons.write(place, taught("mug"))
    assert lessons.fitting(place, replace(BACKBONE, name="renamed")) == taught("mug")


def test_undo_goes_back_and_forth(place: Path) -> None:
    lessons.write(place, taught("mug"))
    lessons.write(place, taught("mug", "cup"))
    assert lessons.undo(place).labels == ["mug"]
    assert lessons.undo(place).labels == ["mug", "cup"]
    assert lessons.read(place) == taught("mug", "cup")


def test_the_first_lesson_can_be_undone(place: Path) -> None:
    lessons.write(place, taught("mug"))
    assert lessons.undo(place).examples == ()


def test_undo_repairs_a_torn_file(place: Path) -> None:
    lessons.write(place, taught("mug"))
    lessons.write(place, taught("mug", "cup"))
    place.write_bytes(place.read_bytes()[:100])
    assert lessons.undo(place) == taught("mug")
    assert lessons.read(place) == taught("mug")


def test_without_a_change_there_is_nothing_to_undo(place: Path) -> None:
    with pytest.raises(CommandError, match="nothing was taught that could be taken back"):
        lessons.undo(place)


def test_a_disk_that_takes_nothing_leaves_what_was_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lessons.write(place, taught("mug"))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lessons, "write_atomically", full)
    with pytest.raises(ConfigError, match="No space left on device; nothing was changed"):
        lessons.write(place, taught("mug", "cup"))
    assert lessons.read(place) == taught("mug")


def test_a_label_is_forgotten_with_its_pictures() -> None:
    known = taught("mug", "cup", "mug")
    assert known.without("mug").labels == ["cup"]
    with pytest.raises(CommandError, match="jug: no label of this name was taught; taught: mug"):
        known.without("jug")


def test_what_is_taught_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "MOST_PICTURES", 3)
    known = taught("mug", "mug", "mug")
    with pytest.raises(CommandError, match="4 pictures of 1 labels would be taught; at most 3"):
        known.with_examples([example("mug", 9)])


@pytest.mark.parametrize("label", ["", " ", " mug", "mug\n", "a\x1bb", "x" * 65, "Different"])
def test_what_is_no_label_is_told(label: str) -> None:
    assert lessons.wrong_label(label)


@pytest.mark.parametrize("label", ["mug", "bin, full", "Tür offen", "猫"])
def test_labels_may_be_in_any_language(label: str) -> None:
    assert lessons.wrong_label(label) is None


def test_two_who_teach_at_once_wait_for_each_other(place: Path) -> None:
    threads = 8

    def teach(number: int) -> None:
        with lessons.locked(place):
            known = lessons.read(place) or taught()
            lessons.write(place, known.with_examples([example("mug", number)]))

    workers = [threading.Thread(target=teach, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    known = lessons.read(place)
    assert known is not None
    assert sorted(one.source for one in known.examples) == [f"{n}.jpg" for n in range(threads)]


def test_a_place_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"set teach\.path to a place that can be written"),
        lessons.locked(tmp_path / "file" / "net.taught"),
    ):
        pass


def test_second_looks_are_used_where_pictures_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = [replace(example("mug", number), closer=b"\0" * 12) for number in (1, 2)]
    known = Lessons(BACKBONE, READING, (example("cup"), *looked))
    material = known.material()
    assert material.pictures.tolist() == [0, 1, 2, 1, 2]
    assert material.vectors[3:].tolist() == [[0.0] * 6] * 2
    monkeypatch.setattr(lessons, "CLOSER_LOOKS", 2)
    assert known.material().pictures.tolist() == [0, 1, 2]
