"""``Services`` by Apprise, in a program of its own for each message: it can be ended whatever it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import operations
from operations.adapters.public_addresses import INTERNAL
from operations.errors import OperationFailed, Refused
from operations.secret import Secret

PROGRAM = "operations.adapters.apprise_program"
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""Variables that it gets: no proxies, which would go where they like, and nobody's secrets."""


class AppriseServices:
    """Everything goes to the program by its stdin; of what it says, nothing is believed but the outcome."""

    def tell(self, url: Secret, message: Mapping[str, str], timeout: float, *, internal: bool) -> int | None:
        """A status over HTTP that is none of success, or ``None`` where the service has taken the message."""
        question = {**message, "url": url.reveal(), "internal": internal, "seconds": timeout}
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-s", "-m", PROGRAM],
                input=json.dumps(question).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                env=_environment(),
                cwd="/",
                start_new_session=True,  # a terminal's Ctrl-C is for us
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OperationFailed(f"It took longer than {timeout:g} s.") from None
        except OSError as error:
            raise OperationFailed(f"The program that tells it cannot be started: {error.strerror}.") from None
        return _understood(done.stdout, done.returncode)


def _environment() -> dict[str, str]:
    ours = str(Path(operations.__file__).parents[1])
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": ours, "NETRC": os.devnull}


def _understood(said: bytes, returncode: int) -> int | None:
    try:
        told: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise OperationFailed(f"The program that tells it ended with {returncode}.") from None
    outcome, why = told.get("outcome"), str(told.get("why", ""))
    if outcome == "refused":
        hint = INTERNAL if "public" in why or "https" in why else "Correct the address."
        raise Refused(f"It was refused: {why}.", hint=hint)
    if outcome == "failed":
        raise OperationFailed(f"It could not be told: {why}.")
    return int(told["status"]) if outcome == "status" else None
