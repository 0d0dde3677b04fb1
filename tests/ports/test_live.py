"""The live line, drawn on a terminal of our own."""

from __future__ import annotations

import io
import logging

import pytest
from msgspec.structs import replace

from edged.core import OutputState
from tests.ports.mqtt.reports import result

pytest.importorskip("rich", reason="the demo extra is not installed")

from rich.console import Console

from edged.ports.live import LivePort


def screen(width: int = 160) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=True, width=width, color_system=None), text


def test_it_shows_label_score_rate_time_outputs_and_broker() -> None:
    console, text = screen()
    seen = result()
    with LivePort(lambda: "broker:1883 connected", console) as live:
        for number in range(5):
            frame = replace(seen.frame, number=number, captured_s=number * 0.1)
            live.write(replace(seen, frame=frame))
        live.write(OutputState("lamp", 1.0, 0.0))
        live.write(OutputState("meter", 0.25, 0.0))
    shown = text.getvalue()
    best = seen.prediction.top(1)[0]
    for part in (best.label, f"{best.score:.0%}", "10.0 fps", "lamp on", "meter 25%", "connected"):
        assert part in shown
    assert f"{sum(seen.stages_s.values()) * 1e3:.1f} ms" in shown


def test_of_a_frame_that_was_not_classified_it_says_so_instead_of_a_time() -> None:
    console, text = screen()
    seen = result()
    with LivePort(lambda: "mqtt off", console) as live:
        live.write(replace(seen, prediction=replace(seen.prediction, still=True)))
    assert "still" in text.getvalue()
    assert " ms" not in text.getvalue()


def test_it_takes_two_lines_whatever_is_seen_and_switched() -> None:
    console, _ = screen(80)
    seen = result()
    labels = ["a dragonfly, a darning needle" * 5] * len(seen.prediction.labels)
    with LivePort(lambda: "broker:1883 connected", console) as live:
        live.write(replace(seen, prediction=replace(seen.prediction, labels=labels)))
        for number in range(20):
            live.write(OutputState(f"lamp-{number}", 1.0, 0.0))
        lines = [
            "".join(part.text for part in line) for line in console.render_lines(live._render())
        ]
    assert len(lines) == 2
    assert " fps  " in lines[0]
    assert lines[1].startswith("broker:1883 connected  lamp-0 on")


def test_before_the_first_frame_it_says_that_it_waits() -> None:
    console, text = screen()
    with LivePort(lambda: "mqtt off", console):
        pass
    assert "waiting for the first frame" in text.getvalue()


def test_log_lines_go_above_it_and_the_logging_is_given_back() -> None:
    console, text = screen()
    root = logging.getLogger()
    before = list(root.handlers)
    with LivePort(lambda: "mqtt off", console):
        logging.getLogger("edged.test").error("camera [unplugged]")
    assert "camera [unplugged]" in text.getvalue()
    assert root.handlers == before
