"""``edged action``."""

from __future__ import annotations

import argparse

from edged.cli.model import configured
from edged.cli.web import check_installed
from edged.errors import ConfigError


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal stops it."""
    config = configured(arguments, arguments.model)
    check_installed("edged action")
    import uvicorn

    from edged.web import openwhisk
    from edged.web.listener import open_listener
    from edged.web.predict import loader

    try:
        listener = open_listener(arguments.listen, arguments.port)
    except OSError as error:
        raise ConfigError(
            f"{arguments.listen}:{arguments.port}: cannot listen here: {error.strerror or error}"
        ) from error
    server = uvicorn.Server(
        uvicorn.Config(
            openwhisk.app(loader(config)),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )
    server.run(sockets=[listener])
    return 0
