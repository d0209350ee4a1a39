"""The routes. Each reads a request, asks the table or the engine, and answers; nothing here waits for the device."""

import asyncio
import errno
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from reelm.errors import RequestError
from reelm.media.clip import SUFFIXES, Clip
from reelm.media.formats.hls import playlist
from reelm.sampling.model import Model

from .access import Allowance, Keys, Limits
from .body import Asked, read_fields, read_object
from .engine import CLIP, STREAM, Engine, WarmUp
from .gate import Gate
from .jobs import Job, Jobs, QueueFull
from .live_socket import play, refuse
from .metrics import Metrics
from .news import BEAT_SECONDS, News
from .openapi import description
from .traces import Traces
from .watch import fragments, messages

PAGE = Path(__file__).parent / "page"

_RATINGS = "feedback.jsonl"


@dataclass(frozen=True, kw_only=True)
class Server:
    """What a server is made of.

    Attributes:
        models: by name; the first is the one that is taken where none is named.
        home: folder of the jobs.
        queue: jobs that may wait.
        rows: clips that are made at once.
        warm_up: what is compiled before the server is ready, as `Engine` takes it.
        keys: who may ask; None for everybody.
        limits: of each request and each key.
        hosts: names that clients may call the server by; None for any.
        traces: of each job.
    """

    models: Mapping[str, Model]
    home: Path
    queue: int = 64
    rows: int = 8
    warm_up: WarmUp = "usual"
    keys: Keys | None = None
    limits: Limits = Limits()
    hosts: frozenset[str] | None = None
    traces: Traces = field(default_factory=Traces)

    def app(self) -> Starlette:
        """Return the application; its engine runs from the start-up to the shut-down of the application."""
        routes = _Routes(self)
        gate = Middleware(Gate, keys=self.keys, hosts=self.hosts)
        return Starlette(
            routes=routes.table(),
            middleware=[gate],
            lifespan=routes.running,
            exception_handlers=cast(Any, _HANDLERS),
        )


