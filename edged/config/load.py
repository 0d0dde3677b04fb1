"""Loads a `Config` from a file, the environment and ``--set``, or reports every error."""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Mapping, Sequence
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

from edged import access
from edged.config import check, saved, validate
from edged.config.overrides import Origin, apply
from edged.config.paths import rooted, with_camera_kind
from edged.config.schema import Config, SavedRule
from edged.config.toml import (
    KeyPath,
    TomlSyntaxError,
    cut,
    key_lines,
    parse,
    shown,
)
from edged.config.validate import Problem
from edged.errors import ConfigError
from edged.files import open_regular
from edged.redact import is_secret, names_file, redacted_value


class WrongConfigError(ConfigError):
    """All errors, line by line, and the configuration without them.

    In ``rest``, defaults replace what is `wrong`; if that is None, the text is not TOML, and
    ``rest`` is what precedes the first fault.
    """

    def __init__(
        self, lines: Sequence[str], rest: Config, wrong: Sequence[KeyPath] | None = None
    ) -> None:
        super().__init__("\n".join(lines))
        self.rest = rest
        self.wrong = wrong


log = logging.getLogger(__name__)

FILE_LIMIT_BYTES = 1 << 20
PROBLEMS_LIMIT = 50
"""The most lines in a message; a person corrects the first ones and checks again."""


def load(
    path: Path | None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    *,
    may_be_empty: bool = True,
    changes: saved.Tree | None = None,
) -> Config:
    """The configuration of `path` (None: all defaults), under the environment, under ``--set``.

    `overrides` are ``KEY=VALUE`` texts such as ``camera.fps=10``; from `environment`, variables
    such as ``EDGED_CAMERA__FPS`` count. Relative file names become absolute: those written in the
    file start at the file's folder, the others at the working directory. A file that sets nothing
    is wrong unless it `may_be_empty`: while edged runs, it is more likely still being written.
    Changes from the web page override the file; a rule of them that does not fit is skipped and
    logged. `changes` replace them, and all of these must fit.

    ConfigError for a file that cannot be read. WrongConfigError with a line for each problem, such
    as ``edged.toml:12: camera.fps = "fast": expected ...; did you mean ...?``.
    """
    name = "" if path is None else path.name
    text = "" if path is None else _read(path)
    try:
        raw = parse(text)
    except TomlSyntaxError as error:
        rest = _before(text, error.line, overrides, environment or {})
        raise WrongConfigError([f"{_place(name, error.line)}{error}"], rest) from error
    if path is not None and not raw and not may_be_empty:
        raise ConfigError(
            f"{path}: sets no option; write the complete file, or restart edged to use the defaults"
        )
    environment = environment or {}
    folder = path and path.absolute().parent
    raw, rules = _changed(raw, path, changes, overrides, environment)
    origins, lines = apply(raw, overrides, environment)
    config = _sound(raw, folder, origins, lines, name, text)
    return rooted(_marked(config, rules), folder, origins)


