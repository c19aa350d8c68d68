"""What an environment is, frozen: parsed once, by ``settings_file`` or from three options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Struct, field

from operations.secret import Secret

Strategy = Literal["maintenance", "online"]
Client = Literal["auto", "installed", "container", "sidecar"]
Transactions = Literal["whole", "file"]
FreezeHolds = Literal["nothing", "warnings", "everything"]
Seconds = Annotated[float, "duration"]
"""Written with its unit in the file: ``"2s"``, ``"30m"``, ``"26h"``, ``"14d"``."""
Bytes = Annotated[int, "size"]
"""Written with its unit in the file: ``"500MB"``, ``"10GiB"``."""
FilePath = Annotated[str, "path"]
"""Relative ones are resolved by ``settings_paths``."""
Positive = Annotated[int, "positive"]
"""At least 1; a plain ``int`` is at least 0."""
Cron = Annotated[str, "cron"]
"""Five fields, as cron has them."""
OneOrMany = Annotated[tuple[str, ...], "one or many"]
"""A text or a list of texts."""
Level = Literal["error", "warning", "note", "off"]
"""How grave a lint rule's findings are."""
Levels = Annotated[Mapping[str, Level], "rules"]
"""By the names of rules."""
APPROVABLE = ("deploy", "apply", "rollback", "restore", "resolve", "backup", "verify", "freeze", "unfreeze")
"""Operations that a policy may be written for."""
REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
"""As GitHub has it: OWNER/NAME."""


class Backups(Struct, frozen=True):
    """How backups are made and which are kept. Sizes in bytes, times in seconds."""

    keep_last: int = 7
    """The newest so many, whatever their age; a backup stays if any of the rules wants it."""
    keep_hourly: int = 0
    """The newest of each of the last so many hours that have one."""
    keep_daily: int = 14
    """The same for days."""
    keep_weekly: int = 8
    """The same for weeks."""
    keep_monthly: int = 12
    """The same for months."""
    keep_yearly: int = 0
    """The same for years."""
    keep_within: Seconds = 0.0
    """All that are younger than this."""
    max_age: Seconds = 26 * 3600.0
    """Older than this, the newest backup is a finding of ``check``."""
    test_restore: Literal["before_deploy", "never"] = "before_deploy"
    """Whether a deploy's own backup is proved by a restore into a throwaway database first."""
    test_restore_limit: Bytes = 10 * 1024**3
    """Databases above this size are not test-restored before a deploy."""
    hash_limit: Bytes = 10 * 1024**3
    """Databases above this size get row counts, but no row hashes."""
    jobs: int = 0
    """Parallel dump and restore processes; 0 is one per core, at most 4."""
    signing_key: Secret | None = None
    """Where set, manifests carry an HMAC-SHA256 and those without a right one are refused."""


class Server(Struct, frozen=True):
    """The machine beside the database, reached over SSH; absent, it is this one."""

    host: str
    """Name or address."""
    user: str
    """Account to log in as."""
    private_key: Secret
    """OpenSSH private key."""
    known_hosts: Secret
    """Lines as in known_hosts; any other host key is refused."""
    port: Positive = 22
    """Where sshd listens."""
    passphrase: Secret | None = None
    """Of the private key, if it has one."""
    jump: OneOrMany = ()
    """Hosts to go through, the nearest first: ``user@host:port``. Same key, same known hosts."""
    connect_timeout: Seconds = 10.0
    """How long a connection, and each answer while it is being made, may take."""
    keepalive: Seconds = 15.0
    """How often a sign of life is sent; a line that is silent for four of them counts as cut."""


class App(Struct, frozen=True):
    """The application in Docker Compose whose database this is."""

    directory: str
    """Project directory on the server."""
    services: tuple[str, ...]
    """Services that are stopped, built and started around a deploy."""
    compose_file: str = "compose.yaml"
    """Relative to the directory."""
    database_service: str | None = None
    """Service that runs PostgreSQL, where it is one of the project's own."""
    health_url: str | None = None
    """Must answer with 2xx before a deploy counts as done; as seen from the server."""
    health_for: Seconds = 5.0
    """For how long containers and ``health_url`` must be well without a break."""
    start_timeout: Seconds = 120.0
    """How long the services may take until then."""
    stop_timeout: Seconds = 30.0
    """How long a service may take to stop before it is killed."""
    build_timeout: Seconds = 1800.0
    """How long a build may take."""
    hosts: tuple[str, ...] = ()
    """Machines that run the services: ``user@host:port``, with the server's key. Empty: the server itself."""
    wave: Positive = 1
    """On how many of them the new version is started at the same time."""


