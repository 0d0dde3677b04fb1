"""Every option of edged, typed, with its default: the only place where a default is written.

The values are frozen: what changes while the daemon runs lives in the object that owns it. Ranges
are part of the type. config/edged.toml explains each option to people. Annotations are not
postponed here (``from __future__``): evaluating them from text takes longer than the whole loading.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from edged.cameras.kinds import CameraKind

Fraction: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Polygon: TypeAlias = Annotated[tuple[tuple[Fraction, Fraction], ...], Meta(min_length=2)]
Polygons: TypeAlias = Annotated[
    tuple[Polygon, ...],
    Meta(description="a list of polygons, each of at least 2 points [x, y] from 0 to 1"),
]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.0, le=86400.0)]
PositiveSeconds: TypeAlias = Annotated[float, Meta(gt=0.0, le=86400.0)]
BlinkSeconds: TypeAlias = Annotated[float, Meta(ge=0.02, le=86400.0)]
"""Each change of an output is also a message; anything faster is PWM."""

Name: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z",
        description="a name of letters, digits, _, . and - (64 at most, a letter or digit first)",
    ),
]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables of the configuration file."""


class CameraConfig(Section, frozen=True):
    """``[camera]``: the source of frames, and how they are turned upright."""

    kind: Literal["auto", CameraKind] = "auto"
    source: str = ""
    width_px: Annotated[int, Meta(ge=16, le=7680)] = 640
    height_px: Annotated[int, Meta(ge=16, le=4320)] = 480
    fps: Annotated[float, Meta(gt=0.0, le=1000.0)] = 30.0
    rotate_deg: Literal[0, 90, 180, 270] = 0
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    region: tuple[Fraction, Fraction, Fraction, Fraction] = (0.0, 0.0, 1.0, 1.0)
    privacy: Polygons = ()
    fit: Literal["stretch", "crop"] = "stretch"
    loop: bool = True
    first_frame_s: PositiveSeconds = 30.0
    timeout_s: PositiveSeconds = 5.0
    lost_after_s: Seconds = 10.0
    frozen_s: Seconds = 600.0
    latency_s: Seconds = 1.0
    retry_min_s: PositiveSeconds = 0.5
    retry_max_s: PositiveSeconds = 30.0
    isolate: bool = True

    @property
    def start_s(self) -> float:
        """How long opening and the first frame may take; never less than a later frame."""
        return max(self.first_frame_s, self.timeout_s)


class ModelConfig(Section, frozen=True):
    """``[model]``: the classifier, its runtime and the interpretation of its tensors."""

    path: str = ""
    labels: str = ""
    locale: str = ""
    runtime: Literal["auto", "litert", "tflite", "tensorflow"] = "auto"
    threads: Annotated[int, Meta(ge=0, le=64)] = 0
    xnnpack: bool = True
    delegate: str = ""
    delegate_options: dict[str, str] = {}
    mean: list[float] = []
    std: list[float] = []
    channels: Literal["rgb", "bgr"] = "rgb"
    scores: Literal["auto", "probabilities", "logits"] = "auto"
    require_blessing: bool = False


class SwapConfig(Section, frozen=True):
    """``[swap]``: what a model must hold that is chosen while edged runs."""

    shadow_s: Seconds = 10.0
    agreement_min: Fraction = 0.9
    best_class_min: Fraction = 0.5
    time_max: Annotated[float, Meta(gt=0.0, le=1000.0)] = 1.5
    memory_max_mb: Annotated[float, Meta(gt=0.0, le=100_000.0)] = 200.0
    on_reload: bool = False


class TeachConfig(Section, frozen=True):
    """``[teach]``: labels that the owner taught to the model."""

    enabled: bool = True
    path: str = ""
    mqtt: bool = False


class DecideConfig(Section, frozen=True):
    """``[decide]``: defaults for all rules, and options of the scene."""

    enter: Fraction = 0.6
    exit: Fraction = 0.4
    smoothing_s: Seconds = 0.3
    min_on_s: Seconds = 0.0
    min_off_s: Seconds = 0.0
    cooldown_s: Seconds = 0.0
    unknown_below: Fraction = 0.3
    unknown_share: Fraction = 0.05
    known_only: bool = True
    nothing: list[str] = field(default_factory=lambda: ["background", "no person"])


