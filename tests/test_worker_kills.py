"""A worker that dies in the middle of an approved restore: never a second one, and a person is told what stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operations import backup
from operations.approvals.model import State
from operations.context import Context
from operations.settings import Approval

from .conftest import Server
from .ledgers import opened
from .worker_kills import Case, Moment, said


def shop(server: Server, context_of: Callable[..., Context], **settings: str) -> Context:
    policy = Approval(approvers=("ada", "bob"), reason=False)
    made = context_of(server.url(server.create()), approvals={"restore": policy}, **settings)
    Path(made.environment.migrations).mkdir(exist_ok=True)
    with made.database.session() as session:
        session.script("CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item SELECT generate_series(1, 100)")
    backup.create(made)
    with made.database.session() as session:
        session.script("DELETE FROM item WHERE id > 7")
    return made


@pytest.mark.campaign
@pytest.mark.parametrize("moment", [said("emergency_backup")], ids=["after the emergency backup"])
def test_a_worker_killed_in_a_restore_leaves_it_to_a_person(
    server18: Server, context_of: Callable[..., Context], moment: Moment
) -> None:
    url = server18.url(server18.create())
    with opened(url) as ledger:
        case = Case.prepare(shop(server18, context_of), ledger, url)
        if not case.kill(moment):
            assert case.state() == State.DONE  # it was quicker
        case.judge()
