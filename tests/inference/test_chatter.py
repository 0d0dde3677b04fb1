"""What C code prints while a model loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PRINT = (
    "import ctypes, os, sys\n"
    "from edged.inference import chatter\n"
    "libc = ctypes.CDLL(None)\n"
    "def say(text):\n"
    "    libc.fputs(text, ctypes.c_void_p.in_dll(libc, 'stderr'))\n"
)


def said(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRINT + code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stderr


def test_chatter_is_dropped_and_all_else_comes_out() -> None:
    assert said(
        "with chatter.dropped():\n    say(b'INFO: delegate created\\nERROR: no such operator\\n')\n"
    ) == ("ERROR: no such operator\n")


def test_before_and_after_everything_comes_out() -> None:
    code = "say(b'INFO: before\\n')\nwith chatter.dropped(): pass\nsay(b'INFO: after\\n')\n"
    assert said(code) == "INFO: before\nINFO: after\n"


def test_the_file_descriptor_is_nobodys_but_its_owners() -> None:
    code = "with chatter.dropped():\n    os.write(2, b'INFO: a stack\\n')\n"
    assert said(code) == "INFO: a stack\n"


def test_it_is_given_back_when_loading_fails() -> None:
    code = (
        "try:\n"
        "    with chatter.dropped():\n"
        "        say(b'ERROR: refused\\n')\n"
        "        raise ValueError\n"
        "except ValueError: pass\n"
        "say(b'INFO: after\\n')\n"
    )
    assert said(code) == "ERROR: refused\nINFO: after\n"


def test_no_library_is_loaded_while_the_stream_is_another() -> None:
    code = (
        "import importlib\n"
        "from edged.inference import runtimes\n"
        "def stderr(): return ctypes.c_void_p.in_dll(libc, 'stderr').value\n"
        "own, load = stderr(), importlib.import_module\n"
        "def watched(name):\n"
        "    print(name, stderr() == own, file=sys.stderr)\n"
        "    return load(name)\n"
        "importlib.import_module = watched\n"
        "runtimes.choose('auto')\n"
    )
    lines = said(code).splitlines()
    assert lines
    assert all(line.endswith(" True") for line in lines)
