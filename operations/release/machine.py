"""One machine that runs the application with Docker Compose, and what is done there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from operations.commands import compose, docker, git
from operations.docker import ask
from operations.errors import CommandFailed, ConfigurationError, LocktenderError, NotFound, Refused
from operations.git import TIMEOUT
from operations.git import ask as ask_git
from operations.git import attempt as attempt_git
from operations.ports import Host
from operations.release.model import ContainerState, Service, Version, containers, sources, version
from operations.settings import App
from operations.tree import Tree, unpacked

FETCH_TIMEOUT = 300.0
PULL_TIMEOUT = 1800.0
KEPT = "locktender-before-"
"""Begin of the tags under which images of earlier versions are kept."""
SHOWN_LINES = 15


class Machine(Struct, frozen=True):
    """``name`` is how it is called, ``key`` how the journal tells it from others, ``host`` how commands get there."""

    name: str
    host: Host
    app: App
    key: str = ""
    """Empty for the host itself, whatever it is called."""

    def states(self, timeout: float = TIMEOUT) -> tuple[ContainerState, ...]:
        """The services' containers, running or not, be they in the Compose file or not yet, or not any more.

        ``timeout``: seconds for each of two questions.
        """
        ids = self._docker(compose.container_ids(self.app, all=True), timeout=timeout).split()
        found = containers(self._docker(docker.inspect(ids), timeout=timeout)) if ids else ()
        return tuple(state for state in found if state.service in self.app.services)

    def look(self, commit: str | None) -> Version:
        """What runs there now; ``commit`` is its checkout's, where that will be moved."""
        return version(self.key, commit, self.states())

    def as_it_was(self, before: Version) -> Machine:
        """With only those services that ran before to look at; ``health_url`` says nothing where some did not."""
        whole = set(before.running) >= set(self.app.services)
        app = replace(self.app, services=before.running, health_url=self.app.health_url if whole else None)
        return replace(self, app=app)

    def head(self) -> str | None:
        """The commit that is checked out; ``None`` where there is no git repository, or one without a commit."""
        with suppress(ConfigurationError):  # where git is needed, its absence is told by what needs it
            told = attempt_git(self.host, self.name, git.head(self.app.directory))
            return told.stdout.strip() if told.returncode == 0 else None
        return None

    def resolve(self, ref: str) -> str:
        """Fetch a branch, tag or commit and say which commit it is; nothing that is checked out changes."""
        if git.SHA.fullmatch(ref) and self._has(ref):
            return ref
        self._git(git.fetch(self.app.directory, ref), timeout=FETCH_TIMEOUT)
        return self._git(git.fetched(self.app.directory, ref))

    def obtain(self, ref: str, commit: str) -> None:
        """Fetch a commit that ``ref`` led to, if it is not there yet."""
        for wanted in (ref, commit):
            if self._has(commit):
                return
            with suppress(NotFound):  # a branch may be gone by now, the commit said to be unknown by its name
                self._git(git.fetch(self.app.directory, wanted), timeout=FETCH_TIMEOUT)

    def files_at(self, commit: str, path: str, scratch: str) -> Tree:
        """The files below an absolute path of the checkout as they are at a commit; ``scratch`` is written for it."""
        inside = path.removeprefix(f"{self.app.directory}/")
        if not self._git(git.tree(self.app.directory, commit, inside)):
            return Tree("", {})
        try:
            self._git(git.archive(self.app.directory, commit, inside, scratch))
            found = unpacked(self.host.read(scratch))
        finally:
            self.host.remove(scratch)
        below = {name.removeprefix(f"{inside}/"): data for name, data in found.items() if name.startswith(f"{inside}/")}
        return Tree(path, {name: data for name, data in below.items() if name})

    def refuse_changes(self) -> None:
        """Raise ``Refused`` where files of the checkout were edited by hand: they are not ours to throw away."""
        changed = self._changes()
        if changed:
            raise Refused(
                f"In {self.app.directory} on {self.name}, files were changed by hand: "
                + ", ".join(line[3:] for line in changed[:5]),
                hint=f"git -C {self.app.directory} diff shows how; commit, stash or discard it.",
            )

    def refuse_lost_images(self, before: Version) -> None:
        """Raise ``Refused`` where the images of a version are gone, so that it cannot come back."""
        gone = [service.image for service in _tagged(before) if not self._has_image(service.image_id)]
        if gone:
            raise Refused(
                f"The version before cannot come back on {self.name}: its images of {', '.join(gone)} are gone.",
                hint="Those of the last few versions are kept. Deploy a version that fits the database, with --ref.",
            )

    def checkout(self, commit: str) -> None:
        """Bring the files to a commit."""
        self._git(git.checkout(self.app.directory, commit))

    def return_to(self, commit: str, run_id: str) -> None:
        """Bring the files back to a commit that a run had left.

        They were as committed when it began. Whatever they are now, perhaps half of each, is put aside, and kept.
        """
        if self._changes():
            self._git(git.set_aside(self.app.directory, f"found by locktender on the way back from run {run_id}"))
        self.checkout(commit)

    def prepare(self) -> None:
        """Check that Compose understands the project, and that it has the services."""
        told = self._docker(compose.config(self.app))
        wanted = [*self.app.services, *([self.app.database_service] if self.app.database_service else [])]
        try:
            sources(told, wanted)
        except KeyError as missing:
            raise ConfigurationError(
                f"{self.app.compose_file} on {self.name} has no service {missing.args[0]!r}.",
                hint=f"docker compose --project-directory {self.app.directory} config --services lists them.",
            ) from None

    def build(self, on_line: Callable[[str], None]) -> None:
        """Build the services' images, or fetch those that are not built here."""
        built, fetched = sources(self._docker(compose.config(self.app)), self.app.services)
        if fetched:
            self._docker(compose.pull(self.app, fetched), timeout=PULL_TIMEOUT)
        if built:
            self._docker(compose.build(self.app, built), timeout=self.app.build_timeout, on_line=on_line)

    def stop(self) -> None:
        """Stop the services."""
        self._docker(compose.stop(self.app, self.app.services), timeout=self._stopping)

    def up(self, services: Sequence[str] | None = None) -> None:
        """Start the services from the images that are there. They may have to wait for each other's health."""
        chosen = self.app.services if services is None else services
        if chosen:
            self._docker(compose.up(self.app, chosen), timeout=self._stopping + self.app.start_timeout)

    def up_database(self) -> None:
        """Start the database and wait until it is healthy."""
        assert self.app.database_service  # noqa: S101 - asked by the caller
        command = compose.up_database(self.app, self.app.database_service)
        self._docker(command, timeout=TIMEOUT + self.app.start_timeout)

    def keep_images(self, before: Version, run_id: str) -> None:
        """Give the images that run a name of their own, so that nothing cleans them away."""
        for service in _tagged(before):
            self._docker(docker.tag(service.image_id, f"{_repository(service.image)}:{KEPT}{run_id}"))

    def drop_images(self, before: Version, keep: Sequence[str]) -> None:
        """Take those names away again, but for the runs ``keep``."""
        kept = {f"{KEPT}{run_id}" for run_id in keep}
        for repository in {_repository(service.image) for service in _tagged(before)}:
            tags = self._docker(docker.tags(repository)).split()
            for tag in tags:
                if tag.startswith(KEPT) and tag not in kept:
                    with suppress(CommandFailed):  # a container may still use it
                        self._docker(docker.untag(f"{repository}:{tag}"))

    def bring_back(self, before: Version, run_id: str, *, start: bool) -> None:
        """The files, the images' names, and with ``start`` the containers as they were."""
        if before.commit:
            self.return_to(before.commit, run_id)
        for service in _tagged(before):
            if "@" not in service.image:  # a name with a digest means the same image for ever
                self._docker(docker.tag(service.image_id, service.image))
        if start:
            self._end_others(before)
            self.up(before.running)

    def last_words(self, service: str) -> str:
        """The end of a service's log, to say why it does not come up; empty where that cannot be had."""
        with suppress(LocktenderError):
            return self._docker(compose.logs(self.app, service, SHOWN_LINES)).strip()
        return ""

    def _end_others(self, before: Version) -> None:
        """First, for they may hold a port: what did not run is stopped, what was not there at all removed.

        By their ids: the Compose file of before may not know them.
        """
        others = [state for state in self.states() if state.service not in before.running]
        if others:
            command = docker.stop([state.id for state in others], round(self.app.stop_timeout))
            self._docker(command, timeout=self._stopping)
        new = [state.id for state in others if state.service not in before.present]
        if new:
            self._docker(docker.remove(new))

    @property
    def _stopping(self) -> float:
        """Seconds in which all services have stopped, be it one after the other."""
        return TIMEOUT + self.app.stop_timeout * len(self.app.services)

    def _has(self, commit: str) -> bool:
        return attempt_git(self.host, self.name, git.has_commit(self.app.directory, commit)).returncode == 0

    def _has_image(self, id: str) -> bool:
        try:
            self._docker(docker.image(id))
        except CommandFailed:
            return False
        return True

    def _changes(self) -> list[str]:
        return self._git(git.changes(self.app.directory)).splitlines()

    def _git(self, argv: Sequence[str], *, timeout: float = TIMEOUT) -> str:
        return ask_git(self.host, self.name, argv, timeout=timeout)

    def _docker(
        self, argv: Sequence[str], *, timeout: float = TIMEOUT, on_line: Callable[[str], None] | None = None
    ) -> str:
        return ask(self.host, argv, timeout=timeout, on_line=on_line)


def _tagged(before: Version) -> Iterator[Service]:
    """Services whose image has a name that another image can get."""
    return (service for service in before.services if not service.image.startswith("sha256:"))


def _repository(image: str) -> str:
    """``shop-web`` of ``shop-web:latest``; the port of ``registry:5000/shop`` is no tag."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
