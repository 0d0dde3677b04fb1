"""Certificates that cannot be used; what uses them is tested with a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.schema import TlsConfig
from edged.errors import PortError
from edged.ports.mqtt import tls


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_without_a_certificate_that_can_be_used_nothing_is_connected(
    tmp_path: Path, name: str, text: str | None
) -> None:
    file = tmp_path / "file"
    if text is not None:
        file.write_text(text)
    with pytest.raises(PortError, match=r"mqtt\.tls: the certificate files cannot be used: "):
        tls.context(TlsConfig(enabled=True, **{name: str(file)}))
