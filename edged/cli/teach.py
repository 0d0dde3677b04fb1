"""``edged teach``."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edged import logs
from edged.cli.daemon_socket import configured
from edged.cli.output import write_file
from edged.config.schema import Config
from edged.errors import CameraError, CommandError, ConfigError, UsageError
from edged.paths import running_socket
from edged.ports.control.client import TIMEOUT_S, ControlClient, DaemonAbsentError
from edged.printable import printable

if TYPE_CHECKING:
    from edged.review.folder import Folder

SHOTS = 10
"""Frames of the camera, unless another number is asked for."""


def run(arguments: argparse.Namespace) -> int:
    """With the running daemon where one answers, which has the labels from its next frame on."""
    logs.start("warning", "command")
    if arguments.normal:
        from edged.cli import teach_normal

        return teach_normal.run(arguments)
    config = configured(arguments)
    if not config.teach.enabled:
        raise CommandError("taught labels are off; set teach.enabled to true")
    label, *pictures = arguments.words or [None]
    others = (arguments.list, arguments.undo, arguments.forget is not None, arguments.export)
    other = any(others) or arguments.imported or arguments.thumbnails
    if other and label is not None:
        raise UsageError(f"{label}: this option takes no label and no pictures")
    if not other and (label is None or not (pictures or _with_camera(arguments))):
        raise UsageError(
            "give a label and pictures of it, or --camera, or one of --list, --forget, --undo, "
            "--export, --import and --thumbnails"
        )
    if pictures and arguments.camera is True:
        raise UsageError(f"{pictures[0]}: give pictures or --camera, not both")
    with Desk(config) as desk:
        if arguments.list:
            return _list(desk, as_json=arguments.json)
        if arguments.export:
            return _export(desk, arguments.export)
        if arguments.thumbnails:
            return _thumbnails(desk, arguments.thumbnails)
        if arguments.forget is not None:
            told = desk.forget(arguments.forget)
        elif arguments.undo:
            told = desk.undo()
        elif arguments.imported:
            told = desk.replace(arguments.imported)
        elif pictures:
            told = desk.teach(label, pictures)
        else:
            told = desk.teach_by_camera(label, arguments.shots or SHOTS, arguments.every)
    tell(told, label, desk, as_json=arguments.json)
    return 0


def _with_camera(arguments: argparse.Namespace) -> bool:
    return bool(arguments.camera)


class Desk:
    """Where lessons are changed: in the daemon, or in its files, which it then reads again."""

    def __init__(self, config: Config) -> None:
        self._client = ControlClient(running_socket(config))
        self._config = config
        self._stack = ExitStack()
        self._within: Path | None = None
        self._setup = self._asked_for("setup")
        if self._setup is not None:
            # Its state directory may be another than that of who teaches.
            place = self._setup["taught_in"]
            if place is None:
                raise CommandError(
                    "taught labels are off in the running daemon; set teach.enabled to true"
                )
            self._within = Path(place)

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def runs(self) -> bool:
        """Whether a daemon answers."""
        return self._setup is not None

    def _asked_for(self, command: str, /, **fields: object) -> dict[str, Any] | None:
        """What the daemon answers; None where there is none."""
        try:
            reply, _ = self._client.ask(command, **fields)
        except DaemonAbsentError:
            return None
        data: dict[str, Any] = reply["data"]
        return data

    def teacher(self) -> Any:
        from edged import build
        from edged.teaching.teacher import Teacher

        return self._stack.enter_context(
            Teacher(self._config, build.admitted(self._config), self._within)
        )

    def lessons(self) -> Any:
        """What is taught; None where nothing is."""
        from edged import build
        from edged.teaching import lessons, place, teacher

        bound = teacher.backbone(self._config, build.admitted(self._config))
        return lessons.fitting(place.place(self._config, bound.sha256, self._within), bound)

    def teach(self, label: str, paths: Sequence[str]) -> dict[str, Any]:
        from edged.batch import path_of, pictures
        from edged.imaging.folder import UnreadableError
        from edged.imaging.picture import read_picture
        from edged.teaching.teacher import Picture

        found = list(pictures([Path(path) for path in paths]))
        for path in found:
            if isinstance(path, UnreadableError):
                raise path
        teacher = self.teacher()

        def read() -> Iterator[Picture]:
            for path in map(path_of, found):
                yield Picture(read_picture(path, teacher.wanted_px), printable(path.absolute()))

        return self._written(lambda: teacher.add(teacher.examples(label, read(), len(found))))

    def teach_reviewed(self, folder: Folder) -> dict[str, Any]:
        """What people said of the pictures in `folder`, if no daemon runs, which has its own."""
        from edged.review.lessons import teach

        if self.runs:
            self._be_patient()
            return self._told("review-teach")
        teacher = self.teacher()
        return self._written(lambda: teach(teacher, folder))

    def _be_patient(self) -> None:
        from edged.commands import TEACH_S

        self._client = ControlClient(self._client.path, TEACH_S + TIMEOUT_S)

    def teach_by_camera(self, label: str, shots: int, every_s: float) -> dict[str, Any]:
        if self.runs:
            self._be_patient()
            return self._told("teach", label=label, shots=shots, every_s=every_s)
        from edged.teaching.session import shots as taken

        teacher = self.teacher()
        with _Camera(self._config, teacher.wanted_px) as camera:
            examples = teacher.examples(label, taken(shots, every_s, camera.frame), shots)
        return self._written(lambda: teacher.add(examples))

    def forget(self, label: str) -> dict[str, Any]:
        if self.runs:
            return self._told("forget", label=label)
        teacher = self.teacher()
        return self._written(lambda: teacher.forget(label))

    def undo(self) -> dict[str, Any]:
        if self.runs:
            return self._told("undo-teaching")
        return self._written(self.teacher().undo)

    def replace(self, file: Path) -> dict[str, Any]:
        from edged.teaching import lessons

        other = lessons.read(file)
        if other is None:
            raise CommandError(
                f"{printable(file)}: no such file; name one of `edged teach --export`"
            )
        teacher = self.teacher()
        return self._written(lambda: teacher.replace(other))

    def _told(self, command: str, **fields: object) -> dict[str, Any]:
        answer = self._asked_for(command, **fields)
        if answer is None:
            raise CommandError("the daemon has ended meanwhile; try again")
        return answer

    def _written(self, change: Callable[[], Any]) -> dict[str, Any]:
        """Make a change to the file, and let the daemon take it over; written back if it cannot."""
        from edged.teaching.session import answer
        from edged.teaching.teacher import Taught

        made = change()
        remarks: list[str] = []
        if isinstance(made, Taught):
            made, remarks = made
        if self.runs:
            try:
                self._told("reload")
                self._check(made.labels)
            except CommandError:
                self.teacher().undo()
                raise
        told: dict[str, Any] = msgspec.to_builtins(answer(made, remarks))
        return told

    def _check(self, labels: Sequence[str]) -> None:
        """CommandError where the daemon does not have what was written: it runs another model."""
        setup = self._told("setup")
        own = setup["labels"]
        if not set(labels) <= set(own):
            raise CommandError(
                "the daemon runs another model than the configuration says; nothing was changed; "
                "--camera teaches that model, and `edged models use --configured` goes back"
            )


class _Camera:
    """A camera of this process, one frame at a time."""

    def __init__(self, config: Config, wanted_px: tuple[int, int]) -> None:
        from edged import build

        self._config = config
        self._wanted_px = wanted_px
        self._camera = build.camera(config.camera, wanted_px)

    def __enter__(self) -> _Camera:
        # It would say that it tries again, which nothing does here.
        logging.getLogger("edged.cameras").setLevel(logging.CRITICAL)
        self._camera.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._camera.__exit__(*exception)

    def frame(self) -> Any:
        camera, config = self._camera, self._config.camera
        give_up_s = time.monotonic() + config.start_s
        while (frame := camera.read(0.1, self._wanted_px)) is None:
            if camera.error is not None or time.monotonic() > give_up_s:
                silent = f"{camera.name}: no frame came for {config.start_s:g} s"
                raise CameraError(camera.error or silent)
        return frame


def _list(desk: Desk, *, as_json: bool) -> int:
    known = desk.lessons()
    examples = [] if known is None else known.examples
    if as_json:
        for one in examples:
            at = datetime.fromtimestamp(one.taught_s, timezone.utc)
            told = {"label": one.label, "source": one.source, "taught": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
            line = {"type": "taught-picture", **told}
            print(json.dumps(line, ensure_ascii=False))
        return 0
    if not examples:
        print("nothing was taught; `edged teach LABEL PICTURE...` does it")
        return 0
    for label in known.labels:
        pictures = known.of(label)
        when = datetime.fromtimestamp(pictures[-1].taught_s).astimezone()
        print(f"{label}: {len(pictures)} pictures, the last one {when:%Y-%m-%d %H:%M}")
        for one in pictures:
            print(f"  {one.source}")
    return 0


def _export(desk: Desk, file: Path) -> int:
    from edged.teaching.lessons import encoded

    known = desk.lessons()
    if known is None or not known.examples:
        raise CommandError("nothing was taught that could be exported")
    write_file(file, encoded(known))
    print(f"written to {printable(file)}: {_counted(known)}")
    return 0


def _thumbnails(desk: Desk, folder: Path) -> int:
    known = desk.lessons()
    if known is None or not known.examples:
        raise CommandError("nothing was taught that has pictures")
    for number, one in enumerate(known.examples):
        name = "".join(sign if sign.isalnum() else "_" for sign in one.label)
        place = folder / name
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{printable(place)}: {error.strerror}; name another folder"
            ) from error
        write_file(place / f"{number:04}.jpg", one.thumbnail)
    print(f"written to {printable(folder)}: {len(known.examples)} pictures")
    return 0


def _counted(known: Any) -> str:
    return ", ".join(f"{label} {len(known.of(label))}" for label in known.labels)


def tell(told: dict[str, Any], label: str | None, desk: Desk, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**told, "in_force": desk.runs}, ensure_ascii=False))
        return
    for remark in told["remarks"]:
        print(f"note: {remark}")
    labels = ", ".join(f"{name} ({count} pictures)" for name, count in told["labels"].items())
    print(f"taught now: {labels or 'nothing'}")
    if desk.runs:
        print("the running daemon uses it from its next frame on")
    if label is not None:
        print(f'a rule can look for it: labels = ["{label}"]')
