"""The certificate that a server shows, whoever signed it: only its end is of interest."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST"""


class ShownCertificates:
    """One TLS handshake for each question."""

    def end(self, name: str, address: tuple[str, int], timeout: float, *, postgres: bool) -> float | None:
        """Seconds since the epoch; ``None`` also where nobody answers, which other checks tell."""
        try:
            with socket.create_connection(address, timeout) as line:
                if postgres:
                    line.sendall(SSL_REQUEST)
                    if line.recv(1) != b"S":
                        return None
                with _trusting_anybody().wrap_socket(line, server_hostname=name) as tls:
                    shown = tls.getpeercert(binary_form=True)
        except OSError:
            return None
        return _end(shown) if shown else None


def _trusting_anybody() -> ssl.SSLContext:
    """Nothing is sent over the line; who checks the certificate is whoever uses the server."""
    import ssl  # costs more than a quick verb has to spend

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _end(certificate: bytes) -> float | None:
    from cryptography import x509  # costs as much as the handshake

    try:
        return x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp()
    except ValueError:
        return None
