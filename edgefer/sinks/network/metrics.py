"""Metrics for Prometheus: what the run does, and how well."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from edgefer import __version__
from edgefer.labels import UNCERTAIN
from edgefer.loop.clock import Standing
from edgefer.sinks.base import Sink
from edgefer.sinks.network.discovery import SOURCE_STATES
from edgefer.sinks.network.listen import Address, Opening, may_ask
from edgefer.sinks.network.options import Metrics
from edgefer.support import packages
from edgefer.values import EVENT_KINDS, STAGES, Frame, Health, Reading

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

log = logging.getLogger(__name__)

#: Upper ends, s: around the stages of small boards and of large ones.
_STAGE_S = (0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.017, 0.025, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0)
_AGE_S = (0.005, 0.01, 0.02, 0.033, 0.05, 0.067, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
#: Requests at a time, others are sent away; how long a client may say nothing, and how long a request may take, s.
_AT_ONCE, _SILENT_S, _REQUEST_S = 8, 5.0, 10.0
#: An answer is good for so long, s: to write one takes this process as long as several frames.
_FRESH_S = 1.0
#: Between two requests, s, for the same reason.
_PAUSE_S = 0.05


class MetricsOutput(Sink):
    """Counts, and answers who asks for the counts."""

    def __init__(self, options: Metrics, labels: Sequence[str] = ()) -> None:
        """Args: labels: of the first model. Raises UsageError: no such port, or prometheus-client is missing."""
        packages.require("prometheus_client")
        self.name = f"metrics:{options.address}"
        self._address = Address(options.address, self.name)
        self._names = [self._address.host, *filter(None, options.names.split("/"))]
        self._opening = Opening(self._address, self.name)
        self._server: _Server | None = None
        self._last: Reading | None = None
        self._begin_counts(labels)

    def _begin_counts(self, labels: Sequence[str]) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self.registry: CollectorRegistry = CollectorRegistry(auto_describe=True)
        own = self.registry
        stages = Histogram(
            "edgefer_stage_seconds", "Time spent in a stage of a frame", ["stage"], buckets=_STAGE_S, registry=own
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._age = Histogram(
            "edgefer_age_seconds", "From the capture of a frame to its reading", buckets=_AGE_S, registry=own
        )
        self._expression = Counter(
            "edgefer_expression_seconds",
            "Media time that faces were seen with an expression",
            ["expression"],
            registry=own,
        )
        for label in (*labels, UNCERTAIN) if labels else ():
            self._expression.labels(label)
        self._faces = Gauge("edgefer_faces", "Faces in the last reading", registry=own)
        self._tracks = Counter("edgefer_tracks", "Faces that were followed", registry=own)
        self._seen = 0
        self._standing = Standing()
        self._events = Counter("edgefer_events", "Events that faces were part of", ["kind"], registry=own)
        for kind in EVENT_KINDS:
            self._events.labels(kind)
        self._info = Gauge("edgefer_build_info", "1, for the version", ["version"], registry=own)
        self._info.labels(__version__).set(1)
        self._health = _HealthMetrics()
        self.registry.register(self._health)
        ProcessCollector(namespace="edgefer", registry=self.registry)

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        self._serve()
        for stage, value_ms in reading.latency_ms.items():
            if stage in self._stages:
                self._stages[stage].observe(value_ms / 1000)
        self._age.observe(max(reading.age_ms, 0.0) / 1000)
        self._faces.set(len(reading.faces))
        self._add_expressions(reading)
        new = [face.track for face in reading.faces if face.track > self._seen]
        self._tracks.inc(len(new))
        self._seen = max(new, default=self._seen)
        for event in reading.events:
            self._events.labels(event.kind).inc()

    def _add_expressions(self, reading: Reading) -> None:
        """A reading counts as long as it stands (Standing)."""
        last, self._last = self._last, reading
        if last is None:
            return
        if last.source != reading.source or reading.t_s < last.t_s:
            self._seen = 0  # the tracks of another source, or of the same film again, are other faces
            self._standing = Standing()
            return
        gap_s = self._standing.add(reading.t_s - last.t_s)
        for face in last.faces:
            self._expression.labels(face.expression).inc(gap_s)

    def report(self, health: Health) -> None:
        self._serve()
        if health.source != "running":
            self._faces.set(0)
        self._health.newest = health

    def _serve(self) -> None:
        if self._server is not None or (listening := self._opening.attempt()) is None:
            return
        try:
            server = _Server(listening, self._application())
            threading.Thread(target=server.serve_forever, args=(0.2,), name="metrics", daemon=True).start()
        except BaseException:
            listening.close()
            raise
        self._server = server  # close() waits for the end of its thread, so there has to be one

    def _application(self) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
        from prometheus_client import make_wsgi_app

        answer = _Kept(make_wsgi_app(self.registry))

        def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if not may_ask(environ.get("HTTP_HOST"), self._names):
                return _refusal(start, "403 Forbidden", "this name is none of this machine's; add it to names=")
            if environ.get("PATH_INFO") != "/metrics":
                return _refusal(start, "404 Not Found", "the metrics are at /metrics")
            return answer(environ, start)

        return application

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Kept:
    """An application whose answers are written once in a while, however many ask for them and how often."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._request: tuple[str, ...] = ()
        self._made_s = -_FRESH_S
        self._begin: tuple[Any, ...] = ()
        self._body: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        keys = ("REQUEST_METHOD", "QUERY_STRING", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING")
        request = tuple(environ.get(key, "") for key in keys)
        with self._lock:
            left_s = _FRESH_S - (time.monotonic() - self._made_s)
            if request != self._request or left_s <= 0:
                time.sleep(max(0.0, left_s))  # one who asks in another form has to wait for his turn
                self._body = list(self._application(environ, self._take))
                self._request, self._made_s = request, time.monotonic()
            begin, body = self._begin, self._body
        start(*begin)
        return body

    def _take(self, *begin: Any) -> None:
        self._begin = begin


def _refusal(start: Callable[..., Any], status: str, why: str) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{why}\n".encode()]


class _HealthMetrics:
    """The newest Health as metrics."""

    def __init__(self) -> None:
        self.newest: Health | None = None

    def describe(self) -> Iterator[Metric]:
        """The families, by whose names Prometheus may ask for some of them alone."""
        return _families(Health(0, 0, 0, 0.0, 0.0, 0, 0, 0.0, False, "running"))

    def collect(self) -> Iterator[Metric]:
        return _families(self.newest) if self.newest is not None else iter(())


def _families(health: Health) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, help_text, count in (
        ("edgefer_frames", "Frames that were read", health.frames),
        ("edgefer_frames_dropped", "Frames that were passed over, for only the newest is read", health.dropped),
        ("edgefer_source_reopened", "How often the source was opened again", health.reconnects),
        ("edgefer_restarts", "Starts of the service after an end that was not clean", health.restarts),
    ):
        yield CounterMetricFamily(name, help_text, value=count)
    for name, help_text, value in (
        ("edgefer_readings_per_second", "Readings a second, over the last seconds", health.fps),
        ("edgefer_governor_level", "0 for full work, more where work is left out", health.governor_level),
        ("edgefer_throttled", "1 while the processor is slowed down", health.throttled),
        ("edgefer_under_voltage", "1 while the supply gives too little voltage", health.under_voltage),
        ("edgefer_temperature_celsius", "Of the processor", health.temperature_c),
    ):
        if value is not None:
            yield GaugeMetricFamily(name, help_text, value=float(value))
    state = GaugeMetricFamily("edgefer_source_state", "1 for the state that the source is in", labels=["state"])
    for each in SOURCE_STATES:
        state.add_metric([each], float(each == health.source))
    yield state


class _Handler(WSGIRequestHandler):
    timeout = _SILENT_S  # of a client that stalls

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("metrics: " + format, *args)

    def address_string(self) -> str:  # without asking for the name of an address
        return str(self.client_address[0])


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each request, but not for any number of them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: Any, application: Any) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_address = listening.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()
        self.set_app(application)
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._ends_s: dict[socket.socket, float] = {}  # of requests that are answered: when each has to be over

    def service_actions(self) -> None:
        """Now and then: a client that says a letter each few seconds is not silent, and holds its place as well."""
        for request, end_s in list(self._ends_s.items()):
            if time.monotonic() > end_s:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        time.sleep(_PAUSE_S)
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self._room.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._ends_s[request] = time.monotonic() + _REQUEST_S
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._ends_s[request]
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(Exception):
            log.debug("metrics: a request failed", exc_info=True)


def open_metrics(options: Metrics, *, labels: Sequence[str], title: str, fps: float | None) -> MetricsOutput:
    """The output `metrics`."""
    return MetricsOutput(options, labels)
