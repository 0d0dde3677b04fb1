"""Teaching while the daemon runs: frames of its camera, and the labels in force at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from edged import build
from edged.commands import Forget, ReviewTeach, Teach, UndoTeaching
from edged.config.schema import Config
from edged.errors import CommandError, EdgedError
from edged.journal.paths import beside_journal
from edged.messages.replies import TaughtAnswer, TaughtPicture, TaughtPicturesAnswer
from edged.teaching.lessons import Lessons
from edged.teaching.teacher import Picture, Taught, Teacher

if TYPE_CHECKING:
    from edged.commands import Reply
    from edged.core import Frame

SHOWN = 24
"""Pictures of a label that are shown to who asks."""


def carry_out(
    command: Teach | Forget | UndoTeaching | ReviewTeach,
    config: Config,
    frame: Callable[[], Frame],
    take_over: Callable[[], Reply],
) -> TaughtAnswer:
    """Change what is taught to the model of `config`, and `take_over` what was written.

    What cannot be taken over (a rule looks for a label that would be gone) is written back.
    `frame` gives the next frame of the camera. EdgedError: nothing has changed.
    """
    check(config)
    with Teacher(config, build.admitted(config)) as teacher:
        remarks: list[str] = []
        match command:
            case Teach():
                pictures = list(shots(command.shots, command.every_s, frame))
                made, remarks = teacher.add(
                    teacher.examples(command.label, pictures, command.shots)
                )
            case Forget():
                made = teacher.forget(command.label)
            case ReviewTeach():
                made, remarks = reviewed(config, teacher)
            case _:
                made = teacher.undo()
        try:
            if error := take_over().error:
                raise CommandError(error)
        except EdgedError:
            teacher.undo()
            raise
    return answer(made, remarks)


def taught(config: Config) -> TaughtAnswer:
    """What is taught to the model of `config`. EdgedError where that cannot be found out."""
    known = build.lessons(config, build.admitted(config))
    return TaughtAnswer(labels={}, remarks=[]) if known is None else answer(known, [])


def reviewed(config: Config, teacher: Teacher) -> Taught:
    """Teach what people said of the frames that are kept. CommandError where that is nothing."""
    from edged.review.folder import Folder
    from edged.review.lessons import teach

    kept = beside_journal(config.journal, config.device, "review")
    if kept is None:
        raise CommandError("no pictures are kept for review: journal.max_events is 0")
    return teach(teacher, Folder(kept))


def pictures(config: Config, label: str) -> TaughtPicturesAnswer:
    """The newest pictures of a label. CommandError where it was not taught."""
    check(config)
    known = build.lessons(config, build.admitted(config))
    examples = [] if known is None else known.of(label)
    if not examples:
        raise CommandError(f"{label}: no label of this name was taught")
    return TaughtPicturesAnswer(
        label=label,
        pictures=[
            TaughtPicture(
                source=one.source,
                time=datetime.fromtimestamp(one.taught_s, timezone.utc),
                jpeg=one.thumbnail,
            )
            for one in reversed(examples[-SHOWN:])
        ],
    )


def check(config: Config) -> None:
    """CommandError where taught labels are off."""
    if not config.teach.enabled:
        raise CommandError("taught labels are off; set teach.enabled to true")


def shots(count: int, every_s: float, frame: Callable[[], Frame]) -> Iterator[Picture]:
    """So many frames, with this time between two of them."""
    for number in range(count):
        if number:
            time.sleep(every_s)
        taken = frame()
        # The model needs less, but people look at it, and a closer look takes its middle.
        pixels = taken.full() if taken.full else taken.pixels
        yield Picture(pixels, f"frame {taken.number} of the camera")


def answer(made: Lessons, remarks: list[str]) -> TaughtAnswer:
    """What is notified of `made`."""
    return TaughtAnswer(
        labels={label: len(made.of(label)) for label in made.labels}, remarks=remarks
    )
