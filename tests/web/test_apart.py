"""The daemon and the web process are apart."""

from __future__ import annotations

import subprocess
import sys

WEB = ("starlette", "uvicorn", "jinja2", "prometheus_client", "python_multipart", "edged.web")


def test_the_daemon_loads_nothing_of_the_web() -> None:
    program = (
        "import sys, edged.daemon, edged.build, edged.cli.run, edged.ports.control.server\n"
        f"print([name for name in {WEB!r} if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"
