"""The rules for the comments that switch rules off; ``allowing`` finds what they say."""

from __future__ import annotations

from operations.rules.model import Rule

WITHOUT_REASON = Rule(
    name="allow-without-reason",
    severity="error",
    problem="A comment that allows something must say why.",
    help="Write: -- locktender: allow RULE because REASON",
)
UNUSED = Rule(
    name="allow-unused",
    severity="warning",
    problem="A comment allows what nothing is found against.",
    help="Remove the comment, or put it right before the statement that it is about.",
)
UNKNOWN_RULE = Rule(
    name="allow-unknown-rule",
    severity="error",
    problem="A comment allows a rule that there is not.",
    help="docs/rules lists the names of all rules.",
)
