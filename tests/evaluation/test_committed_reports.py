"""The reports under docs/reports are what the commands say of the files that are here now."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import msgspec
import pytest

from edged import paths
from edged.config.schema import ModelConfig
from edged.evaluation import document, evaluation, text
from edged.evaluation.dataset import Dataset, open_dataset
from edged.evaluation.document import Evaluation
from edged.evaluation.quantization import VARIANTS, Quantization
from edged.inference import tflite

REPORTS = Path(__file__).parent.parent.parent / "docs" / "reports"
AGAIN = "make report-evaluation"
OTHER_PROCESSOR = 0.01
"""Kernels of another processor may round otherwise; by no more than this changes a share."""


def report(name: str) -> Evaluation:
    return msgspec.json.decode((REPORTS / f"{name}.json").read_bytes(), type=Evaluation)


def quantization() -> Quantization:
    return msgspec.json.decode((REPORTS / "quantization.json").read_bytes(), type=Quantization)


def part(dataset: Dataset, label: str) -> Dataset:
    examples = [example for example in dataset.examples if example.label == label]
    return Dataset(dataset.source, examples, dataset.columns, dataset.read)


def test_the_bundled_models_report_is_of_this_file() -> None:
    model, content = report("bundled").model, paths.bundled_model().read_bytes()
    assert model.sha256 == hashlib.sha256(content).hexdigest(), AGAIN
    assert model.size_bytes == len(content)
    assert model.gzip_bytes == pytest.approx(len(gzip.compress(content, 9)), rel=0.01)


def test_the_bundled_models_recall_of_cats_is_that_of_the_report(shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "training/cifar10/test.zip")
    classifier = tflite.load(ModelConfig(threads=1))
    run = evaluation.evaluate(part(dataset, "cat"), [classifier])
    [row] = [row for row in report("bundled").classes if row.label == "cat"]
    assert row.pictures == len(run.columns)
    found = document.accuracy(run.outcomes[0]).top1
    assert found == pytest.approx(row.recall, abs=OTHER_PROCESSOR), AGAIN


def test_the_smallest_imagenet_models_report_is_made_again(shared_data: Path) -> None:
    name = "mobilenet_v1_0.25_128_quant"
    config = ModelConfig(
        path=str(shared_data / f"models/{name}.tflite"),
        labels=str(shared_data / "labels/imagenet_labels.txt"),
        threads=1,
    )
    dataset = open_dataset(shared_data / "imagenet-sample/labels.csv")
    run = evaluation.evaluate(dataset, [tflite.load(config)])
    found, said = document.accuracy(run.outcomes[0]), report(name)
    assert run.sha256 == said.data.sha256
    assert found.top1 == pytest.approx(said.overall.top1, abs=OTHER_PROCESSOR), AGAIN
    assert found.top5 == pytest.approx(said.overall.top5, abs=OTHER_PROCESSOR), AGAIN
    assert found.ece == pytest.approx(said.overall.ece, abs=OTHER_PROCESSOR), AGAIN


def test_the_texts_say_what_the_documents_say() -> None:
    whole = (REPORTS / "bundled.md").read_text()
    assert whole == text.evaluation(report("bundled")) + "\n"
    names = [path.stem for path in sorted(REPORTS.glob("*mobilenet*.json"))]
    assert len(names) == 5
    table = text.footprints([report(name) for name in names])
    assert (REPORTS / "imagenet.md").read_text().endswith(table + "\n")
    shown = (REPORTS / "quantization.md").read_text()
    assert shown == text.quantization(quantization()) + "\n"


def test_int8_costs_little_accuracy_and_saves_most_of_the_size() -> None:
    found = {variant.name: variant.evaluation for variant in quantization().variants}
    assert list(found) == list(VARIANTS)
    full, int8 = found["float32"], found["int8"]
    assert full.overall.top1 is not None
    assert int8.overall.top1 is not None
    assert full.overall.top1 - int8.overall.top1 < 0.02
    assert int8.model.size_bytes < 0.4 * full.model.size_bytes
    assert len({evaluation.data.sha256 for evaluation in found.values()}) == 1
