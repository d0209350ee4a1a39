"""The engine: one thread that takes jobs, hands their latent frames to device workers, and keeps the table.

Jobs come from the table, at most `rows` at once. The planner turns each into a request. The worker with the fewest
clips decodes it together with others whose programs are the same, and with live clips and worlds. Other threads write
the files, while the device works.
"""

import errno
import logging
import queue
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import product
from threading import Event, Thread
from typing import Any, Literal, TypeVar

from reelm.energy import Meter
from reelm.errors import RequestError, reason
from reelm.sampling.arguments import read_arguments
from reelm.sampling.decoding.continuous import ContinuousBatch, batch_sizes
from reelm.sampling.generate import stream
from reelm.sampling.model import Model
from reelm.sampling.planning.plan import plan
from reelm.sampling.planning.stream_plan import plan_stream
from reelm.sampling.request import Request

from .device_workers import DeviceWorker, device_workers
from .job import Job, as_uploaded
from .job_runner import JobRunner, State, Writers
from .jobs import Jobs
from .kinds import Kinds, is_large, kind_of
from .live import Live
from .metrics import Metrics
from .planner import Closed, Planner
from .preview import Preview
from .traces import Traces
from .turns import Company
from .world import World

WarmUp = Literal["usual", "all"]
# Guidance doubles the rows of a batch, and top-k sorts, so each of them needs other programs.
_WARM_UP: Mapping[WarmUp, Sequence[dict[str, Any]]] = {
    "usual": [{}],
    "all": [{"cfg_scale": scale, "top_k": top_k} for scale in (1.0, 2.0) for top_k in (0, 2)],
}

_LAST_SECONDS = 2.0  # for the thread to end, after the last job
_AGAIN_SECONDS = 1.0  # between looks at the table while nothing is made: a full disk may have space again

_log = logging.getLogger("reelm.serve")
_T = TypeVar("_T")


