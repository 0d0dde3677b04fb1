"""Events in the log, for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from edged.core import CameraChanged, Ended, Health, Reason, Report, Result

log = logging.getLogger(__name__)

ENDS: Mapping[Reason | None, str] = {"stop": "edged stops", "camera": "no more frames come"}
"""Why an event of the pictures or the camera ends although its cause may last."""


class LogPort:
    """Logs each event at level info, and health at level debug."""

    def __enter__(self) -> LogPort:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, report: Report) -> None:
        """One line per event; frames without events are not logged."""
        match report:
            case Result(events=()):
                pass
            case Result() | CameraChanged():
                for event in report.events:
                    value = "on" if event.active else "off"
                    if event.cause is None:
                        log.info("%s %s, score %.2f", event.rule, value, event.score)
                    else:
                        why = ENDS.get(event.reason) or event.cause
                        log.info("%s %s: %s", event.rule, value, why)
            case Ended():
                for event in report.events:
                    log.info("%s off: %s", event.rule, report.why)
            case Health():
                log.debug(
                    "%.1f fps, %d frames, %d dropped, %.0f MB",
                    report.fps,
                    report.frames,
                    report.dropped,
                    report.memory_mb,
                )
            case _:
                pass
