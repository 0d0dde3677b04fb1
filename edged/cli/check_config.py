"""``edged check-config``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from edged import build, logs
from edged.config import saved
from edged.config.effective import effective
from edged.config.load import WrongConfigError, load
from edged.config.nearest import nearest
from edged.config.schema import Config, ModelConfig
from edged.config.toml import KeyPath
from edged.config.validate import fields
from edged.errors import ConfigError, EdgedError, ModelError
from edged.paths import control_socket
from edged.ports.control import address
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """Loads the file as the daemon would, the model and the rules' labels with it."""
    logs.start("warning", "command")
    config = check(arguments.config, arguments.overrides)
    for part, _ in saved.parts(saved.kept(arguments.config)):
        print(f"# {printable(saved.file(arguments.config))}: {printable(part)}")
    if chosen := _chosen(arguments.config, config):
        print(f"# {printable(chosen)}")
    if arguments.show:
        print(effective(config))
    else:
        where = printable(arguments.config or "the defaults")
        print(f"{where}: OK: {_count(config.rule, 'rule')}, {_count(config.output, 'output')}")
    return 0


def _chosen(path: Path | None, config: Config) -> str:
    """Which model stands in for the configuration's; nothing where none does."""
    from edged.models import slots

    try:
        place = slots.folder(path)
        choice = slots.read_choice(place)
        if choice.current is None or choice.instead_of != slots.described(config.model):
            return ""
        name = slots.read(place, choice.current).name
    except EdgedError as error:
        return str(error)
    own = config.model.path or "the bundled one"
    return f"model {name} was chosen by command instead of {own}: edged models use --configured"


def check(path: Path | None, overrides: Sequence[str]) -> Config:
    """The configuration; ConfigError with all errors in it, including labels of rules.

    ModelError if the model cannot be used, and nothing else is wrong.
    """
    problems: list[EdgedError] = []
    wrong: Sequence[KeyPath] = ()
    try:
        config = load(path, overrides, os.environ)
    except WrongConfigError as error:
        if error.wrong is None:
            raise
        problems, config, wrong = [error], error.rest, error.wrong
    for look, tables in ((_find_socket, ("device", "control")), (_read_model, ("model",))):
        if not any(_concerns(path, tables) for path in wrong):
            try:
                look(config)
            except (ConfigError, ModelError) as error:
                problems.append(error)
    if problems:
        raise problems[0] if len(problems) == 1 else ConfigError("\n".join(map(str, problems)))
    return config


def _concerns(path: KeyPath, tables: Sequence[str]) -> bool:
    """Whether what is wrong at `path` is in one of the `tables`, or probably meant to be."""
    first = str(path[0])
    if first in tables:
        return True
    is_unknown = len(path) == 1 and first not in fields(Config)
    return is_unknown and (nearest(first, tables) is not None or first in fields(ModelConfig))


def _find_socket(config: Config) -> None:
    if config.control.enabled:
        address(control_socket(config))


def _read_model(config: Config) -> None:
    with build.perception(config):
        pass


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
