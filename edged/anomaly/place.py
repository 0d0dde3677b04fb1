"""Where what is normal before a camera is kept. Imports nothing heavy: the daemon asks it."""

from __future__ import annotations

import os
from pathlib import Path

from edged.config.schema import Config
from edged.core import VIEW_LABELS
from edged.errors import ConfigError
from edged.journal.paths import beside_journal, journal_path
from edged.teaching.place import SERVICE


def wanted(config: Config) -> bool:
    """Whether a rule looks for what is different from normal."""
    return any(label in VIEW_LABELS for rule in config.rule for label in rule.labels)


def place(config: Config) -> Path:
    """The file, beside the journal. ConfigError where nothing is kept on disk."""
    path = beside_journal(config.journal, config.device, "normal")
    if path is None:
        raise ConfigError(
            "what is normal is kept beside the journal, and journal.max_events = 0 keeps nothing "
            "on disk: set another number"
        )
    return path


def place_for_teaching(config: Config) -> Path:
    """The file, for who teaches from a shell while no daemon runs: the service's, if it has run."""
    own = place(config)
    if config.journal.path:
        return own
    journals = (
        folder / journal_path(config.journal, config.device).name
        for folder in (own.parent, SERVICE, SERVICE / config.device)
    )
    found = next((journal for journal in journals if os.path.lexists(journal)), None)
    return own if found is None else found.with_name(own.name)
