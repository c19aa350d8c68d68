"""What a look has found as Prometheus reads it: a file for the textfile collector, or a page."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from operations.errors import HostError
from operations.monitor import Look
from operations.monitoring.metrics import samples


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
        families: dict[str, GaugeMetricFamily] = {}
        for one in samples(self._look) if self._look else ():
            names = ["environment", *one.labels]
            family = families.setdefault(one.name, GaugeMetricFamily(one.name, one.help, labels=names))
            family.add_metric([self._environment, *one.labels.values()], one.value)
        yield from families.values()
