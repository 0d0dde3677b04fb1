"""The model APIs and the action, beside the bare invoke and a plain Flask server."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import configuration, material
from benchmarks.process import (
    EDGED,
    LIMIT_S,
    PUBLISHED_COLD_MS,
    PUBLISHED_WARM_MS,
    bare,
    cpu_s,
    daemon,
    environment,
    memory,
)
from benchmarks.results import Part, Row, Table, Times
from edged.imaging.picture import jpeg
from edged.ports.control.client import ControlClient

CLIENTS = (1, 8, 64)
SECONDS = 6.0
CALLS = 1000
COLD_CALLS = 20
INVOKES = 400
VIEWERS = 20
HEALTH_S, HEALTHS = 5.0, 3
MAX_WARM_MS, MAX_COLD_MS = 800.0, 4800.0
"""Measured for IBM's container of the same kind of model."""


SMALL = "`/model/predict`, a picture of the model's size"
LARGE = "`/model/predict`, 1920x1080"
BINARY = "V2, pixels after the JSON"


class Rate(NamedTuple):
    """What a number of clients got, and what a request took of a core on either side."""

    clients: int
    a_second: float
    times: Times
    server_ms: float
    client_ms: float


def measure(folder: Path, port: int) -> Part:
    """Requests a second, memory, a frame beside them, and a thousand calls of the action."""
    del port
    part = Part("The model APIs")
    model, labels = material.reference()
    port = _free_port()
    text = configuration.model(model, labels) + f"[web]\nport = {port}\n"
    config = configuration.write(folder, "web", text)
    cores = len(os.sched_getaffinity(0))
    one, every = [_bare_rate(model, 1)], [_bare_rate(model, cores)]
    with _server([EDGED, "web", "--config", str(config)], port) as server:
        before_mb = memory(server.pid)[0]
        requests = _requests(folder, port, model)
        found = {name: _loads(server.pid, port, request) for name, request in requests.items()}
        after_mb = memory(server.pid)[0]
    one.append(_bare_rate(model, 1))
    flask_port = _free_port()
    script = Path(__file__).with_name("flask_server.py")
    with _server([sys.executable, str(script), str(model), str(flask_port)], flask_port) as flask:
        for name in (SMALL, LARGE):
            found[f"Flask, {name}"] = _loads(flask.pid, flask_port, requests[name])
    one.append(_bare_rate(model, 1))
    every.append(_bare_rate(model, cores))
    bare_a_second, most_a_second = max(one), max(every)
    lines: list[tuple[str, ...]] = [
        ("bare invoke, one thread", "-", f"{bare_a_second:.0f}", "-", "-", "1.00", "-", "-"),
        (
            f"bare invoke, one process on each of {cores} cores",
            *("-", f"{most_a_second:.0f}", "-", "-", f"{most_a_second / bare_a_second:.2f}"),
            *("-", "-"),
        ),
    ]
    lines += [_line(name, rate, bare_a_second) for name in found for rate in found[name]]
    part.tables.append(
        Table(
            "Requests over HTTP",
            (
                *("what", "clients", "a second", "p50 ms", "p99 ms", "of the bare invoke's rate"),
                *("CPU ms a request: server", "client"),
            ),
            lines,
        )
    )
    best = {name: max(rate.a_second for rate in rates) for name, rates in found.items()}
    for key, name in (("predict", SMALL), ("v2", BINARY)):
        share = best[name] / bare_a_second
        part.figures[f"web_{key}_share_of_bare"] = share
        part.rows.append(
            Row(f"{name}: rate over the bare invoke's", f"{share:.2f}", "≥ 0.9", share >= 0.9)
        )
    for key, name in (("small", SMALL), ("large", LARGE)):
        flask_a_second = best[f"Flask, {name}"]
        factor, most = best[name] / flask_a_second, most_a_second / flask_a_second
        part.figures.update({f"web_{key}_over_flask": factor, f"bare_over_flask_{key}": most})
        part.rows.append(
            Row(
                f"{name}: rate over that of Flask",
                f"{factor:.1f} ({most:.1f} would be the bare invoke on all cores)",
                "≥ 3",
                factor >= 3,
            )
        )
    part.figures.update(web_rss_mb=before_mb, web_predict_rss_mb=after_mb)
    part.rows.append(
        Row("RSS of `edged web`", f"{before_mb:.0f} MB; {after_mb:.0f} MB once it predicts")
    )
    part.notes.append(
        "Clients are one process on the same cores, each with a connection of its own. Flask is "
        "its own server (Werkzeug, a thread for each connection, which ends with the answer) "
        "around one interpreter with its default threads, Pillow and numpy, as people write it "
        "first. The bare invoke is the fastest of three runs of one thread; `edged web` uses two "
        "where the machine has two cores."
    )
    _frames(part, folder, requests[BINARY])
    _action(part, folder, model, labels)
    return part


