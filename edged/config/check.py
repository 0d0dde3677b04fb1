"""Checks that types cannot express: values that must fit each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from edged.cameras.kinds import KINDS, OF_FORM, form_of
from edged.commands import Asker, open_to
from edged.config.nearest import did_you_mean, listed, nearest
from edged.config.network import of_mqtt, of_retry, of_web, of_webhooks
from edged.config.schema import CameraConfig, Config, InputConfig, OutputConfig
from edged.config.toml import KeyPath, shown
from edged.config.validate import Problem
from edged.core import CAMERA, DRIFT, NOTHING, UNKNOWN

RULES_LIMIT = 10_000
PIN_LIMIT = 1024
"""Far more than the lines of any GPIO chip."""

_ROUNDING = 1e-9


def problems(config: Config) -> Iterator[Problem]:
    """All inconsistencies, section by section."""
    yield from _camera(config)
    yield from _model(config)
    yield from _rules(config)
    yield from _outputs(config)
    yield from _inputs(config)
    yield from _pins(config)
    yield from _idle(config)
    yield from of_mqtt(config.mqtt)
    yield from of_web(config.web)
    yield from _repeated("webhook", (webhook.name for webhook in config.webhook))
    yield from of_webhooks(config.webhook)
    if config.review.enabled and not config.journal.max_events:
        message = "pictures are kept beside the journal, which is off: journal.max_events is 0"
        yield Problem(("review", "enabled"), True, f"{message}; expected false, or a journal")


_READS = {
    "action": ("device",),
    "active_high": ("device",),
    "after_s": ("action", "enabled", "commands"),
    "enabled": ("ca_file", "cert_file", "key_file", "max_events"),
    "cert_file": ("key_file",),
    "enter": ("exit",),
    "exit": ("enter",),
    "host": ("enabled",),
    "initial": ("device",),
    "key_file": ("cert_file",),
    "kind": ("source",),
    "labels": ("match",),
    "on_exit": ("device",),
    "on_lost": ("device",),
    "password_file": ("username", "username_file"),
    "retry_min_s": ("retry_max_s",),
    "rule": ("action", "name"),
    "source": ("kind",),
    "timeout_s": ("fps", "kind"),
    "username_file": ("username",),
}
"""The other keys on whose values a key's problem depends."""


_READS_ALSO = {
    "rule": ("decide", "drift"),
    "output": ("rule",),
    "idle": ("input", "mqtt", "control"),
    "review": ("journal",),
}
"""The other tables on which a problem in a table depends."""


def holds_without(misfit: Problem, wrong: Iterable[Problem]) -> bool:
    """Whether a problem remains whatever replaces the `wrong` values."""
    reads = {_key(misfit.path), *_READS.get(_key(misfit.path), ())}
    also = _READS_ALSO.get(str(misfit.path[0]), ())
    for problem in wrong:
        path, key = problem.path, _key(problem.path)
        if len(path) == 1:
            # A table with a misspelt name may be what is missing elsewhere.
            related = not problem.has_value
        elif _element(path) == _element(misfit.path):
            related = isinstance(path[-1], int) or nearest(key, reads) is not None
        else:
            related = key in reads and path[0] in also
        if related:
            return False
    return True


def _element(path: KeyPath) -> KeyPath:
    return path[:2] if isinstance(path[1], int) else path[:1]


def _key(path: KeyPath) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _camera(config: Config) -> Iterator[Problem]:
    camera = config.camera
    yield from _source(camera)
    yield from of_retry(("camera",), camera.retry_min_s, camera.retry_max_s)
    interval_s = 1 / camera.fps
    is_timed = camera.kind != "auto" and KINDS[camera.kind].is_timed
    if is_timed and camera.timeout_s <= interval_s:
        message = (
            f"at camera.fps = {camera.fps:g}, a frame arrives every {interval_s:g} s; expected more"
        )
        yield Problem(("camera", "timeout_s"), camera.timeout_s, f"{message} than that")
    for number, polygon in enumerate(camera.privacy):
        (x0, y0), *others = polygon
        across = next(((x - x0, y - y0) for x, y in others if (x, y) != (x0, y0)), (0.0, 0.0))
        crosses = (across[0] * (y - y0) - across[1] * (x - x0) for x, y in others)
        if across[0] * across[1] == 0 if len(polygon) == 2 else not any(crosses):
            message = "this hides nothing: its points are on a line; expected an area"
            yield Problem(("camera", "privacy", number), polygon, message)
    x, y, width, height = camera.region
    if not (width > 0 and height > 0):
        message = "the region is empty; expected x, y, width, height with width and height above 0"
        yield Problem(("camera", "region"), camera.region, message)
    elif x + width > 1 + _ROUNDING or y + height > 1 + _ROUNDING:
        message = "the region exceeds the picture; expected x + width and y + height of at most 1"
        yield Problem(("camera", "region"), camera.region, message)


