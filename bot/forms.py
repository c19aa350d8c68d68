"""Which form an operation needs, with what there is to choose from now."""

from __future__ import annotations

from bot.asks import Ask
from bot.blocks.backups import options
from bot.blocks.modals import Form, form
from bot.blocks.parts import Modal
from bot.submission import Metadata
from operations.approvals.asking import Door
from operations.approvals.model import Person
from operations.approvals.policy import CHANGING
from operations.backup_catalogue import list_backups
from operations.context import Context
from operations.errors import NotFound

NOTES = {
    "restore": "What is live now is backed up before, and kept beside it.",
    "undo": "The database that the last restore or rollback replaced comes back; what is live now is kept in turn.",
    "deploy": "What is pending is applied, with a way back at each step.",
    "rollback": "The database, and the application with it, go back to the state before the last deploy.",
    "verify": "Nothing is changed.",
    "freeze": "Nothing that changes the environment begins until it ends, but emergencies.",
}
READ_BY_APPROVERS = "Whoever approves it will read this."


def form_of(ask: Ask, context: Context, door: Door, person: Person) -> Modal:
    """Raises ``NotAllowed`` for who may not ask for it, ``NotFound`` where there is nothing to choose from."""
    environment, undo = context.environment, ask.verb == "undo"
    metadata = Metadata.of_form(f"{ask.verb}:{environment.name}:{ask.channel}:")
    rules = door.rules_for(person, metadata.operation)
    database = context.database.target.database if metadata.operation in CHANGING else ""
    choices = options(list_backups(context), context.clock.now()) if ask.verb in ("restore", "verify") else ()
    if ask.verb in ("restore", "verify") and not choices:
        raise NotFound(f"{environment.name} has no backup that could be used.", hint="Take one: backup.")
    chosen = next((one.value for one in choices if one.value == ask.chosen), None)
    return form(
        Form(
            operation=metadata.operation,
            environment=environment.name,
            token=f"{ask.verb}:{environment.name}:{ask.channel}:{database}",
            choices=choices,
            chosen=chosen or (ask.chosen if ask.verb == "deploy" else None),
            database=database or None,
            reason_wanted=rules.policy.reason_wanted,
            ref_wanted=ask.verb == "deploy" and environment.app is not None,
            note=NOTES[ask.verb],
            title="Undo a restore" if undo else "",
            reason_hint="Everybody in the channel will read this." if ask.verb == "freeze" else READ_BY_APPROVERS,
            emergency=door.breaks_glass(person, metadata.operation),
        )
    )
