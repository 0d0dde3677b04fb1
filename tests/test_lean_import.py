"""What edged never uses of a package is not loaded with it, and is there when somebody asks."""

from __future__ import annotations

import subprocess
import sys


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"from edged import lean_import\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_msgspec_comes_without_typing_extensions() -> None:
    modules = loaded_after(
        "import sys\nwith lean_import.without_typing_extensions():\n    import edged.config.schema"
    )

    assert "msgspec" in modules
    assert {"typing_extensions", "inspect"}.isdisjoint(modules)


def test_pins_open_without_the_metadata_of_packages() -> None:
    modules = loaded_after(
        "import sys\n"
        "from edged.config.schema import GpioConfig\n"
        "from edged.gpio.factory import open_factory\n"
        "with open_factory(GpioConfig(factory='mock')): pass"
    )

    assert "gpiozero" in modules
    assert {"importlib.metadata", "importlib_metadata", "email"}.isdisjoint(modules)


def test_gpiozero_still_finds_its_plug_ins() -> None:
    loaded_after(
        "import os, sys\n"
        "with lean_import.without_package_metadata():\n"
        "    import gpiozero\n"
        "os.environ['GPIOZERO_PIN_FACTORY'] = 'mock'\n"
        "assert type(gpiozero.Device._default_pin_factory()).__name__ == 'MockFactory'\n"
        "import importlib.metadata"
    )


def test_a_module_that_is_there_already_is_left_alone() -> None:
    loaded_after(
        "import sys, typing_extensions as there\n"
        "with lean_import.without_typing_extensions():\n"
        "    import typing_extensions\n"
        "    assert typing_extensions is there\n"
        "assert sys.modules['typing_extensions'] is there"
    )
