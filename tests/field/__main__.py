"""Which tests do to edged what the field does, and what came out: ``python -m tests.field``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
import pytest

ABOUT = """\
# In the field

Written by `make field`: what brokers, cameras, pins, clocks and people do to a sensor, and what
came out when the tests did it to edged. [Reliability](../reliability.md#in-the-field) says what
edged does then. On a virtual board, with a real kernel and systemd: [board.md](board.md).

| what happens | what was done | tests | passed | failed | skipped |
| --- | --- | ---: | ---: | ---: | ---: |
"""


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """``tests`` is what pytest's ``-k`` takes, for `files`."""

    what: str
    done: str
    files: list[str]
    tests: str


class Outcomes:
    """Counts what pytest reports."""

    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed += 1
        elif report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.passed += 1

    @property
    def tests(self) -> int:
        return self.passed + self.failed + self.skipped


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests of the field, case by case.")
    parser.add_argument("--out", type=Path, help="write the report here (Markdown)")
    arguments = parser.parse_args()
    cases = msgspec.toml.decode(
        Path(__file__).with_name("cases.toml").read_bytes(), type=dict[str, list[Case]]
    )["case"]
    text, well = ABOUT, True
    for case in cases:
        found = Outcomes()
        pytest.main(["-q", "--no-header", "--tb=short", "-k", case.tests, *case.files], [found])
        well = well and found.passed > 0 and not found.failed
        print(f"{case.what}: {found.passed} of {found.tests} passed", file=sys.stderr)
        text += (
            f"| {case.what} | {case.done} | {found.tests} | {found.passed} | {found.failed} "
            f"| {found.skipped} |\n"
        )
    if arguments.out is not None:
        arguments.out.write_text(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
