"""The nouns and the seams: what flows through edged, and between which parts.

One direction: a `Camera` delivers a `Frame`, the `Classifier` makes it a `Prediction`, the decider
turns predictions over time into a `Scene` and `Event`s, the journal numbers the events, and every
`Port` gets the `Result`.
All times named ``_s`` without further word are seconds of ``time.monotonic()``: a jump of the
wall clock changes nothing. Wall-clock time appears only where a message leaves the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edged.config.schema import CameraConfig
    from edged.perception.rules import Decider

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
"""RGB picture, shape (height, width, 3), uint8; may be a strided view (rotated, cropped)."""

Scores: TypeAlias = "npt.NDArray[np.float32]"
"""One score per class, shape (classes,), float32 in 0..1."""

Features: TypeAlias = "npt.NDArray[np.float32]"
"""The feature vector of a picture, shape (features,), float32."""


class Frame(msgspec.Struct, frozen=True):
    """One picture and when its light was captured.

    ``number`` counts every frame that the camera delivered, used or not, so gaps show drops.
    ``decode_s`` is how long it took to make the pixels. ``full`` decodes the whole picture where
    ``pixels`` were decoded at a reduced scale, enough for the model; it may be called from any
    thread and takes milliseconds.
    """

    pixels: Pixels
    number: int
    captured_s: float
    decode_s: float = 0.0
    full: Callable[[], Pixels] | None = None


class Ranked(msgspec.Struct, frozen=True):
    """One class of a prediction, with its score."""

    label: str
    index: int
    score: float


class Prediction(msgspec.Struct, frozen=True):
    """What the model said of one picture.

    ``stages_s`` maps a stage's name to its duration. ``features`` are what the model's classes
    are made from, where it tells them. ``finite`` is false where an output held a number that is
    not: the scores, which are bounded, no longer show it.
    """

    scores: Scores
    labels: Sequence[str]
    stages_s: Mapping[str, float]
    model: str
    features: Features | None = None
    finite: bool = True

    def top(self, count: int) -> list[Ranked]:
        """The `count` best classes, best first; equal scores by lower index first."""
        # Here, so that commands that only talk to the daemon start without numpy.
        import numpy as np

        count = min(count, len(self.scores))
        if count <= 0:
            return []
        if count == 1:
            best = [int(self.scores.argmax())]
        else:
            # Partition first: a full sort of a thousand classes costs more than all the rest.
            kth = self.scores[np.argpartition(self.scores, -count)[-count:]].min()
            candidates = np.flatnonzero(self.scores >= kth)
            order = np.argsort(-self.scores[candidates], kind="stable")[:count]
            best = candidates[order].tolist()
        return [Ranked(self.labels[i], i, float(self.scores[i])) for i in best]


class RuleState(msgspec.Struct, frozen=True):
    """What a rule holds to be true at a frame; ``since_s`` is the onset of this state."""

    rule: str
    active: bool
    score: float
    since_s: float


Reason: TypeAlias = Literal["camera", "stop", "restart"]
"""Why rules end though no frame says so: no picture comes, edged stops, or an earlier run died."""


class Event(msgspec.Struct, frozen=True):
    """A rule became active or inactive.

    ``onset_s`` is when the smoothed score crossed the threshold that led here (not when minimum
    times let the rule change), ``score`` the smoothed score at the frame of number ``frame``, and
    ``decided_s`` the capture time of that frame. ``number`` is given by the journal: one more than
    that of the event before, and never used twice; 0 before it is given. ``reason`` is set where
    the rule ended though no frame said so.
    """

    rule: str
    active: bool
    score: float
    onset_s: float
    decided_s: float
    frame: int
    number: int = 0
    reason: Reason | None = None


NOTHING = "nothing"
"""Scene name: the model's best class is one that the configuration calls empty."""

UNKNOWN = "unknown"
"""Scene name: something is there, but no class reaches the score that it needs."""


class Scene(msgspec.Struct, frozen=True):
    """What is really there, as decided over time.

    ``name`` is the best active rule's name, the best label where no rule is active but the label
    is certain, or `NOTHING` or `UNKNOWN`; None where nothing is decided yet. ``rules`` has every
    rule in the configuration's order; its entries may be made when they are asked for, so that a
    frame does not pay for a thousand rules that nobody reads. ``active`` names those that hold, in
    the same order. ``score`` is the smoothed score of the rule or the best label; None where
    nothing is decided yet.
    """

    name: str | None
    rules: Sequence[RuleState] = ()
    active: tuple[str, ...] = ()
    score: float | None = None


UNDECIDED = Scene(None)
"""The scene before the first frame, and after a change of labels until the next."""


class Result(msgspec.Struct, frozen=True):
    """Everything known about one frame; the record that ports get for each classified frame.

    ``stages_s`` maps each stage, from decoding to deciding in the order of time, to its duration;
    they end at ``decided_s``.
    """

    frame: Frame
    prediction: Prediction
    scene: Scene
    events: tuple[Event, ...] = ()
    stages_s: Mapping[str, float] = msgspec.field(default_factory=dict)
    decided_s: float = 0.0


