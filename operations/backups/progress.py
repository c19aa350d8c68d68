"""How far pg_dump and pg_restore are, from what they say with ``--verbose`` and the sizes of the tables."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping

from operations.backups.tables import Table
from operations.ports import Progress, Report

BEGUN = re.compile(r'(?:dumping contents of|processing data for) table "(.*)"$')
ENDED = re.compile(r"finished item \d+ TABLE DATA (.*)$")


class Meter:
    """Counts the bytes of tables that are through; told lines from several threads at once."""

    def __init__(self, label: str, tables: Iterable[Table], report: Report) -> None:
        self._label = label
        self._sizes = {f"{table.schema}.{table.relation}": table.bytes for table in tables}
        self._report = report
        self._running: list[str] = []
        self._done = 0
        self._lock = threading.Lock()
        self._tell(label)

    @property
    def running(self) -> Mapping[str, str]:
        """Bare name to full name of the tables that are being worked on."""
        return {name.split(".", 1)[-1]: name for name in self._running}

    def line(self, text: str) -> None:
        """One line of stderr."""
        with self._lock:
            if begun := BEGUN.search(text):
                self._running.append(begun[1])
                self._tell(f"{self._label} {begun[1]}")
            elif ended := ENDED.search(text):
                self._end(ended[1])

    def _end(self, relation: str) -> None:
        name = next((name for name in self._running if name.endswith(f".{relation}")), None)
        if name is not None:
            self._running.remove(name)
            self._done += self._sizes.get(name, 0)
            self._tell(f"{self._label} {', '.join(self._running)}".strip())

    def _tell(self, label: str) -> None:
        self._report(Progress(label, min(self._done, self._total), self._total))

    @property
    def _total(self) -> int:
        return sum(self._sizes.values())
