"""TLS to the broker. Imported only when used, as ssl adds milliseconds to every start."""

from __future__ import annotations

import ssl

from edged import paths
from edged.config.schema import TlsConfig
from edged.errors import PortError


def context(tls: TlsConfig) -> ssl.SSLContext:
    """The context with the certificates, read now. PortError if a file is not valid."""
    try:
        made = ssl.create_default_context(cafile=_path(tls.ca_file))
        made.sslsocket_class = _HandshakeOrClosed
        if not tls.verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if tls.cert_file:
            # An empty password: OpenSSL would otherwise ask for that of an encrypted key on the
            # terminal.
            made.load_cert_chain(
                str(paths.credential(tls.cert_file)), _path(tls.key_file), password=""
            )
    except (OSError, ValueError) as error:
        raise PortError(f"mqtt.tls: the certificate files cannot be used: {error}") from error
    return made


class _HandshakeOrClosed(ssl.SSLSocket):
    """Closes itself if the handshake fails; the network library would leave it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _path(file: str) -> str | None:
    return str(paths.credential(file)) if file else None
