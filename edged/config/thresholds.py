"""Thresholds changed by command, valid until the configuration changes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from edged.config.nearest import did_you_mean, listed
from edged.config.schema import Config, DecideConfig, RuleConfig
from edged.errors import CommandError
from edged.files import open_regular, write_atomically

log = logging.getLogger(__name__)

Threshold: TypeAlias = Literal["enter", "exit"]

MOST_BYTES = 1 << 24
"""A larger file is not one of ours."""


class Changed(msgspec.Struct, frozen=True):
    """A threshold's ``value`` set by command, ``instead_of`` that of the configuration."""

    rule: str
    threshold: Threshold
    value: float
    instead_of: float


class Thresholds:
    """The changes, in a small file; without a `path`, for this run only.

    A change ends when the configuration gives the rule a threshold other than the replaced one: the
    last change wins. One thread at a time.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        kept = _read(path) if path is not None else []
        self._changed = {(one.rule, one.threshold): one for one in kept}
        self._configured: dict[tuple[str, str], float] = {}

    def applied(self, config: Config) -> Config:
        """`config`, as read, with the changes that are still valid; ended ones are removed."""
        rules = []
        before = dict(self._changed)
        for rule in config.rule:
            configured = thresholds(rule, config.decide)
            changed = dict(self._holding(rule.name, configured))
            wanted = configured | changed
            if wanted["exit"] > wanted["enter"]:
                log.warning(
                    "rule %s: the thresholds of the configuration apply: with those changed "
                    "by command, enter would be %g and exit %g",
                    rule.name,
                    wanted["enter"],
                    wanted["exit"],
                )
                for threshold in changed:
                    del self._changed[rule.name, threshold]
                changed = {}
            rules.append(msgspec.structs.replace(rule, **changed) if changed else rule)
        if self._changed != before:
            # Otherwise the next run, with the old configuration, would revive them.
            self.save()
        return msgspec.structs.replace(config, rule=rules)

    def change(self, config: Config, name: str, threshold: Threshold, value: float) -> Config:
        """The active `config` with this change. CommandError."""
        places = {rule.name: place for place, rule in enumerate(config.rule)}
        if name not in places:
            raise CommandError(
                f"{name!r}: no such rule{did_you_mean(name, places)}; rules: "
                f"{listed(sorted(places))}"
            )
        rule = config.rule[places[name]]
        before = thresholds(rule, config.decide)
        wanted = {**before, threshold: value}
        if wanted["exit"] > wanted["enter"]:
            raise CommandError(
                f"rule {name}: exit must be at most enter; they would be enter "
                f"{wanted['enter']:g}, exit {wanted['exit']:g}"
            )
        replaced = self._configured.get((name, threshold), before[threshold])
        self._changed[name, threshold] = Changed(name, threshold, value, replaced)
        rules = list(config.rule)
        rules[places[name]] = msgspec.structs.replace(rule, **{threshold: value})
        return msgspec.structs.replace(config, rule=rules)

    def save(self) -> None:
        """Write the valid changes; waits for the disk, and logs a failure."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            kept = msgspec.json.encode(list(self._changed.values()))
            write_atomically(self._path, kept + b"\n")
        except OSError as error:
            log.error(
                "%s cannot be written: %s; thresholds changed by command are lost at a restart",
                self._path,
                error.strerror or error,
            )

    def _holding(
        self, rule: str, configured: dict[Threshold, float]
    ) -> Iterator[tuple[Threshold, float]]:
        for threshold, value in configured.items():
            self._configured[rule, threshold] = value
            changed = self._changed.get((rule, threshold))
            if changed is None:
                continue
            if changed.instead_of == value:
                yield threshold, changed.value
            else:
                del self._changed[rule, threshold]
                log.info(
                    "rule %s: %s is %g from the configuration; it replaces the %g set by command",
                    rule,
                    threshold,
                    value,
                    changed.value,
                )


def thresholds(rule: RuleConfig, defaults: DecideConfig) -> dict[Threshold, float]:
    """A rule's ``enter`` and ``exit``."""
    return {
        "enter": defaults.enter if rule.enter is None else rule.enter,
        "exit": defaults.exit if rule.exit is None else rule.exit,
    }


def _read(path: Path) -> list[Changed]:
    try:
        with open_regular(path) as file:
            return msgspec.json.decode(file.read(MOST_BYTES), type=list[Changed])
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("%s cannot be read (%s); the thresholds of the configuration apply", path, error)
        return []
