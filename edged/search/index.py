"""The index of `edged search`: the answers of models for picture files, by the files' identity.

It is a cache: any fault of it only costs time.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edged.core import Features, Prediction
from edged.errors import PictureError
from edged.journal.schema import BESIDE

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "pictures.sqlite"

MODELS = 8
"""The most models whose answers are kept; the least recently used is removed first."""

LEAST_SCORE = 1 / 1024
"""Lower scores are not kept."""

COMMIT_S = 2.0
"""The most work that an interrupted search loses."""

SETTLED_S = 2.0
"""A file written more recently may be written again with the same time stamps."""

_WAIT_S = 5.0

_TABLES = (
    "CREATE TABLE model (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, asked_s REAL)",
    "CREATE TABLE picture (model INTEGER, device INTEGER, inode INTEGER, bytes INTEGER, "
    "written_ns INTEGER, changed_ns INTEGER, path BLOB, classes BLOB, error BLOB, "
    "checksum INTEGER, PRIMARY KEY (model, device, inode)) WITHOUT ROWID",
    "CREATE INDEX place ON picture (model, path)",
    # Ten times as large as the rest, and read by few searches.
    "CREATE TABLE likeness (model INTEGER, device INTEGER, inode INTEGER, features BLOB, "
    "checksum INTEGER, PRIMARY KEY (model, device, inode)) WITHOUT ROWID",
    "CREATE TRIGGER gone AFTER DELETE ON picture BEGIN DELETE FROM likeness WHERE "
    "model = old.model AND device = old.device AND inode = old.inode; END",
)

_ROW = "device, inode, bytes, written_ns, changed_ns, classes, error, checksum"

_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""The second if SQLite's message contains damaged bytes."""

_CLASS = np.dtype([("index", "<u4"), ("score", "<f4")])


class Identity(NamedTuple):
    """The identity of a file and, by its size and times, of its content.

    ``changed_ns`` is that of the inode, which cannot be set: it detects new content with an old
    modification time, and a new file with the inode of a deleted one.
    """

    device: int
    inode: int
    bytes: int
    written_ns: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Identity | None:
        """None if it does not exist, or without permission."""
        try:
            status = path.stat()
        except OSError:
            return None
        times_ns = status.st_mtime_ns, status.st_ctime_ns
        return cls(*map(_signed, (status.st_dev, status.st_ino, status.st_size, *times_ns)))

    def settled(self, wall_s: float) -> bool:
        """Whether new content would have a new time."""
        return abs(wall_s - self.written_ns / 1e9) > SETTLED_S


class Known(NamedTuple):
    """The answer for a picture: scores of classes, and features; or why it cannot be read.

    The ``error`` does not name the picture, which may have other names.

    ``classes`` has the fields ``index`` and ``score``, best first. ``features`` are uint8, to
    within their length; empty if the model has none, or they were not requested.
    """

    classes: npt.NDArray[np.void]
    features: npt.NDArray[np.uint8]
    error: str | None = None


def _signed(number: int) -> int:
    """As a signed integer for SQLite: inodes have 64 bits, and a time may be in the year 2300."""
    return number if number < 1 << 63 else number - (1 << 64)


def said(prediction: Prediction | None, error: PictureError | None) -> Known:
    """The stored part of a prediction, or of its error."""
    if prediction is None:
        reason = None if error is None else error.reason
        return Known(np.empty(0, _CLASS), np.empty(0, np.uint8), reason)
    kept = np.flatnonzero(prediction.scores >= LEAST_SCORE)
    kept = kept[np.argsort(-prediction.scores[kept], kind="stable")]
    classes = np.empty(len(kept), _CLASS)
    classes["index"], classes["score"] = kept, prediction.scores[kept]
    features = np.empty(0, np.uint8) if prediction.features is None else small(prediction.features)
    return Known(classes, features)


def small(features: Features) -> npt.NDArray[np.uint8]:
    """Features for comparison: their square root, in 255 steps.

    The input of a classifier's last layer counts occurrences, so the root balances frequent and
    single ones. Negative values, which some activations produce, count as zero.
    """
    roots = np.sqrt(np.maximum(features, 0))
    most = float(roots.max(initial=0.0))
    return np.round(roots * (255 / most if most else 0.0)).astype(np.uint8)


