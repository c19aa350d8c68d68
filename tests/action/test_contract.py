"""action.yml, the program that reads its inputs, and the page that explains them say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import fields

from action import outputs
from action.inputs import COMMANDS, Inputs, parse, variable
from operations.errors import UsageError
from operations.secret import Secret

ROOT = Path(__file__).resolve().parents[2]
CONTRACT_INPUTS = {
    "command", "environment", "config", "migrations", "base-ref", "database-url", "ssh-host", "ssh-user", "ssh-port",
    "ssh-private-key", "ssh-known-hosts", "github-token", "comment", "check-run", "fail-on", "working-directory",
}  # fmt: skip
CONTRACT_OUTPUTS = {"outcome", "run-id", "backup-id", "pending", "applied", "findings", "report-path", "result"}
TOKEN = "${{ github.token }}"
GIVEN = {TOKEN: "the job's own", "${{ toJSON(matrix) }}": "the matrix's values"}
"""Defaults that only the runner knows, and what the page calls them."""


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return found


def test_inputs_of_the_file_are_those_that_are_read(declared: dict[str, Any]) -> None:
    read = {field.name.replace("_", "-") for field in fields(Inputs)}
    assert set(declared["inputs"]) == read
    assert read >= CONTRACT_INPUTS


def test_outputs_of_the_file_are_those_that_are_written(declared: dict[str, Any]) -> None:
    assert set(declared["outputs"]) == set(outputs.NAMES) == CONTRACT_OUTPUTS


def test_defaults_are_the_same_whether_the_runner_gives_them_or_not(declared: dict[str, Any]) -> None:
    given = {variable(name): one["default"] for name, one in declared["inputs"].items() if one["default"] not in GIVEN}
    with_defaults, without = parse(given), parse({})
    for field in fields(Inputs):
        one, other = getattr(with_defaults, field.name), getattr(without, field.name)
        assert (bool(one), bool(other)) == (False, False) if isinstance(one, Secret) else one == other, field.name


def test_every_input_and_output_is_described_in_the_file_and_on_the_page(declared: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "action.md").read_text(encoding="utf-8")
    for name, one in {**declared["inputs"], **declared["outputs"]}.items():
        assert one["description"]
        assert f"`{name}`" in page, f"docs/action.md does not tell of {name}"
    for name, one in declared["inputs"].items():
        row = re.search(rf"^\| `{name}` \| (.*?) \|", page, re.MULTILINE)
        assert row, f"docs/action.md has no row for {name}"
        default = GIVEN.get(one["default"]) or (f"`{one['default']}`" if one["default"] else "")
        assert row[1] == default, f"docs/action.md tells another default of {name}"


def test_every_command_is_on_the_page() -> None:
    page = (ROOT / "docs" / "action.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`{command}`" in page


def test_it_is_started_so_that_nothing_of_the_workspace_is_imported(declared: dict[str, Any]) -> None:
    runs = declared["runs"]
    assert (runs["using"], runs["image"]) == ("docker", "Dockerfile")
    assert (ROOT / runs["image"]).is_file()
    assert [runs["entrypoint"], *runs["args"]] == ["/opt/locktender/bin/python", "-P", "-E", "-s", "-m", "action"]


def test_all_that_is_wrong_with_the_inputs_is_told_at_once() -> None:
    given = {"INPUT_COMMAND": "explode", "INPUT_COMMENT": "maybe", "INPUT_SSH-PORT": "0", "INPUT_CONFIG": "a\nb"}
    with pytest.raises(UsageError) as raised:
        parse(given)
    for name in ("command", "comment", "ssh-port", "config"):
        assert f"The input {name} must be" in raised.value.message


def test_names_are_read_as_the_runner_writes_them() -> None:
    assert variable("database_url") == "INPUT_DATABASE-URL"
    assert parse({"INPUT_SSH-PORT": " 2222 "}).ssh_port == 2222


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("null", ""),
        ('{\n  "postgres": 15,\n  "os": "debian"\n}', "15, debian"),
        ('{"a": {"b": [1]}, "c": "x\\ny"}', '{"b": [1]}, x y'),
        ("nightly", "nightly"),
        ("18", "18"),
    ],
)
def test_jobs_of_a_matrix_are_called_by_its_values(given: str, name: str) -> None:
    assert parse({"INPUT_NAME": given}).name == name


def test_a_multi_line_key_is_taken_as_it_is() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"
    assert parse({"INPUT_SSH-PRIVATE-KEY": key + "\n"}).ssh_private_key.reveal() == key
