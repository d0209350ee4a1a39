"""The metrics of the server, for Prometheus. An unknown figure is left out; it is never given as 0."""

import resource
import sys
from collections.abc import Callable
from functools import partial

import jax
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    generate_latest,
)

from reelm.energy import JOULES_PER_KWH, Meter, busy_shares
from reelm.media.clip import Clip
from reelm.sampling.decoding.continuous import ROWS

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_JOULES = (1, 2.5, 5, 10, 25, 50, 100, 250, 1e3, 1e4, 1e5)
_ENERGY_LABELS = ["method", "boundary"]  # as `Meter` names them
_compiled = [0]  # programs of this process


def _note(event: str, duration_secs: float, **about: object) -> None:
    _compiled[0] += event == "/jax/core/compile/backend_compile_duration"


jax.monitoring.register_event_duration_secs_listener(_note)


class Metrics:
    """Counters of one server.

    Args:
        jobs: returns the number of jobs of each status.
        price_per_kwh: of energy; None for unknown.
    """

    def __init__(self, jobs: Callable[[], dict[str, int]], price_per_kwh: float | None = None):
        self._registry = CollectorRegistry()
        about = {"registry": self._registry, "namespace": "reelm"}
        seconds = partial(Histogram, buckets=_SECONDS, **about)
        self._jobs, self._by_status = jobs, Gauge("jobs", "Jobs by status", ["status"], **about)
        self._waited = seconds("queue_wait_seconds", "Time from request to start")
        self._showed = seconds("first_frame_seconds", "Time from request to the first frame")
        self._took = seconds("job_seconds", "Time from request to clip")
        self._codes = Counter("codes", "Codes of pictures and sound that were made", **about)
        self._forwards = Counter("forwards", "Forward passes of the language model, by clip", **about)
        self._clip_seconds = Counter("clip_seconds", "Seconds of clips that were made", **about)
        self._batch_clips = Histogram("batch_clips", "Clips that are drawn together", buckets=ROWS, **about)
        self._batch_rows = Counter("batch_rows", "Rows of batches, padding included", **about)
        compiled = Gauge("compilations_after_warm_up", "Programs compiled since the server was ready", **about)
        self._warm = _compiled[0]
        compiled.set_function(lambda: _compiled[0] - self._warm)
        Gauge("memory_peak_bytes", "Peak memory of the process", **about).set_function(_peak)
        ProcessCollector(registry=self._registry)  # memory, CPU and open files, by their usual names
        self._device_memory = Gauge("device_memory_bytes", "Memory in use on a device", ["device"], **about)
        self._busy = Gauge("device_busy_ratio", "Share of the time in which a device works", ["device"], **about)
        self._energy = Counter("energy_joules", "Energy since the start, idle time included", _ENERGY_LABELS, **about)
        self._of_clip = Histogram(
            "clip_energy_joules", "Energy of a clip, its saving included", _ENERGY_LABELS, buckets=_JOULES, **about
        )
        self._price, self._seen = price_per_kwh, 0.0
        if price_per_kwh is not None:
            self._cost = Summary("clip_cost", "Cost of a clip's energy, in the currency of the price", **about)

    def warmed_up(self) -> None:
        """Count compilations from here on."""
        self._warm = _compiled[0]

    def waited(self, seconds: float) -> None:
        """Count the seconds that a job waited before it began."""
        self._waited.observe(seconds)

    def showed(self, seconds: float) -> None:
        """Count the seconds from a request to its first frame."""
        self._showed.observe(seconds)

    def drew(self, clips: int, rows: int) -> None:
        """Count a latent frame of `clips` clips, drawn in a batch of `rows` rows."""
        self._batch_clips.observe(clips)
        self._batch_rows.inc(rows)

    def used(self, meter: Meter) -> float | None:
        """Count and return the joules since the last call; None if they are not known."""
        joules = meter.read()
        if joules is None:
            return None
        more, self._seen = joules - self._seen, joules
        self._energy.labels(meter.method, meter.boundary).inc(more)
        return more

    def made(self, clip: Clip, seconds: float, joules: float | None) -> None:
        """Count a clip, the seconds since its request, and the energy to make and to save it."""
        self._took.observe(seconds)
        tokens = clip.tokens or {}
        self._codes.inc(sum(int(codes.size) for codes in tokens.values() if codes is not None))
        self._forwards.inc(clip.info.get("forwards", 0) + clip.info.get("sound_forwards", 0))
        self._clip_seconds.inc(len(clip.video) / clip.fps)
        if joules is not None:
            self._of_clip.labels(*(clip.info["energy"][name] for name in _ENERGY_LABELS)).observe(joules)
            if self._price is not None:
                self._cost.observe(joules / JOULES_PER_KWH * self._price)

    def text(self) -> bytes:
        """Return all metrics in the format of Prometheus."""
        for status, count in ({"queued": 0, "in_progress": 0, "completed": 0, "failed": 0} | self._jobs()).items():
            self._by_status.labels(status).set(count)
        for number, share in enumerate(busy_shares()):
            self._busy.labels(str(number)).set(share)
        for number, device in enumerate(jax.local_devices()):
            used = (device.memory_stats() or {}).get("bytes_in_use")
            if used is not None:
                self._device_memory.labels(str(number)).set(used)
        return generate_latest(self._registry)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
