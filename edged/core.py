"""The nouns and the interfaces: the data that flows through edged, and the parts that exchange it.

One direction: a `Camera` delivers a `Frame`, the `Classifier` turns it into a `Prediction`, the
decider turns predictions over time into a `Scene` and `Event`s, the journal numbers the events, and
every `Port` gets the `Result`. Points in time named ``_s`` are seconds of ``time.monotonic()``
unless stated otherwise: a jump of the wall clock changes nothing. Wall-clock time appears only
where a message leaves the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

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


class Layer(msgspec.Struct, frozen=True):
    """An inner tensor of a model for one picture, as the model has it.

    ``values`` has the shape (height, width, channels) or (features,), in the tensor's type; a real
    value is (q - ``zero_point``) * ``scale``, or q itself where ``scale`` is 0.
    """

    values: npt.NDArray[Any]
    scale: float
    zero_point: int

    def real(self) -> npt.NDArray[np.float32]:
        """The values as real numbers, in the same shape."""
        import numpy as np

        values = self.values.astype(np.float32)
        if self.scale:
            values -= np.float32(self.zero_point)
            values *= np.float32(self.scale)
        return values


class Frame(msgspec.Struct, frozen=True):
    """One picture and when its light was captured.

    ``number`` counts every frame that the camera delivered, used or not, so gaps show drops.
    ``decode_s`` is how long decoding the pixels took. ``full`` decodes the whole picture if
    ``pixels`` were decoded at a reduced scale, enough for the model; it may be called from any
    thread and takes milliseconds. ``exposure_s`` is how long before ``captured_s`` the exposure
    began, at most.
    """

    pixels: Pixels
    number: int
    captured_s: float
    decode_s: float = 0.0
    full: Callable[[], Pixels] | None = None
    exposure_s: float = 0.0


class Ranked(msgspec.Struct, frozen=True):
    """One class of a prediction, with its score."""

    label: str
    index: int
    score: float


class Heat(msgspec.Struct, frozen=True):
    """How different a picture is from what is normal, by position.

    ``scores`` has the shape (rows, columns), float32 in 0..1; from 0.5 on a position is different.
    They cover the ``box`` (left, top, right, bottom) of the picture, in parts of its size.
    """

    scores: npt.NDArray[np.float32]
    box: tuple[float, float, float, float]


class Prediction(msgspec.Struct, frozen=True):
    """The model's output for one picture.

    ``stages_s`` maps a stage's name to its duration. ``features`` are the inputs of the model's
    last layer, if it exposes them. ``finite`` is false if an output held a number that is not
    finite: the scores, which are bounded, no longer show it. ``layers`` has the inner tensors that
    the classifier was asked for, by their index in the model's graph. ``known`` is the share of
    pictures of known things, 0..1, that look less known than this one; None if that is not known.
    ``taught`` is how probable it is, 0..1, that the picture shows something that the owner taught;
    None if nothing was taught. ``still`` is true if it is that of an earlier picture, which looked
    the same. ``heat`` shows where the picture is different, if what is normal was taught.
    """

    scores: Scores
    labels: Sequence[str]
    stages_s: Mapping[str, float]
    model: str
    features: Features | None = None
    finite: bool = True
    layers: Mapping[int, Layer] = msgspec.field(default_factory=dict)
    known: float | None = None
    taught: float | None = None
    still: bool = False
    heat: Heat | None = None

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
    """The state of a rule at a frame; ``since_s`` is the onset of this state."""

    rule: str
    active: bool
    score: float
    since_s: float


Reason: TypeAlias = Literal["camera", "stop", "restart"]
"""Why rules end without a frame: the camera delivers none, edged stops, or an earlier run
crashed."""


DRIFT = "drift"
"""What stands for the rule in events of the pictures themselves; no rule has this name then."""

Cause: TypeAlias = Literal[
    "night",
    "view blocked",
    "view out of focus",
    "view moved",
    "colour cast",
    "new kind of picture",
]
"""Why the pictures are not what is usual before a camera."""


CAMERA = "camera"
"""What stands for the rule in events of the camera itself; no rule has this name."""

Fault: TypeAlias = Literal["camera lost", "frames damaged", "picture frozen", "frames odd"]
"""Why a camera delivers no good frames, the worst first."""


class Drift(msgspec.Struct, frozen=True):
    """How far the pictures are from what is usual.

    ``score``, 0..1, says how much speaks for the likeliest cause: 0 where all is usual, 1 where it
    is the ``cause``. ``skew`` is, by statistic, the share of the frames of the last minutes that
    lie outside of what 98 % of the model's training pictures have.
    """

    score: float = 0.0
    cause: Cause | None = None
    skew: Mapping[str, float] = msgspec.field(default_factory=dict)


class Event(msgspec.Struct, frozen=True):
    """A rule became active or inactive, or the pictures ceased or came to be what is usual.

    ``onset_s`` is when the smoothed score crossed the threshold that led here (not when the minimum
    times allowed the rule to change), ``score`` the smoothed score at the frame of number
    ``frame``, and ``decided_s`` the capture time of that frame. The journal assigns ``number``: one
    more than that of the previous event, and never used twice; 0 before. ``reason`` is set if the
    rule ended without a frame. ``cause`` is set if it is no rule's, but of `DRIFT` or `CAMERA`.
    """

    rule: str
    active: bool
    score: float
    onset_s: float
    decided_s: float
    frame: int
    number: int = 0
    reason: Reason | None = None
    cause: Cause | Fault | None = None


NOTHING = "nothing"
"""Scene name: the model's best class is one that the configuration calls empty."""

