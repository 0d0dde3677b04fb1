"""Messages without urgency: classifications and pictures at their rates, and health."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from edged.core import Health, Report, Result
from edged.errors import EdgedError
from edged.messages import results
from edged.messages.message import Message, Moment

if TYPE_CHECKING:
    from edged.config.schema import MqttConfig
    from edged.ports.mqtt.connection import Connection
    from edged.ports.mqtt.memory import Memory
    from edged.ports.mqtt.newest import Newest
    from edged.ports.mqtt.topics import Topics

log = logging.getLogger(__name__)

T = TypeVar("T")

PENDING_REPORTS = 16
"""The most reports that wait for the worker; beyond that, the oldest is skipped and counted."""

PENDING_IMAGES = 2
"""The same for frames that wait to become pictures; each takes some megabytes."""


class Feed:
    """`offer` and `put` in the loop's thread, `publish` in the worker's.

    ``mqtt`` may be replaced at any time. `work_due` wakes the worker, `health` makes the message.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        topics: Topics,
        connection: Connection,
        newest: Newest,
        memory: Memory,
        work_due: Callable[[], None],
        now: Callable[[], Moment],
        health: Callable[[Health], Message],
    ) -> None:
        self.mqtt = mqtt
        self.skipped = 0
        self.reports: deque[Report] = deque()
        self.images: deque[Result] = deque()
        self._topics = topics
        self._connection = connection
        self._newest = newest
        self._memory = memory
        self._work_due = work_due
        self._now = now
        self._health = health
        self._classification_due_s = 0.0
        self._image_due_s = 0.0

    def offer(self, result: Result) -> None:
        """Put what is due of a frame."""
        if not self._connection.up:
            return
        captured_s = result.frame.captured_s
        hz = self.mqtt.classification_hz
        if hz > 0.0 and captured_s >= self._classification_due_s:
            self._classification_due_s = next_due_s(
                self._classification_due_s, 1.0 / hz, captured_s
            )
            self.put(result)
        wanted = self.mqtt.image
        if wanted == "interval" and captured_s >= self._image_due_s:
            self._image_due_s = next_due_s(self._image_due_s, self.mqtt.image_s, captured_s)
            self.put_image(result)
        elif wanted == "event" and result.events:
            self.put_image(result)

    def put(self, report: Health | Result) -> None:
        """Leave the health or a classification to the worker."""
        self._wait_for_worker(self.reports, report, PENDING_REPORTS)

    def put_image(self, result: Result) -> None:
        """Leave a picture to the worker."""
        self._wait_for_worker(self.images, result, PENDING_IMAGES)

    def __bool__(self) -> bool:
        return bool(self.reports or self.images)

    def publish(self) -> None:
        """Publish all that waits."""
        while self.reports:
            self.publish_report(self.reports.popleft())
        while self.images:
            self.publish_image(self.images.popleft())

    def publish_report(self, report: Report) -> None:
        """Publish the health or a classification."""
        if isinstance(report, Health):
            self._newest.publish(self._topics.health, self._health(report).json())
        elif isinstance(report, Result):
            top = self.mqtt.classification_top
            classified = results.classification(report, top, self._now())
            self._newest.publish(self._topics.classification, classified.json())

    def publish_image(self, result: Result) -> None:
        """Make a picture and publish it."""
        from edged.imaging.snapshot import snapshot_jpeg

        if not self._connection.up:
            return
        try:
            quality, width_px = self.mqtt.image_quality, self.mqtt.image_width_px
            picture = snapshot_jpeg(result, self._now(), quality, width_px)
        except EdgedError as error:
            log.warning("no picture is sent: %s", error)
            return
        retain = self.mqtt.image_retain
        if retain:
            self._memory.retain([self._topics.image])
            self._memory.save()
        self._newest.publish(self._topics.image, picture, retain=retain)

    def _wait_for_worker(self, queue: deque[T], item: T, limit: int) -> None:
        queue.append(item)
        if len(queue) > limit:
            queue.popleft()
            self.skipped += 1
        self._work_due()


def next_due_s(due_s: float, period_s: float, now_s: float) -> float:
    """When the next is due, after one that was due at `due_s` and came at `now_s`."""
    # From the due time, not from now, so that the average rate holds; but without catching up.
    return due_s + period_s if due_s + period_s > now_s else now_s + period_s
