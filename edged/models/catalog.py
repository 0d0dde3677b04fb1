"""The public models that can be fetched by name: models/catalog.toml, typed."""

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
Url: TypeAlias = Annotated[str, Meta(pattern=r"^https://[^\s]+\Z")]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the catalog's tables."""


class Time(_Table, frozen=True):
    """How long one picture takes on a board, as `source` published it."""

    board: str
    ms: float
    source: str


class Labels(_Table, frozen=True):
    """A label file. ``skip_first`` leaves its first line out; ``count`` is what is left."""

    url: Url
    bytes: int = 0
    sha256: Sha256 = ""
    count: int = 0
    skip_first: bool = False


class Model(_Table, frozen=True):
    """A model file, or the ``member`` of an archive; models/catalog.toml explains the fields.

    ``bytes`` is 0 and ``sha256`` empty where nobody has checked the file yet.
    """

    name: Name
    about: str
    url: Url
    licence: str
    source: str
    input: str
    labels: str
    member: str = ""
    bytes: int = 0
    sha256: Sha256 = ""
    classes: int = 0
    top1: Fraction | None = None
    top1_source: str = ""
    times: list[Time] = []


class Catalog(_Table, frozen=True):
    """The whole file. ``sources`` maps the names that entries give as sources to what they are."""

    sources: dict[str, str]
    labels: dict[str, Labels]
    model: list[Model]

    def find(self, name: str) -> Model | None:
        """The entry called `name`."""
        return next((model for model in self.model if model.name == name), None)


@cache
def load() -> Catalog:
    """The catalog that comes with edged; ModelError if it cannot be read."""
    path = paths.bundled_model().with_name("catalog.toml")
    try:
        return msgspec.convert(toml.parse(path.read_text()), Catalog)
    except (OSError, toml.TomlSyntaxError, msgspec.ValidationError) as error:
        raise ModelError(f"{path}: {error}: install edged again") from error
