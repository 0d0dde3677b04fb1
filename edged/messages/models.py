"""Facts about model files: listed, complete, fetched, verified."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from edged.messages.message import Count, Document, Score
from edged.models.catalog import Time
from edged.models.pins import HashSource
from edged.models.quarantine import Outcome

Checked: TypeAlias = Annotated[
    HashSource | Literal["unverified"], Meta(description="the source of its hash")
]
Hash: TypeAlias = Literal["right", "wrong", "unknown"]
Top1On: TypeAlias = Annotated[str | None, Meta(description="the pictures of `top1`")]


class ListedMessage(Document, frozen=True, kw_only=True):
    """A model that is installed, or that can be fetched."""

    name: str
    aliases: Annotated[list[str], Meta(description="other names of it")]
    path: Annotated[str | None, Meta(description="null: it is not installed")]
    bytes: Count | None
    checked: Checked
    hash: Annotated[Hash | None, Meta(description="of the installed file")]
    about: str | None
    licence: str | None
    top1: Annotated[Score | None, Meta(description="null: not published")]
    top1_on: Top1On


class LabelMessage(Document, frozen=True, kw_only=True):
    """A class of a model, with its score on a picture if one was given."""

    model: str
    index: Count
    label: str
    score: Annotated[Score | None, Meta(description="on the picture; null: none was given")] = None


class FetchedMessage(Document, frozen=True, kw_only=True):
    """The path of a fetched model, or why it could not be fetched."""

    name: str
    path: str | None = None
    error: str | None = None


class VerifiedMessage(Document, frozen=True, kw_only=True):
    """The hash of a model, the expected one, and the verdict of quarantine."""

    path: str
    sha256: str
    hash: Hash
    hash_source: HashSource | None
    quarantine: Outcome
    reason: str | None
    ran: Annotated[bool, Meta(description="false: only read, as it needs a delegate")]
    confined: Annotated[bool, Meta(description="by Landlock, to its own files")]


class Published(Struct, frozen=True, kw_only=True):
    """The catalog's entry for a model."""

    about: str
    aliases: list[str]
    url: Annotated[str | None, Meta(description="null: it comes with edged")]
    licence: str
    source: str | None
    input: str
    classes: Count | None
    top1: Annotated[Score | None, Meta(description="null: not published")]
    top1_on: Top1On
    top1_source: str | None
    times_ms: list[Time]


class Quantised(Struct, frozen=True, kw_only=True):
    """A value is (number - ``zero_point``) * ``scale``."""

    scale: float
    zero_point: int


class TensorFacts(Struct, frozen=True, kw_only=True):
    """An input or output."""

    name: str
    shape: list[int]
    type: str
    quantised: Quantised | None
    normalised: Annotated[str | None, Meta(description="of the input: how pixels become values")]
    scores: Annotated[
        Literal["logits", "probabilities"] | None, Meta(description="of the output of scores")
    ]


class Metadata(Struct, frozen=True, kw_only=True):
    """The metadata of the file; null if absent."""

    mean: list[float] | None
    std: list[float] | None
    label_files: list[str] | None


class Blessed(Struct, frozen=True, kw_only=True):
    """The data on which the model was blessed, the number of its gates, and the time."""

    data: str
    gates: Count
    blessed: str


class ModelMessage(Document, frozen=True, kw_only=True):
    """Everything about a model; from ``runtime`` on, only for one that passed quarantine."""

    name: str
    path: str | None = None
    checked: Checked
    catalog: Published | None = None
    sha256: str | None = None
    hash: Hash | None = None
    hash_source: HashSource | None = None
    quarantine: Outcome | None = None
    reason: str | None = None
    ran: bool | None = None
    confined: bool | None = None
    runtime: str | None = None
    delegated: Score | None = None
    input: TensorFacts | None = None
    output: TensorFacts | None = None
    features: TensorFacts | None = None
    classes: Count | None = None
    labels: str | None = None
    metadata: Metadata | None = None
    hint: Annotated[
        str | None, Meta(description="settings that the tool that made it expects, where known")
    ] = None
    blessing: Annotated[Blessed | str | None, Meta(description="a text: why it is not valid")] = (
        None
    )
