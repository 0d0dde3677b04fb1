"""What `make` would do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from edged.config.toml import tomllib

ROOT = Path(__file__).parent.parent


def would(target: str, *settings: str) -> str:
    made = subprocess.run(
        ["make", "-n", "-B", target, *settings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return made.stdout


@pytest.mark.parametrize(("there", "wanted"), [("True", "true"), ("False", "false")])
def test_an_environment_is_made_again_when_picamera2_comes_or_goes(
    there: str, wanted: str, tmp_path: Path
) -> None:
    steps = would(f"{tmp_path}/run.stamp", f"PICAMERA2={there}", f"VENV={tmp_path}")
    check = f"grep -qsx 'include-system-site-packages = {wanted}' {tmp_path}/pyvenv.cfg ||"
    assert check in steps
    (venv,) = (line for line in steps.splitlines() if "-m venv --clear" in line)
    assert ("--system-site-packages" in venv) == (there == "True")
    assert f"touch {tmp_path}/system-packages-{wanted}" in steps


def pips(target: str, *settings: str) -> list[str]:
    """The command lines of pip that install something, in their order."""
    steps = would(target, *settings).replace("\\\n", " ")
    return [part for part in re.split(r"&&|\n", steps) if "pip install -qq" in part]


@pytest.mark.parametrize("bits", ["32", "64"])
def test_a_32_bit_system_gets_tflite_runtime_and_the_numpy_that_it_needs(
    bits: str, tmp_path: Path
) -> None:
    for target in (f"{tmp_path}/run.stamp", "install"):
        settings = (f"BITS={bits}", f"VENV={tmp_path}", "PICAMERA2=False")
        commands = pips(target, *settings)
        assert all(("setarch linux32" in pip) == (bits == "32") for pip in commands)
        assert any("tflite-runtime" in pip for pip in commands) == (bits == "32")
        assert ("sed '/^numpy==/" in would(target, *settings)) == (bits == "32")


def test_install_takes_nothing_from_the_network_without_its_hash() -> None:
    assert [
        "--require-hashes" in pip or "--no-deps --no-build-isolation ." in pip
        for pip in pips("install", "BITS=64")
    ] == [True, True]


LOCKED = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"([a-z0-9-]+)==(\S+)(?: ; (.+?))?((?: --hash=sha256:[0-9a-f]{64})*)")


def pins(text: str) -> dict[tuple[str, str], str]:
    """Name and version of each pin, and its hashes."""
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    found = [PIN.fullmatch(line) for line in lines]
    assert None not in found, "a line that is not a pin"
    return {(pin[1], pin[2]): pin[4] for pin in found if pin}


@pytest.mark.parametrize("locked", LOCKED, ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_is_the_one_that_is_tested(locked: Path) -> None:
    found = pins(locked.read_text())
    assert [pin for pin, hashes in found.items() if not hashes] == []
    assert found.keys() <= pins((ROOT / "constraints.txt").read_text()).keys()


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def missing(locked: str, *names: str) -> set[str]:
        wanted = [*project["dependencies"], *(one for name in names for one in extras[name])]
        return {re.split(r"[^\w-]", one)[0] for one in wanted} - {
            name for name, _ in pins((ROOT / locked).read_text())
        }

    every = set(extras) - {"tflite-runtime", "tensorflow"}
    assert missing("constraints.txt", *every) == set()
    assert missing("requirements/action.txt", "web") == set()
    installed = re.search(r"^EXTRAS = (.*age.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert installed
    assert missing("requirements/install.txt", *installed[1].split(","), "completion") == set()


def test_only_numpy_is_left_to_a_system_with_picamera2(tmp_path: Path) -> None:
    steps = would("install", "PICAMERA2=True", "BITS=64", f"DESTDIR={tmp_path}")
    (script,) = re.findall(r"^sed '(.*)' requirements/install.txt", steps, re.M)
    whole = (ROOT / "requirements" / "install.txt").read_text()
    left = subprocess.run(
        ["sed", script], input=whole, capture_output=True, text=True, check=True, timeout=10
    ).stdout
    gone = pins(whole).keys() - pins(left).keys()
    assert {name for name, _ in gone} == {"numpy"}
    assert pins(whole).items() >= pins(left).items()


def test_install_leaves_no_files_of_root_in_the_checkout() -> None:
    steps = would("install")
    build = steps.index("pip install -qq")
    assert steps.index("rm -rf build/lib* build/bdist* build/temp* edged.egg-info") > build


def test_uninstall_stops_every_service_and_instance_before_the_program_goes() -> None:
    steps = would("uninstall")
    stop = steps.index("systemctl disable --now edged-web.service edged.service")
    assert "list-units --all --plain --no-legend 'edged@*'" in steps
    assert stop < steps.index("rm -rf /usr/local/lib/edged")


def test_uninstall_from_a_staging_folder_touches_no_service() -> None:
    assert "systemctl" not in would("uninstall", "DESTDIR=/nowhere/staging")
