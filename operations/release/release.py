"""A new version of the application on all its machines: brought there, started in waves, and taken back.

What is about to be done stands in the journal first, so that a run that dies can be settled by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from operations.context import Context
from operations.journal import Journal
from operations.ports import Progress
from operations.release.machine import Machine
from operations.release.model import PlannedRelease, Version, waves
from operations.release.watching import Outages, wait_until_well
from operations.settings import App

PREPARED = "release"
STOPPING = "app_stopping"
STARTING = "app_starting"
AT_ONCE = 0.0


def machines_of(context: Context, app: App) -> tuple[Machine, ...]:
    """Those that run the services: the ones that are named, or else the host itself."""
    named = context.app_hosts or {_own_name(context): context.host}
    return tuple(Machine(name, host, app) for name, host in named.items())


def database_machine(context: Context, app: App) -> Machine:
    """The host, where the database's own service is."""
    return Machine(_own_name(context), context.host, app)


def _own_name(context: Context) -> str:
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
    outages: Outages = field(default_factory=Outages)
    before: tuple[Version, ...] = ()
    machines: tuple[Machine, ...] = field(init=False)
    begun: bool = False
    stopped: bool = False
    started: bool = False

    def __post_init__(self) -> None:
        self.machines = machines_of(self.context, self.app)

    def prepare(self) -> None:
        """Note what runs, keep its images, and bring the files to the planned commit."""
        moves = self.planned.commit is not None
        for machine in self._checkouts():
            machine.refuse_changes()
        self.before = tuple(machine.look(machine.head() if moves else None) for machine in self.machines)
        before = [version.to_json() for version in self.before]
        self.journal.record(PREPARED, ref=self.planned.ref, commit=self.planned.commit, before=before)
        self.begun = True
        self._each(lambda machine, before: machine.keep_images(before, self.run_id))
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
        self.journal.record(STARTING)
        self.started = True
        by_name = {machine.name: machine for machine in self.machines}
        for names in waves(tuple(by_name), self.planned.wave):
            wave = [by_name[name] for name in names]
            for machine in wave:
                machine.up()
            wait_until_well(self.context, wave, AT_ONCE)
            self._tell_outage(well=True)

    def check(self) -> None:
        """Wait until all of it has been well for a while."""
        wait_until_well(self.context, self.machines, self.app.health_for)

    def quiet(self) -> None:
        """Stop the new version, so that it writes no more while the database is put back."""
        if self.started:
            self.stop()

    def resume(self) -> None:
        """What was stopped goes on, in the version that is there."""
        for machine in self.machines:
            machine.up()
        self._tell_outage(well=True)

    def go_back(self) -> None:
        """The version before, as it was; where that ran it must be well again. Raises what its parts raise."""
        if not self.begun:
            return
        again = self.stopped or self.started
        self._each(lambda machine, before: machine.bring_back(before, self.run_id, start=again))
        if self.before[0].commit:
            for machine in self._checkouts():
                machine.checkout(self.before[0].commit)
        ran = [m for m, before in zip(self.machines, self.before, strict=True) if _ran(before, self.app.services)]
        if again and ran:
            wait_until_well(self.context, ran, AT_ONCE)
            self._tell_outage(well=True)

    def go_forward(self) -> None:
        """The planned version, whose images are built already; must be well. Raises what its parts raise."""
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

    def _each(self, action: Callable[[Machine, Version], None]) -> None:
        for machine, before in zip(self.machines, self.before, strict=True):
            action(machine, before)

    def _check_out_planned(self) -> None:
        if self.planned.commit and self.planned.ref:
            for machine in self._checkouts():
                machine.obtain(self.planned.ref, self.planned.commit)
                machine.checkout(self.planned.commit)

    def _checkouts(self) -> tuple[Machine, ...]:
        """Machines whose files are moved: also the host, where only the database is there."""
        if self.planned.commit is None:
            return ()
        own = database_machine(self.context, self.app)
        elsewhere = all(machine.host is not own.host for machine in self.machines)
        return (*self.machines, *([own] if elsewhere and own.head() is not None else []))


def _ran(before: Version, services: Sequence[str]) -> bool:
    return {service.service for service in before.services if service.running} >= set(services)
