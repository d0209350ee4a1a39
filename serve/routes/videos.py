"""The routes of videos: ask for one, look at it, watch it, fetch it, rate it. Nothing here waits for the device."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from reelm.errors import RequestError
from reelm.media.clip import SUFFIXES, Clip
from reelm.media.formats.hls import playlist
from reelm.sampling.model import Model
from reelm.sampling.request import Request as Planned
from reelm.serve.access import Allowance, Busy, Limits, Shares
from reelm.serve.conversions import Conversions
from reelm.serve.engine import Engine
from reelm.serve.events import BEAT_SECONDS, JobEvents
from reelm.serve.job import Job, Status, Video
from reelm.serve.job_runner import CLIP, STREAM
from reelm.serve.jobs import Jobs, QueueFull, TooMany
from reelm.serve.kinds import Kinds, kind_of
from reelm.serve.planner import Closed, Planner
from reelm.serve.ratings import Ratings
from reelm.serve.traces import Traces

from .answers import STATUSES, refusal
from .body import Asked, preferred_wait, read_fields, read_object
from .files import FileAnswer
from .share import LARGEST, share
from .watch import fragments, messages

_log = logging.getLogger("reelm.serve")

_MORE = 16  # times as many pixels as a clip may have, an enlarged file may have
_ENDING = "the server is shutting down"
_ENOUGH = "this key has as many videos under way as it may"
_HINT = "if it waits for less time than a clip takes, send Prefer: wait=50, or use POST /v1/videos"


@dataclass(frozen=True, kw_only=True)
class Videos:
    """The routes, over the parts of a server.

    Attributes:
        models: by name; the first is the default.
        jobs: their table.
        planner: turns jobs into requests.
        engine: makes the clips.
        job_events: wakes the listeners of a job.
        traces: of each request.
        limits: of each request and each key.
        asking: requests of each key that are read and planned.
        allowance: codes that each key may still ask for.
        kinds: of clips whose programs are compiled.
        ratings: of clips, with their words.
        conversions: of clips to other files.
        has_keys: whether each key sees only its own jobs.
    """

    models: Mapping[str, Model]
    jobs: Jobs
    planner: Planner
    engine: Engine
    job_events: JobEvents
    traces: Traces
    limits: Limits
    asking: Shares
    allowance: Allowance
    kinds: Kinds
    ratings: Ratings
    conversions: Conversions
    has_keys: bool

    async def create(self, request: Request) -> Response:
        """Store a job, and answer with it."""
        return JSONResponse(self._seen(await self._created(request)), 202)

    async def create_and_wait(self, request: Request) -> Response:
        """Store a job, wait for its clip, and answer with the clip, or with the job after `Prefer: wait=SECONDS`."""
        until, seconds = math.inf, preferred_wait(request.headers)
        job = await self._created(request)
        if seconds is not None:
            until = time.monotonic() + seconds
        async for _ in self.job_events.of(job.id, BEAT_SECONDS if seconds is None else 1.0):
            now = self.jobs.get(job.id)
            if now is None:
                raise HTTPException(404, "the video was deleted")
            if now.status == "completed":
                return FileAnswer(self.jobs.folder(job.id) / CLIP, media_type="video/mp4")
            if now.status == "failed":
                return refusal(STATUSES.get(now.error_code, 500), now.error_code, now.error_message)
            if await request.is_disconnected():
                self.jobs.fail(job.id, "cancelled", f"the client, or a proxy before it, went away; {_HINT}")
                return Response(status_code=499)
            if time.monotonic() >= until:
                return JSONResponse(self._seen(now), 202, {"Location": job.id, "Retry-After": "5"})
        raise HTTPException(503, "the server is shutting down; the clip is made when it is back")

    async def _created(self, request: Request) -> Job:
        with self.traces.request(request.headers) as trace:
            return await self._stored(request, trace)

    async def _stored(self, request: Request, trace: str) -> Job:
        owner = request.state.owner
        if self.engine.draining:
            raise HTTPException(503, _ENDING)
        if owner and self.jobs.under_way(owner) >= self.limits.under_way:  # again when it is stored; this spares work
            raise HTTPException(429, _ENOUGH, {"Retry-After": "5"})
        try:
            with self.asking.one(owner):
                return await self._planned(request, owner, trace)
        except Busy as error:
            raise HTTPException(429, str(error), {"Retry-After": "5"}) from error

    async def _planned(self, request: Request, owner: str, trace: str) -> Job:
        limits = self.limits
        fields = await read_fields(request, limits)
        asked = await asyncio.to_thread(Asked, fields, next(iter(self.models)), limits)
        model = self.models.get(asked.model)
        if model is None:
            raise RequestError(f"there is no model {asked.model!r}; served are {', '.join(self.models)}")
        settings = asked.for_model(model.defaults.fps)
        seed = settings.pop("seed", None)
        seed = int(np.random.default_rng().integers(2**32)) if seed is None else seed
        job = Job(
            owner=owner,
            model=asked.model,
            prompt=asked.prompt,
            seed=seed,
            settings=settings,
            uploads={name: file.name for name, file in asked.files.items()},
            trace=trace,
        )
        try:
            await asyncio.to_thread(asked.write, self.jobs.folder(job.id))
            asked.files.clear()  # on disk now
            planned = await asyncio.wrap_future(self.planner.plan(job))
            job = await asyncio.to_thread(self._queued, job, model, planned)
        except BaseException as error:
            self.jobs.remove_files(job.id)
            if isinstance(error, QueueFull):
                raise HTTPException(429, "the queue is full", {"Retry-After": "10"}) from error
            if isinstance(error, TooMany):
                raise HTTPException(429, _ENOUGH, {"Retry-After": "5"}) from error
            if isinstance(error, Closed):
                raise HTTPException(503, _ENDING) from error
            raise
        _log.info("asked", extra={"about": job.for_log()})
        self.engine.wake()
        return job

    def _queued(self, job: Job, model: Model, request: Planned) -> Job:
        """Store a planned job, and hold its plan."""
        planned = request.choice.settings
        height, width = planned.shown
        self.limits.check_pixels(height, width, planned.num_frames or 1, planned.best_of)
        if job.owner and self.jobs.stored_bytes(job.owner) >= self.limits.stored_bytes:
            kept = f"{self.limits.stored_bytes / 2**30:.3g} GiB"
            raise HTTPException(429, f"this key keeps {kept} of clips, which is all that it may; delete some")
        shape = model.video_tokenizer.config.latent_shape(1, planned.height, planned.width)
        codes = model.latent_frames(planned.num_frames or 1) * shape[1] * shape[2] * planned.best_of
        if wait := self.allowance.take(job.owner, codes):
            raise HTTPException(
                429, "this key has asked for enough in this minute", {"Retry-After": str(int(wait) + 1)}
            )
        if wait := self.kinds.wait_for(job.owner, kind_of(request)):
            said = "this key has asked for enough clips of new kinds in this hour"
            raise HTTPException(429, said, {"Retry-After": str(int(wait) + 1)})
        job = replace(
            job,
            fps=planned.fps,
            seconds=f"{(planned.num_frames or 1) / planned.fps:g}",
            size=f"{width}x{height}",
            read_as=request.inputs.scripts[0][0].words,
            warnings=tuple(request.choice.warnings[0]),
        )
        self.planner.hold(job.id, request)
        try:
            self.jobs.add(job, self.limits.under_way if job.owner else None)
        except BaseException:
            self.planner.forget(job.id)
            raise
        return job

    async def list(self, request: Request) -> Response:
        """Answer with the jobs of the client."""
        query = request.query_params
        order, limit = query.get("order", "desc"), query.get("limit", "20")
        if order not in ("asc", "desc"):
            raise RequestError(f"order is {order[:20]!r}; it must be asc or desc")
        if not limit.isascii() or not limit.isdigit() or len(limit) > 3 or not 1 <= int(limit) <= 100:
            raise RequestError(f"limit is {limit[:20]!r}; it must lie between 1 and 100")
        statuses = list(dict.fromkeys(each for each in query.get("status", "").split(",") if each))
        if wrong := [each for each in statuses if each not in get_args(Status)]:
            raise RequestError(f"status is {wrong[0][:20]!r}; it must be among {', '.join(get_args(Status))}")
        owner = request.state.owner if self.has_keys else None
        jobs = self.jobs.page(owner, query.get("after"), int(limit) + 1, order, statuses)  # type: ignore[arg-type]
        more, jobs, places = len(jobs) > int(limit), jobs[: int(limit)], self.jobs.places()
        ends = {"first_id": jobs[0].id, "last_id": jobs[-1].id} if jobs else {"first_id": None, "last_id": None}
        data = [job.as_json(places.get(job.id)) for job in jobs]
        return JSONResponse({"object": "list", "data": data, "has_more": more, **ends})

    async def retrieve(self, request: Request) -> Response:
        """Answer with one job."""
        return JSONResponse(self._seen(self._job(request)))

    async def delete(self, request: Request) -> Response:
        """Remove a job and its files; one that runs ends at its next latent frame."""
        job = self._job(request)
        self.jobs.delete(job.id)
        self.planner.forget(job.id)
        await asyncio.to_thread(self.ratings.forget, job.id)
        self.engine.wake()
        self.job_events.tell(job.id)
        return JSONResponse({"id": job.id, "object": "video.deleted", "deleted": True})

    async def cancel(self, request: Request) -> Response:
        """End a job that waits or runs; one that has ended stays as it is."""
        job = self._job(request)
        if self.jobs.fail(job.id, "cancelled", "the video was cancelled"):
            _log.info("cancelled", extra={"about": job.for_log()})
            self.planner.forget(job.id)
        self.engine.wake()
        self.job_events.tell(job.id)
        return JSONResponse(self._seen(self._job(request)))

    async def content(self, request: Request) -> Response:
        """Answer with the clip as a file."""
        job, kind = self._job(request), request.query_params.get("format", "mp4")
        if (variant := request.query_params.get("variant", "video")) != "video":  # OpenAI's clients can ask for more
            raise RequestError(f"variant is {variant!r}; it must be video")
        if f".{kind}" not in SUFFIXES:
            raise RequestError(f"format is {kind!r}; it must be {', '.join(each[1:] for each in SUFFIXES)}")
        if job.status != "completed":
            raise HTTPException(409, f"the video is {job.status}; there is no file yet")
        scale = _scale(request.query_params.get("scale"), job, self.limits)
        folder = self.jobs.folder(job.id)
        plain = kind == "mp4" and scale is None
        path = folder / CLIP if plain else folder / f"clip-{scale or 1}.{kind}"
        if not path.is_file():
            await self.conversions.make(job.owner, path, partial(_convert, folder / CLIP, path, scale or 1))
        media = {"mp4": "video/mp4", "webp": "image/webp", "gif": "image/gif", "png": "image/png"}[kind]
        return FileAnswer(path, media_type=media, filename=f"{job.file_name}.{kind}", content_disposition_type="inline")

    async def page(self, request: Request) -> Response:
        """Answer with a page that plays the clip and makes a card where it is posted."""
        job = self._job(request)
        if job.status != "completed":
            raise HTTPException(409, f"the video is {job.status}; there is nothing to show yet")
        return share(job, request)

    async def given(self, request: Request) -> Response:
        """Answer with a picture, clip or sound that the client gave."""
        job, field = self._job(request), request.path_params["field"]
        if field not in job.uploads:
            raise HTTPException(404, f"the video was made without a file {field[:20]!r}")
        path, name = self.jobs.folder(job.id) / field, job.uploads[field]
        return FileAnswer(path, media_type="application/octet-stream", filename=name)

    async def stream(self, request: Request) -> Response:
        """Answer with the fragments of the clip, as they come."""
        job = self._job(request)
        pieces = fragments(job.id, self.jobs, self.job_events, request.state.is_valid)
        return StreamingResponse(pieces, media_type="video/mp4", headers={"Cache-Control": "no-store"})

    async def playlist(self, request: Request) -> Response:
        """Answer with the HLS playlist of the fragments so far."""
        job = self._job(request)
        ended = job.status in ("completed", "failed")
        path = self.jobs.folder(job.id) / STREAM
        text = await asyncio.to_thread(playlist, path, "stream.mp4", job.fps, ended=ended)
        return Response(text, media_type="application/vnd.apple.mpegurl", headers={"Cache-Control": "no-store"})

    async def pieces(self, request: Request) -> Response:
        """Answer with the file whose byte ranges the playlist names."""
        path = self.jobs.folder(self._job(request).id) / STREAM
        if not path.is_file():
            raise HTTPException(409, "no picture is made yet; there is no file")
        return FileAnswer(path, media_type="video/mp4")

    async def events(self, request: Request) -> Response:
        """Answer with status, progress and previews as server-sent events."""
        job, is_valid = self._job(request), request.state.is_valid
        events = messages(job.id, self.jobs, self.job_events, self.engine, is_valid)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def feedback(self, request: Request) -> Response:
        """Store a thumb up or down."""
        job = self._job(request)
        found = await read_object(request, self.limits)
        if unknown := found.keys() - {"rating", "over", "note"}:
            raise RequestError(f"there is no field {min(unknown)!r}; there are rating, over and note")
        if found.get("rating") not in (1, -1):
            raise RequestError(f"rating is {found.get('rating')!r}; it must be 1 or -1")
        over = found.get("over")
        if over is not None and (not isinstance(over, str) or self._own(over, request) is None):
            raise RequestError(f"there is no video {over!r:.60} to compare with")
        note = found.get("note", "")
        if not isinstance(note, str) or len(note) > 2_000:
            raise RequestError("note must be text of at most 2000 letters")
        line = {"video": job.id, "rating": found["rating"], "over": over, "note": note}
        line |= {"model": job.model, "prompt": job.prompt, "seed": job.seed, "settings": dict(job.settings)}
        await asyncio.to_thread(self.ratings.add, line)
        self.jobs.rate(job.id, found["rating"])
        return JSONResponse({"id": job.id, "object": "video.feedback"})

    def _seen(self, job: Job) -> Video:
        return job.as_json(self.jobs.place(job))

    def _job(self, request: Request) -> Job:
        if (job := self._own(request.path_params["id"], request)) is None:
            raise HTTPException(404, f"there is no video {request.path_params['id']!r:.60}")
        return job

    def _own(self, job_id: str, request: Request) -> Job | None:
        """Return a job of the client; None if there is none, or if it is another's."""
        job = self.jobs.get(job_id)
        return None if job is None or (self.has_keys and job.owner != request.state.owner) else job


def _scale(given: str | None, job: Job, limits: Limits) -> int | None:
    """Return how many times larger the file shall be, in hard pixels; None for the file as it was made."""
    if given is None:
        return None
    if given not in map(str, range(1, LARGEST + 1)):
        raise RequestError(f"scale is {given[:20]!r}; it must be a whole number from 1 to {LARGEST}")
    width, height = (int(side) * int(given) for side in job.size.split("x"))
    if (pixels := round(float(job.seconds) * job.fps) * width * height) > _MORE * limits.clip_pixels:
        raise RequestError(f"the file would have {pixels} pixels in all, at most {_MORE * limits.clip_pixels} are made")
    return int(given)


def _convert(source: Path, path: Path, scale: int) -> None:
    clip = Clip.open(source)
    if path.suffix == ".png":
        middle = len(clip.video) // 2  # the first picture may be empty still
        clip = replace(clip, video=clip.video[middle : middle + 1], audio=None, sample_rate=None)
    clip.save(path, scale=scale)