class Engine(Thread):
    """Makes the clips of all jobs.

    Args:
        models: by name.
        patient: the same, for clips that are drawn while all others go first.
        jobs: their table.
        planner: turns them into requests.
        tell: called with the id of a job that has changed, from this thread.
        metrics: of the server.
        traces: take the spans of jobs.
        meter: measures the energy of this process.
        rows: clips that are made at once.
        kinds: whose programs are compiled.
        warm_up: "usual" compiles what requests with a model's own settings need, "all" also what other settings do.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        patient: Mapping[str, Model],
        jobs: Jobs,
        planner: Planner,
        tell: Callable[[str], None],
        metrics: Metrics,
        traces: Traces,
        meter: Meter,
        kinds: Kinds,
        rows: int = 8,
        warm_up: WarmUp = "usual",
    ):
        super().__init__(name="engine", daemon=True)
        self.warm = Event()  # set once the usual programs are compiled
        self.previews: dict[str, Preview] = {}  # newest frame of each job that runs
        self._models, self._patient, self._jobs, self._planner = models, patient, jobs, planner
        self._tell, self._most = tell, rows
        self._metrics, self._traces, self._meter, self._kinds = metrics, traces, meter, kinds
        self._compiled: list[float] = []  # seconds that the first clip of each language model waited
        self._warm_up_settings = _WARM_UP[warm_up]
        self._workers = device_workers(metrics.drew)
        self._apart = DeviceWorker("apart", metrics.drew, Company(), patient=True)
        self._share = max(1, rows // 2)  # clips of one key that are made at once, and clips that wait for programs
        self._planning: dict[str, tuple[Job, Future[Request]]] = {}
        self._waiting = set[str]()  # of these, the jobs that wait until others have their programs
        self._runs: dict[str, JobRunner] = {}
        self._live: list[Live | World] = []
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future]] = queue.SimpleQueue()
        self._unwritten: list[Callable[[], Any]] = []  # writes to the table that failed so far
        self._awake, self._draining, self._ended = Event(), False, False
        self._writers = Writers(ThreadPoolExecutor(1, "pieces"), ThreadPoolExecutor(2, "clips"))

    def call(self, function: Callable[[], _T]) -> Future[_T]:
        """Run a function in this thread."""
        future: Future[_T] = Future()
        self._calls.put((function, future))
        if self._draining:
            self._refuse()
        self.wake()
        return future

    def close(self) -> None:
        """Begin no more jobs, because the server ends, and fail all calls, because this thread may be compiling."""
        self._draining = True
        self._planner.close()
        self._refuse()

    @property
    def draining(self) -> bool:
        """Whether no more jobs are begun, because the server ends."""
        return self._draining

    @property
    def compile_seconds(self) -> float | None:
        """Seconds that a clip waits for programs of its own, as those of the warm-up did; None before that."""
        return sum(self._compiled) / len(self._compiled) if self._compiled else None

    def play(self, live: Live | World) -> Future[None]:
        """Make a live clip, or a world, until it is closed. The future ends when it has begun."""

        def begin() -> None:
            live.open(self._models[live.model], self._freest())
            self._live.append(live)

        return self.call(begin)

    def wake(self) -> None:
        """Make the thread look for new jobs."""
        self._awake.set()

    def drain(self, seconds: float) -> None:
        """Close, wait up to `seconds` for the jobs that run, and end the thread.

        A thread that is compiling cannot be stopped. It is left behind, and ends once the program is compiled.
        """
        self.close()
        self.wake()
        deadline = time.monotonic() + seconds
        while self._runs and time.monotonic() < deadline and self.is_alive():
            time.sleep(0.05)
        self._ended = True
        self.wake()
        self.join(_LAST_SECONDS)

    def run(self) -> None:
        """Warm up, then work until `drain`."""
        for model in self._models.values():
            for index in range(len(model.language_models)):
                self._warm_up(model, index)
        self._share_energy()
        self._metrics.warmed_up()
        self.warm.set()
        while not self._ended:
            self._awake.clear()
            self._answer()
            self._settle()
            self._claim()
            self._admit()
            for live in [each for each in self._live if each.closed]:
                live.leave()
                self._live.remove(live)
            for live in self._live:
                live.advance(self.wake)
            for run in list(self._runs.values()):
                self._advance(run)
            self._share_energy()
            self._awake.wait(min((live.rest for live in self._live), default=_AGAIN_SECONDS))
        wait([live.leave() for live in self._live], _LAST_SECONDS)  # recordings are kept
        for worker in (*self._workers, self._apart):
            worker.end()
        for writer in self._writers:
            writer.shutdown(cancel_futures=True)
        for run in self._runs.values():  # the next server makes them anew
            run.drop()

    def _warm_up(self, model: Model, index: int) -> None:
        """Compile what requests of a language model need: batches of each size, and windows after the first."""
        begun = time.monotonic()
        lm = model.language_models[index]
        # This thread has a batch of its own, because a world may already begin in a worker.
        config, batch = lm.config, ContinuousBatch(lm, self._metrics.drew)
        words = "" if config.keys else "clip"  # worlds are played without words, and may have no room for any
        slides = not {"continuation", "world"}.isdisjoint(lm.tasks)  # otherwise no clip is longer than a window
        length = {} if slides else {"num_frames": model.longest}
        for settings, rows in product(self._warm_up_settings, [rows for rows in batch_sizes() if rows <= self._most]):
            usual = plan(model, words, *read_arguments({**settings, **length}), endless=slides)
            choice = replace(usual.choice, lm=index, opened_by=None)
            one = replace(usual, choice=choice, stream=plan_stream(model, usual.inputs, choice))
            slots = [batch.join(one.drawer, one.stream) for _ in range(rows)]
            streams = [stream(one, slot) for slot in slots]
            start = time.monotonic()
            # One row goes on into the next window. More rows use all their programs in two latent frames.
            for _ in range(config.frames + 1 if rows == 1 else 2):
                for pieces in streams:
                    self._answer()
                    if self._ended:
                        return
                    next(pieces, None)
            if rows == 1:
                self._compiled.append(time.monotonic() - start)
            for slot in slots:
                slot.close()
            self._kinds.learn(kind_of(one))
        _log.info("warm: %s took %.1f s", model.name, time.monotonic() - begun)

    def _freest(self) -> DeviceWorker:
        """Return the worker with the fewest clips."""
        drawn = [run for run in self._runs.values() if run.draws]
        return min(self._workers, key=lambda worker: sum(each.worker is worker for each in (*drawn, *self._live)))

    def _share_energy(self) -> None:
        """Divide the energy used since the last call among the clips under way."""
        joules = self._metrics.used(self._meter)
        under_way = len(self._runs) + len(self._live)
        for run in self._runs.values():
            run.spend(None if joules is None else joules / under_way)

    def _answer(self) -> None:
        while True:
            try:
                function, future = self._calls.get_nowait()
            except queue.Empty:
                return
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

    def _refuse(self) -> None:
        """Fail the calls that wait."""
        while True:
            try:
                self._calls.get_nowait()[1].set_exception(Closed())
            except queue.Empty:
                return

    def _settle(self) -> None:
        """Try again the writes to the table that failed."""
        again, self._unwritten = self._unwritten, []
        for each in again:
            self._write(each)

    def _write(self, function: Callable[[], _T]) -> _T | None:
        try:
            return function()
        except sqlite3.OperationalError:  # the disk is full
            self._unwritten.append(function)
            return None

    def _claim(self) -> None:
        """Take waiting jobs, up to as many as are made at once, and have them planned."""
        while len(self._runs) + len(self._planning) - len(self._waiting) < self._most and not self._draining:
            try:
                job = self._jobs.claim(self._share)
            except sqlite3.OperationalError:
                return
            if job is None:
                return
            self._metrics.waited(time.time() - job.created_at)
            self._traces.note(job, "queue", None, job.started_at or time.time())
            planned = self._planner.take(job)
            self._planning[job.id] = job, planned
            planned.add_done_callback(lambda _: self.wake())

    def _admit(self) -> None:
        """Begin the jobs whose plans are ready."""
        apart = sum(run.worker is self._apart for run in self._runs.values())
        self._waiting.clear()
        for job, planned in [each for each in self._planning.values() if each[1].done()]:
            slow = planned.exception() is None and self._is_slow(planned.result())
            if slow and apart >= self._share:
                self._waiting.add(job.id)  # those that are ready pass it
                continue
            del self._planning[job.id]
            apart += slow
            try:
                folder, request, worker = self._jobs.folder(job.id), planned.result(), self._freest()
                if slow:
                    request, worker = replace(request, model=self._patient[job.model]), self._apart
                run = JobRunner(job, request, worker, folder, self._writers, self._tell, self.wake)
            except Closed:  # the next server makes the job
                continue
            except Exception as error:
                self._fail(job, error)
                continue
            self._runs[job.id] = run
            self._tell(job.id)

    def _is_slow(self, request: Request) -> bool:
        """Return whether others would wait long for a latent frame of a request."""
        return is_large(request) or not self._kinds.knows(kind_of(request))

    def _advance(self, run: JobRunner) -> None:
        """Take what a worker or a writer has finished of a job, and begin the next step."""
        job, ended = run.job, True
        try:
            if not run.poll():
                return
            wanted = self._complete(run) if run.state is State.SAVED else self._show(run)
            if wanted is False:
                self._traces.note(job, "decode", job.started_at, time.time(), error="cancelled")
                run.close()
                if self._jobs.get(job.id) is None:
                    self._jobs.remove_files(job.id)
            ended = wanted is False or run.state is State.SAVED
        except Exception as error:
            self._fail(job, error)
            run.close()
        if ended:
            self._runs.pop(job.id, None)
            self.previews.pop(job.id, None)
            self.wake()  # the next job can take its place
        self._tell(job.id)

    def _show(self, run: JobRunner) -> bool | None:
        """Show the newest frame, and save a clip that is drawn; return whether it is still wanted, None if unknown."""
        job = run.job
        if job.id not in self.previews:
            self._metrics.showed(time.time() - job.created_at)
        self.previews[job.id] = Preview(run.newest)
        if run.state is State.DRAWN:
            self._kinds.learn(kind_of(run.request))
            self._traces.note(job, "decode", job.started_at, run.decoded, seconds=job.seconds, size=job.size)
            self._share_energy()  # of the last latent frame, too
            run.save(self._meter.info(run.joules))
        return self._write(lambda: self._jobs.note(job.id, run.percent))

    def _complete(self, run: JobRunner) -> bool | None:
        """Count a saved clip, and complete its job; return whether it is still wanted, None if unknown."""
        job = run.job
        self._share_energy()  # of saving, too, which the file itself does not contain
        self._traces.note(job, "save", run.decoded, time.time())
        took = time.time() - job.created_at
        self._metrics.made(run.clip, took, run.joules)
        _log.info("made", extra={"about": job.for_log() | {"took": round(took, 3), "joules": run.joules}})
        return self._write(lambda: self._jobs.complete(job.id))

    def _fail(self, job: Job, error: Exception) -> None:
        if self._jobs.get(job.id) is None:  # deleted, with its files
            self._jobs.remove_files(job.id)
            return
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        at_fault = isinstance(error, RequestError)
        code = "invalid_request" if at_fault else "disk_full" if full else "server_error"
        if code == "server_error":
            _log.exception("a job failed", exc_info=error, extra={"about": job.for_log()})
        else:
            _log.info("refused" if at_fault else "disk full", extra={"about": job.for_log()})
        self._traces.note(job, "decode", job.started_at, time.time(), error=code)
        message = reason(error) if at_fault or full else "the server failed; its log says how"
        message = as_uploaded(job, self._jobs.folder(job.id), message)
        self._write(lambda: self._jobs.fail(job.id, code, message))
        self._tell(job.id)
