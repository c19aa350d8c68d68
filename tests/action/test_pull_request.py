"""A pull request, from the event to the comment: the whole program, as the runner starts it."""

from __future__ import annotations

import json

import pytest

from operations.secret import Secret

from ..conftest import Server
from .conftest import FILES, FOLDER, NEXT, PULL, Project
from .reading import obeyed
from .runner import pull_request
from .standin import OWN_LOGIN

ADDS = 'ALTER TABLE "orders" ADD COLUMN "paid" BOOLEAN NOT NULL DEFAULT false;\n'
FAILS = 'ALTER TABLE "nowhere" ADD COLUMN "paid" BOOLEAN;\n'


def test_what_a_migration_will_do_is_told_in_comment_check_summary_outputs_and_log(project: Project) -> None:
    proposal = project.proposed({NEXT: ADDS})
    ran = proposal.run(process=True)
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


def test_an_error_is_red_and_stands_at_its_line(project: Project, shadow: str) -> None:
    proposal = project.proposed({NEXT: f"SELECT 1;\n{FAILS}"})
    ran = proposal.run({"database-url": shadow})
    assert (ran.exit_code, ran.outputs["outcome"]) == (1, "failed"), ran.said
    (check,) = project.github.state.check_runs.values()
    assert check["conclusion"] == "failure"
    places = [(one["path"], one["start_line"], one["annotation_level"]) for one in check["annotations"]]
    assert (NEXT, 2, "failure") in places
    assert all("How to fix: " in one["message"] for one in check["annotations"])
    assert any(finding["line"] == 2 for finding in json.loads(ran.outputs["findings"]))


