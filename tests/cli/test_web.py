"""``edged web``."""

from __future__ import annotations

import socket

import pytest

from edged.cli import main
from edged.cli import web as command


def test_what_it_needs_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "NEEDS", ("starlette", "no_such_package"))
    assert main(["web"]) == 78
    assert capsys.readouterr().err == (
        "edged: edged web needs no_such_package; in a checkout: pip install '.[web]'\n"
    )


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["web", "--set", f"web.port={port}"]) == 78
    assert f"web.port = {port}: cannot listen here" in capsys.readouterr().err


def test_it_is_closed_to_others_unless_it_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web", "--set", "web.listen=0.0.0.0"]) == 78
    assert "others could read the traffic" in capsys.readouterr().err