class Approval(Struct, frozen=True):
    """Who may ask for an operation and who may allow it: names in ``[people]``, Slack ids, ``github:…``."""

    approvers: OneOrMany = ()
    """Who may allow it. Nobody allows what they asked for themselves."""
    requesters: OneOrMany = ()
    """Who may ask for it; empty: any full member of the workspace."""
    required: int = 1
    """How many must agree; 0: nobody has to."""
    expires: Seconds = 1800.0
    """A request without an answer is void after this, and so is an approved one that has not begun."""
    reason: bool = True
    """Whether a reason must be given."""


class BreakGlass(Struct, frozen=True):
    """Who may act without the usual approvals in an emergency: told to everybody, and reviewed afterwards."""

    members: OneOrMany
    """As in ``approvals``."""
    operations: tuple[Literal["deploy", "apply", "rollback", "restore", "resolve"], ...] = ("rollback", "restore")
    """What they may have done so."""
    required: int = 0
    """How many other members must agree."""
    expires: Seconds = 900.0
    """As in ``approvals``."""


class Slack(Struct, frozen=True):
    """From where in Slack an environment may be operated on."""

    channels: OneOrMany = ()
    """Channel ids; requests are shown in the first one. Empty: any channel the bot is in."""
    teams: OneOrMany = ()
    """Workspace or Enterprise ids. Empty: the one that the bot is installed in."""


class Github(Struct, frozen=True):
    """Where the environment is deployed from, if GitHub holds its deployments back until Slack has agreed to them."""

    repository: str
    """``OWNER/NAME``."""
    environment: str | None = None
    """What the environment is called there. Absent: the same as here."""
    migrations: str = "prisma/migrations"
    """The migrations folder in the repository; of an app it is known anyway."""
    branch: str | None = None
    """The only branch that is deployed from. Absent: any that GitHub lets deploy to its environment."""


class Checks(Struct, frozen=True):
    """From where on ``check`` and ``monitor`` find something worth telling. Sizes in bytes, times in seconds."""

    ignore: tuple[str, ...] = ()
    """Checks that are not made."""
    latency: Seconds = 0.25
    """How long the database may take to answer to nothing."""
    long_transaction: Seconds = 300.0
    """How long a transaction may be open."""
    lock_wait: Seconds = 1.0
    """How long anybody may wait for a lock."""
    connections: Positive = 85
    """Percent of the server's connections that may be in use."""
    ids: Positive = 75
    """Percent of a sequence's or an integer key's numbers that may be used up."""
    ids_fail: Positive = 95
    """From how many percent of them on it is a failure."""
    transaction_age: Positive = 1_000_000_000
    """How many transactions the oldest id may be behind, of the 2.1 billion at which PostgreSQL stops."""
    transaction_age_fail: Positive = 1_700_000_000
    """How many more than which are a failure."""
    dead_rows: Positive = 100_000
    """Dead rows a table may hold, where they are more than half as many as the live ones."""
    bloat: Bytes = 1024**3
    """What a table may take up in vain, where that is more than half of it; an estimate."""
    unindexed: Bytes = 10 * 1024**2
    """Tables below this size need no index for their foreign keys."""
    slot_wal: Bytes = 1024**3
    """What a replication slot may keep of the write-ahead log."""
    disk_full_within: Seconds = 7 * 86400.0
    """Warn when the disk will be full so soon; known once ``monitor`` has run for a day."""
    server_disk: Bytes = 1024**3
    """What must be free on each of the server's disks: where database, containers, checkout and system lie."""
    test_restore_age: Seconds = 30 * 86400.0
    """How old the newest backup that was restored for a test may be."""
    days_without_backup: Positive = 2
    """From how many of the last seven days without a backup on; not looked at where ``max_age``
    is two days or more, or ``keep_daily`` less than seven."""
    certificate: Seconds = 21 * 86400.0
    """How long certificates must still be valid; below a third of it is a failure."""
    clock: Seconds = 30.0
    """By how much the clocks of other machines may differ."""
    restarts: Positive = 3
    """How often containers may be restarted within a day."""


class Preflight(Struct, frozen=True):
    """How existing rows are tried before a deploy, and what is done with what was found."""

    mode: Literal["refuse", "tell", "off"] = "refuse"
    """``refuse`` a deploy that existing rows would surely make fail, only ``tell`` it, or do not look. A dry run of one
    that is refused ends with exit code 1."""
    each: Seconds = 5.0
    """How long one question to a table's rows may take; what takes longer is not tried, and told."""
    in_all: Seconds = 30.0
    """How long all of them together may take."""