def _source(camera: CameraConfig) -> Iterator[Problem]:
    path: KeyPath = ("camera", "source")
    if camera.kind == "auto":
        if camera.source:
            message = "neither an address nor a device, file or folder that exists; correct it, or "
            message += f"set camera.kind to one of {', '.join(KINDS)}"
            yield Problem(path, camera.source, message)
        return
    kind, form = KINDS[camera.kind], form_of(camera.source)
    if not camera.source:
        if kind.needs:
            message = f"camera.kind {shown(camera.kind)} needs {kind.needs} here"
            yield Problem(path, "", message)
    elif not kind.forms:
        message = f"camera.source is set, and kind {shown(camera.kind)} does not use it; remove one"
        yield Problem(("camera", "kind"), camera.kind, message)
    elif form not in kind.forms:
        message = f"camera.source is of another kind; expected {shown(OF_FORM[form])}, or no kind"
        yield Problem(("camera", "kind"), camera.kind, message)


def _model(config: Config) -> Iterator[Problem]:
    model = config.model
    for key, values in (("mean", model.mean), ("std", model.std)):
        if len(values) not in (0, 1, 3):
            message = "expected 1 number, or 3 for red, green and blue"
            yield Problem(("model", key), values, message)
    if any(value <= 0 for value in model.std):
        yield Problem(("model", "std"), model.std, "expected numbers above 0")


def _rules(config: Config) -> Iterator[Problem]:
    defaults = config.decide
    if defaults.exit > defaults.enter:
        message = f"expected at most decide.enter, which is {defaults.enter:g}"
        yield Problem(("decide", "exit"), defaults.exit, message)
    if len(config.rule) > RULES_LIMIT:
        yield Problem(("rule",), len(config.rule), f"expected {RULES_LIMIT} rules at most")
        return
    yield from _repeated("rule", (rule.name for rule in config.rule))
    for position, rule in enumerate(config.rule):
        path: KeyPath = ("rule", position)
        if rule.name in (NOTHING, UNKNOWN):
            message = "this name is reserved for a scene without rules; choose another"
            yield Problem((*path, "name"), rule.name, message)
        if rule.name == CAMERA:
            message = "this name is that of events of the camera itself; choose another"
            yield Problem((*path, "name"), rule.name, message)
        if rule.name == DRIFT and config.drift.enabled:
            message = "this name is that of events of the pictures themselves; choose another, or "
            message += "set drift.enabled = false"
            yield Problem((*path, "name"), rule.name, message)
        if not (rule.labels or rule.match):
            message = "expected at least one label here, or a word of labels in match"
            yield Problem((*path, "labels"), rule.labels, message)
        for key, expected in (("labels", "a label"), ("match", "a word of labels")):
            for place, text in enumerate(getattr(rule, key)):
                if not text.strip():
                    yield Problem((*path, key, place), text, f"expected {expected}")
        if rule.exit is not None:
            enter = defaults.enter if rule.enter is None else rule.enter
            if rule.exit > enter:
                whose = "decide.enter" if rule.enter is None else "enter"
                message = f"expected at most {whose}, which is {enter:g}"
                yield Problem((*path, "exit"), rule.exit, message)
        elif rule.enter is not None and rule.enter < defaults.exit <= defaults.enter:
            message = f"expected at least decide.exit, which is {defaults.exit:g}; or set exit too"
            yield Problem((*path, "enter"), rule.enter, message)


