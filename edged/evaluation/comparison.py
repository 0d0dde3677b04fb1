"""Compares a new model with the old one: measured together, judged by gates, and blessed."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from edged import __version__, build
from edged.config.schema import Config
from edged.evaluation import blessing, document, evaluation, gate, golden, probe, slices
from edged.evaluation.blessing import Blessing
from edged.evaluation.check import Check
from edged.evaluation.dataset import Dataset, Example
from edged.evaluation.document import Evaluation
from edged.messages.message import Document


class Comparison(Document, frozen=True):
    """The document; ``results`` has each gate, ``blessed`` is whether all of them hold."""

    new: Evaluation
    old: Evaluation
    results: list[Check]
    blessed: bool
    edged: str = __version__
    kind: Literal["comparison"] = "comparison"
    schema: Literal[1] = 1


def compare(
    new: Config,
    old: Config,
    dataset: Dataset,
    gate_path: Path | None = None,
    followed: Callable[[Sequence[Example]], Iterable[Example]] = iter,
) -> Comparison:
    """Run both models over `dataset` in turns and check NEW against the gates in `gate_path`.

    Without gates there are no results, and nothing is blessed. `followed` is as in
    `evaluation.evaluate`.

    ConfigError, ModelError or DataError before the measurement if anything is unsuitable.
    """
    limits = gate.load(gate_path) if gate_path else gate.Gate()
    frozen = None
    if gate_path and limits.golden.file:
        frozen = golden.read(gate_path.parent / limits.golden.file)
    columns = list(dict.fromkeys(given.column for given in limits.slice))
    slices.check(dataset, columns)
    configs = [new, old]
    classifiers = [build.classifier(config) for config in configs]
    quanta = None if frozen is None else golden.worst_quanta(frozen, classifiers[0], dataset)
    new_model, old_model = (
        document.describe(classifier, probe.measure(config.model))
        for classifier, config in zip(classifiers, configs, strict=True)
    )
    run = evaluation.evaluate(dataset, classifiers, followed)
    measured = gate.Measured(run, new_model, old_model, quanta)
    results = gate.judge(limits, measured) if gate_path else []
    holds = bool(results) and all(result.holds for result in results)
    new_outcomes, old_outcomes = run.outcomes
    return Comparison(
        document.summarise(new_model, dataset.source, run, new_outcomes, columns),
        document.summarise(old_model, dataset.source, run, old_outcomes, columns),
        results,
        holds,
    )


def bless(model: Path, gate_path: Path, comparison: Comparison) -> Path:
    """Write the blessing of NEW at `model`, all of whose gates held; returns its path.

    ValueError for a document without the preprocessing of NEW.
    """
    new = comparison.new
    if new.model.preprocessing is None:
        raise ValueError("the comparison does not state the preprocessing")
    now = datetime.datetime.now(datetime.timezone.utc)
    return blessing.write(
        model,
        Blessing(
            model=new.model.name,
            sha256=new.model.sha256,
            preprocessing=new.model.preprocessing,
            old_sha256=comparison.old.model.sha256,
            gate_sha256=hashlib.sha256(gate_path.read_bytes()).hexdigest(),
            data=new.data.name,
            data_sha256=new.data.sha256,
            pictures=new.data.pictures,
            results=comparison.results,
            blessed=now.isoformat(timespec="seconds"),
        ),
    )
