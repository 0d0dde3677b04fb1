"""Secrets in each file and address that takes one, through a whole run: they leave by no way.

Whatever the run has left on the disk, written, sent or shown
in the list of processes is searched.
"""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from edged.errors import EdgedError
from edged.paths import bundled_model
from edged.ports.control.client import ControlClient
from tests.mosquitto import Broker, Listener, broker, brokers, wait_until
from tests.web.serving import EDGED, free_port, serving

__all__ = ["broker", "brokers"]

PICTURES = Path(__file__).parent / "pictures"
KEY = str(pyrage.x25519.Identity.generate())

SECRETS = {
    "mqtt-user": "planted-mqtt-user-7q",
    "mqtt-password": "planted-mqtt-password-7q",
    "webhook-secret": "whsec_cGxhbnRlZC13ZWJob29rLXNlY3JldC03cQ==",
    "web-token": "planted-web-token-7q",
    "model-key": KEY,
}
"""By the name of the file that holds each."""

IN_ADDRESS = "planted-address-query-7q"
IN_ENVIRONMENT = "planted-environment-7q"

CONFIG = """\
device = "porch"
[camera]
kind = "directory"
source = "{pictures}/cat.jpg"
fps = 20
[model]
path = "{folder}/porch.tflite.age"
threads = 1
[decide]
smoothing_s = 0.0
enter = 0.3
exit = 0.1
[[rule]]
name = "cat"
labels = ["cat"]
[mqtt]
host = "127.0.0.1"
port = {port}
username_file = "{folder}/mqtt-user"
password_file = "{folder}/mqtt-password"
health_s = 0.2
[[webhook]]
name = "hook"
url = "http://127.0.0.1:9/x?token={query}"
secret_file = "{folder}/webhook-secret"
[journal]
path = "{folder}/journal"
[control]
socket = "{folder}/edged.sock"
[web]
token_file = "{folder}/web-token"
[log]
level = "debug"
"""


@pytest.fixture
def config(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret + "\n")
        (tmp_path / name).chmod(0o600)
    to = pyrage.x25519.Identity.from_str(KEY).to_public()
    encrypted = pyrage.encrypt(bundled_model().read_bytes(), [to])
    (tmp_path / "porch.tflite.age").write_bytes(encrypted)
    labels = bundled_model().with_name("edged-cifar10-int8.labels.txt")
    (tmp_path / "porch.txt").write_text(labels.read_text())
    path = tmp_path / "edged.toml"
    path.write_text(
        CONFIG.format(
            pictures=PICTURES,
            folder=tmp_path,
            port=broker.port,
            query=IN_ADDRESS,
        )
    )
    for name in ("STATE", "RUNTIME", "CACHE"):
        monkeypatch.setenv(f"{name}_DIRECTORY", str(tmp_path / name.lower()))
    (tmp_path / "runtime").mkdir()
    monkeypatch.setenv("EDGED_MODEL_KEY", str(tmp_path / "model-key"))
    monkeypatch.setenv("EDGED_DEVICE", "porch")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", IN_ENVIRONMENT)
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    return path


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if parent == pid:
            found += family(int(stat.parent.name))
    return found


def command_lines(pid: int) -> str:
    """As `ps` shows them to everybody on the machine."""
    lines = []
    for one in family(pid):
        try:
            lines.append(Path(f"/proc/{one}/cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


def page(address: str, path: str) -> str:
    request = urllib.request.Request(
        f"http://{address}{path}", headers={"Authorization": f"Bearer {SECRETS['web-token']}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return str(answer.headers) + answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return str(error.headers) + error.read().decode("utf-8", "replace")


def answered(client: ControlClient, command: str) -> str | None:
    try:
        return json.dumps(client.ask(command)[0])
    except (OSError, EdgedError):
        return None


def until(ask: Callable[[], str | None]) -> str:
    said: list[str] = []
    wait_until(lambda: (found := ask()) is not None and (said.append(found) or True), 60.0)
    return said[-1]


def run(*words: object, status: int | None = 0) -> str:
    """What a command says, which ends with this status (None: any)."""
    done = subprocess.run([EDGED, *map(str, words)], capture_output=True, timeout=90)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert status is None or done.returncode == status, text
    return text


@pytest.mark.timeout(300)
def test_no_way_out_of_a_run_has_a_secret(config: Path, broker: Broker, tmp_path: Path) -> None:
    said: dict[str, str] = {"effective": run("check-config", "--show", "--config", config)}
    with Listener(broker.port, "#") as listener, (tmp_path / "log").open("wb") as log:
        words = [EDGED, "run", "--config", config, "--trace", tmp_path / "trace.json"]
        daemon = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            client = ControlClient(tmp_path / "edged.sock", 30.0)
            said["status"] = until(lambda: answered(client, "status"))
            wait_until(lambda: any("/event" in one.topic for one in list(listener.messages.queue)))
            said["ps"] = command_lines(daemon.pid)
            at = ("--config", config)
            said["recorded"] = run("record", *at, "--seconds", "1", "--frames", tmp_path / "r.rec")
            said["events"] = run("events", *at, "--json")
            said["why"] = run("why", *at, "1", status=None)
            said["doctor"] = run(
                "doctor", *at, "--all", "--bundle", tmp_path / "bundle.tar.gz", status=None
            )
            with serving(tmp_path, "web", "--config", str(config), port=free_port()) as web:
                for path in ("/", "/api/v1/status", "/metrics", "/history", "/healthz", "/none"):
                    said[f"web {path}"] = page(web.address, path)
                said["ps of the web"] = command_lines(web.process.pid)
            daemon.send_signal(signal.SIGINT)
            daemon.wait(60)
            assert (tmp_path / "trace.json").stat().st_size

            # Once more, to be ended as the watchdog ends it: the stack of every thread is written.
            daemon = subprocess.Popen(words, stdout=log, stderr=log)
            until(lambda: answered(client, "status"))
            daemon.send_signal(signal.SIGABRT)
            assert daemon.wait(60) == -signal.SIGABRT
        finally:
            daemon.kill()
            daemon.wait(60)
        sent = list(listener.messages.queue)
    said["MQTT"] = "\n".join(
        f"{message.topic} {message.payload.decode('utf-8', 'replace')}" for message in sent
    )
    run("doctor", "--config", config, "--bundle", tmp_path / "after.tar.gz", status=None)
    for bundle in ("bundle.tar.gz", "after.tar.gz"):
        subprocess.run(["tar", "xzf", bundle, "--one-top-level"], cwd=tmp_path, check=True)

    given = {config, *(tmp_path / name for name in SECRETS)}
    for path in tmp_path.rglob("*"):
        if path.is_file() and path not in given:
            said[str(path.relative_to(tmp_path))] = path.read_bytes().decode("latin-1")

    secrets = {*SECRETS.values(), IN_ADDRESS, IN_ENVIRONMENT}
    assert {(way, one) for way, text in said.items() for one in secrets if one in text} == set()
    # What was searched was all there.
    assert "Fatal Python error: Aborted" in said["log"]
    assert {"trace.json", "r.rec", "after/edged-doctor/log.txt"} <= said.keys()
    assert all(said[way] for way in ("status", "ps", "MQTT", "web /", "doctor", "stderr"))
    assert "cat" in said["journal"]
