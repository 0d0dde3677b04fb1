"""Posts every event to each webhook, in order, until its receiver has it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from edged import __version__
from edged.backoff import backoff_s
from edged.config.schema import WebhookConfig
from edged.core import CameraChanged, Ended, Report, Result
from edged.errors import PortError
from edged.journal.entry import Entry
from edged.journal.journal import Journal
from edged.messages import cloudevents, events
from edged.ports.webhook import credentials, signature
from edged.ports.webhook.receiver import Answer, Receiver
from edged.redact import origin

log = logging.getLogger(__name__)

BATCH = 50
"""Entries read ahead from the journal."""

LATE_S = 10.0
"""An event that is older when it is sent is marked as replayed."""

RECENT = 1000
"""The number of events whose time of creation is known; older ones are late."""

RETRY_AFTER_MOST_S = 3600.0
"""The longest wait that a receiver can request."""

FAREWELL_S = 1.0
"""At the end, the time to send the last events, and to finish requests in progress."""


class Webhook:
    """One receiver: a thread and a cursor in the journal.

    An accepted event (2xx) advances the cursor. A refused one (3xx, 4xx) is skipped and counted.
    Otherwise the same event is sent again with back-off: a receiver that was unreachable for a day
    gets everything in order.
    """

    def __init__(
        self,
        webhook: WebhookConfig,
        journal: Journal,
        source: str,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """ConfigError if a file is missing, or contains no secret."""
        credentials.check(webhook)
        self._webhook = webhook
        self._source = source
        self._clock = clock
        self._wall_clock = wall_clock
        self._name = f"webhook {webhook.name} ({origin(webhook.url)})"
        self._receiver = Receiver(webhook.url, webhook.timeout_s, webhook.ca_file)
        self._due = threading.Event()
        self._closing = threading.Event()
        self._consumer = journal.consumer(f"webhook-{webhook.name}", self._due.set)
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._made_s: dict[int, float] = {}
        self._problem: str | None = None
        self._refusal: str | None = None
        self.refused = 0
        """Events that the receiver refused."""

    def start(self) -> None:
        """Start sending the journal's events."""
        self._thread.start()

    def put(self, number: int) -> None:
        """The journal has recorded an event."""
        self._made_s[number] = self._clock()
        if len(self._made_s) > RECENT:
            del self._made_s[next(iter(self._made_s))]
        self._due.set()

    @property
    def settled(self) -> bool:
        """Whether the receiver has everything."""
        return self._consumer.cursor >= self._consumer.last

    @property
    def fails(self) -> bool:
        """Whether the receiver accepts nothing at present."""
        return self._problem is not None

    def problems(self) -> list[str]:
        """The present problems, one line each."""
        lines = [] if self._problem is None else [f"{self._name}: {self._problem}"]
        if self.refused:
            lines.append(f"{self._name}: refused {self.refused} events, last: {self._refusal}")
        return lines

    def stop(self) -> None:
        """Start no more requests, and finish the one in progress."""
        self._closing.set()
        self._due.set()
        self._receiver.abort()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread, up to a limit; one that waits for a name server is abandoned."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        after = self._consumer.rewind()
        while not self._closing.is_set():
            self._due.clear()
            if self._consumer.behind:
                after = self._consumer.rewind()
            page = self._consumer.after(after, BATCH)
            for entry in page.entries:
                if self._consumer.behind or not self._deliver(entry):
                    break
                self._consumer.advance(entry.number)
                after = entry.number
            else:
                after = max(after, page.up_to)
            if not page.entries and not self._consumer.behind:
                self._receiver.close()
                self._due.wait()
        self._receiver.close()

    def _deliver(self, entry: Entry) -> bool:
        """Send until the receiver has it or refuses it; false if edged ends first."""
        failures = 0
        while not self._closing.is_set():
            retry_after_s = 0.0
            try:
                answer = self._post(entry)
            except PortError as error:
                problem = str(error)
            else:
                if answer.accepted:
                    self._tell_taken()
                    return True
                if not answer.helps_to_wait:
                    self._refuse(answer)
                    return True
                problem = f"it answers {answer}; look at the receiver's log"
                retry_after_s = min(answer.retry_after_s, RETRY_AFTER_MOST_S)
            if self._closing.is_set():
                break
            self._tell_problem(problem)
            failures += 1
            pause_s = backoff_s(failures, self._webhook.retry_min_s, self._webhook.retry_max_s)
            self._closing.wait(max(pause_s, retry_after_s))
        return False

    def _post(self, entry: Entry) -> Answer:
        payload = entry.payload
        if entry.first is None:
            made_s = self._made_s.get(entry.number)
            late = made_s is None or self._clock() - made_s > LATE_S
            payload = events.replayed(payload) if late else events.put_right(payload)
        headers = {"User-Agent": f"edged/{__version__}", "Content-Type": cloudevents.JSON}
        if self._webhook.format == "cloudevents":
            body = cloudevents.structured(payload, self._source)
            headers["Content-Type"] = cloudevents.STRUCTURED
        else:
            body = payload
            if self._webhook.format == "cloudevents-binary":
                headers |= cloudevents.headers(payload, self._source)
        headers |= signature.headers(
            credentials.key(self._webhook),
            cloudevents.message_id(payload),
            int(self._wall_clock()),
            body,
        )
        return self._receiver.post(body, headers)

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            log.warning("%s: events wait in the journal: %s", self._name, problem)

    def _tell_taken(self) -> None:
        if self._problem is not None:
            self._problem = None
            log.info("%s: accepts events again", self._name)

    def _refuse(self, answer: Answer) -> None:
        self.refused += 1
        refusal = f"{answer}; {self._remedy(answer)}"
        if refusal != self._refusal:
            log.warning("%s: refuses events, which are skipped: %s", self._name, refusal)
        self._problem, self._refusal = None, refusal

    def _remedy(self, answer: Answer) -> str:
        if answer.status < 400:
            return "redirects are not followed: set url to the target"
        if answer.status not in (401, 403):
            return "check url, and look at the receiver's log"
        if self._webhook.secret_file:
            return "check that secret_file and the receiver have the same secret"
        return "set secret_file if the receiver wants signed messages"


class WebhookPort:
    """All webhooks as one port, so that a stop waits for all at once."""

    def __init__(self, webhooks: Sequence[WebhookConfig], journal: Journal, source: str) -> None:
        """`source` names the device in CloudEvents. ConfigError as in `Webhook`."""
        self._webhooks = [Webhook(webhook, journal, source) for webhook in webhooks]

    def __enter__(self) -> WebhookPort:
        for webhook in self._webhooks:
            webhook.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Wait briefly for reachable receivers."""
        give_up_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < give_up_s:
            if all(webhook.settled or webhook.fails for webhook in self._webhooks):
                break
            time.sleep(0.005)
        for webhook in self._webhooks:
            webhook.stop()
        give_up_s = time.monotonic() + FAREWELL_S
        for webhook in self._webhooks:
            webhook.join(max(0.0, give_up_s - time.monotonic()))

    def problems(self) -> list[str]:
        """What is wrong at present, one line each."""
        return [line for webhook in self._webhooks for line in webhook.problems()]

    def write(self, report: Report) -> None:
        """Takes microseconds: an event is in the journal already."""
        if isinstance(report, Result | Ended | CameraChanged):
            for event in report.events:
                for webhook in self._webhooks:
                    webhook.put(event.number)
