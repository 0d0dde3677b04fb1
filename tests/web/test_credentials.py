"""The files of the token and of TLS must be there before anything is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.schema import Config, WebConfig, WebTlsConfig
from edged.errors import ConfigError
from edged.web import server


def test_every_absent_file_is_told_at_once(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    tls = WebTlsConfig(cert_file=__file__, key_file=absent, client_ca_file=absent)
    with pytest.raises(ConfigError) as refused:
        server.settings(Config(web=WebConfig(token_file=absent, tls=tls)))
    assert [line.partition(": ")[0] for line in str(refused.value).splitlines()] == [
        "web.token_file",
        "web.tls.key_file",
        "web.tls.client_ca_file",
    ]
