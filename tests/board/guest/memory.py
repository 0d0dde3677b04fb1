"""How much memory a service's processes take, and the bare script with the same model.

Run by the Python of an installed edged: ``memory.py UNIT BARE``. The unit is stopped while the
script runs, so that they share nothing. Prints one JSON object of megabytes (proportional set
sizes): for each process by its name, and ``bare``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from edged import paths


def pss_mb(pid: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1.024e-3 for line in lines if line.startswith("Pss:"))


def main(unit: str, bare: str) -> None:
    show = ["systemctl", "show", "--property=ControlGroup", "--value", unit]
    group = subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()
    processes = Path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split()
    taken = {}
    for pid in processes:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        name = next((word for word in reversed(words) if "edged" in word), words[0])
        taken[f"{name.rpartition('/')[2]} {pid}"] = pss_mb(pid)
    subprocess.run(["systemctl", "stop", unit], check=True)
    command = [sys.executable, bare, "litert", str(paths.bundled_model()), "1", "1", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as script:
        assert script.stdout is not None
        # Then it waits for the end of its input.
        script.stdout.readline()
        bare_mb = pss_mb(str(script.pid))
    subprocess.run(["systemctl", "start", unit], check=True)
    print(json.dumps({"processes": taken, "bare": bare_mb}))


main(*sys.argv[1:])
