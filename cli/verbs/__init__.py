"""One verb a file. This table is all that ``locktender --help`` needs."""

from __future__ import annotations

VERBS = {
    "status": "Which migrations are applied, pending, failed, edited; changes nothing.",
    "check": "How healthy the database, its history and its backups are; changes nothing.",
    "validate": "What new migrations will do, tried on a throwaway database; for pull requests.",
    "rehearse": "The pending migrations on a restored copy of a backup, measured.",
    "monitor": "The health check with a memory: history, alerts, metrics.",
    "deploy": "Back up, apply what is pending, check; back to the old state if anything fails.",
    "apply": "The pending migrations only.",
    "rollback": "Back to the state before the last deploy, or before a named run.",
    "resolve": "Settle a failed migration by hand, or record one as applied.",
    "backup": "Create, list, show, verify, pin and prune backups.",
    "restore": "Bring a backup back beside the live database, then swap it in; or undo that.",
    "report": "What happened, how long it took, how healthy everything is; with charts.",
    "audit": "The ledger of requests and approvals: list it, verify its chain, export it.",
    "init": "Write locktender.toml, workflows and a Compose snippet into a project.",
    "start": "The entry point of an app's container: wait, apply what is pending once, become the app.",
    "demo": "The main job as a story, on an embedded PostgreSQL; needs nothing beforehand.",
    "completion": "The script that makes a shell complete verbs and options.",
}
