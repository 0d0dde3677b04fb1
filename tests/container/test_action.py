"""The image that the Containerfile makes, run and called as the platform does: `make container`."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto import wait_until
from tests.web.serving import LIMIT_S, Serving, free_port
from tests.web.test_openwhisk import END, INIT, Container, raw

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "container"
CAT = ROOT / "tests" / "pictures" / "cat.jpg"
NOBODY = 65534

pytestmark = [
    pytest.mark.skipif(
        shutil.which("buildah") is None or os.getuid() != 0 or not (OUT / "storage").exists(),
        reason="needs make container",
    ),
    pytest.mark.timeout(300),
]


def buildah(*words: str) -> list[str]:
    """The command line."""
    storage = ("--root", str(OUT / "storage"), "--runroot", str(OUT / "run"))
    return ["buildah", "--storage-driver", "vfs", *storage, *words]


def told(*words: str) -> str:
    done = subprocess.run(buildah(*words), capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """What the image says of itself."""
    inspected = json.loads(told("inspect", "--type", "image", "edged-action"))
    found: dict[str, Any] = inspected["OCIv1"]["config"]
    return found


def processes(port: int) -> list[Path]:
    """Those of the container: the programs whose command line names this port."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            owner = folder.stat().st_uid
        except OSError:
            continue
        if str(port).encode() in words and owner == NOBODY and words[0].endswith(b"/python3"):
            found.append(folder)
    return found


@contextmanager
def running(folder: Path, settings: dict[str, Any]) -> Iterator[Serving]:
    """A new container, its entry point at a free port of this machine."""
    container, port = told("from", "--pull-never", "edged-action"), free_port()
    entry = [*settings["Entrypoint"], "--listen", "127.0.0.1", "--port", str(port)]
    command = buildah("run", "--isolation", "chroot", container, "--", *entry)
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
    serving = Serving(port, process, folder)
    try:
        wait_until(lambda: listens(serving), LIMIT_S * 4)
        yield serving
    finally:
        for one in processes(port):
            os.kill(int(one.name), signal.SIGTERM)
        process.wait(LIMIT_S)
        told("rm", container)


def listens(serving: Serving) -> bool:
    assert serving.process.poll() is None, serving.log("stderr")
    try:
        serving.connect().close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture(scope="module")
def action(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any]) -> Iterator[Any]:
    with running(tmp_path_factory.mktemp("container"), settings) as serving:
        yield Container(serving)


def test_it_serves_all_addresses_at_the_port_of_openwhisk(settings: dict[str, Any]) -> None:
    assert settings["Cmd"] == ["--listen", "0.0.0.0"]  # noqa: S104 (what the platform calls)
    assert list(settings["ExposedPorts"]) == ["8080/tcp"]


def test_it_is_initialised_once_and_then_classifies(action: Container) -> None:
    image = base64.b64encode(CAT.read_bytes()).decode()
    assert action.post("/init", INIT) == (200, {"ok": True})
    status, answer = action.run({"image": image})
    assert (status, answer["results"][0]["className"]) == (200, "cat")
    assert action.post("/init", INIT)[0] == 403
    assert action.logged("stderr").endswith("more than once.\n")


def test_a_web_action_answers_as_max(action: Container) -> None:
    status, answer = action.run(raw("image/jpeg", CAT.read_bytes(), "topk=1"))
    assert (status, answer["statusCode"]) == (200, 200)
    assert [one["label"] for one in answer["body"]["predictions"]] == ["cat"]
    assert action.process.log("stdout").endswith(END)


def test_it_runs_as_nobody(action: Container) -> None:
    (process,) = processes(action.process.port)
    facts = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    assert facts["Uid"].split() == [str(NOBODY)] * 4
    assert int(facts["CapEff"], 16) == 0
