"""All that is known of one model: from the catalog, from its file, and from a run in quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import asdict, replace

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.messages import models
from edged.messages.models import ListedMessage, ModelMessage, VerifiedMessage
from edged.models import catalog, library, pins, quarantine
from edged.models.catalog import Model

if TYPE_CHECKING:
    from edged.inference.tensors import Tensor


def listed(name: str, path: Path | None, entry: Model | None) -> ListedMessage:
    """What a list shows, without opening the model."""
    checked = "catalog" if entry and entry.sha256 else path and pins.expected(path)[1]
    return ListedMessage(
        name=name,
        path=str(path) if path else None,
        bytes=path.stat().st_size if path else (entry and entry.bytes) or None,
        checked=checked or "unverified",
        about=entry.about if entry else None,
        top1=entry.top1 if entry else None,
    )


def known(name: str, path: Path | None, entry: Model | None, labels: str = "") -> ModelMessage:
    """All of it; the model at `path` is loaded only if it passes quarantine. ModelError."""
    found = ModelMessage(name=name, catalog=published(entry) if entry else None)
    if path is None:
        return found
    found = replace(found, **asdict(verified(path, labels)))
    return loaded(found, path, labels) if found.quarantine == "ok" else found


def published(entry: Model) -> models.Published:
    """What the catalog says of a model."""
    sources = catalog.load().sources

    def source(name: str) -> str | None:
        return sources.get(name, name) or None

    return models.Published(
        about=entry.about,
        url=entry.url,
        licence=entry.licence,
        source=source(entry.source),
        input=entry.input,
        classes=entry.classes or None,
        top1=entry.top1,
        top1_source=source(entry.top1_source),
        times_ms=[
            replace(time, source=sources.get(time.source, time.source)) for time in entry.times
        ],
    )


def verified(path: Path, labels: str = "") -> VerifiedMessage:
    """The hash of the model at `path` beside what it should be, and what quarantine says of it.

    ModelError if the file cannot be read.
    """
    try:
        sha256 = pins.sha256(path)
    except OSError as error:
        raise ModelError(f"model {path} cannot be read: {error.strerror}: correct it") from error
    wanted, source = pins.expected(path)
    verdict = quarantine.inspect(path, ModelConfig(labels=labels))
    return VerifiedMessage(
        path=str(path),
        sha256=sha256,
        hash="unknown" if not wanted else "right" if sha256 == wanted else "wrong",
        hash_source=source,
        quarantine=verdict.outcome,
        reason=verdict.reason or None,
        ran=verdict.ran,
        confined=verdict.landlock,
    )


def loaded(found: ModelMessage, path: Path, labels: str = "") -> ModelMessage:
    """`found`, and what the model at `path` is once loaded. ModelError."""
    from edged.inference import modelfile, tflite

    classifier = tflite.load(ModelConfig(path=str(path), labels=labels))
    file = modelfile.read(path)
    image, scores = classifier.image, classifier.scores
    return replace(
        found,
        runtime=classifier.runtime,
        delegated=classifier.delegated,
        input=_described(image.tensor, normalised=image.normalised),
        output=_described(scores.tensor, scores="logits" if scores.logits else "probabilities"),
        features=_described(scores.features) if scores.features else None,
        classes=scores.classes,
        labels=classifier.found_labels.source,
        metadata=models.Metadata(
            mean=list(file.mean) or None,
            std=list(file.std) or None,
            label_files=[entry.name for named in file.label_files.values() for entry in named]
            or None,
        ),
        blessing=_blessing(path),
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


def _blessing(path: Path) -> models.Blessed | str | None:
    from edged.evaluation import blessing

    if not blessing.path_of(path).exists():
        return None
    try:
        found = blessing.check(path)
    except ModelError as error:
        return str(error)
    return models.Blessed(data=found.data, gates=len(found.results), blessed=found.blessed)


def everything(given: list[Path]) -> list[ListedMessage]:
    """The bundled model, those that are here, and those of the catalog that are not."""
    known = catalog.load()
    bundled = library.bundled()
    here = {bundled.stem: bundled, **{path.stem: path for path in library.files(given)}}
    rows = [listed(name, path, known.find(name)) for name, path in here.items()]
    absent = [model for model in known.model if model.name not in here]
    return rows + [listed(model.name, None, model) for model in absent]
