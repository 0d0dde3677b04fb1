"""Whether the daemon may load a model: it is bundled with edged, or has passed quarantine.

A start must not wait for quarantine each time, so the state directory keeps a note of what passed,
with everything that the verdict depends on: the exact file, the versions, and the options.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edged import __version__, paths
from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.files import write_atomically
from edged.models.naming import is_name
from edged.printable import printable

if TYPE_CHECKING:
    from edged.models.quarantine import Verdict

log = logging.getLogger(__name__)

FILE = "quarantine.json"
KEPT = 32
"""The most notes; the oldest are dropped first."""

_RUNTIMES = ("ai_edge_litert", "tflite_runtime", "tensorflow")


def _in_quarantine(path: Path, model: ModelConfig) -> Verdict:
    # Imported only for a file that has not passed yet.
    from edged.models import quarantine

    return quarantine.inspect(path, model)


def admit(
    model: ModelConfig,
    state: Path | None = None,
    inspect: Callable[[Path, ModelConfig], Verdict] = _in_quarantine,
) -> ModelConfig:
    """`model` if it may be loaded into this process; else ModelError with the reason.

    Its path is then that of a file, even if it was a model's name. Takes only a stat if the file
    has passed before; `state` is where that is noted. An absent file is admitted: loading gives the
    best message.
    """
    if not model.path:
        return model
    if is_name(model.path):
        # The catalog need not be read for a file.
        from edged.models import library

        model = msgspec.structs.replace(model, path=str(library.resolve(model.path)))
    path = Path(model.path)
    try:
        seen = _identity(path, model)
        bundled = paths.bundled_model()
        trusted = bundled.exists() and path.samefile(bundled)
    except OSError:
        return model
    if not trusted:
        _try_unless_noted(path, model, seen, (state or paths.state_directory()) / FILE, inspect)
    return model


def _try_unless_noted(
    path: Path,
    model: ModelConfig,
    seen: list[Any],
    notes: Path,
    inspect: Callable[[Path, ModelConfig], Verdict],
) -> None:
    key = printable(path.absolute())
    passed = _read(notes)
    if passed.get(key) == seen:
        return
    verdict = inspect(path, model)
    if verdict.outcome != "ok":
        raise ModelError(_refusal(path, verdict))
    if _identity(path, model) != seen:
        raise ModelError(f"{path} changed while it was tried: try again when it is complete")
    log.info("model %s passed quarantine%s", path, "" if verdict.landlock else " (no Landlock)")
    passed.pop(key, None)
    passed[key] = seen
    _write(notes, dict(list(passed.items())[-KEPT:]))


def _refusal(path: Path, verdict: Verdict) -> str:
    # A message of the loader's checks is complete already.
    if verdict.outcome == "refused":
        return verdict.reason
    what = {"timed out": "took too long", "out of memory": "took too much memory"}
    end = what.get(verdict.outcome, "ended the process")
    return (
        f"{path} {end} when it was tried in quarantine ({verdict.reason}): "
        "copy or export it again, or take another model"
    )


def _identity(path: Path, model: ModelConfig) -> list[Any]:
    """Everything that a verdict depends on. OSError.

    Unlike the modification time, the inode's change time cannot be set back.
    """
    stat = path.stat()
    return [
        stat.st_dev,
        stat.st_ino,
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ctime_ns,
        __version__,
        _runtime_stamp(),
        model.runtime,
        model.xnnpack,
        bool(model.delegate),
    ]


def _runtime_stamp() -> str:
    """Changes with the installed version of a runtime; faster than reading its metadata."""
    stamps = []
    for name in _RUNTIMES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            stamps.append(f"{spec.origin} {os.stat(spec.origin).st_mtime_ns}")  # noqa: PTH116
    return ", ".join(stamps)


def _read(notes: Path) -> dict[str, list[Any]]:
    try:
        return msgspec.json.decode(notes.read_bytes(), type=dict[str, list[Any]])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _write(notes: Path, passed: dict[str, list[Any]]) -> None:
    try:
        notes.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(notes, msgspec.json.encode(passed))
    except OSError as error:
        log.debug("%s cannot be written, models are tried again at each start: %s", notes, error)
