"""Many pictures through one model on all cores; the answers are in the order of the pictures."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from edged.build import Admitted
from edged.core import Classifier, Pixels, Prediction
from edged.errors import PictureError
from edged.imaging import folder
from edged.imaging.folder import UnreadableError
from edged.imaging.picture import MAX_DECODED_BYTES, TooLargeError, read_picture
from edged.imaging.standard_input import STANDARD_INPUT, standard_input
from edged.inference import tflite
from edged.inference.labels import Labels
from edged.printable import printable

if TYPE_CHECKING:
    from edged.teaching.lessons import Lessons

Found: TypeAlias = "Path | UnreadableError"

WORTH_A_CORE = 4
"""For fewer pictures, a further interpreter takes longer to start than it saves."""

PORTION = 8
"""Pictures that a core takes at once, at most: each hand-over stops the Python of all cores."""

PORTIONS = 8
"""Portions for each core, at least: at the end some cores wait for another one's last portion."""

AHEAD = 4
"""Portions for each core that may be under way or done before the one whose turn it is."""


class Answer(NamedTuple):
    """The model's prediction for a picture, or why there is none."""

    path: Path
    prediction: Prediction | None
    error: PictureError | None
    decode_s: float


def pictures(paths: Sequence[Path]) -> Iterator[Found]:
    """The pictures at `paths`, those in folders sorted by name, and unreadable paths."""
    for position, path in enumerate(paths):
        if path == STANDARD_INPUT and path in paths[:position]:
            yield UnreadableError(path, "given twice; standard input can be read only once")
        elif path == STANDARD_INPUT or not folder.is_folder(path):
            yield path
        else:
            found = list(folder.search(path))
            # The order of paths, but their parts are not split again for each comparison.
            yield from sorted(found, key=lambda one: path_of(one).parts)
            if not found:
                yield folder.no_pictures(path)


class Batch:
    """One model, with an interpreter for each core that `count` pictures are worth.

    ``model.threads``, where it is set, is the threads of each interpreter. A delegate's device
    serves only one interpreter. With `features`, predictions include the features if the model has
    any, and with `taught` the labels that its owner taught. ModelError.
    """

    def __init__(
        self,
        model: Admitted,
        labels: Labels,
        fit: Literal["stretch", "crop"],
        count: int,
        *,
        features: bool = False,
        taught: Lessons | None = None,
    ) -> None:
        settings = model.settings
        cores = len(os.sched_getaffinity(0)) // (settings.threads or 1)
        workers = 1 if settings.delegate else max(1, min(cores, count // WORTH_A_CORE))
        if workers > 1 and not settings.threads:
            settings = replace(settings, threads=1)
        layers = taught.reading.tensors if taught is not None else ()
        loaded = tflite.load_alike(
            settings,
            fit,
            model.file,
            labels=labels,
            count=workers,
            features=features,
            layers=layers,
        )
        self.classifiers: list[Classifier] = [*loaded]
        if taught is not None:
            from edged.teaching import background
            from edged.teaching.classifier import TaughtClassifier

            known = background.find(model.file.path, taught.reading)
            self.classifiers = [TaughtClassifier(one, taught, known) for one in loaded]
        self._most_bytes = MAX_DECODED_BYTES // workers
        self._large = threading.Lock()

    def answers(self, found: Sequence[Found]) -> Iterator[Answer]:
        """One for each picture of `found`, in its order. ModelError."""
        if len(self.classifiers) == 1:
            [classifier] = self.classifiers
            yield from (self._answer(classifier, path) for path in found)
            return
        # This takes ten milliseconds, too long for a picture or two.
        from concurrent.futures import Future, ThreadPoolExecutor
        from queue import SimpleQueue

        idle: SimpleQueue[Classifier] = SimpleQueue()
        for classifier in self.classifiers:
            idle.put(classifier)

        def answer(some: Sequence[Found]) -> list[Answer]:
            classifier = idle.get()
            try:
                return [self._answer(classifier, path) for path in some]
            finally:
                idle.put(classifier)

        cores = len(self.classifiers)
        portion = max(1, min(PORTION, len(found) // (PORTIONS * cores)))
        waiting: deque[Future[list[Answer]]] = deque()
        with ThreadPoolExecutor(cores) as pool:
            try:
                for start in range(0, len(found), portion):
                    waiting.append(pool.submit(answer, found[start : start + portion]))
                    if len(waiting) >= AHEAD * cores:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _answer(self, classifier: Classifier, path: Found) -> Answer:
        began_s = time.perf_counter()
        try:
            pixels = self._read(path, classifier.input_px)
        except PictureError as error:
            _let_go(error)
            return Answer(path_of(path), None, error, time.perf_counter() - began_s)
        decode_s = time.perf_counter() - began_s
        prediction = classifier.classify(pixels)
        if not prediction.finite:
            reason = "the model's scores are not finite numbers"
            return Answer(
                path_of(path), None, PictureError(printable(path_of(path)), reason), decode_s
            )
        return Answer(path_of(path), prediction, None, decode_s)

    def _read(self, path: Found, wanted_px: tuple[int, int]) -> Pixels:
        if isinstance(path, UnreadableError):
            raise path
        if path == STANDARD_INPUT:
            return standard_input(wanted_px)
        with suppress(TooLargeError):
            return read_picture(path, wanted_px, self._most_bytes)
        # All cores together hold at most twice the size of the largest picture.
        with self._large:
            return read_picture(path, wanted_px)


def _let_go(error: BaseException) -> None:
    """Release the stack frames of an error: they hold all that was read of the picture."""
    reason: BaseException | None = error
    while reason is not None:
        reason.__traceback__ = None
        reason = reason.__context__


def path_of(found: Found) -> Path:
    """The path of a picture, readable or not."""
    return found.path if isinstance(found, UnreadableError) else found
