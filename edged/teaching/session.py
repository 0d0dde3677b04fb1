"""Teaching while the daemon runs: frames of its camera, and the labels in force at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from edged import build
from edged.commands import Forget, Teach, UndoTeaching
from edged.config.schema import Config
from edged.errors import CommandError, EdgedError
from edged.messages.replies import TaughtAnswer
from edged.teaching.lessons import Lessons
from edged.teaching.teacher import Picture, Teacher

if TYPE_CHECKING:
    from edged.commands import Reply
    from edged.core import Frame


def carry_out(
    command: Teach | Forget | UndoTeaching,
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
        yield Picture(taken.pixels, f"frame {taken.number} of the camera")


def answer(made: Lessons, remarks: list[str]) -> TaughtAnswer:
    """What is notified of `made`."""
    return TaughtAnswer(
        labels={label: len(made.of(label)) for label in made.labels}, remarks=remarks
    )
