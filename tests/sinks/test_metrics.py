"""What Prometheus is told, as it asks for it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="no prometheus-client here: the extra metrics")

from broker import eventually, free_port
from prometheus_client.parser import text_string_to_metric_families
from readings import face, reading

from edgefer.errors import UsageError
from edgefer.labels import FERPLUS8, UNCERTAIN
from edgefer.sinks import open_sink
from edgefer.sinks.network import metrics
from edgefer.sinks.network.listen import Address, may_ask
from edgefer.sinks.network.options import Metrics
from edgefer.values import STAGES, Event, Health

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"


@pytest.fixture
def sink():
    port = free_port()
    opened = open_sink(f"metrics:127.0.0.1:{port}", labels=FERPLUS8, title="camera 0")
    opened.url = f"http://127.0.0.1:{port}/metrics"
    yield opened
    opened.close()


def health(**changes) -> Health:
    values = {"frames": 90, "dropped": 7, "faces": 1, "fps": 29.9, "age_ms": 7.7, "reconnects": 2, "restarts": 3}
    values |= {"governor_level": 1, "temperature_c": 61.5, "throttled": True, "source": "running"}
    return Health(**{**values, **changes})


def ask(url: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return answer.read().decode()


def samples(text: str) -> dict[str, float]:
    """Value by name and labels, as `edgefer_faces` or `edgefer_stage_seconds_count{stage=total}`."""
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            values[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return values


def test_a_run_in_figures(sink):
    sink.write(reading(0, face(1, "happiness"), total_ms=5.0))
    sink.write(reading(10, face(1, "happiness"), face(2, "anger"), total_ms=9.0))
    seen = reading(20, face(2, "anger", ("dark",)))
    seen.events = [Event(2, "micro", 0.1, 0.2, 0.3, 0.9)]
    sink.write(seen)
    sink.write(reading(1020))
    sink.report(health())
    told = samples(ask(sink.url))
    assert told["edgefer_stage_seconds_count{stage=total}"] == 4
    assert told["edgefer_stage_seconds_sum{stage=total}"] == pytest.approx(0.024)
    assert told["edgefer_stage_seconds_bucket{le=0.006,stage=total}"] == 3
    assert told["edgefer_age_seconds_count"] == 4
    # a reading counts until the next; a pause of 40 s as three of the usual 0.4 s
    assert told["edgefer_expression_seconds_total{expression=happiness}"] == pytest.approx(0.8)
    assert told["edgefer_expression_seconds_total{expression=anger}"] == pytest.approx(0.4)
    assert told[f"edgefer_expression_seconds_total{{expression={UNCERTAIN}}}"] == pytest.approx(1.2)
    assert told["edgefer_expression_seconds_total{expression=fear}"] == 0
    assert (told["edgefer_faces"], told["edgefer_tracks_total"]) == (0, 2)
    assert told["edgefer_events_total{kind=micro}"] == 1
    assert (told["edgefer_frames_total"], told["edgefer_frames_dropped_total"]) == (90, 7)
    assert (told["edgefer_restarts_total"], told["edgefer_source_reopened_total"]) == (3, 2)
    assert (told["edgefer_temperature_celsius"], told["edgefer_throttled"]) == (61.5, 1)
    assert (told["edgefer_governor_level"], told["edgefer_under_voltage"]) == (1, 0)
    assert told["edgefer_source_state{state=running}"] == 1 and told["edgefer_source_state{state=stalled}"] == 0


def test_every_name_is_ours_and_every_stage_is_there_from_the_first(sink):
    sink.report(health())
    told = samples(ask(sink.url))
    assert told and all(name.startswith("edgefer_") for name in told)
    assert {f"edgefer_stage_seconds_count{{stage={stage}}}" for stage in STAGES} <= set(told)


def test_a_temperature_that_is_not_known_is_not_told(sink):
    sink.report(health(temperature_c=None, source="stalled"))
    told = samples(ask(sink.url))
    assert "edgefer_temperature_celsius" not in told and told["edgefer_source_state{state=stalled}"] == 1


def test_the_dashboard_asks_for_nothing_that_is_not_there(sink):
    """Each name in each query, and each label that a query or a legend sorts by."""
    sink.write(reading(0, face()))
    sink.report(health())
    text = ask(sink.url)
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, {"instance"}).update(sample.labels)
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [(target["expr"], target["legendFormat"]) for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [(each["definition"], "") for each in dashboard["templating"]["list"] if "definition" in each]
    assert len(queries) > 15
    for query, legend in queries:
        names = re.findall(r"edgefer_[a-z_]+", query)
        assert names and set(names) <= set(labels), query
        asked = set(re.findall(r"\{\{(\w+)\}\}", legend))
        for group in re.findall(r"by \(([^)]*)\)", query):
            asked |= {name.strip() for name in group.split(",")}
        assert asked <= labels[names[0]] | {"le"}, query
        assert query.count("(") == query.count(")") and query.count("{") == query.count("}")
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_who_asks_by_a_foreign_name_is_refused(sink):
    """As a page in somebody's browser would whose name leads to this machine."""
    sink.report(health())
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(sink.url, Host="evil.example:9840")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(sink.url.replace("/metrics", "/"))
    assert ask(sink.url, Host=f"{socket.gethostname()}:9840")


