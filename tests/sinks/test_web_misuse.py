"""The live page and those who ask in bad ways: half, too much, nonsense, or what they may not have."""

from __future__ import annotations

import socket
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="no uvicorn here: the extra web")
pytest.importorskip("starlette", reason="no starlette here: the extra web")

from broker import eventually
from page_run import TOKEN, Run, health
from pages import keeping_its_priority
from readings import face

from edgefer.sinks.network import web


@pytest.fixture(scope="module", autouse=True)
def unhurried():
    with keeping_its_priority():
        yield


@pytest.fixture
def own(tmp_path):
    runs: list[Run] = []

    def begin(more: str = "", host: str = "127.0.0.1", token: str = TOKEN) -> Run:
        (tmp_path / "token").write_text(token + "\n")
        runs.append(Run(more.replace("TOKEN", f"token_file={tmp_path}/token"), host))
        eventually(runs[-1].is_there)
        return runs[-1]

    yield begin
    for run in runs:
        run.close()


def connected(run: Run, data: bytes) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", run.port))
    one.settimeout(20)
    one.sendall(data)
    return one


def in_a_hurry(monkeypatch) -> None:
    """The server's patience is half a second."""
    begin = (
        "from edgefer.sinks.network.page import connection, server; connection.REQUEST_S = 0.5; server.STALLED_S = 1;"
    )
    monkeypatch.setattr(web, "_PROGRAM", web._PROGRAM.replace("from edgefer.sinks.network.page import server;", begin))


def is_over(one: socket.socket) -> bool:
    try:
        while one.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    "half",
    [b"", b"GET / HT", b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\ntoken="],
    ids=["nothing", "half-a-line", "half-a-body"],
)
def test_a_request_that_does_not_come_to_its_end_is_dropped(own, monkeypatch, half):
    """Each holds one of the places for connections; a telephone that has left the house never gives it back."""
    in_a_hurry(monkeypatch)
    run = own()
    viewer = urllib.request.urlopen(run.url + "/events", timeout=20)
    one = connected(run, half)
    begin = time.monotonic()
    assert is_over(one) and time.monotonic() - begin < 15
    for _ in range(200):  # a viewer asks no more, and stays
        assert viewer.readline()
    viewer.close()


def test_connections_without_a_request_do_not_lock_others_out(own, monkeypatch):
    in_a_hurry(monkeypatch)
    run = own()
    idle = [connected(run, b"GET") for _ in range(150)]
    eventually(lambda: run.is_there() and run.ask()[0] == 200)
    assert all(is_over(one) for one in idle)


def test_an_answer_that_nobody_takes_is_dropped(own, monkeypatch):
    in_a_hurry(monkeypatch)
    run = own()
    run.faces = [face(track) for track in range(300)]  # which the buffers do not hold for long
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", run.port))
    one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    number = one.getsockname()[1]
    eventually(lambda: number in peers(run))
    eventually(lambda: number not in peers(run))
    one.close()


