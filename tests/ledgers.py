"""Ledgers for the tests, on databases of their own, with people and policies to ask and agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from operations.adapters.ledger import PostgresLedger
from operations.approvals.change import NewRequest
from operations.approvals.deciding import Rules
from operations.approvals.model import Account, Person, Proposal
from operations.approvals.people import Directory
from operations.approvals.policy import policy_of
from operations.database_url import parse_database_url
from operations.secret import Secret
from operations.settings import Approval, Environment
from operations.settings import Person as Named

PEOPLE = (
    Named("ada", slack=("UADA", "UADA2"), github=("ada",)),
    Named("bob", slack=("UBOB",), github=("bob",)),
    Named("cy", slack=("UCY",)),
)
DIRECTORY = Directory(PEOPLE)


def slack(id: str) -> Person:
    return DIRECTORY.person(Account("slack", id))


EMPTY = """
    DO $$
    DECLARE
        every text;
    BEGIN
        SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO every FROM pg_tables
        WHERE schemaname = 'locktender' AND tablename <> 'versions';
        EXECUTE 'TRUNCATE ' || every || ' RESTART IDENTITY CASCADE';
    END
    $$
"""
ADA, BOB, CY = slack("UADA"), slack("UBOB"), slack("UCY")


def environment(required: int = 1, expires: float = 1800.0, **changes: Any) -> Environment:
    approval = Approval(approvers=("ada", "UBOB", "UCY"), required=required, expires=expires)
    made = Environment("production", Secret("postgresql://u:p@h/d"), "/m", "/b", approvals={"restore": approval})
    return replace(made, **changes)


def rules(of: Environment, operation: Any = "restore") -> Rules:
    return Rules(policy_of(of, operation, DIRECTORY), DIRECTORY)


def proposal(of: Environment, **changes: Any) -> Proposal:
    made = Proposal(
        operation="restore",
        environment=of.name,
        arguments={"backup": "B1"},
        policy=rules(of).policy.version,
        database="shop",
        server="db:5432",
        system_identifier="7",
        migrations={"1_init": "aa"},
        backup_id="B1",
        backup_digest="bb",
        plan="cc",
        commit="dd",
    )
    return replace(made, **changes)


def new(of: Environment, requester: Person = ADA, **changes: Any) -> NewRequest:
    made = NewRequest(
        environment=of.name,
        operation="restore",
        arguments={"backup": "latest"},
        requester=requester,
        reason="rows are gone",
        policy=rules(of).policy,
        proposal=proposal(of),
    )
    return replace(made, **changes)


def emptied(ledger: PostgresLedger) -> PostgresLedger:
    """As it was made, for the next test: quicker than another one."""
    with ledger._transaction() as connection:
        connection.execute("ALTER TABLE audit DISABLE TRIGGER keep")
        connection.execute(EMPTY.encode())
        connection.execute("ALTER TABLE audit ENABLE TRIGGER keep")
    return ledger


@contextmanager
def opened(url: Secret, **settings: Any) -> Iterator[PostgresLedger]:
    ledger = PostgresLedger(parse_database_url(url), patience=120.0, **settings).open()
    try:
        yield ledger
    finally:
        ledger.close()
