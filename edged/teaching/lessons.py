"""What was taught to a model: one file with the examples, from which a head is fitted.

The file is bound to the content of the model and to how pictures enter it, since the vectors mean
nothing to any other. It holds for each picture its vector, so that another label needs no picture
again, and for people a thumbnail, where the picture came from and when. A line with a checksum
comes first; the rest is MessagePack. Beside it is the file before the last change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import numpy as np

from edged import access
from edged.errors import CommandError, ConfigError
from edged.files import alone, like_folder, open_regular, write_atomically
from edged.teaching.head import Material
from edged.teaching.label import wrong_label
from edged.teaching.reading import Reading

MOST_PICTURES = 2000
MOST_LABELS = 100
MOST_BYTES = 1 << 26
"""Far more than the pictures that are allowed take with the largest models here."""

CLOSER_LOOKS = 60
"""With more pictures than this, the middles of them add little, and the fit takes long."""

_MAGIC = b"edged-taught 1 "


class Backbone(msgspec.Struct, frozen=True):
    """The model under a head: what it must be like for the vectors to hold."""

    name: str
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: str
    fit: str

    def difference(self, other: Backbone) -> str | None:
        """What is not as in `other`, for people; the name may be another."""
        if self.sha256 != other.sha256:
            return f"it was taught to {self.name} (SHA-256 {self.sha256[:12]}...)"
        for option, field in (
            ("model.mean", "mean"),
            ("model.std", "std"),
            ("model.channels", "channels"),
            ("camera.fit", "fit"),
        ):
            value = getattr(self, field)
            if value != getattr(other, field):
                shown = list(value) if isinstance(value, tuple) else value
                return f"it was taught with {option} = {shown!r}"
        return None


class Example(msgspec.Struct, frozen=True):
    """A picture that was taught.

    ``vector`` is its vector as float16, ``sha256`` of its pixels, ``source`` the file or the camera
    that it came from, ``taught_s`` when, in seconds since 1970, ``thumbnail`` a JPEG. ``known`` is
    that of its `Prediction`. ``closer`` is the vector of the middle of the picture, or empty.
    """

    label: str
    vector: bytes
    sha256: bytes
    source: str
    taught_s: float
    thumbnail: bytes
    known: float | None = None
    closer: bytes = b""


class Lessons(msgspec.Struct, frozen=True):
    """All that was taught to one model."""

    backbone: Backbone
    reading: Reading
    examples: tuple[Example, ...] = ()

    @property
    def labels(self) -> list[str]:
        """Each label once, in the order in which they were taught first."""
        return list(dict.fromkeys(example.label for example in self.examples))

    def material(self) -> Material:
        """What a head is fitted on."""
        rows = [np.frombuffer(example.vector, np.float16) for example in self.examples]
        pictures = list(range(len(rows)))
        if len(rows) <= CLOSER_LOOKS:
            closer = [place for place, example in enumerate(self.examples) if example.closer]
            rows += [np.frombuffer(self.examples[place].closer, np.float16) for place in closer]
            pictures += closer
        places = {label: place for place, label in enumerate(self.labels)}
        classes = [places[example.label] for example in self.examples]
        return Material(
            np.array(rows, np.float32).reshape(-1, self.reading.size),
            np.array(classes, np.int64),
            np.array(pictures, np.int64),
            [block.channels for block in self.reading.blocks],
        )

    def known(self) -> list[float]:
        """How known the pictures look to the model, of those where it says so."""
        return [example.known for example in self.examples if example.known is not None]

    def of(self, label: str) -> list[Example]:
        """The pictures of a label."""
        return [example for example in self.examples if example.label == label]

    def with_examples(self, added: Sequence[Example]) -> Lessons:
        """These, and more. CommandError where that is too much."""
        made = msgspec.structs.replace(self, examples=(*self.examples, *added))
        if len(made.examples) > MOST_PICTURES or len(made.labels) > MOST_LABELS:
            raise CommandError(
                f"{len(made.examples)} pictures of {len(made.labels)} labels would be taught; at "
                f"most {MOST_PICTURES} of {MOST_LABELS} fit: forget a label first"
            )
        return made

    def without(self, label: str) -> Lessons:
        """All but one label. CommandError where it was not taught."""
        if label not in self.labels:
            taught = ", ".join(self.labels) or "none"
            raise CommandError(f"{label}: no label of this name was taught; taught: {taught}")
        kept = tuple(example for example in self.examples if example.label != label)
        return msgspec.structs.replace(self, examples=kept)


def encoded(lessons: Lessons) -> bytes:
    """The content of a file."""
    body = msgspec.msgpack.encode(lessons)
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def decoded(content: bytes) -> Lessons:
    """What a file holds. ValueError, for people, where it is not one of ours or damaged."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    line, _, body = content.partition(b"\n")
    if not line.startswith(_MAGIC):
        raise ValueError("it is not a file of taught labels")
    if line[len(_MAGIC) :] != hashlib.sha256(body).hexdigest().encode():
        raise ValueError("it is damaged or cut short")
    lessons = msgspec.msgpack.decode(body, type=Lessons)
    size = lessons.reading.size
    if size <= 0 or any(block.channels <= 0 for block in lessons.reading.blocks):
        raise ValueError("it reads no tensors")
    for example in lessons.examples:
        if {len(example.vector), len(example.closer or example.vector)} != {2 * size}:
            raise ValueError("a vector has another length than the others")
        if problem := wrong_label(example.label):
            raise ValueError(problem)
        if example.known is not None and not 0 <= example.known <= 1:
            raise ValueError("a picture is known by a share that is none")
    if len(lessons.examples) > MOST_PICTURES or len(lessons.labels) > MOST_LABELS:
        raise ValueError(f"it has over {MOST_PICTURES} pictures or {MOST_LABELS} labels")
    every = b"".join(one.vector + one.closer for one in lessons.examples)
    if not np.isfinite(np.frombuffer(every, np.float16)).all():
        raise ValueError("a vector holds numbers that are not finite")
    return lessons


