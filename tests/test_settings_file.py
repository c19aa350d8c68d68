"""The configuration file: what it becomes, and how every mistake in it is told."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from operations import settings as model
from operations.errors import ConfigurationError, ExitCode
from operations.settings import Alerts, Approval, Backups, BreakGlass, Checks, Environment, Github, Preflight, Slack
from operations.settings_file import load, load_environment
from operations.settings_schema import is_section, section_fields
from operations.settings_values import seconds, size
from operations.toml_lines import key_lines, line_of

EXAMPLE = Path(__file__).parent.parent / "locktender.example.toml"
ENVIRON = {
    "DATABASE_URL": "postgresql://u:pw@db/app",
    "SSH_PRIVATE_KEY": "key",
    "SSH_KNOWN_HOSTS": "hosts",
    "SSH_PASSPHRASE": "opens",
    "ALERT_WEBHOOK": "https://example.com/hook",
    "CHAT_SERVICE": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "CHAT_WEBHOOK": "https://chat.example.com/hook",
    "ALERT_SIGNING_KEY": "signs alerts",
    "HEARTBEAT_URL": "https://beat.example.com/1",
}
MINIMAL = """
[environments.production]
database_url = "env:DATABASE_URL"
migrations = "prisma/migrations"
backup_dir = "/srv/backups"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "locktender.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, environ: Mapping[str, str] = ENVIRON) -> list[tuple[int | None, str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        load_environment(path, None, environ)
    assert caught.value.exit_code == ExitCode.USAGE
    found = caught.value.details["problems"]
    for problem in found:
        assert problem["message"] in caught.value.message
    return [(problem["line"], problem["key"], problem["message"]) for problem in found]


def test_a_minimal_file_gives_the_defaults_and_resolves_paths_against_its_directory(tmp_path: Path) -> None:
    environment = load_environment(written(tmp_path, MINIMAL), None, ENVIRON)
    assert environment.database_url.reveal() == ENVIRON["DATABASE_URL"]
    assert environment.migrations == str(tmp_path / "prisma/migrations")
    assert environment.backup_dir == "/srv/backups"
    expected = Environment("production", environment.database_url, environment.migrations, "/srv/backups")
    assert environment == expected


def example_values(tmp_path: Path) -> Environment:
    key = tmp_path / "signing.key"
    key.write_text("signs\n")
    text = EXAMPLE.read_text().replace("file:/etc/locktender/signing.key", "file:signing.key")
    settings = load(written(tmp_path, text), ENVIRON)
    assert [person.name for person in settings.people] == ["ada"]
    assert settings.people[0].slack == ("U0AAAA", "U0DDDD")
    assert settings.people[0].github == ("ada",)
    return settings.environments[0]


def test_the_example_is_valid_and_what_it_calls_defaults_are_the_defaults(tmp_path: Path) -> None:
    environment = example_values(tmp_path)
    assert environment.backups.signing_key
    assert environment.backups.signing_key.reveal() == "signs"
    assert environment.server
    assert environment.server.private_key.reveal() == "key"
    assert environment.approvals == {
        "restore": Approval(approvers=("U0BBBB", "U0CCCC"), requesters=("U0AAAA",), required=1, expires=1800.0)
    }
    own = {"name", "database_url", "migrations", "backup_dir", "client_bin", "transactions", "backups"}
    own |= {
        "alerts",
        "app",
        "approvals",
        "break_glass",
        "checks",
        "github",
        "log_file",
        "preflight",
        "rules",
        "schedule",
        "schema",
        "server",
        "slack",
    }
    assert environment.break_glass == BreakGlass(("U0BBBB", "U0CCCC"))
    assert environment.slack == Slack(("C0OPS",), ("T0TEAM",))
    assert environment.github == Github("example/shop", "Production", branch="main")
    for field in fields(Environment):
        assert field.name in own or getattr(environment, field.name) == field.default, field.name
    for field in fields(Backups):
        assert field.name == "signing_key" or getattr(environment.backups, field.name) == field.default, field.name
    assert environment.checks == Checks()
    assert environment.preflight == Preflight()
    for field in fields(Alerts):
        own = {"webhooks", "slack", "apprise", "signing_key", "heartbeat"}
        assert field.name in own or getattr(environment.alerts, field.name) == field.default, field.name


