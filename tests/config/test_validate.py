"""The quick way through the schema and the thorough one agree."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edged.config import validate
from edged.config.load import load
from edged.config.schema import Config
from edged.errors import ConfigError

_NUMBERS = st.floats() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 0.5, 2, 30])
_SCALARS = (
    st.booleans()
    | _NUMBERS
    | st.text(max_size=4)
    | st.sampled_from(["auto", "lamp", "a\0b", "\ud800", "5"])
    | st.just(datetime.date(2026, 1, 1))
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_SECTIONS = {
    name: kind for name, kind in validate.fields(Config).items() if validate.is_table(kind)
}


@st.composite
def _tables(draw: st.DrawFn) -> dict[str, object]:
    """A configuration with some options at any value."""
    raw: dict[str, object] = {}
    for name in draw(st.lists(st.sampled_from(sorted(_SECTIONS)), max_size=2, unique=True)):
        keys = st.sampled_from(sorted(validate.fields(_SECTIONS[name]))) | st.text(max_size=2)
        raw[name] = draw(st.dictionaries(keys, _VALUES, max_size=3))
    if draw(st.booleans()):
        keys = st.sampled_from(["name", "labels", "enter", "exit", "colour"])
        raw["rule"] = draw(st.lists(st.dictionaries(keys, _VALUES, max_size=3) | _SCALARS))
    if draw(st.booleans()):
        raw[draw(st.sampled_from(["device", "camera", "nonsense"]))] = draw(_VALUES)
    return raw


@given(_tables())
@example({"camera": {"fit": "\ud800"}})
@example({"camera": {"fps": float("nan")}})
@example({"device": "a\0b"})
def test_a_table_is_converted_or_its_problems_are_told(raw: dict[str, object]) -> None:
    told = list(validate.problems(raw, Config))

    assert (validate.converted(raw, Config) is None) == bool(told)


@pytest.mark.parametrize("key", ["x", "model.path", "model.mean", "model.delegate_options.x"])
def test_what_is_nested_deeply_is_refused_and_not_followed(key: str, tmp_path: Path) -> None:
    levels = 60
    path = tmp_path / "deep.toml"
    inner = "{" + ".".join("x" * 30) + " = "
    path.write_text(f"{key} = {inner * levels}1{'}' * levels}\n")

    with pytest.raises(ConfigError, match=re.escape(f"deep.toml:1: {key}: ")):
        load(path)
