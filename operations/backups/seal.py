"""JSON that tells when any bit of it was changed, and with a key, when it was not written by us."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from operations.errors import Tampered
from operations.secret import Secret

DIGEST = "digest"
SIGNATURE = "signature"
OTHER_KEY = (
    "If the key was changed since, set signing_key to the one that it was signed with, for that one call; "
    "else somebody who does not have the key has written it."
)


def digest_of(body: Mapping[str, Any]) -> str:
    """Lower-case hex SHA-256 over a value's one canonical text."""
    return hashlib.sha256(_canonical(body)).hexdigest()


def seal(body: Mapping[str, Any], key: Secret | None) -> bytes:
    """``body`` with its digest, and with an HMAC-SHA256 where there is a key."""
    signed = {SIGNATURE: _signature(body, key)} if key else {}
    return _canonical({**body, DIGEST: digest_of(body), **signed})


def unseal(data: bytes, key: Secret | None, what: str) -> dict[str, Any]:
    """The sealed value; raises ``Tampered``, naming ``what``, unless every byte is as ``seal`` wrote it."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise _broken(what, "it is no JSON") from None
    # Compared as bytes: a flipped bit in white space or in an escape could otherwise read as the same value.
    if not isinstance(body, dict) or _canonical(body) != data:
        raise _broken(what, "it is not as it was written")
    digest, signature = body.pop(DIGEST, None), body.pop(SIGNATURE, None)
    if digest != digest_of(body):
        raise _broken(what, "its digest is not that of its content")
    if key and not (isinstance(signature, str) and hmac.compare_digest(signature, _signature(body, key))):
        raise Tampered(
            f"{what} is damaged or was changed: it does not carry the signature of this environment's signing key.",
            hint=OTHER_KEY,
            details={"doubt": "other_key"},
        )
    return body


def _canonical(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    return text.encode(errors="backslashreplace") + b"\n"


def _signature(body: Mapping[str, Any], key: Secret) -> str:
    return hmac.new(key.reveal().encode(), _canonical(body), hashlib.sha256).hexdigest()


def _broken(what: str, why: str) -> Tampered:
    return Tampered(f"{what} is damaged or was changed: {why}.")
