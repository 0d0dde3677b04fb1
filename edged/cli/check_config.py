"""``edged check-config``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from edged import build, logs
from edged.config import saved
from edged.config.effective import effective
from edged.config.load import WrongConfigError, load
from edged.config.nearest import nearest
from edged.config.schema import Config, ModelConfig
from edged.config.toml import KeyPath
from edged.config.validate import fields
from edged.credentials import is_elsewhere, must_be_there
from edged.errors import ConfigError, EdgedError, ModelError
from edged.paths import control_socket
from edged.ports.control import address
from edged.ports.mqtt import credentials as mqtt_credentials
from edged.printable import printable
from edged.web import credentials as web_credentials


def run(arguments: argparse.Namespace) -> int:
    """Loads the file as the daemon would, with the model, the rules' labels and the secrets."""
    logs.start("warning", "command")
    config = check(arguments.config, arguments.overrides)
    for part, _ in saved.parts(saved.kept(arguments.config)):
        print(f"# {printable(saved.file(arguments.config))}: {printable(part)}")
    if chosen := _chosen(arguments.config, config):
        print(f"# {printable(chosen)}")
    for files, _ in _files(config):
        for option in sorted(files.keys() - _here(files).keys()):
            print(f"# {option} is not checked: only a systemd unit has this credential")
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

    Files that it names must exist, and secrets be valid. Outside a unit, a systemd credential is
    not an error: the unit may have it.

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
    for look, tables in (
        (_find_socket, ("device", "control")),
        (_check_files, ("mqtt", "webhook", "web")),
        (_read_model, ("model",)),
    ):
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


def _check_files(config: Config) -> None:
    problems = []
    for files, check_all in _files(config):
        here = _here(files)
        try:
            check_all() if here == files else must_be_there(here)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))


def _files(config: Config) -> Iterator[tuple[Mapping[str, str], Callable[[], None]]]:
    """The files of secrets and certificates by their options, and what checks them."""
    if config.mqtt.enabled:
        yield mqtt_credentials.files(config.mqtt), partial(mqtt_credentials.check, config.mqtt)
    if config.webhook:
        from edged.ports.webhook import credentials

        for webhook in config.webhook:
            yield credentials.files(webhook), partial(credentials.check, webhook)
    yield web_credentials.files(config.web), partial(web_credentials.check, config.web)


def _here(files: Mapping[str, str]) -> Mapping[str, str]:
    return {option: file for option, file in files.items() if not is_elsewhere(file)}


def _read_model(config: Config) -> None:
    with build.perception(config):
        pass


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