@pytest.mark.parametrize(
    ("header", "may"),
    [
        ("127.0.0.1:80", True), ("[::1]:80", True), ("10.1.2.3", True), ("localhost", True), ("LocalHost.:9", True),
        (socket.gethostname(), True), ("hall.lan", True), ("evil.example", False), ("127.0.0.1.evil.example", False),
        ("", False), (None, False), ("a b", False), ("localhost@evil.example", False), ("[::1", False),
    ],
)  # fmt: skip
def test_whose_name_a_request_may_bear(header, may):
    assert may_ask(header, ["hall.lan"]) is may


@pytest.mark.parametrize(
    ("text", "host", "port", "private"),
    [
        ("9840", "127.0.0.1", 9840, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::1]:80", "::1", 80, True),
        ("[::]:80", "::", 80, False),
        ("localhost:80", "localhost", 80, True),
        ("pi.local:80", "pi.local", 80, False),
        ("127.0.0.1.example.org:80", "127.0.0.1.example.org", 80, False),
    ],
)
def test_where_it_listens(text, host, port, private):
    address = Address(text, "x")
    assert (address.host, address.port, address.is_private) == (host, port, private)
    assert Metrics(address=text).peer == ("localhost" if private else "")


def test_who_vanishes_without_a_word_is_let_go_of():
    with Address(str(free_port()), "x").listen() as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000


def test_a_port_that_is_taken_is_said_once_and_had_when_it_is_free(monkeypatch, caplog):
    monkeypatch.setattr("edgefer.sinks.network.listen._AGAIN_S", 0.05)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sink = open_sink(f"metrics:{port}")
        for index in range(20):
            sink.write(reading(index, face()))
    eventually(lambda: sink.report(health()) or "is open" in caplog.text)
    assert "edgefer_faces" in ask(f"http://127.0.0.1:{port}/metrics")
    sink.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert f"metrics:{port}: cannot be opened: Address already in use; trying again" in caplog.text


def test_clients_that_stall_keep_nobody_waiting(sink):
    """They hold the few places there are for requests, and readings are counted all the while."""
    sink.report(health())
    host, port = "127.0.0.1", int(sink.url.split(":")[2].split("/")[0])
    stalled = [socket.create_connection((host, port)) for _ in range(20)]
    for one in stalled:
        one.sendall(b"GET /metr")
    for index in range(100):
        sink.write(reading(index, face()))
    for one in stalled:
        one.close()
    assert samples(eventually(lambda: _asked(sink.url)))["edgefer_age_seconds_count"] == 100


