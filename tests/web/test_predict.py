"""The queue before the classifier: loaded when it is needed, bounded, and no error is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edged.errors import ModelError
from edged.web import predict
from edged.web.predict import Predictor
from edged.web.resource import BusyError

MODEL: Any = "a classifier"


@contextmanager
def closing(predictor: Predictor) -> Iterator[Predictor]:
    try:
        yield predictor
    finally:
        predictor.close()


def test_work_runs_on_a_model_that_is_loaded_once_when_it_is_first_asked() -> None:
    loaded = []

    def load() -> Any:
        loaded.append(threading.current_thread())
        return MODEL

    async def ask() -> list[str]:
        return [await predictor.run(str.upper) for _ in range(3)]

    with closing(Predictor(load, workers=1)) as predictor:
        assert loaded == []
        assert asyncio.run(ask()) == [MODEL.upper()] * 3
    assert len(loaded) == 1
    assert loaded[0] is not threading.main_thread()


def test_what_goes_wrong_in_the_work_is_raised_where_it_was_asked() -> None:
    def wrong(model: Any) -> None:
        raise ValueError("wrong")

    with closing(Predictor(lambda: MODEL, workers=1)) as predictor:
        with pytest.raises(ValueError, match="wrong"):
            asyncio.run(predictor.run(wrong))
        assert asyncio.run(predictor.run(len)) == len(MODEL)


def test_one_after_the_other_is_work_for_one_worker() -> None:
    loaded = []

    def load() -> Any:
        loaded.append(MODEL)
        return MODEL

    async def ask() -> list[int]:
        return [await predictor.run(len) for _ in range(5)]

    with closing(Predictor(load, workers=3)) as predictor:
        assert asyncio.run(ask()) == [len(MODEL)] * 5
    assert len(loaded) == 1


def test_each_worker_has_a_model_of_its_own() -> None:
    models = iter(["first", "second"])
    both = threading.Barrier(2, timeout=10.0)

    def work(model: Any) -> Any:
        both.wait()
        return model

    async def ask() -> list[Any]:
        return await asyncio.gather(predictor.run(work), predictor.run(work))

    with closing(Predictor(lambda: next(models), workers=2)) as predictor:  # type: ignore[arg-type,return-value]
        assert sorted(asyncio.run(ask())) == ["first", "second"]


def test_more_than_may_wait_is_refused_and_the_rest_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predict, "WAITING", 3)
    go_on = threading.Event()

    def work(model: Any) -> bool:
        return go_on.wait(10.0)

    async def ask() -> list[Any]:
        asked = [asyncio.ensure_future(predictor.run(work)) for _ in range(6)]
        await asyncio.sleep(0.05)
        go_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    with closing(Predictor(lambda: MODEL, workers=1)) as predictor:
        answers = asyncio.run(ask())
        assert [type(answer) for answer in answers] == [bool] * 4 + [BusyError] * 2
        assert asyncio.run(predictor.run(len)) == len(MODEL)


def test_what_takes_too_long_is_given_up_and_what_waited_behind_it_is_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predict, "ANSWER_S", 0.05)
    go_on = threading.Event()
    begun = []

    def work(name: str) -> Callable[[Any], bool]:
        def run(model: Any) -> bool:
            begun.append(name)
            return go_on.wait(10.0)

        return run

    async def ask() -> list[Any]:
        asked = [predictor.run(work(name)) for name in ("first", "second")]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        go_on.set()
        return [*answers, await predictor.run(len)]

    with closing(Predictor(lambda: MODEL, workers=1)) as predictor:
        answers = asyncio.run(ask())
    assert [type(answer) for answer in answers] == [BusyError, BusyError, int]
    assert begun == ["first"]


def test_a_model_that_cannot_be_loaded_is_tried_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [100.0]
    monkeypatch.setattr(predict.time, "monotonic", lambda: now_s[0])
    tries = []

    def load() -> Any:
        tries.append(now_s[0])
        if len(tries) == 1:
            raise ModelError("model.tflite: damaged")
        return MODEL

    async def ask() -> Any:
        return await predictor.run(lambda model: model)

    with closing(Predictor(load, workers=1)) as predictor:
        for _ in range(2):
            with pytest.raises(ModelError, match="damaged"):
                asyncio.run(ask())
        now_s[0] += predict.RETRY_S
        assert asyncio.run(ask()) == MODEL
    assert tries == [100.0, 100.0 + predict.RETRY_S]
