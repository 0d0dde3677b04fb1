"""All that is known of one model: from the catalog, from its file, and from a run in quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.models import catalog, library, pins, quarantine
from edged.models.catalog import Model
from edged.models.quarantine import Verdict


def listed(path: Path | None, entry: Model | None) -> dict[str, Any]:
    """What a list shows, without opening the model: ``checked`` says whose hash there is for it."""
    name = entry.name if entry is not None else path.stem if path is not None else ""
    facts: dict[str, Any] = {"name": name, "path": str(path) if path is not None else None}
    facts["bytes"] = entry.bytes or None if entry is not None else None
    if path is not None:
        facts["bytes"] = path.stat().st_size
    facts["checked"] = checked_by(path, entry)
    if entry is not None:
        facts["about"] = entry.about
        facts["top1"] = entry.top1
    return facts


def checked_by(path: Path | None, entry: Model | None) -> str:
    """ "catalog", "pins.json", or "unverified" where no hash is known."""
    if entry is not None and entry.sha256:
        return "catalog"
    return (path is not None and pins.expected(path)[1]) or "unverified"


def published(entry: Model) -> dict[str, Any]:
    """What the catalog says of a model."""
    sources = catalog.load().sources

    def source(name: str) -> str | None:
        return sources.get(name, name) or None

    return {
        "about": entry.about,
        "url": entry.url,
        "licence": entry.licence,
        "source": source(entry.source),
        "input": entry.input,
        "classes": entry.classes or None,
        "top1": entry.top1,
        "top1_source": source(entry.top1_source),
        "times_ms": [
            {"board": time.board, "ms": time.ms, "source": source(time.source)}
            for time in entry.times
        ],
    }


def verified(path: Path, labels: str = "") -> dict[str, Any]:
    """The hash of the model at `path` beside what it should be, and what quarantine says of it.

    ``hash`` is right, wrong or unknown. ModelError if the file cannot be read.
    """
    try:
        sha256 = pins.sha256(path)
    except OSError as error:
        raise ModelError(f"model {path} cannot be read: {error.strerror}: correct it") from error
    wanted, source = pins.expected(path)
    verdict = quarantine.inspect(path, ModelConfig(labels=labels))
    matches = "unknown" if not wanted else "right" if sha256 == wanted else "wrong"
    return {
        "path": str(path),
        "sha256": sha256,
        "hash": matches,
        "hash_source": source or None,
        **said(verdict),
    }


def said(verdict: Verdict) -> dict[str, Any]:
    """The verdict as a document."""
    return {
        "quarantine": verdict.outcome,
        "reason": verdict.reason or None,
        "ran": verdict.ran,
        "confined": verdict.landlock,
    }


def loaded(path: Path, labels: str = "") -> dict[str, Any]:
    """What the model at `path` is once loaded, which must have passed quarantine. ModelError."""
    from edged.inference import labels as label_files
    from edged.inference import modelfile, tflite
    from edged.inference.tensors import Tensor

    model = ModelConfig(path=str(path), labels=labels)
    classifier = tflite.load(model)
    file = modelfile.read(path)

    def described(tensor: Tensor) -> dict[str, Any]:
        quantised = {"scale": tensor.scale, "zero_point": tensor.zero_point}
        return {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "type": tensor.dtype.name,
            "quantised": quantised if tensor.scale else None,
        }

    image, scores = classifier.image, classifier.scores
    return {
        "runtime": classifier.runtime,
        "delegated": classifier.delegated,
        "input": described(image.tensor) | {"normalised": image.normalised},
        "output": described(scores.tensor)
        | {"scores": "logits" if scores.logits else "probabilities"},
        "features": described(scores.features) if scores.features is not None else None,
        "classes": scores.classes,
        "labels": label_files.find(file, labels)[1],
        "metadata": {
            "mean": list(file.mean) or None,
            "std": list(file.std) or None,
            "label_files": list(file.label_files.values()) or None,
        },
        "blessing": _blessing(path),
    }


def _blessing(path: Path) -> dict[str, Any] | str | None:
    """Which data and how many gates it held; why it is not blessed if its blessing is wrong."""
    from edged.evaluation import blessing

    if not blessing.path_of(path).exists():
        return None
    try:
        found = blessing.check(path)
    except ModelError as error:
        return str(error)
    return {"data": found.data, "gates": len(found.results), "blessed": found.blessed}


def everything(given: list[Path]) -> list[dict[str, Any]]:
    """The bundled model, those that are here, and those of the catalog that are not."""
    known = catalog.load()
    bundled = library.bundled()
    here = {bundled.stem: bundled, **{path.stem: path for path in library.files(given)}}
    rows = [listed(path, known.find(name)) for name, path in here.items()]
    return rows + [listed(None, model) for model in known.model if model.name not in here]
