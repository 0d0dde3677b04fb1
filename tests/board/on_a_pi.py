"""``tests/board/on-a-pi``: one report of this board, for the table of docs/benchmarks.md."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from importlib.metadata import version

import msgspec

from benchmarks.arm import guest
from benchmarks.boards import Finding, Report
from edged.cli.bench import machine_name

DOCTOR_LIMIT_S = 120.0


def main() -> None:
    """Prints the report; what takes long is said on stderr."""
    print("measuring: about two minutes", file=sys.stderr)
    report = Report(
        board=_plain(machine_name()),
        system=_plain(platform.freedesktop_os_release().get("PRETTY_NAME", "not told")),
        kernel=_plain(platform.release()),
        python=platform.python_version(),
        edged=version("edged"),
        runtime=_runtime(),
        features=guest.features(),
        figures=guest.figures(),
        findings=_findings(),
    )
    print(msgspec.json.encode(report).decode())


def _findings() -> list[Finding]:
    """By id and level alone: what a finding says may name what is nobody's business."""
    said = subprocess.run(
        (sys.executable, "-m", "edged", "doctor", "--json"),
        capture_output=True,
        timeout=DOCTOR_LIMIT_S,
        check=False,
    ).stdout
    return [Finding(one["id"], one["level"]) for one in json.loads(said)["findings"]]


def _runtime() -> str:
    for name in ("ai-edge-litert", "tflite-runtime"):
        try:
            return f"{name} {version(name)}"
        except ModuleNotFoundError:
            continue
    return "none"


def _plain(text: str) -> str:
    return re.sub(r"[^\w .,:+()/#-]", " ", text)[:100].strip() or "not told"


if __name__ == "__main__":
    main()
