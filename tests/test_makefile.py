"""What `make` would do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("bits", ["32", "64"])
def test_a_32_bit_system_gets_tflite_runtime_and_the_numpy_that_it_needs(
    bits: str, tmp_path: Path
) -> None:
    for steps in (
        would(f"{tmp_path}/run.stamp", f"BITS={bits}", f"VENV={tmp_path}"),
        would("install", f"BITS={bits}", "PICAMERA2=False"),
    ):
        (pip,) = (line for line in steps.splitlines() if "-m pip install -qq" in line)
        assert ("setarch linux32" in pip) == (bits == "32")
        assert ("tflite-runtime" in pip) == (bits == "32")
        assert ("grep -v '^numpy==' constraints.txt" in steps) == (bits == "32")


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
