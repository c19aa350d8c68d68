"""A worker killed in the middle of an approved restore, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import asdict

from operations import journal
from operations.adapters.ledger import PostgresLedger
from operations.approvals.asking import Door, ask, vote
from operations.approvals.audit import verify
from operations.approvals.model import Account, Request, State
from operations.context import Context
from operations.executing import plan
from operations.secret import Secret

from .ledger_worker import workshop_of
from .ledgers import DIRECTORY
from .locktender_process import ROOT

ADA, BOB = Account("slack", "UADA"), Account("slack", "UBOB")
PATIENCE = 180.0
Moment = Callable[["Case"], bool]


@dataclass(frozen=True)
class Case:
    """An approved restore whose job is in the queue; the database holds 7 items, the backup 100."""

    context: Context
    ledger: PostgresLedger
    url: Secret
    request: Request

    @classmethod
    def prepare(cls, context: Context, ledger: PostgresLedger, url: Secret) -> Case:
        door = Door(ledger, context.environment, DIRECTORY)
        asked = ask(door, ADA, "restore", {"backup": "latest"})
        plan(workshop_of(ledger, context.environment), asked.id)
        approved = vote(door, asked.id, 1, BOB, agrees=True)
        assert approved.state == State.APPROVED, approved.why
        return cls(context, ledger, url, approved)

    def start(self, lost_after: float = 3600.0) -> subprocess.Popen[bytes]:
        environment = self.context.environment
        told = {
            "ledger": self.url.reveal(),
            "lost_after": lost_after,
            "environment": {
                "name": environment.name,
                "database_url": environment.database_url.reveal(),
                "migrations": environment.migrations,
                "backup_dir": environment.backup_dir,
                "approvals": {name: asdict(one) for name, one in environment.approvals.items()},
            },
        }
        return subprocess.Popen([sys.executable, "-m", "tests.ledger_worker", json.dumps(told)], cwd=ROOT)

    def state(self) -> State:
        return self.ledger.request(self.request.id).state

    def journal_lines(self) -> list[str]:
        paths = Path(self.context.environment.backup_dir).glob(".locktender/*/journal/*.jsonl")
        return [line for path in sorted(paths) for line in path.read_text().splitlines(keepends=True)]

    def items(self) -> int:
        with self.context.database.session() as session:
            return int(session.rows("SELECT count(*) FROM item")[0][0])

    def restores(self) -> int:
        return [record.operation for record in journal.records(self.context)].count("restore")

    def kill(self, moment: Moment) -> bool:
        """Kill a worker at that moment; False if it had ended before."""
        process = self.start()
        until = time.monotonic() + PATIENCE
        while process.poll() is None and not moment(self):
            assert time.monotonic() < until, "the moment does not come"
            time.sleep(0.001)
        ended = process.poll() is not None
        if not ended:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        return not ended

    def bury(self) -> None:
        """What time does: the dead worker has given no sign of life for long."""
        with self.ledger._transaction() as connection:
            connection.execute("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 hour'")
            connection.execute("UPDATE requests SET beat_at = beat_at - interval '1 hour' WHERE beat_at IS NOT NULL")

    def next_worker(self) -> Request:
        """Another worker comes, cleans up, and takes what is in the queue."""
        process = self.start(lost_after=1800.0)
        assert process.wait(PATIENCE) == 0
        return self.ledger.request(self.request.id)

    def judge(self) -> State:
        """What must hold, whenever the worker was killed."""
        stood = self.state()
        self.bury()
        after = self.next_worker()
        if stood == State.APPROVED:  # it had not begun, so it does now, for the first time
            assert after.state == State.DONE, after.outcome
        else:
            assert after.state in (State.NEEDS_ATTENTION, State.DONE), after.outcome
            assert after.outcome
            assert after.state == State.DONE or after.outcome.hint
        assert self.restores() <= 1
        items = self.items()
        assert items in (7, 100)
        assert after.state == State.NEEDS_ATTENTION or items == 100
        self.bury()
        assert self.next_worker().state == after.state
        assert (self.restores() <= 1, self.items()) == (True, items)
        assert verify(self.ledger).intact
        return after.state


def running(case: Case) -> bool:
    return case.state() == State.RUNNING


def said(event: str) -> Moment:
    return lambda case: any(f'"event":"{event}"' in line for line in case.journal_lines())
