"""Secrets that must not be shown."""

from __future__ import annotations

import random
import string
from urllib.parse import quote, urlencode

import pytest

from edgefer.support import redact
from edgefer.support.redact import remember, scrub, url_name


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(redact, "_known", set())


ADDRESSES = [
    ("rtsp://host/path", "rtsp://host/path"),
    ("rtsp://host:554/path", "rtsp://host:554/path"),
    ("rtsp://user:secret@host:554/path", "rtsp://***@host:554/path"),
    ("RTSP://USER:SECRET@HOST/PATH", "RTSP://***@HOST/PATH"),
    ("rtsp://user:se@cret@host/path", "rtsp://***@host/path"),
    ("rtsp://u:pa/ss@host/path", "rtsp://***@host/path"),
    ("rtsp://u:pa?ss@host/path", "rtsp://***"),
    ("rtsp://u:pa?ss@192.0.2.7/path", "rtsp://***@192.0.2.7/path"),
    ("rtsp://u:p@host/x?mail=a%40b", "rtsp://***@host/x?***"),
    ("rtsp://u:pa ss@host", "rtsp://***@host"),
    ("rtsp://u:1234/5@host", "rtsp://***@host"),
    ("rtsp://u:p%40ss%2F@host", "rtsp://***@host"),
    ("rtsp://u:p%40host/x", "rtsp://***@host/x"),
    ("rtsp://token@host/x", "rtsp://***@host/x"),
    ("rtsp://u:p@192.0.2.7:554/a@b", "rtsp://***@192.0.2.7:554/a@b"),
    ("rtsp://192.0.2.7:554/shot@2x.jpg", "rtsp://192.0.2.7:554/shot@2x.jpg"),
    ("http://host/shot@2x.jpg", "http://host/shot@2x.jpg"),
    ("rtsp://u:p@[2001:db8::7]:554/x", "rtsp://***@[2001:db8::7]:554/x"),
    ("rtsp://[fe80::1%eth0]/x", "rtsp://[fe80::1%eth0]/x"),
    ("rtsp://admin:secret", "rtsp://***"),
    ("u:pa ss@host/x", "***@host/x"),
    ("u:secret@192.0.2.7", "***@192.0.2.7"),
    ("http://host/x?user=a&pwd=b", "http://host/x?***"),
    ("http://host/x?channel=2&subtype=0&pwd=b&fps=5", "http://host/x?channel=2&subtype=0&***&fps=5"),
    ("http://host/x?b7e23ec29af22b0b4e41da31e868d572", "http://host/x?***"),
    ("http://host/x?channel=hunter2", "http://host/x?***"),
    ("rtsp://h/user=a&password=b&channel=1", "rtsp://h/***&channel=1"),
    ("rtsp://h/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream", "rtsp://h/***?***"),
    ("http://host/x;jsessionid=1A2B/y", "http://host/x;***/y"),
    ("http://host/x#access_token=1", "http://host/x#***"),
    ("rtsps://192.0.2.7:7441/4tPq0vRz8LmN2sXc", "rtsps://192.0.2.7:7441/***"),
    ("rtsp://192.0.2.7/Streaming/Channels/101", "rtsp://192.0.2.7/Streaming/Channels/101"),
    ("rtsp://192.0.2.7/h264Preview_01_main", "rtsp://192.0.2.7/h264Preview_01_main"),
    ("mqtt://u:p@broker:1883/faces", "mqtt://***@broker:1883/faces"),
]


@pytest.mark.parametrize(("url", "shown"), ADDRESSES, ids=[url for url, _ in ADDRESSES])
def test_an_address_keeps_what_tells_cameras_apart_and_nothing_else(url, shown):
    assert url_name(url) == shown
    assert url_name(shown) == shown
    if "pa ss" not in url and "secret@" not in url and not url.startswith("u:"):
        assert scrub(f"cannot open {url} now") == f"cannot open {shown} now"


