"""What the server counts, for Prometheus."""

import resource
import sys
from collections.abc import Callable

import jax
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from reelm.media.clip import Clip

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_compiled = [0]  # programs of this process


def _note(event: str, duration_secs: float, **about: object) -> None:
    _compiled[0] += event == "/jax/core/compile/backend_compile_duration"


jax.monitoring.register_event_duration_secs_listener(_note)


class Metrics:
    """Counters of one server.

    Args:
        jobs: returns the number of jobs of each status.
    """

    def __init__(self, jobs: Callable[[], dict[str, int]]):
        self._registry = CollectorRegistry()
        about = {"registry": self._registry, "namespace": "reelm"}
        self._jobs, self._by_status = jobs, Gauge("jobs", "Jobs by status", ["status"], **about)
        self._waited = Histogram("queue_wait_seconds", "Time from request to start", buckets=_SECONDS, **about)
        self._took = Histogram("job_seconds", "Time from request to clip", buckets=_SECONDS, **about)
        self._codes = Counter("codes", "Codes of pictures and sound that were made", **about)
        self._forwards = Counter("forwards", "Forward passes of the language model, by clip", **about)
        self._clip_seconds = Counter("clip_seconds", "Seconds of clips that were made", **about)
        compiled = Gauge("compilations_after_warm_up", "Programs compiled since the server was ready", **about)
        self._warm = _compiled[0]
        compiled.set_function(lambda: _compiled[0] - self._warm)
        Gauge("memory_peak_bytes", "Peak memory of the process", **about).set_function(_peak)

    def warmed_up(self) -> None:
        """Count compilations from here on."""
        self._warm = _compiled[0]

    def waited(self, seconds: float) -> None:
        """Count a job that begins."""
        self._waited.observe(seconds)

    def made(self, clip: Clip, seconds: float) -> None:
        """Count a clip that took so long since it was asked for."""
        self._took.observe(seconds)
        tokens = clip.tokens or {}
        self._codes.inc(sum(int(codes.size) for codes in tokens.values() if codes is not None))
        self._forwards.inc(clip.info.get("forwards", 0) + clip.info.get("sound_forwards", 0))
        self._clip_seconds.inc(len(clip.video) / clip.fps)

    def text(self) -> bytes:
        """Return all of it in the format of Prometheus."""
        for status, count in ({"queued": 0, "in_progress": 0, "completed": 0, "failed": 0} | self._jobs()).items():
            self._by_status.labels(status).set(count)
        return generate_latest(self._registry)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
