"""``edged run``."""

from __future__ import annotations

import argparse
import gc
import logging
import signal
from collections.abc import Sequence
from pathlib import Path

from edged import logs, memory
from edged.errors import ConfigError, EdgedError
from edged.opening import Opening


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until it is stopped.

    If a machine reads the log, the reason why it cannot run is logged with its priority.
    """
    # Objects from the start live as long as the daemon, which collects garbage once it runs: until
    # then there is none, and collection takes four milliseconds.
    gc.disable()
    # Until there is a handler: an early SIGHUP has nothing to reload, and would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    overrides = list(arguments.overrides)
    if arguments.log_json:
        overrides.append("log.format=json")
    style = "json" if arguments.log_json else logs.style("auto")
    logs.start("info", "text" if style == "live" else style)
    try:
        with Opening(arguments.config, overrides) as opening:
            memory.share_one_arena()
            # Only after the pin guard has been started: importing numpy takes longer than that.
            from edged.daemon import Daemon

            Daemon(opening, arguments.trace).run()
    except EdgedError as error:
        found = _all_that_is_wrong(error, arguments.config, overrides)
        if not logs.for_machines():
            raise found from error
        for line in str(found).splitlines():
            logging.getLogger(__name__).error(line)
        return found.exit_status
    finally:
        gc.enable()
    return 0


def _all_that_is_wrong(
    error: EdgedError, path: Path | None, overrides: Sequence[str]
) -> EdgedError:
    """All errors of the configuration, if `error` is the first of them."""
    if isinstance(error, ConfigError):
        from edged.cli.check_config import check

        # Its messages about the model have been shown already.
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)
        try:
            check(path, overrides)
        except ConfigError as whole:
            return whole
        except EdgedError:
            pass
        finally:
            root.setLevel(level)
    return error
