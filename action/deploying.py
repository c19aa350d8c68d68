"""GitHub's record of a deploy: made before it begins, told how it is going and how it ended."""

from __future__ import annotations

from msgspec import Struct

from action.job import Job
from action.placing import find_or_create, write_once
from action.platform import Deployment, DeploymentState, Platform
from operations.errors import ExitCode

STATES: dict[ExitCode, DeploymentState] = {ExitCode.DONE: "success", ExitCode.NEEDS_ATTENTION: "error"}
"""All others are a failure."""


class Recorded(Struct, frozen=True):
    """A deployment; ``id`` is ``None`` where GitHub would not take it."""

    job: Job
    id: int | None

    def say(self, state: DeploymentState, description: str) -> None:
        """Say it once, whatever becomes of the answer."""
        if self.id is not None:
            self.job.tell(f"deployment status {state}", lambda github: self._say(github, state, description))

    def ended(self, exit_code: ExitCode, description: str) -> None:
        """How it ended."""
        self.say(STATES.get(exit_code, "failure"), description)

    def _say(self, github: Platform, state: DeploymentState, description: str) -> None:
        job, id = self.job, self.id
        assert id is not None  # noqa: S101 - asked by the caller

        def done() -> bool:
            return next((one.state for one in github.said(id)), None) == state

        def write() -> None:
            said = job.log.clean(description)
            github.say_state(id, state, said, job.event.run_url, job.inputs.environment_url)

        write_once(done, write, job.means.sleep)


def record(job: Job, environment: str) -> Recorded:
    """Begin it; that GitHub will not take it is a note, and keeps nobody from deploying."""
    sha, key = job.event.sha, f"{job.event.key} {environment} {job.inputs.working_directory}"

    def put(github: Platform) -> Deployment:
        def find() -> Deployment | None:
            every = github.deployments(sha, environment)
            return next((one for one in every if one.key == key or _of_this_job(job, github, one)), None)

        def create() -> Deployment:
            return github.create_deployment(sha, environment, key, "Database migrations, by Locktender")

        return find_or_create(find, create, job.means.sleep)

    made = job.tell("deployment", put)
    return Recorded(job, made.id if made else None)


def _of_this_job(job: Job, github: Platform, one: Deployment) -> bool:
    """Whether GitHub itself has made it, because the job names an ``environment``: then it is not made twice."""
    jobs = f"{job.event.run_url}/"
    return not one.key and bool(job.event.run_url) and any(s.log_url.startswith(jobs) for s in github.said(one.id))
