"""What tests of several rooms share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No test may fail because the machine is busy.
settings.register_profile("edged", settings(), deadline=None)
settings.load_profile("edged")

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def own_runtime_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What daemons under test leave in their runtime directory goes with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNTIME_DIRECTORY", str(tmp_path_factory.mktemp("run")))
        yield


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that a test runs in this process sends the log elsewhere for that test alone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models and pictures beside the checkout."""
    if not (SHARED_DATA / "README.md").exists():
        pytest.skip("real models and pictures are not there: ../shared/data")
    return SHARED_DATA