class _Routes:
    def __init__(self, server: Server):
        self._server, self._news = server, News()
        self._jobs = Jobs(server.home, server.queue)
        self._metrics = Metrics(self._jobs.counts)
        told = self._news.tell, self._metrics, server.traces
        self._engine = Engine(server.models, self._jobs, *told, rows=server.rows, warm_up=server.warm_up)
        self._allowance = Allowance(server.limits.codes_a_minute)
        self._default = next(iter(server.models))
        self._open = True

    def table(self) -> list[Any]:
        get, post = (partial(Route, methods=[method]) for method in ("GET", "POST"))
        one = "/v1/videos/{id}"
        return [
            post("/v1/videos", self.create),
            post("/v1/videos/sync", self.create_and_wait),
            get("/v1/videos", self.list),
            get(one, self.retrieve),
            Route(one, self.delete, methods=["DELETE"]),
            post(f"{one}/cancel", self.cancel),
            get(f"{one}/content", self.content),
            get(f"{one}/stream", self.stream),
            get(f"{one}/hls/index.m3u8", self.playlist),
            get(f"{one}/hls/stream.mp4", self.pieces),
            get(f"{one}/events", self.events),
            post(f"{one}/feedback", self.feedback),
            WebSocketRoute("/v1/live", self.live),
            get("/v1/models", self.models),
            get("/healthz", self.alive),
            get("/readyz", self.ready),
            get("/metrics", self.metrics),
            get("/openapi.json", self.openapi),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ]

    @asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """Run the engine."""
        self._news.bind(asyncio.get_running_loop())
        self._engine.start()
        try:
            yield
        finally:
            self._open = False
            await asyncio.to_thread(self._engine.drain, 20.0)
            await asyncio.to_thread(self._server.traces.close)
            self._jobs.close()

    # Jobs

    async def create(self, request: Request) -> Response:
        """Store a job, and answer with it."""
        return JSONResponse((await self._created(request)).as_json(), 202)

    async def create_and_wait(self, request: Request) -> Response:
        """Store a job, wait for its clip, and answer with that."""
        job = await self._created(request)
        async for _ in self._news.of(job.id, BEAT_SECONDS):
            now = self._jobs.get(job.id)
            if now is None:
                raise HTTPException(404, "the video was deleted")
            if now.status == "completed":
                return FileResponse(self._jobs.folder(job.id) / CLIP, media_type="video/mp4")
            if now.status == "failed":
                return _error(_STATUSES.get(now.error_code, 500), now.error_code, now.error_message)
            if await request.is_disconnected():
                self._jobs.fail(job.id, "cancelled", "the client went away")
                break
        return Response(status_code=499)

    async def _created(self, request: Request) -> Job:
        with self._server.traces.request(request.headers) as trace:
            return await self._stored(request, trace)

    async def _stored(self, request: Request, trace: str) -> Job:
        server, owner = self._server, request.state.owner
        if not self._open:
            raise HTTPException(503, "the server is shutting down")
        asked = Asked(await read_fields(request, server.limits), self._default, server.limits)
        model = server.models.get(asked.model)
        if model is None:
            raise RequestError(f"there is no model {asked.model!r}; served are {', '.join(server.models)}")
        settings = asked.for_model(model.defaults.fps)
        seed = settings.pop("seed", None)
        seed = int(np.random.default_rng().integers(2**32)) if seed is None else seed
        job = Job(
            owner=owner,
            model=asked.model,
            prompt=asked.prompt,
            seed=seed,
            settings=settings,
            sources=tuple(asked.files),
            trace=trace,
        )
        if owner and self._jobs.under_way(owner) >= server.limits.under_way:
            raise HTTPException(429, "this key has as many videos under way as it may", {"Retry-After": "5"})
        try:
            await asyncio.to_thread(asked.write, self._jobs.folder(job.id))
            planned = (await asyncio.wrap_future(self._engine.call(lambda: self._engine.request(job)))).settings
            pixels = planned.height * planned.width * (planned.num_frames or 1) * planned.best_of
            if pixels > server.limits.clip_pixels:
                raise RequestError(f"the clip has {pixels} pixels in all; at most {server.limits.clip_pixels} are made")
            shape = model.video_tokenizer.config.latent_shape(1, planned.height, planned.width)
            codes = model.latent_frames(planned.num_frames or 1) * shape[1] * shape[2] * planned.best_of
            if wait := self._allowance.take(owner, codes):
                raise HTTPException(
                    429, "this key has asked for enough in this minute", {"Retry-After": str(int(wait) + 1)}
                )
            job = replace(
                job,
                fps=planned.fps,
                seconds=f"{(planned.num_frames or 1) / planned.fps:g}",
                size=f"{planned.width}x{planned.height}",
            )
            self._jobs.add(job)
        except BaseException as error:
            self._jobs.remove_files(job.id)
            if isinstance(error, QueueFull):
                raise HTTPException(429, "the queue is full", {"Retry-After": "10"}) from error
            raise
        self._engine.wake()
        return job

    async def list(self, request: Request) -> Response:
        """Answer with the jobs of whoever asks."""
        query = request.query_params
        order, limit = query.get("order", "desc"), query.get("limit", "20")
        if order not in ("asc", "desc"):
            raise RequestError(f"order is {order!r}; it must be asc or desc")
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise RequestError(f"limit is {limit!r}; it must lie between 1 and 100")
        owner = request.state.owner if self._server.keys else None
        jobs = self._jobs.page(owner, query.get("after"), int(limit) + 1, order)  # type: ignore[arg-type]
        more, jobs = len(jobs) > int(limit), jobs[: int(limit)]
        ends = {"first_id": jobs[0].id, "last_id": jobs[-1].id} if jobs else {"first_id": None, "last_id": None}
        return JSONResponse({"object": "list", "data": [job.as_json() for job in jobs], "has_more": more, **ends})

    async def retrieve(self, request: Request) -> Response:
        """Answer with one job."""
        return JSONResponse(self._job(request).as_json())

    async def delete(self, request: Request) -> Response:
        """Remove a job and its files; one that runs ends at its next latent frame."""
        job = self._job(request)
        self._jobs.delete(job.id)
        self._engine.wake()
        self._news.tell(job.id)
        return JSONResponse({"id": job.id, "object": "video.deleted", "deleted": True})

    async def cancel(self, request: Request) -> Response:
        """End a job that waits or runs; one that has ended stays as it is."""
        job = self._job(request)
        self._jobs.fail(job.id, "cancelled", "the video was cancelled")
        self._engine.wake()
        self._news.tell(job.id)
        return JSONResponse(self._job(request).as_json())

    async def content(self, request: Request) -> Response:
        """Answer with the clip as a file."""
        job, kind = self._job(request), request.query_params.get("format", "mp4")
        if (variant := request.query_params.get("variant", "video")) != "video":  # OpenAI's clients can ask for more
            raise RequestError(f"variant is {variant!r}; it must be video")
        if f".{kind}" not in SUFFIXES:
            raise RequestError(f"format is {kind!r}; it must be {', '.join(each[1:] for each in SUFFIXES)}")
        if job.status != "completed":
            raise HTTPException(409, f"the video is {job.status}; there is no file yet")
        folder = self._jobs.folder(job.id)
        path = folder / CLIP if kind == "mp4" else folder / f"clip.{kind}"
        if not path.is_file():
            await asyncio.to_thread(_convert, folder / CLIP, path)
        media = {"mp4": "video/mp4", "webp": "image/webp", "gif": "image/gif", "png": "image/png"}[kind]
        return FileResponse(path, media_type=media, filename=f"{job.id}.{kind}", content_disposition_type="inline")

    async def stream(self, request: Request) -> Response:
        """Answer with the fragments of the clip, as they come."""
        job = self._job(request)
        pieces = fragments(job.id, self._jobs, self._news)
        return StreamingResponse(pieces, media_type="video/mp4", headers={"Cache-Control": "no-store"})

    async def playlist(self, request: Request) -> Response:
        """Answer with the HLS playlist of the fragments that there are."""
        job = self._job(request)
        ended = job.status in ("completed", "failed")
        path = self._jobs.folder(job.id) / STREAM
        text = await asyncio.to_thread(playlist, path, "stream.mp4", job.fps, ended=ended)
        return Response(text, media_type="application/vnd.apple.mpegurl", headers={"Cache-Control": "no-store"})

    async def pieces(self, request: Request) -> Response:
        """Answer with the file that the playlist names bytes of."""
        path = self._jobs.folder(self._job(request).id) / STREAM
        if not path.is_file():
            raise HTTPException(409, "no picture is made yet; there is no file")
        return FileResponse(path, media_type="video/mp4")

    async def events(self, request: Request) -> Response:
        """Answer with status, progress and previews as server-sent events."""
        told = messages(self._job(request).id, self._jobs, self._news, self._engine)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)

    async def feedback(self, request: Request) -> Response:
        """Keep a thumb up or down."""
        job = self._job(request)
        found = await read_object(request, self._server.limits)
        if unknown := found.keys() - {"rating", "over", "note"}:
            raise RequestError(f"there is no field {min(unknown)!r}; there are rating, over and note")
        if found.get("rating") not in (1, -1):
            raise RequestError(f"rating is {found.get('rating')!r}; it must be 1 or -1")
        over = found.get("over")
        if over is not None and (not isinstance(over, str) or self._jobs.get(over) is None):
            raise RequestError(f"there is no video {over!r} to compare with")
        note = found.get("note", "")
        if not isinstance(note, str) or len(note) > 2_000:
            raise RequestError("note must be text of at most 2000 letters")
        line = {"video": job.id, "rating": found["rating"], "over": over, "note": note}
        line |= {"model": job.model, "prompt": job.prompt, "seed": job.seed, "settings": dict(job.settings)}
        # One write at the end of the file: lines of several requests do not mix.
        with (self._server.home / _RATINGS).open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")
        return JSONResponse({"id": job.id, "object": "video.feedback"})

    def _job(self, request: Request) -> Job:
        job = self._jobs.get(request.path_params["id"])
        if job is None or (self._server.keys and job.owner != request.state.owner):
            raise HTTPException(404, f"there is no video {request.path_params['id']!r}")
        return job

    # Live play

    async def live(self, socket: WebSocket) -> None:
        """Send the fragments of an endless clip; take new words for it."""
        await socket.accept()
        name = socket.query_params.get("model", self._default)
        if name not in self._server.models:
            await refuse(socket, f"there is no model {name!r}; served are {', '.join(self._server.models)}")
            return
        await play(socket, name, self._engine, self._server.limits)

    # The server itself

    async def models(self, request: Request) -> Response:
        """Answer with the models and what each can do."""
        data = [
            {
                "id": name,
                "object": "model",
                "owned_by": "reelm",
                "sound": model.soundtrack is not None,
                "tasks": list(model.language_model().tasks),
                **{name: getattr(model.defaults, name) for name in ("height", "width", "num_frames", "fps")},
            }
            for name, model in self._server.models.items()
        ]
        return JSONResponse({"object": "list", "data": data})

    async def alive(self, request: Request) -> Response:
        """Answer while the engine lives."""
        return (
            JSONResponse({"status": "ok"}) if self._engine.is_alive() else _error(503, "dead", "the engine has ended")
        )

    async def ready(self, request: Request) -> Response:
        """Answer once a job would begin at once."""
        if not self._open:
            return _error(503, "closed", "the server is shutting down")
        if not self._engine.warm.is_set():
            return _error(503, "warming_up", "the models are being compiled; jobs wait until then")
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Answer with the figures of the server."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """Answer with the description of the routes."""
        return JSONResponse(description())


def _convert(clip: Path, path: Path) -> None:
    Clip.open(clip).save(path)


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


async def _at_fault(request: Request, error: Exception) -> Response:
    return _error(400, "invalid_request", str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, _CODES.get(error.status_code, "error"), error.detail, error.headers)


async def _disk(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    return _error(507, "disk_full", "the server has no space left; try again later")


async def _failed(request: Request, error: Exception) -> Response:
    return _error(500, "server_error", "the server failed; its log says how")


_CODES = {
    404: "not_found",
    405: "not_allowed",
    408: "too_slow",
    409: "not_ready",
    413: "too_large",
    415: "not_understood",
}
_CODES |= {429: "too_many", 503: "closed"}
_STATUSES = {"invalid_request": 400, "cancelled": 409, "disk_full": 507}  # of jobs that failed, for who waits for them
_HANDLERS = {
    RequestError: _at_fault,
    HTTPException: _http,
    sqlite3.OperationalError: _disk,
    OSError: _disk,
    Exception: _failed,
}
