"""The throwaway server where it is hard to start: its programs out of reach of the user that it must run as."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from operations.adapters import throwaway
from operations.adapters.postgres import PostgresDatabase
from operations.adapters.throwaway import ThrowawayServer, embedded_binaries
from operations.database_url import parse_database_url

from .ports import free_port


def test_programs_in_a_private_directory_can_be_run_by_the_servers_own_user(tmp_path: Path) -> None:
    package = embedded_binaries().parents[1]
    for each in package.parent.glob(f"{package.name}*"):
        if each.is_dir() and each.suffix != ".dist-info":
            shutil.copytree(each, tmp_path / each.name, symlinks=True)
    tmp_path.chmod(0o700)
    binaries = tmp_path / package.name / embedded_binaries().relative_to(package)
    with (
        ThrowawayServer(binaries=binaries) as server,
        PostgresDatabase(parse_database_url(server.url())).session() as session,
    ):
        assert session.server_version // 10000 == 18
    assert not server.directory.exists()


def test_a_copy_that_fails_leaves_the_server_at_work(tmp_path: Path) -> None:
    with ThrowawayServer(by_socket=True) as server:
        with pytest.raises(FileExistsError):
            server.put_by(tmp_path)
        with PostgresDatabase(parse_database_url(server.url())).session() as session:
            assert session.rows("SELECT 1") == [(1,)]


def test_nothing_of_our_environment_reaches_the_server_and_no_network_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "secret of ours")
    with ThrowawayServer(by_socket=True) as server:
        process = Path(f"{server.directory}/data/postmaster.pid").read_text().splitlines()[0]
        assert b"secret of ours" not in Path(f"/proc/{process}/environ").read_bytes()
        with PostgresDatabase(parse_database_url(server.url())).session() as session:
            assert session.rows("SHOW listen_addresses") == [("",)]


def test_a_port_that_is_taken_in_between_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], free_port()]
        monkeypatch.setattr(throwaway, "_free_port", iter(ports).__next__)
        with ThrowawayServer() as server:
            assert server.port == ports[1]
