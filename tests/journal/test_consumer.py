"""How far a consumer has read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journal.made import threadless


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def test_there_is_something_to_read_once_the_disk_has_said_from_where(path: Path) -> None:
    journal = threadless(path)
    consumer = journal.consumer("mqtt", lambda: None)
    assert not consumer.behind
    journal.sync()
    assert consumer.behind