def _outputs(config: Config) -> Iterator[Problem]:
    yield from _repeated("output", (output.name for output in config.output))
    names = {rule.name for rule in config.rule}
    for position, output in enumerate(config.output):
        path: KeyPath = ("output", position)
        if output.rule and output.rule not in names:
            message = (
                f"no rule has this name{did_you_mean(output.rule, names)}; "
                f"rules: {listed(sorted(names))}"
            )
            yield Problem((*path, "rule"), output.rule, message)
        elif not output.rule and output.action != "manual":
            message = (
                f"action {shown(output.action)} needs a rule; rules: {listed(sorted(names))}; "
                'or set action = "manual"'
            )
            yield Problem((*path, "rule"), "", message)
        yield from _actuator(path, output)


def _inputs(config: Config) -> Iterator[Problem]:
    yield from _repeated("input", (given.name for given in config.input))
    allowed = open_to(Asker.INPUT)
    for position, given in enumerate(config.input):
        if given.action not in allowed:
            message = f"expected one of {', '.join(map(shown, allowed))}"
            message += did_you_mean(given.action, allowed)
            yield Problem(("input", position, "action"), given.action, message)


def _actuator(path: KeyPath, output: OutputConfig) -> Iterator[Problem]:
    if output.device == "servo":
        if not output.active_high:
            yield Problem((*path, "active_high"), False, "a servo's pulses are not inverted")
        return
    if output.device == "pwm":
        return
    on_or_off = f'device "{output.device}" is on or off; expected'
    message = f'{on_or_off} 0 or 1, or device = "pwm"'
    if output.initial not in (0, 1):
        yield Problem((*path, "initial"), output.initial, message)
    for key in ("on_exit", "on_lost"):
        wanted = getattr(output, key)
        if not isinstance(wanted, str) and wanted not in (0, 1):
            yield Problem((*path, key), wanted, message)
    if output.action == "score":
        message = f'{on_or_off} device "pwm" or "servo"'
        yield Problem((*path, "action"), output.action, message)


def _pins(config: Config) -> Iterator[Problem]:
    users: dict[int | str, str] = {}
    devices: list[tuple[str, int, OutputConfig | InputConfig]] = [
        *(("output", position, output) for position, output in enumerate(config.output)),
        *(("input", position, given) for position, given in enumerate(config.input)),
    ]
    for table, position, device in devices:
        path: KeyPath = (table, position, "pin")
        pin = _number(device.pin)
        if isinstance(pin, int) and not 0 <= pin < PIN_LIMIT:
            message = 'expected a GPIO number such as 17, or a name such as "GPIO17"'
            yield Problem(path, device.pin, message)
        elif isinstance(pin, str) and (not pin or len(pin) > 64 or not pin.isprintable()):
            yield Problem(path, device.pin, 'expected a GPIO number or a name such as "GPIO17"')
        elif pin in users:
            yield Problem(path, device.pin, f"{users[pin]} uses this pin already")
        else:
            users[pin] = f"{table} {device.name}"


def _number(pin: int | str) -> int | str:
    if isinstance(pin, str):
        pin = pin.strip()
        digits = pin.upper().removeprefix("GPIO").removeprefix("BCM")
        if digits.isdecimal() and len(digits) < 6:
            return int(digits)
        return pin.upper()
    return pin


def _idle(config: Config) -> Iterator[Problem]:
    woken = (
        any(given.action == "wake" for given in config.input)
        or (config.mqtt.enabled and config.mqtt.commands)
        or config.control.enabled
    )
    if config.idle.after_s > 0 and not woken:
        message = (
            'nothing could wake edged; add an [[input]] with action = "wake", or enable '
            "mqtt.commands or control"
        )
        yield Problem(("idle", "after_s"), config.idle.after_s, message)


def _repeated(table: str, names: Iterable[str]) -> Iterator[Problem]:
    seen: Counter[str] = Counter()
    for position, name in enumerate(names):
        seen[name] += 1
        if seen[name] == 2:
            yield Problem((table, position, "name"), name, f"another {table} has this name already")
