"""``edged models unknown``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from edged.cli.model import configured
from edged.cli.progress import followed
from edged.errors import ConfigError
from edged.evaluation import made, text, unknown
from edged.evaluation.dataset import DataError, Dataset, open_dataset
from edged.perception import reference


def run(arguments: argparse.Namespace) -> int:
    """Fits what the model knows, puts it beside the model, and prints how it tells the unknown."""
    config = configured(arguments, arguments.model)
    dataset = _enough(arguments.data)
    held_out = _enough(arguments.held_out) if arguments.held_out else None
    others = [open_dataset(path, labelled=False) for path in arguments.unknown]
    bar = partial(followed, what="unknown")
    with unknown.Fit(config) as fit:
        seen = fit.look(dataset, bar)
        apart = fit.look(held_out, bar) if held_out else None
        fitted, known = fit.fit(seen, apart, Path(dataset.source).name)
        theirs = [(Path(other.source).name, fit.look(other, bar)) for other in others]
        theirs += [(name, fit.see(pictures)) for name, pictures in made.sets()]
        table = fit.table(fitted, known, theirs)
        place = arguments.out or reference.path_of(fit.path)
    try:
        size_bytes = reference.write(place, fitted)
    except OSError as error:
        raise ConfigError(f"{place}: cannot be written: {error.strerror}") from error
    found = unknown.describe(fitted, str(place), size_bytes, table)
    print(found.json().decode() if arguments.json else text.unknown(found))
    return 0


def _enough(path: Path) -> Dataset:
    dataset = open_dataset(path, labelled=False)
    if len(dataset.examples) < unknown.PICTURES_MIN:
        raise DataError(
            f"{dataset.source}: {len(dataset.examples)} pictures are too few: "
            f"give at least {unknown.PICTURES_MIN} of what the model knows"
        )
    return dataset
