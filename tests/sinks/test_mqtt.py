"""The output to a broker, against a real one."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("paho.mqtt", reason="no paho-mqtt here: the extra mqtt")

import broker as brokers
import home_assistant
from broker import Broker, eventually, listening, needs_broker
from readings import face, reading

from edgefer.errors import UsageError
from edgefer.labels import FERPLUS8, UNCERTAIN
from edgefer.loop.run import run
from edgefer.sinks import open_sink, start_sink
from edgefer.sinks.network.mqtt import device_id
from edgefer.sinks.network.state import NOBODY, Changes
from edgefer.sinks.registry import OUTPUTS
from edgefer.values import Event, Health

pytestmark = needs_broker


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture
def own(tmp_path):
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


def health(**changes) -> Health:
    values = {"frames": 9, "dropped": 1, "faces": 1, "fps": 29.96, "age_ms": 7.77, "reconnects": 0}
    values |= {"governor_level": 0, "temperature_c": 51.5, "throttled": False, "source": "running"}
    return Health(**{**values, **changes})


def opened(broker: Broker, name: str, more: str = ""):
    return open_sink(f"mqtt:{broker.url},id={name},interval_s=0.1{more}", labels=FERPLUS8, title="camera 0")


def state(listener, name: str) -> dict:
    return json.loads(listener.newest.get(f"edgefer/{name}/state", b"{}"))


def feed(sink, *faces, count: int = 1, first: int = 0) -> None:
    for index in range(first, first + count):
        sink.write(reading(index, *faces))
        time.sleep(0.01)


def shows(sink, listener, name: str, expression: str) -> bool:
    """Readings go on until the listener has heard of an expression."""
    feed(sink, *([] if expression == NOBODY else [face(1, expression)]))
    return state(listener, name).get("expression") == expression


def test_home_assistant_finds_the_device_and_all_that_it_is_told_of_is_there(shared):
    """Every message by the rules of its component; every value that a template asks for in the message it is about."""
    with listening(shared) as listener:
        sink = opened(shared, "found")
        sink.report(health())
        eventually(lambda: shows(sink, listener, "found", "happiness"))
        sink.report(health())
        eventually(lambda: listener.newest.get("edgefer/found/switch") == b"ON")
        messages = {
            topic: json.loads(data) for topic, data in listener.newest.items() if topic.startswith("homeassistant/")
        }
        components = [home_assistant.check(topic, message) for topic, message in messages.items()]
        assert {"sensor", "binary_sensor", "switch", "event"} == set(components)
        assert len({message["unique_id"] for message in messages.values()}) == len(messages)
        assert len({json.dumps(message["device"]) for message in messages.values()}) == 1
        for topic, message in messages.items():
            asked = re.findall(r"value_json\.(\w+)", message.get("value_template", ""))
            told = json.loads(listener.newest[message["state_topic"]]) if asked else {}
            assert set(asked) <= set(told), topic
            if "options" in message:
                assert told[asked[0]] in message["options"]
            assert listener.newest[message["availability_topic"]] == b"online"
        options = messages["homeassistant/sensor/edgefer_found/expression/config"]["options"]
        assert set(options) == {*FERPLUS8, UNCERTAIN, NOBODY}
        sink.close()
        eventually(lambda: listener.newest["edgefer/found/availability"] == b"offline")
    with listening(shared) as late:  # everything is retained
        eventually(lambda: late.newest.get("edgefer/found/availability") == b"offline")
        assert {*messages, "edgefer/found/state", "edgefer/found/health", "edgefer/found/event"} <= late.retained


def test_a_change_is_told_at_once_and_the_rest_now_and_then(shared):
    with listening(shared) as listener:
        sink = open_sink(f"mqtt:{shared.url},id=calm,interval_s=3600", labels=FERPLUS8)
        eventually(lambda: shows(sink, listener, "calm", "anger"))
        feed(sink, face(1, "anger"), count=50, first=100)
        eventually(lambda: shows(sink, listener, "calm", "fear"))
        eventually(lambda: shows(sink, listener, "calm", NOBODY))
        told = [json.loads(data)["expression"] for topic, data in listener.all if topic == "edgefer/calm/state"]
        assert [one for one, before in zip(told, [None, *told], strict=False) if one != before] == told
        sink.close()


def test_events_say_who_came_changed_and_left_and_what_the_models_saw(shared):
    with listening(shared) as listener:
        sink = opened(shared, "events")
        eventually(lambda: shows(sink, listener, "events", "neutral"))
        seen = reading(500, face(1, "surprise"))
        seen.events = [Event(1, "micro", 19.2, 19.3, 19.4, 0.8, "fear")]
        sink.write(seen)
        sink.write(reading(600))
        heard = lambda: [json.loads(data) for topic, data in listener.all if topic == "edgefer/events/event"]  # noqa: E731
        eventually(lambda: [one["event_type"] for one in heard()] == ["arrived", "changed", "micro", "left"])
        assert heard()[1] == {
            "event_type": "changed", "track": 1, "expression": "surprise", "before": "neutral", "time": seen.time,
        }  # fmt: skip
        assert heard()[2]["expression"] == "fear" and heard()[2]["onset_s"] == 19.2
        sink.close()


def test_readings_are_sent_where_asked_for(shared):
    with listening(shared) as listener:
        sink = opened(shared, "all", ",readings=yes,topic=home/hall,discovery=")
        eventually(lambda: feed(sink, face(3)) or "home/hall/all/reading" in listener.newest)
        assert json.loads(listener.newest["home/hall/all/reading"])["faces"][0]["track"] == 3
        assert not [topic for topic in listener.newest if "edgefer_all" in topic]
        sink.close()


def test_a_camera_that_is_away_is_said_and_nobody_is_seen_meanwhile(shared):
    with listening(shared) as listener:
        sink = opened(shared, "away")
        eventually(lambda: shows(sink, listener, "away", "sadness"))
        eventually(lambda: sink.report(health(source="stalled")) or state(listener, "away").get("faces") == 0)
        eventually(lambda: json.loads(listener.newest["edgefer/away/health"])["source"] == "stalled")
        sink.close()


@pytest.mark.parametrize("source", ["resting", "stalled", "ended"])
def test_who_was_seen_last_leaves_when_no_more_pictures_come(shared, source):
    """What was switched on at the arrival is switched off again; who is there afterwards arrives again."""
    with listening(shared) as listener:
        sink = opened(shared, f"empty-{source}")
        eventually(lambda: shows(sink, listener, f"empty-{source}", "sadness"))
        heard = lambda: [  # noqa: E731
            json.loads(data)["event_type"] for topic, data in listener.all if topic == f"edgefer/empty-{source}/event"
        ]
        if source != "ended":
            sink.report(health(source=source))
            sink.write(reading(500, face(1, "sadness")))  # away for less than a second: it was only lost
        eventually(lambda: sink.report(health(source=source)) or heard() == ["arrived", "left"])
        sink.write(reading(501, face(1, "sadness")))
        eventually(lambda: heard() == ["arrived", "left", "arrived"])
        sink.close()


def test_who_was_in_one_film_has_left_in_the_next():
    changes = Changes()
    first, again = reading(9, face(1)), reading(0, face(1))
    assert [event["event_type"] for event in changes.add(first)] == ["arrived"]
    left, arrived = changes.add(again)
    assert (left["event_type"], left["time"]) == ("left", first.time) and arrived["event_type"] == "arrived"


def test_a_broker_that_goes_and_comes_back_knows_everything_again(own, caplog):
    """It has forgotten all; readings go on meanwhile, and two lines say that it was away."""
    sink = opened(own, "back")
    with listening(own) as listener:
        eventually(lambda: shows(sink, listener, "back", "happiness"))
    own.stop()
    begin = time.monotonic()
    feed(sink, face(1), count=5, first=50)
    assert time.monotonic() - begin < 5
    eventually(lambda: "trying again" in caplog.text)
    own.start()
    with listening(own) as listener:
        eventually(lambda: shows(sink, listener, "back", "fear"))
        eventually(lambda: "homeassistant/switch/edgefer_back/reading/config" in listener.newest)
        eventually(lambda: listener.newest["edgefer/back/availability"] == b"online")
    sink.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"], caplog.text


def test_a_broker_that_takes_nothing_costs_neither_time_nor_memory(own):
    """Held by SIGSTOP: its connection stays, and nothing is read from it."""
    sink = opened(own, "held", ",readings=yes")
    with listening(own) as listener:
        eventually(lambda: shows(sink, listener, "held", "happiness"))
    own.hold()
    try:
        longest_s = 0.0
        for index in range(3000):  # far more than the sockets' buffers take
            begin = time.monotonic()
            sink.write(reading(index, *(face(track) for track in range(10))))
            longest_s = max(longest_s, time.monotonic() - begin)
        assert longest_s < 2.0
        assert len(sink._waiting) <= 64
        begin = time.monotonic()
        sink.close()
        assert time.monotonic() - begin < 4.0
    finally:
        own.go_on()


def test_a_film_does_not_wait_for_a_broker_that_is_not_there(tmp_path):
    """Unlike for its file: the network never holds up a run."""
    choice = OUTPUTS.parse(f"mqtt:mqtt://127.0.0.1:{brokers.free_port()},id=none")
    thread = start_sink(choice, labels=FERPLUS8, title="film", fps=25.0, drop=False)
    begin = time.monotonic()
    for index in range(500):
        thread.write(reading(index, face()))
    assert time.monotonic() - begin < 5
    thread.close()
    assert thread.take_error() is None


def test_home_assistant_that_starts_is_told_again(shared):
    with listening(shared) as listener:
        sink = opened(shared, "birth")
        eventually(lambda: shows(sink, listener, "birth", "happiness"))
        topic = "homeassistant/sensor/edgefer_birth/faces/config"
        before = len([one for one, _ in listener.all if one == topic])
        listener.say("homeassistant/status", "online")
        eventually(lambda: len([one for one, _ in listener.all if one == topic]) > before)
        sink.close()


# --- the switch


class Steps:
    """What a run steps through, which counts what it was asked for."""

    ended, frame, summary = False, None, None

    def __init__(self) -> None:
        self.resting = False
        self.rested: list[bool] = []

    @property
    def health(self) -> Health:
        return health(source="resting" if self.resting else "running")

    def step(self):
        time.sleep(0.01)

    def rest(self, resting: bool) -> None:
        if resting != self.resting:
            self.resting = resting
            self.rested.append(resting)

    def close(self) -> None:
        self.ended = True


def test_the_switch_stops_a_run_and_starts_it_again(shared, monkeypatch):
    monkeypatch.setattr("edgefer.loop.run._HEALTH_INTERVAL_S", 0.05)
    stop, steps = threading.Event(), Steps()
    steps.summary = type("Summary", (), {"sink_errors": []})()
    with listening(shared) as listener:
        sink = start_sink(
            OUTPUTS.parse(f"mqtt:{shared.url},id=switch"), labels=FERPLUS8, title="x", fps=None, drop=True
        )
        running = threading.Thread(target=run, args=(steps, [sink], stop))
        running.start()
        try:
            eventually(lambda: listener.newest.get("edgefer/switch/switch") == b"ON")
            listener.say("edgefer/switch/switch/set", "OFF")
            eventually(lambda: listener.newest["edgefer/switch/switch"] == b"OFF")
            listener.say("edgefer/switch/switch/set", "nonsense")
            listener.say("edgefer/switch/switch/set", "ON")
            eventually(lambda: listener.newest["edgefer/switch/switch"] == b"ON")
        finally:
            stop.set()
            running.join()
    assert steps.rested == [True, False]


def test_a_device_that_was_switched_off_stays_off_when_it_starts_again(shared):
    """Home Assistant leaves its command with the broker."""
    with listening(shared) as listener:
        listener.say("edgefer/stays/switch/set", "OFF", retain=True)
        sink = opened(shared, "stays")
        sink.report(health())
        eventually(lambda: sink.rest_asked)
        sink.close()
        listener.say("edgefer/stays/switch/set", "", retain=True)


def test_a_device_that_loses_its_power_is_offline(shared, tmp_path):
    """The broker says so by the last will: here the process is killed."""
    words = ["--source", "demo:600", "--output", f"mqtt:{shared.url},id=will"]
    with listening(shared) as listener:
        process = subprocess.Popen([sys.executable, "-m", "edgefer", "run", "-q", *words], cwd=tmp_path)
        try:
            eventually(lambda: state(listener, "will").get("faces") == 1)
            assert listener.newest["edgefer/will/availability"] == b"online"
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        eventually(lambda: listener.newest["edgefer/will/availability"] == b"offline")


# --- whom it speaks to


needs_passwords = pytest.mark.skipif(brokers.PASSWORDS is None, reason="no mosquitto_passwd here")
needs_openssl = pytest.mark.skipif(brokers.OPENSSL is None, reason="no openssl here")


@needs_passwords
def test_a_wrong_password_is_said_in_one_line_and_a_right_one_is_read_from_its_file(tmp_path, caplog):
    subprocess.run([brokers.PASSWORDS, "-c", "-b", "users", "pi", "kept-secret"], cwd=tmp_path, check=True)
    (tmp_path / "users").chmod(0o644)
    (tmp_path / "wrong").write_text("guessed-secret\n")
    (tmp_path / "right").write_text("kept-secret\n")
    broker = Broker(tmp_path, f"password_file {tmp_path}/users", anonymous=False)
    try:
        sink = opened(broker, "wrong", f",user=pi,password_file={tmp_path}/wrong")
        eventually(lambda: sink.report(health()) or caplog.records)
        time.sleep(0.1)
        sink.close()
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert record.getMessage() == (
            f"mqtt:{broker.url}: the broker refuses this device: not authorized; correct user and password_file;"
            " trying again"
        )
        caplog.clear()
        sink = opened(broker, "right", f",user=pi,password_file={tmp_path}/right")
        eventually(lambda: sink.report(health()) or sink._connected.is_set())
        sink.close()
        assert not caplog.records
    finally:
        broker.stop()


@needs_openssl
def test_tls_checks_the_broker_and_says_in_one_line_what_is_wrong(tmp_path, caplog):
    brokers.make_certificates(tmp_path)
    (tmp_path / "server.key").chmod(0o644)
    broker = Broker(tmp_path, f"certfile {tmp_path}/server.crt", f"keyfile {tmp_path}/server.key")
    url = broker.url.replace("mqtt://", "mqtts://")
    try:
        sink = open_sink(f"mqtt:{url},id=tls,ca_file={tmp_path}/ca.crt")
        eventually(lambda: sink.report(health()) or sink._connected.is_set())
        sink.close()
        assert not caplog.records
        for other in (f",ca_file={tmp_path}/other.crt", ""):
            caplog.clear()
            sink = open_sink(f"mqtt:{url},id=tls{other}")
            eventually(lambda one=sink: one.report(health()) or caplog.records)
            sink.close()
            assert "cannot be reached: its certificate is refused: " in caplog.records[0].getMessage()
        caplog.clear()
        sink = open_sink(f"mqtt:{broker.url},id=tls")  # without TLS
        eventually(lambda: sink.report(health()) or caplog.records)
        sink.close()
        assert len(caplog.records[0].getMessage().splitlines()) == 1
    finally:
        broker.stop()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("mqtt:mqtt://h,password_file=nowhere", "password_file: nowhere: cannot be read: No such file"),
        ("mqtt:mqtt://h,user=x,password_file=two", "expected a file with the secret on its one line"),
        ("mqtt:mqtt://h,password_file=one", "there is a password and no name; add user="),
        ("mqtt:mqtt://h:99999", "expected a port from 1 to 65535"),
        ("mqtt:mqtt://:1883", "expected a broker's name"),
        ("mqtt:mqtt://[::1", "expected a broker's name or address, as mqtt://"),
        ("mqtt:mqtt://a[b", "expected a broker's name or address, as mqtt://"),
        ("mqtt:mqtt://h,ca_file=one", "certificates are for mqtts"),
        ("mqtt:mqtts://h,ca_file=nowhere", "ca_file: nowhere: No such file"),
        ("mqtt:mqtts://h,ca_file=one", "expected certificates in PEM"),
        ("mqtt:mqtts://h,cert_file=one", "cert_file and key_file go together"),
        ("mqtt:mqtts://h,cert_file=one,key_file=one", "expected a certificate and its key"),
        ("mqtt:broker.local", "expected a text such as mqtts://broker.local"),
        ("mqtt:mqtt://h,topic=a/#", "topic: expected a text such as edgefer"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(tmp_path, monkeypatch, text, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").write_text("secret-word\n")
    (tmp_path / "two").write_text("secret-word\nanother\n")
    with pytest.raises(UsageError) as refused:
        open_sink(text)
    assert what in str(refused.value) and len(str(refused.value).splitlines()) == 1
    assert "secret-word" not in str(refused.value)


def test_a_password_in_the_address_is_never_shown(caplog):
    sink = open_sink(f"mqtt:mqtt://pi:p4ssw0rd-x@127.0.0.1:{brokers.free_port()},id=shy")
    assert "p4ssw0rd" not in sink.name
    eventually(lambda: sink.report(health()) or caplog.records)
    sink.close()
    assert "p4ssw0rd" not in caplog.text


def test_a_service_reads_its_password_where_systemd_has_put_it(tmp_path, monkeypatch):
    from edgefer.support.credentials import credential_name, read_secret

    (tmp_path / credential_name("/etc/edgefer/a b.pw")).write_text("handed-over\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret("/etc/edgefer/a b.pw", "x") == "handed-over"


def test_the_device_has_a_name_of_its_own():
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", device_id()) and device_id() == device_id()
