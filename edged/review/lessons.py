"""What people said of kept pictures, as lessons: labels that the model does not have itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from msgspec.structs import replace

from edged.errors import CommandError
from edged.imaging.picture import decode_picture
from edged.review.folder import Entry, Folder
from edged.teaching import checks
from edged.teaching.lessons import Example, Lessons
from edged.teaching.teacher import Picture, Taught, Teacher


def teach(teacher: Teacher, folder: Folder) -> Taught:
    """Teach all that was decided in `folder`, in one change that can be undone.

    A label that cannot be taught is left out, which is remarked. CommandError, with nothing
    changed, where none can.
    """
    by_label: dict[str, list[Entry]] = {}
    for entry in folder.entries():
        if decision := entry.kept.decision:
            by_label.setdefault(decision.label, []).append(entry)
    if not by_label:
        raise CommandError("nobody has said yet what a picture shows; accept or correct some first")
    old = teacher.lessons()
    examples: list[Example] = []
    left_out: list[str] = []
    for label, entries in by_label.items():
        try:
            examples += _checked(teacher, old, label, _pictures(folder, entries, teacher))
        except CommandError as error:
            left_out.append(str(error).removesuffix(": nothing was taught"))
    if not examples:
        raise CommandError(f"nothing was taught: {'; '.join(left_out)}")
    made, remarks = teacher.add(examples)
    return Taught(made, [*(f"left out: {one}" for one in left_out), *remarks])


def _checked(
    teacher: Teacher, old: Lessons, label: str, pictures: Sequence[Picture]
) -> list[Example]:
    """The examples of a label. CommandError where it cannot be taught."""
    if label.casefold() in {own.casefold() for own in teacher.own_labels}:
        raise CommandError(
            f"{label} is a label of the model itself: its pictures are for a training of the "
            "model, which `edged review --export` is for"
        )
    examples = teacher.examples(label, pictures, len(pictures))
    added, _ = checks.new(old, examples)
    checks.label(replace(old, examples=(*old.examples, *added)), label)
    return examples


def _pictures(folder: Folder, entries: Sequence[Entry], teacher: Teacher) -> list[Picture]:
    pictures = []
    for entry in entries:
        # As `edged teach` reads a file: the same picture has the same pixels, and counts once.
        data, where = folder.picture(entry.number), f"picture {entry.number}"
        pictures.append(Picture(decode_picture(data, where, teacher.wanted_px), source(entry)))
    return pictures


def source(entry: Entry) -> str:
    """Where a picture is from, for people."""
    kept, decision = entry.kept, entry.kept.decision
    at = datetime.fromtimestamp(kept.captured_s, timezone.utc)
    by = f", {decision.verdict} by {decision.by}" if decision else ""
    return f"review {entry.number} of {kept.device}, {at:%Y-%m-%dT%H:%M:%SZ}{by}"
