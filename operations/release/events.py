"""Events in a run's journal, each before what it says."""

from __future__ import annotations

PREPARED = "release"
STOPPING = "app_stopping"
STARTING = "app_starting"
GOING_BACK = "app_going_back"
"""Of a rollback, it comes when its database is back."""
