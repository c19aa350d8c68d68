"""The last migrations of real histories, each as the pull request that it once was: all of them apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from operations.adapters.clock import SystemClock
from operations.adapters.folder import read_folder
from operations.adapters.trials import OwnServer
from operations.validate import Question, validate
from operations.validation.folders import Folder, folder_of

from ..corpus import HISTORIES, corpus
from .scale import count

pytestmark = [pytest.mark.campaign, pytest.mark.corpus, pytest.mark.timeout(3600)]
LAST = 50


def beginning(whole: Folder, names: Sequence[str]) -> Folder:
    return replace(whole, migrations={name: whole.migrations[name] for name in names})


@pytest.mark.parametrize("history", HISTORIES)
def test_every_pull_request_of_a_history_applies_and_can_be_undone_as_it_is_said(
    history: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = folder_of(read_folder(corpus(history)))
    names = list(whole.migrations)
    trials = OwnServer(tmp_path_factory.mktemp("bases"))
    found: Counter[str] = Counter()
    last = range(1, len(names))[-count(LAST) :]
    for number in last:
        base, head = (beginning(whole, names[:k]) for k in (number, number + 1))
        answer = validate(Question(head, base, trials, SystemClock()))
        found.update(finding.rule for finding in answer.findings)
        wrong = [f for f in answer.findings if f.rule in ("does-not-apply", "trial-ended", "down-does-not-undo")]
        assert not wrong, (names[number], wrong)
        assert all(proof.state != "refuted" for proof in answer.rollback_proof), (names[number], answer.rollback_proof)
        assert answer.changes.new == (names[number],)
    print(f"{history}: {len(last)} pull requests, {dict(found)}")
