"""Commands as text: fields as words of the command line, requests as JSON or a bare name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from edged.commands import Asker, Command, name_of, open_to, union
from edged.config.toml import shown
from edged.errors import CommandError

REQUEST_BYTES = 4096
"""A longer request is refused unread."""

LEVEL_CHARACTERS = 32
"""The longest value of an output."""

_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of a decoder; of the first kind is ValidationError, too."""

SWITCH = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}


def level(text: str) -> float:
    """A value as people write it: ON, OFF or a number from 0 to 1. CommandError."""
    word = text.strip().lower()
    with suppress(ValueError):
        value = SWITCH[word] if word in SWITCH else float(word)
        if 0.0 <= value <= 1.0 and "_" not in word and len(text) <= LEVEL_CHARACTERS:
            return abs(value)
    raise CommandError(f"{shown(text)}: expected ON, OFF or a number from 0 to 1")


def seconds(text: str) -> float:
    """A time as people write it. CommandError."""
    with suppress(ValueError):
        value = float(text)
        if 0.0 <= value <= 86400.0:
            return value
    raise CommandError("a time is a number of seconds from 0 to 86400")


def fields_of(command: type[Command]) -> dict[str, Callable[[str], object]]:
    """The fields of a command, and the function that parses each from text. CommandError."""
    return {
        field.name: seconds if field.name == "for_s" else _reader(field.type)
        for field in msgspec.structs.fields(command)
        if field.name not in Command.__struct_fields__
    }


def optional_fields(command: type[Command]) -> set[str]:
    """Which of `fields_of` are optional."""
    return {field.name for field in msgspec.structs.fields(command) if not field.required}


def meanings_of(command: type[Command]) -> dict[str, str]:
    """The description of each of `fields_of` that has one."""
    return {
        field.name: meta.description
        for field in msgspec.structs.fields(command)
        for meta in get_args(field.type)
        if isinstance(meta, Meta) and meta.description
    }


def does(command: type[Command]) -> str:
    """The first sentence of its docstring; its name if docstrings are removed (-OO)."""
    text = command.__doc__ or name_of(command)
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def unknown(name: object, commands: str) -> str:
    """That a command has another name, and which `offered` ones there are."""
    return f"{shown(name)} is not a command; {commands}"


def offered(names: Iterable[str]) -> str:
    """The commands that someone may send, for a message."""
    return f"commands: {', '.join(names)}"


class Parser:
    """Parses untrusted input into a command. One for each asker.

    ``unlisted`` are commands that are off: they are parsed, and refused with why they are off.
    """

    def __init__(self, asker: Asker) -> None:
        self.unlisted: Collection[type[Command]] = ()
        self._allowed = open_to(asker)
        self._decoder = msgspec.json.Decoder(union(self._allowed.values()))

    def parse(self, payload: bytes) -> Command:
        """A command from JSON, or from its bare name if no field is required. CommandError."""
        if len(payload) > REQUEST_BYTES:
            raise CommandError(f"a request has at most {REQUEST_BYTES} bytes")
        word = payload.strip().lower().decode("ascii", "replace")
        if not word.startswith(("{", "[", '"')):
            payload = msgspec.json.encode({"command": word})
        try:
            command: Command = self._decoder.decode(payload)
        except _REFUSED as error:
            raise CommandError(self._misfit(payload, error)) from error
        return command

    def _misfit(self, payload: bytes, error: Exception) -> str:
        """Why it is not a command."""
        # Only a mistake needs it.
        from edged.config.validate import fields, problems

        try:
            raw = msgspec.json.decode(payload)
        except msgspec.ValidationError:
            return "not a command: a number in it is out of range"
        except _REFUSED:
            return f"neither JSON nor a command's name; {self._offered()}"
        if not isinstance(raw, dict) or "command" not in raw:
            example = '{"command": "pause"}'
            return f"not a command: expected JSON such as {example}; {self._offered()}"
        name = raw["command"]
        kind = self._allowed.get(name) if isinstance(name, str) else None
        if kind is None:
            return unknown(name, self._offered())
        given = {field: raw[field] for field in fields(kind) if field in raw}
        lines = (f"{one.what()}: {one.message}" for one in problems(given, kind))
        return f"{name}: {next(lines, error)}"

    def _offered(self) -> str:
        return offered(name for name, kind in self._allowed.items() if kind not in self.unlisted)


def _reader(kind: Any) -> Callable[[str], object]:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(plain) is Literal:
        return partial(_one_of, get_args(plain))
    return str if plain is str else level


def _one_of(words: tuple[str, ...], text: str) -> str:
    if text not in words:
        raise CommandError(f"expected {' or '.join(words)}")
    return text
