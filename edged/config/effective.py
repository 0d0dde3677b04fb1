"""The configuration as it takes effect, as TOML to read or to load again."""

from __future__ import annotations

from typing import Any

import msgspec

from edged.config.schema import Config


def effective(config: Config) -> str:
    """Every option with its value, defaults included; loading the text gives `config` again.

    Options of a rule that follow ``[decide]`` are absent. Passwords are in files, whose names are
    shown.
    """
    # Only a person who asks pays for the import.
    import tomli_w

    return tomli_w.dumps(_plain(config))


def _plain(table: msgspec.Struct) -> dict[str, Any]:
    """A table without the options that are None, which TOML does not have."""
    plain: dict[str, Any] = msgspec.to_builtins(table)
    for rule in plain["rule"]:
        for key in [key for key, value in rule.items() if value is None]:
            del rule[key]
    return plain