def read(path: Path) -> Lessons | None:
    """The lessons in a file; None if there is none. ConfigError if it cannot be used."""
    try:
        with open_regular(path) as file:
            return decoded(file.read(MOST_BYTES + 1))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        advice = access.advice(path, os.R_OK)
        raise ConfigError(f"{path}: taught labels: not permitted; {advice}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"{path}: taught labels cannot be used: {reason}; take back the last change with "
            "`edged teach --undo`, or remove the file and with it what was taught"
        ) from error


def fitting(path: Path, backbone: Backbone) -> Lessons | None:
    """As `read`, for this backbone alone."""
    lessons = read(path)
    if lessons is not None and (difference := lessons.backbone.difference(backbone)):
        raise ConfigError(
            f"{path}: taught labels do not fit model {backbone.name}: {difference}; teach again "
            "under another teach.path, or go back to that"
        )
    return lessons


def before(path: Path) -> Path:
    """Where the file before the last change is."""
    return path.with_name(f"{path.name}.before")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with a file of lessons: who else changes it waits. ConfigError."""
    held = ExitStack()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        held.enter_context(alone(path.with_name(f"{path.name}.lock")))
    except PermissionError as error:
        advice = access.advice(path.parent, os.W_OK | os.X_OK)
        raise ConfigError(f"{path}: taught labels: not permitted; {advice}") from error
    except OSError as error:
        raise ConfigError(
            f"{path}: taught labels: {error.strerror}; set teach.path to a place that can be "
            "written"
        ) from error
    with held:
        yield


def write(path: Path, lessons: Lessons) -> None:
    """Keep `lessons`, and the file that was there for `undo`. ConfigError leaves all as it was."""
    content = encoded(lessons)
    try:
        former = encoded(msgspec.structs.replace(lessons, examples=()))
        with suppress(FileNotFoundError), open_regular(path) as file:
            former = file.read(MOST_BYTES + 1)
        _replace(before(path), former)
        _replace(path, content)
    except OSError as error:
        raise ConfigError(
            f"{path}: taught labels cannot be written: {error.strerror or error}; nothing was "
            "changed"
        ) from error


def undo(path: Path) -> Lessons:
    """Go back to what was taught before the last change; a second time, forward again.

    CommandError where there was none; ConfigError where that cannot be used.
    """
    former = read(before(path))
    if former is None:
        raise CommandError("nothing was taught that could be taken back")
    write(path, former)
    return former


def _replace(path: Path, content: bytes) -> None:
    write_atomically(path, content, 0o640)
    like_folder(path)
