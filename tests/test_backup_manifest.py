"""A manifest that was changed in any way is known to be; so is a verification."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from operations.backups.manifest import (
    Manifest,
    SequenceState,
    StoredFile,
    TableRows,
    Verification,
    from_bytes,
    timestamp,
    to_bytes,
    verification_from_bytes,
    verification_to_bytes,
)
from operations.backups.seal import seal, unseal
from operations.catalog.properties import DatabaseProperties, Grant, Setting
from operations.errors import Refused, Tampered
from operations.secret import Secret

KEY = Secret("a signing key")
MANIFEST = Manifest(
    id="20260301T120000Z-abcdef",
    environment="production",
    database='odd "name" ünï\n',
    server="db:5432",
    created=timestamp(1772366400.1239),
    server_version=150018,
    client_version=150018,
    system_identifier="7710946376937494259",
    reason="before deploy",
    run=None,
    actor="ada",
    migrations=("1_init", "2_more"),
    schema_fingerprint="ab" * 32,
    tables={'public."User"': TableRows(3, "-12345678901234567890123"), "public.t": TableRows(0)},
    sequences={"public.s": SequenceState(42, True), "public.moved": None},
    large_objects=TableRows(1, "7"),
    files={"archive/toc.dat": StoredFile(10, "0" * 64), "catalog.json": StoredFile(5, "1" * 64)},
    properties=DatabaseProperties(
        "app", "UTF8", "libc", "C", "C", grants=(Grant(None, "CONNECT"),), settings=(Setting("app", "x.y", "z"),)
    ),
    extensions={"plpgsql": "1.0"},
    schemas=("public",),
    roles=("app",),
    owners=("app",),
    tablespaces=(),
    database_bytes=8_000_000,
    compression="gzip",
    warnings=("one",),
    level="L1",
)


@pytest.mark.parametrize("key", [None, KEY])
def test_a_manifest_comes_back_as_it_was(key: Secret | None) -> None:
    again = from_bytes(to_bytes(MANIFEST, key), key)
    assert again == MANIFEST
    assert again.digest == MANIFEST.digest
    assert (again.created, again.created_at) == ("2026-03-01T12:00:00.123Z", 1772366400.123)
    assert again.bytes == 15
    assert again.rows == 3


def test_it_holds_what_the_contract_lists() -> None:
    body = json.loads(to_bytes(MANIFEST))
    listed = {
        "version", "id", "environment", "database", "created", "server_version", "client_version", "system_identifier",
        "reason", "run", "migrations", "schema_fingerprint", "tables", "files", "level", "properties", "digest",
    }  # fmt: skip
    assert listed <= body.keys()
    assert body["files"]["archive/toc.dat"] == {"bytes": 10, "sha256": "0" * 64}
    assert body["tables"]['public."User"'] == {"rows": 3, "hash": "-12345678901234567890123"}


@pytest.mark.parametrize("key", [None, KEY])
def test_every_flipped_bit_is_found(key: Secret | None) -> None:
    data = to_bytes(MANIFEST, key)
    chance = random.Random(1)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << chance.randrange(8)
        with pytest.raises((Tampered, Refused)):
            from_bytes(bytes(flipped), key)


def test_every_truncation_and_anything_appended_is_found() -> None:
    data = to_bytes(MANIFEST)
    for length in range(len(data)):
        with pytest.raises(Tampered):
            from_bytes(data[:length])
    for more in (b"\n", b" ", b"{}", b"\0"):
        with pytest.raises(Tampered):
            from_bytes(data + more)


def test_a_key_refuses_what_it_has_not_signed() -> None:
    for written in (to_bytes(MANIFEST), to_bytes(MANIFEST, Secret("another key"))):
        with pytest.raises(Tampered, match="signature"):
            from_bytes(written, KEY)
    assert from_bytes(to_bytes(MANIFEST, KEY)) == MANIFEST


def test_well_sealed_nonsense_is_refused() -> None:
    body = unseal(to_bytes(MANIFEST), None, "m")
    for change in ({"rows": 1}, {"tables": [1]}, {"created": 5}, {"files": {"a": {"bytes": "1", "sha256": ""}}}):
        with pytest.raises(Tampered, match="none that Locktender writes"):
            from_bytes(seal({**body, **change}, None))
    with pytest.raises(Refused, match="version 2"):
        from_bytes(seal({**body, "version": 2}, None))
    for data in (b"", b"[]", b"null", b"\xff", b"[" * 100_000):
        with pytest.raises(Tampered):
            from_bytes(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda k: k not in ("digest", "signature")), json_values, max_size=5))
def test_any_value_can_be_sealed(body: dict[str, object]) -> None:
    for key in (None, KEY):
        assert unseal(seal(body, key), key, "x") == body


def test_a_verification_belongs_to_one_manifest() -> None:
    found = Verification(MANIFEST.id, MANIFEST.digest, "L2", MANIFEST.created, "ada")
    data = verification_to_bytes(found, KEY)
    assert verification_from_bytes(data, MANIFEST, KEY) == found
    with pytest.raises(Tampered, match="another backup"):
        verification_from_bytes(data, replace(MANIFEST, reason="manual"), KEY)
    with pytest.raises(Tampered, match="signature"):
        verification_from_bytes(verification_to_bytes(found), MANIFEST, KEY)


def test_a_backup_of_something_else_is_told() -> None:
    assert MANIFEST.strange_to(MANIFEST.database, MANIFEST.system_identifier) == ()
    assert MANIFEST.strange_to(MANIFEST.database, None) == ()
    (other_database,) = MANIFEST.strange_to("other", MANIFEST.system_identifier)
    assert "not of 'other'" in other_database
    (other_server,) = MANIFEST.strange_to(MANIFEST.database, "1")
    assert "another server" in other_server
