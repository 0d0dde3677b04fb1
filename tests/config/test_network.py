"""What concerns the network, and does not fit: the rest stands in `test_check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.load import load
from tests.config.test_check import said

OPEN = "[web]\nlisten = '192.168.1.5'\n"
TLS = "[web.tls]\ncert_file = 'c'\nkey_file = 'k'\n"


@pytest.mark.parametrize(
    "text",
    [
        "[web]\nlisten = '127.0.0.5'",
        "[web]\nlisten = '::1'",
        "[web]\nlisten = 'localhost'",
        f"{OPEN}token_file = 't'\n{TLS}",
        f"{OPEN}{TLS}client_ca_file = 'a'",
        f"{OPEN}token_file = 't'\ninsecure = true",
        "[web]\ncors = ['https://example.org', 'http://localhost:3000']\nhosts = ['porch.lan']",
    ],
)
def test_the_web_may_be_opened_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(text)
    assert load(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{OPEN}token_file = 't'", 'web.listen = "192.168.1.5": others could read the traffic'),
        (f"{OPEN}{TLS}", 'web.token_file = "": web.listen = "192.168.1.5" lets others connect'),
        ("[web]\nlisten = '0.0.0.0'", 'web.listen = "0.0.0.0": others could read the traffic'),
        ("[web]\nlisten = '::'", 'web.listen = "::": others could read the traffic'),
        ("[web]\nlisten = '127.0.0.1.evil'", "others could read the traffic"),
        ("[web]\nlisten = ''", 'web.listen = "": others could read the traffic'),
        ("[web.tls]\ncert_file = 'c'", "web.tls.cert_file is set and needs it"),
        ("[web.tls]\nclient_ca_file = 'c'", "web.tls.client_ca_file is set and needs it"),
        ("[web]\ncors = ['*']", 'web.cors[0] = "*": expected an origin such as'),
        ("[web]\ncors = ['https://a/b']", "expected an origin such as"),
        ("[web]\nhosts = ['a:80']", 'web.hosts[0] = "a:80": expected a host name alone'),
        ("[web]\nhosts = ['*']", "expected a host name alone"),
    ],
)
def test_the_web_is_closed_to_others_unless_it_is_opened(
    tmp_path: Path, text: str, line: str
) -> None:
    assert any(line in told for told in said(tmp_path, text))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/s3cret",
        "ftp://example.org/s3cret",
        "https:///s3cret",
        "https://me:s3cret@example.org/",
        "https://example.org:70000/s3cret",
        "https://example.org:0/s3cret",
        "https://example.org/s3cret#part",
        "https://example.org/s3cret with spaces",
        "https://example.org/s3cr\u00e9t",
        "https://[::1/s3cret",
    ],
)
def test_an_address_that_nothing_can_be_posted_to_is_refused_and_not_repeated(
    tmp_path: Path, url: str
) -> None:
    (told,) = said(tmp_path, f'[[webhook]]\nname = "a"\nurl = "{url}"')
    assert 'webhook[0].url (webhook "a"): expected an address such as https://' in told
    assert "s3cr" not in told


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1", "https://example.org:8443/a?b=c", "http://[::1]:8080/", "HTTP://x/"]
)
def test_an_address_that_can_be_posted_to_is_right(tmp_path: Path, url: str) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(f'[[webhook]]\nname = "a"\nurl = "{url}"')
    assert load(path).webhook[0].url == url
