"""The model validator: the conditions for a new model to be blessed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, field

from edged.config import validate
from edged.config.schema import Fraction, Section
from edged.config.toml import TomlSyntaxError, key_lines, parse, path_text, shown
from edged.errors import ConfigError
from edged.evaluation.check import Check
from edged.evaluation.document import Accuracy, Model, accuracy
from edged.evaluation.evaluation import Run
from edged.evaluation.slices import slices

FILE_LIMIT_BYTES = 1 << 20
PROBLEMS_LIMIT = 20

Ratio = Annotated[float, Meta(gt=0.0, le=1000.0)]
Drop = Annotated[float, Meta(ge=-1.0, le=1.0)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Overall(Section, frozen=True):
    """``[overall]``: on all pictures. A drop is OLD minus NEW; below 0, it requires a gain."""

    pictures_min: Count | None = None
    top1_min: Fraction | None = None
    top1_drop_max: Drop | None = None
    top5_min: Fraction | None = None
    macro_f1_min: Fraction | None = None
    ece_max: Fraction | None = None
    unreadable_max: Fraction | None = None


class SliceGate(Section, frozen=True):
    """``[[slice]]``: for every value of a column, or one. Smaller slices are not judged."""

    column: str
    value: str | None = None
    pictures_min: Count = 1
    top1_min: Fraction | None = None
    top1_drop_max: Drop | None = None


class Size(Section, frozen=True):
    """``[size]``: of the file; the ratio is NEW / OLD."""

    bytes_max: Count | None = None
    ratio_max: Ratio | None = None


class Time(Section, frozen=True):
    """``[time]``: median time per picture, in turns with OLD on the same pictures."""

    ratio_max: Ratio | None = None
    p50_ms_max: Annotated[float, Meta(gt=0.0, le=1_000_000.0)] | None = None


class Delegated(Section, frozen=True):
    """``[delegated]``: share of the operators that XNNPACK or another delegate runs."""

    share_min: Fraction | None = None


class GoldenGate(Section, frozen=True):
    """``[golden]``: outputs of the frozen model, as ``--write-golden`` made them."""

    file: str = ""
    tolerance_quanta: Annotated[float, Meta(ge=0.0, le=256.0)] = 1.0


class Gate(Section, frozen=True):
    """The whole file."""

    overall: Overall = Overall()
    slice: list[SliceGate] = field(default_factory=list)
    size: Size = Size()
    time: Time = Time()
    delegated: Delegated = Delegated()
    golden: GoldenGate = GoldenGate()


class Measured(NamedTuple):
    """The measurements that gates judge. ``golden_quanta`` is None without golden outputs."""

    run: Run
    new: Model
    old: Model
    golden_quanta: float | None


def load(path: Path) -> Gate:
    """The gates in a TOML file. ConfigError with a line for each problem, or if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a gate file in TOML") from error
    if len(content) > FILE_LIMIT_BYTES:
        raise ConfigError(f"{path}: larger than {FILE_LIMIT_BYTES >> 20} MiB; not a gate file")
    try:
        text = content.decode("utf-8-sig")
        raw = parse(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text; give a gate file in TOML") from error
    except TomlSyntaxError as error:
        raise ConfigError(f"{path.name}:{error.line}: {error}") from error
    keys = key_lines(text)
    if problems := list(islice(validate.problems(raw, Gate), PROBLEMS_LIMIT)):
        lines = []
        for problem in problems:
            prefixes = (problem.path[:length] for length in range(len(problem.path), 0, -1))
            line = next((f":{keys[prefix]}" for prefix in prefixes if prefix in keys), "")
            value = f" = {shown(problem.value)}" if problem.has_value else ""
            what = f"{path_text(problem.path)}{value}"
            lines.append(f"{path.name}{line}: {what}: {problem.message}")
        raise ConfigError("\n".join(lines))
    gate = msgspec.convert(raw, Gate)
    if not _demands(gate):
        raise ConfigError(f"{path}: it sets no condition, so it would bless anything; set one")
    for position, given in enumerate(gate.slice, 1):
        if given.top1_min is None and given.top1_drop_max is None:
            raise ConfigError(
                f"{path}: slice {position} of {shown(given.column)} sets no condition; "
                "set top1_min or top1_drop_max"
            )
    return gate


def judge(gate: Gate, measured: Measured) -> list[Check]:
    """Check every configured gate against the measurements. DataError for an unknown column."""
    return list(_checks(gate, measured))


def _demands(gate: Gate) -> bool:
    limits = (gate.overall, gate.size, gate.time, gate.delegated)
    return bool(
        gate.slice
        or gate.golden.file
        or any(value is not None for table in limits for value in msgspec.structs.astuple(table))
    )


def _checks(gate: Gate, measured: Measured) -> Iterator[Check]:
    run, new, old = measured.run, measured.new, measured.old
    overall, inspection = gate.overall, run.inspection
    scores = [accuracy(outcomes) for outcomes in run.outcomes]
    yield from _at_least("overall: pictures", scores[0].pictures, overall.pictures_min)
    yield from _accuracies("overall", scores, overall.top1_min, overall.top1_drop_max)
    yield from _at_least("overall: top-5", scores[0].top5, overall.top5_min)
    yield from _at_least("overall: macro F1", scores[0].macro_f1, overall.macro_f1_min)
    yield from _at_most("overall: ECE", scores[0].ece, overall.ece_max)
    unreadable = inspection.unreadable.count / inspection.pictures
    allowed = overall.unreadable_max
    if allowed is None and unreadable:
        # Unreadable pictures that no limit allows must not be overlooked.
        allowed = 0.0
    yield from _at_most("overall: unreadable", unreadable, allowed)
    for given in gate.slice:
        yield from _slice(given, run)
    yield from _at_most("size: bytes", new.size_bytes, gate.size.bytes_max)
    yield from _at_most("size: NEW / OLD", new.size_bytes / old.size_bytes, gate.size.ratio_max)
    times_ms = [float(np.median(o.stages_s["total"])) * 1e3 for o in run.outcomes]
    yield from _at_most("time: NEW / OLD", times_ms[0] / times_ms[1], gate.time.ratio_max)
    yield from _at_most("time: ms", times_ms[0], gate.time.p50_ms_max)
    yield from _at_least(
        "delegated: share of operators", new.footprint.delegated, gate.delegated.share_min
    )
    if gate.golden.file:
        yield from _at_most("golden: quanta", measured.golden_quanta, gate.golden.tolerance_quanta)


def _slice(given: SliceGate, run: Run) -> Iterator[Check]:
    groups = slices(run.columns, given.column)
    name = f"slice {given.column}"
    if given.value is not None:
        groups = {value: groups[value] for value in groups if value == given.value}
        name += f" = {given.value}"
    judged = 0
    for value, positions in groups.items():
        if len(positions) < given.pictures_min:
            continue
        judged += 1
        scores = [accuracy(outcomes, positions) for outcomes in run.outcomes]
        yield from _accuracies(
            f"slice {given.column} = {value}", scores, given.top1_min, given.top1_drop_max
        )
    if not judged:
        yield Check(name, False, f"no value has {given.pictures_min} pictures")


def _accuracies(
    name: str, scores: Sequence[Accuracy], least: float | None, drop: float | None
) -> Iterator[Check]:
    new, old = scores
    yield from _at_least(f"{name}: top-1", new.top1, least)
    fall = None if new.top1 is None or old.top1 is None else round(old.top1 - new.top1, 6)
    yield from _at_most(f"{name}: drop of top-1", fall, drop)


def _at_least(name: str, found: float | None, limit: float | None) -> Iterator[Check]:
    if limit is not None:
        yield Check(f"{name} >= {limit:g}", found is not None and found >= limit, _text(found))


def _at_most(name: str, found: float | None, limit: float | None) -> Iterator[Check]:
    if limit is not None:
        yield Check(f"{name} <= {limit:g}", found is not None and found <= limit, _text(found))


def _text(found: float | None) -> str:
    if found is None:
        return "unknown"
    return str(found) if isinstance(found, int) else f"{found:.4g}"
