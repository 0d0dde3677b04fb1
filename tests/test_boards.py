"""Reports of boards, which strangers send."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import boards

REPORT = {
    "type": "board",
    "board": "Raspberry Pi 4 Model B Rev 1.5",
    "system": "Debian GNU/Linux 12 (bookworm)",
    "kernel": "6.12.25+rpt-rpi-v8",
    "python": "3.11.2",
    "edged": "0.2.0",
    "runtime": "ai-edge-litert 2.3.0",
    "features": "fp asimd evtstrm crc32 cpuid",
    "figures": {
        "frame/mobilenet/vga/invoke alone": 41.5,
        "frame/mobilenet/vga/whole": 42.25,
        "frame/bundled/vga/invoke alone": 4.25,
        "frame/bundled/vga/whole": 4.75,
        "start/edged run": 1520.0,
        "way/decision to pin": 0.4,
    },
    "findings": [{"id": "camera", "level": "ok"}],
}


def report(**other: object) -> bytes:
    return json.dumps({**REPORT, **other}).encode()


def test_a_report_becomes_a_row_for_each_model() -> None:
    table = boards.section([boards.decoded(report())])
    source = "edged 0.2.0, Python 3.11.2, ai-edge-litert 2.3.0"
    name = "Raspberry Pi 4 Model B Rev 1.5"
    assert (
        f"| {name} | MobileNetV2 1.0 224 int8 | 41.5 ms | 42.25 ms | 1520 ms | 0.4 ms | {source} |"
    ) in table
    assert f"| {name} | edged-cifar10-int8 | 4.25 ms | 4.75 ms | - | - | {source} |" in table
    assert "nothing was timed" not in table


def test_without_a_report_the_table_says_so() -> None:
    assert "On boards nothing was timed yet." in boards.section([])


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        report(type="bench"),
        report(board="a | b"),
        report(board="line\nbreak"),
        report(board="<script>"),
        report(board="x" * 101),
        report(figures={}),
        report(figures={"frame": -1.0}),
        report(figures={"frame": "fast"}),
        report(figures={"a|b": 1.0}),
    ],
)
def test_what_is_no_report_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        boards.decoded(wrong)


def test_the_table_replaces_the_one_before() -> None:
    page = f"# Benchmarks\n\n## Arm\n\n| a |\n\n{boards.section([])}"
    with_one = boards.put(page, [boards.decoded(report())])
    assert with_one.startswith("# Benchmarks\n\n## Arm\n\n| a |\n\nOn boards, in milliseconds.")
    assert boards.put(with_one, []) == page


def test_a_report_is_kept_under_the_name_of_its_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, good, bad = tmp_path / "page.md", tmp_path / "good.json", tmp_path / "bad.json"
    page.write_text(f"# Benchmarks\n\n{boards.section([])}")
    good.write_bytes(report())
    bad.write_bytes(b"{}")
    monkeypatch.setattr(boards, "PAGE", page)
    monkeypatch.setattr(boards, "FOLDER", tmp_path / "boards")
    monkeypatch.setattr(boards.kept, "__defaults__", (tmp_path / "boards",))
    monkeypatch.setattr(sys, "argv", ["boards", str(bad), str(good)])
    assert boards.main() == 1
    (kept,) = (tmp_path / "boards").iterdir()
    assert kept.name == "raspberry-pi-4-model-b-rev-1-5-0-2-0.json"
    assert boards.decoded(kept.read_bytes()) == boards.decoded(report())
    assert "Raspberry Pi 4 Model B" in page.read_text()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{bad}: no report of a board: ")


def test_where_edged_is_not_installed_the_script_says_what_to_do(tmp_path: Path) -> None:
    script = Path(__file__).parent / "board" / "on-a-pi"
    copy = tmp_path / "tests" / "board" / "on-a-pi"
    copy.parent.mkdir(parents=True)
    copy.write_text(script.read_text().replace("/usr/local/", "/nowhere/"))
    ran = subprocess.run(("sh", str(copy)), capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == (
        "tests/board/on-a-pi: edged is not installed; run make install, or make .venv/run.stamp\n"
    )
