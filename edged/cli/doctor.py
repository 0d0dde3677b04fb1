"""``edged doctor``."""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from collections.abc import Iterator
from typing import get_args

from edged import __version__, logs
from edged.cli.bench import machine_name
from edged.cli.check_config import check
from edged.cli.output import OutputError
from edged.config.load import WrongConfigError, load
from edged.config.schema import Config
from edged.doctor import bundle
from edged.doctor.examination import Patient, examine
from edged.errors import EdgedError
from edged.messages.doctor import DoctorMessage, Finding, Level
from edged.messages.message import Moment
from edged.printable import printable

WIDTH = 80
MARGIN = 10

WRONG = 1
"""Exit status where there is an error among the findings."""


def run(arguments: argparse.Namespace) -> int:
    """Prints each finding as it comes; what was expected to work and does not is an error."""
    # What libraries log about a device that is being examined is a finding, if it matters.
    logs.start("critical", "command")
    config, problems = _configured(arguments)
    patient = Patient(config, problems)
    findings = []
    for finding in examine(patient):
        findings.append(finding)
        if not arguments.json and (arguments.all or finding.level != "ok"):
            for line in _lines(finding):
                print(line, flush=True)
    at = Moment.now(config.device, time.monotonic, time.time)
    told = DoctorMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        version=__version__,
        machine=machine_name(),
        findings=findings,
    )
    if arguments.bundle is not None:
        try:
            bundle.write(arguments.bundle, told, config, patient.status)
        except OSError as error:
            raise OutputError(f"{arguments.bundle}: {error.strerror or error}") from error
    if arguments.json:
        print(told.json().decode())
    else:
        print(_summary(findings))
        if arguments.bundle is not None:
            print(f"report written to {printable(arguments.bundle)}: read it before you send it")
    return WRONG if any(finding.level == "error" for finding in findings) else 0


def _configured(arguments: argparse.Namespace) -> tuple[Config, list[str]]:
    """As much of the configuration as can be read, and what is wrong with it."""
    problems = []
    config = Config()
    try:
        config = load(arguments.config, arguments.overrides, os.environ)
        check(arguments.config, arguments.overrides)
    except WrongConfigError as error:
        problems = str(error).splitlines()
        if error.wrong is not None:
            config = error.rest
    except EdgedError as error:
        problems = str(error).splitlines()
    return config, problems


def _lines(finding: Finding) -> Iterator[str]:
    yield from textwrap.wrap(
        printable(f"{finding.what} [{finding.id}]"),
        WIDTH,
        initial_indent=f"{finding.level:{MARGIN}}",
        subsequent_indent=" " * MARGIN,
        break_on_hyphens=False,
    )
    if finding.advice:
        yield from textwrap.wrap(
            printable(finding.advice),
            WIDTH,
            initial_indent=f"{'':{MARGIN}}-> ",
            subsequent_indent=f"{'':{MARGIN}}   ",
            break_on_hyphens=False,
        )


def _summary(findings: list[Finding]) -> str:
    counts = ((level, [one.level for one in findings].count(level)) for level in get_args(Level))
    return "; ".join(f"{level}: {count}" for level, count in counts)
