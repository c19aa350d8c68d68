"""What Prometheus is told of a look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from operations.monitor import Look
from operations.monitoring.decide import RANK


@dataclass(frozen=True)
class Sample:
    """One number; samples of a name follow each other."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


NAMES = {
    "locktender_check_status": "How a check ended: 0 ok, 1 warn, 2 fail.",
    "locktender_check_value": "What a check has measured: seconds, bytes, a share of 1, or a count.",
    "locktender_alert_standing": "Trouble that was told and is not over: 1 warn, 2 fail.",
    "locktender_alerts_undelivered": "Messages that could not be delivered yet.",
    "locktender_look_timestamp_seconds": "When the last look began, in seconds since the epoch.",
    "locktender_look_duration_seconds": "How long it took.",
}


def samples(look: Look) -> Iterator[Sample]:
    """All of them; a check without a number has no value."""

    def sample(name: str, value: float, **labels: str) -> Sample:
        return Sample(name, NAMES[name], value, labels)

    for one in look.checks:
        yield sample("locktender_check_status", RANK[one.status], check=one.name, subject=one.subject)
    for one in look.checks:
        if one.value is not None:
            yield sample("locktender_check_value", one.value, check=one.name, subject=one.subject)
    for name, status in look.standing.items():
        yield sample("locktender_alert_standing", RANK[status], check=name)
    yield sample("locktender_alerts_undelivered", look.undelivered)
    yield sample("locktender_look_timestamp_seconds", look.at)
    yield sample("locktender_look_duration_seconds", look.seconds)
