"""The planner: threads that turn jobs into requests while the engine advances clips and worlds.

In: a job and the files in its folder. Out: a `Request`. A job is planned once, when it is asked for; its plan waits
here until the engine takes the job. Films that are given are read, and tokenized, in these threads alone. Plans are
held for so many jobs; one that waited behind more, or that a server before this one took, is planned again, here too.
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

_THREADS = 2  # a film that takes long keeps nobody waiting who asks by words
_MOST_HELD = 64  # plans; those of words alone take kilobytes, those of films their frames


class Closed(Exception):
    """Nothing more is taken, since the server ends."""


class Planner:
    """Plans jobs. Any thread may use it.

    Args:
        models: by name.
        jobs: their table, which knows their folders.
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
        """Return the plan of a job: the one that is held, else a new one."""
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
        """Plan no more, since the server ends; whoever waits gets `Closed`."""
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
        """End the wait for a plan, unless it has ended."""
        with self._lock:
            ours = planned in self._waiting
            self._waiting.discard(planned)
        if ours:
            end()

    def _request(self, job: Job) -> Request:
        model, folder = self._models.get(job.model), self._jobs.folder(job.id)
        if model is None:  # of a server before this one
            raise RequestError(f"the model {job.model!r} is not served any more")
        asked = {**job.settings, "seed": job.seed, **job.files(folder)}
        try:
            request = plan(model, job.prompt, *read_arguments(asked))
        except RequestError as error:
            raise RequestError(as_uploaded(job, folder, str(error))) from error
        summary = dict(request.inputs.summary) | grouped(job.uploads)
        return replace(request, inputs=replace(request.inputs, summary=summary))