UNKNOWN = "unknown"
"""Scene name: something is present that the model does not know, or no score is sufficient."""


DIFFERENT = "different"
"""Label: how different the picture is from what is normal in this view."""

VIEW_LABELS = (DIFFERENT, "view blocked", "view out of focus", "view moved")
"""Labels that say something of the whole view and are no classes of what is on it.

They come last, where they are. Rules can have them; no scene is named after them.
"""


class Scene(msgspec.Struct, frozen=True):
    """What is in view, as decided over time.

    ``name`` is the best active rule's name, the best label if no rule is active but the label is
    certain, or `NOTHING` or `UNKNOWN`; None if nothing is decided yet. ``rules`` has every rule in
    the configuration's order; its entries may be created on access, so that a frame does not pay
    for a thousand unread rules. ``active`` names the active ones, in the same order. ``score`` is
    the smoothed score of the rule or the best label; None if nothing is decided yet.
    """

    name: str | None
    rules: Sequence[RuleState] = ()
    active: tuple[str, ...] = ()
    score: float | None = None


UNDECIDED = Scene(None)
"""The scene before the first frame, and after a change of labels until the next."""


class Result(msgspec.Struct, frozen=True):
    """Everything known about one frame; the record that ports get for each frame decided on.

    ``stages_s`` maps each stage, from decoding to deciding in order, to its duration;
    they end at ``decided_s``.
    """

    frame: Frame
    prediction: Prediction
    scene: Scene
    events: tuple[Event, ...] = ()
    stages_s: Mapping[str, float] = msgspec.field(default_factory=dict)
    decided_s: float = 0.0


