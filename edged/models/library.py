"""The directories of models on this machine: name look-up, and the destination of fetch.

The first with the model wins: directories from the command line, those in ``$EDGED_MODELS``
(separated by colons), the user's own, and the system's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from edged import access, paths
from edged.config.nearest import did_you_mean
from edged.errors import ModelError
from edged.models import catalog
from edged.models.naming import ENCRYPTED, SUFFIX, is_name, model_name, plain

SYSTEM = Path("/var/lib/edged/models")


def directories(given: Sequence[Path] = ()) -> list[Path]:
    """The directories to search, existing or not."""
    named = [Path(name) for name in os.environ.get("EDGED_MODELS", "").split(":") if name]
    return list(dict.fromkeys([*given, *named, *_own(), SYSTEM]))


def destination(given: Sequence[Path] = ()) -> Path:
    """Where a fetched model goes.

    Root fetches for the daemon, which cannot read root's home.
    """
    first = directories(given)[0]
    return SYSTEM if [first] == _own() and os.geteuid() == 0 else first


def _own() -> list[Path]:
    """The user's own directory; none without a home."""
    if given := os.environ.get("XDG_DATA_HOME"):
        return [Path(given) / "edged" / "models"]
    home = paths.home()
    return [] if home is None else [home / ".local" / "share" / "edged" / "models"]


def closed(given: Sequence[Path] = ()) -> Iterator[str]:
    """A line for each directory that this user may not read, with what to do."""
    for directory in directories(given):
        try:
            os.scandir(directory).close()
        except PermissionError:
            yield access.advice(directory, os.R_OK | os.X_OK)
        except OSError:
            pass


def bundled() -> Path:
    """The bundled model, which is also found under its own name."""
    return paths.bundled_model()


def find(name: str, given: Sequence[Path] = ()) -> Path | None:
    """The file of the model called `name`, by its own name, else by an alias."""
    if name == bundled().stem:
        return bundled()
    if (path := _called(name, given)) is not None:
        return path
    # The catalog need not be read for a model with that name.
    entry = catalog.load().meant(name)
    return None if entry is None else _called(entry.name, given)


def _called(name: str, given: Sequence[Path]) -> Path | None:
    names = (f"{name}{SUFFIX}", f"{name}{SUFFIX}{ENCRYPTED}")
    files = (directory / file for directory in directories(given) for file in names)
    # os.path.isfile() accepts names that no file can have, and folders without permission.
    return next((file for file in files if os.path.isfile(file)), None)  # noqa: PTH113


def files(given: Sequence[Path] = ()) -> Iterator[Path]:
    """Every model in every directory, each name once, by directory and then by name."""
    seen = set()
    for directory in directories(given):
        for path in sorted(directory.glob("[!.]*")):
            if plain(path).suffix == SUFFIX and model_name(path) not in seen and path.is_file():
                seen.add(model_name(path))
                yield path


def resolve(text: str, given: Sequence[Path] = ()) -> Path:
    """The file for `text`: a path itself, or the model with that name.

    ModelError, with what to do, for a name that is not installed.
    """
    if not text:
        raise ModelError("the model's name is empty: `edged models list` shows all models")
    if not is_name(text):
        return Path(text)
    if (path := find(text, given)) is not None:
        return path
    if catalog.load().meant(text) is not None:
        raise ModelError(f"model {text} is not installed yet: `edged models fetch {text}`")
    known = [*catalog.load().names(), bundled().stem]
    known += [model_name(path) for path in files(given)]
    unread = "".join(f"; {line}" for line in closed(given))
    raise ModelError(
        f"no model is called {text}{did_you_mean(text, known)}: "
        f"`edged models list` shows all{unread}"
    )
