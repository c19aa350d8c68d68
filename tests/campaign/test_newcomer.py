"""Who knows nothing but the documents gets from an unknown project to a practised restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..action.openapi import DescriptionMissing, description
from ..conftest import Server, missing
from ..newcomer import walk

pytestmark = pytest.mark.campaign


def test_the_documents_lead_from_nothing_to_a_practised_restore(server: Server, tmp_path: Path) -> None:
    try:
        description()
    except DescriptionMissing as lack:
        missing(str(lack))
    reached = [step.reached for step in walk(tmp_path, server.url(server.create()).reveal())]
    assert reached[0] == "configured"
    assert reached[-1] == "all is well"
