"""The app manifests ask for what the bot calls, and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from operations.settings_file import load

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = sorted((ROOT / "examples" / "slack").glob("manifest-*.yaml"))
NEEDED = {
    "chat_postMessage": {"chat:write"},
    "chat_update": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "conversations_open": {"im:write"},
    "conversations_info": {"channels:read", "groups:read"},
    "users_info": {"users:read"},
    "usergroups_users_list": {"usergroups:read"},
    "files_upload_v2": {"files:write"},
    "views_open": set(),
    "views_update": set(),
    "views_publish": set(),
    "conversations_members": {"channels:read", "groups:read"},
    "auth_test": set(),
}
BESIDES = {"commands", "app_mentions:read"}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_the_scopes_are_those_of_the_methods_that_are_called(manifest: Path) -> None:
    called = set(re.findall(r"_client\.(\w+)", (ROOT / "bot" / "web_api.py").read_text()))
    assert called == set(NEEDED)
    scopes = re.search(r"    bot:\n((?:      - .*\n)+)", manifest.read_text())
    assert scopes
    assert set(re.findall(r"- (\S+)", scopes[1])) == set().union(*NEEDED.values(), BESIDES)


def test_both_ways_have_a_manifest_and_differ_in_nothing_else() -> None:
    socket, http = ((ROOT / "examples" / "slack" / f"manifest-{way}.yaml").read_text() for way in ("socket", "http"))
    lines = [line for line in http.splitlines() if not line.startswith("#") and "https://" not in line]
    same = [line for line in socket.splitlines() if not line.startswith("#")]
    assert [line.replace("false", "true") for line in lines] == [line.replace("false", "true") for line in same]
    assert "socket_mode_enabled: true" in socket
    assert http.count("https://locktender.example.com/slack/events") == 3


def test_the_example_is_a_configuration_with_somebody_to_approve() -> None:
    found = load(ROOT / "examples" / "slack" / "locktender.toml", {"DATABASE_URL": "postgresql://u:p@h/d"})
    (environment,) = found.environments
    assert environment.slack.channels
    assert {"restore", "deploy", "rollback"} <= set(environment.approvals)


def test_the_compose_project_takes_what_its_example_of_an_env_file_names() -> None:
    folder = ROOT / "examples" / "slack"
    named = set(re.findall(r"^([A-Z_]+)=", (folder / ".env.example").read_text(), re.MULTILINE))
    wanted = set(re.findall(r"\$\{([A-Z_]+):\?", (folder / "compose.yaml").read_text()))
    assert wanted <= named
