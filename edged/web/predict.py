"""The one way to a prediction: a classifier of this process, behind a bounded queue."""

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
"""Requests that may wait for a classifier."""

ANSWER_S = 30.0
"""How long a request may wait and be worked on."""

RETRY_S = 5.0
"""After a model could not be loaded it is tried again after this time."""

BATCH = 16
"""Pictures that one request may hold."""


class _Job(NamedTuple):
    work: Callable[[TfliteClassifier], object]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Predictor:
    """Runs work on classifiers that are loaded when they are first needed.

    A classifier serves one thread at a time, so each of at most `workers` threads has its own; one
    more is begun when all are busy. All methods are for the event loop's thread.
    """

    def __init__(self, load: Callable[[], TfliteClassifier], workers: int = WORKERS) -> None:
        self._load = load
        self._workers = workers
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unanswered = 0

    async def run(self, work: Callable[[TfliteClassifier], T]) -> T:
        """What `work` makes with a classifier, in a thread of this object, or raises there.

        BusyError where too many wait, or the answer takes more than `ANSWER_S`; ModelError where
        the model cannot be loaded.
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
        """Ends the threads after their present work; what waits is not done."""
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
                    # It is the asker's to handle: edged's own as an answer, any other as a bug.
                    failure = error
            # The loop may have ended meanwhile, and nobody waits.
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
    """What loads the model of `config`, after quarantine, on one thread."""
    from msgspec.structs import replace

    one_thread = replace(config, model=replace(config.model, threads=1))

    def load() -> TfliteClassifier:
        # Only who predicts pays for numpy and a runtime.
        from edged import build

        return build.classifier(one_thread)

    return load


def classify_encoded(classifier: TfliteClassifier, data: bytes, where: str) -> Prediction:
    """Of a picture in a file's form. PictureError, which names it `where`; ModelError."""
    from edged.imaging.picture import decode_picture

    return classify_pixels(classifier, decode_picture(data, where, classifier.input_px))


def classify_pixels(classifier: TfliteClassifier, pixels: Pixels) -> Prediction:
    """Of RGB pixels. ModelError."""
    prediction = classifier.classify(pixels)
    if not prediction.finite:
        raise ModelError(f"{classifier.name}: its scores are not finite numbers")
    return prediction