def _frames(part: Part, folder: Path, request: Path) -> None:
    """A frame of the daemon, alone and while viewers and clients keep the web process busy."""
    model, labels = material.reference()
    port = _free_port()
    text = configuration.still(folder) + configuration.model(model, labels)
    text = text.replace("[mqtt]", f"[mqtt]\nhealth_s = {HEALTH_S}") + f"[web]\nport = {port}\n"
    with daemon(folder, "frames", text) as running:
        alone_ms = _frame_p99_ms(running.socket)
        with (
            _server([EDGED, "web", "--config", str(running.config)], port),
            ExitStack() as watching,
        ):
            for _ in range(VIEWERS):
                viewer = watching.enter_context(socket.create_connection(("127.0.0.1", port)))
                viewer.sendall(b"GET /live/picture.mjpeg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                threading.Thread(target=_look, args=(viewer,), daemon=True).start()
            seconds = HEALTH_S * (HEALTHS + 2)
            command = _load_command(port, request, CLIENTS[-1], seconds)
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as clients:
                busy_ms = _frame_p99_ms(running.socket)
                clients.terminate()
    part.figures["web_frame_p99_ratio"] = busy_ms / alone_ms
    part.judge(
        f"a frame's p99 with {VIEWERS} viewers and {CLIENTS[-1]} clients, over that without",
        busy_ms / alone_ms,
        "",
        1.3,
        f"{busy_ms:.1f} ms over {alone_ms:.1f} ms",
    )


def _look(viewer: socket.socket) -> None:
    with suppress(OSError):
        while viewer.recv(1 << 16):
            pass


def _frame_p99_ms(path: Path) -> float:
    """Median of some intervals' 99th percentile, from capture to decision; the first is left out.

    A whole interval lies between two messages, and the first began before it was asked.
    """
    messages = ControlClient(path).watch()
    healths = (message for message in messages if message["type"] == "health")
    found = [message["stages_ms"]["latency"]["p99"] for message in islice(healths, HEALTHS + 1)]
    return float(np.median(found[1:]))


def _line(name: str, rate: Rate, bare_a_second: float) -> tuple[str, ...]:
    return (
        name,
        str(rate.clients),
        f"{rate.a_second:.0f}",
        f"{rate.times.p50:.2f}",
        f"{rate.times.p99:.2f}",
        f"{rate.a_second / bare_a_second:.2f}",
        f"{rate.server_ms:.2f}",
        f"{rate.client_ms:.2f}",
    )


def _bare_rate(model: Path, processes: int) -> float:
    """Invokes a second of so many bare scripts of one thread at once."""

    def rate(number: int) -> float:
        del number
        durations_s: list[float] = bare("litert", model, runs=INVOKES)[2]["durations_s"][10:]
        return len(durations_s) / sum(durations_s)

    with ThreadPoolExecutor(processes) as pool:
        return sum(pool.map(rate, range(processes)))


def _requests(folder: Path, port: int, model: Path) -> dict[str, Path]:
    """Whole requests as files, by what they ask."""
    status, told = _get(port, f"/v2/models/{model.stem}")
    if status != 200:
        raise RuntimeError(f"the model is not there: {told}")
    _, height, width, _ = told["inputs"][0]["shape"]
    pixels = _picture(height, width)
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "image",
                    "shape": [1, height, width, 3],
                    "datatype": "UINT8",
                    "parameters": {"binary_data_size": pixels.nbytes},
                }
            ],
            "outputs": [{"name": "scores", "parameters": {"binary_data": True}}],
        }
    ).encode()
    binary = {"Inference-Header-Content-Length": str(len(head))}
    kind, form = _form(jpeg(pixels, 90))
    form_is = {"Content-Type": kind}
    return {
        SMALL: _written(folder / "small", "/model/predict", form, form_is),
        LARGE: _written(
            folder / "large", "/model/predict", _form(material.full_hd_jpeg())[1], form_is
        ),
        BINARY: _written(
            folder / "v2", f"/v2/models/{model.stem}/infer", head + pixels.tobytes(), binary
        ),
    }


