"""Runs predictions: classifiers of this process, behind a bounded queue."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from edged.core import Pixels, Prediction
from edged.errors import ModelError
from edged.web.resource import BusyError

if TYPE_CHECKING:
    from edged.config.schema import Config
    from edged.inference.tflite import TfliteClassifier

T = TypeVar("T")

WORKERS = min(2, os.cpu_count() or 1)
"""The cores that predictions may use; beyond two, memory is worth more on a small board."""

WAITING = 64
"""The most requests that wait for a classifier."""

ANSWER_S = 30.0
"""The limit for a request, including its wait."""

RETRY_S = 5.0
"""The wait before loading a failed model again."""

BATCH = 16
"""The most pictures in one request."""


class _Job(NamedTuple):
    work: Callable[[TfliteClassifier], object]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Predictor:
    """Runs work on classifiers that are loaded when they are first needed.

    A classifier serves one thread at a time, so each of at most `workers` threads has its own; one
    more is started when all are busy. All methods are for the event loop's thread.
    """

    def __init__(self, load: Callable[[], TfliteClassifier], workers: int = WORKERS) -> None:
        self._load = load
        self._workers = workers
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unanswered = 0

    async def run(self, work: Callable[[TfliteClassifier], T]) -> T:
        """The result of `work` with a classifier, in a thread of this object; its errors propagate.

        BusyError if too many wait, or the answer takes more than `ANSWER_S`; ModelError if the
        model cannot be loaded.
        """
        if self._unanswered >= WAITING + self._workers:
            raise BusyError(f"{WAITING} requests are waiting already")
        if len(self._threads) < min(self._workers, self._unanswered + 1):
            self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        late = BusyError(f"no answer within {ANSWER_S:g} s")
        give_up = loop.call_later(ANSWER_S, _settle, future, None, late)
        self._unanswered += 1
        try:
            self._jobs.put(_Job(work, future, loop))
            answer: T = await future
            return answer
        finally:
            give_up.cancel()
            self._unanswered -= 1

    def close(self) -> None:
        """End the threads after their present work; waiting requests are dropped."""
        for _ in self._threads:
            self._jobs.put(None)

    def _start(self) -> None:
        name = f"predict{len(self._threads)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        classifier: TfliteClassifier | None = None
        refused: ModelError | None = None
        retry_s = 0.0
        while (job := self._jobs.get()) is not None:
            if job.future.done():
                continue
            if classifier is None and time.monotonic() >= retry_s:
                try:
                    classifier, refused = self._load(), None
                except ModelError as error:
                    refused, retry_s = error, time.monotonic() + RETRY_S
            result: object = None
            failure: Exception | None = refused
            if classifier is not None:
                try:
                    result = job.work(classifier)
                except Exception as error:
                    # The caller handles it: edged's own errors as an answer, any other as a bug.
                    failure = error
            # The event loop may have ended meanwhile, and no one waits.
            with suppress(RuntimeError):
                job.loop.call_soon_threadsafe(_settle, job.future, result, failure)


def _settle(future: asyncio.Future[object], result: object, failure: Exception | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)


def loader(config: Config) -> Callable[[], TfliteClassifier]:
    """A function that loads the model of `config`, after quarantine, with one thread."""
    from msgspec.structs import replace

    one_thread = replace(config, model=replace(config.model, threads=1))

    def load() -> TfliteClassifier:
        # Imported at the first prediction: numpy and a runtime.
        from edged import build

        return build.classifier(one_thread)

    return load


def classify_encoded(classifier: TfliteClassifier, data: bytes, where: str) -> Prediction:
    """Classify an encoded picture. PictureError, which names it `where`; ModelError."""
    from edged.imaging.picture import decode_picture

    return classify_pixels(classifier, decode_picture(data, where, classifier.input_px))


def classify_pixels(classifier: TfliteClassifier, pixels: Pixels) -> Prediction:
    """Classify RGB pixels. ModelError."""
    prediction = classifier.classify(pixels)
    if not prediction.finite:
        raise ModelError(f"{classifier.name}: its scores are not finite numbers")
    return prediction
