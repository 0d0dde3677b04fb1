"""Consumers that say what they have, some of them again and again."""

from __future__ import annotations

import pytest

from edged.ports.mqtt import receipts
from edged.ports.mqtt.receipts import AGAIN_MAX_S, AGAIN_MIN_S, CONSUMERS, Receipts
from tests.clocks import StandingClock


class Desk:
    """Receipts, and what is asked of the delivery."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.misses = True
        self.clock = StandingClock()
        self.receipts = Receipts(self._resend, lambda: 100, self.clock)

    def _resend(self, number: int, settled_s: float) -> bool:
        assert settled_s == receipts.SETTLED_S
        if self.misses:
            self.asked.append(number)
        return self.misses


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_receipt_asks_for_what_comes_after_it(desk: Desk) -> None:
    desk.receipts.take("archive", b"7")
    assert desk.asked == [7]


def test_who_stays_at_a_number_waits_ever_longer(desk: Desk) -> None:
    for _ in range(2000):
        desk.receipts.take("archive", b"7")
        desk.clock.now_s += AGAIN_MIN_S
    assert 5 < len(desk.asked) < 2 * 2000 * AGAIN_MIN_S / AGAIN_MAX_S + 12


def test_who_gets_on_does_not_wait(desk: Desk) -> None:
    for number in range(10):
        desk.receipts.take("archive", str(number).encode())
    assert desk.asked == [*range(10)]


def test_one_consumer_that_waits_holds_up_no_other(desk: Desk) -> None:
    desk.receipts.take("archive", b"7")
    desk.receipts.take("archive", b"7")
    desk.receipts.take("printer", b"7")
    assert desk.asked == [7, 7]


def test_where_nothing_is_missing_nobody_has_to_wait(desk: Desk) -> None:
    desk.misses = False
    desk.receipts.take("archive", b"7")
    desk.misses = True
    desk.receipts.take("archive", b"7")
    assert desk.asked == [7]


@pytest.mark.parametrize("payload", [b"", b"-1", b"7.0", b"seven", b"9" * 19, b"\xff", b"7\n"])
def test_what_is_no_number_is_ignored_and_told(
    desk: Desk, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk.receipts.take("archive", payload)
    assert desk.asked == []
    assert "ignored" in caplog.text


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "\x1b[1m", "ä"])
def test_a_name_that_could_be_anything_is_ignored(
    desk: Desk, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk.receipts.take(name, b"7")
    assert desk.asked == []
    assert "\x1b" not in caplog.text


def test_the_consumers_are_bounded(desk: Desk) -> None:
    for number in range(CONSUMERS + 5):
        desk.receipts.take(f"consumer-{number}", b"7")
    assert len(desk.asked) == CONSUMERS


def test_a_consumer_of_another_journal_is_told_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        desk.receipts.take("archive", b"500")
    [error] = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert error.startswith("consumer archive has events up to 500, but the last one here is 100")
