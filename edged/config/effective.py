"""The configuration as it takes effect, as TOML to read or to load again."""

from __future__ import annotations

from typing import Any

import msgspec

from edged.config.schema import Config
from edged.redact import MASK, is_secret, origin, public_name, redacted


def effective(config: Config) -> str:
    """Every option with its value, defaults included; loading the text gives `config` again.

    But for secrets, which are ``***``: those in addresses, and values named so. Options
    of a rule that follow ``[decide]`` are absent. Names of files that hold secrets are shown.
    """
    # Only a person who asks pays for the import.
    import tomli_w

    plain = _plain(config)
    if config.camera.kind != "gstreamer":
        plain["camera"]["source"] = public_name(config.camera.source)
    for webhook in plain["webhook"]:
        webhook["url"] = origin(webhook["url"])
    return tomli_w.dumps(_redacted(plain))


def _redacted(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _redacted(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, name) for item in value]
    if isinstance(value, str):
        return MASK if value and is_secret(name) else redacted(value)
    return value


def _plain(table: msgspec.Struct) -> dict[str, Any]:
    """A table without the options that are None, which TOML does not have."""
    plain: dict[str, Any] = msgspec.to_builtins(table)
    for rule in plain["rule"]:
        for key in [key for key, value in rule.items() if value is None]:
            del rule[key]
    return plain
