"""A tree read in one go answers as the directory itself does."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from operations.adapters.local_host import LocalHost
from operations.context import Context
from operations.errors import HostError
from operations.migrations.prisma_folder import read_folder
from operations.release.choosing import looked_at_again
from operations.secret import Secret
from operations.tree import Tree, TreeOf, unpacked

from .folders import write_migration

HISTORIES = Path(__file__).parent / "histories"


@pytest.mark.parametrize("name", sorted(path.name for path in HISTORIES.iterdir()))
def test_every_path_answers_as_on_the_host(host: LocalHost, name: str) -> None:
    root = str(HISTORIES / name)
    tree = Tree(root, host.read_tree(root))
    directories = [root]
    while directories:
        directory = directories.pop()
        assert tree.list(directory) == host.list(directory)
        for entry in host.list(directory):
            path = f"{directory}/{entry.rstrip('/')}"
            assert tree.exists(path)
            if entry.endswith("/"):
                directories.append(path)
            else:
                assert tree.read(path) == host.read(path)


def test_migrations_read_from_it_are_the_same(host: LocalHost) -> None:
    root = str(HISTORIES / "odd_names")
    assert read_folder(Tree(root, host.read_tree(root)), root) == read_folder(host, root)


def test_an_empty_directory_is_one(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "20240101000000_empty").mkdir()
    assert Tree("/x", host.read_tree(str(tmp_path))).list("/x") == ("20240101000000_empty/",)


def test_what_is_not_there_is_told(host: LocalHost, tmp_path: Path) -> None:
    tree = Tree("/x", {})
    assert (tree.exists("/x"), tree.exists("/x/a"), tree.list("/y")) == (True, False, ())
    with pytest.raises(HostError, match="/x/a: No such file"):
        tree.read("/x/a")
    with pytest.raises(HostError, match="No such file or directory"):
        host.read_tree(str(tmp_path / "nowhere"))


def test_a_second_name_of_a_file_is_read_as_another_file() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, kind, link in (("./a", tarfile.REGTYPE, ""), ("./b", tarfile.LNKTYPE, "./a"), ("../c", b"0", "")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, 0 if link else 2
            tar.addfile(member, io.BytesIO(b"12"))
    assert unpacked(packed.getvalue()) == {"a": b"12", "b": b"12"}


def test_a_tree_of_a_host_is_read_once_and_anew_where_it_may_have_changed(
    host: LocalHost, context_of: Callable[..., Context]
) -> None:
    context = context_of(Secret("postgresql://nobody@127.0.0.1:1/none"))
    migrations = context.environment.migrations
    context = replace(context, folder=TreeOf(host, migrations))
    write_migration(context, "1_init", "SELECT 1;")
    assert context.files.list(migrations) == ("1_init/", "migration_lock.toml")
    write_migration(context, "2_more", "SELECT 1;")
    assert context.files.list(migrations) == ("1_init/", "migration_lock.toml")
    assert looked_at_again(context).files.list(migrations) == ("1_init/", "2_more/", "migration_lock.toml")
