"""What was changed from the page: laid over the configuration file, and kept apart from it.

The file belongs to people, and the daemon may not write where it lies. So changes are in the state
directory, in a file of the same form; with one before it, for undoing. A part that does not fit the
configuration any more is left out and told: the others hold.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from edged import paths
from edged.config.toml import TomlSyntaxError, parse
from edged.errors import CommandError, ConfigError
from edged.files import open_regular, write_atomically

log = logging.getLogger(__name__)

Tree = dict[str, Any]

CAMERA = ("region", "privacy")
"""Options of ``[camera]`` that may be changed so."""

SERVICE = Path("/var/lib/edged")
"""The state directory that the systemd units ask for."""

LIMIT_BYTES = 1 << 18

_HEADER = b"""\
# Written by edged: what was changed from its page, over the configuration file. `edged undo` takes
# back the last change; to take back all, remove this file and run `edged reload`.
"""


def file(configuration: Path | None) -> Path:
    """Where the changes to a configuration file are: the daemon's own, else the service's.

    ConfigError where there is no state directory.
    """
    real = os.fsencode(os.path.realpath(configuration)) if configuration else b""
    stem = configuration.stem if configuration else "defaults"
    name = f"changes-{stem}-{zlib.crc32(real):08x}.toml"
    own = paths.state_directory() / name
    others = (SERVICE / name, SERVICE / stem / name)
    if paths.may_exist(own):
        return own
    # Who may not look there asks of a configuration of his own.
    return next((other for other in others if os.access(other, os.R_OK)), own)


def before(changes: Path) -> Path:
    """Where those are that held before the last change."""
    return changes.with_suffix(".before")


def read(changes: Path) -> Tree:
    """The changes in a file; none where there is none. ConfigError where it cannot be read."""
    try:
        with open_regular(changes) as stream:
            text = stream.read(LIMIT_BYTES).decode()
        return parse(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, TomlSyntaxError) as error:
        raise ConfigError(f"{changes}: the changes made from the page: {error}") from error


def kept(configuration: Path | None) -> Tree:
    """The changes to a configuration; what cannot be read is told, and counts as none."""
    try:
        place = file(configuration)
    except ConfigError:
        # Without a state directory nothing was ever kept.
        return {}
    try:
        return read(place)
    except ConfigError as error:
        log.error("%s; they are left out", error)
        return {}


def parts(changes: Tree) -> Iterator[tuple[str, Tree]]:
    """Each change by itself, with its name for people."""
    rules = changes.get("rule", [])
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, dict):
            yield f"rule {rule.get('name')}", {"rule": [rule]}
    camera = changes.get("camera", {})
    for key in CAMERA:
        if isinstance(camera, dict) and key in camera:
            yield f"camera.{key}", {"camera": {key: camera[key]}}


def laid(raw: Mapping[str, Any], part: Tree) -> Tree:
    """`raw` with one part over it; a rule takes the place of that of its name."""
    over = dict(raw)
    if "camera" in part and isinstance(camera := raw.get("camera", {}), dict):
        over["camera"] = camera | part["camera"]
    if "rule" in part and isinstance(rules := raw.get("rule", []), list):
        (rule,) = part["rule"]
        over["rule"] = with_rule(rules, rule)
    return over


def with_rule(rules: list[Any], rule: Tree) -> list[Any]:
    """`rules` with `rule` in the place of that of its name, or at the end."""
    names = [other.get("name") if isinstance(other, dict) else None for other in rules]
    if rule.get("name") not in names:
        return [*rules, rule]
    place = names.index(rule["name"])
    return [*rules[:place], rule, *rules[place + 1 :]]


def changed(
    changes: Tree, camera: Mapping[str, Any], rule: Tree | None, remove_rule: str | None
) -> Tree:
    """`changes` with some more. CommandError where a rule to be removed is none of them."""
    made = {**changes, "camera": {**changes.get("camera", {}), **camera}}
    if rule is not None:
        made["rule"] = with_rule(made.get("rule", []), rule)
    if remove_rule is not None:
        rules = made.get("rule", [])
        made["rule"] = [other for other in rules if other.get("name") != remove_rule]
        if len(made["rule"]) == len(rules):
            raise CommandError(
                f"{remove_rule}: no rule of this name was made from the page; the others are in "
                "the configuration file"
            )
    return {key: value for key, value in made.items() if value}


class Kept(NamedTuple):
    """What a page is to know of the changes: the rules among them, and whether one can go back."""

    rules: frozenset[str] = frozenset()
    undo: bool = False


def look(configuration: Path | None) -> Kept:
    """What is kept of the changes to a configuration."""
    try:
        place = file(configuration)
    except ConfigError:
        return Kept()
    rules = [part["rule"][0] for _, part in parts(kept(configuration)) if "rule" in part]
    names = frozenset(str(rule.get("name")) for rule in rules)
    return Kept(names, paths.may_exist(before(place)))


def write(changes: Path, tree: Tree) -> None:
    """Keep `tree`, and what was before it for `undone`. OSError: all is as it was."""
    import tomli_w

    changes.parent.mkdir(parents=True, exist_ok=True)
    former = b""
    with suppress(FileNotFoundError), open_regular(changes) as stream:
        former = stream.read()
    write_atomically(before(changes), former, 0o640)
    write_atomically(changes, _HEADER + tomli_w.dumps(tree).encode(), 0o640)


def undone(changes: Path) -> Tree:
    """What held before the last change. CommandError where there was none."""
    former = before(changes)
    if not paths.may_exist(former):
        raise CommandError("nothing was changed from the page that could be taken back")
    return read(former)
