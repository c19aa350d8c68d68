"""One machine that runs the application with Docker Compose, and what is done there."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from operations.commands import compose, docker, git
from operations.docker import ask
from operations.errors import CommandFailed, ConfigurationError, LocktenderError, Refused
from operations.ports import Completed, Host
from operations.release.model import ContainerState, Version, built_here, containers, version
from operations.settings import App
from operations.tree import Tree, unpacked

TIMEOUT = 60.0
FETCH_TIMEOUT = 300.0
PULL_TIMEOUT = 1800.0
KEPT = "locktender-before-"
"""Begin of the tags under which images of earlier versions are kept."""
SHOWN_LINES = 15


@dataclass(frozen=True)
class Machine:
    """``name`` is how it is told apart from the others; ``host`` how commands get there."""

    name: str
    host: Host
    app: App

    def states(self) -> tuple[ContainerState, ...]:
        """The services' containers, running or not."""
        ids = self._docker(compose.container_ids(self.app, self.app.services, all=True)).split()
        return containers(self._docker(docker.inspect(ids))) if ids else ()

    def look(self, commit: str | None) -> Version:
        """What runs there now; ``commit`` is its checkout's, where that will be moved."""
        return version(self.name, commit, self.states())

    def head(self) -> str | None:
        """The commit that is checked out; ``None`` where the directory is no git repository."""
        told = self._git(git.head(self.app.directory), check=False)
        return told.stdout.strip() if told.returncode == 0 else None

    def resolve(self, ref: str) -> str:
        """Fetch a branch, tag or commit and say which commit it is; nothing that is checked out changes."""
        if git.SHA.fullmatch(ref) and self._has(ref):
            return ref
        self._git(git.fetch(self.app.directory, ref), timeout=FETCH_TIMEOUT)
        return self._git(git.fetched(self.app.directory)).stdout.strip()

    def obtain(self, ref: str, commit: str) -> None:
        """Fetch a commit that ``ref`` led to, if it is not there yet."""
        for wanted in (ref, commit):
            if self._has(commit):
                return
            self._git(git.fetch(self.app.directory, wanted), timeout=FETCH_TIMEOUT)

    def files_at(self, commit: str, path: str, scratch: str) -> Tree:
        """The files below an absolute path of the checkout as they are at a commit; ``scratch`` is written for it."""
        inside = path.removeprefix(f"{self.app.directory}/")
        try:
            self._git(git.archive(self.app.directory, commit, inside, scratch))
            found = unpacked(self.host.read(scratch))
        finally:
            self.host.remove(scratch)
        below = {name.removeprefix(f"{inside}/"): data for name, data in found.items() if name.startswith(f"{inside}/")}
        return Tree(path, {name: data for name, data in below.items() if name})

    def refuse_changes(self) -> None:
        """Raise ``Refused`` where files of the checkout were edited by hand: they are not ours to throw away."""
        changed = self._git(git.changes(self.app.directory)).stdout.splitlines()
        if changed:
            raise Refused(
                f"In {self.app.directory} on {self.name}, files were changed by hand: "
                + ", ".join(line[3:] for line in changed[:5]),
                hint=f"git -C {self.app.directory} diff shows how; commit, stash or discard it.",
            )

    def checkout(self, commit: str) -> None:
        """Bring the files to a commit."""
        self._git(git.checkout(self.app.directory, commit))

    def prepare(self) -> None:
        """Check that Compose understands the project, and that it has the services."""
        told = self._docker(compose.config(self.app))
        wanted = [*self.app.services, *([self.app.database_service] if self.app.database_service else [])]
        try:
            built_here(told, wanted)
        except KeyError as missing:
            raise ConfigurationError(
                f"{self.app.compose_file} on {self.name} has no service {missing.args[0]!r}.",
                hint=f"docker compose --project-directory {self.app.directory} config --services lists them.",
            ) from None

    def build(self, on_line: Callable[[str], None]) -> None:
        """Build the services' images, or fetch those that are not built here."""
        built, fetched = built_here(self._docker(compose.config(self.app)), self.app.services)
        if fetched:
            self._docker(compose.pull(self.app, fetched), timeout=PULL_TIMEOUT)
        if built:
            self._docker(compose.build(self.app, built), timeout=self.app.build_timeout, on_line=on_line)

    def stop(self) -> None:
        """Stop the services."""
        self._docker(compose.stop(self.app, self.app.services), timeout=TIMEOUT + self.app.stop_timeout)

    def up(self, services: Sequence[str] | None = None) -> None:
        """Start the services from the images that are there."""
        chosen = self.app.services if services is None else services
        if chosen:
            self._docker(compose.up(self.app, chosen), timeout=TIMEOUT + self.app.stop_timeout)

    def up_database(self) -> None:
        """Start the database and wait until it is healthy."""
        assert self.app.database_service  # noqa: S101 - asked by the caller
        command = compose.up_database(self.app, self.app.database_service)
        self._docker(command, timeout=TIMEOUT + self.app.start_timeout)

    def keep_images(self, before: Version, run_id: str) -> None:
        """Give the images that run a name of their own, so that nothing cleans them away."""
        for service in before.services:
            self._docker(docker.tag(service.image_id, f"{_repository(service.image)}:{KEPT}{run_id}"))

    def drop_images(self, before: Version, keep: Sequence[str]) -> None:
        """Take those names away again, but for the runs ``keep``."""
        kept = {f"{KEPT}{run_id}" for run_id in keep}
        for repository in {_repository(service.image) for service in before.services}:
            tags = self._docker(docker.tags(repository)).split()
            for tag in tags:
                if tag.startswith(KEPT) and tag not in kept:
                    with suppress(CommandFailed):  # a container may still use it
                        self._docker(docker.untag(f"{repository}:{tag}"))

    def bring_back(self, before: Version, run_id: str, *, start: bool) -> None:
        """The files, the images' names, and with ``start`` the containers as they were."""
        if before.commit:
            self.checkout(before.commit)
        for service in before.services:
            if "@" not in service.image:  # a name with a digest means the same image for ever
                self._docker(docker.tag(f"{_repository(service.image)}:{KEPT}{run_id}", service.image))
        if not start:
            return
        self.up([service.service for service in before.services if service.running])
        there = {service.service for service in before.services if service.running}
        new = [service for service in self.app.services if service not in there]
        if new:
            self._docker(compose.remove(self.app, new), timeout=TIMEOUT + self.app.stop_timeout)

    def last_words(self, service: str) -> str:
        """The end of a service's log, to say why it does not come up; empty where that cannot be had."""
        with suppress(LocktenderError):
            return self._docker(compose.logs(self.app, service, SHOWN_LINES)).strip()
        return ""

    def _has(self, commit: str) -> bool:
        return self._git(git.has_commit(self.app.directory, commit), check=False).returncode == 0

    def _git(self, argv: Sequence[str], *, timeout: float = TIMEOUT, check: bool = True) -> Completed:
        completed = self.host.run(argv, env=git.QUIET, timeout=timeout)
        if check and completed.returncode:
            said = completed.stderr.strip() or f"exit status {completed.returncode}"
            raise CommandFailed(f"{shlex.join(argv)} failed on {self.name}: {said}")
        return completed

    def _docker(
        self, argv: Sequence[str], *, timeout: float = TIMEOUT, on_line: Callable[[str], None] | None = None
    ) -> str:
        return ask(self.host, argv, timeout=timeout, on_line=on_line)


def _repository(image: str) -> str:
    """``shop-web`` of ``shop-web:latest``; the port of ``registry:5000/shop`` is no tag."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
