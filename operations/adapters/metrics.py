"""What a look has found as Prometheus reads it: a file for the textfile collector, or a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from operations.errors import HostError
from operations.ledger import MonitorMemory
from operations.monitor import Look
from operations.monitoring.metrics import Board, remembered, samples, seen


class Metrics(Collector):
    """The last look; ``environment`` is a label of every number."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._look: Look | None = None
        self._server: tuple[WSGIServer, Thread] | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def update(self, look: Look) -> None:
        """From now on this one is told."""
        self._look = look

    def write(self, look: Look, path: str) -> None:
        """In place of the file that is there, all at once. Raises ``HostError``."""
        self.update(look)
        try:
            write_to_textfile(path, self._registry)
        except OSError as error:
            raise HostError(f"The metrics cannot be written to {path}: {error.strerror}.") from None

    def serve(self, address: str, port: int) -> int:
        """From a thread of its own; returns the port, which is chosen where 0 is asked for. Raises ``HostError``."""
        try:
            self._server = start_http_server(port, address, self._registry)
        except OSError as error:
            raise HostError(f"Metrics cannot be served on {address}:{port}: {error.strerror}.") from None
        return int(self._server[0].server_port)

    def close(self) -> None:
        """No longer serve."""
        if self._server:
            self._server[0].shutdown()
            self._server[0].server_close()
            self._server[1].join()
            self._server = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As the library wants it."""
        return gauges({self._environment: seen(self._look)} if self._look else {})


class Remembered(Collector):
    """The last look at each environment, whoever it was that looked: read when it is asked for."""

    def __init__(self, memories: Mapping[str, MonitorMemory]) -> None:
        self._memories = memories
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def page(self) -> bytes:
        """As Prometheus reads it; raises what reaching a memory may."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing before it is asked for."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As the library wants it."""
        return gauges({name: remembered(memory.load()) for name, memory in self._memories.items()})


def gauges(boards: Mapping[str, Board]) -> Iterator[GaugeMetricFamily]:
    """Of all environments, by their names."""
    families: dict[str, GaugeMetricFamily] = {}
    for environment, board in boards.items():
        for one in samples(board):
            names = ["environment", *one.labels]
            family = families.setdefault(one.name, GaugeMetricFamily(one.name, one.help, labels=names))
            family.add_metric([environment, *one.labels.values()], one.value)
    yield from families.values()
