"""Forms. Their ``private_metadata`` is an opaque id; all that is decided with is looked up again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bot.blocks.parts import Message, Modal, Option, Sheet, entry, menu
from bot.blocks.request import TITLES
from bot.blocks.text import bold, code, joined, typed
from operations.approvals.model import Operation

REASON, NAME, BACKUP, REF, LENGTH, ENVIRONMENT, LEVEL = (
    "reason",
    "name",
    "backup",
    "ref",
    "length",
    "environment",
    "level",
)
"""Ids of the fields: block and action alike."""
URGENCY, USUAL, EMERGENCY = "urgency", "usual", "emergency"
LOSS, STOP, GO_ON = "loss", "stop", "go_on"
LENGTHS = (
    Option("1 hour", "1h"),
    Option("2 hours", "2h"),
    Option("4 hours", "4h"),
    Option("1 day", "1d"),
    Option("3 days", "3d"),
    Option("1 week", "1w"),
    Option("until it is lifted", "lifted"),
)
LOSSES = (Option("Stop, and say where", STOP), Option("Go on: their rows stay in the kept database", GO_ON))
LEVELS = (Option("read it through (minutes)", "read"), Option("restore it for a test", "test"))


class Form(Struct, frozen=True):
    """What is to be asked for. ``database``: its name must be typed; ``choices``: backups, newest first."""

    operation: Operation
    environment: str
    token: str
    choices: tuple[Option, ...] = ()
    chosen: str | None = None
    database: str | None = None
    reason_wanted: bool = True
    ref_wanted: bool = False
    note: str = ""
    title: str = ""
    reason_hint: str = "Whoever approves it will read this."
    emergency: bool = False
    """Whether this person may pass over the approvals."""


def loading(title: str) -> Modal:
    """Opened at once, as the trigger is only good for three seconds."""
    sheet = Sheet()
    sheet.section("One moment …")
    return Modal(title, tuple(sheet.blocks), "loading", close="Close")


def cannot(title: str, message: str, hint: str = "") -> Modal:
    """Instead of a form that would lead nowhere."""
    sheet = Sheet()
    sheet.section(typed(message, 2000))
    if hint:
        sheet.section(joined(bold("Next: "), typed(hint)))
    return Modal(title, tuple(sheet.blocks), "cannot", close="Close")


def said(message: Message) -> Modal:
    """What there is to say, where only a modal can be shown."""
    return Modal("Locktender", message.blocks, "said", close="Close")


def form(asked: Form) -> Modal:
    """The fields that this operation needs."""
    sheet = Sheet()
    sheet.section(joined(bold(asked.environment), ". ", typed(asked.note, 1000)))
    if asked.choices:
        label = "Backup"
        chosen = asked.chosen or asked.choices[0].value
        sheet.input(BACKUP, label, menu(BACKUP, "Which backup", asked.choices, chosen))
    if asked.ref_wanted:
        initial = asked.chosen or ""
        told = entry(REF, "main, a tag, or a commit", most=200, initial=initial)
        sheet.input(REF, "Version to deploy", told, hint="Empty: the files as they are now.", optional=True)
    if asked.operation == "freeze":
        sheet.input(LENGTH, "For how long", menu(LENGTH, "How long", LENGTHS, asked.chosen or "2h"))
    if asked.operation == "verify":
        sheet.input(LEVEL, "How thoroughly", menu(LEVEL, "How", LEVELS, "read"))
    if asked.operation == "rollback":
        sheet.input(LOSS, "If others have written since", menu(LOSS, "Others' rows", LOSSES, STOP))
    told = entry(REASON, "Why is it needed?", multiline=True, most=500)
    sheet.input(REASON, "Reason", told, optional=not asked.reason_wanted, hint=asked.reason_hint)
    if asked.emergency:
        ways = (
            Option("Usual: others approve it", USUAL),
            Option("Emergency: told to everybody, reviewed after", EMERGENCY),
        )
        sheet.input(URGENCY, "Approval", menu(URGENCY, "Approval", ways, USUAL))
    if asked.database:
        sheet.section(joined("The live database is ", code(asked.database), "."))
        sheet.input(
            NAME, "Type the database's name", entry(NAME, most=100), hint="So that it is not done to the wrong one."
        )
    return Modal(asked.title or TITLES[asked.operation], tuple(sheet.blocks), "ask", asked.token, submit="Ask for it")


def denial(token: str, what: str) -> Modal:
    """Why not."""
    sheet = Sheet()
    sheet.section(bold(what))
    sheet.input(REASON, "Why not?", entry(REASON, multiline=True, most=500), hint="Who asked will read this.")
    return Modal("Deny", tuple(sheet.blocks), "deny", token, submit="Deny")


def choose(token: str, verbs: Sequence[Option], environments: Sequence[Option]) -> Modal:
    """For the shortcut: what, and where."""
    sheet = Sheet()
    sheet.input("verb", "What", menu("verb", "What", verbs, verbs[0].value))
    sheet.input(ENVIRONMENT, "Where", menu(ENVIRONMENT, "Environment", environments, environments[0].value))
    return Modal("Locktender", tuple(sheet.blocks), "choose", token, submit="Go on")