DeviceClass: TypeAlias = Literal[
    "", "battery", "battery_charging", "carbon_monoxide", "cold", "connectivity", "door",
    "garage_door", "gas", "heat", "light", "lock", "moisture", "motion", "moving", "occupancy",
    "opening", "plug", "power", "presence", "problem", "running", "safety", "smoke", "sound",
    "tamper", "update", "vibration", "window",
]  # fmt: skip
"""Home Assistant's classes of binary sensors."""


class RuleConfig(Section, frozen=True):
    """``[[rule]]``: labels to detect. An absent threshold or time is that of ``[decide]``."""

    name: Name
    labels: list[str] = []
    match: list[str] = []
    combine: Literal["max", "sum"] = "max"
    enter: Fraction | None = None
    exit: Fraction | None = None
    smoothing_s: Seconds | None = None
    min_on_s: Seconds | None = None
    min_off_s: Seconds | None = None
    cooldown_s: Seconds | None = None
    known_only: bool | None = None
    device_class: DeviceClass = ""


class SavedRule(RuleConfig, frozen=True):
    """A rule that was created on the web page: it is skipped if the model lacks its labels."""


class GpioConfig(Section, frozen=True):
    """``[gpio]``: access to the pins."""

    factory: Literal["auto", "lgpio", "gpiod", "mock", "none"] = "auto"
    chip: str = ""
    deadman_s: Annotated[float, Meta(ge=0.2, le=3600.0)] = 2.0


class OutputConfig(Section, frozen=True):
    """``[[output]]``: a device on a pin, and what controls it."""

    name: Name
    pin: int | str
    device: Literal["led", "pwm", "buzzer", "servo", "output"] = "output"
    active_high: bool = True
    initial: Fraction = 0.0
    rule: str = ""
    action: Literal["while", "pulse", "blink", "score", "manual"] = "while"
    on: Literal["enter", "exit", "both"] = "enter"
    pulse_s: PositiveSeconds = 1.0
    blink_on_s: BlinkSeconds = 0.5
    blink_off_s: BlinkSeconds = 0.5
    on_exit: Literal["off", "keep"] | Fraction = "off"
    on_lost: Literal["off", "keep"] | Fraction = "off"


class InputConfig(Section, frozen=True):
    """``[[input]]``: a button or a motion sensor on a pin, and its command."""

    name: Name
    pin: int | str
    device: Literal["button", "motion"] = "button"
    pull: Literal["up", "down", "none"] = "up"
    active_high: bool = False
    bounce_s: Seconds = 0.05
    action: str = "snapshot"


class IdleConfig(Section, frozen=True):
    """``[idle]``: when edged stops classifying until it is woken, and classifies less."""

    after_s: Seconds = 0.0
    still: bool = True
    still_s: PositiveSeconds = 3.0


class DifferentConfig(Section, frozen=True):
    """``[different]``: what is normal in this view."""

    learn_s: Annotated[float, Meta(ge=0.0, le=31_536_000.0)] = 0.0


class DriftConfig(Section, frozen=True):
    """``[drift]``: whether the pictures are still what is usual before this camera."""

    enabled: bool = True
    patience_s: PositiveSeconds = 120.0


class TlsConfig(Section, frozen=True):
    """``[mqtt.tls]``: encryption to the broker."""

    enabled: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True


Topic: TypeAlias = Annotated[
    str, Meta(pattern=r"^[^+#\x00]+\Z", description="a topic without + and #")
]


class HomeAssistantConfig(Section, frozen=True):
    """``[mqtt.home_assistant]``: discovery of entities."""

    enabled: bool = True
    prefix: Topic = "homeassistant"


