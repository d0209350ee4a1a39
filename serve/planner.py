"""The planner: threads that turn jobs into requests while the engine advances clips and worlds.

In: a job and the files in its folder. Out: a `Request`. A job is planned once, when it is asked for. Its plan is held
here until the engine takes the job. Only these threads read and tokenize uploaded films. A limited number of plans is
held, so a job may be planned again, as may one that an earlier server stored.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Lock

from reelm.errors import RequestError
from reelm.sampling.arguments import read_arguments
from reelm.sampling.model import Model
from reelm.sampling.planning.plan import plan
from reelm.sampling.request import Request

from .job import Job, as_uploaded, grouped
from .jobs import Jobs

_THREADS = 2  # so that a long film does not delay a request with only words
_MOST_HELD = 64  # plans; one with only words takes kilobytes, one with a film holds its frames


class Closed(Exception):
    """Nothing more is planned, because the server ends."""


class Planner:
    """Plans jobs. Any thread may use it.

    Args:
        models: by name.
        jobs: the table of jobs, which knows their folders.
    """

    def __init__(self, models: Mapping[str, Model], jobs: Jobs):
        self._models, self._jobs, self._lock = models, jobs, Lock()
        self._threads = ThreadPoolExecutor(_THREADS, "planner")
        self._waiting = set[Future[Request]]()
        self._held = dict[str, Request]()
        self._closed = False

    def plan(self, job: Job) -> Future[Request]:
        """Begin to plan a job. The future raises RequestError for one that cannot be made, `Closed` at the end."""
        planned: Future[Request] = Future()
        with self._lock:
            if self._closed:
                planned.set_exception(Closed())
                return planned
            self._waiting.add(planned)
            self._threads.submit(self._work, job, planned)
        return planned

    def hold(self, job_id: str, request: Request) -> None:
        """Keep the plan of a job until the engine takes it."""
        with self._lock:
            self._held[job_id] = request
            while len(self._held) > _MOST_HELD:
                del self._held[next(iter(self._held))]

    def take(self, job: Job) -> Future[Request]:
        """Return the plan of a job: the held one, or else a new one."""
        with self._lock:
            held = self._held.pop(job.id, None)
        if held is None:
            return self.plan(job)
        planned: Future[Request] = Future()
        planned.set_result(held)
        return planned

    def forget(self, job_id: str) -> None:
        """Drop the plan of a job that is not wanted any more."""
        with self._lock:
            self._held.pop(job_id, None)

    def close(self) -> None:
        """Plan no more, because the server ends. Plans under way fail with `Closed`."""
        with self._lock:
            self._closed, waiting = True, [*self._waiting]
        self._threads.shutdown(wait=False, cancel_futures=True)
        for planned in waiting:
            self._end(planned, partial(planned.set_exception, Closed()))

    def _work(self, job: Job, planned: Future[Request]) -> None:
        try:
            request = self._request(job)
        except BaseException as error:
            self._end(planned, partial(planned.set_exception, error))
        else:
            self._end(planned, partial(planned.set_result, request))

    def _end(self, planned: Future[Request], end: Callable[[], None]) -> None:
        """Set the result of a plan, unless it has one."""
        with self._lock:
            waits = planned in self._waiting
            self._waiting.discard(planned)
        if waits:
            end()

    def _request(self, job: Job) -> Request:
        model, folder = self._models.get(job.model), self._jobs.folder(job.id)
        if model is None:  # an earlier server took the job
            raise RequestError(f"the model {job.model!r} is not served any more")
        arguments = {**job.settings, "seed": job.seed, **job.files(folder)}
        try:
            request = plan(model, job.prompt, *read_arguments(arguments))
        except RequestError as error:
            raise RequestError(as_uploaded(job, folder, str(error))) from error
        summary = dict(request.inputs.summary) | grouped(job.uploads)
        return replace(request, inputs=replace(request.inputs, summary=summary))
