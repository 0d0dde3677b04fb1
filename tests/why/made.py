"""Events with their scores, kept beside a journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from edged.config.schema import DecideConfig, JournalConfig, RuleConfig, WhyConfig
from edged.core import Event
from edged.journal.journal import Journal
from edged.why.port import WhyPort
from tests.recording.made import Loop

CAT = RuleConfig(name="cat", labels=["cat"])
PLAIN = DecideConfig(enter=0.6, exit=0.4, smoothing_s=0.0)
P = TypeVar("P", bound=WhyPort)
WALL_S = 1_780_000_000.0


class Threadless(WhyPort):
    """Writes when it is told to `work`, and when it is closed."""

    def __exit__(self, *exception: object) -> None:
        self.work()
        self._finish()

    def _wake(self) -> None:
        pass

    def work(self) -> None:
        event, self._event = self._event, None
        self._keep(event)


@contextmanager
def keeping(
    journal: Path,
    *rules: RuleConfig,
    defaults: DecideConfig = PLAIN,
    kind: type[P] = Threadless,  # type: ignore[assignment]
    **why: Any,
) -> Iterator[tuple[Loop, P]]:
    """A loop whose events and scores are on disk when this ends, and the port that keeps them."""

    def now_s() -> float:
        return loop.now_s

    config = JournalConfig(path=str(journal))
    book = Journal("porch", config, now_s, lambda: WALL_S + loop.now_s)

    def record(events: Sequence[Event]) -> tuple[Event, ...]:
        numbered = book.record(events)
        if events:
            book.sync()
        return numbered

    loop = Loop(list(rules) or [CAT], defaults, record=record)
    book.sync()
    folder = journal.with_name(f"{journal.name}.why")
    try:
        with kind(WhyConfig(**why), folder, "porch", now_s) as port:
            loop.ports.append(port)
            loop.tell(loop.deciding)
            yield loop, port
    finally:
        book.close()