def test_what_github_holds_back_is_asked_for_in_a_channel_and_belongs_to_one_environment(tmp_path: Path) -> None:
    other = MINIMAL.replace("production", "staging")
    text = MINIMAL + '[environments.production.github]\nrepository = "ada/shop"\n'
    text += other + '[environments.staging.github]\nrepository = "Ada/Shop"\nenvironment = "production"\n'
    text += '[environments.staging.slack]\nchannels = "C0OPS"\n'
    text += "[environments.staging.approvals.deploy]\nrequired = 0\n"
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), ENVIRON)
    told = [(problem["key"], problem["message"]) for problem in caught.value.details["problems"]]
    assert told == [
        ("environments.production.github", "needs slack.channels: requests are shown in the first one"),
        (
            "environments.staging.github",
            "approvals.deploy has required = 0: nobody would decide what GitHub holds back",
        ),
        ("environments.staging.github", "means the same environment on GitHub as that of production"),
    ]
    text = MINIMAL + '[environments.production.github]\nrepository = "https://github.com/ada/shop"\n'
    ((_, key, message),) = problems(written(tmp_path, text))
    assert (key, message) == ("environments.production.github", 'its repository must be written "OWNER/NAME"')


def test_webhooks_are_https_unless_they_may_be_internal(tmp_path: Path) -> None:
    text = MINIMAL + '[environments.production.alerts]\nheartbeat = "http://10.0.0.1/beat"\n'
    ((line, key, message),) = problems(written(tmp_path, text))
    assert (line, key) == (6, "environments.production.alerts")
    assert message == "webhooks, slack and heartbeat must begin with https://, unless internal = true"
    environment = load_environment(written(tmp_path, text + "internal = true"), None, ENVIRON)
    assert environment.alerts.internal


def test_an_address_for_apprise_names_its_service_and_is_not_repeated(tmp_path: Path) -> None:
    text = MINIMAL + '[environments.production.alerts]\napprise = ["s3cret"]\n'
    ((line, key, message),) = problems(written(tmp_path, text))
    assert (line, key) == (6, "environments.production.alerts")
    assert message == "an address under apprise must begin with a service's name and ://"


def test_the_example_holds_every_key_of_the_model_and_only_those() -> None:
    def keys_of(section: type[Struct], data: Mapping[str, Any]) -> Iterator[str]:
        for field in section_fields(section):
            assert field.name in data, f"{section.__name__}.{field.name} is not in the example"
            yield field.name
            inner = [found for found in (field.type, *get_args(field.type)) if is_section(found)]
            for kind in inner:
                below = data[field.name]
                below = next(iter(below.values())) if kind is Approval else below
                assert set(keys_of(kind, below)) == set(below)

    data = tomllib.loads(EXAMPLE.read_text())
    environment = data["environments"]["production"]
    assert set(keys_of(Environment, environment)) == set(environment)
    assert set(keys_of(model.Person, data["people"]["ada"])) == set(data["people"]["ada"])


def test_rules_of_an_environment_go_before_those_of_all(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + """
[environments.production.rules]
ban-drop-table = "error"
[environments.staging]
database_url = "env:DATABASE_URL"
migrations = "m"
backup_dir = "/b"
[rules]
ban-drop-table = "off"
prefer-identity = "note"
"""
    )
    path = written(tmp_path, text)
    assert load_environment(path, "production", ENVIRON).rules == {"ban-drop-table": "error", "prefer-identity": "note"}
    assert load_environment(path, "staging", ENVIRON).rules == {"ban-drop-table": "off", "prefer-identity": "note"}


