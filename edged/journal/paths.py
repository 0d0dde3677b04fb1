"""The paths of a journal."""

from __future__ import annotations

from pathlib import Path

from edged import paths
from edged.config.schema import JournalConfig


def journal_path(journal: JournalConfig, device: str) -> Path:
    """The database of `device`."""
    return Path(journal.path) if journal.path else paths.state_directory() / f"events-{device}.db"


def beside_journal(journal: JournalConfig, device: str, what: str) -> Path | None:
    """The file next to the journal for other data of `device`; None without a disk."""
    if not journal.max_events:
        return None
    events = journal_path(journal, device)
    return events.with_name(f"{events.name}.{what}")
