"""The application: the table of routes, and the routes about the server. Nothing here waits for the device."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from reelm.energy import WATTS_PER_CORE, Meter
from reelm.sampling.model import Model
from reelm.serve.access import OPERATOR, Allowance, Keys, Limits, Shares
from reelm.serve.conversions import Conversions
from reelm.serve.device_workers import patient_models
from reelm.serve.engine import Engine, WarmUp
from reelm.serve.events import JobEvents
from reelm.serve.jobs import Jobs
from reelm.serve.kinds import Kinds
from reelm.serve.metrics import Metrics
from reelm.serve.planner import Planner
from reelm.serve.ratings import Ratings
from reelm.serve.recordings import Recordings
from reelm.serve.traces import Traces

from .about import about
from .answers import HANDLERS, refusal
from .files import Whole
from .gate import COOKIE, Gate
from .live_socket import Viewer, play, refuse
from .openapi import Described, Endpoint, description
from .player import Player
from .videos import Videos

PAGE = Path(__file__).parents[1] / "page"

_RATINGS = "feedback.jsonl"
_FORGET_SECONDS = 600.0  # between looks for jobs that are kept no longer
_DRAIN_SECONDS = 0.5  # for a job that is nearly done; the next server makes the others


@dataclass(frozen=True, kw_only=True)
class Server:
    """The parts and the settings of a server.

    Attributes:
        models: by name; the first is the default.
        home: folder of the jobs.
        queue: jobs that may wait.
        rows: clips that are made at once.
        warm_up: what is compiled before the server is ready, as `Engine` takes it.
        keys: of clients; None for a server that needs no key.
        limits: of each request and each key.
        hosts: host names that clients may use; None for any.
        origins: sites whose pages may send requests, as `https://name`, besides the server's own page.
        traces: of each job.
        watts_per_core: of a busy core, for estimates of energy.
        price_per_kwh: of energy; None for unknown.
        keep_days: days after which jobs are deleted; None for never.
    """

    models: Mapping[str, Model]
    home: Path
    queue: int = 64
    rows: int = 8
    warm_up: WarmUp = "usual"
    keys: Keys | None = None
    limits: Limits = Limits()
    hosts: frozenset[str] | None = None
    origins: Sequence[str] = ()
    traces: Traces = field(default_factory=Traces)
    watts_per_core: float = WATTS_PER_CORE
    price_per_kwh: float | None = None
    keep_days: float | None = None

    def app(self) -> Starlette:
        """Return the application; its engine runs from the start-up to the shut-down of the application.

        `state.hang_up` ends the answers that wait for jobs.
        """
        routes = _Routes(self)
        gate = Middleware(Gate, keys=self.keys, hosts=self.hosts, origins=self.origins)
        app = Starlette(
            routes=routes.table(),
            middleware=[*_across(self.origins), gate],
            lifespan=routes.running,
            exception_handlers=cast(Any, HANDLERS),
        )
        app.state.hang_up = routes.hang_up
        return app


def _across(origins: Sequence[str]) -> list[Middleware]:
    """Return the middleware that lets pages of other sites read the answers; none without such sites."""
    if not origins:
        return []
    methods, read = ("GET", "HEAD", "POST", "DELETE"), ("Accept-Ranges", "Content-Range", "Location", "Retry-After")
    # Clients send headers of their own, such as x-stainless-lang: a listed site may send any.
    given = {"allow_origins": origins, "allow_methods": methods, "allow_headers": ("*",), "expose_headers": read}
    return [Middleware(CORSMiddleware, **given)]


def _by_method(endpoints: Mapping[str, Endpoint]) -> Endpoint:
    """Return the endpoint of a path; one route for all methods, or `Allow` would not name them all."""

    async def answer(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return answer


class _Routes:
    def __init__(self, server: Server):
        self._server, self._events = server, JobEvents()
        self._jobs = Jobs(server.home, server.queue)
        self._recordings = Recordings(self._jobs, server.limits.stored_bytes)
        self._conversions, self._ratings = Conversions(), Ratings(server.home / _RATINGS)
        self._sockets = Shares("live sessions", server.limits.live, server.rows)
        self._metrics = Metrics(self._jobs.counts, server.price_per_kwh)
        kinds = Kinds(server.limits.new_kinds)
        patient = patient_models(server.models)
        planner = Planner(server.models, patient, self._jobs, server.limits)
        self._engine = Engine(
            server.models,
            patient,
            self._jobs,
            planner,
            self._events.tell,
            self._metrics,
            server.traces,
            Meter(watts_per_core=server.watts_per_core),
            kinds=kinds,
            rows=server.rows,
            warm_up=server.warm_up,
        )
        self._videos = Videos(
            models=server.models,
            jobs=self._jobs,
            planner=planner,
            engine=self._engine,
            job_events=self._events,
            traces=server.traces,
            limits=server.limits,
            asking=Shares("requests that are read and planned", server.limits.under_way),
            allowance=Allowance(server.limits.codes_a_minute),
            kinds=kinds,
            ratings=self._ratings,
            conversions=self._conversions,
            has_keys=server.keys is not None,
        )

    def table(self) -> list[BaseRoute]:
        """Return all routes: those of the description, the socket and the page."""
        by_path = dict[str, dict[str, Endpoint]]()
        for each in self._described():
            by_path.setdefault(each.path, {})[each.method] = each.endpoint
        return [
            *(Route(path, _by_method(endpoints), methods=list(endpoints)) for path, endpoints in by_path.items()),
            WebSocketRoute("/v1/live", self.live),
            # Not mounted, or it would also answer the methods that other routes lack.
            Route("/{path:path}", Whole(StaticFiles(directory=PAGE, html=True)), methods=["GET"]),
        ]

    def _described(self) -> list[Described]:
        get, post = partial(Described, "GET"), partial(Described, "POST")
        videos, one = self._videos, "/v1/videos/{id}"
        asked = partial(post, body="Request", kinds=("application/json", "multipart/form-data"))
        return [
            asked("/v1/videos", videos.create, "Ask for a clip", "The job, which waits in the queue", status=202),
            asked(
                "/v1/videos/sync",
                videos.create_and_wait,
                "Ask for a clip and wait for it",
                "The clip, as mp4; 202 once Prefer: wait=N is over",
            ),
            get(
                "/v1/videos",
                videos.list,
                "List jobs",
                "A page of jobs, newest first",
                query=("after", "limit", "order", "status"),
            ),
            get(one, videos.retrieve, "Look at a job", "The job"),
            get(f"{one}/given/{{field}}", videos.given, "Fetch a file that was uploaded for the clip", "The file"),
            Described("DELETE", one, videos.delete, "Delete a job and its files", "What was deleted"),
            post(f"{one}/cancel", videos.cancel, "Stop a job", "The job"),
            get(
                f"{one}/content",
                videos.content,
                "Fetch the clip",
                "The file; 409 while it is not done",
                query=("format", "scale"),
            ),
            get(
                f"{one}/page", videos.page, "Show the clip on a page of its own, to share", "HTML with Open Graph tags"
            ),
            get(f"{one}/stream", videos.stream, "Watch the clip while it is made", "A fragmented mp4"),
            get(
                f"{one}/hls/index.m3u8",
                videos.playlist,
                "Watch the clip while it is made, in a player of HLS",
                "A playlist",
            ),
            get(f"{one}/hls/stream.mp4", videos.pieces, "Fetch bytes that the playlist names", "A fragmented mp4"),
            get(f"{one}/events", videos.events, "Follow the progress", "Server-sent events: status, preview"),
            post(f"{one}/feedback", videos.feedback, "Say whether a clip is good", "What was kept", body="Feedback"),
            post("/v1/session", self.session, "Keep the key in a cookie, for pages", "Nothing", status=204),
            get("/v1/models", self.models, "List models", "The models and what each can do"),
            get("/v1/models/{name}", self.model, "Look at a model", "The model and what it can do"),
            get("/healthz", self.alive, "Check that the server is alive", "ok"),
            get("/readyz", self.ready, "Check that the server is ready for jobs", "ok"),
            get("/metrics", self.metrics, "Read the figures of the server", "Prometheus text"),
            get("/openapi.json", self.openapi, "Read this description", "OpenAPI 3.1"),
        ]

    @asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """Run the engine."""
        self._events.bind(asyncio.get_running_loop())
        self._engine.start()
        forgetting = asyncio.create_task(self._forget())
        try:
            yield
        finally:
            forgetting.cancel()
            self._conversions.close()
            await asyncio.to_thread(self._engine.drain, _DRAIN_SECONDS)
            await asyncio.to_thread(self._recordings.close)
            await asyncio.to_thread(self._server.traces.close)
            self._jobs.close()

    async def _forget(self) -> None:
        """Delete jobs, with their files and ratings, that ended more days ago than they are kept."""
        while (days := self._server.keep_days) is not None:
            for job_id in await asyncio.to_thread(self._jobs.ended_before, time.time() - days * 86_400):
                await asyncio.to_thread(self._jobs.delete, job_id)
                await asyncio.to_thread(self._ratings.forget, job_id)
            await asyncio.sleep(_FORGET_SECONDS)

    def hang_up(self) -> None:
        """End the answers that wait for a job or for the engine, because the server ends; jobs go on."""
        self._engine.close()
        self._events.close()

    async def live(self, socket: WebSocket) -> None:
        """Play a live clip and take new words for it, or play a world and take its keys."""
        await socket.accept()
        name = socket.query_params.get("model", next(iter(self._server.models)))
        if name not in self._server.models:
            await refuse(socket, f"there is no model {name!r}; served are {', '.join(self._server.models)}")
            return
        model = self._server.models[name]
        about = socket.state.owner, name, model, self._engine, self._server.limits
        kind = partial(Player, self._recordings) if model.language_model().config.keys else Viewer
        await play(socket, partial(kind, *about), self._sockets)

    async def session(self, request: Request) -> Response:
        """Keep the key of a request in a cookie that no script reads: sockets and films of a page send no header."""
        answer = Response(status_code=204)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, quote(request.state.key), httponly=True, samesite="strict", secure=secure)
        return answer

    async def models(self, request: Request) -> Response:
        """Answer with the models and what each can do."""
        data = [about(name, model) for name, model in self._server.models.items()]
        return JSONResponse({"object": "list", "data": data})

    async def model(self, request: Request) -> Response:
        """Answer with one model and what it can do."""
        name, served = request.path_params["name"], self._server.models
        if name not in served:
            raise HTTPException(404, f"there is no model {name[:60]!r}; served are {', '.join(served)}")
        return JSONResponse(about(name, served[name]))

    async def alive(self, request: Request) -> Response:
        """Answer while the engine is alive, and say whether it is warm, and how long a clip waits for new programs."""
        if not self._engine.is_alive():
            return refusal(503, "dead", "the engine has ended")
        warm, seconds = self._engine.warm.is_set(), self._engine.compile_seconds
        return JSONResponse({"status": "ok", "warm": warm, "compile_seconds": seconds and round(seconds, 1)})

    async def ready(self, request: Request) -> Response:
        """Answer once a job would begin at once."""
        if self._engine.draining:
            return refusal(503, "closed", "the server is shutting down")
        if not self._engine.warm.is_set():
            return refusal(503, "warming_up", "the models are being compiled; jobs wait until then")
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Answer with the figures of the server; where there are keys, to the operator's alone."""
        if self._server.keys is not None and request.state.owner != OPERATOR:
            raise HTTPException(403, f"these are the figures of all keys; the key named {OPERATOR} may see them")
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """Answer with the description of the routes."""
        return JSONResponse(description(self._described()))
