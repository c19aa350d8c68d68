"""A pull request, from the event to the comment: the whole program, as the runner starts it."""

from __future__ import annotations

import json

from .conftest import NEXT, Project

ADDS = 'ALTER TABLE "orders" ADD COLUMN "paid" BOOLEAN NOT NULL DEFAULT false;\n'
FAILS = 'ALTER TABLE "nowhere" ADD COLUMN "paid" BOOLEAN;\n'


def test_what_a_migration_will_do_is_told_in_comment_check_summary_outputs_and_log(project: Project) -> None:
    proposal = project.proposed({NEXT: ADDS})
    ran = proposal.run()
    state = project.github.state
    assert ran.exit_code == 0, ran.said
    (comment,) = state.comments.values()
    assert "1 new migration" in comment["body"]
    assert "20240201000000" in comment["body"]
    (check,) = state.check_runs.values()
    assert (check["conclusion"], check["head_sha"], check["status"]) == ("success", proposal.head, "completed")
    assert "1 new migration" in ran.summary
    assert ran.outputs["outcome"] == "passed"
    assert json.loads(ran.outputs["pending"]) == ["20240201000000_paid"]
    assert ran.result["result"]["verdicts"]["20240201000000_paid"]["atomic"] is True
    assert "20240201000000_paid: new" in ran.log
