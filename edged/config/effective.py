"""The configuration as it takes effect, as TOML to read or to load again."""

from __future__ import annotations

from typing import Any

import msgspec

from edged.config.schema import Config
from edged.redact import (
    MASK,
    is_secret,
    names_file,
    origin,
    public_option,
    public_path,
    public_pipeline,
    public_source,
    redacted,
)


def effective(config: Config) -> str:
    """Every option with its value, defaults included; loading the text gives `config` again.

    Except secrets and possible secrets, which are ``***``: in the camera's address or pipeline, in
    the addresses of webhooks, in the options of a delegate, in values with such names, and in names
    of absent files. Options of a rule that follow ``[decide]`` are absent.
    """
    # Imported only when a person asks.
    import tomli_w

    plain = _plain(config)
    camera = config.camera
    public = public_pipeline if camera.kind == "gstreamer" else public_source
    plain["camera"]["source"] = public(camera.source)
    options = config.model.delegate_options
    plain["model"]["delegate_options"] = {
        key: public_option(value) for key, value in options.items()
    }
    for webhook in plain["webhook"]:
        webhook["url"] = origin(webhook["url"])
    return tomli_w.dumps(_redacted(plain))


def _redacted(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _redacted(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, name) for item in value]
    if isinstance(value, str):
        if value and is_secret(name):
            return MASK
        return public_path(value) if value and names_file(name) else redacted(value)
    return value


def _plain(table: msgspec.Struct) -> dict[str, Any]:
    """A table without the options that are None, which TOML lacks."""
    plain: dict[str, Any] = msgspec.to_builtins(table)
    for rule in plain["rule"]:
        for key in [key for key, value in rule.items() if value is None]:
            del rule[key]
    return plain
