"""Whole processes: start, memory, commands, files, CPU."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks import configuration, material
from benchmarks.results import Part, Row, Table, Times
from edged.ports.control.client import ControlClient

ROUNDS = 12
IDLE_FPS = 10.0
PUBLISHED_WARM_MS = 316.0
PUBLISHED_COLD_MS = 1260.0
"""Published for a serverless TensorFlow.js action that classifies one picture with MobileNet."""

CORE_W = 6.0
"""Assumed electrical power of one busy core with its share of the machine."""

KWH_EUROS = 0.30
CORE_HOUR_EUROS = 0.02
"""Assumed prices: energy at home, and one rented core for an hour."""

LIMIT_S = 60.0

EDGED = str(Path(sys.executable).with_name("edged"))
"""The command as people and systemd start it."""


def environment(**more: str) -> dict[str, str]:
    """As an installed edged has it: with compiled bytecode, and output that is buffered."""
    unset = ("OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    return {**{key: value for key, value in os.environ.items() if key not in unset}, **more}


class Child:
    """A process that tells, as a service tells systemd, when each camera's frames come.

    ``started_s`` is how long it took until all `cameras` of them had their first frame classified.
    """

    def __init__(self, command: Sequence[str], notify_path: Path, cameras: int = 1) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(notify_path))
            notify.settimeout(LIMIT_S)
            began_s = time.perf_counter()
            self.process = subprocess.Popen(
                command,
                env=environment(
                    NOTIFY_SOCKET=str(notify_path), RUNTIME_DIRECTORY=str(notify_path.parent)
                ),
                stderr=subprocess.DEVNULL,
            )
            for _ in range(cameras):
                while b"READY=1" not in notify.recv(4096):
                    pass
            self.started_s = time.perf_counter() - began_s
        notify_path.unlink()

    def memory(self) -> tuple[float, float]:
        """Resident and proportional set size in MB (10^6 bytes)."""
        return memory(self.process.pid)

    def cpu_s(self) -> float:
        """Processor seconds used so far, of all threads."""
        return cpu_s(self.process.pid)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_S)


class Daemon(Child):
    """``edged run`` as a child, with more `options` where they are given."""

    def __init__(self, folder: Path, name: str, text: str, options: Sequence[str] = ()) -> None:
        self.config = configuration.write(folder, name, text)
        self.socket = configuration.socket_of(self.config)
        command = [EDGED, "run", "--config", str(self.config), *options]
        super().__init__(command, self.config.with_suffix(".notify"))


@contextmanager
def daemon(folder: Path, name: str, text: str, overrides: Sequence[str] = ()) -> Iterator[Daemon]:
    """A running `Daemon` whose first frame has been classified."""
    options = [part for override in overrides for part in ("--set", override)]
    running = Daemon(folder, name, text, options)
    try:
        yield running
    finally:
        running.stop()


def start(folder: Path, port: int) -> Part:
    """Process start to the first classification, and memory, beside the bare script."""
    part = Part("Start and memory")
    model, labels = material.reference()
    text = configuration.sensor(folder, port)
    alone = configuration.still(folder) + configuration.model(model, labels)
    bare_s, whole_s, alone_s, bare_mb, whole_mb, alone_mb = [], [], [], [], [], []
    for number in range(ROUNDS + 1):
        took_s, memory_mb, _ = bare("litert", model)
        with daemon(folder, f"start{number}", text) as running:
            time.sleep(2.0)
            both_mb, both_s = running.memory()[0], running.started_s
        with daemon(folder, f"alone{number}", alone, ['gpio.factory="none"']) as running:
            time.sleep(0.5)
            one_mb, one_s = running.memory()[0], running.started_s
        if number:
            bare_s.append(took_s)
            whole_s.append(both_s)
            alone_s.append(one_s)
            bare_mb.append(memory_mb)
            whole_mb.append(both_mb)
            alone_mb.append(one_mb)
    ratio = float(np.median(whole_s) / np.median(bare_s))
    more_mb = float(np.median(whole_mb) - np.median(bare_mb))
    part.figures.update(start_ratio=ratio, memory_above_bare_mb=more_mb)
    part.judge(
        "process start → first classification, over the bare script",
        ratio,
        "",
        1.8,
        f"{np.median(whole_s) * 1e3:.0f} ms over {np.median(bare_s) * 1e3:.0f} ms, medians of "
        f"{ROUNDS}; without MQTT and GPIO {np.median(alone_s) / np.median(bare_s):.2f}",
    )
    more = f"{np.median(whole_mb):.0f} MB; without MQTT and GPIO {np.median(alone_mb):.0f} MB"
    part.judge("RSS with MQTT and GPIO above the bare script", more_mb, " MB", 30.0, more)
    part.notes.append(
        "The bare script imports numpy and the runtime, loads the model and invokes it once; "
        "edged reads its configuration, opens pins, control socket and camera, loads model and "
        "labels, decodes, classifies, decides. Memory is looked at two seconds later, with the "
        "broker connected. Both run with compiled bytecode."
    )
    return part


def bare(
    name: str,
    model: Path,
    *,
    python: str = "",
    threads: int = 1,
    xnnpack: bool = True,
    runs: int = 1,
    weight_cache: str = "",
) -> tuple[float, float, dict[str, Any]]:
    """The bare script: seconds to its answer, its RSS in MB, and the answer."""
    script = Path(__file__).with_name("bare.py")
    command = [python or sys.executable, str(script), name, str(model)]
    command += [str(threads), str(int(xnnpack)), str(runs), weight_cache]
    began_s = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(TF_CPP_MIN_LOG_LEVEL="2"),
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        took_s = time.perf_counter() - began_s
        if not line:
            raise RuntimeError(f"{command[0]}: {name} does not run here")
        memory_mb = memory(process.pid)[0]
        process.communicate()
    return took_s, memory_mb, json.loads(line)


def commands(folder: Path, port: int) -> Part:
    """``edged snapshot`` against the running daemon."""
    part = Part("Commands")
    with daemon(folder, "commands", configuration.sensor(folder, port)) as running:
        time.sleep(1.0)
        took_s = [
            _run(["snapshot", "--config", str(running.config), "--out", str(folder / "s.jpg")])[0]
            for _ in range(ROUNDS + 1)
        ][1:]
    times = Times.of_seconds(took_s)
    part.figures["snapshot_p50_ms"] = times.p50
    part.judge("`edged snapshot`, whole process, p50", times.p50, " ms", 150.0)
    return part


def files(folder: Path) -> Part:
    """A thousand JPEG files through ``edged classify``, and one in a process of its own."""
    part = Part("A thousand pictures")
    model, labels = material.reference()
    pictures = folder / "thousand"
    pictures.mkdir()
    material.jpeg_files(pictures, 1000)
    options = ["--json", "--model", str(model), "--threads", "1"]
    if labels:
        options += ["--labels", labels]
    took_s, usage, output = _run(["classify", *options, str(pictures)])
    answers = [json.loads(line)["stages_ms"] for line in output.splitlines()]
    for answer in answers:
        answer["total"] = sum(answer.values())
    lines = []
    for stage in answers[0]:
        values = [answer[stage] for answer in answers]
        lines.append(
            (
                stage,
                *(f"{np.percentile(values, p):.3f}" for p in (50, 90, 99)),
                f"{np.mean(values):.3f}",
            )
        )
    totals = [answer["total"] for answer in answers]
    warm_ms, p99_ms = float(np.mean(totals)), float(np.percentile(totals, 99))
    cold_s = [_run(["classify", *options, str(pictures / "0000.jpg")])[0] for _ in range(ROUNDS)]
    cold_ms = float(np.median(cold_s)) * 1e3
    cpu_s = usage.ru_utime + usage.ru_stime
    joules = cpu_s * CORE_W
    part.tables.append(
        Table("1,000 JPEG files", ("stage", "p50 ms", "p90 ms", "p99 ms", "mean ms"), lines)
    )
    part.figures.update(
        classify_warm_mean_ms=warm_ms, classify_warm_p99_ms=p99_ms, classify_cold_ms=cold_ms
    )
    for what, figure_ms, published_ms in (
        ("1,000 JPEG files, warm mean with decode", warm_ms, PUBLISHED_WARM_MS),
        ("1,000 JPEG files, cold start of one", cold_ms, PUBLISHED_COLD_MS),
    ):
        factor = published_ms / figure_ms
        part.rows.append(
            Row(
                what,
                f"{figure_ms:.1f} ms: {factor:.1f}× faster than {published_ms:g} ms",
                "≥ 10× faster",
                factor >= 10,
            )
        )
    part.rows.append(Row("1,000 JPEG files, p99", f"{p99_ms:.1f} ms"))
    part.rows.append(Row("memory of that process, peak", f"{usage.ru_maxrss / 976.6:.0f} MB"))
    part.rows.append(
        Row(
            "cost of 1,000 pictures",
            f"{took_s:.1f} s, {cpu_s:.1f} CPU s, {joules:.0f} J, "
            f"{joules / 3.6e6 * KWH_EUROS * 100:.5f} cent of energy, "
            f"{cpu_s / 3600 * CORE_HOUR_EUROS * 100:.4f} cent rented",
        )
    )
    part.notes.append(
        f"Assumed: {CORE_W:g} W for a busy core and its share of the machine, {KWH_EUROS:.2f} € a "
        f"kWh, {CORE_HOUR_EUROS:.2f} € a rented core hour. 316 ms and 1260 ms are published for a "
        "serverless TensorFlow.js action, on its provider's machines: not measured here."
    )
    return part


def idle(folder: Path, port: int) -> Part:
    """CPU at ten frames a second, and while nothing moves before the sensor."""
    part = Part("CPU at 10 frames a second, and idle")
    # A rule that holds keeps the loop awake: here none ever does.
    text = configuration.sensor(folder, port, fps=IDLE_FPS, enter=1.0)
    shares = {}
    for name, overrides in (
        ("awake", []),
        ("still", ["idle.still=true"]),
        ("gated", ["idle.after_s=0.5"]),
    ):
        with daemon(folder, name, text, overrides) as running:
            time.sleep(2.0)
            before_s, began_s = running.cpu_s(), time.monotonic()
            time.sleep(10.0)
            shares[name] = (running.cpu_s() - before_s) / (time.monotonic() - began_s) * 100
            lags = [_wake_lag(running.socket) for _ in range(10)] if name == "gated" else []
    still = 100 * shares["still"] / shares["awake"]
    saved = 100 * (1 - shares["gated"] / shares["awake"])
    part.rows.append(Row("CPU at 10 frames a second", f"{shares['awake']:.1f} % of a core"))
    part.rows.append(
        Row("CPU at 10 frames a second, still scene", f"{shares['still']:.1f} % of a core")
    )
    part.rows.append(Row("CPU, gated by a motion sensor", f"{shares['gated']:.1f} % of a core"))
    part.rows.append(Row("gating saves", f"{saved:.0f} %", "≥ 80 %", saved >= 80))
    frames = max(lags)
    part.rows.append(
        Row("frames between wake and the first classified", f"{frames}", "≤ 1", frames <= 1)
    )
    part.figures.update(
        cpu_awake_percent=shares["awake"], cpu_still_percent=still, gating_saves_percent=saved
    )
    return part


def _wake_lag(path: Path) -> int:
    """How many frames came after a wake before the first that was classified."""
    time.sleep(1.2)
    client = ControlClient(path)
    if not client.ask("status")[0]["data"]["idle"]:
        raise RuntimeError("the daemon does not idle")
    messages = client.watch()
    captured: list[datetime] = []

    def wait() -> None:
        first = next(message for message in messages if message["type"] == "classification")
        captured.append(msgspec.convert(first["captured"], datetime))

    # It connects with the first message that it waits for.
    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    time.sleep(0.3)
    woken = datetime.now(timezone.utc)
    client.ask("wake")
    waiter.join(LIMIT_S)
    lag_s = (captured[0] - woken).total_seconds()
    return max(0, int(lag_s * IDLE_FPS))


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used so far, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> tuple[float, float]:
    kilobytes = {"Rss:": 0, "Pss:": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        words = line.split()
        if words[0] in kilobytes:
            kilobytes[words[0]] = int(words[1])
    return kilobytes["Rss:"] * 1.024e-3, kilobytes["Pss:"] * 1.024e-3


def _run(arguments: list[str]) -> tuple[float, Any, str]:
    """Seconds, resources used and output of an edged command."""
    command = [EDGED, *arguments]
    began_s = time.perf_counter()
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took_s = time.perf_counter() - began_s
    if process.returncode:
        raise RuntimeError(f"edged {arguments[0]} ended with {process.returncode}")
    with suppress(ChildProcessError):
        process.wait()
    return took_s, usage, output