def test_clients_that_say_a_letter_now_and_then_do_not_keep_their_places(sink, monkeypatch):
    monkeypatch.setattr(metrics, "_REQUEST_S", 0.5)
    sink.report(health())
    host, port = "127.0.0.1", int(sink.url.split(":")[2].split("/")[0])
    slow = [socket.create_connection((host, port)) for _ in range(8)]
    done = threading.Event()

    def trickle() -> None:
        while not done.wait(0.1):
            for one in slow:
                with contextlib.suppress(OSError):
                    one.send(b"x")

    trickling = threading.Thread(target=trickle)
    trickling.start()
    try:
        assert eventually(lambda: _asked(sink.url))
    finally:
        done.set()
        trickling.join()
        for one in slow:
            one.close()


def test_the_figures_are_written_once_a_second_however_many_ask(sink, monkeypatch):
    """To write them takes time that the run has a use for."""
    from prometheus_client import exposition

    written, write = [], exposition.generate_latest

    def counted(*given, **named):
        written.append(1)
        return write(*given, **named)

    monkeypatch.setattr(exposition, "generate_latest", counted)
    monkeypatch.setattr(metrics, "_FRESH_S", 3600.0)
    sink.report(health(frames=1))
    told = ask(sink.url)
    sink.report(health(frames=2))
    assert {ask(sink.url) for _ in range(20)} == {told} and len(written) == 1
    monkeypatch.setattr(metrics, "_FRESH_S", 0.0)
    assert samples(ask(sink.url))["edgefer_frames_total"] == 2 and len(written) == 2


def test_who_asks_in_another_form_is_answered_in_it(sink, monkeypatch):
    monkeypatch.setattr(metrics, "_FRESH_S", 0.2)
    sink.report(health())
    assert "# EOF" not in ask(sink.url)
    assert "# EOF" in ask(sink.url, Accept="application/openmetrics-text; version=1.0.0")
    assert list(samples(ask(sink.url + "?name[]=edgefer_faces"))) == ["edgefer_faces"]


def test_each_name_can_be_asked_for_alone(sink, monkeypatch):
    """Also those that are made of the newest health, which is not there at first."""
    monkeypatch.setattr(metrics, "_FRESH_S", 0.0)
    sink.write(reading(0, face(1)))
    sink.report(health())
    names = {sample.partition("{")[0] for sample in samples(ask(sink.url))}
    assert {"edgefer_frames_total", "edgefer_temperature_celsius", "edgefer_source_state"} < names
    for name in names:
        assert name in {sample.partition("{")[0] for sample in samples(ask(f"{sink.url}?name[]={name}"))}, name


def _asked(url: str) -> str:
    try:
        return ask(url)
    except OSError:
        return ""


def test_an_address_that_this_machine_has_not_got_yet_is_listened_to():
    """As before its network is up."""
    sink = open_sink(f"metrics:192.0.2.7:{free_port()}")
    sink.report(health())
    assert sink._server is not None
    sink.close()


def test_an_output_whose_thread_cannot_be_started_lets_go_of_its_port_and_can_be_closed(monkeypatch):
    def no_thread(thread) -> None:
        raise RuntimeError("can't start new thread")

    port = free_port()
    sink = open_sink(f"metrics:127.0.0.1:{port}")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(threading.Thread, "start", no_thread)
        sink.report(health())
    closing = threading.Thread(target=sink.close, daemon=True)
    closing.start()
    closing.join(1.0)
    assert not closing.is_alive()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("address", "what"),
    [("127.0.0.1:70000", "a port from 1 to 65535, got 70000"), ("pi..lan:80", "a name or an address of this machine")],
)
def test_an_address_that_is_none_is_refused(address, what):
    with pytest.raises(UsageError, match=f"metrics:{address}: expected {what}"):
        open_sink(f"metrics:{address}")


def test_the_name_that_it_listens_at_is_a_name_to_ask_by(monkeypatch):
    """The log and the profile say it: nobody has to write it a second time, in names=."""
    find = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *given, **named: find("127.0.0.1", *given, **named))
    port = free_port()
    sink = open_sink(f"metrics:Hall.lan:{port},names=other.lan")
    sink.report(health())
    for name in ("hall.lan", "other.lan"):
        assert ask(f"http://127.0.0.1:{port}/metrics", Host=f"{name}:{port}")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(f"http://127.0.0.1:{port}/metrics", Host="third.lan")
    sink.close()
