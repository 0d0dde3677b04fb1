"""Every shell command in README and docs is typed as it stands, or listed here with why not."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from edged import paths
from edged.cli import main
from edged.imaging.picture import jpeg
from edged.models import catalog, pins
from edged.review.folder import Folder
from tests.evaluation.conftest import paint
from tests.inference.builder import colours
from tests.review.made import kept, noise
from tests.test_docs import PAGES, ROOT, blocks
from tests.tuning.made import recorded
from tests.why.made import keeping

ELSEWHERE = {
    r"sudo (apt|make|systemctl|systemd-\w+|install|usermod|adduser)\b": "changes the system",
    r"sudoedit ": "opens an editor",
    r"\[ -e \S+ \] \|\| sudo install ": "changes the system",
    r"git ": "changes the checkout",
    r"(sudo )?journalctl ": "needs the service",
    r"make run$": "runs until it is stopped",
    r"make \.venv/": "installs packages",
    r"make (bench|bench-arm|conformance|lint|check)\b": "takes minutes",
    r"mosquitto_(sub|pub) ": "needs a broker: tests/ports/mqtt",
    r"(rpicam-hello|v4l2-ctl|ls /dev/v4l/) ?": "needs a camera",
    r"curl ": "needs a camera in the network, or edged web: tests/web/test_docs.py",
    r"edged (web|action)\b": "runs until it is stopped: tests/web",
    r'(-d |\\")': "goes on from the line before",
    r"ssh ": "needs another machine",
    r"pip install ": "installs packages",
    r"openssl rand ": "makes a secret",
    r"(sudo )?age(-keygen)? ": "changes the system: tests/test_encrypted_models.py",
    r"edged run ": "runs until it is stopped: tests/test_daemon.py",
    r"(sudo )?edged (--camera garden )?status( --config my.toml)?$": "asks a running daemon: "
    "tests/test_daemon.py",
    r"edged (watch|set-output lamp 1)( --config my.toml)?$": "asks a running daemon: "
    "tests/test_daemon.py",
    r"edged teach ": "needs a real model: tests/cli/test_teach.py",
    r"edged snapshot --set camera\.source=rtsp:": "needs a camera in the network",
    r"edged run --set camera\.source=porch\.rec": "runs until it is stopped",
    r"edged record porch\.rec": "records for an hour: tests/cli/test_record.py",
    r"edged record film\.rec": "needs a film: tests/cli/test_record.py",
    r"edged models (fetch|labels) mobilenet_v2": "fetches from GitHub: tests/cli/test_labels.py",
    r"edged models use ": "asks a running daemon: tests/test_swap.py",
    r"python docs/examples/consumer\.py": "runs until it is stopped: tests/ports/mqtt",
    r"edged teach --normal": "needs a model with an activation map: tests/cli/test_teach_normal.py",
    r"edged doctor\b": "finds what this machine lacks: tests/cli/test_doctor.py",
    r"edged review --teach": "needs a real model: tests/cli/test_review.py",
    r"edged models evaluate my\.tflite --config edged\.toml --data set": (
        "needs a model with these labels: tests/review/test_export.py"
    ),
    r"edged models unknown ": "needs more pictures than are here: tests/cli/test_unknown.py",
    r"edged models quantize ": "needs TensorFlow: tests/evaluation/test_quantization.py",
}
"""Commands that do not run here, and why or where they do."""

PROGRAMS = r"(\.venv/bin/\w+|edged|sudo|make|git|curl|python|mosquitto_\w+) "


def commands(page: Path) -> Iterator[str]:
    """What the shell blocks of a page say to type, and its indented lines that begin so."""
    language: str | None = None
    for line in page.read_text().splitlines():
        if fence := re.match(r"\s*```(\w*)", line):
            language = fence[1] if language is None else None
            continue
        text = re.sub(r"\s#.*", "", line).strip()
        shell = language == "sh" or (language == "" and re.match(PROGRAMS, text))
        if text and (shell or (language is None and re.match(f"    {PROGRAMS}", line))):
            yield text.replace(".venv/bin/edged", "edged").replace(".venv/bin/python", "python")


PAGES_WITH_COMMANDS = [page for page in PAGES if any(commands(page))]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with all that the examples name."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "EDGED_MODELS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("EDGED_CONFIG", raising=False)
    monkeypatch.setattr(paths, "CONFIGURATIONS", tmp_path / "etc")
    monkeypatch.chdir(tmp_path)
    for name in ("tests", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("MODEL", "NEW", "OLD"):
        colours(tmp_path / f"{name}.tflite", "uint8")
        (tmp_path / f"{name}.txt").write_text("cat\ndog\nbird\n")
    for label, colour in (("cat", (255, 0, 0)), ("dog", (0, 255, 0)), ("bird", (0, 0, 255))):
        for number in range(4):
            paint(tmp_path / "pictures" / label / f"{number}.png", colour, number)
    (tmp_path / "holiday").mkdir()
    for copy in ("cat.jpg", "holiday/cat.jpg"):
        shutil.copy(ROOT / "tests" / "pictures" / "cat.jpg", tmp_path / copy)
    recorded(tmp_path, "porch", seed=1, minutes=2.0)
    (tmp_path / "porch.csv").rename(tmp_path / "marks.csv")
    (tmp_path / "cat.toml").write_text('[[rule]]\nname = "cat"\nlabels = ["cat"]\n')
    with keeping(tmp_path / "XDG_STATE_HOME" / "edged" / "events-porch.db") as (loop, _):
        loop.frames(0.1, 0.9, 0.1)
    pictures = Folder(tmp_path / "XDG_STATE_HOME" / "edged" / "events-porch.db.review")
    with pictures.locked():
        for number in range(1, 20):
            pictures.add(kept(), jpeg(noise(number), 90))
    (tmp_path / "gate.toml").write_text("[overall]\ntop1_min = 0.5\n")
    (tmp_path / "etc").mkdir()
    first, *_ = blocks(ROOT / "README.md", "toml")
    for name in ("my.toml", "edged.toml", "etc/edged.toml", "etc/garden.toml"):
        (tmp_path / name).write_text(first)
    return tmp_path


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which `edged models fetch person` takes a small model of two classes."""
    known = catalog.load()
    person = known.meant("person")
    assert person is not None
    (tmp_path / "mirror").mkdir()
    file = colours(tmp_path / "mirror" / Path(person.url).name, "uint8")
    made = replace(person, sha256=pins.sha256(file), bytes=file.stat().st_size)
    lines = [*known.labels[person.labels].lines, "neither"]
    labels = {**known.labels, person.labels: replace(known.labels[person.labels], lines=lines)}
    others = [model for model in known.model if model != person]
    faked = replace(known, labels=labels, model=[made, *others])
    monkeypatch.setattr(catalog, "load", lambda: faked)
    return file.parent


def run(command: str, desk: Path, mirror: Path) -> int:
    """The exit status of a command that is typed at the `desk`."""
    words = shlex.split(command.removeprefix("sudo ").replace("/etc/edged", str(desk / "etc")))
    words = [f"{word}.tflite" if word in ("MODEL", "NEW", "OLD") else word for word in words]
    if words[:3] == ["edged", "models", "fetch"]:
        words += ["--from", str(mirror)]
    if words[0] == "python":
        return subprocess.run([sys.executable, *words[1:]], timeout=60, check=False).returncode
    assert words[0] == "edged", f"{command}: neither run nor listed in ELSEWHERE"
    return main(words[1:])


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.name)
def test_every_command_of_a_page_can_be_typed(
    page: Path, desk: Path, mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("edged models fetch person", desk, mirror) == 0
    for command in commands(page):
        if not any(re.match(pattern, command) for pattern in ELSEWHERE):
            assert run(command, desk, mirror) == 0, (command, capsys.readouterr().err)


def test_nothing_is_listed_that_no_page_says() -> None:
    said = [command for page in PAGES_WITH_COMMANDS for command in commands(page)]
    for pattern in ELSEWHERE:
        assert any(re.match(pattern, command) for command in said), pattern
