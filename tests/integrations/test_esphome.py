"""The snippet for ESPHome is a right configuration: `make esphome`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "build" / "esphome" / "bin" / "esphome"


@pytest.mark.skipif(not PROGRAM.exists(), reason="needs make esphome")
def test_it_is_valid(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs" / "examples" / "esphome.yaml", tmp_path)
    checked = subprocess.run(
        [PROGRAM, "config", "esphome.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Configuration is valid" in checked.stdout + checked.stderr
