"""What the output to a broker puts on its socket, read byte by byte: by whom, in which order, how soon."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest

pytest.importorskip("paho.mqtt", reason="no paho-mqtt here: the extra mqtt")

from broker import PATIENCE_S, eventually
from readings import face, reading

from edgefer.sinks import open_sink
from edgefer.sinks.lines import reading_values
from edgefer.sinks.network import mqtt

CONNECT, PUBLISH, DISCONNECT = 1, 3, 14
CONNECTION_ACCEPTED = bytes([0x20, 2, 0, 0])


class Peer:
    """A broker that accepts whoever comes and keeps what it is sent, as fast as it is told to read.

    Attributes:
        packets: of what came, in order: the type, the topic of a message, its payload, and when it was there, s.
        pause_s: before each read of at most `chunk` bytes.
        reads: cleared, it reads nothing.
    """

    def __init__(self) -> None:
        self.packets: list[tuple[int, str, bytes, float]] = []
        self.pause_s, self.chunk = 0.0, 1 << 16
        self.reads = threading.Event()
        self.reads.set()
        self.ended = threading.Event()
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self.url = f"mqtt://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listening.accept()
            with connection:
                data = bytearray()
                while part := self._read(connection):
                    data += part
                    while self._take(data):
                        if self.packets[-1][0] == CONNECT:
                            connection.sendall(CONNECTION_ACCEPTED)
        self.ended.set()

    def _read(self, connection: socket.socket) -> bytes:
        self.reads.wait(PATIENCE_S)
        time.sleep(self.pause_s)
        return connection.recv(self.chunk)

    def _take(self, data: bytearray) -> bool:
        """Takes a packet away from the beginning; False where it is not all there yet."""
        length, shift, begin = 0, 0, 1
        while begin < len(data):
            length |= (data[begin] & 127) << shift
            begin, shift = begin + 1, shift + 7
            if data[begin - 1] < 128:
                break
        else:
            return False
        if len(data) < begin + length:
            return False
        kind, body = data[0] >> 4, bytes(data[begin : begin + length])
        del data[: begin + length]
        end = 2 + int.from_bytes(body[:2], "big") if kind == PUBLISH else 0
        self.packets.append((kind, body[2:end].decode(errors="replace"), body[end:], time.monotonic()))
        return True

    def messages(self, name: str) -> list[bytes]:
        return [data for kind, topic, data, _ in list(self.packets) if kind == PUBLISH and topic.endswith(f"/{name}")]

    def close(self) -> None:
        self.reads.set()
        self._listening.close()


@pytest.fixture
def peer():
    one = Peer()
    yield one
    one.close()


def opened(peer: Peer):
    """A sink that is connected and has told everything; its socket takes little at a time."""
    sink = open_sink(f"mqtt:{peer.url},id=wire,readings=yes,discovery=,interval_s=3600")
    sink.write(reading(0))
    eventually(lambda: peer.messages("availability") and peer.messages("state"))
    sink._client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    return sink


def last_frame(peer: Peer) -> int:
    return max((json.loads(data)["frame"] for data in peer.messages("reading")), default=-1)


def test_messages_reach_a_slow_reader_whole_and_in_order(peer, monkeypatch):
    """Each longer than what the socket takes at a time, and another one written as soon as there is room."""
    sink = opened(peer)
    peer.chunk = 4096
    values = reading_values(reading(0, *(face(track) for track in range(100))))
    monkeypatch.setattr(mqtt, "reading_values", lambda one: {**values, "frame": one.frame})  # which takes its time
    end_s, index = time.monotonic() + 1.0, 0
    while time.monotonic() < end_s:
        index += 1
        sink.write(reading(index))
    peer.chunk = 1 << 16
    sink.close()
    assert peer.ended.wait(PATIENCE_S)
    frames = []
    for data in peer.messages("reading"):
        told = json.loads(data)
        assert len(told["faces"]) in (0, 100)
        frames.append(told["frame"])
    assert frames == sorted(frames) and len(frames) > 30


def test_only_the_connections_thread_writes_to_the_socket(peer, monkeypatch):
    sink = opened(peer)
    writers, send = set(), sink._client._sock_send

    def noted(data):
        writers.add(threading.current_thread().name)
        return send(data)

    monkeypatch.setattr(sink._client, "_sock_send", noted)
    for index in range(1, 20):
        sink.write(reading(index, face()))
        time.sleep(0.002)
    sink.close()
    assert writers == {"mqtt"}


def test_a_message_is_sent_at_once_though_another_thread_sends_it(peer):
    sink = opened(peer)
    taken_s = []
    for index in range(1, 8):
        time.sleep(0.06)  # the connection's thread has gone to sleep
        begin_s = time.monotonic()
        sink.write(reading(index))
        eventually(lambda index=index: last_frame(peer) == index)
        taken_s.append(peer.packets[-1][3] - begin_s)
    assert min(taken_s) < 0.05 and sorted(taken_s)[len(taken_s) // 2] < 0.25, taken_s  # the machine may be busy
    sink.close()


def test_offline_is_the_last_message_and_a_goodbye_follows_it(peer):
    sink = opened(peer)
    time.sleep(0.06)
    begin_s = time.monotonic()
    sink.close()
    assert time.monotonic() - begin_s < 0.4  # it need not wait until the connection's thread wakes by itself
    assert peer.ended.wait(PATIENCE_S)
    assert [packet[:3] for packet in peer.packets[-2:]] == [
        (PUBLISH, "edgefer/wire/availability", b"offline"),
        (DISCONNECT, "", b""),
    ]


def test_offline_is_sent_also_where_no_other_message_finds_room(peer):
    """A goodbye without it would leave the device online for ever: the broker then drops the last will."""
    sink = opened(peer)
    peer.reads.clear()
    faces = [face(track) for track in range(30)]
    for index in range(1, 200):
        sink.write(reading(index, *faces))
        time.sleep(0.002)
    assert len(sink._waiting) == mqtt._WAITING
    threading.Timer(0.1, peer.reads.set).start()
    sink.close()
    assert peer.ended.wait(PATIENCE_S)
    assert [packet[:3] for packet in peer.packets[-2:]] == [
        (PUBLISH, "edgefer/wire/availability", b"offline"),
        (DISCONNECT, "", b""),
    ]


def test_the_end_waits_a_short_while_for_a_broker_that_reads_nothing(peer):
    sink = opened(peer)
    peer.reads.clear()
    faces = [face(track) for track in range(300)]
    longest_s = 0.0
    for index in range(1, 100):
        begin_s = time.monotonic()
        sink.write(reading(index, *faces))
        longest_s = max(longest_s, time.monotonic() - begin_s)
    assert longest_s < 0.5
    begin_s = time.monotonic()
    sink.close()
    assert time.monotonic() - begin_s < 2.5


def test_a_connection_that_ends_while_a_reading_is_written_costs_no_more_than_that_reading(peer, monkeypatch):
    """What waited is forgotten by the connection's thread; here just when the sink's thread looks at it."""
    sink = opened(peer)

    def forget():
        with sink._lock:
            sink._waiting.clear()

    def is_sent(message):
        forgetting = threading.Thread(target=forget)
        forgetting.start()
        forgetting.join(0.05)
        return True

    sink.write(reading(1))
    monkeypatch.setattr(mqtt, "_is_sent", is_sent)
    sink.write(reading(2))
    monkeypatch.undo()
    sink.write(reading(3))
    eventually(lambda: last_frame(peer) == 3)
    sink.close()


def test_an_output_whose_thread_cannot_be_started_can_be_closed(monkeypatch):
    sink = open_sink("mqtt:mqtt://127.0.0.1,id=none")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(threading.Thread, "start", _no_thread)
        sink.write(reading(0))
    sink.close()


def _no_thread(self) -> None:
    raise RuntimeError("can't start new thread")
