"""How far is the database from the last transaction id?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe

AGE = "SELECT greatest(age(datfrozenxid), mxid_age(datminmxid)) FROM pg_database WHERE datname = current_database()"
CRITICAL = 1_700_000_000
"""Of 2 147 483 648 transactions; PostgreSQL refuses to write at about 2 144 000 000."""


def look(probe: Probe) -> Iterator[Check]:
    """The age of the oldest transaction id or multixact that is still in use."""
    with probe.reading() as session:
        (age,) = session.rows(AGE)[0]
    if age <= probe.limits.transaction_age:
        yield Check("transaction_ids", "ok", f"{age:,} of 2,147,483,648 in use", value=age)
        return
    yield Check(
        "transaction_ids",
        "fail" if age > CRITICAL else "warn",
        f"the oldest is {age:,} transactions old",
        "Before 2.1 billion PostgreSQL stops accepting writes. Something holds autovacuum back.",
        "Look for prepared transactions, replication slots and old sessions (each has a check), then: VACUUM;",
        value=age,
    )
