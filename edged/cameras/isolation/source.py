"""A source that runs in a process of its own, as the daemon has it."""

from __future__ import annotations

import logging
import math
import select
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Literal, TypeVar
from weakref import ref

import msgspec

from edged.cameras.isolation.pictures import Pictures
from edged.cameras.isolation.process import CameraProcess
from edged.cameras.kinds import CameraKind, is_address
from edged.cameras.newest import RESOLVER_S
from edged.cameras.pace import LOOK_S
from edged.cameras.source import Capture, DecodePending, FrameMissing, SourceDied, SourceEnded
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError
from edged.printable import printable
from edged.redact import public_name

log = logging.getLogger(__name__)

MESSAGE_BYTES = 1 << 16

START_S = 30.0
"""How long Python and a camera's library may take to start, on the slowest board."""

GRACE_S = 0.1
"""Within this time beyond its limit, the process itself says why no frame comes."""

PATIENCE_S = 0.05
"""The loop turns, whatever a decoder does."""

WHOLE_S = 5.0
"""How long somebody waits for a whole picture."""

LIVED_S = 0.5
"""A process that has delivered frames for so long, and dies, is followed by another at once."""

LONGEST_S = 86400.0
"""No source sleeps for longer."""

LINES, LINES_S = 20, 60.0
"""So many lines of its log are taken in so many seconds."""


class _Ready(msgspec.Struct, array_like=True, frozen=True, tag="ready"):
    kind: CameraKind
    landlock: bool
    seccomp: bool


class _Opened(msgspec.Struct, array_like=True, frozen=True, tag="opened"):
    name: str


class _Frame(msgspec.Struct, array_like=True, frozen=True, tag="frame"):
    number: int
    captured_s: float
    live: bool
    exposure_s: Annotated[float, msgspec.Meta(ge=0.0)] | None
    doubt: str | None


class _Due(msgspec.Struct, array_like=True, frozen=True, tag="due"):
    due_s: float


class _Missing(msgspec.Struct, array_like=True, frozen=True, tag="missing"):
    why: str


class _Failed(msgspec.Struct, array_like=True, frozen=True, tag="failed"):
    why: str


class _Ended(msgspec.Struct, array_like=True, frozen=True, tag="ended"):
    why: str


class _Log(msgspec.Struct, array_like=True, frozen=True, tag="log"):
    level: Literal[10, 20, 30, 40, 50]
    text: str


_WORDS = msgspec.json.Decoder(_Ready | _Opened | _Frame | _Due | _Missing | _Failed | _Ended | _Log)

_Word = TypeVar("_Word", _Ready, _Opened, _Frame)


class _Held:
    """A capture in the process, which is let go there when nobody has this any more."""

    def __init__(self, number: int, pictures: Pictures) -> None:
        self.number = number
        self.was_read = False
        self._pictures = pictures

    def __del__(self) -> None:
        self._pictures.free(self.number)


