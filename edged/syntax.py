"""Commands as text: fields as words of the command line, requests as JSON or a bare name."""

from __future__ import annotations

from collections.abc import Callable
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

SWITCH = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}


def level(text: str) -> float:
    """A value as people write it: ON, OFF or a number from 0 to 1. CommandError."""
    word = text.strip().lower()
    with suppress(ValueError):
        value = SWITCH[word] if word in SWITCH else float(word)
        if 0.0 <= value <= 1.0 and "_" not in word:
            return abs(value)
    raise CommandError("expected ON, OFF or a number from 0 to 1")


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


class Parser:
    """Parses untrusted input into a command. One for each asker."""

    def __init__(self, asker: Asker) -> None:
        self._allowed = open_to(asker)
        self._decoder = msgspec.json.Decoder(union(self._allowed.values()))

    def parse(self, payload: bytes) -> Command:
        """A command from JSON, or from its bare name if no field is required. CommandError."""
        if len(payload) > REQUEST_BYTES:
            raise CommandError(f"a request has at most {REQUEST_BYTES} bytes")
        known = f"commands: {', '.join(self._allowed)}"
        word = payload.strip().lower().decode("ascii", "replace")
        try:
            if not word.startswith(("{", "[", '"')):
                if word not in self._allowed:
                    raise CommandError(f"{shown(word)} is not a command; {known}")
                return msgspec.convert({}, self._allowed[word])
            command: Command = self._decoder.decode(payload)
        except msgspec.ValidationError as error:
            raise CommandError(f"not a command: {_one_line(error)}; {known}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CommandError(f"neither JSON nor a command's name; {known}") from error
        return command


def _reader(kind: Any) -> Callable[[str], object]:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(plain) is Literal:
        return partial(_one_of, get_args(plain))
    return str if plain is str else level


def _one_of(words: tuple[str, ...], text: str) -> str:
    if text not in words:
        raise CommandError(f"expected {' or '.join(words)}")
    return text


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
