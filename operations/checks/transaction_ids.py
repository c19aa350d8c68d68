"""How far is the database from the last transaction id?"""

from __future__ import annotations

from collections.abc import Iterator

from operations.checks.model import Check, Probe

AGE = "SELECT greatest(age(datfrozenxid), mxid_age(datminmxid)) FROM pg_database WHERE datname = current_database()"


def look(probe: Probe) -> Iterator[Check]:
    """The age of the oldest transaction id or multixact that is still in use."""
    with probe.reading() as session:
        (age,) = session.rows(AGE)[0]
    warn, fail = probe.limits.transaction_age, probe.limits.transaction_age_fail
    if age <= min(warn, fail):
        yield Check("transaction_ids", "ok", f"{age:,} of 2,147,483,648 in use", value=age)
        return
    yield Check(
        "transaction_ids",
        "fail" if age > fail else "warn",
        f"the oldest is {age:,} transactions old",
        "Before 2.1 billion PostgreSQL stops accepting writes. Something holds autovacuum back.",
        "Look for prepared transactions, replication slots and old sessions (each has a check), then: VACUUM;",
        value=age,
    )
