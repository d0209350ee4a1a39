"""The planner: threads that turn jobs into requests while the engine advances clips and worlds.

In: a job and the files in its folder. Out: a `Request`. A job is planned once, when it is asked for. Its plan is held
here until the engine takes the job. Only these threads tokenize uploaded files, which processes of their own read. A
limited number of plans is held, so a job may be planned again, as may one that an earlier server stored.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from threading import Lock

from reelm.errors import RequestError
from reelm.media.untrusted import Readers, ReadingLimits
from reelm.programs.patient import patiently
from reelm.sampling.arguments import read_arguments
from reelm.sampling.model import Model
from reelm.sampling.planning.plan import plan
from reelm.sampling.request import Request

from .access import Limits
from .job import Job, as_uploaded, grouped
from .jobs import Jobs
from .turns import Turns

_READING = 2  # jobs with files that are planned at once, each of another key
_MOST_HELD = 64  # plans; one with only words takes kilobytes, one with a film holds its frames


class Closed(Exception):
    """Nothing more is planned, because the server ends."""


class Planner:
    """Plans jobs. Any thread may use it.

    Args:
        models: by name.
        patient: the same, to tokenize files with while all others go first.
        jobs: the table of jobs, which knows their folders.
        limits: of each request and each key.
    """

    def __init__(self, models: Mapping[str, Model], patient: Mapping[str, Model], jobs: Jobs, limits: Limits):
        self._models, self._patient, self._jobs, self._limits = models, patient, jobs, limits
        self._lock = Lock()
        most = 3 * limits.clip_pixels
        self._readers = Readers(ReadingLimits(seconds=limits.reading_seconds, answer_bytes=most))
        # Jobs of words alone take milliseconds, and never wait for those with files.
        self._words, self._files = Turns("planner", 1), Turns("planner-files", _READING)
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
            turns = self._files if job.uploads else self._words
            turns.add(job.owner, partial(self._work, job, planned))
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
        for turns in (self._words, self._files):
            turns.close()
        self._readers.close()
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
        files = grouped(self._readers.files(job.paths(folder)))
        try:
            sources, options = read_arguments({**job.settings, "seed": job.seed, **files})
            height, width = options.height or model.defaults.height, options.width or model.defaults.width
            self._limits.check_pixels(height, width, options.num_frames or 1, options.best_of)  # before memory is taken
            if job.uploads:
                with patiently():
                    request = replace(plan(self._patient[job.model], job.prompt, sources, options), model=model)
            else:
                request = plan(model, job.prompt, sources, options)
        except RequestError as error:
            raise RequestError(as_uploaded(job, folder, str(error))) from error
        summary = dict(request.inputs.summary) | grouped(job.uploads)
        return replace(request, inputs=replace(request.inputs, summary=summary))
