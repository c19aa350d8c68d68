"""The keys of an SSH connection: ours, and those of the hosts that may be talked to."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from io import StringIO
from typing import Any

import paramiko
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from msgspec import Struct
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey

from operations.errors import ConfigurationError, HostKeyRefused
from operations.secret import Secret

STANDARD_PORT = 22
KINDS = {
    Ed25519PrivateKey: paramiko.Ed25519Key,
    EllipticCurvePrivateKey: paramiko.ECDSAKey,
    RSAPrivateKey: paramiko.RSAKey,
}
REVOKED = "@revoked"


def private_key(text: Secret, passphrase: Secret | None) -> Any:
    """Our key as paramiko's, from OpenSSH's own form or PEM; raises ``ConfigurationError``."""
    data = text.reveal().strip().replace("\r\n", "\n").encode() + b"\n"
    loaded = _loaded(data, passphrase.reveal().encode() if passphrase else None)
    kind = next((ours for theirs, ours in KINDS.items() if isinstance(loaded, theirs)), None)
    if kind is None:
        raise _unusable("it is neither ed25519 nor ecdsa nor rsa")
    plain = loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return kind.from_private_key(StringIO(plain.decode()))


def _loaded(data: bytes, passphrase: bytes | None) -> Any:
    openssh = data.startswith(b"-----BEGIN OPENSSH")
    load: Any = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    encrypted = True
    try:
        try:
            return load(data, None)
        except TypeError:  # this, and nothing else, is how it says that there is a passphrase
            if passphrase is None:
                raise _unusable("it has a passphrase, and none is given", "Set passphrase, too.") from None
            return load(data, passphrase)
        except ValueError:
            encrypted = False
            raise
    except (ValueError, InvalidTag, UnsupportedAlgorithm):
        if encrypted:
            raise _unusable("the passphrase does not open it", "Check passphrase.") from None
        raise _unusable("it cannot be read as one") from None


def _unusable(why: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(
        f"server.private_key is not usable: {why}.",
        hint=hint or 'Give the key itself, as ssh-keygen writes it: "file:PATH" or "env:NAME", with all its lines.',
    )


class _Line(Struct, frozen=True):
    marker: str
    patterns: tuple[str, ...]
    key: Any


class KnownHosts:
    """Lines as in known_hosts; certificate authorities are not followed. Raises ``ConfigurationError``."""

    def __init__(self, text: Secret) -> None:
        self._lines = tuple(_parsed(text.reveal()))

    def types(self, host: str, port: int) -> frozenset[str]:
        """Which kinds of keys the host is known by."""
        return frozenset(line.key.get_name() for line in self._matching(host, port) if not line.marker)

    def refuse_other(self, host: str, port: int, key: Any) -> None:
        """Raise ``HostKeyRefused`` unless ``key`` is one that the host is known by."""
        found = self._matching(host, port)
        where, seen = _name(host, port), f"{key.get_name()} {key.fingerprint}"
        if any(line.marker == REVOKED and line.key == key for line in found):
            raise HostKeyRefused(f"The SSH key of {where} is revoked in server.known_hosts: {seen}.", hint=_hint(where))
        pinned = [line.key for line in found if not line.marker]
        if key in pinned:
            return
        if pinned:
            expected = ", ".join(f"{each.get_name()} {each.fingerprint}" for each in pinned)
            raise HostKeyRefused(
                f"The SSH key of {where} is another one than expected: {seen} was seen, expected was {expected}. "
                "Either the server was set up anew, or somebody stands in between. Nothing was sent.",
                hint=_hint(where),
            )
        raise HostKeyRefused(
            f"The SSH key of {where} is not known: {seen} was seen, and server.known_hosts has no line for {where}. "
            "Nothing was sent.",
            hint=_hint(where),
        )

    def _matching(self, host: str, port: int) -> list[_Line]:
        return [line for line in self._lines if _matches(line.patterns, _name(host, port))]


def _parsed(text: str) -> Iterator[_Line]:
    for number, written in enumerate(text.splitlines(), start=1):
        words = written.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if marker not in ("", REVOKED):
            continue
        try:
            entry = HostKeyEntry.from_line(" ".join(words[:3]), number)
        except (InvalidHostKey, paramiko.SSHException, ValueError):
            raise ConfigurationError(
                f"server.known_hosts cannot be read: the key in line {number} is broken.",
                hint="Write the lines as ssh-keyscan prints them.",
            ) from None
        if entry is not None:
            yield _Line(marker, tuple(entry.hostnames), entry.key)


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    if any(pattern.startswith("!") and fnmatchcase(name, _glob(pattern[1:])) for pattern in patterns):
        return False
    return any(
        HostKeys.hash_host(name, pattern) == pattern if pattern.startswith("|1|") else fnmatchcase(name, _glob(pattern))
        for pattern in patterns
    )


def _glob(pattern: str) -> str:
    """OpenSSH knows ``*`` and ``?``; brackets stand around a host that has a port."""
    return pattern.lower().replace("[", "[[]")


def _name(host: str, port: int) -> str:
    return host.lower() if port == STANDARD_PORT else f"[{host.lower()}]:{port}"


def _hint(where: str) -> str:
    host, _, port = where.strip("[").partition("]:")
    return (
        f"Ask whoever runs the server for its key's fingerprint. If it is the one seen, add to known_hosts what this "
        f"prints: ssh-keyscan {f'-p {port} ' if port else ''}{host}"
    )
