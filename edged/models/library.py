"""The directories of models on this machine: where a name is looked up, where fetch puts a file.

The first that has the model wins: directories that the command line names, those in
``$EDGED_MODELS`` (with colons in between), the user's own, and the system's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from edged import paths
from edged.config.nearest import did_you_mean
from edged.errors import ModelError
from edged.models import catalog

SYSTEM = Path("/var/lib/edged/models")
SUFFIX = ".tflite"


def directories(given: Sequence[Path] = ()) -> list[Path]:
    """Where models are searched, whether it exists or not."""
    named = [Path(name) for name in os.environ.get("EDGED_MODELS", "").split(":") if name]
    return list(dict.fromkeys([*given, *named, _own(), SYSTEM]))


def destination(given: Sequence[Path] = ()) -> Path:
    """Where a fetched model goes.

    Root fetches for the daemon, which cannot see into root's home.
    """
    first = directories(given)[0]
    return SYSTEM if first == _own() and os.geteuid() == 0 else first


def _own() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "edged" / "models"


def bundled() -> Path:
    """The model that comes with edged, which is found under its own name too."""
    return paths.bundled_model()


def find(name: str, given: Sequence[Path] = ()) -> Path | None:
    """The file of the model called `name`."""
    if name == bundled().stem:
        return bundled()
    files = (directory / f"{name}{SUFFIX}" for directory in directories(given))
    return next((file for file in files if file.is_file()), None)


def files(given: Sequence[Path] = ()) -> Iterator[Path]:
    """Every model in every directory, each name once, by directory and then by name."""
    seen = set()
    for directory in directories(given):
        for path in sorted(directory.glob(f"[!.]*{SUFFIX}")):
            if path.stem not in seen and path.is_file():
                seen.add(path.stem)
                yield path


def is_name(text: str) -> bool:
    """Whether `text` names a model rather than a file; a file that is there is meant as one."""
    return "/" not in text and not text.endswith(SUFFIX) and not Path(text).is_file()


def resolve(text: str, given: Sequence[Path] = ()) -> Path:
    """The file that `text` means: a path as it stands, or the model of that name.

    ModelError, with what to do, for a name that is not here.
    """
    if not is_name(text):
        return Path(text)
    if (path := find(text, given)) is not None:
        return path
    if catalog.load().find(text) is not None:
        raise ModelError(f"model {text} is not here yet: `edged models fetch {text}`")
    known = [model.name for model in catalog.load().model]
    known += [path.stem for path in files(given)]
    raise ModelError(
        f"no model is called {text}{did_you_mean(text, known)}: `edged models list` shows all"
    )
