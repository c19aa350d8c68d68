"""Which objects are PostgreSQL's own."""

from __future__ import annotations

FIRST_USER_OID = 16384
"""The first object id that initdb does not give out: FirstNormalObjectId in PostgreSQL's access/transam.h."""