def peers(run: Run) -> set[int]:
    """Ports from which the server is connected to."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(line[1].split(":"), line[2].split(":"), line[3]) for line in lines]
    return {int(there[1], 16) for here, there, state in ends if int(here[1], 16) == run.port and state == "01"}


def test_nonsense_does_not_bring_the_server_down(own, caplog):
    """What it complains about is read, or its pipe would be full after some dozens of such requests."""
    run = own()
    server = run.sink._server
    for _ in range(120):
        one = connected(run, b"POST /token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        one.sendall(b"2710\r\n" + b"a" * 10_000 + b"\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 413")
        one.sendall(b"nonsense\r\n\r\n")
        one.close()
    assert run.ask()[0] == 200 and run.sink._server is server and "its server has ended" not in caplog.text


def test_a_server_that_complains_a_lot_does_not_hang(monkeypatch):
    """Its pipe holds 64 KiB, and somebody has to read them."""
    loud = "import sys; sys.stderr.write(('x' * 99 + chr(10)) * 3000); from edgefer"
    monkeypatch.setattr(web, "_PROGRAM", web._PROGRAM.replace("from edgefer", loud, 1))
    run = Run()
    try:
        eventually(run.is_there)
        assert run.sink._server.why() == "x" * 99
    finally:
        run.close()


def test_who_comes_after_the_camera_was_switched_off_is_not_shown_what_was_seen_before(own):
    run = own()
    assert any(values.get("picture") for kind, values in run.events(8) if kind == "reading")
    eventually(lambda: run.sink._server.viewers == 0)
    run.health = health(source="resting")
    time.sleep(0.3)
    events = run.events(6)
    assert not [values for kind, values in events if kind == "reading" and (values["faces"] or "picture" in values)]
    run.health = health()
    assert any(values.get("picture") for kind, values in run.events(12) if kind == "reading")


def test_the_name_that_it_listens_at_is_a_name_to_ask_by(own, monkeypatch):
    find = socket.getaddrinfo
    there = lambda host, *given, **named: find("127.0.0.1" if host == "hall.lan" else host, *given, **named)  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", there)
    run = own(",TOKEN", "hall.lan")
    assert run.ask("/", Host=f"hall.lan:{run.port}")[0] == 401
    assert run.ask("/", Host=f"other.lan:{run.port}")[0] == 403


def logged_in(run: Run, token: str = TOKEN) -> str:
    """The cookie."""
    _, headers, _ = run.ask("/token", urllib.parse.urlencode({"token": token}).encode())
    return headers["set-cookie"].partition(";")[0]


def test_two_pages_on_one_machine_keep_their_tokens_apart(own):
    """A browser gives the cookies of a host to each of its ports, and has one of each name."""
    first, second = own(",TOKEN"), own(",TOKEN", token="another-word-of-many-letters")
    cookies = [logged_in(first), logged_in(second, "another-word-of-many-letters")]
    assert len({cookie.partition("=")[0] for cookie in cookies}) == 2
    for run in (first, second):
        assert run.events(1, Cookie="; ".join(cookies))[0][0] == "hello"


@pytest.mark.parametrize("kind", ["Authorization", "Cookie"])
def test_a_guess_takes_a_second_however_it_is_given(own, kind):
    run = own(",TOKEN")
    wrong = "Bearer wrong" if kind == "Authorization" else f"{logged_in(run)}0"
    for path in ("/events", "/"):
        begin = time.monotonic()
        assert run.ask(path, **{kind: wrong})[0] == 401 and time.monotonic() - begin >= 1.0
    begin = time.monotonic()
    assert run.ask("/")[0] == 401 and time.monotonic() - begin < 1.0


@pytest.mark.parametrize("token", [" open-sesame-and-more ", "sésame-ouvre-toi-là"], ids=["blanks", "accents"])
def test_a_token_opens_the_page_as_it_is_written(own, token):
    run = own(",TOKEN", token=token)
    assert run.events(1, Cookie=logged_in(run, token))[0][0] == "hello"
    by_header = f"Bearer {token.strip()}".encode().decode("latin-1")  # as curl sends it
    assert run.events(1, Authorization=by_header)[0][0] == "hello"


def test_the_stream_is_there_to_be_got_and_for_nothing_else(own):
    run = own()
    assert run.ask("/events", b"x")[0] == 405
    eventually(lambda: run.sink._server.viewers == 0)


def test_a_file_comes_whole_whatever_parts_of_it_are_asked_for(own):
    """Releases of Starlette before 0.49.1 sort them in quadratic time (CVE-2025-62727), and anybody may ask."""
    run = own()
    whole = run.ask("/style.css")
    assert whole[1]["content-type"].startswith("text/css")
    status, _, text = run.ask("/style.css", Range="bytes=0-9")
    assert status == 200 and text == whole[2]
