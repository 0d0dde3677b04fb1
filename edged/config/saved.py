"""Changes from the web page: they override the configuration file, and are stored separately.

People edit the configuration file, and the daemon may not write to its folder. So changes are in
the state directory, in a file of the same form, with the previous one for undoing. A rule that no
longer fits the configuration is skipped and logged; the others stay active. Anything else unusable
is refused, because a privacy mask would otherwise silently disappear.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edged import access, paths
from edged.config.toml import TomlSyntaxError, parse, shown
from edged.errors import CommandError, ConfigError
from edged.files import open_regular, write_atomically

Tree = dict[str, Any]

CAMERA = ("region", "privacy")
"""Options of ``[camera]`` that may be changed this way."""

SERVICE = Path("/var/lib/edged")
"""The state directory of the systemd units."""

LIMIT_BYTES = 1 << 18

_HEADER = b"""\
# Written by edged: what was changed from its page, over the configuration file. `edged undo` takes
# back the last change; to take back all, remove this file and run `edged reload`.
"""


def file(configuration: Path | None) -> Path:
    """The file with the changes to a configuration file: the daemon's own, else the service's.

    ConfigError if there is no state directory.
    """
    stem = configuration.stem if configuration else "defaults"
    name = f"changes-{stem}-{paths.mark_of(configuration)}.toml"
    own = paths.state_directory() / name
    others = (SERVICE / name, SERVICE / stem / name)
    # A user without access to the service's folder has a configuration of his own.
    return next((place for place in (own, *others) if os.path.lexists(place)), own)


def before(changes: Path) -> Path:
    """The file with the changes before the last one."""
    return changes.with_suffix(".before")


def read(changes: Path) -> Tree:
    """The changes in a file; empty if it does not exist. ConfigError if it cannot be used."""
    try:
        with open_regular(changes) as stream:
            content = stream.read(LIMIT_BYTES + 1)
        return _of_form(content)
    except PermissionError:
        if not os.path.lexists(changes.parent):
            # Another user's home, to which this one has written nothing.
            return {}
        reason = f"not permitted; {access.advice(changes, os.R_OK)}, or"
    except (FileNotFoundError, NotADirectoryError) as error:
        if not os.path.lexists(changes):
            return {}
        reason = f"{error.strerror};"
    except TomlSyntaxError as error:
        reason = f"line {error.line}: {error};"
    except (OSError, ValueError) as error:
        reason = f"{error};"
    raise ConfigError(unusable(changes, reason))


def unusable(changes: Path, reason: str) -> str:
    """The error message for unusable changes in a file: why, and what to do."""
    return (
        f"{changes}: the changes made on the web page cannot be used: {reason} repair this file, "
        "or remove it, which undoes all these changes, privacy masks included"
    )


def _of_form(content: bytes) -> Tree:
    """The changes in the text of a file. ValueError if `write` does not produce such a file."""
    if not content:
        # Every file has a header: this one is truncated.
        raise ValueError("it is empty")
    if len(content) > LIMIT_BYTES:
        raise ValueError(f"it is larger than {LIMIT_BYTES >> 10} KiB")
    tree = parse(content.decode())
    camera, rules = tree.get("camera", {}), tree.get("rule", [])
    if not isinstance(camera, dict) or not isinstance(rules, list):
        raise ValueError("expected a table [camera] and tables [[rule]]")
    if not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("expected tables [[rule]]")
    strange = [*(tree.keys() - {"camera", "rule"}), *(camera.keys() - set(CAMERA))]
    if strange:
        raise ValueError(f"{shown(min(strange))} is not part of it")
    return tree


def kept(configuration: Path | None) -> Tree:
    """The changes to a configuration. ConfigError if they exist but cannot be used."""
    try:
        place = file(configuration)
    except ConfigError:
        # Without a state directory nothing was ever stored.
        return {}
    return read(place)


def parts(changes: Tree) -> Iterator[tuple[str, Tree]]:
    """Each change separately, with its name for people."""
    for rule in changes.get("rule", []):
        yield f"rule {rule.get('name')}", {"rule": [rule]}
    camera = changes.get("camera", {})
    for key in CAMERA:
        if key in camera:
            yield f"camera.{key}", {"camera": {key: camera[key]}}


def as_read(fields: Any) -> Tree:
    """Fields that are set, in the types that a file has when it is read."""
    found: Tree = msgspec.json.decode(msgspec.json.encode(fields))
    return {key: value for key, value in found.items() if value is not None}


def differing(before: Tree, after: Tree) -> list[str]:
    """The names of the changes that `after` has and `before` has not, or the other way round."""
    old, new = dict(parts(before)), dict(parts(after))
    return [name for name in old | new if old.get(name) != new.get(name)]


def laid(raw: Mapping[str, Any], part: Tree) -> Tree:
    """`raw` with one part applied; a rule replaces the one with its name."""
    over = dict(raw)
    if "camera" in part and isinstance(camera := raw.get("camera", {}), dict):
        over["camera"] = camera | part["camera"]
    if "rule" in part and isinstance(rules := raw.get("rule", []), list):
        (rule,) = part["rule"]
        over["rule"] = with_rule(rules, rule)
    return over


def with_rule(rules: list[Any], rule: Tree) -> list[Any]:
    """`rules` with `rule` in place of the one with its name, or at the end."""
    names = [other.get("name") if isinstance(other, dict) else None for other in rules]
    if rule.get("name") not in names:
        return [*rules, rule]
    place = names.index(rule["name"])
    return [*rules[:place], rule, *rules[place + 1 :]]


def changed(
    changes: Tree, camera: Mapping[str, Any], rule: Tree | None, remove_rule: str | None
) -> Tree:
    """`changes` with some more. CommandError if a rule to remove is not among them."""
    made = {**changes, "camera": {**changes.get("camera", {}), **camera}}
    if rule is not None:
        made["rule"] = with_rule(made.get("rule", []), rule)
    if remove_rule is not None:
        rules = made.get("rule", [])
        made["rule"] = [other for other in rules if other.get("name") != remove_rule]
        if len(made["rule"]) == len(rules):
            raise CommandError(
                f"{remove_rule}: no rule of this name was created on the web page; the others are "
                "in the configuration file"
            )
    return {key: value for key, value in made.items() if value}


class Kept(NamedTuple):
    """What the page shows of the changes: the rules among them, and whether undo is possible."""

    rules: frozenset[str] = frozenset()
    undo: bool = False


def look(configuration: Path | None) -> Kept:
    """A summary of the stored changes to a configuration. ConfigError as in `kept`."""
    try:
        place = file(configuration)
    except ConfigError:
        return Kept()
    rules = [part["rule"][0] for _, part in parts(kept(configuration)) if "rule" in part]
    names = frozenset(str(rule.get("name")) for rule in rules)
    return Kept(names, paths.may_exist(before(place)))


def write(changes: Path, tree: Tree) -> None:
    """Store `tree`, and its predecessor for `undone`; what is stored already changes nothing.

    OSError, and CommandError if it is too large; nothing has then changed.
    """
    import tomli_w

    content = _HEADER + tomli_w.dumps(tree).encode()
    if len(content) > LIMIT_BYTES:
        raise CommandError(
            f"more than {LIMIT_BYTES >> 10} KiB of changes from the web page; put the rules into "
            "the configuration file"
        )
    changes.parent.mkdir(parents=True, exist_ok=True)
    former = _HEADER
    with suppress(FileNotFoundError), open_regular(changes) as stream:
        former = stream.read()
    if former == content:
        return
    write_atomically(before(changes), former, 0o640)
    write_atomically(changes, content, 0o640)


def undone(changes: Path) -> Tree:
    """The changes before the last one. CommandError if there was none."""
    former = before(changes)
    if not paths.may_exist(former):
        raise CommandError("no change from the web page is left to undo")
    return read(former)