class Index:
    """The answers of the model with `digest` for the searched files. One thread only.

    Several processes may use one file: each locks it only while it writes what it has collected. A
    damaged one is created again. If it cannot be used, that is logged once, and the search works
    without it: nothing is known then, and nothing is stored.
    """

    def __init__(self, path: Path | None, digest: bytes) -> None:
        """`digest` identifies the model and everything else that determines its answers."""
        self._path = path
        self._digest = digest
        self._model = 0
        self._database: sqlite3.Connection | None = None
        self._unwritten: list[tuple[object, ...]] = []
        self._likeness: list[tuple[object, ...]] = []
        self._written_s = time.monotonic()

    def __enter__(self) -> Index:
        self._attempt(lambda _: None)
        return self

    def __exit__(self, *exception: object) -> None:
        self._write()
        self._close()

    def known(self, found: Iterable[Identity], *, features: bool = False) -> dict[Identity, Known]:
        """The stored answers for these files; features only if requested."""
        self._write()
        wanted = set(found)

        def look_up(database: sqlite3.Connection) -> dict[Identity, Known]:
            database.execute("BEGIN")
            database.execute("CREATE TEMP TABLE found (device INTEGER, inode INTEGER)")
            database.executemany(
                "INSERT INTO found VALUES (?, ?)", ((one.device, one.inode) for one in wanted)
            )
            rows = database.execute(
                f"SELECT {_ROW} FROM found JOIN picture USING (device, inode) WHERE model = ?",  # noqa: S608
                (self._model,),
            )
            known = {}
            none = np.empty(0, np.uint8)
            for *identity, classes, error, checksum in rows:
                one = Identity(*identity)
                if one in wanted and checksum == self._checksum(one, classes, error):
                    classes = np.frombuffer(classes, _CLASS)
                    known[one] = Known(classes, none, error.decode() or None)
            if features:
                known = self._with_features(database, known)
            database.execute("DROP TABLE found")
            return known

        return self._attempt(look_up) or {}

    def _with_features(
        self, database: sqlite3.Connection, known: dict[Identity, Known]
    ) -> dict[Identity, Known]:
        """Those of `known` with valid features."""
        files = {(one.device, one.inode): one for one in known}
        rows = database.execute(
            "SELECT device, inode, features, checksum FROM found JOIN likeness "
            "USING (device, inode) WHERE model = ?",
            (self._model,),
        )
        return {
            one: known[one]._replace(features=np.frombuffer(features, np.uint8))
            for *file, features, checksum in rows
            if (one := files.get((file[0], file[1]))) is not None
            and checksum == self._checksum(one, features)
        }

    def keep(self, path: Path, identity: Identity, known: Known) -> None:
        """Store the model's answer for a file, replacing an older one."""
        error = known.error or ""
        said = known.classes.tobytes(), error.encode()
        checksum = self._checksum(identity, *said)
        self._unwritten.append((*identity, *said, checksum, os.fsencode(path)))
        features = known.features.tobytes()
        row = (*identity[:2], features, self._checksum(identity, features))
        self._likeness.append(row)
        if time.monotonic() - self._written_s > COMMIT_S:
            self._write()

    def forget(self, folder: Path, there: Iterable[Identity]) -> None:
        """Forget the pictures in `folder`, an absolute path, that are no longer `there`."""
        self._write()
        inside = os.fsencode(folder / "_")[:-1]
        beyond = inside[:-1] + bytes([inside[-1] + 1])
        files = {(identity.device, identity.inode) for identity in there}

        def clear(database: sqlite3.Connection) -> None:
            rows = database.execute(
                "SELECT device, inode FROM picture WHERE model = ? AND path >= ? AND path < ?",
                (self._model, inside, beyond),
            ).fetchall()
            gone = [(self._model, *row) for row in rows if row not in files]
            if gone:
                database.execute("BEGIN IMMEDIATE")
                database.executemany(
                    "DELETE FROM picture WHERE model = ? AND device = ? AND inode = ?", gone
                )

        self._attempt(clear)

    def _write(self) -> None:
        if self._unwritten:
            self._attempt(self._put)
        self._unwritten.clear()
        self._likeness.clear()
        self._written_s = time.monotonic()

    def _put(self, database: sqlite3.Connection) -> None:
        marks = ", ".join("?" * len(self._unwritten[0]))
        # Another search may lock it for this long.
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            f"INSERT OR REPLACE INTO picture (model, {_ROW}, path) "  # noqa: S608
            f"VALUES ({self._model}, {marks})",
            self._unwritten,
        )
        database.executemany(
            "INSERT OR REPLACE INTO likeness VALUES (?, ?, ?, ?, ?)",
            [(self._model, *row) for row in self._likeness],
        )

    def _checksum(self, identity: Identity, *said: object) -> int | None:
        """The checksum of a row: SQLite itself does not detect values that a disk has damaged."""
        checksum = zlib.crc32(repr(tuple(identity)).encode(), zlib.crc32(self._digest))
        for part in said:
            # Whatever type the database returns.
            if not isinstance(part, bytes):
                return None
            checksum = zlib.crc32(part, checksum)
        return checksum

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `work` as one transaction, in a new database if the old one is damaged."""
        if self._path is None:
            return None
        try:
            try:
                with self._opened(self._path) as database:
                    return work(database)
            except _ERRORS as error:
                # It may be intact, but locked or inaccessible.
                if isinstance(error, sqlite3.OperationalError):
                    raise
                log.warning("%s: %s; it is created again", self._path, error)
            self._close()
            for suffix in ("", *BESIDE):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            with self._opened(self._path) as database:
                return work(database)
        except (OSError, *_ERRORS) as error:
            log.warning("nothing is stored for the next search: %s: %s", self._path, error)
            self._close()
            self._path = None
            return None

    def _opened(self, path: Path) -> sqlite3.Connection:
        if self._database is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
            with self._database:
                self._model = _prepared(self._database, self._digest)
        return self._database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None


def _prepared(database: sqlite3.Connection, digest: bytes) -> int:
    """The model's number in the database, whose tables are created if it is new."""
    database.execute("BEGIN IMMEDIATE")
    there = database.execute("SELECT CAST(sql AS BLOB) FROM sqlite_master WHERE sql > ''")
    tables = {sql for (sql,) in there}
    if not tables:
        for statement in _TABLES:
            database.execute(statement)
    elif tables != {statement.encode() for statement in _TABLES}:
        raise sqlite3.DatabaseError("of another version of edged")
    database.execute(
        "INSERT INTO model (digest, asked_s) VALUES (?, ?) "
        "ON CONFLICT (digest) DO UPDATE SET asked_s = excluded.asked_s",
        (digest, time.time()),
    )
    gone = database.execute(
        "DELETE FROM model WHERE id NOT IN (SELECT id FROM model ORDER BY asked_s DESC LIMIT ?)",
        (MODELS,),
    )
    if gone.rowcount:
        database.execute("DELETE FROM picture WHERE model NOT IN (SELECT id FROM model)")
    (model,) = database.execute("SELECT id FROM model WHERE digest = ?", (digest,)).fetchone()
    return int(model)
