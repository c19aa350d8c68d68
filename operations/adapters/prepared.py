"""``python -m operations.adapters.prepared [DIRECTORY]``: a new cluster, made beforehand for validations to begin with.

``initdb`` takes as long as all the rest of a short one. The image brings such a cluster along.
"""

from __future__ import annotations

import sys
from pathlib import Path

from operations.adapters.kept_clusters import PREPARED, PREPARED_PASSWORD, prepare
from operations.adapters.throwaway import ThrowawayServer
from operations.adapters.trial_server import SUPERUSER, database_at, make_roles

UNUSED = "UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'"
"""A third of all files, which would be unpacked each time for nothing."""

if __name__ == "__main__":
    with ThrowawayServer(superuser=SUPERUSER, by_socket=True, password=PREPARED_PASSWORD) as process:
        make_roles(process)
        with database_at(process.url()).session() as session:
            session.execute(UNUSED)
            session.execute("DROP DATABASE template0")
        prepare(Path(sys.argv[1]) if len(sys.argv) > 1 else PREPARED, process)