def test_rules_that_there_are_not_and_other_levels_are_errors_with_their_lines(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + """
[environments.production.rules]
ban-drop-tabel = "error"
ban-drop-column = "fatal"
[rules]
prefer-identity = true
nonsense = "off"
"""
    )
    assert problems(written(tmp_path, text)) == [
        (8, "environments.production.rules.ban-drop-tabel", "unknown key (is ban-drop-table meant?)"),
        (9, "environments.production.rules.ban-drop-column", 'must be "error", "warning", "note" or "off"'),
        (11, "rules.prefer-identity", 'must be "error", "warning", "note" or "off"'),
        (12, "rules.nonsense", "unknown key"),
    ]


def test_all_problems_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """[environments.production]
database_url = "env:NOT_THERE"
migrations   = 7
strateg     = "maintenance"
strategy = "fast"
lock_timeout = 2
attempts = 0
allow_edited = "yes"
[environments.production.server]
host = "app.example.com"
port = "22"
private_key = "file:nope"
known_hosts = "env:EMPTY"
[environments.production.backups]
keep_last = 0
keep_daily = 0
keep_weekly = 0
keep_monthly = 0
[environments.production.approvals.restor]
approvers = ["a"]
[environments.production.approvals.restore]
approvers = ["a", "a"]
required = 2
[people.ada]
slack = [3]
[environments.staging]
database_url = "env:MISSING_BUT_NOT_CHOSEN"
[pople]
""",
    )
    with pytest.raises(ConfigurationError, match="2 environments: production, staging"):
        load_environment(path, None, ENVIRON)
    with pytest.raises(ConfigurationError) as caught:
        load_environment(path, "production", {"EMPTY": ""})
    found = {
        (p["line"], p["key"].removeprefix("environments.")): p["message"] for p in caught.value.details["problems"]
    }
    assert {key: message.split(":")[0] for key, message in found.items()} == {
        (1, "production.backup_dir"): "is missing",
        (2, "production.database_url"): "the environment variable NOT_THERE is not set",
        (3, "production.migrations"): "must be a path in quotes",
        (4, "production.strateg"): "unknown key (is strategy meant?)",
        (5, "production.strategy"): 'must be "maintenance" or "online"',
        (6, "production.lock_timeout"): 'must be a duration with its unit, such as "2s", "30m", "26h" or "14d"',
        (7, "production.attempts"): "must be at least 1",
        (8, "production.allow_edited"): "must be true or false",
        (9, "production.server.user"): "is missing",
        (11, "production.server.port"): "must be a whole number",
        (12, "production.server.private_key"): f"the file {tmp_path / 'nope'} cannot be read",
        (13, "production.server.known_hosts"): "the environment variable EMPTY is not set (it is empty)",
        (14, "production.backups"): "keeps no backup at all",
        (19, "production.approvals.restor"): found[(19, "production.approvals.restor")],
        (21, "production.approvals.restore"): "requires 2 approvals, but names 1 approvers",
        (25, "people.ada.slack.0"): "must be text in quotes",
        (26, "staging.migrations"): "is missing",
        (26, "staging.backup_dir"): "is missing",
        (28, "pople"): "unknown key (is people meant?)",
    }
    assert found[(19, "production.approvals.restor")].startswith('its name must be "deploy"')


SERVER = """
[environments.production.server]
host = "app.example.com"
user = "deploy"
private_key = "key"
known_hosts = "hosts"
"""
APP = """
[environments.production.app]
directory = "/srv/app"
services = ["web"]
"""


def with_server(**changes: str) -> str:
    keys = {
        "database_url": "postgresql://u:p@db:5432/app",
        "migrations": "prisma/migrations",
        "backup_dir": "/srv/backups/",
        **changes,
    }
    return "\n".join(["[environments.production]", *(f'{key} = "{value}"' for key, value in keys.items()), SERVER])


def test_with_a_server_paths_lie_there_but_for_the_migrations_of_no_app(tmp_path: Path) -> None:
    (alone,) = load(written(tmp_path, with_server(client_bin="/opt/pg/bin")), {}).environments
    assert (alone.migrations, alone.backup_dir) == (str(tmp_path / "prisma/migrations"), "/srv/backups")
    assert alone.client_bin == "/opt/pg/bin"
    (of_app,) = load(written(tmp_path, with_server() + APP), {}).environments
    assert of_app.migrations == "/srv/app/prisma/migrations"
    (elsewhere,) = load(written(tmp_path, with_server(migrations="/srv/migrations") + APP), {}).environments
    assert elsewhere.migrations == "/srv/migrations"


