"""The labels of a model: from the configuration, from the model file, or from a file next to it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from edged.errors import ModelError, UnlabelledError
from edged.files import open_regular
from edged.inference import kinds, modelfile
from edged.inference.labelmap import parse
from edged.inference.modelfile import LabelFile, ModelFile
from edged.models.naming import SUFFIX, model_name, plain

logger = logging.getLogger(__name__)

MAX_BYTES = 4 << 20
"""Longest label file; that of ImageNet-21k has half a megabyte."""

_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".pbtxt")
_GENERIC = {
    "label", "labels", "dict", "labelmap", "labelnames", "classes", "classname", "classnames",
    "classlabels", "classindices", "classindex", "categories", "synset", "synsetwords",
}  # fmt: skip
"""Generic names of label files, as from `_plain`."""

_RIVAL_BYTES = 64 << 20
"""The longest other model to inspect; the largest classifiers for small boards have 100 MB."""

_VARIANT = (
    r"(float|fp|f|int|uint|i|u|w|a)?(8|16|32)(bits?|x8)?|float|int|full|integer|dynamic|range|"
    r"drq?|quant|quanti[sz]ed|unquant|ptq|qat|edgetpu|lite|tflite|model|metadata|with|only|weights?"
)
"""Words in a file's name that describe a model's conversion rather than its identity."""


class Labels(msgspec.Struct, frozen=True):
    """The labels by class, and their ``source`` in words.

    ``path`` is their file, unless it is packed into the model; ``guessed`` is true if neither the
    configuration nor the file's name links it to the model.
    """

    names: tuple[str, ...]
    source: str
    path: Path | None = None
    guessed: bool = False


def find(file: ModelFile, given: str = "", locale: str = "") -> Labels:
    """The labels of the model `file`: those in `given`, inside the model, or next to it.

    Of several in the model, those of the `locale`, else those without one. ModelError if there are
    none, or if the choice is ambiguous. An uncertain choice is logged as a warning.
    """
    if given:
        if locale:
            raise ModelError(
                "model.labels and model.locale are both set, and the locale chooses among labels "
                "in the model: remove one of them"
            )
        return Labels(load(Path(given)), given, Path(given))
    found = _named_inside(file, locale)
    if found is None and locale:
        raise ModelError(f"{file.path} has no labels with a locale in it: remove model.locale")
    if found is None and file.has_archive:
        found = _unnamed_inside(file)
    if found is None:
        found = _beside(file)
        if found.guessed:
            _tell_doubt(file, found)
    return found


def fits(outputs: int, count: int) -> bool:
    """Whether a model with this many output values may have `count` labels.

    One value answers yes or no, under the label of yes alone or under both.
    """
    return outputs == count or (outputs == 1 and count == 2)


def numbers(file: ModelFile) -> Labels:
    """Names for the classes of the model `file` if it has no labels."""
    names = tuple(f"class {index}" for index in range(_outputs(file)[0]))
    return Labels(names, f"the numbers of the classes of {file.path}")


def check_count(path: Path, outputs: int, labels: Labels) -> None:
    """ModelError if the model at `path` has not as many `outputs` as there are `labels`."""
    count, source = len(labels.names), labels.source
    if fits(outputs, count):
        return
    advice = "set model.labels to the list that was made for this model"
    inside = "" if labels.path else "in a copy of the list that you set model.labels to, "
    # One value is not a list of classes, which could begin with a background class.
    if outputs > 1 and count == outputs - 1:
        advice = (
            f"if the model's first class is background, {inside}add it as the first line, "
            f"else {advice}"
        )
    elif outputs > 1 and count == outputs + 1:
        advice = (
            f"if the first label, {labels.names[0][:40]!r}, is a heading or stands for background, "
            f"{inside}remove its line, else {advice}"
        )
    raise ModelError(f"{path} has {outputs} outputs, {source} has {count} labels: {advice}")


def load(path: Path) -> tuple[str, ...]:
    """The labels in the file at `path`, by class; ModelError if it cannot be read as labels."""
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"labels {path} cannot be read: {error.strerror}: correct model.labels"
        ) from error
    if len(content) > MAX_BYTES:
        raise ModelError(f"labels {path} has over {MAX_BYTES} bytes: give one label per line")
    return parse(content, str(path))


def _named_inside(file: ModelFile, locale: str) -> Labels | None:
    """The files that the metadata names, if they exist; ModelError."""
    packed = set(modelfile.packed_names(file.path)) if file.label_files else set()
    for named in file.label_files.values():
        there = [entry for entry in named if entry.name in packed]
        if there:
            chosen = _of_locale(file.path, there, locale)
            return _only(file, [_inside(file, entry.name) for entry in chosen])
    return None


def _inside(file: ModelFile, name: str) -> Labels:
    source = f"{file.path}:{name}"
    return Labels(parse(modelfile.packed(file.path, name, MAX_BYTES) or b"", source), source)


def _of_locale(path: Path, named: Sequence[LabelFile], locale: str) -> list[LabelFile]:
    """The labels of `locale`; if it is empty, those without one, else those of the first."""
    tags = list(dict.fromkeys(_tag(entry.locale) for entry in named))
    wanted = _tag(locale)
    if wanted not in tags:
        there = ", ".join(dict.fromkeys(entry.locale for entry in named if entry.locale))
        if locale:
            raise ModelError(
                f"{path} has no labels of the locale {locale}: "
                + (f"set model.locale to one of {there}" if there else "remove model.locale")
            )
        wanted = tags[0]
        if len(tags) > 1:
            logger.warning(
                "%s has labels in locales %s: %s is used; model.locale chooses",
                path,
                there,
                named[0].name,
            )
    return [entry for entry in named if _tag(entry.locale) == wanted]


def _tag(locale: str) -> str:
    return locale.replace("_", "-").casefold()


def _unnamed_inside(file: ModelFile) -> Labels | None:
    """A packed file with a name for labels that is not in the metadata, if it fits.

    A licence may have as many lines as the model has classes.
    """
    fitting = []
    for name in modelfile.packed_names(file.path):
        if Path(name).suffix.lower() not in _SUFFIXES or not _names_labels(name):
            continue
        try:
            labels = _inside(file, name)
        except ModelError:
            continue
        if _fits_outputs(file, labels.names):
            fitting.append(labels)
    return _only(file, fitting)


def _beside(file: ModelFile) -> Labels:
    own = list(_own(file.path))
    if own:
        found = _only(file, _fitting(file, own, guessed=False)[0])
        # Labels that fit no output are reported once the runtime shows which output has the scores.
        return found or Labels(load(own[0]), str(own[0]), own[0])
    fitting, unfit = _fitting(file, _generic(file.path.parent), guessed=True)
    found = _only(file, fitting)
    if found is not None:
        return found
    if unfit is not None:
        raise unfit
    kinds.refuse(file, kinds.likely(file))
    others = [n for n in modelfile.packed_names(file.path) if Path(n).suffix.lower() in _SUFFIXES]
    named = f" by a usual name (it holds {', '.join(others[:3])})" if others else ""
    raise UnlabelledError(
        f"{file.path} has no labels in it{named}, and neither "
        f"{model_name(file.path)}.txt nor labels.txt beside it: set model.labels; "
        "`edged models labels MODEL --picture PICTURE` shows which class is which"
    )


def _fitting(
    file: ModelFile, paths: Iterable[Path], *, guessed: bool
) -> tuple[list[Labels], ModelError | None]:
    """The labels in the files at `paths` that fit, and what is wrong with the first that do not."""
    fitting, unfit = [], None
    for path in paths:
        try:
            labels = Labels(load(path), str(path), path, guessed)
            if _fits_outputs(file, labels.names):
                fitting.append(labels)
            else:
                check_count(file.path, _outputs(file)[0], labels)
        except ModelError as error:
            unfit = unfit or error
    return fitting, unfit


def _only(file: ModelFile, found: Sequence[Labels]) -> Labels | None:
    """The first, if all are equal; else ModelError."""
    if any(labels.names != found[0].names for labels in found):
        named = " and ".join(labels.source for labels in found)
        unpack = "" if found[0].path else "unpack it with unzip and "
        raise ModelError(
            f"{file.path}: {named} could each be its labels: {unpack}set model.labels to the right "
            "one"
        )
    return next(iter(found), None)


def _outputs(file: ModelFile) -> list[int]:
    """The number of values of each output that is a list."""
    shapes = [tensor.shape for tensor in file.outputs]
    return [shape[-1] for shape in shapes if shape and set(shape[:-1]) <= {1}] or [0]


def given_fit(file: ModelFile, given: str) -> bool:
    """Whether the labels in the file `given` fit an output of `file`. ModelError."""
    return bool(given) and _fits_outputs(file, load(Path(given)))


def _fits_outputs(file: ModelFile, labels: Sequence[str]) -> bool:
    return any(fits(outputs, len(labels)) for outputs in _outputs(file))


def beside(model: Path) -> list[Path]:
    """The files next to `model` that may contain its labels."""
    return [*_own(model), *_generic(model.parent)]


def _own(model: Path) -> Iterator[Path]:
    """The label files next to `model` that have its name: NAME.txt, NAME.labels.csv, ..."""
    model = plain(model)
    if model.with_suffix(".txt").exists():
        yield model.with_suffix(".txt")
    for path in _label_files(model.parent):
        if path.name.casefold().startswith(model.stem.casefold()):
            rest = path.stem[len(model.stem) :]
            if rest[:1] in (".", "_", "-", " ") and _plain(rest) in _GENERIC:
                yield path


def _generic(folder: Path) -> Iterator[Path]:
    """The label files in `folder` with names such as labels.txt."""
    return (path for path in _label_files(folder) if _plain(path.stem) in _GENERIC)


def _names_labels(name: str) -> bool:
    """Whether a packed file has a name such as labels.txt or imagenet_labels.txt."""
    plain = _plain(Path(name).stem)
    return any(plain.startswith(word) or plain.endswith(word) for word in _GENERIC)


def _label_files(folder: Path) -> list[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    # In the order of suffixes, so that plain text comes first.
    return [p for suffix in _SUFFIXES for p in paths if p.suffix.lower() == suffix]


def _tell_doubt(file: ModelFile, found: Labels) -> None:
    """Warn if another model in the folder could be the one that the labels were made for."""
    name = _name_of_all_variants(file.path)
    for path in sorted(file.path.parent.iterdir()):
        if plain(path).suffix.lower() != SUFFIX or _name_of_all_variants(path) == name:
            continue
        try:
            if path.stat().st_size > _RIVAL_BYTES or next(_own(path), None) is not None:
                continue
            other = modelfile.read(path)
        except (OSError, ModelError):
            continue
        if not other.label_files and _fits_outputs(other, found.names):
            logger.warning(
                "labels %s match %s and %s alike: set model.labels to be sure",
                found.source,
                file.path.name,
                path.name,
            )
            return


def _name_of_all_variants(path: Path) -> tuple[str, ...]:
    words = re.split(r"[^a-z0-9]+", model_name(path).casefold())
    return tuple(word for word in words if word and not re.fullmatch(_VARIANT, word))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
