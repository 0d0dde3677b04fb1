"""Where a journal lies."""

from __future__ import annotations

from pathlib import Path

from edged import paths
from edged.config.schema import JournalConfig


def journal_path(journal: JournalConfig, device: str) -> Path:
    """The database of `device`."""
    return Path(journal.path) if journal.path else paths.state_directory() / f"events-{device}.db"