def test_without_a_server_the_applications_directory_counts_from_the_file_too(tmp_path: Path) -> None:
    here = with_server().replace(SERVER, "") + APP.replace("/srv/app", ".")
    (environment,) = load(written(tmp_path, here), {}).environments
    assert environment.app
    assert (environment.app.directory, environment.migrations) == (str(tmp_path), str(tmp_path / "prisma/migrations"))


def test_a_slash_at_the_end_of_the_applications_directory_means_nothing(tmp_path: Path) -> None:
    (environment,) = load(written(tmp_path, with_server() + APP.replace("/srv/app", "/srv/app/")), {}).environments
    assert environment.app
    assert (environment.app.directory, environment.migrations) == ("/srv/app", "/srv/app/prisma/migrations")


@pytest.mark.parametrize(
    ("services", "told"),
    [
        ("[]", "services must name at least one"),
        ('["web", "db"]', "services must not name the database_service: they are stopped while it is worked on"),
        ('["--timeout=0"]', "'--timeout=0' cannot be a service: letters, digits, -, _ and . only"),
    ],
)
def test_services_that_would_stop_the_database_or_be_taken_for_an_option_are_refused(
    tmp_path: Path, services: str, told: str
) -> None:
    text = with_server() + APP.replace('["web"]', f'{services}\ndatabase_service = "db"')
    ((_, key, why),) = problems(written(tmp_path, text))
    assert (key, why) == ("environments.production.app", told)


def test_with_a_server_a_relative_path_or_a_socket_says_nothing(tmp_path: Path) -> None:
    relative = with_server(backup_dir="backups", client_bin="bin") + APP.replace("/srv/app", "app")
    assert problems(written(tmp_path, relative)) == [
        (4, "environments.production.backup_dir", "must be an absolute path, since it lies on the server"),
        (5, "environments.production.client_bin", "must be an absolute path, since it lies on the server"),
        (14, "environments.production.app.directory", "must be an absolute path, since it lies on the server"),
    ]
    for url, why in (
        ("postgresql://u@h/d?host=/var/run/postgresql", "not a socket's directory"),
        ("postgresql://u@h/d?host=one,two", "a single host"),
    ):
        ((line, _, told),) = problems(written(tmp_path, with_server(database_url=url)))
        assert line == 2
        assert why in told


def test_only_the_chosen_environment_needs_its_secrets(tmp_path: Path) -> None:
    other = MINIMAL.replace("production", "staging").replace("DATABASE_URL", "STAGING_URL")
    path = written(tmp_path, MINIMAL + other)
    assert load_environment(path, "production", ENVIRON).name == "production"
    with pytest.raises(ConfigurationError, match=r"line 8: environments\.staging\.database_url: the environment var"):
        load(path, ENVIRON)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no .environments.NAME. section"),
        ("[environments]", "has no .environments.NAME. section"),
        ("a = \n", "is not valid TOML: .*line 1"),
        ("[environments]\nproduction = 1", "line 2: environments.production: must be a section"),
        (MINIMAL.replace("production", '"a/b"'), "environments: 'a/b' cannot be a name"),
        (MINIMAL + 'name = "other"', "line 6: environments.production.name: unknown key"),
        (MINIMAL.replace("env:DATABASE_URL", "mysql://u:hunter2@h/d"), "line 3: .*must begin with postgresql://"),
        (MINIMAL.replace("env:DATABASE_URL", "file:."), "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_environment(written(tmp_path, text), None, ENVIRON)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint} {caught.value.details}"


def test_files_that_are_missing_or_not_text_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_environment(tmp_path / "absent.toml", None, {})
    path = written(tmp_path, MINIMAL)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_environment(path, None, {})
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_environment(path, None, ENVIRON).name == "production"
    (tmp_path / "secret").write_bytes(b"\xff")
    path.write_text(MINIMAL.replace("env:DATABASE_URL", "file:secret"))
    assert problems(path) == [
        (3, "environments.production.database_url", f"the file {tmp_path / 'secret'} is not UTF-8 text")
    ]


def test_no_value_of_a_secret_ever_shows(tmp_path: Path) -> None:
    text = MINIMAL.replace('"env:DATABASE_URL"', '["hunter2"]') + "[environments.production.backups]\nsigning_key = 1\n"
    with pytest.raises(ConfigurationError) as caught:
        load_environment(written(tmp_path, text), None, {})
    assert "hunter2" not in f"{caught.value.message}{caught.value.details}"
    assert "hunter2" not in repr(
        load_environment(written(tmp_path, MINIMAL), None, {"DATABASE_URL": "postgresql://u:hunter2@h/d"})
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("30m", 1800.0),
        ("1h30m", 5400.0),
        ("14d", 1209600.0),
        ("1w", 604800.0),
        ("0s", 0.0),
    ],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("10GB", 10**10), ("1.5 GiB", 3 * 2**29), ("0B", 0), ("3kB", 3000)])