def of_values(values: Mapping[str, Any], name: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration of `values`, which are no file's, under ``--set``. WrongConfigError.

    `name` is what messages call them.
    """
    raw = deepcopy(dict(values))
    origins, lines = apply(raw, overrides, {})
    return _sound(raw, None, origins, lines, name, "")


def _sound(
    raw: dict[str, Any],
    folder: Path | None,
    origins: dict[KeyPath, Origin],
    lines: list[str],
    name: str,
    text: str,
) -> Config:
    """The configuration of `raw`, from a file's `text`; WrongConfigError, also for the `lines`."""
    config, problems = _checked(raw, folder, origins)
    if not problems and not lines:
        return config
    if problems:
        keys = key_lines(text)
        lines += [_line(problem, raw, origins, name, keys) for problem in problems]
    if len(lines) > PROBLEMS_LIMIT:
        lines[PROBLEMS_LIMIT:] = [f"{_place(name, None)}there are more errors; correct these first"]
    paths = [problem.path for problem in problems]
    raise WrongConfigError(lines, rooted(config, folder, origins), paths)


def _before(
    text: str, line: int | None, overrides: Sequence[str], environment: Mapping[str, str]
) -> Config:
    """The text before the fault in `line`, as far as it can be parsed."""
    lines = text.splitlines()[: (line or 1) - 1]
    try:
        raw = parse("\n".join(lines))
    except TomlSyntaxError:
        raw = {}
    apply(raw, overrides, environment)
    rest: Config = validate.salvaged(raw, Config)
    return rest


def _changed(
    raw: dict[str, Any],
    path: Path | None,
    changes: saved.Tree | None,
    overrides: Sequence[str],
    environment: Mapping[str, str],
) -> tuple[dict[str, Any], set[str]]:
    """`raw` with the changes from the web page, and the names of the rules among them."""
    rules = set()
    for name, part in saved.parts(saved.kept(path) if changes is None else changes):
        laid = saved.laid(raw, part)
        before, found = (_problems(tree, path, overrides, environment) for tree in (raw, laid))
        if len(found) > len(before):
            reason = f"{name}: {found[-1].message}"
            if changes is not None:
                raise ConfigError(reason)
            if "rule" not in part:
                raise ConfigError(saved.unusable(saved.file(path), f"{reason};"))
            log.error("%s; the rule was created on the web page, and is ignored", reason)
            continue
        raw = laid
        if changes is None and "rule" in part:
            rules.add(str(part["rule"][0].get("name")))
    return raw, rules


def _problems(
    raw: dict[str, Any],
    path: Path | None,
    overrides: Sequence[str],
    environment: Mapping[str, str],
) -> list[Problem]:
    raw = deepcopy(raw)
    origins, _ = apply(raw, overrides, environment)
    return _checked(raw, path and path.absolute().parent, origins)[1]


def _checked(
    raw: dict[str, Any], folder: Path | None, origins: Mapping[KeyPath, Origin]
) -> tuple[Config, list[Problem]]:
    """The configuration, and what is wrong with it; defaults replace wrong values."""
    config = validate.converted(raw, Config)
    problems: list[Problem] = []
    if config is None:
        problems += islice(validate.problems(raw, Config), PROBLEMS_LIMIT + 1)
        salvaged: Config = validate.salvaged(raw, Config)
        config = salvaged
    config = with_camera_kind(config, folder, origins)
    wrong = list(problems)
    misfits = (misfit for misfit in check.problems(config) if check.holds_without(misfit, wrong))
    problems += islice(misfits, PROBLEMS_LIMIT + 1 - len(problems))
    return config, problems


def _marked(config: Config, rules: Container[str]) -> Config:
    """`config` in which the `rules`, by name, are marked as those that may be skipped."""
    if not rules:
        return config
    marked = [SavedRule(**asdict(rule)) if rule.name in rules else rule for rule in config.rule]
    return replace(config, rule=marked)


def _read(path: Path) -> str:
    try:
        with open_regular(path) as file:
            before = os.fstat(file.fileno())
            content = file.read(FILE_LIMIT_BYTES + 1)
            after = os.fstat(file.fileno())
    except PermissionError as error:
        raise ConfigError(f"{path}: not permitted; {access.advice(path, os.R_OK)}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    if len(content) > FILE_LIMIT_BYTES:
        raise ConfigError(f"{path}: larger than {FILE_LIMIT_BYTES >> 20} MiB; not a configuration")
    if (len(content), before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ConfigError(f"{path}: changed while it was read; try again when it is complete")
    try:
        # Some editors add a byte order mark, which TOML does not allow.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{_place(path.name, line)}not UTF-8 text (byte {content[error.start]:#04x}); "
            "save the file as UTF-8"
        ) from error


def _line(
    problem: Problem,
    raw: Mapping[str, Any],
    origins: Mapping[KeyPath, Origin],
    name: str,
    keys: Mapping[KeyPath, int],
) -> str:
    path = problem.path
    told = problem.has_value and not (problem.value and _may_be_secret(path, problem.value))
    what = problem.what(with_value=told)
    if len(path) > 2 and isinstance(position := path[1], int):
        element = raw[str(path[0])][position]
        if isinstance(element, Mapping) and isinstance(element.get("name"), str):
            what += f" ({path[0]} {shown(element['name'])})"
    prefixes = [path[:length] for length in range(len(path), 0, -1)]
    for prefix in prefixes:
        if prefix in origins:
            origin = origins[prefix]
            if prefix != path:
                return f"{origin.name}: {what}: {problem.message}"
            given = f"={cut(redacted_value(origin.text))}" if told else ""
            return f"{origin.name}{given}: {problem.message}"
    line = next((keys[prefix] for prefix in prefixes if prefix in keys), None)
    return f"{_place(name, line)}{what}: {problem.message}"


def _may_be_secret(path: KeyPath, value: object) -> bool:
    # A camera's source is an address or a pipeline, with a password anywhere in it; an unexpected
    # table may have any keys; a file's content may be given instead of its name.
    return (
        path[:2] == ("camera", "source")
        or isinstance(value, Mapping)
        or (path[:2] == ("model", "delegate_options") and isinstance(value, str))
        or any(is_secret(part) or names_file(part) for part in path if isinstance(part, str))
    )


def _place(name: str, line: int | None) -> str:
    if not name:
        return ""
    return f"{name}: " if line is None else f"{name}:{line}: "
