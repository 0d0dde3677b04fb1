"""What edged hardly ever uses is not loaded at its start, and is there when somebody asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edged.imaging.picture import jpeg


def run(code: str, *arguments: str) -> str:
    """What `code` prints, in a process of its own."""
    code = f"import sys\nfrom edged.lean_import import lean\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_msgspec_comes_without_typing_extensions() -> None:
    run(
        "with lean():\n"
        "    import edged.config.schema\n"
        "assert {'typing_extensions', 'inspect'}.isdisjoint(sys.modules)"
    )


def test_pins_open_without_what_gpiozero_has_for_others() -> None:
    run(
        "from edged.config.schema import GpioConfig\n"
        "from edged.ports.gpio.factory import open_factory\n"
        "with open_factory(GpioConfig(factory='mock')): pass\n"
        "assert {'importlib.metadata', 'email', 'fractions'}.isdisjoint(sys.modules)"
    )


def test_gpiozero_still_finds_its_plug_ins() -> None:
    run(
        "import os\n"
        "with lean():\n"
        "    import gpiozero\n"
        "os.environ['GPIOZERO_PIN_FACTORY'] = 'mock'\n"
        "assert type(gpiozero.Device._default_pin_factory()).__name__ == 'MockFactory'"
    )


def test_numpy_computes_as_ever() -> None:
    run(
        "with lean():\n"
        "    import numpy as np\n"
        "    import numpy.typing as npt\n"
        "def f(x: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.float64]: ...\n"
        "assert np.linalg.eigh(np.eye(2)).eigenvalues.tolist() == [1, 1]\n"
        "assert npt.ArrayLike is sys.modules['numpy.typing'].ArrayLike"
    )


@pytest.mark.parametrize(
    ("use", "answer"),
    [
        ("__import__('pathlib').Path('/a b').as_uri()", "file:///a%20b"),
        ("__import__('json').dumps({'a': [1]})", '{"a": [1]}'),
        ("json.loads('[1]')", "[1]"),
        ("statistics.median([1, 5, 3])", "3"),
        ("median([1, 5, 3])", "3"),
        ("issubclass(json.JSONDecodeError, ValueError)", "True"),
        ("urllib.parse.unquote('%41')", "A"),
        ("0 <= uniform(0, 1) <= 1", "True"),
        ("Color('red').html", "#ff0000"),
    ],
)
def test_what_is_put_off_answers_whoever_asks(use: str, answer: str) -> None:
    said = run(
        "with lean():\n"
        "    import json, pathlib, statistics, urllib.parse\n"
        "    from colorzero import Color\n"
        "    from random import uniform\n"
        "    from statistics import median\n"
        f"print({use})"
    )

    assert said.strip() == answer


def test_an_error_is_logged_with_its_way_through_the_code() -> None:
    said = run(
        "with lean():\n"
        "    import logging\n"
        "logging.basicConfig(stream=sys.stdout)\n"
        "try:\n"
        "    1 / 0\n"
        "except ZeroDivisionError:\n"
        "    logging.exception('here')"
    )

    assert "Traceback (most recent call last)" in said
    assert "ZeroDivisionError" in said


def test_what_has_been_asked_for_is_the_module_itself_from_then_on() -> None:
    run(
        "with lean():\n"
        "    import json as before\n"
        "    assert before.loads('1') == 1\n"
        "    import json as within\n"
        "import json as after\n"
        "assert within is after is not before\n"
        "assert after.__file__ and after.loads is before.loads"
    )


def test_two_threads_that_ask_at_once_get_the_same_module() -> None:
    run(
        "import threading\n"
        "sys.setswitchinterval(1e-6)\n"
        "with lean():\n"
        "    import json, pickle, statistics, subprocess\n"
        "    modules = [json, pickle, statistics, subprocess]\n"
        "wanted = ['JSONDecoder', 'Pickler', 'NormalDist', 'Popen']\n"
        "found = []\n"
        "def ask(): found.append([getattr(m, name) for m, name in zip(modules, wanted)])\n"
        "threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "assert len(found) == 8 and all(one == found[0] for one in found)\n"
        "assert found[0] == [getattr(sys.modules[m.__name__], n) for m, n in zip(modules, wanted)]"
    )


def test_a_module_that_is_there_already_is_left_alone() -> None:
    run(
        "import json as there, typing_extensions\n"
        "with lean():\n"
        "    import json, typing_extensions\n"
        "    assert json is there\n"
        "assert sys.modules['json'] is there"
    )


def test_a_start_asks_none_of_them(tmp_path: Path) -> None:
    picture = tmp_path / "grey.jpg"
    picture.write_bytes(jpeg(np.full((480, 640, 3), 128, np.uint8), 85))
    config = tmp_path / "edged.toml"
    config.write_text(
        f'device = "lean"\n[camera]\nkind = "directory"\nsource = {str(picture)!r}\n'
        '[gpio]\nfactory = "mock"\n[mqtt]\nenabled = true\nport = 1\n'
        '[[rule]]\nname = "cat"\nlabels = ["cat"]\n'
        '[[output]]\nname = "lamp"\npin = 17\nrule = "cat"\n'
        f"[control]\nsocket = {str(tmp_path / 'lean.sock')!r}\n"
        f"[spool]\npath = {str(tmp_path / 'lean.db')!r}\n"
    )

    said = run(
        "from edged import lean_import\n"
        "from edged.cli import main\n"
        "with lean():\n"
        "    import edged.notify\n"
        "def ready(notifier):\n"
        "    print(*lean_import._asked)\n"
        "    sys.stdout.flush()\n"
        "    __import__('os')._exit(0)\n"
        "edged.notify.Notifier.ready = ready\n"
        "main(['run', '--config', sys.argv[1]])",
        str(config),
    )

    assert said.split() == []