class Alerts(Struct, frozen=True):
    """Where news of an environment goes, and when."""

    webhooks: tuple[Secret, ...] = ()
    """Addresses that are sent a JSON message; https only. One at hooks.slack.com is sent what Slack understands."""
    slack: tuple[Secret, ...] = ()
    """Further addresses that take what Slack's incoming webhooks take."""
    apprise: tuple[Secret, ...] = ()
    """Addresses of any other service, in the form of Apprise: ``tgram://…``, ``discord://…``, ``mailtos://…``."""
    signing_key: Secret | None = None
    """Where set, webhooks' messages carry an HMAC-SHA256 of their body by it."""
    heartbeat: Secret | None = None
    """Asked for after every look, so that somebody else can tell when there are no more looks."""
    internal: bool = False
    """Whether all of these may lead to private addresses, and may be plain http."""
    level: Literal["warn", "fail"] = "warn"
    """The least that is told."""
    after: Positive = 2
    """How many looks must find the same trouble before it is told."""
    recovered_after: Positive = 3
    """How many looks in a row must find it gone."""
    remind: Seconds = 4 * 3600.0
    """How often what still stands is told again; ``"0s"``: never."""
    silence: tuple[str, ...] = ()
    """Checks of which nothing is told."""
    freeze_holds: FreezeHolds = "warnings"
    """What is not told before the end of a freeze: ``nothing``, ``warnings``, or ``everything``, failures too."""


class Schedule(Struct, frozen=True):
    """What the bot's workers do by themselves, and when: cron expressions of five fields, in UTC."""

    monitor: Cron | None = None
    """They look, as ``monitor check`` does, and keep in the ledger what is known from look to look."""
    report: Cron | None = None
    """They post the report to the environment's first channel in Slack."""


class Person(Struct, frozen=True):
    """One human with all accounts, so that nobody counts twice."""

    name: str
    slack: OneOrMany = ()
    """One id or a list."""
    github: OneOrMany = ()
    """One login or a list."""


class Environment(Struct, frozen=True):
    """One named place to deploy to. Times in seconds."""

    name: str
    database_url: Secret
    """As Prisma writes it, as seen from the server; ``?schema=`` included."""
    migrations: FilePath
    """The migrations folder."""
    backup_dir: FilePath
    """Holds backups, and beside them journal and lock."""
    schema: str | None = None
    """Where the tables live, if not in ``public``: what ``?schema=`` of the URL says, for ``validate``, which runs
    where the URL, if it is a secret, is not known.
    """
    strategy: Strategy = "maintenance"
    """``maintenance``: the application is stopped while migrations run; ``online``: it goes on running."""
    lock_timeout: Seconds = 2.0
    """How long a migration waits for a table's lock, per attempt, before it lets the application through."""
    attempts: Positive = 3
    """Tries at what may pass by itself: locks, deadlocks, serialization failures."""
    transactions: Transactions | None = None
    """``whole`` deploy or each ``file`` in a transaction; ``None``: whole for ``maintenance``, file for ``online``."""
    maintenance_database: str = "postgres"
    """Where to connect while the database itself is being renamed."""
    client_bin: FilePath | None = None
    """Directory of pg_dump and pg_restore, where the usual ones are not to be used."""
    client: Client = "auto"
    """Where pg_dump and pg_restore run: ``installed`` on the host, in the database's own ``container``, in a
    ``sidecar`` of the same image; ``auto``: installed ones of the right version, else a sidecar."""
    advisory_lock_timeout: Seconds = 10.0
    """How long to wait for another migration tool's lock on the database."""
    allow_edited: bool = False
    """Deploy although files of applied migrations were edited."""
    backups: Backups = field(default_factory=Backups)
    """How backups are made and kept."""
    preflight: Preflight = field(default_factory=Preflight)
    """How existing rows are tried before a deploy."""
    server: Server | None = None
    """Absent: this machine."""
    app: App | None = None
    """Absent: the database alone is deployed."""
    approvals: Mapping[str, Approval] = {}
    """Policies by the name of the operation, one of ``APPROVABLE``."""
    break_glass: BreakGlass | None = None
    """Absent: there is no way past the approvals."""
    requests_per_hour: Positive = 30
    """How many requests one person may make."""
    slack: Slack = field(default_factory=Slack)
    """From where in Slack."""
    github: Github | None = None
    """Absent: GitHub's deployments of it are not opened by an approval in Slack."""
    checks: Checks = field(default_factory=Checks)
    """From where on something is worth telling."""
    alerts: Alerts = field(default_factory=Alerts)
    """Where news goes, and when."""
    schedule: Schedule = field(default_factory=Schedule)
    """What the bot's workers do by themselves."""
    log_file: FilePath | None = None
    """Lines of JSON for every operation, of the command line, the Action and the bot's workers alike, on the machine
    that it runs on. Absent: ``LOCKTENDER_LOG``, if set."""
    rules: Levels = {}
    """Lint rules whose findings are graver, or less grave, than by default."""

    @property
    def transaction_mode(self) -> Transactions:
        """``transactions``, or what the strategy implies."""
        return self.transactions or ("file" if self.strategy == "online" else "whole")


class Settings(Struct, frozen=True):
    """A whole configuration file."""

    environments: tuple[Environment, ...]
    people: tuple[Person, ...] = ()
