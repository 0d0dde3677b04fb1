"""What the figures were measured on, as far as it tells."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edged.cli.bench import machine_name
from edged.health import temperature_c, throttled

PACKAGES = (
    "edged",
    "ai-edge-litert",
    "numpy",
    "pillow",
    "simplejpeg",
    "paho-mqtt",
    "gpiozero",
    "msgspec",
)


def describe() -> dict[str, str]:
    """Machine, system, versions, and what may make it slower at present."""
    temperature = temperature_c()
    hot = throttled()
    return {
        "machine": machine_name(),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "source": _commit(),
        "CPU governor": _governor(),
        "temperature": "not told" if temperature is None else f"{temperature:.0f} °C",
        "throttled": "not told" if hot is None else ("yes" if hot else "no"),
        "load average": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def busy_cores() -> float:
    """Cores' worth of work by all processes over the last minute."""
    return os.getloadavg()[0]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "not told"


def _governor() -> str:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        return path.read_text().strip()
    except OSError:
        return "not told (none in this virtual machine)" if _is_virtual() else "not told"


def _is_virtual() -> bool:
    try:
        return "hypervisor" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