def _picture(height: int, width: int) -> Any:
    return material.sized(material.two_scenes()[0], width, height)


def _form(image: bytes) -> tuple[str, bytes]:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
    return "multipart/form-data; boundary=b", head + image + b"\r\n--b--\r\n"


def _written(path: Path, target: str, body: bytes, headers: dict[str, str]) -> Path:
    lines = [f"POST {target} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    path.write_bytes("\r\n".join([*lines, "", ""]).encode() + body)
    return path


def _loads(server: int, port: int, request: Path) -> list[Rate]:
    return [_load(server, port, request, clients) for clients in CLIENTS]


def _load(server: int, port: int, request: Path, clients: int) -> Rate:
    """What `clients` get in `SECONDS` of the process `server`, after a second to become warm."""
    for seconds in (1.0, SECONDS):
        before_s = cpu_s(server)
        command = _load_command(port, request, clients, seconds)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{request.name}: {clients} clients were not served")
    told = json.loads(done.stdout)
    durations_s = told["durations_s"]
    count = len(durations_s)
    return Rate(
        clients,
        count / told["took_s"],
        Times.of_seconds(durations_s),
        (cpu_s(server) - before_s) / count * 1e3,
        told["cpu_s"] / count * 1e3,
    )


def _load_command(port: int, request: Path, clients: int, seconds: float) -> list[str]:
    script = Path(__file__).with_name("load.py")
    return [sys.executable, str(script), str(port), str(request), str(clients), str(seconds)]


@contextmanager
def _server(command: Sequence[str], port: int, log: int = subprocess.DEVNULL) -> Iterator[Any]:
    process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_s = time.monotonic() + LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > give_up_s:
                raise RuntimeError(f"nothing listens at port {port}") from None
            time.sleep(0.005)
        else:
            return


def _action(part: Part, folder: Path, model: Path, labels: str) -> None:
    """A thousand calls of one container, and the first call of many."""
    pictures = folder / "thousand"
    pictures.mkdir()
    material.jpeg_files(pictures, CALLS)
    bodies = [
        json.dumps({"value": {"image": base64.b64encode(path.read_bytes()).decode()}}).encode()
        for path in sorted(pictures.iterdir())
    ]
    options = ["--model", str(model), *(["--labels", labels] if labels else [])]
    cold_s = []
    for body in bodies[:COLD_CALLS]:
        port = _free_port()
        began_s = time.perf_counter()
        with _server([EDGED, "action", "--port", str(port), *options], port) as process:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
            _call(connection, "/init", b"{}")
            _call(connection, "/run", body)
            cold_s.append(time.perf_counter() - began_s)
            connection.close()
    port = _free_port()
    with _server([EDGED, "action", "--port", str(port), *options], port) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        _call(connection, "/init", b"{}")
        warm_s = [_call(connection, "/run", body) for body in bodies]
        connection.close()
        rss_mb = memory(process.pid)[0]
    warm, cold = Times.of_seconds(warm_s), Times.of_seconds(cold_s)
    warm_ms, cold_ms = float(np.mean(warm.ms)), float(np.mean(cold.ms))
    part.figures.update(action_warm_ms=warm_ms, action_cold_ms=cold_ms, action_rss_mb=rss_mb)
    for what, figure_ms, published_ms, max_ms in (
        (f"action, {CALLS:,} calls warm, mean", warm_ms, PUBLISHED_WARM_MS, MAX_WARM_MS),
        (f"action, {COLD_CALLS} calls cold, mean", cold_ms, PUBLISHED_COLD_MS, MAX_COLD_MS),
    ):
        part.rows.append(
            Row(
                what,
                f"{figure_ms:.1f} ms",
                f"≤ {published_ms:g} ms (and MAX's {max_ms:g} ms)",
                figure_ms <= published_ms,
            )
        )
    part.rows.append(Row("action, p99 warm", f"{warm.p99:.1f} ms"))
    part.rows.append(Row("action, RSS after them", f"{rss_mb:.0f} MB"))


def _call(connection: http.client.HTTPConnection, path: str, body: bytes) -> float:
    began_s = time.perf_counter()
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200 or b'"error"' in content:
        raise RuntimeError(f"{path}: {answer.status} {content[:200]!r}")
    return time.perf_counter() - began_s


def _get(port: int, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
