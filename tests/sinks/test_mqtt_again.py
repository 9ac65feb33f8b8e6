"""What a broker, and who listens to it, is told a second time, and what is not."""

from __future__ import annotations

import json
import socket

import pytest

pytest.importorskip("paho.mqtt", reason="no paho-mqtt here: the extra mqtt")

from broker import Broker, eventually, listening, needs_broker
from readings import face, reading

from edgefer.labels import FERPLUS8
from edgefer.sinks import open_sink
from edgefer.sinks.network import mqtt

pytestmark = needs_broker


@pytest.fixture
def own(tmp_path):
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


def lose(sink) -> None:
    """The connection, once."""
    sink._client.socket().shutdown(socket.SHUT_RDWR)
    eventually(lambda: not sink._connected.is_set())


@pytest.mark.parametrize("why", ["home-assistant-starts", "connection-lost"])
def test_an_event_that_was_told_does_not_happen_again(own, why):
    """A message to one who has subscribed is new to him, retained or not: an automation would run once more."""
    with listening(own) as listener:
        sink = open_sink(f"mqtt:{own.url},id=once", labels=FERPLUS8)
        sink.write(reading(0))
        eventually(lambda: "edgefer/once/state" in listener.newest)
        sink.write(reading(1, face(1)))
        heard = lambda end: [data for topic, data in listener.all if topic == f"edgefer/once/{end}"]  # noqa: E731
        eventually(lambda: heard("event"))
        before = len(heard("availability"))
        if why == "connection-lost":
            lose(sink)
        else:
            listener.say("homeassistant/status", "online")
        eventually(lambda: [data for data in heard("availability")[before:] if data == b"online"])
        sink.write(reading(100, face(1), face(2)))
        eventually(lambda: json.loads(heard("event")[-1])["track"] == 2)
        assert [json.loads(data)["track"] for data in heard("event")] == [1, 2]
        sink.close()


def test_an_event_while_the_broker_is_away_is_told_when_it_is_back(own):
    with listening(own):
        sink = open_sink(f"mqtt:{own.url},id=late", labels=FERPLUS8)
        sink.write(reading(0))
        eventually(sink._connected.is_set)
    own.stop()
    eventually(lambda: not sink._connected.is_set())
    sink.write(reading(1, face(7)))
    own.start()
    with listening(own) as listener:
        eventually(lambda: "edgefer/late/event" in listener.newest)
        assert json.loads(listener.newest["edgefer/late/event"])["track"] == 7
    sink.close()


def test_two_runs_with_one_name_are_told_so_and_give_way(own, monkeypatch, caplog):
    """A broker has one client of a name: the one that comes takes the connection from the other, and so on."""
    monkeypatch.setattr(mqtt, "_SHORTEST_PAUSE_S", 0.05)
    sinks = [open_sink(f"mqtt:{own.url},id=twin", labels=FERPLUS8) for _ in range(2)]
    for sink in sinks:
        sink.write(reading(0))
    eventually(lambda: "is another run 'twin' as well? Give it an id= of its own" in caplog.text)
    for sink in sinks:
        sink.close()
