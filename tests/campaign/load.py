"""Applications at work on the live database: transfers between accounts, and a prober that measures waits."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from operations.secret import Secret

ACCOUNTS = 50
BALANCE = 1000
SETUP = f"""
    CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
    INSERT INTO account SELECT n, {BALANCE} FROM generate_series(1, {ACCOUNTS}) n;
    CREATE TABLE transfer (key uuid PRIMARY KEY, source int NOT NULL, target int NOT NULL, amount bigint NOT NULL);
"""
SANE = f"""
    SELECT (SELECT sum(balance) FROM account) = {ACCOUNTS * BALANCE}
       AND NOT EXISTS (
         SELECT 1 FROM account a WHERE balance <> {BALANCE}
           + coalesce((SELECT sum(amount) FROM transfer WHERE target = a.id), 0)
           - coalesce((SELECT sum(amount) FROM transfer WHERE source = a.id), 0))"""


@dataclass
class Bank:
    """Transfers as the clients know them: ``committed`` were acknowledged, ``in_doubt`` lost their answer."""

    committed: dict[str, float] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)
    refused: int = 0


@contextmanager
def transfers(url: Secret, clients: int = 3) -> Iterator[Bank]:
    """Clients that move money all the time, reconnecting as an application would."""
    bank, over = Bank(), threading.Event()
    workers = [threading.Thread(target=_work, args=(url, bank, over, n), daemon=True) for n in range(clients)]
    for worker in workers:
        worker.start()
    try:
        _await(lambda: len(bank.committed) > 20)
        yield bank
        reached = len(bank.committed)
        _await(lambda: len(bank.committed) > reached + 20)
    finally:
        over.set()
        for worker in workers:
            worker.join(30)


def missing_from(bank: Bank, *urls: Secret) -> set[str]:
    """Acknowledged transfers that none of the databases holds."""
    found: set[str] = set()
    for url in urls:
        with psycopg.connect(url.reveal(), autocommit=True) as connection:
            found |= {str(row[0]) for row in connection.execute("SELECT key FROM transfer")}
    return set(bank.committed) - found


def is_sane(url: Secret) -> bool:
    """No money made or lost, and every balance explained by the transfers that are there."""
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        row = connection.execute(SANE).fetchone()
    return row is not None and row[0] is True


def _await(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the load does not get through"
        time.sleep(0.02)


def _work(url: Secret, bank: Bank, over: threading.Event, seed: int) -> None:
    number = seed
    while not over.is_set():
        try:
            with psycopg.connect(url.reveal(), connect_timeout=5, application_name="bank") as connection:
                while not over.is_set():
                    number += 3
                    _transfer(connection, bank, number)
        except psycopg.Error:
            bank.refused += 1
            time.sleep(0.01)


def _transfer(connection: psycopg.Connection[Any], bank: Bank, number: int) -> None:
    key = str(uuid.uuid4())
    source, target = sorted((1 + number % ACCOUNTS, 1 + number * 7 % ACCOUNTS))
    amount = number % 10
    if source == target:
        return
    connection.execute(
        "INSERT INTO transfer (key, source, target, amount) VALUES (%s, %s, %s, %s)", (key, source, target, amount)
    )
    connection.execute("UPDATE account SET balance = balance - %s WHERE id = %s", (amount, source))
    connection.execute("UPDATE account SET balance = balance + %s WHERE id = %s", (amount, target))
    bank.in_doubt.add(key)
    connection.commit()
    bank.in_doubt.discard(key)
    bank.committed[key] = time.monotonic()


@dataclass
class Waits:
    """Seconds that each of the prober's queries took, and how many failed."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def longest(self) -> float:
        return max(self.seconds)


@contextmanager
def probing(url: Secret, query: str, interval: float = 0.02) -> Iterator[Waits]:
    """An application that asks the same short question all the time, and how long it waits for each answer."""
    waits, over = Waits(), threading.Event()

    def ask() -> None:
        with psycopg.connect(url.reveal(), autocommit=True, application_name="app") as connection:
            while not over.wait(interval):
                began = time.monotonic()
                connection.execute(query)  # type: ignore[call-overload]
                waits.seconds.append(time.monotonic() - began)

    worker = threading.Thread(target=ask, daemon=True)
    worker.start()
    try:
        _await(lambda: len(waits.seconds) > 3)
        yield waits
    finally:
        over.set()
        worker.join(60)
