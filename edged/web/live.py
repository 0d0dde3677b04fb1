"""Follows the daemon in one thread for all viewers.

One connection follows scores, rules and events as long as the process runs; another receives
pictures, and exists only while there are viewers. Both feed a `Newest`: a slow viewer skips
outdated items, and never delays the others.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Generic, TypeVar

import msgspec

from edged.backoff import backoff_s
from edged.core import Pixels
from edged.errors import EdgedError
from edged.ports.control.client import ControlClient
from edged.ports.control.shared import Place, SharedReader
from edged.web.history import History

log = logging.getLogger(__name__)

STATE_HZ = 5.0
PICTURE_HZ = 15.0
PICTURE_PX = 640
THUMBNAIL_PX = 320
TOP = 10
FRESH_S = 1.0
"""An older picture is not shown as the present one."""
LINGER_S = 3.0
"""How long pictures continue without viewers: a reloaded page requests them at once."""

RETRY_MIN_S, RETRY_MAX_S = 0.5, 5.0

TOLD_FAILURE = 3
"""The attempt to reach the daemon whose failure is logged."""

T = TypeVar("T")


class Newest(Generic[T]):
    """The newest of something, from a thread to any number of coroutines."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.number = 0
        self.waiters = 0
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    def put(self, value: T) -> None:
        """From any thread."""
        self.value, self.number = value, self.number + 1
        if (loop := self._loop) is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Nothing more will arrive: wake every waiting coroutine."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count one more viewer."""
        self._loop = asyncio.get_running_loop()
        self.waiters += 1
        try:
            yield
        finally:
            self.waiters -= 1

    async def after(self, number: int, timeout_s: float) -> T | None:
        """The first item newer than `number`, once there is one; None if none arrives in time."""
        self._loop = asyncio.get_running_loop()
        changed = self._changed
        if self.number == number and not self.closed:
            try:
                await asyncio.wait_for(changed.wait(), timeout_s)
            except asyncio.TimeoutError:
                return None
        return None if self.number == number else self.value


class Live:
    """Follows one daemon. `pictures` is whether pictures may be requested."""

    def __init__(self, client: Callable[[], ControlClient], *, pictures: bool) -> None:
        """`client` creates one for each connection. Threads start when needed."""
        self._client = client
        self._may_have_pictures = pictures
        self.history = History()
        self.state: Newest[bytes] = Newest()
        """What the page shows, as JSON; encoded once for all viewers."""
        self.picture: Newest[bytes] = Newest()
        """The newest picture, as JPEG."""
        self.trouble: str | None = None
        """Why the daemon cannot be followed; None while it is."""
        self._looked_s = self._shown_s = -math.inf
        self._lock = threading.Lock()
        self._looking = False

    def start(self) -> None:
        """Start to follow, in a thread that lasts as long as the process."""
        threading.Thread(target=self._follow, name="follow", daemon=True).start()

    def close(self) -> None:
        """End all streams; in the event loop's thread."""
        self.state.close()
        self.picture.close()

    async def pictures(self) -> AsyncIterator[bytes]:
        """Each picture when it becomes the newest."""
        with self.picture.waiting():
            fresh = time.monotonic() - self._shown_s < FRESH_S
            number = self.picture.number - fresh
            while not self.picture.closed:
                self._look()
                picture = await self.picture.after(number, FRESH_S)
                if picture is not None:
                    number = self.picture.number
                    yield picture

    async def still(self, timeout_s: float = 5.0) -> bytes | None:
        """One picture, no older than this call; None if none arrives."""
        with self.picture.waiting():
            self._look()
            return await self.picture.after(self.picture.number, timeout_s)

    def _look(self) -> None:
        """Start the stream of pictures for a viewer."""
        self._looked_s = time.monotonic()
        with self._lock:
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._show, name="look", daemon=True).start()

    def _show(self) -> None:
        wanted = {"rate_hz": PICTURE_HZ, "pictures": "all", "side_px": PICTURE_PX, "top": 1}
        while self._goes_on():
            try:
                for message, reader in self._messages(wanted):
                    if message["type"] == "shared" and reader is not None:
                        picture = reader.get(_place(message))
                        if picture is not None:
                            self.picture.put(_jpeg(picture, 80))
                            self._shown_s = time.monotonic()
                    if not self._looked_at():
                        break
            except EdgedError:
                # The following thread reports it.
                time.sleep(RETRY_MIN_S)

    def _goes_on(self) -> bool:
        # A viewer who comes now is seen here, or starts the next thread.
        with self._lock:
            self._looking = self._looked_at()
            return self._looking

    def _looked_at(self) -> bool:
        if self.picture.waiters:
            self._looked_s = time.monotonic()
        return time.monotonic() - self._looked_s < LINGER_S

    def _follow(self) -> None:
        failures = 0
        wanted = {
            "rate_hz": STATE_HZ,
            "top": TOP,
            "rules": True,
            "pictures": "events" if self._may_have_pictures else "none",
            "side_px": THUMBNAIL_PX,
        }
        while True:
            try:
                for message, reader in self._messages(wanted):
                    if failures or self.trouble is not None:
                        failures, self.trouble = 0, None
                        log.info("connected to the daemon")
                    self._note(message, reader)
            except EdgedError as error:
                failures += 1
                # Both may be starting, and the page shows the trouble at once.
                if failures == TOLD_FAILURE:
                    log.warning("%s", error)
                self.trouble = str(error)
                self._tell()
                time.sleep(backoff_s(failures, RETRY_MIN_S, RETRY_MAX_S))

    def _messages(
        self, wanted: Mapping[str, object]
    ) -> Iterator[tuple[dict[str, Any], SharedReader | None]]:
        with self._client().following(**wanted) as (messages, descriptors):
            if not descriptors:
                # Viewers learn that the daemon answers, even before its first message.
                yield {"type": "following"}, None
                for message in messages:
                    yield message, None
                return
            with closing(SharedReader(descriptors[0], int(str(wanted["side_px"])))) as reader:
                yield {"type": "following"}, None
                for message in messages:
                    yield message, reader

    def _note(self, message: dict[str, Any], reader: SharedReader | None) -> None:
        if message["type"] == "shared":
            if reader is not None and (picture := reader.get(_place(message))) is not None:
                self.history.add_thumbnail(message["frame"], _jpeg(picture, 75))
        else:
            self.history.add(message)
        self._tell()

    def _tell(self) -> None:
        self.state.put(msgspec.json.encode({**self.history.present(), "trouble": self.trouble}))


def _place(message: dict[str, Any]) -> Place:
    return Place(message["sequence"], message["height_px"], message["width_px"])


def _jpeg(picture: Pixels, quality: int) -> bytes:
    # Imported here: without pictures this process needs no numpy.
    from edged.imaging.picture import jpeg

    return jpeg(picture, quality)
