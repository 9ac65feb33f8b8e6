"""The live page: who may see it, what leaves the device, and that its viewers hold up nobody."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="no uvicorn here: the extra web")
pytest.importorskip("starlette", reason="no starlette here: the extra web")

import browser as browsers
from broker import eventually, free_port, make_certificates
from browser import needs_browser
from page_run import TOKEN, Run, health
from pages import KEEPING, keeping_its_priority
from readings import face, frame, reading

from edgefer.errors import UsageError
from edgefer.labels import FERPLUS8
from edgefer.sinks import open_sink
from edgefer.sinks.network import web


@pytest.fixture(scope="module", autouse=True)
def unhurried():
    with keeping_its_priority():
        yield


@pytest.fixture(scope="module")
def shared():
    run = Run()
    eventually(run.is_there)
    yield run
    run.close()


@pytest.fixture
def own(request, tmp_path):
    runs: list[Run] = []

    def begin(more: str = "", host: str = "127.0.0.1") -> Run:
        (tmp_path / "token").write_text(TOKEN + "\n")
        runs.append(Run(more.replace("TOKEN", f"token_file={tmp_path}/token"), host))
        eventually(runs[-1].is_there)
        return runs[-1]

    yield begin
    for run in runs:
        run.close()


def test_the_stream_tells_everything_of_a_reading(shared):
    events = shared.events(12)
    assert events[0][0] == "hello"
    hello = events[0][1]
    assert hello["labels"] == list(FERPLUS8) and hello["title"] == "camera 0" and hello["picture"] is True
    kinds = {kind for kind, _ in events}
    assert {"reading", "sample", "health"} <= kinds
    (one, *_) = [values for kind, values in events if kind == "reading"]
    assert (one["width"], one["height"]) == (160, 120)
    assert one["faces"][0]["expression"] == "happiness" and one["faces"][0]["track"] == 1
    assert one["picture"].startswith("/9j/")  # a JPEG
    (told, *_) = [values for kind, values in events if kind == "health"]
    assert told["temperature_c"] == 61.25 and told["restarts"] == 3


def test_who_comes_later_is_told_of_the_time_before(shared):
    eventually(lambda: len(shared.events(1)[0][1]["history"]) >= 3)
    assert shared.events(1)[0][1]["history"][-1] == {"faces": 1, "expression": "happiness", "confidence": 0.7}


def test_nothing_but_boxes_leaves_a_device_that_is_told_so(own, monkeypatch):
    """No picture is made at all, whoever looks."""
    monkeypatch.setattr(web, "picture_of", lambda *_: pytest.fail("a picture was made"))
    run = own(",picture=no")
    events = run.events(12)
    assert "picture" not in json.dumps([values for kind, values in events if kind != "hello"])
    assert events[0][1]["picture"] is False and any(values.get("faces") for kind, values in events)


def test_no_picture_is_made_while_nobody_looks(own, monkeypatch):
    made = []
    made_by = web.picture_of
    monkeypatch.setattr(web, "picture_of", lambda *given: made.append(1) or made_by(*given))
    run = own()
    time.sleep(0.3)
    assert not made
    run.events(6)
    assert made


def test_a_request_by_a_foreign_name_is_refused(shared):
    """What DNS rebinding leads to: a page of somebody else whose name is given the address of this machine."""
    for host in ("evil.example", f"evil.example:{shared.port}", "127.0.0.1.evil.example", ""):
        assert shared.ask("/events", Host=host)[0] in (400, 403)
    assert shared.ask("/", Host=f"localhost:{shared.port}")[0] == 200


def test_another_sites_page_may_not_ask(shared):
    assert shared.ask("/events", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert shared.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200


def test_every_answer_forbids_what_comes_from_elsewhere(shared):
    for path in ("/", "/page.js", "/style.css", "/icon.svg", "/nothing"):
        status, headers, text = shared.ask(path)
        assert status == (404 if path == "/nothing" else 200)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    assert shared.ask("/../server.py")[0] == 404 and shared.ask("/server.py")[0] == 404


def test_a_page_that_others_reach_needs_a_token(tmp_path):
    with pytest.raises(UsageError, match="is open to other machines and needs a token; add token_file="):
        open_sink("web:0.0.0.0:8080")
    (tmp_path / "short").write_text("abc\n")
    with pytest.raises(UsageError, match="expected 16 characters at least, got 3"):
        open_sink(f"web:0.0.0.0:8080,token_file={tmp_path}/short")


def test_the_token_opens_the_page_and_nothing_else_does(own, monkeypatch):
    run = own(",TOKEN", "0.0.0.0")
    status, _, text = run.ask("/")
    assert status == 401 and "<form" in text and "/events" not in text
    assert run.ask("/events")[0] == run.ask("/page.js")[0] == 401
    assert run.ask("/events", Authorization="Bearer wrong")[0] == 401
    assert run.ask("/events", Cookie=f"edgefer_token_{run.port}={TOKEN}")[0] == 401
    wrong = urllib.parse.urlencode({"token": "open-sesame"}).encode()
    begin = time.monotonic()
    status, headers, _ = run.ask("/token", wrong)
    assert status == 303 and "set-cookie" not in headers and time.monotonic() - begin >= 1.0
    status, headers, _ = run.ask("/token", urllib.parse.urlencode({"token": TOKEN}).encode())
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and TOKEN not in cookie
    assert "/page.js" in run.ask("/", Cookie=cookie.partition(";")[0])[2]
    assert run.events(1, Cookie=cookie.partition(";")[0])[0][0] == "hello"
    assert run.events(1, Authorization=f"Bearer {TOKEN}")[0][0] == "hello"


def test_https_with_a_certificate_of_ones_own(own, tmp_path):
    import ssl

    if browsers.shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    make_certificates(tmp_path)
    port = free_port()
    certificate = f"cert_file={tmp_path}/server.crt,key_file={tmp_path}/server.key"
    sink = open_sink(f"web:127.0.0.1:{port},{certificate}", labels=FERPLUS8)
    try:
        sink.report(health())
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))

        def asked() -> int:
            try:
                with urllib.request.urlopen(f"https://127.0.0.1:{port}/", context=context, timeout=20) as answer:
                    return answer.status
            except OSError:
                return 0

        assert eventually(asked) == 200
    finally:
        sink.close()
    with pytest.raises(UsageError, match="expected a certificate and its key in PEM"):
        open_sink(f"web:{port},cert_file={tmp_path}/ca.crt,key_file={tmp_path}/server.key")


def test_viewers_that_stall_hold_up_neither_the_run_nor_the_others(own):
    """Eight take nothing from their streams; a ninth sees everything."""
    run = own()
    stalled = []
    for _ in range(8):
        one = socket.create_connection(("127.0.0.1", run.port))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stalled.append(one)
    run.longest_s = 0.0
    for _ in range(3):
        assert len(run.events(20)) == 20
    for one in stalled:
        one.close()
    assert run.longest_s < 2.0


def test_a_server_that_dies_is_started_again(own, monkeypatch, caplog):
    monkeypatch.setattr(web, "_AGAIN_S", 0.1)
    run = own()
    os.kill(run.sink._server._process.pid, signal.SIGKILL)
    eventually(lambda: "its server has ended" in caplog.text)
    eventually(run.is_there)
    assert run.events(1)[0][0] == "hello"


def test_a_server_that_hangs_holds_up_nobody_and_is_started_again(own, monkeypatch, caplog):
    monkeypatch.setattr(web, "_AGAIN_S", 0.1)
    run = own()
    viewer = urllib.request.urlopen(run.url + "/events", timeout=20)  # so that pictures are handed over
    eventually(lambda: run.sink._server is not None and run.sink._server.viewers)
    os.kill(run.sink._server._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(web, "_STALLED_S", 2.0)
    run.longest_s = 0.0
    eventually(lambda: "its server has ended" in caplog.text)
    monkeypatch.setattr(web, "_STALLED_S", 60.0)  # of the next one, on a busy machine
    eventually(run.is_there)
    assert run.longest_s < 10.0
    viewer.close()


def test_a_server_that_gets_no_time_is_not_taken_for_one_that_hangs(own, caplog):
    """It only has what the run leaves: its viewers then miss pictures, the run goes on, and nothing waits for them."""
    run = own()
    with urllib.request.urlopen(run.url + "/events", timeout=20):
        eventually(lambda: run.sink._server is not None and run.sink._server.viewers)
        server = run.sink._server
        os.kill(server._process.pid, signal.SIGSTOP)
        sent = server._sent
        time.sleep(1.0)
        assert server._sent - sent < 30  # health alone; of the readings, the last
        os.kill(server._process.pid, signal.SIGCONT)
        eventually(lambda: server._sent - sent > 40)
    assert run.sink._server is server and "its server has ended" not in caplog.text


@pytest.mark.parametrize("processors", ["all", "one"])
def test_the_page_has_the_time_that_the_run_leaves(processors):
    """Of one processor a hundredth, for SCHED_IDLE would leave it next to nothing."""
    program = (
        f"import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: {1 if processors == 'one' else 99}])\n"
        "from edgefer.sinks.network.page import server; server._give_way()\n"
        "print(len(os.sched_getaffinity(0)), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, policy, nice = map(int, done.stdout.split())
    assert policy == (os.SCHED_IDLE if count > 1 else os.SCHED_OTHER)
    assert nice == 19 or count > 1


def test_a_server_gives_way_once_it_has_begun(monkeypatch):
    monkeypatch.setattr(web, "_PROGRAM", web._PROGRAM.replace("_give_way = lambda", "_given_away = lambda"))
    sink = open_sink(f"web:{free_port()},picture=no", labels=FERPLUS8)
    try:
        sink.report(health())
        server, deadline_s = sink._server._process.pid, time.monotonic() + 120  # the machine may be busy
        while os.sched_getscheduler(server) != os.SCHED_IDLE and os.getpriority(os.PRIO_PROCESS, server) != 19:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
    finally:
        sink.close()


@pytest.mark.parametrize(("width", "shape"), [(160, (120, 160)), (80, (60, 80))])
def test_the_picture_is_as_wide_as_viewers_get_it(own, width, shape):
    import cv2
    import numpy as np

    run = own(f",width={width}")
    (one, *_) = [values for kind, values in run.events(6) if kind == "reading" and "picture" in values]
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(one["picture"]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert seen.shape[:2] == shape and abs(int(seen[5, 5].flat[0]) - 90) < 8
    assert (one["width"], one["height"]) == (160, 120)  # which boxes are told in


def test_the_end_of_a_run_is_the_end_of_its_server(own):
    run = own()
    process = run.sink._server._process
    begin = time.monotonic()
    run.close()
    assert process.poll() is not None and time.monotonic() - begin < 5
    with pytest.raises(OSError):
        run.ask()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_ends_a_run_without_a_word(number, tmp_path):
    """As Ctrl-C in a terminal and systemd's stop send it: the server leaves the end to the run."""
    port = free_port()
    program = f"import edgefer.commands.console, sys; {KEEPING}; sys.exit(edgefer.commands.console.main())"
    words = [sys.executable, "-c", program, "run", "-q", "--source", "demo:600", "--output", f"web:{port}"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True, text=True)

    def is_there() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    eventually(is_there)
    os.killpg(process.pid, number)
    said = process.communicate(timeout=20)[1]
    assert "its server has ended" not in said and "Traceback" not in said
    assert process.returncode == (130 if number == signal.SIGINT else 0)