class Health(msgspec.Struct, frozen=True):
    """The daemon's own state, sampled at an interval; units are in the names.

    ``still`` counts those of the ``frames`` that were not classified, because they showed nothing
    new. ``stages_ms`` maps a stage to its median and 99th percentile over the interval. ``drift``
    is None where it is off. A value that the board does not report is None.
    """

    at_s: float
    version: str
    uptime_s: float
    fps: float
    frames: int
    dropped: int
    camera: str
    camera_error: str | None
    camera_failures: int
    camera_last_error: str | None
    pins_error: str | None
    paused: bool
    idle: bool
    model: str
    memory_mb: float
    temperature_c: float | None
    throttled: bool | None
    still: int = 0
    stages_ms: Mapping[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    model_problem: str | None = None
    drift: Drift | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """A requested picture; ``asked_by`` names the requester, for people."""

    result: Result
    asked_by: str


class OutputState(msgspec.Struct, frozen=True):
    """An output has changed its value: 0 is off, 1 is on, between is PWM or servo position.

    ``error`` is why its pin is not at the intended level; ``value`` is then the last known one, and
    0 for a pin that was never available.
    """

    name: str
    value: float
    at_s: float
    error: str | None = None


class Undecided(msgspec.Struct, frozen=True):
    """Nothing is decided until the next frame, because labels or rules have changed."""


class Ended(msgspec.Struct, frozen=True):
    """Active rules ended, for this ``reason``; ``why`` is for people.

    Nothing is decided until the next frame, except after a restart, where frames may have arrived
    already.
    """

    reason: Reason
    why: str
    events: tuple[Event, ...] = ()


class CameraThere(msgspec.Struct, frozen=True):
    """Frames arrive, for the first time or again, whether or not they are classified."""


class CameraChanged(msgspec.Struct, frozen=True):
    """The camera ceased to deliver good frames, or delivers them again."""

    events: tuple[Event, ...]


class Deciding(msgspec.Struct, frozen=True):
    """What decides from the next frame on: told before the first, and when a reload takes over.

    ``decider`` belongs to the loop's thread: only `Port.write` may read its state. ``model`` is the
    model's name, and ``sha256`` reads its file for the digest, which is empty if the file has
    changed.
    """

    decider: Decider
    model: str
    sha256: Callable[[], str]


Report: TypeAlias = (
    Result
    | Health
    | Snapshot
    | OutputState
    | Undecided
    | Ended
    | CameraThere
    | CameraChanged
    | Deciding
)
"""What a port receives."""


class Camera(Protocol):
    """Delivers frames; the newest wins. A context manager: enter opens, exit closes.

    Entering never fails because the device is absent: the camera retries with back-off, and `read`
    returns None meanwhile.
    """

    @property
    def name(self) -> str:
        """The source, for people: a device, or an address without credentials."""
        ...

    @property
    def dropped(self) -> int:
        """Frames that arrived and were never read, since opening."""
        ...

    @property
    def error(self) -> str | None:
        """Why the camera delivers no good frames at present, one line; None while it does."""
        ...

    @property
    def fault(self) -> Fault | None:
        """The kind of ``error``; None also where a recording has ended."""
        ...

    @property
    def failures(self) -> int:
        """How often good frames have ceased since opening, however briefly."""
        ...

    @property
    def last_error(self) -> str | None:
        """The last ``error``, also where it is over; None if there was none."""
        ...

    @property
    def fails(self) -> bool:
        """Whether ``error`` means no frames at all; otherwise frames arrive, but are faulty."""
        ...

    @property
    def due_s(self) -> float:
        """The deadline of the next frame or error; a camera that delivers neither by then hangs."""
        ...

    def __enter__(self) -> Camera: ...

    def __exit__(self, *exception: object) -> None: ...

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None) -> Frame | None:
        """The newest frame not read before, waiting up to `timeout_s`; None if there is none.

        `wanted_px` is the (height, width) that suffices for the caller; None requests all pixels. A
        larger frame may be reduced: to at least twice that, or to exactly that if it is resized
        like the model's input. Called only from the loop's thread. Decoding of compressed frames
        happens here, so an unread frame costs nothing.
        """
        ...

    def aim(self, camera: CameraConfig) -> None:
        """Use another region and other privacy masks from the next `read` on."""
        ...

    def skip(self, timeout_s: float) -> bool:
        """Like `read`, but discard the frame undecoded; whether there was one."""
        ...


class Classifier(Protocol):
    """Turns pixels into scores. A context manager: entered when created, exit releases it.

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

    @property
    def keeps_state(self) -> bool:
        """Whether the scores of a picture depend on the pictures before it."""
        ...

    def __enter__(self) -> Classifier: ...

    def __exit__(self, *exception: object) -> None: ...

    def classify(self, pixels: Pixels) -> Prediction:
        """Blocks for the time of one invoke. The scores are the caller's own copy."""
        ...


class Port(Protocol):
    """Sends reports, and may receive commands. A context manager: enter opens, exit closes.

    A received command goes into the mailbox, as a request.
    """

    def __enter__(self) -> Port: ...

    def __exit__(self, *exception: object) -> None: ...

    def write(self, report: Report) -> None:
        """Called for each report, between enter and exit only.

        From the loop's thread; an `OutputState` also from the thread that times the outputs. Must
        not block: slow work goes to a thread of the port's own, through a bounded queue. Must not
        raise for an external failure.
        """
        ...
