"""Imports of packages without what they would load and edged hardly ever uses.

A fifth of its start. Where such a module is imported stands something that loads it as soon as it
is asked for anything. What is missing until then is numpy's help for what is written in C, and the
types in some annotations.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple


class _PutOff(NamedTuple):
    """A `module` that is loaded later, and what can be taken from it before.

    ``called`` are names that are only called, ``annotations`` those that only annotate.
    """

    module: str
    called: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


_PUT_OFF = {
    "json": _PutOff("json"),
    "pickle": _PutOff("pickle"),
    "pprint": _PutOff("pprint", ("pformat",)),
    "random": _PutOff("random", ("uniform",)),
    "statistics": _PutOff("statistics", ("mean", "median")),
    "subprocess": _PutOff("subprocess"),
    "traceback": _PutOff("traceback"),
    # For pathlib, before Python 3.13: to write a path as a URL.
    "urllib.parse": _PutOff("urllib.parse", ("quote_from_bytes",)),
    # For schemas of messages, which are not made while edged runs.
    "msgspec._json_schema": _PutOff("msgspec._json_schema", ("schema", "schema_components")),
    "msgspec.inspect": _PutOff("msgspec.inspect"),
    # The texts of numpy's help, and its types for those who check types.
    "numpy._core._add_newdocs": _PutOff("numpy._core._add_newdocs"),
    "numpy._core._add_newdocs_scalars": _PutOff("numpy._core._add_newdocs_scalars"),
    "numpy._typing": _PutOff("numpy._typing", annotations=("NDArray",)),
    "numpy.typing": _PutOff("numpy.typing", annotations=("NDArray",)),
    # For gpiozero, which prefers the backports. edged chooses the pin factory itself, so no
    # plug-ins are looked for; package metadata load half of what the standard library has for
    # e-mail.
    "colorzero": _PutOff("colorzero", ("Color",)),
    "importlib_metadata": _PutOff("importlib.metadata", ("entry_points",)),
    "importlib_resources": _PutOff("importlib.resources"),
}
"""By the name under which it is imported."""

_ABSENT = {"typing_extensions"}
"""msgspec then takes the same from typing."""

_asked: set[str] = set()
"""The modules that have been asked for something: no longer put off."""

_replacing = allocate_lock()


@contextmanager
def lean() -> Iterator[None]:
    """While it lasts, what is hardly ever used is not loaded with what imports it."""
    sys.meta_path.insert(0, _Finder)
    try:
        yield
    finally:
        sys.meta_path.remove(_Finder)


class _Annotation:
    """In the place of a type that nobody looks at."""

    def __class_getitem__(cls, item: object) -> type[_Annotation]:
        return cls


class _StandIn(ModuleType):
    """What is imported in place of a module that is put off."""

    def __getattr__(self, attribute: str) -> Any:
        module, called, annotations = _PUT_OFF[self.__name__]
        if attribute in annotations:
            return _Annotation
        if attribute in called:

            def call(*positional: Any, **named: Any) -> Any:
                return getattr(self._load(module), attribute)(*positional, **named)

            return call
        if attribute == "__path__":
            # The import system asks, for each name that is taken from a module.
            raise AttributeError(attribute)
        return getattr(self._load(module), attribute)

    def _load(self, module: str) -> ModuleType:
        # Not held while the module is imported, which has locks of its own.
        with _replacing:
            _asked.add(self.__name__)
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return import_module(module)


class _Finder:
    """A finder and loader of stand-ins, as the import system wants them."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name in _ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in _PUT_OFF and name not in _asked:
            return ModuleSpec(name, cls)  # type: ignore[arg-type]
        return None

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Left to who asks it for something."""