class IsolatedSource:
    """A `ScheduledSource` and a `ScalingSource` over any source, in a `CameraProcess`."""

    def __init__(
        self,
        camera: CameraConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        process: CameraProcess | None = None,
    ) -> None:
        """`process` is one that has been started for this camera before."""
        self.name = printable(public_name(camera.source) or camera.kind)
        self.least_px: tuple[int, int] | None = None
        self.kind: CameraKind | None = None
        """The kind of camera that was found, once that is known."""
        self._camera = camera
        self._clock = clock
        self._sleep = sleep
        self._process = process
        self._limit_s = self._deadline_s = 0.0
        self._opened_s = math.inf
        self._captured_s = -math.inf
        self._number = 0
        self._latest: ref[_Held] | None = None
        self._lines_s: deque[float] = deque(maxlen=LINES)

    @property
    def due_s(self) -> float:
        """See `edged.cameras.source.ScheduledSource`."""
        return self._deadline_s

    def __enter__(self) -> IsolatedSource:
        self._expect(START_S)
        process = self._process = self._process or CameraProcess(self._camera)
        self._small, self._whole = (
            Pictures(process.pictures[0], PATIENCE_S),
            Pictures(process.pictures[1], WHOLE_S, slots=0),
        )
        try:
            ready = self._await(_Ready)
            self.kind = ready.kind
            _tell_of(ready)
            self._expect(self._opening_s())
            with suppress(OSError):
                process.connection.send(msgspec.json.encode(("open", self.least_px)))
            self.name = printable(self._await(_Opened).name)
            self._expect(self._camera.start_s)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._end_process(kill=False)

    def grab(self) -> Capture:
        frame = self._await(_Frame)
        now_s = self._clock()
        self._opened_s = min(self._opened_s, now_s)
        self._expect(self._camera.timeout_s)
        # A source checks its clock, but a process that was taken over may say anything.
        captured_s = frame.captured_s if self._captured_s <= frame.captured_s <= now_s else now_s
        self._captured_s, self._number = captured_s, frame.number
        held = _Held(frame.number, self._small)
        self._latest = ref(held)
        decode = partial(self._decode, held)
        doubt = None if frame.doubt is None else printable(frame.doubt)
        return Capture(captured_s, decode, True, frame.live, frame.exposure_s, doubt)

    def expect(self, least_px: tuple[int, int] | None) -> None:
        """See `edged.cameras.source.DecodingSource`."""
        if least_px is not None and self._process is not None:
            self._small.expect(self._number, least_px)

    def _decode(self, held: _Held, least_px: tuple[int, int] | None) -> Pixels:
        pictures = self._whole if least_px is None else self._small
        try:
            pixels = pictures.decode(held.number, least_px)
            held.was_read = True
            return pixels
        except (DecodePending, FrameMissing):
            raise
        except CameraError as error:
            raise CameraError(str(error) or f"{self.name}: damaged frame") from error

    def _expect(self, limit_s: float) -> None:
        """The next word must come within `limit_s`."""
        self._limit_s = limit_s
        self._deadline_s = self._clock() + limit_s + GRACE_S

    def _opening_s(self) -> float:
        camera = self._camera
        if not is_address(camera.source):
            return camera.start_s
        # HTTP is asked twice, and each time it may take its time.
        return camera.start_s * (1 + camera.source.startswith("http")) + RESOLVER_S

    def _await(self, wanted: type[_Word]) -> _Word:
        """The next word of this kind; others are obeyed."""
        while True:
            word = self._next()
            if isinstance(word, wanted):
                return word
            match word:
                case _Failed():
                    raise CameraError(printable(word.why))
                case _Ended():
                    self._let_the_last_be_read()
                    raise SourceEnded(printable(word.why))
                case _Missing():
                    self._expect(self._camera.start_s)
                    raise FrameMissing(printable(word.why))
                case _Due():
                    due_s = min(word.due_s, self._clock() + LONGEST_S)
                    limit_s = self._camera.timeout_s + GRACE_S
                    self._deadline_s = max(self._deadline_s, due_s + limit_s)
                case _Log():
                    self._log(word)
                case _:
                    raise self._died("it does not keep to the protocol", kill=True)

    def _let_the_last_be_read(self) -> None:
        """The last frame of a film is there until it is read, or let go."""
        self._expect(self._camera.timeout_s)
        while self._clock() < self._deadline_s:
            held = None if self._latest is None else self._latest()
            if held is None or held.was_read:
                return
            del held
            self._sleep(LOOK_S)

    def _next(self) -> object:
        """The next word. CameraError where the process ends, hangs or talks nonsense."""
        process = self._process
        if process is None:
            raise ValueError("the source is not open")
        poll = select.poll()
        poll.register(process.connection, select.POLLIN)
        poll.register(process.told_fd, select.POLLIN)
        while True:
            self._sleep(0.0)
            now_s = self._clock()
            asked_s = self._small.asked_s
            if asked_s is not None and now_s >= asked_s + self._camera.timeout_s:
                raise self._died("it does not decode a frame", kill=True)
            if now_s >= self._deadline_s:
                raise self._died(f"no frame for {self._limit_s:g} s, and no word why", kill=True)
            ready = {fd for fd, _ in poll.poll(1e3 * min(LOOK_S, self._deadline_s - now_s))}
            if process.told_fd in ready and not process.listen():
                poll.unregister(process.told_fd)
            if process.connection.fileno() not in ready:
                continue
            try:
                if message := process.connection.recv(MESSAGE_BYTES):
                    return _WORDS.decode(message)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise self._died("it does not keep to the protocol", kill=True) from None
            except OSError:
                pass
            raise self._died("it has ended", kill=False)

    def _died(self, why: str, *, kill: bool) -> CameraError:
        lived_s = self._clock() - self._opened_s
        how = self._end_process(kill=kill)
        text = f"{self.name}: its process fails: {why}" + ("" if kill else f" ({how})")
        return SourceDied(text) if lived_s >= LIVED_S else CameraError(text)

    def _end_process(self, *, kill: bool) -> str:
        process, self._process = self._process, None
        how = "" if process is None else process.end(kill=kill)
        self._small.close()
        self._whole.close()
        return how

    def _log(self, said: _Log) -> None:
        now_s = self._clock()
        # Who has taken it over shall not fill the disk.
        if len(self._lines_s) == LINES and now_s < self._lines_s[0] + LINES_S:
            return
        self._lines_s.append(now_s)
        log.log(said.level, "%s", printable(said.text))


class IsolatedSources:
    """Makes the source of each opening; what ``auto`` has found is opened from then on."""

    def __init__(
        self,
        camera: CameraConfig,
        sleep: Callable[[float], None],
        process: CameraProcess | None = None,
    ) -> None:
        """`process` is for the first."""
        self._camera = camera
        self._sleep = sleep
        self._process = process
        self._latest: IsolatedSource | None = None

    def __call__(self) -> IsolatedSource:
        """For `edged.cameras.newest.NewestFrame`."""
        if self._latest is not None and self._latest.kind is not None:
            self._camera = msgspec.structs.replace(self._camera, kind=self._latest.kind)
        process, self._process = self._process, None
        self._latest = IsolatedSource(self._camera, sleep=self._sleep, process=process)
        return self._latest


_told: set[str] = set()


def _tell_of(ready: _Ready) -> None:
    """Say once what this system does not have to confine a camera with."""
    for name, holds in (("Landlock", ready.landlock), ("seccomp", ready.seccomp)):
        if not holds and name not in _told:
            _told.add(name)
            log.info("camera: its process is not confined by %s, which this system lacks", name)
