"""The shop's web application, as small as it can be: answers over HTTP what PostgreSQL says.

GET /health         200 if the database answers and has the migration that this version needs, else 503
GET /version        {"version"}
GET /orders/count   {"count"}
POST /orders        {"id"} of a new order
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg

PORT = 3000
RELEASE: dict[str, str] = json.loads(Path(__file__).with_name("release.json").read_text())
APPLIED = """
    SELECT EXISTS (
        SELECT FROM _prisma_migrations WHERE migration_name = %s AND finished_at IS NOT NULL AND rolled_back_at IS NULL
    )
"""
NEW_ORDER = """
    WITH customer AS (
        INSERT INTO "Customer" (email, name, city) VALUES ('walk-in@shop.example', 'Walk-in', 'Here')
        ON CONFLICT (email) DO UPDATE SET name = excluded.name
        RETURNING id
    )
    INSERT INTO "Order" ("customerId") SELECT id FROM customer RETURNING id
"""
Answer = tuple[int, dict[str, Any]]


def value(statement: str, *parameters: object) -> Any:
    """The first value that a statement returns, in a transaction and on a connection of its own."""
    options = "-c statement_timeout=5s"
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=3, options=options) as connection:
        row = connection.execute(statement, parameters).fetchone()
    return row[0] if row else None


def health() -> Answer:
    if value(APPLIED, RELEASE["needs"]):
        return 200, {"healthy": True}
    return 503, {"healthy": False, "why": f"migration {RELEASE['needs']} is not applied"}


def version() -> Answer:
    return 200, {"version": RELEASE["version"]}


def count_orders() -> Answer:
    return 200, {"count": value('SELECT count(*) FROM "Order"')}


def place_order() -> Answer:
    return 201, {"id": value(NEW_ORDER)}


ROUTES: dict[tuple[str, str], Callable[[], Answer]] = {
    ("GET", "/health"): health,
    ("GET", "/version"): version,
    ("GET", "/orders/count"): count_orders,
    ("POST", "/orders"): place_order,
}


class Handler(BaseHTTPRequestHandler):
    timeout = 10

    def answer(self) -> None:
        began = time.monotonic()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        route = ROUTES.get((self.command, self.path))
        try:
            status, body = route() if route else (404, {"why": "there is nothing here"})
        except psycopg.Error as error:
            status, body = 503, {"why": str(error).splitlines()[0] if str(error) else type(error).__name__}
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        print(f"{self.command} {self.path} {status} {1000 * (time.monotonic() - began):.0f} ms", flush=True)

    do_GET = do_POST = answer  # names that http.server looks for

    def log_request(self, *_: object) -> None:
        """Said by ``answer``, with the time it took."""


class Server(ThreadingHTTPServer):
    daemon_threads = False
    """Requests that are being answered when the server stops are answered to the end."""
    request_queue_size = 128


def main() -> None:
    with Server(("", PORT), Handler) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        print(f"shop {RELEASE['version']} on port {PORT}, needs {RELEASE['needs']}", flush=True)
        server.serve_forever(poll_interval=0.1)
    print("stopped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
