"""Persistent knowledge of what this installation has left at the broker."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from edged.files import open_regular, write_atomically

log = logging.getLogger(__name__)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

MOST_BYTES = 1 << 20
"""A larger file is not one of ours."""


MOST_GONE = 500
"""The most removed entities whose names are remembered."""


class _Kept(msgspec.Struct):
    client_id: str
    retained: list[str] = []
    boot_id: str = ""
    heard_s: float = 0.0
    entities: list[str] = []


class Memory:
    """A small file next to the journal; without a `path`, or if the disk fails, for this run only.

    ``client_id`` is random, created once per installation. ``retained`` are the topics that the
    broker may retain. ``heard_s``, of the monotonic clock, is when the broker was last known to be
    reachable; the value of another boot is invalid. Any thread; `save` waits for the disk.
    """

    def __init__(self, path: Path | None, device: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._boot_id = _boot_id()
        self._failed = False
        kept = _read(path) if path is not None else None
        self._changed = kept is None
        if kept is None:
            kept = _Kept(f"edged-{device}-{os.urandom(4).hex()}")
        self.client_id = kept.client_id
        self._retained = dict.fromkeys(kept.retained)
        self._entities = dict.fromkeys(kept.entities)
        same_boot = self._boot_id and kept.boot_id == self._boot_id
        self.heard_s = kept.heard_s if same_boot else -math.inf

    @property
    def retained(self) -> list[str]:
        """Longest retained first."""
        with self._lock:
            return list(self._retained)

    def retain(self, topics: Iterable[str]) -> None:
        """These topics are about to be retained."""
        with self._lock:
            new = [topic for topic in topics if topic not in self._retained]
            self._changed |= bool(new)
            self._retained.update(dict.fromkeys(new))

    def forget(self, topic: str) -> None:
        """The broker no longer retains this topic."""
        with self._lock:
            self._changed |= topic in self._retained
            self._retained.pop(topic, None)

    def gone(self, entities: Iterable[str]) -> list[str]:
        """The entities described in any earlier run that are not among the present `entities`.

        Only the newest `MOST_GONE` are remembered.
        """
        with self._lock:
            there = dict.fromkeys(entities)
            gone = [one for one in self._entities if one not in there][-MOST_GONE:]
            known = dict.fromkeys([*gone, *there])
            self._changed |= list(known) != list(self._entities)
            self._entities = known
            return gone

    def heard(self, at_s: float) -> None:
        """The broker was reachable at this time."""
        with self._lock:
            self._changed |= at_s > self.heard_s
            self.heard_s = max(self.heard_s, at_s)

    def save(self) -> None:
        """Write the changes; a disk failure is logged once."""
        with self._lock:
            if not self._changed or self._path is None:
                return
            known = math.isfinite(self.heard_s)
            kept = _Kept(
                self.client_id,
                list(self._retained),
                self._boot_id if known else "",
                self.heard_s if known else 0.0,
                list(self._entities),
            )
            self._changed = False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, msgspec.json.encode(kept) + b"\n")
            self._failed = False
        except OSError as error:
            self._changed = True
            if not self._failed:
                self._failed = True
                log.warning(
                    "%s cannot be written: %s; the next run will have another client identifier",
                    self._path,
                    error.strerror or error,
                )


def _read(path: Path) -> _Kept | None:
    try:
        with open_regular(path) as file:
            text = file.read(MOST_BYTES)
        return msgspec.json.decode(text, type=_Kept)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("%s cannot be read (%s); starting from the beginning", path, error)
        return None


def _boot_id() -> str:
    with suppress(OSError):
        return BOOT_ID.read_text().strip()
    return ""
