"""A pytest plugin: records which tests run which lines of which module, and how long they take.

It writes JSON to ``$TOUCHED``: ``{"seconds": {test: s}, "lines": {module: {line: [test, ...]}}}``;
what runs while modules are imported has the test "".
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

SOURCE = Path("edged").absolute()


class Touched:
    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._coverage = coverage.Coverage(
            data_file=None, include=[f"{SOURCE}/*"], config_file=False
        )
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        result = yield
        self._coverage.switch_context("")
        return result  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            str(Path(file).relative_to(SOURCE.parent)): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }
        Path(os.environ["TOUCHED"]).write_text(
            json.dumps({"seconds": self._seconds, "lines": lines})
        )


def pytest_configure(config: Any) -> None:
    config.pluginmanager.register(Touched())