def test_sizes(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "2", "s", "-1s", "2 parsecs", "1s2", 3, None, "10iB"])
def test_values_without_a_known_unit_are_refused(text: object) -> None:
    for parse in (seconds, size):
        with pytest.raises(ValueError, match="with its unit"):
            parse(text)


TRICKY = r'''# [not.a.section]
top = 1 # x = 2
"quoted.key" . inner = """
[nor.this]
x = "1"
"""
list = [ # [
  "]", ['#', """
  """],
  { q = "}" },
]

[s . "t\u00e9"]  # y
k = '\'
[[many]]
z = {p = 1, r.s = 2}
[[many]]
e = ""
f = """a\"""b"""" # "
last = 2020-01-01T00:00:00Z'''


def test_lines_are_found_through_strings_comments_and_lists() -> None:
    tomllib.loads(TRICKY)
    expected = {
        ("top",): 2, ("quoted.key",): 3, ("quoted.key", "inner"): 3, ("list",): 7, ("s", "té"): 13,
        ("s", "té", "k"): 14, ("many",): 15, ("many", "z"): 16,
        ("many", "e"): 18, ("many", "f"): 19, ("many", "last"): 20,
    }  # fmt: skip
    assert key_lines(TRICKY) == expected
    assert key_lines(TRICKY.replace("\n", "\r\n")) == expected
    assert line_of(expected, ("many", "z", "p")) == 16
    assert line_of(expected, ("nowhere",)) is None


VALUES = st.recursive(
    st.integers() | st.booleans() | st.text(alphabet="ab#[]{}='\"\\\n.,é"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(c):04x}" if c in '"\\\n' else c for c in value) + '"'
    if isinstance(value, list):
        return "[\n" + ", # ]\n".join(map(toml, value)) + "\n]"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(item)}' for key, item in value.items()) + "}"
    return str(value)


@given(st.lists(VALUES, max_size=6))
def test_every_key_is_found_whatever_the_values_before_it_hold(values: list[object]) -> None:
    text, expected = "", {}
    for number, value in enumerate(values):
        key = f"k{number}"
        expected[("s", key)] = text.count("\n") + 2
        text += f"{key} = {toml(value) if not isinstance(value, dict) else toml([value])} # '\n"
    text = "[s]\n" + text
    tomllib.loads(text)
    assert key_lines(text) == {("s",): 1, **expected}


def test_a_variable_that_is_not_set_is_told_with_how_to_set_it(tmp_path: Path) -> None:
    text = '[environments.live]\ndatabase_url = "env:NOWHERE"\nmigrations = "m"\nbackup_dir = "b"\n'
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), {})
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("export NOWHERE=…, or, where .env has it:")
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text + "wrong = 1\n"), {})
    assert "example" in str(caught.value.hint)