TEXTS = [
    ("rtsp://a:b@h1 after rtsp://c:d@h2: 401", "rtsp://***@h1 after rtsp://***@h2: 401"),
    ("rtsp://a:b@h1,http://c:d@h2/x", "rtsp://***@h1,http://***@h2/x"),
    ("[Errno 111] refused: 'rtsp://u:pa ss@host/x'", "[Errno 111] refused: 'rtsp://***@host/x'"),
    ("source 'rtsp://u:p'a@host': no", "source 'rtsp://***@host': no"),
    ("line one\nrtsp://u:p@host\nline three", "line one\nrtsp://***@host\nline three"),
    ("admin:secret@192.0.2.7/x: no such file", "***@192.0.2.7/x: no such file"),
    ("/user=admin&password=b1&channel=1", "/user=***&password=***&channel=1"),
    ("http%3A%2F%2Fu%3Ap%40host%2Fx", "http%3A%2F%2F***"),
    ("Authorization: Basic dTpw", "Authorization: ***"),
    ('{"password": "hunter 2"}', '{"password": ***}'),
    ('token = "abc def"', "token = ***"),
    ("http://proxy/x?to=http://u:p@host/y", "http://***"),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_a_text_loses_the_secrets_of_all_that_it_holds(text, shown):
    assert scrub(text) == shown


HARMLESS = [
    "30 frames in 1.0 s (30.0 fps); a face in 100.0 %, 1 track(s)",
    "p50/p95/p99 ms: total 1.0/2.0/3.0",
    "pi4.toml:12: camera.fps: expected a number from 1 to 240, got 0; the default is 30.0",
    "/home/me/clip@2x.mp4: the file is empty",
    "output 'csv:faces@home.csv' and 'jsonl:x' both write to faces@home.csv; give it a file of its own",
    "rtsp://host/x: wrong password: the server refused it (401)",
    "edgefer run --source rtsp://camera.local/stream --output csv",
    "",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_text_without_secrets_stays_as_it_is(text):
    assert scrub(text) == text


def test_what_was_remembered_is_hidden_however_it_is_written():
    remember("rtsp://admin:pa ss&wörd@host/x?key=k1k2k3")
    for secret in ("pa ss&wörd", quote("pa ss&wörd"), "k1k2k3"):
        assert scrub(f"401 for admin/{secret}.") == "401 for admin/***."
    remember("rtsp://u:1234@host")
    assert scrub("frame 12345 at 1234") == "frame 12345 at ***"


ALPHABET = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?#[]%^|`{}\\äß漢"


def random_secret(rng: random.Random) -> str:
    """Long enough not to occur by chance, and with something in it that may be looked for."""
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randrange(3, 12))) + f"x{rng.randrange(10**6):06d}y"


def test_no_secret_is_shown_whatever_characters_it_has():
    """3,000 addresses of every shape, alone and in the messages that hold them."""
    rng = random.Random(412)
    for turn in range(3000):
        secret, marker = random_secret(rng), None
        marker = secret[-8:]
        scheme = rng.choice(("rtsp", "RTSP", "rtsps", "http", "https", "mqtt", "udp", "srt"))
        host = rng.choice(("192.0.2.7", "[2001:db8::7]", "camera", "camera.local", "localhost"))
        port = rng.choice(("", ":554", ":8080"))
        path = rng.choice(("", "/", "/live/main", "/Streaming/Channels/101"))
        plain = "".join(rng.choice(string.ascii_letters) for _ in range(3)) + marker
        url = rng.choice(
            (
                f"{scheme}://admin:{secret}@{host}{port}{path}",
                f"{scheme}://admin:{quote(secret)}@{host}{port}{path}",
                f"{scheme}://{plain}@{host}{port}{path}",
                f"{scheme}://{host}{port}{path}?{urlencode({'user': 'admin', 'pwd': secret})}",
                f"{scheme}://{host}{port}{path}?pwd={plain}&channel=1",
                f"{scheme}://{host}{port}/user=admin&password={plain}&channel=1&stream=0.sdp",
                f"{scheme}://{host}{port}/user=admin_password={plain}_channel=1_stream=0.sdp?real_stream",
                f"{scheme}://{host}{port}{path};jsessionid={plain}",
                f"{scheme}://{host}{port}{path}#token={plain}",
                f"{scheme}://{host}{port}{path}?{plain}",
            )
        )
        assert marker not in url_name(url), (turn, url)
        for text in (url, f"{url}: 401", f"cannot open {url!r} ({url})", f"x {url} y\nand '{url}', {url};"):
            assert marker not in scrub(text), (turn, text)
        redact._known.clear()
        remember(url)
        assert marker not in scrub(f"401: {secret}") or secret not in url, (turn, url)
        redact._known.clear()