class Health(msgspec.Struct, frozen=True):
    """How the daemon itself is, sampled at an interval; units are in the names.

    ``stages_ms`` maps a stage to its median and 99th percentile over the interval. A value that
    the board does not tell is None.
    """

    at_s: float
    version: str
    uptime_s: float
    fps: float
    frames: int
    dropped: int
    camera: str
    camera_error: str | None
    pins_error: str | None
    paused: bool
    idle: bool
    model: str
    memory_mb: float
    temperature_c: float | None
    throttled: bool | None
    stages_ms: Mapping[str, tuple[float, float]] = msgspec.field(default_factory=dict)


class Snapshot(msgspec.Struct, frozen=True):
    """Somebody asked for a picture, and this is it; ``asked_by`` names who, for people."""

    result: Result
    asked_by: str


class OutputState(msgspec.Struct, frozen=True):
    """An output has changed its value: 0 is off, 1 is on, between is PWM or servo position.

    ``error`` is why its pin is not as it should be; ``value`` is then what it was last known to be,
    and 0 for a pin that was never there.
    """

    name: str
    value: float
    at_s: float
    error: str | None = None


class Undecided(msgspec.Struct, frozen=True):
    """Nothing is held to be true until the next frame: labels or rules are others now."""


class Ended(msgspec.Struct, frozen=True):
    """Rules that held do so no longer, for this ``reason``; ``why`` is for people.

    Except after a restart, where frames may have come already, nothing is held to be true until the
    next frame.
    """

    reason: Reason
    why: str
    events: tuple[Event, ...] = ()


class CameraThere(msgspec.Struct, frozen=True):
    """Frames come: the first ones, or again. Whether anybody decides on them is another matter."""


class Deciding(msgspec.Struct, frozen=True):
    """What decides from the next frame on: told before the first, and when a reload takes over.

    ``decider`` belongs to the loop's thread: only `Port.write` may look at what it holds. ``model``
    is the model's name, and ``sha256`` reads its file for the digest, which is empty where that
    file is another one by now.
    """

    decider: Decider
    model: str
    sha256: Callable[[], str]


Report: TypeAlias = (
    Result | Health | Snapshot | OutputState | Undecided | Ended | CameraThere | Deciding
)
"""What a port is told."""


class Camera(Protocol):
    """Delivers frames; newest wins. A context manager: enter opens, exit closes.

    Entering never fails because the device is absent: the camera goes on trying with back-off,
    and `read` returns None meanwhile.
    """

    @property
    def name(self) -> str:
        """What the frames come from, for people: a device, an address without credentials."""
        ...

    @property
    def dropped(self) -> int:
        """Frames that arrived and were never read, since opening."""
        ...

    @property
    def error(self) -> str | None:
        """Why the camera delivers nothing good at present, one line; None while it does."""
        ...

    @property
    def fails(self) -> bool:
        """Whether ``error`` says that no frames come at all; else those that come are odd."""
        ...

    @property
    def due_s(self) -> float:
        """By when the next frame or error must have come; a camera without both then hangs."""
        ...

    def __enter__(self) -> Camera: ...

    def __exit__(self, *exception: object) -> None: ...

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None) -> Frame | None:
        """The newest frame not read before, waiting up to `timeout_s`; None if there is none.

        `wanted_px` is the (height, width) that is enough for who asks; None wants all pixels. What
        is larger may be delivered smaller: not below twice that, or at just that where it is
        resized as the model's input would be. Called from the loop's thread
        only. Decoding of compressed frames happens here, so a frame that nobody reads costs
        nothing.
        """
        ...

    def aim(self, camera: CameraConfig) -> None:
        """Look at another region, and hide other parts, from the next `read` on."""
        ...

    def skip(self, timeout_s: float) -> bool:
        """As `read`, but the frame is let go undecoded: whether there was one."""
        ...


class Classifier(Protocol):
    """Turns pixels into scores. A context manager: entered when it is made, exit lets it go.

    One thread at a time.
    """

    @property
    def name(self) -> str:
        """The model's name, for people."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """One label per class, in the order of the scores."""
        ...

    @property
    def input_px(self) -> tuple[int, int]:
        """(height, width) of the picture that the model takes."""
        ...

    def __enter__(self) -> Classifier: ...

    def __exit__(self, *exception: object) -> None: ...

    def classify(self, pixels: Pixels) -> Prediction:
        """Blocks for the time of one invoke. The scores are the caller's own copy."""
        ...


class Port(Protocol):
    """Speaks to the outside, and may hear it. A context manager: enter opens, exit closes.

    What it hears it leaves in the mailbox, as a request.
    """

    def __enter__(self) -> Port: ...

    def __exit__(self, *exception: object) -> None: ...

    def write(self, report: Report) -> None:
        """Called for each report, between enter and exit only.

        From the loop's thread; an `OutputState` from the thread that times the outputs, too. Must
        not block: what may take time goes to a thread of the port's own, through a bounded
        hand-over. Must not raise for a failure of the outside world.
        """
        ...
