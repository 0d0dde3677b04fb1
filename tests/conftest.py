"""What tests of several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models and pictures beside the checkout."""
    if not (SHARED_DATA / "README.md").exists():
        pytest.skip("real models and pictures are not there: ../shared/data")
    return SHARED_DATA
