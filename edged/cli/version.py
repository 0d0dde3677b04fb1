"""``edged version``."""

from __future__ import annotations

import argparse
import json
import platform
from importlib import metadata

from edged import __version__

PARTS = (
    "ai-edge-litert",
    "tflite-runtime",
    "tensorflow",
    "numpy",
    "pillow",
    "simplejpeg",
    "paho-mqtt",
    "gpiozero",
)


def run(arguments: argparse.Namespace) -> int:
    """The version, the machine, and the parts that are installed."""
    facts = {
        "edged": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        **{part: found for part in PARTS if (found := _installed(part)) is not None},
    }
    if arguments.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name} {value}")
    return 0


def _installed(part: str) -> str | None:
    try:
        return metadata.version(part)
    except metadata.PackageNotFoundError:
        return None