class MqttConfig(Section, frozen=True):
    """``[mqtt]``: the broker and what is published."""

    enabled: bool = True
    host: str = "localhost"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    embedded: bool = False
    protocol: Literal["3.1.1", "5"] = "5"
    prefix: Topic = "edged"
    client_id: str = ""
    username: str = ""
    username_file: str = ""
    password_file: str = ""
    tls: TlsConfig = TlsConfig()
    keepalive_s: Annotated[int, Meta(ge=5, le=65535)] = 30
    retry_min_s: PositiveSeconds = 1.0
    retry_max_s: PositiveSeconds = 60.0
    session_expiry_s: Annotated[int, Meta(ge=0, le=4294967295)] = 86400
    classification_hz: Annotated[float, Meta(ge=0.0, le=1000.0)] = 1.0
    classification_top: Annotated[int, Meta(ge=1, le=100)] = 3
    health_s: Seconds = 30.0
    image: Literal["off", "event", "interval"] = "off"
    image_s: PositiveSeconds = 10.0
    image_quality: Annotated[int, Meta(ge=1, le=95)] = 80
    image_width_px: Annotated[int, Meta(ge=16, le=4096)] = 640
    image_retain: bool = False
    commands: bool = True
    command_age_s: Seconds = 10.0
    receipts: bool = True
    event_format: Literal["plain", "cloudevents"] = "plain"
    frigate_topic: Annotated[
        str, Meta(pattern=r"^[^+#\x00]*\Z", description="a topic without + and #, or empty")
    ] = ""
    home_assistant: HomeAssistantConfig = HomeAssistantConfig()


class WebhookConfig(Section, frozen=True):
    """``[[webhook]]``: an address to which every event is posted."""

    name: Name
    url: str
    secret_file: str = ""
    format: Literal["plain", "cloudevents", "cloudevents-binary"] = "plain"
    timeout_s: Annotated[float, Meta(gt=0.0, le=300.0)] = 10.0
    retry_min_s: PositiveSeconds = 1.0
    retry_max_s: PositiveSeconds = 300.0
    ca_file: str = ""


class JournalConfig(Section, frozen=True):
    """``[journal]``: events on disk, numbered, until every port has them and longer."""

    path: str = ""
    max_events: Annotated[int, Meta(ge=0, le=10_000_000)] = 100_000
    max_bytes: Annotated[int, Meta(ge=4096, le=1 << 40)] = 64 << 20
    sync_s: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.05


class WhyConfig(Section, frozen=True):
    """``[why]``: the scores around each event, kept beside the journal for `edged why`."""

    enabled: bool = True
    max_events: Annotated[int, Meta(ge=1, le=10_000_000)] = 1000
    max_bytes: Annotated[int, Meta(ge=4096, le=1 << 40)] = 32 << 20
    pictures: bool = False


class ReviewConfig(Section, frozen=True):
    """``[review]``: the frames that the model was least sure of, kept for `edged review`."""

    enabled: bool = False
    max_pictures: Annotated[int, Meta(ge=1, le=2000)] = 200
    max_bytes: Annotated[int, Meta(ge=65536, le=1 << 30)] = 16 << 20
    max_age_s: Annotated[float, Meta(gt=0.0, le=31_536_000.0)] = 2_592_000.0
    every_s: Annotated[float, Meta(ge=1.0, le=86400.0)] = 60.0


class ControlConfig(Section, frozen=True):
    """``[control]``: the Unix socket that the command line talks to."""

    enabled: bool = True
    socket: str = ""


class WebTlsConfig(Section, frozen=True):
    """``[web.tls]``: encryption to browsers, and client certificates."""

    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""


class WebConfig(Section, frozen=True):
    """``[web]``: what `edged web` serves, where, and to whom."""

    listen: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080
    hosts: list[str] = []
    token_file: str = ""
    insecure: bool = False
    tls: WebTlsConfig = WebTlsConfig()
    cors: list[str] = []
    pictures: bool = True
    search_folder: str = ""


class LogConfig(Section, frozen=True):
    """``[log]``: what is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "live", "text", "journal", "json"] = "auto"


class Config(Section, frozen=True):
    """The whole file."""

    device: Name = "edged"
    camera: CameraConfig = CameraConfig()
    model: ModelConfig = ModelConfig()
    swap: SwapConfig = SwapConfig()
    teach: TeachConfig = TeachConfig()
    decide: DecideConfig = DecideConfig()
    rule: list[RuleConfig] = []
    gpio: GpioConfig = GpioConfig()
    output: list[OutputConfig] = []
    input: list[InputConfig] = []
    idle: IdleConfig = IdleConfig()
    different: DifferentConfig = DifferentConfig()
    drift: DriftConfig = DriftConfig()
    mqtt: MqttConfig = MqttConfig()
    webhook: list[WebhookConfig] = []
    journal: JournalConfig = JournalConfig()
    why: WhyConfig = WhyConfig()
    review: ReviewConfig = ReviewConfig()
    control: ControlConfig = ControlConfig()
    web: WebConfig = WebConfig()
    log: LogConfig = LogConfig()
