"""config/edged.toml says all that the schema says, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edged.config.effective import effective
from edged.config.load import load
from edged.config.schema import Config, InputConfig, OutputConfig, RuleConfig, WebhookConfig
from edged.config.toml import parse
from edged.config.validate import fields, is_table, table_of

FOLDER = Path(__file__).parent.parent.parent / "config"
TABLES: dict[str, type[msgspec.Struct]] = {
    "rule": RuleConfig,
    "output": OutputConfig,
    "input": InputConfig,
    "webhook": WebhookConfig,
}
EXAMPLES = {"name", "labels", "pin", "url"}
"""Options shown with an example, which nothing does without."""


def uncommented() -> str:
    text = (FOLDER / "edged.toml").read_text()
    return re.sub(r"^#(?=\[\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)


def test_it_loads_as_the_defaults() -> None:
    assert load(FOLDER / "edged.toml") == Config()


def test_each_option_stands_in_it_with_its_default() -> None:
    raw = parse(uncommented())
    arrays = {name: raw.pop(name)[0] for name in TABLES}
    defaults = parse(effective(Config()))
    for name, table in TABLES.items():
        assert defaults.pop(name, []) == []
        for field in msgspec.structs.fields(table):
            shown = arrays[name].pop(field.name)
            if field.name in EXAMPLES:
                continue
            assert not field.required
            if field.default is None:
                assert shown == defaults["decide"][field.name]
            elif field.default_factory is list:
                assert shown == []
            else:
                assert shown == field.default, f"{name}.{field.name}"
        assert arrays[name] == {}
    assert raw == defaults


def test_each_table_stands_in_it_with_its_header() -> None:
    headers = re.findall(r"^#?(\[+[a-z._]+\]+)$", (FOLDER / "edged.toml").read_text(), re.MULTILINE)
    expected = []
    for name, kind in fields(Config).items():
        if table_of(kind) is not None:
            expected.append(f"[[{name}]]")
        elif is_table(kind):
            expected += [f"[{name}]"]
            expected += [
                f"[{name}.{key}]" for key, inner in fields(kind).items() if is_table(inner)
            ]
    assert headers == expected


def test_each_choice_is_named_in_it() -> None:
    text = (FOLDER / "edged.toml").read_text()
    for table in msgspec.inspect.multi_type_info([*TABLES.values(), *sections()]):
        assert isinstance(table, msgspec.inspect.StructType)
        for field in table.fields:
            if isinstance(field.type, msgspec.inspect.LiteralType):
                for value in field.type.values:
                    written = f'"{value}"' if isinstance(value, str) else str(value)
                    assert written in text, f"{table.cls.__name__}.{field.name} = {written}"


def sections() -> list[type]:
    return [kind for kind in fields(Config).values() if is_table(kind)]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: str(path.name))
def test_each_configuration_that_is_delivered_loads(path: Path) -> None:
    load(path)
