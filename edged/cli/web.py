"""``edged web``."""

from __future__ import annotations

import argparse
import importlib.util

from edged import logs
from edged.cli.daemon_socket import configured
from edged.errors import ConfigError

NEEDS = ("starlette", "uvicorn", "jinja2", "multipart", "prometheus_client")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal stops it."""
    config = configured(arguments)
    logs.start(config.log.level, "command", limited=True)
    check_installed("edged web")
    from edged.web import server

    server.serve(config)
    return 0


def check_installed(command: str) -> None:
    """ConfigError if the packages that `command` needs are not installed."""
    for needed in NEEDS:
        if importlib.util.find_spec(needed) is None:
            raise ConfigError(f"{command} needs {needed}; in a checkout: pip install '.[web]'")
