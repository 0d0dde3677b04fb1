"""The document says what the routes do: schemathesis tries to prove otherwise."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.fuzz_web.__main__ import fuzz


@pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
)
def test_no_request_is_answered_otherwise_than_the_document_says(tmp_path: Path) -> None:
    done = fuzz(tmp_path, examples=2, seed=0, phases="coverage,fuzzing")
    assert "Tested: 22" in done.stdout, done.stdout
    assert done.returncode == 0, done.stdout