def test_a_port_that_is_taken_is_said_and_the_run_goes_on(caplog):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        sink = open_sink(f"web:{other.getsockname()[1]}", labels=FERPLUS8)
        for index in range(5):
            sink.write(reading(index, face()), frame(index))
        sink.close()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "cannot be opened: Address already in use; trying again"
    ]


def jpeg_of(width: int, height: int, tables: bool) -> bytes:
    """A picture as a camera codes it, with its Huffman tables or, as many do, without."""
    import cv2
    import numpy as np

    ramp = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    data = cv2.imencode(".jpg", cv2.merge([ramp, ramp, 255 - ramp]))[1].tobytes()
    while not tables and (at := data.find(b"\xff\xc4")) >= 0:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
    return data


@pytest.mark.parametrize("tables", [True, False], ids=["with-tables", "without-tables"])
@pytest.mark.parametrize("width", [160, 640, 1920, 5200])
def test_a_cameras_own_jpeg_is_shown_and_not_wider_than_asked_for(width, tables):
    import cv2
    import numpy as np

    from edgefer.sinks.network.page.server import as_shown

    given = jpeg_of(width, width * 3 // 4, tables)
    shown = as_shown(given, 640)
    assert (shown == given) == (tables and width <= 640)
    assert b"\xff\xc4" in shown[:4096]
    seen = cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_COLOR)
    assert seen.shape == (min(width, 640) * 3 // 4, min(width, 640), 3)
    blue, _, red = seen[5, -5]
    assert blue > 240 and red < 15


def test_a_damaged_jpeg_is_no_picture():
    from edgefer.sinks.network.page.server import as_shown

    assert as_shown(b"\xff\xd8\xff" + b"nothing of a picture" * 9, 640) == b""


def test_what_a_camera_has_coded_is_handed_over_as_it_is(own, monkeypatch):
    """To decode it takes time that the run has a use for."""
    import cv2
    import numpy as np

    class Colours:
        jpeg = np.frombuffer(jpeg_of(160, 120, True), np.uint8)

        def __call__(self):
            pytest.fail("it was decoded")

    run = own()
    made_by = web.picture_of

    def picture_of(given, width):
        given.bgr = Colours()
        return made_by(given, width)

    monkeypatch.setattr(web, "picture_of", picture_of)
    seen = [values["picture"] for kind, values in run.events(40) if kind == "reading"]
    assert base64.b64encode(Colours.jpeg.tobytes()).decode() in seen
    assert cv2.imdecode(np.frombuffer(base64.b64decode(seen[-1]), np.uint8), 1).shape == (120, 160, 3)


# --- in a browser


@pytest.fixture(scope="module")
def browser():
    with browsers.browsing() as opened:
        yield opened


def a_face_is_told(browser) -> None:
    """Waits for it; the names of the expressions alone stand beside the strip from the first."""
    eventually(lambda: "happiness" in browser.run("return document.getElementById('people').innerText"))


def picture_bytes(browser) -> list[int]:
    """Red, green and blue of a pixel of the picture that no box covers."""
    return browser.run(
        "return [...document.getElementById('picture').getContext('2d').getImageData(5, 110, 1, 1).data]"
    )


@needs_browser
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_shows_faces_bars_time_and_health_and_asks_nobody_else(shared, browser, scheme, tmp_path):
    browser.show(1280, 900, scheme)
    browser.open(shared.url)
    text = lambda: browser.run("return document.body.innerText")  # noqa: E731
    a_face_is_told(browser)
    for shown in ("70 %", "running", "61 °C", "Restarts"):
        eventually(lambda shown=shown: shown in text(), shown)
    # the picture's grey, and the strip with a colour of the expression
    assert all(abs(value - 90) < 8 for value in picture_bytes(browser)[:3])
    strip = (
        "const strip = document.getElementById('strip');"
        "return [...strip.getContext('2d').getImageData(strip.width - 2, strip.height - 2, 1, 1).data]"
    )
    eventually(lambda: browser.run(strip)[:3] == [0xF0, 0xC4, 0x19])
    widths = browser.run("return [...document.querySelectorAll('.bar .fill')].map((e) => e.style.width)")
    assert len(widths) == len(FERPLUS8) and "70%" in widths
    assert len(browser.screenshot()) > 10_000
    assert browser.complaints() == []
    asked = [url for url in browser.requested() if not url.startswith("data:image/jpeg")]
    assert asked and all(url.startswith(shared.url + "/") for url in asked)


@needs_browser
def test_the_page_fits_a_telephone(shared, browser):
    browser.show(360, 740, "dark", 2.0)
    browser.open(shared.url)
    a_face_is_told(browser)
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    smallest = browser.run(
        "return Math.min(...[...document.querySelectorAll('main *')].filter((e) => e.innerText)"
        ".map((e) => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 12


@needs_browser
def test_the_page_says_that_the_camera_is_away_and_that_the_device_is_gone(own, browser):
    run = own()
    browser.show(1280, 900)
    browser.open(run.url)
    state = lambda: browser.run("return document.getElementById('state').innerText")  # noqa: E731
    eventually(lambda: state() == "running")
    run.health = health(source="stalled", trouble="camera 0: unplugged", fps=0.0)
    eventually(lambda: state() == "camera away")
    assert browser.run("return document.getElementById('notice').innerText") == "camera 0: unplugged"
    eventually(lambda: "Nobody" in browser.run("return document.getElementById('people').innerText"))
    run.close()
    eventually(lambda: state() == "connection lost")


@needs_browser
def test_a_page_with_boxes_alone_shows_no_picture(own, browser):
    run = own(",picture=no")
    browser.show(1280, 900)
    browser.open("about:blank")
    browser.requested()
    browser.open(run.url)
    a_face_is_told(browser)
    assert "No picture leaves the device" in browser.run("return document.body.innerText")
    assert max(picture_bytes(browser)[:3]) < 32
    assert not [url for url in browser.requested() if url.startswith("data:image/jpeg")]


@needs_browser
def test_a_person_types_the_token_in(own, browser):
    run = own(",TOKEN", "0.0.0.0")
    browser.show(1280, 900)
    browser.open(run.url)
    browser.run(
        "document.getElementById('token').value = arguments[0]; document.querySelector('button').click()", TOKEN
    )
    a_face_is_told(browser)
    assert not browser.run("return document.cookie")
