"""Files of secrets that are absent, and systemd's credentials outside of their unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.credentials import is_elsewhere, must_be_there, secret
from edged.errors import ConfigError, PortError

OURS = "credential:alarm"
ABSENT = "there is no systemd credential alarm here: only a unit with LoadCredential for it has one"


def test_every_absent_file_has_a_line_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        must_be_there({"a": str(tmp_path / "x"), "b": "", "c": __file__, "d": str(tmp_path)})
    first, second = str(refused.value).splitlines()
    assert first == f"a: {tmp_path}/*** does not exist; check the path"
    assert second == f"d: {tmp_path} is a folder; name the file in it"


def test_an_absent_credential_is_told_by_its_name_and_with_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match=f"^a: {ABSENT}; .* or name a file instead$"):
        must_be_there({"a": OURS})
    with pytest.raises(PortError, match=f"^a: {ABSENT}; .* or name a file instead$"):
        secret("a", OURS)


def test_a_credential_is_elsewhere_outside_of_a_unit_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert is_elsewhere(OURS)
    assert not is_elsewhere("/etc/edged/alarm")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert not is_elsewhere(OURS)
    (tmp_path / "alarm").write_text("x\n")
    assert secret("a", OURS) == "x"
