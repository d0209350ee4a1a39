"""Traces of jobs, for OpenTelemetry: a request, its time in the queue, the decoding and the saving are a span each.

OpenTelemetry's environment variables say where they go. Without OTEL_EXPORTER_OTLP_ENDPOINT nothing is imported and
nothing is recorded. Traces contain no prompts.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from reelm.errors import RequestError
from reelm.extras import how_to_install

from .job import Job

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PARENT = "traceparent"  # of W3C Trace Context: a header, which a job keeps, too


class Traces:
    """Records spans if the environment asks for them. Any thread may use it.

    Raises:
        RequestError: the environment asks for spans, and OpenTelemetry is not installed.
    """

    def __init__(self) -> None:
        self._provider = self._tracer = None
        if not any(os.environ.get(name) for name in _ENDPOINTS):
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import SERVICE_NAME, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            hint = how_to_install("otel")
            raise RequestError(f"{_ENDPOINTS[0]} is set, and traces need {error.name}: {hint}") from error
        name = {SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or "reelm"}
        self._provider = TracerProvider(resource=Resource.create(name))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("reelm.serve", version("reelm"))

    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator[str]:
        """Record a request for a clip. Yield its `traceparent`, the parent of the job's spans; "" without traces.

        Args:
            headers: of the request. Its span is part of the client's trace if they contain one.
        """
        if self._tracer is None:
            yield ""
            return
        from opentelemetry.trace import SpanKind

        around = _context(headers.get(_PARENT, ""))
        with self._tracer.start_as_current_span(
            "request", around, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            about = span.get_span_context()
            try:
                yield f"00-{about.trace_id:032x}-{about.span_id:016x}-{about.trace_flags:02x}"
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def note(self, job: Job, name: str, begun: float | None, ended: float, **about: Any) -> None:
        """Record a span of a job.

        Args:
            job: the job, whose request is the parent span.
            name: "queue", "decode" or "save".
            begun: seconds since 1970; None for the creation of the job.
            ended: seconds since 1970.
            about: further attributes; `error` is an error code.
        """
        if self._tracer is None:
            return
        from opentelemetry.trace import Status, StatusCode

        error = about.pop("error", None)
        attributes = {f"reelm.{key}": value for key, value in {"job": job.id, "model": job.model, **about}.items()}
        start = job.created_at if begun is None else begun
        span = self._tracer.start_span(name, _context(job.trace), attributes=attributes, start_time=_nanoseconds(start))
        if error:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(ended))

    def close(self) -> None:
        """Send the spans that are not sent yet."""
        if self._provider is not None:
            self._provider.shutdown()


def _context(parent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({_PARENT: parent})


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
