"""The models that people can pick by name: models/catalog.toml, typed."""

from __future__ import annotations

from functools import cache
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from edged import paths
from edged.config import toml
from edged.config.schema import Fraction, Name
from edged.errors import ModelError

Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
Label: TypeAlias = Annotated[str, Meta(pattern=r"^\S([^\x00-\x1f\x7f]*\S)?\Z")]
Url: TypeAlias = Annotated[str, Meta(pattern=r"^https://[^\s]+\Z")]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the catalog's tables."""


class Time(_Table, frozen=True):
    """How long one picture takes on a board, as `source` published it."""

    board: str
    ms: float
    source: str


class Labels(_Table, frozen=True):
    """The labels of a model: a file at ``url``, or the ``lines`` themselves without one.

    ``skip_first`` drops the file's first line; ``count`` is the number of the others.
    """

    url: Url | None = None
    lines: list[Label] = []
    bytes: int = 0
    sha256: Sha256 = ""
    count: int = 0
    skip_first: bool = False

    def __post_init__(self) -> None:
        if (self.url is None) == (not self.lines):
            raise ValueError("labels have either a url or lines")


class Facts(_Table, frozen=True):
    """The facts for choosing a model; models/catalog.toml explains the fields."""

    name: Name
    about: str
    licence: str
    source: str
    input: str
    classes: int = 0
    top1: Fraction | None = None
    top1_on: str = ""
    top1_source: str = ""
    times: list[Time] = []

    def __post_init__(self) -> None:
        if len({self.top1 is None, not self.top1_on, not self.top1_source}) > 1:
            raise ValueError("top1, top1_on and top1_source come together")


class Model(Facts, frozen=True, kw_only=True):
    """A model file that can be fetched, alone or as the ``member`` of an archive.

    ``bytes`` is 0 and ``sha256`` empty if the file has not been checked yet.
    """

    url: Url
    labels: str
    aliases: list[Name] = []
    member: str = ""
    bytes: int = 0
    sha256: Sha256 = ""


class Catalog(_Table, frozen=True):
    """The whole file. ``sources`` maps the names of sources in entries to their descriptions."""

    sources: dict[str, str]
    labels: dict[str, Labels]
    bundled: Facts
    model: list[Model]

    def find(self, name: str) -> Model | None:
        """The entry with exactly that name, which is also its file's name."""
        return next((model for model in self.model if model.name == name), None)

    def meant(self, text: str) -> Model | None:
        """The entry for `text`, its name or an alias."""
        aliased = (model for model in self.model if text in model.aliases)
        return self.find(text) or next(aliased, None)

    def facts(self, name: str) -> Facts | None:
        """The facts about the model `name`, which is bundled with edged or can be fetched."""
        return self.bundled if name == self.bundled.name else self.find(name)

    def names(self) -> list[str]:
        """All names under which a model can be fetched."""
        return [name for model in self.model for name in (*model.aliases, model.name)]


@cache
def load() -> Catalog:
    """The bundled catalog; ModelError if it cannot be read."""
    path = paths.bundled_model().with_name("catalog.toml")
    try:
        return msgspec.convert(toml.parse(path.read_text()), Catalog)
    except (OSError, toml.TomlSyntaxError, msgspec.ValidationError) as error:
        raise ModelError(f"{path}: {error}: install edged again") from error
