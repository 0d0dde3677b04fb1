"""``edged run``."""

from __future__ import annotations

import argparse
import gc
import logging
import signal

from edged import logs
from edged.errors import EdgedError
from edged.opening import Opening


def run(arguments: argparse.Namespace) -> int:
    """The daemon, until it is told to stop.

    Why it cannot run is logged, with its priority, where a machine reads the log.
    """
    # What is imported and built for a start lives as long as the daemon, which collects garbage
    # when it runs: until then there is none, and looking for it takes four milliseconds.
    gc.disable()
    # Until it is obeyed: a reload that comes too early is none, and would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    overrides = list(arguments.overrides)
    if arguments.log_json:
        overrides.append("log.format=json")
    style = "json" if arguments.log_json else logs.style("auto")
    logs.start("info", "text" if style == "live" else style)
    try:
        with Opening(arguments.config, overrides) as opening:
            # Not before the guard of the pins has been started: numpy takes longer than a guard.
            from edged.daemon import Daemon

            Daemon(opening, arguments.trace).run()
    except EdgedError as error:
        if not logs.for_machines():
            raise
        for line in str(error).splitlines():
            logging.getLogger(__name__).error(line)
        return error.exit_status
    finally:
        gc.enable()
    return 0