@pytest.mark.parametrize("password", ["locktender", "true", "error"])
def test_a_password_that_is_a_word_of_ours_breaks_neither_the_comment_nor_the_outputs(
    project: Project, server18: Server, password: str
) -> None:
    role = f"some_{len(password)}"
    with server18.superuser().session() as session:
        session.execute(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{password}'")
    url = server18.process.url("postgres", role, Secret(password)).reveal()
    proposal = project.proposed({NEXT: FAILS})
    for _ in range(2):
        ran = proposal.run({"database-url": url})
        assert ran.exit_code == 1, ran.said
        assert ran.result["result"]["findings"] == json.loads(ran.outputs["findings"]) != []
    (comment,) = project.github.state.comments.values()
    assert comment["body"].startswith("<!-- locktender:validate")
    with server18.superuser().session() as session:
        session.execute(f"DROP ROLE {role}")


def test_a_check_is_written_however_many_bytes_its_characters_have(project: Project, shadow: str) -> None:
    """GitHub counts the bytes of a check run's summary, and the characters of a comment."""
    columns = ", ".join(f'"{"列" * 20}{n}" INT' for n in range(30))
    tables = "".join(f'CREATE TABLE "{"表" * 20}{n}" ({columns});\n' for n in range(40))
    ran = project.proposed({NEXT: tables}).run({"database-url": shadow})
    assert ran.exit_code == 0, ran.said
    (check,) = project.github.state.check_runs.values()
    (comment,) = project.github.state.comments.values()
    assert len(comment["body"].encode()) > 65_535, "or this shows nothing"
    assert check["output"]["summary"].count("<details>") == check["output"]["summary"].count("</details>") > 0


def test_a_push_changes_the_comment_in_place_and_an_older_run_does_not(project: Project, shadow: str) -> None:
    proposal = project.proposed({NEXT: FAILS})
    inputs = {"database-url": shadow}
    assert proposal.run(inputs).exit_code == 1
    newer = project.proposed({NEXT: ADDS}, branch="change2")
    assert newer.run(inputs).exit_code == 0
    assert proposal.run(inputs).exit_code == 1
    (comment,) = project.github.state.comments.values()
    assert newer.head[:12] in comment["body"]


def test_a_safe_form_is_suggested_once_at_its_lines(project: Project, shadow: str) -> None:
    sql = 'CREATE INDEX "orders_note" ON "orders" ("note");\n'
    proposal = project.proposed({NEXT: sql})
    project.github.state.patches = {NEXT: f"@@ -0,0 +1 @@\n+{sql.rstrip()}"}
    for _ in range(2):
        proposal.run({"database-url": shadow})
    (made,) = project.github.state.review_comments
    assert (made["path"], made["line"], made["side"]) == (NEXT, 1, "RIGHT")
    assert '```suggestion\nCREATE INDEX CONCURRENTLY "orders_note" ON "orders" ("note");\n```' in made["body"]
    (review,) = project.github.state.reviews
    assert (review["commit_id"], review["event"]) == (proposal.head, "COMMENT")


def test_a_fork_is_checked_and_told_in_log_summary_and_exit_code(project: Project, shadow: str) -> None:
    project.github.state.read_only = True
    ran = project.proposed({NEXT: FAILS}).run({"database-url": shadow}, fork=True)
    assert (ran.exit_code, ran.outputs["outcome"]) == (1, "failed"), ran.said
    assert project.github.state.comments == {}
    assert "may only read" in ran.log
    assert "error" in ran.summary
    told = [(name, properties) for name, properties, _ in obeyed(ran.log)]
    assert any(name == "error" and f"file={NEXT},line=1" in properties for name, properties in told)
    assert not any(name == "warning" and "Locktender" in properties for name, properties in told)


@pytest.mark.parametrize("event", ["push", "workflow_dispatch", "schedule"])
def test_other_events_are_compared_with_what_was_before_or_the_default_branch(
    project: Project, shadow: str, event: str
) -> None:
    base = project.repository.git("rev-parse", "main")
    head = project.repository.branch("change", {NEXT: ADDS})
    payload = {"repository": {"full_name": "ada/shop", "default_branch": "main"}}
    ran = project.checked_out(head).run(
        event, {**payload, "before": base} if event == "push" else payload, head, {"database-url": shadow}
    )
    assert (ran.exit_code, json.loads(ran.outputs["pending"])) == (0, ["20240201000000_paid"]), ran.said
    (check,) = project.github.state.check_runs.values()
    assert check["head_sha"] == head
    assert project.github.state.comments == {}


@pytest.mark.parametrize("event", ["pull_request", "push"])
def test_dependabots_are_checked_with_a_token_that_may_only_read(project: Project, shadow: str, event: str) -> None:
    project.github.state.read_only = True
    proposal = project.proposed({NEXT: FAILS})
    payload = pull_request(PULL, proposal.base, proposal.head, author="dependabot[bot]")
    payload = payload if event == "pull_request" else {"before": proposal.base, "repository": payload["repository"]}
    sha = proposal.merge if event == "pull_request" else proposal.head
    ran = project.checked_out(sha).run(
        event, payload, sha, {"database-url": shadow}, GITHUB_ACTOR="dependabot[bot]", DATABASE_URL="postgresql://x@y/z"
    )
    assert (ran.exit_code, ran.outputs["outcome"]) == (1, "failed"), ran.said
    assert "may only read" in ran.log
    assert not any(name == "warning" and "Locktender" in told for name, told, _ in obeyed(ran.log))


def test_what_is_told_of_a_commit_is_read_from_it_whatever_the_workspace_was_brought_to(
    project: Project, shadow: str
) -> None:
    """As ``ref: ${{ github.head_ref }}`` does where somebody has pushed since: a merge of the commit, with any base."""
    proposal = project.proposed({NEXT: FAILS})
    git = project.repository.git
    loose = '[environments.production.rules]\nban-drop-table = "off"\n'
    evil = project.repository.branch("evil", {NEXT: ADDS, "locktender.toml": FILES["locktender.toml"] + loose})
    git("checkout", "-q", "--detach", evil)
    git("merge", "-q", "--no-ff", "-s", "ours", "-m", "Merge", proposal.head)
    later = git("rev-parse", "HEAD")
    git("checkout", "-q", "main")
    payload = pull_request(PULL, proposal.base, proposal.head)
    ran = project.checked_out(later, depth=0).run("pull_request", payload, proposal.merge, {"database-url": shadow})
    assert (ran.exit_code, json.loads(ran.outputs["pending"])) == (1, ["20240201000000_paid"]), ran.said
    assert "does-not-apply" in [finding["rule"] for finding in ran.result["result"]["findings"]]
    assert any(later[:12] in note for note in ran.result["result"]["notes"])


def test_row_counts_are_told_where_the_secrets_are_there_and_never_to_a_fork(
    project: Project, shadow: str, server18: Server
) -> None:
    name = server18.create()
    with server18.superuser(name).session() as session:
        session.script("CREATE TABLE orders AS SELECT generate_series(1, 4321) i; ANALYZE orders")
    proposal = project.proposed({NEXT: 'CREATE INDEX "n" ON "orders" ("note");\n'})
    url = server18.url(name).reveal()
    nowhere = "postgresql://u:s3cretpw@127.0.0.1:1/x"
    inputs = {"database-url": shadow}
    assert "(4\u202f321 rows)" in proposal.run(inputs, DATABASE_URL=url).sinks
    adds = project.proposed({NEXT: 'ALTER TABLE "orders" ADD COLUMN "n" INT;\n'}, branch="adds")
    ran = adds.run(inputs, DATABASE_URL=url)
    assert "4,321 rows in the environment's database" in ran.summary
    losses = [proof["loss"] for proof in ran.result["result"]["rollback_proof"] if proof["loss"]]
    rows = [{"table": "public.orders", "rows": 4321, "counted_in": "environment"}]
    assert losses == [{"tables": 0, "columns": 1, "rows": rows}]
    assert "(4\u202f321 rows)" not in proposal.run(inputs, DATABASE_URL=url, fork=True).sinks
    ran = proposal.run(inputs, DATABASE_URL=nowhere)
    assert ran.exit_code == 0, ran.said
    assert "The database of production was not looked at (database_unreachable)." in ran.result["result"]["notes"]
    assert not any(part in ran.sinks for part in ("s3cretpw", "127.0.0.1:1"))


def test_the_configurations_schema_comes_before_that_of_the_trial_server(project: Project, shadow: str) -> None:
    inputs = {"database-url": f"{shadow}?schema=elsewhere"}

    def schemas() -> set[str]:
        ran = project.proposed({NEXT: ADDS}, branch=f"change{next(project.serial)}").run(inputs)
        return {change["object"].partition(".")[0] for change in ran.result["result"]["schema_changes"]}

    assert schemas() == {"elsewhere"}
    project.repository.commit({"locktender.toml": FILES["locktender.toml"] + 'schema = "shop"\n'})
    assert schemas() == {"shop"}


def test_a_url_in_the_configuration_says_the_schema_though_the_other_secrets_are_not_there(
    project: Project, shadow: str
) -> None:
    def schemas(**settings: object) -> set[str]:
        proposal = project.proposed({NEXT: ADDS}, branch=f"change{next(project.serial)}")
        ran = proposal.run({"database-url": f"{shadow}?schema=elsewhere"}, **settings)
        assert ran.exit_code == 0, ran.said
        return {change["object"].partition(".")[0] for change in ran.result["result"]["schema_changes"]}

    url = "postgresql://u@127.0.0.1:1/x?schema=app"
    lacking = '[environments.production.alerts]\nheartbeat = "env:NOT_HERE"\n'
    project.repository.commit({"locktender.toml": FILES["locktender.toml"] + lacking})
    assert schemas(DATABASE_URL=url) == {"app"}
    assert schemas(DATABASE_URL=url, fork=True) == {"elsewhere"}
    project.repository.commit({"locktender.toml": FILES["locktender.toml"].replace("env:DATABASE_URL", url) + lacking})
    assert schemas() == {"app"}
    assert schemas(fork=True) == {"app"}, "whoever reads the repository can read it"


def test_jobs_of_a_matrix_have_a_check_and_a_comment_each(project: Project, shadow: str) -> None:
    proposal = project.proposed({NEXT: ADDS})
    for matrix in ('{"postgres": ">15"}', '{"postgres": "15"}', '{"postgres": "15"}', "null"):
        assert proposal.run({"database-url": shadow, "name": matrix}, GITHUB_RUN_ATTEMPT="1").exit_code == 0
    state = project.github.state
    assert sorted(run["name"] for run in state.check_runs.values()) == [
        "Locktender", "Locktender (15)", "Locktender (>15)",
    ]  # fmt: skip
    tops = sorted(comment["body"].split("\n")[1].partition(":")[0] for comment in state.comments.values())
    assert tops == ["### Locktender", "### Locktender (&#62;15)", "### Locktender (15)"]


def test_comment_and_check_can_be_switched_off(project: Project, shadow: str) -> None:
    inputs = {"database-url": shadow, "comment": "false", "check-run": "false"}
    ran = project.proposed({NEXT: FAILS}).run(inputs)
    assert ran.exit_code == 1
    assert [request for request in project.github.state.requests if request[0] != "GET"] == []
    assert any(name == "error" and f"file={NEXT}," in properties for name, properties, _ in obeyed(ran.log))


def test_pull_request_target_reads_the_files_as_data_and_the_workspace_is_the_bases(
    project: Project, shadow: str
) -> None:
    proposal = project.proposed({NEXT: ADDS})
    runner = project.checked_out(proposal.base)
    payload = pull_request(PULL, proposal.base, proposal.head, fork=True)
    ran = runner.run("pull_request_target", payload, proposal.base, {"database-url": shadow})
    assert ran.exit_code == 0, ran.said
    assert json.loads(ran.outputs["pending"]) == ["20240201000000_paid"]
    assert len(project.github.state.comments) == 1


def test_the_merge_queue_gets_the_check_and_no_comment(project: Project, shadow: str) -> None:
    proposal = project.proposed({NEXT: ADDS})
    payload = {"merge_group": {"head_sha": proposal.merge, "base_sha": proposal.base}}
    ran = project.checked_out(proposal.merge, depth=0).run(
        "merge_group", payload, proposal.merge, {"database-url": shadow}
    )
    assert ran.exit_code == 0, ran.said
    (check,) = project.github.state.check_runs.values()
    assert check["head_sha"] == proposal.merge
    assert project.github.state.comments == {}


def test_what_has_landed_meanwhile_is_no_deletion(project: Project, shadow: str) -> None:
    """The branch is checked out as it is, without GitHub's merge, and main has gone on."""
    head = project.repository.branch("change", {NEXT: ADDS})
    project.repository.commit({f"{FOLDER}/20240301000000_later/migration.sql": "SELECT 1;\n"})
    base = project.repository.git("rev-parse", "main")
    project.github.state.heads[PULL] = head
    runner = project.checked_out(head)
    ran = runner.run("pull_request", pull_request(PULL, base, head), head, {"database-url": shadow})
    changes = ran.result["result"]["changes"]
    assert (changes["new"], changes["deleted"]) == (["20240201000000_paid"], []), ran.said
    assert changes["late"] == ["20240201000000_paid"]


def test_which_of_several_environments_is_meant_is_said_by_an_input(project: Project, shadow: str) -> None:
    other = FILES["locktender.toml"].replace("production", "staging").replace("prisma/", "elsewhere/")
    project.repository.commit({"locktender.toml": FILES["locktender.toml"] + other})
    proposal = project.proposed({NEXT: ADDS})
    ran = proposal.run({"database-url": shadow})
    assert (ran.exit_code, ran.result["error"]["hint"]) == (2, "Say which one by the input environment."), ran.said
    assert proposal.run({"database-url": shadow, "environment": "production"}).exit_code == 0


def test_what_cannot_be_validated_leaves_no_older_verdict_in_sight(project: Project) -> None:
    proposal = project.proposed({NEXT: ADDS})
    project.github.state.add_comment("<!-- locktender:validate default . nowhere -->\nAll is well", OWN_LOGIN)
    ran = proposal.run({"migrations": "nowhere"})
    assert ran.exit_code == 2, ran.said
    (comment,) = project.github.state.comments.values()
    assert "could not be validated" in comment["body"]
    (check,) = project.github.state.check_runs.values()
    assert check["conclusion"] == "failure"
