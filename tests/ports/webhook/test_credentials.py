"""The secret of a webhook: a file with a key, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.schema import WebhookConfig
from edged.errors import ConfigError, PortError
from edged.ports.webhook import credentials


def webhook(**files: str) -> WebhookConfig:
    return WebhookConfig(name="alarm", url="http://localhost/", **files)


def test_the_key_is_read_at_each_use(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for word, key in (("whsec_b25l", b"one"), ("whsec_dHdv", b"two")):
        file.write_text(word)
        assert credentials.key(webhook(secret_file=str(file))) == key


def test_without_a_file_there_is_no_key() -> None:
    credentials.check(webhook())
    assert credentials.key(webhook()) is None


def test_what_is_no_secret_is_told_with_its_file_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    told = f"^webhook alarm: secret_file: {file} is not whsec_ and base64; make one with: "
    with pytest.raises(ConfigError, match=told) as refused:
        credentials.check(webhook(secret_file=str(file)))
    with pytest.raises(PortError, match=told):
        credentials.key(webhook(secret_file=str(file)))
    assert "hunter2" not in str(refused.value)


def test_an_absent_authority_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^webhook alarm: ca_file: .* does not exist"):
        credentials.check(webhook(ca_file=str(tmp_path / "ca.pem")))
