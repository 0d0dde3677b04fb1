"""The live line on a terminal: scene, speed and outputs."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from edged.core import Ended, OutputState, Report, Result

REFRESH_HZ = 8
FPS_WINDOW = 60

MEASURES_COLUMNS = 30
"""The text after the label takes at most this much of a line."""


class LivePort:
    """Keeps one block of lines current at the bottom of the terminal; log lines scroll above it.

    ``broker`` returns the state of the connection in a word or two.
    """

    def __init__(self, broker: Callable[[], str], console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._broker = broker
        self._outputs: dict[str, float] = {}
        self._captured_s: deque[float] = deque(maxlen=FPS_WINDOW)
        self._result: Result | None = None
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=REFRESH_HZ,
            # The last block stays on the screen, like the last line of a log.
            transient=False,
        )

    def __enter__(self) -> LivePort:
        self._live.__enter__()
        handler = LiveLogHandler(self._live.console)
        root = logging.getLogger()
        handler.setFormatter(root.handlers[0].formatter if root.handlers else None)
        self._log_handlers, root.handlers[:] = list(root.handlers), [handler]
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger().handlers[:] = self._log_handlers
        self._live.__exit__(None, None, None)

    def write(self, report: Report) -> None:
        """Remember what to show; the display's own thread draws it."""
        match report:
            case Result():
                self._result = report
                self._captured_s.append(report.frame.captured_s)
            case Ended(reason="camera"):
                self._result = None
            case OutputState():
                self._outputs[report.name] = report.value
            case _:
                pass

    def _fps(self) -> float:
        times_s = list(self._captured_s)
        if len(times_s) < 2 or times_s[-1] <= times_s[0]:
            return 0.0
        return (len(times_s) - 1) / (times_s[-1] - times_s[0])

    def _render(self) -> Text:
        """Two lines that never wrap, so that the block keeps its height."""
        result = self._result
        if result is None:
            return Text("waiting for the first frame", style="dim")
        best = result.prediction.top(1)[0]
        label = Text(best.label, style="bold green" if result.scene.active else "bold")
        label.truncate(
            max(MEASURES_COLUMNS, self._console.width - MEASURES_COLUMNS), overflow="ellipsis"
        )
        seen = (
            label,
            Text(f"{best.score:.0%}"),
            Text(f"{self._fps():.1f} fps"),
            Text("still" if result.prediction.still else _took(result), style="dim"),
        )
        outputs = (
            Text(
                f"{name} {'on' if value >= 1 else 'off' if value <= 0 else f'{value:.0%}'}",
                style="yellow",
            )
            for name, value in self._outputs.items()
        )
        switched = (Text(self._broker(), style="cyan"), *outputs)
        block = Text("\n").join(Text("  ").join(line) for line in (seen, switched))
        block.no_wrap, block.overflow = True, "ellipsis"
        return block


def _took(result: Result) -> str:
    return f"{sum(result.stages_s.values()) * 1e3:.1f} ms"


class LiveLogHandler(logging.Handler):
    """Prints log records above the live block."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(Text(self.format(record)), highlight=False)
