"""A new version of the application on all its machines: brought there, started in waves, and taken back.

What is about to be done stands in the journal first, so that a run that dies can be settled by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from operations.context import Context
from operations.errors import ConfigurationError, HostError, LocktenderError
from operations.journal import Journal
from operations.ports import Progress
from operations.release.events import GOING_BACK, PREPARED, STARTING, STOPPING
from operations.release.machine import Machine
from operations.release.model import PlannedRelease, Version, waves
from operations.release.watching import Outages, wait_until_well
from operations.settings import App

T = TypeVar("T")
AT_ONCE = 0.0


def machines_of(context: Context, app: App) -> tuple[Machine, ...]:
    """Those that run the services: the ones that are named, or else the host itself."""
    named = tuple(Machine(name, host, app, key=name) for name, host in context.app_hosts.items())
    return named or (database_machine(context, app),)


def database_machine(context: Context, app: App) -> Machine:
    """The host, where the database's own service is."""
    return Machine(name_of_host(context), context.host, app)


def name_of_host(context: Context) -> str:
    """As people are told of it."""
    server = context.environment.server
    return server.host if server else "this machine"


@dataclass
class Release:
    """One release; every effect is preceded by a line in ``journal``."""

    context: Context
    app: App
    planned: PlannedRelease
    run_id: str
    """Of the run that brought the version, under which the images before it are kept."""
    journal: Journal
    machines: tuple[Machine, ...]
    outages: Outages = field(default_factory=Outages)
    before: tuple[Version, ...] = ()
    database_commit: str | None = None
    """What was checked out before on the host, where the database alone is there."""
    begun: bool = False
    stopped: bool = False
    started: frozenset[str] = frozenset()
    """Keys of the machines on which the new version was started."""

    def prepare(self) -> None:
        """Note what runs, keep its images, and bring the files to the planned commit."""
        moves = self.planned.commit is not None
        database = self._database_checkout()
        for machine in (*self.machines, *database) if moves else ():
            machine.refuse_changes()
        self.before = tuple(machine.look(machine.head() if moves else None) for machine in self.machines)
        self.database_commit = next((machine.head() for machine in database), None)
        self._each(lambda machine, before: machine.keep_images(before, self.run_id))
        self.journal.record(
            PREPARED,
            ref=self.planned.ref,
            commit=self.planned.commit,
            services=list(self.app.services),
            before=[version.to_json() for version in self.before],
            database_commit=self.database_commit,
        )
        self.begun = True
        self._check_out_planned()
        for machine in self.machines:
            machine.prepare()

    def build(self) -> None:
        """Build on every machine; what runs is left alone."""
        for machine in self.machines:
            machine.build(lambda line: self.context.report(Progress(f"build: {line.strip()[:100]}")))

    def stop(self) -> None:
        """Stop the application everywhere."""
        self.journal.record(STOPPING)
        self.stopped = True
        self._tell_outage(well=True)
        for machine in self.machines:
            machine.stop()
        self._tell_outage(well=False)

    def start(self) -> None:
        """Start the new version, wave by wave: the next one only when the one before is well."""
        by_key = {machine.key: machine for machine in self.machines}
        for keys in waves(tuple(by_key), self.planned.wave):
            self.journal.record(STARTING, machines=keys)
            self.started |= set(keys)
            wave = [by_key[key] for key in keys]
            for machine in wave:
                machine.up()
            wait_until_well(self.context, wave, AT_ONCE)
            self._tell_outage(well=True)

    def check(self) -> None:
        """Wait until all of it has been well for a while."""
        wait_until_well(self.context, self.machines, self.app.health_for)

    def quiet(self) -> None:
        """Stop the new version where it was started, so that it writes no more while the database is put back."""
        if not self.started:
            return
        self._note(STOPPING)
        self.stopped = True
        ours = [machine for machine in self.machines if machine.key in self.started]
        every(ours, Machine.stop)
        self._tell_outage(well=len(ours) < len(self.machines))

    def resume(self) -> None:
        """What was stopped goes on, in the version that is there. Raises ``LockLost`` and what its parts raise."""
        self.journal.lock.check()
        every(self.machines, Machine.up)
        self._tell_outage(well=True)

    def refuse_if_it_cannot_go_back(self) -> None:
        """Raise ``Refused`` or ``ConfigurationError`` for what would be found too late otherwise."""
        self._refuse_absent()
        if self.planned.commit:
            for machine in (*self.machines, *self._database_checkout()):
                machine.refuse_changes()
        self._each(Machine.refuse_lost_images)

    def go_back(self, *, start: bool = True) -> None:
        """The version before, as it was, on every machine that can be reached; where that ran it must be well again.

        Without ``start`` only its files and images, for what is stopped to stay so. Raises what its parts raise.
        """
        if not self.begun:
            return
        self._note(GOING_BACK)
        again = start and (self.stopped or bool(self.started))
        actions = [
            lambda: self._each(lambda machine, before: machine.bring_back(before, self.run_id, start=again)),
            self._bring_database_checkout_back,
            self._refuse_absent,
        ]
        every(actions, lambda action: action())
        ran = [machine.as_it_was(before) for machine, before in self._known() if before.running]
        if again and ran:
            wait_until_well(self.context, ran, AT_ONCE)
            self._tell_outage(well=True)

    def go_forward(self) -> None:
        """The planned version, whose images are built already; must be well. Raises what its parts raise."""
        self._refuse_absent()
        self._check_out_planned()
        self.start()

    def drop_old_images(self, keep: Sequence[str]) -> None:
        """Images of earlier versions that no run of ``keep`` would go back to."""
        self._each(lambda machine, before: machine.drop_images(before, keep))

    def _tell_outage(self, *, well: bool) -> None:
        """Where nobody can ask the application itself, it counts as out while it is stopped."""
        if self.app.health_url is None:
            now = self.context.clock.now()
            self.outages.saw(well, now, now)

    def _note(self, event: str) -> None:
        """On the way back, which a full disk must not bar; somebody else who has the lock must. Raises ``LockLost``."""
        with suppress(HostError):
            self.journal.record(event)

    def _known(self) -> list[tuple[Machine, Version]]:
        """Each machine with what was there before."""
        before = {version.machine: version for version in self.before}
        return [(machine, before[machine.key]) for machine in self.machines if machine.key in before]

    def _refuse_absent(self) -> None:
        """Machines may have been taken out of the configuration since."""
        absent = {version.machine for version in self.before} - {machine.key for machine in self.machines}
        if absent:
            raise ConfigurationError(
                f"Run {self.run_id} brought its version to machines that the configuration does not name now: "
                f"{', '.join(sorted(key or 'the server itself' for key in absent))}.",
                hint="Name them under hosts again until this is settled, or look after them by hand.",
            )

    def _each(self, action: Callable[[Machine, Version], None]) -> None:
        every(self._known(), lambda pair: action(*pair))

    def _check_out_planned(self) -> None:
        if self.planned.commit and self.planned.ref:
            for machine in (*self.machines, *self._database_checkout()):
                machine.obtain(self.planned.ref, self.planned.commit)
                machine.checkout(self.planned.commit)

    def _bring_database_checkout_back(self) -> None:
        for machine in self._database_checkout() if self.database_commit else ():
            machine.return_to(str(self.database_commit), self.run_id)

    def _database_checkout(self) -> tuple[Machine, ...]:
        """The host as another machine whose files are moved, where only the database is there, with a checkout."""
        own = database_machine(self.context, self.app)
        if self.planned.commit is None or any(machine.host is own.host for machine in self.machines):
            return ()
        return (own,) if own.head() is not None else ()


def every(items: Iterable[T], action: Callable[[T], object]) -> None:
    """Perform on all of them, also after one fails; raises the first failure then."""
    failures = []
    for item in items:
        try:
            action(item)
        except LocktenderError as error:
            failures.append(error)
    if failures:
        raise failures[0]
