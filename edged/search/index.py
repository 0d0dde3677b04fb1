"""The index of `edged search`: what models have said of picture files, by the files' identity.

It is a cache: whatever is wrong with it costs time and nothing else.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edged.core import Features, Prediction
from edged.errors import PictureError

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "pictures.sqlite"

VERSION = 1
"""In the database as its ``user_version``; a database of another version is created again."""

MODELS = 8
"""Models whose answers are kept; those of the one that was not asked for longest go first."""

LEAST_SCORE = 1 / 1024
"""Lower scores are not kept."""

COMMIT_S = 2.0
"""What is lost at the most when a search is interrupted."""

SETTLED_S = 2.0
"""A file that was written since so short a time may be written again without showing it."""

_WAIT_S = 5.0

_TABLES = (
    "CREATE TABLE model (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, asked_s REAL)",
    "CREATE TABLE picture (model INTEGER, device INTEGER, inode INTEGER, bytes INTEGER, "
    "written_ns INTEGER, path BLOB, classes BLOB, features BLOB, error TEXT, "
    "PRIMARY KEY (model, device, inode)) WITHOUT ROWID",
    "CREATE INDEX place ON picture (model, path)",
)

_CLASS = np.dtype([("index", "<u4"), ("score", "<f4")])


class Identity(NamedTuple):
    """Which file, and which content of it as far as its size and time tell."""

    device: int
    inode: int
    bytes: int
    written_ns: int

    @classmethod
    def of(cls, path: Path) -> Identity | None:
        """None where nothing is there, or nobody may look."""
        try:
            status = path.stat()
        except OSError:
            return None
        # SQLite's integers have a sign.
        inode = status.st_ino if status.st_ino < 1 << 63 else status.st_ino - (1 << 64)
        return cls(status.st_dev, inode, status.st_size, status.st_mtime_ns)

    def settled(self, wall_s: float) -> bool:
        """Whether another content would have another time."""
        return abs(wall_s - self.written_ns / 1e9) > SETTLED_S


class Known(NamedTuple):
    """What was said of a picture: scores of classes, and features; or why it cannot be read.

    ``classes`` has the fields ``index`` and ``score``, best first. ``features`` are uint8, to
    within their length; empty where the model has none.
    """

    classes: npt.NDArray[np.void]
    features: npt.NDArray[np.uint8]
    error: str | None = None


def said(prediction: Prediction | None, error: PictureError | None) -> Known:
    """What is kept of a prediction, or of the error in its place."""
    if prediction is None:
        return Known(np.empty(0, _CLASS), np.empty(0, np.uint8), str(error))
    kept = np.flatnonzero(prediction.scores >= LEAST_SCORE)
    kept = kept[np.argsort(-prediction.scores[kept], kind="stable")]
    classes = np.empty(len(kept), _CLASS)
    classes["index"], classes["score"] = kept, prediction.scores[kept]
    features = np.empty(0, np.uint8) if prediction.features is None else small(prediction.features)
    return Known(classes, features)


def small(features: Features) -> npt.NDArray[np.uint8]:
    """Features as they are compared: their square root, in 255 steps.

    What comes before a classifier's last layer counts occurrences, so the root evens out what is
    there often and what is there once. Negative values, of which some activations leave a few,
    count as none.
    """
    roots = np.sqrt(np.maximum(features, 0))
    most = float(roots.max(initial=0.0))
    return np.round(roots * (255 / most if most else 0.0)).astype(np.uint8)


class Index:
    """What the model of `digest` has said of the files that were searched. Not for several threads.

    Several processes may use one file. Where it cannot be used that is told once, and all goes on
    without it: nothing is known then, and nothing is kept.
    """

    def __init__(self, path: Path | None, digest: bytes) -> None:
        """`digest` tells one way to say something of a picture from another."""
        self._path = path
        self._digest = digest
        self._model = 0
        self._database: sqlite3.Connection | None = None
        self._committed_s = time.monotonic()

    def __enter__(self) -> Index:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._database, self._model = _opened(self._path, self._digest)
            except (OSError, sqlite3.Error) as error:
                self._give_up(error)
        return self

    def __exit__(self, *exception: object) -> None:
        self._attempt(sqlite3.Connection.commit)
        if self._database is not None:
            self._database.close()

    def known(self, found: Iterable[Identity]) -> dict[Identity, Known]:
        """What is known of these files."""
        wanted = set(found)

        def look_up(database: sqlite3.Connection) -> dict[Identity, Known]:
            database.execute("CREATE TEMP TABLE found (device INTEGER, inode INTEGER)")
            database.executemany(
                "INSERT INTO found VALUES (?, ?)", ((one.device, one.inode) for one in wanted)
            )
            rows = database.execute(
                "SELECT device, inode, bytes, written_ns, classes, features, error "
                "FROM found JOIN picture USING (device, inode) WHERE model = ?",
                (self._model,),
            )
            known = {}
            for *identity, classes, features, error in rows:
                one = Identity(*identity)
                # Whatever a damaged disk may have made of it.
                if one in wanted and len(classes) % _CLASS.itemsize == 0:
                    known[one] = Known(
                        np.frombuffer(classes, _CLASS), np.frombuffer(features, np.uint8), error
                    )
            database.execute("DROP TABLE found")
            return known

        return self._attempt(look_up) or {}

    def keep(self, path: Path, identity: Identity, known: Known) -> None:
        """Keep what the model said of a file, whatever was known of it before."""
        told = known.classes.tobytes(), known.features.tobytes(), known.error
        row = (self._model, *identity, os.fsencode(path), *told)

        def put(database: sqlite3.Connection) -> None:
            database.execute(f"INSERT OR REPLACE INTO picture VALUES ({_marks(row)})", row)  # noqa: S608
            if time.monotonic() - self._committed_s > COMMIT_S:
                database.commit()
                self._committed_s = time.monotonic()

        self._attempt(put)

    def forget(self, folder: Path, there: Iterable[Identity]) -> None:
        """Forget the pictures in `folder`, an absolute path, that are not `there` any more."""
        inside = os.fsencode(folder / "_")[:-1]
        beyond = inside[:-1] + bytes([inside[-1] + 1])
        files = {(identity.device, identity.inode) for identity in there}

        def clear(database: sqlite3.Connection) -> None:
            rows = database.execute(
                "SELECT device, inode FROM picture WHERE model = ? AND path >= ? AND path < ?",
                (self._model, inside, beyond),
            ).fetchall()
            database.executemany(
                "DELETE FROM picture WHERE model = ? AND device = ? AND inode = ?",
                [(self._model, *row) for row in rows if row not in files],
            )

        self._attempt(clear)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        if self._database is None:
            return None
        try:
            return work(self._database)
        except sqlite3.Error as error:
            self._give_up(error)
            return None

    def _give_up(self, error: Exception) -> None:
        log.warning("nothing is kept for the next search: %s: %s", self._path, error)
        if self._database is not None:
            self._database.close()
        self._database = None


def _marks(row: Sequence[object]) -> str:
    return ", ".join("?" * len(row))


def _opened(path: Path, digest: bytes) -> tuple[sqlite3.Connection, int]:
    """The database, created again where it is damaged or of another version; the model's number."""
    try:
        return _prepared(path, digest)
    except sqlite3.OperationalError:
        # It may be well, and locked or out of reach.
        raise
    except sqlite3.DatabaseError as error:
        log.warning("%s: %s; it is created again", path, error)
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _prepared(path, digest)


def _prepared(path: Path, digest: bytes) -> tuple[sqlite3.Connection, int]:
    database = sqlite3.connect(path, timeout=_WAIT_S)
    try:
        # It may be lost with the power, but not damaged.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                raise sqlite3.DatabaseError("of another version of edged")
            for statement in _TABLES:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute(
            "INSERT INTO model (digest, asked_s) VALUES (?, ?) "
            "ON CONFLICT (digest) DO UPDATE SET asked_s = excluded.asked_s",
            (digest, time.time()),
        )
        gone = database.execute(
            "DELETE FROM model WHERE id NOT IN "
            "(SELECT id FROM model ORDER BY asked_s DESC LIMIT ?)",
            (MODELS,),
        )
        if gone.rowcount:
            database.execute("DELETE FROM picture WHERE model NOT IN (SELECT id FROM model)")
        (model,) = database.execute("SELECT id FROM model WHERE digest = ?", (digest,)).fetchone()
        database.commit()
    except BaseException:
        database.close()
        raise
    return database, model
