"""``edged version``."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata

import msgspec

from edged import __version__
from edged.messages.machine import VersionMessage


def run(arguments: argparse.Namespace) -> int:
    """Print the version, the machine, and the installed components."""
    found = VersionMessage(
        edged=__version__,
        python=platform.python_version(),
        machine=platform.machine(),
        kernel=platform.release(),
        ai_edge_litert=_installed("ai-edge-litert"),
        tflite_runtime=_installed("tflite-runtime"),
        tensorflow=_installed("tensorflow"),
        numpy=_installed("numpy"),
        pillow=_installed("pillow"),
        simplejpeg=_installed("simplejpeg"),
        paho_mqtt=_installed("paho-mqtt"),
        gpiozero=_installed("gpiozero"),
    )
    if arguments.json:
        print(found.json().decode())
    else:
        for name, value in msgspec.to_builtins(found).items():
            if name != "type" and value is not None:
                print(f"{name} {value}")
    return 0


def _installed(part: str) -> str | None:
    try:
        return metadata.version(part)
    except metadata.PackageNotFoundError:
        return None
