"""Collects the facts about a model from the catalog, its file, and a run in quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import asdict, replace

from edged.config.schema import Config
from edged.errors import ModelError
from edged.messages import models
from edged.messages.models import Checked, Hash, ListedMessage, ModelMessage, VerifiedMessage
from edged.models import catalog, library, makers, pins, quarantine
from edged.models.catalog import Facts, Model
from edged.models.naming import model_name
from edged.printable import printable

if TYPE_CHECKING:
    from edged.inference.preprocessing import Preprocessing
    from edged.inference.tensors import Tensor


DEFAULT = Config()
"""Models with their own settings."""


def listed(name: str, path: Path | None) -> ListedMessage:
    """The list's row for the model `name`; its file at `path` is hashed, not loaded."""
    entry = catalog.load().facts(name)
    model = entry if isinstance(entry, Model) else None
    return ListedMessage(
        name=printable(name),
        aliases=model.aliases if model else [],
        path=printable(path) if path else None,
        bytes=path.stat().st_size if path else (model and model.bytes) or None,
        checked=_checked(name, path),
        hash=_hash(path) if path else None,
        about=entry.about if entry else None,
        licence=entry.licence if entry else None,
        top1=entry.top1 if entry else None,
        top1_on=(entry and entry.top1_on) or None,
    )


def _checked(name: str, path: Path | None) -> Checked:
    """The source of the hash for the model `name`; `path` is its file, if installed."""
    if path is not None:
        return pins.expected(path)[1] or "unverified"
    model = catalog.load().find(name)
    return "catalog" if model and model.sha256 else "unverified"


def _hash(path: Path) -> Hash:
    """Whether the file at `path` has the expected hash; unknown also if it cannot be read."""
    wanted, _ = pins.expected(path)
    try:
        return _compared(pins.sha256(path), wanted) if wanted else "unknown"
    except OSError:
        return "unknown"


def _compared(sha256: str, wanted: str) -> Hash:
    return "unknown" if not wanted else "right" if sha256 == wanted else "wrong"


def known(name: str, path: Path | None, config: Config = DEFAULT) -> ModelMessage:
    """All facts about the model `name`.

    Its file at `path` is loaded only if it passes quarantine. ModelError.
    """
    entry = catalog.load().facts(name)
    found = ModelMessage(
        name=printable(name),
        checked=_checked(name, path),
        catalog=published(entry) if entry else None,
    )
    if path is None:
        return found
    found = replace(found, **asdict(verified(path, config)))
    return loaded(found, path, config) if found.quarantine == "ok" else found


def published(entry: Facts) -> models.Published:
    """The catalog's entry for a model."""
    sources = catalog.load().sources
    model = entry if isinstance(entry, Model) else None

    def source(name: str) -> str | None:
        return sources.get(name, name) or None

    return models.Published(
        about=entry.about,
        aliases=model.aliases if model else [],
        url=model.url if model else None,
        licence=entry.licence,
        source=source(entry.source),
        input=entry.input,
        classes=entry.classes or None,
        top1=entry.top1,
        top1_on=entry.top1_on or None,
        top1_source=source(entry.top1_source),
        times_ms=[
            replace(time, source=sources.get(time.source, time.source)) for time in entry.times
        ],
    )


def verified(path: Path, config: Config = DEFAULT) -> VerifiedMessage:
    """The hash of the model at `path`, the expected one, and the verdict of quarantine.

    ModelError if the file cannot be read.
    """
    try:
        sha256 = pins.sha256(path)
    except OSError as error:
        raise ModelError(f"model {path} cannot be read: {error.strerror}: correct it") from error
    wanted, source = pins.expected(path)
    verdict = quarantine.inspect(path, config.model)
    return VerifiedMessage(
        path=printable(path),
        sha256=sha256,
        hash=_compared(sha256, wanted),
        hash_source=source,
        quarantine=verdict.outcome,
        reason=verdict.reason or None,
        ran=verdict.ran,
        confined=verdict.landlock,
    )


def loaded(found: ModelMessage, path: Path, config: Config = DEFAULT) -> ModelMessage:
    """`found`, with the facts from loading the model at `path`. ModelError."""
    from edged.inference import modelfile, tflite

    classifier = tflite.load(replace(config.model, path=str(path)), config.camera.fit)
    file = modelfile.read(path)
    image, scores = classifier.image, classifier.scores
    return replace(
        found,
        runtime=classifier.runtime,
        delegated=classifier.delegated,
        input=_described(image.tensor, normalised=image.normalised.removeprefix("normalised ")),
        output=_described(scores.tensor, scores="logits" if scores.logits else "probabilities"),
        features=_described(scores.features) if scores.features else None,
        classes=len(classifier.labels),
        labels=classifier.found_labels.source,
        metadata=models.Metadata(
            mean=list(file.mean) or None,
            std=list(file.std) or None,
            label_files=[entry.name for named in file.label_files.values() for entry in named]
            or None,
        ),
        hint=makers.hint(path, classifier.input_px),
        blessing=_blessing(path, classifier.preprocessing),
    )


def _described(
    tensor: Tensor,
    normalised: str | None = None,
    scores: Literal["logits", "probabilities"] | None = None,
) -> models.TensorFacts:
    quantised = models.Quantised(scale=tensor.scale, zero_point=tensor.zero_point)
    return models.TensorFacts(
        name=tensor.name,
        shape=list(tensor.shape),
        type=tensor.dtype.name,
        quantised=quantised if tensor.scale else None,
        normalised=normalised,
        scores=scores,
    )


def _blessing(path: Path, preprocessing: Preprocessing) -> models.Blessed | str | None:
    from edged.evaluation import blessing

    if not blessing.path_of(path).exists():
        return None
    try:
        found = blessing.check(path, preprocessing)
    except ModelError as error:
        return str(error)
    return models.Blessed(data=found.data, gates=len(found.results), blessed=found.blessed)


def everything(given: list[Path]) -> list[ListedMessage]:
    """The bundled model, the installed ones, and the catalog's others."""
    bundled = library.bundled()
    here = {bundled.stem: bundled, **{model_name(path): path for path in library.files(given)}}
    absent = [model.name for model in catalog.load().model if model.name not in here]
    return [
        *(listed(name, path) for name, path in here.items()),
        *(listed(name, None) for name in absent),
    ]
