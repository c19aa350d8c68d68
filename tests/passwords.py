"""Passwords as PostgreSQL keeps them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from operations.secret import Secret


def quickly_proved(password: Secret) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), with one round of hashing and not 4096: there are thousands of
    logins here, and each would cost the client milliseconds."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    words = [base64.b64encode(part).decode() for part in (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))]
    return f"SCRAM-SHA-256$1:{words[0]}${words[1]}:{words[2]}"
