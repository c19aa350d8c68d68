"""The whole of a plan as a file, where a card cannot hold it. Pure."""

from __future__ import annotations

import json

from msgspec.structs import asdict

from bot.blocks.request import title
from operations.approvals.model import Request


def whole_plan(request: Request) -> str:
    """What will happen, what is lost, how it is undone; and all that the digest stands for."""
    proposal = request.proposal
    if proposal is None:
        return f"{title(request)}: there is no plan yet.\n"
    told = proposal.explanation
    parts = [
        f"{title(request)}\nRequest {request.id}, version {request.version}\nDigest {request.digest}\n",
        "What will happen:\n" + "".join(f"{n}. {step}\n" for n, step in enumerate(told.steps, 1)),
        f"What is lost: {told.loses}\n" if told.loses else "",
        f"How it can be undone: {told.undo}\n" if told.undo else "",
        "To know:\n" + "".join(f"- {note}\n" for note in told.notes) if told.notes else "",
        "What the digest stands for:\n"
        + json.dumps(asdict(proposal) | {"explanation": None}, indent=1, sort_keys=True),
    ]
    return "\n".join(filter(None, parts)) + "\n"
