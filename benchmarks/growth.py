"""How cost grows: with rules, labels, and events that wait."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks import material
from benchmarks.broker import Listener
from benchmarks.configuration import lamp
from benchmarks.frame import compare
from benchmarks.results import Part, Plot, Times
from benchmarks.rig import rig, still
from edged.config.schema import Config, DecideConfig, JournalConfig, MqttConfig, RuleConfig
from edged.core import Event, Prediction
from edged.health import memory_mb
from edged.journal.entry import Entry
from edged.journal.journal import Journal
from edged.journal.store import Store
from edged.mailbox import Mailbox
from edged.perception.rules import Decider
from edged.ports.mqtt import MqttPort

RUNS = 300


def rules(folder: Path, port: int) -> Part:
    """1 to 1,000 rules: what a frame costs above its invoke, every port included."""
    part = Part("Rules")
    model, labels = material.reference()
    names = Path(labels).read_text().splitlines() if labels else ["cat", "dog"]
    distinct = [name for name in dict.fromkeys(names) if names.count(name) == 1]
    quoted = [name.replace("'", "") for name in distinct if "'" not in name]
    unseen = still(material.two_scenes()[1])
    points = []
    for count in (1, 10, 100, 300, 1000):
        text = "".join(
            f"[[rule]]\nname = 'rule{n}'\nlabels = ['{quoted[n % len(quoted)]}']\n"
            for n in range(count)
        )
        with rig(folder, model, labels, port, text=text) as bench:
            found = compare(bench, unseen, RUNS // 3)
        points.append((float(count), found.whole.p50 - found.floor.p50))
    part.plots.append(
        Plot("rules", "A frame above its invoke, by rules", "rules", "ms", {"p50": points}, True)
    )
    part.figures["thousand_rules_more_ms"] = points[-1][1] - points[0][1]
    return part


def labels(folder: Path, port: int) -> Part:
    """10 to 10,000 labels: decision and ranking."""
    del folder, port
    part = Part("Labels")
    points = []
    random = np.random.default_rng(0)
    for count in (10, 100, 1000, 10000):
        names = tuple(f"label {n}" for n in range(count))
        decider = Decider([RuleConfig(name="a", labels=["label 1"])], DecideConfig(), names)
        frames = [(random.random(count, np.float32) * 0.3) for _ in range(16)]
        took_s = []
        for number in range(RUNS):
            scores = frames[number % 16]
            began_s = time.perf_counter()
            decider.decide(scores, number / 30, number)
            Prediction(scores, names, {}, "bench").top(3)
            took_s.append(time.perf_counter() - began_s)
        points.append((float(count), Times.of_seconds(took_s).p50))
    curves = {"decide and rank": points}
    part.plots.append(
        Plot("labels", "Decision and ranking, by labels", "labels", "ms", curves, True)
    )
    return part


def journal(folder: Path, port: int) -> Part:
    """Recording an event; and up to a million that wait: start, and how fast they are sent."""
    part = Part("The journal")
    _recording(part, folder)
    opened: list[tuple[float, float]] = []
    rates: list[tuple[float, float]] = []
    for count in (1_000, 10_000, 100_000, 1_000_000):
        path = folder / f"journal{count}.db"
        config = JournalConfig(path=str(path), max_events=2_000_000, max_bytes=1 << 40)
        _fill(config, count)
        listener = Listener(port, "edged/journal/event")
        mqtt = MqttConfig(host="127.0.0.1", port=port)
        began_s = time.monotonic()
        with (
            Journal("journal", config) as filled,
            MqttPort(Config(device="journal", mqtt=mqtt), filled, Mailbox()) as opened_port,
        ):
            give_up_s = time.monotonic() + 12.0
            while not opened_port.live and time.monotonic() < give_up_s:
                time.sleep(0.01)
        heard = listener.stop()
        if heard:
            opened.append((float(count), (heard[0][0] - began_s) * 1e3))
            rates.append((float(count), len(heard) / max(heard[-1][0] - heard[0][0], 1e-3)))
        path.unlink()
    part.plots += [
        Plot(
            "journal-start",
            "Start to the first replayed event",
            "events",
            "ms",
            {"start": opened},
            True,
        ),
        Plot(
            "journal-rate",
            "Replay through mosquitto",
            "events",
            "events a second",
            {"rate": rates},
            True,
        ),
    ]
    part.notes.append("At a million the rate is that of the first twelve seconds.")
    return part


def _recording(part: Part, folder: Path) -> None:
    """What recording costs the loop, with frames in between."""
    took_s = []
    config = JournalConfig(path=str(folder / "recorded.db"))
    with Journal("journal", config) as recorder:
        for number in range(RUNS):
            time.sleep(0.005)
            now_s = time.monotonic()
            made = Event("seen", True, 0.8, now_s - 0.2, now_s, number)
            began_s = time.perf_counter()
            recorder.record([made])
            took_s.append(time.perf_counter() - began_s)
    times = Times.of_seconds(took_s)
    part.figures["record_p50_ms"], part.figures["record_p99_ms"] = times.p50, times.p99
    part.judge("An event recorded, in the loop's thread, p50", times.p50, " ms", 0.1)


def _fill(config: JournalConfig, count: int) -> None:
    """A journal of so many events that the broker has none of."""
    store = Store(Path(config.path), config.max_events, config.max_bytes)
    payload = (
        b'{"type":"event","schema":1,"device":"journal","time":"2026-05-01T12:00:00.250113Z",'
        b'"number":%d,"id":"journal-%d","rule":"seen","active":true,"score":0.81,'
        b'"onset":"2026-05-01T12:00:00.120410Z","decided":"2026-05-01T12:00:00.220871Z",'
        b'"frame":8312,"replayed":false}'
    )
    for first in range(1, count + 1, 10_000):
        numbers = range(first, min(first + 10_000, count + 1))
        store.append([Entry(n, payload % (n, n)) for n in numbers], {"mqtt": 0})
    store.reserve(count)
    store.close()


def endurance(folder: Path, port: int, frames: int = 100_000) -> Part:
    """Many frames with every port open: does memory grow, once the rings that are bounded are full?

    The largest is that of the scores for `edged why`.
    """
    part = Part(f"{frames:,} frames")
    filling = frames // 2
    bundled = material.bundled()
    scenes = [still(scene) for scene in material.two_scenes()]
    memory: list[tuple[float, float]] = []
    with rig(folder, bundled, "", port, text=lamp(bundled)) as bench:
        for number in range(filling + frames):
            bench.frame(scenes[number // 50 % 2])
            if number % (frames // 100) == 0:
                memory.append((float(number), memory_mb()))
    settled = [(at, mb) for at, mb in memory if at >= filling]
    at, mb = zip(*settled, strict=True)
    slope = float(np.polyfit(at, mb, 1)[0]) * frames
    part.figures["rss_growth_mb"] = slope
    part.judge(
        f"RSS growth over {frames:,} frames (after {filling:,}, which fill bounded rings)",
        slope,
        " MB",
        1.0,
    )
    curves = {"RSS": [(at / 1000, mb) for at, mb in memory]}
    part.plots.append(Plot("endurance", "Memory over frames", "thousand frames", "MB", curves))
    return part
