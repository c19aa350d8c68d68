"""HTTP by the standard library, to an address that need not be the URL's own."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit


class HttpClient:
    """One connection for each question."""

    def status(self, url: str, address: tuple[str, int], timeout: float) -> int | None:
        """The status, or ``None``; the ``Host`` header and a certificate's name are the URL's."""
        parts = urlsplit(url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = _Https(parts.hostname or "", address, timeout)
        else:
            connection = http.client.HTTPConnection(*address, timeout=timeout)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("GET", path, headers={"Host": parts.netloc.rpartition("@")[2], "Connection": "close"})
            response = connection.getresponse()
            response.read(1 << 16)
            return response.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class _Https(http.client.HTTPSConnection):
    """Connects to an address, and checks the certificate for a name."""

    def __init__(self, name: str, address: tuple[str, int], timeout: float) -> None:
        super().__init__(*address, timeout=timeout)
        self._name = name
        self._tls = ssl.create_default_context()

    def connect(self) -> None:
        """As the base class does, but with the name of the URL."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)
