"""Receipts: a consumer says what it has stored, and gets everything after that again.

An acknowledgement by the broker is no proof that anybody has an event: a broker that loses its
memory loses the events that it has acknowledged. Only a consumer knows what it has.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

import msgspec

from edged.backoff import backoff_s
from edged.printable import printable

log = logging.getLogger(__name__)

SETTLED_S = 5.0
"""An event that the broker acknowledged later than this may still be on its way."""

AGAIN_MIN_S, AGAIN_MAX_S = 10.0, 3600.0
"""How long a consumer that stays at the same number waits before it gets the events again."""

CONSUMERS = 64
"""The most consumers; receipts of others are ignored."""

_NUMBER = re.compile(rb"[0-9]{1,18}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class _Consumer(msgspec.Struct):
    """The last receipt; when and how often the events after it were sent again.

    ``odd`` is the last number that was told to be higher than ours.
    """

    number: int
    resent_s: float = 0.0
    times: int = 0
    odd: int = -1


class Receipts:
    """Takes receipts, from the network's thread.

    ``resend`` is `Delivery.resend_after`, ``last`` returns the newest number. A consumer that keeps
    publishing old receipts gets the events ever more rarely: others receive them too.
    """

    def __init__(
        self,
        resend: Callable[[int, float], bool],
        last: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resend = resend
        self._last = last
        self._clock = clock
        self._consumers: dict[str, _Consumer] = {}

    def take(self, name: str, payload: bytes) -> None:
        """One receipt: the highest number up to which consumer `name` has everything."""
        if not _NAME.fullmatch(name) or not _NUMBER.fullmatch(payload):
            log.warning("a receipt is not NAME and a number: %s; ignored", printable(name[:64]))
            return
        number, now_s = int(payload), self._clock()
        consumer = self._consumers.get(name)
        if consumer is None:
            if len(self._consumers) >= CONSUMERS:
                log.warning("receipts of %s are ignored: %d consumers are known", name, CONSUMERS)
                return
            consumer = self._consumers[name] = _Consumer(number)
        if number > self._last() and number != consumer.odd:
            consumer.odd = number
            log.error(
                "consumer %s has events up to %d, but the last one here is %d: the journal is new, "
                "and the consumer takes new events for old ones; delete what it has stored",
                *(name, number, self._last()),
            )
        if number > consumer.number:
            consumer.times = 0
        consumer.number = number
        wait_s = backoff_s(consumer.times, AGAIN_MIN_S, AGAIN_MAX_S) if consumer.times else 0.0
        if now_s >= consumer.resent_s + wait_s and self._resend(number, SETTLED_S):
            consumer.resent_s, consumer.times = now_s, consumer.times + 1
            log.info("consumer %s has events up to %d; sending the later ones again", name, number)
