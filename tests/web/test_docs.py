"""The examples of the pages on APIs, metrics and the action, as they are written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.cli.parser import parse
from tests.web.screenshots import running
from tests.web.serving import Serving, serving

ROOT = Path(__file__).parents[2]
PORT = "127.0.0.1:8080"


def examples(page: str) -> list[tuple[str, str, str]]:
    """(language, text, the JSON that follows it or nothing), in the order of the page."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"^```(sh|python|json)\n(.*?)^```", text, re.S | re.M)
    found = []
    for number, (language, block) in enumerate(blocks):
        following = blocks[number + 1] if number + 1 < len(blocks) else ("", "")
        if language != "json":
            found.append((language, block, following[1] if following[0] == "json" else ""))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with the picture of the examples."""
    shutil.copy(ROOT / "tests" / "pictures" / "cat.jpg", tmp_path)
    return tmp_path


@pytest.fixture
def web(folder: Path) -> Iterator[Serving]:
    with serving(folder, "web") as process:
        yield process


@pytest.fixture
def action(folder: Path) -> Iterator[Serving]:
    with serving(folder, "action") as process:
        yield process


def run(process: Serving, folder: Path, command: str) -> str:
    done = subprocess.run(
        ["sh", "-c", command.replace(PORT, process.address)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_model_apis_answer_as_their_page_says(web: Serving, folder: Path) -> None:
    tried = examples("api.md")
    assert len(tried) >= 7
    for language, text, answer in tried:
        if language == "sh":
            assert json.loads(run(web, folder, text)) == json.loads(answer), text


def test_tritons_client_does_what_the_page_says(
    web: Serving, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    monkeypatch.chdir(folder)
    (text,) = (text for language, text, _ in examples("api.md") if language == "python")
    exec(compile(text.replace(PORT, web.address), "api.md", "exec"), {})  # noqa: S102


def test_the_page_on_metrics_names_what_there_is(web: Serving, folder: Path) -> None:
    ((_, command, _),) = examples("metrics.md")
    told = run(web, folder, command)
    assert "\nedged_up 0.0\n" in told
    named = set(re.findall(r"`(edged_\w+)", (ROOT / "docs" / "metrics.md").read_text()))
    source = (ROOT / "edged" / "web" / "metrics.py").read_text()
    for name in named - {"edged_web_process_"}:
        plain = re.sub(r"_(total|info)$", "", name)
        assert f'"{plain}"' in source, name


def test_the_page_on_the_web_shows_lines_that_work(folder: Path) -> None:
    lines = [
        line
        for _, text, _ in examples("web.md")
        for line in text.splitlines()
        if f"http://{PORT}" in line
    ]
    assert len(lines) == 2
    with running() as address:
        still, switched = (
            subprocess.run(
                ["sh", "-ec", line.replace(f"http://{PORT}/", address)],
                cwd=folder,
                capture_output=True,
                check=True,
            )
            for line in lines
        )
    assert still.stdout == b""
    assert (folder / "porch.jpg").read_bytes().startswith(b"\xff\xd8")
    assert json.loads(switched.stdout) == {"type": "output", "name": "lamp", "value": 1.0}


def test_the_action_answers_as_its_page_says(action: Serving, folder: Path) -> None:
    start, *calls = examples("openwhisk.md")
    assert parse(start[1].split()[1:]).port == 8080
    assert len(calls) == 3
    for _, text, answer in calls:
        assert json.loads(run(action, folder, text)) == json.loads(answer), text
