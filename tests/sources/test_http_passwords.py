"""To whom a password is sent over HTTP, and how often: cameras lock accounts, and count their nonces as they like."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from clips import picture
from http_server import HttpServer, Request, Route, jpeg, page

from edgefer.errors import SourceRefused, SourceStalled
from edgefer.sources import open_source
from edgefer.sources.network import stream
from edgefer.sources.network.address import is_same_server, parse_address

JPEG = jpeg(picture(0))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(stream, "STALL_S", 0.5)


def behind_digest(uses: int, stale: bool = False, password: str = "secret", lasts: int = 1 << 30) -> Route:
    """A snapshot behind a password, whose nonces are good for so many requests.

    Args:
        stale: whether it says of an answer that its nonce has run out. lasts: pictures until no nonce is good any more.
    """
    left: dict[str, int] = {}
    given = [0]

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    def route(request: Request) -> None:
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers.get("Authorization", "")))
        nonce = fields.get("nonce", "")
        middle = ":".join(fields.get(name, "") for name in ("nonce", "nc", "cnonce", "qop"))
        right = md5(f"{md5(f'user:test:{password}')}:{middle}:{md5('GET:' + request.path)}")
        left[nonce] = left.get(nonce, 0) - 1
        if left[nonce] >= 0 and given[0] < lasts and fields.get("response") == right:
            given[0] += 1
            request.reply(200, "image/jpeg", JPEG)
            return
        new = f"n{len(left)}"
        left[new] = uses
        says = ", stale=true" if stale and fields else ""
        request.reply(401, "text/html", b"", WWW_Authenticate=f'Digest realm="test", qop="auth", nonce="{new}"{says}')

    return route


@pytest.mark.parametrize("stale", [True, False], ids=["says so", "does not say so"])
def test_a_nonce_that_runs_out_is_no_wrong_password(stale):
    with (
        HttpServer({"/snap": behind_digest(2, stale)}) as server,
        open_source(f"stream:{server.url('/snap', 'user:secret')},fps=50") as source,
    ):
        assert all(source.read() is not None for _ in range(5))
        assert len(server.requests) == 5 + 3, "one challenge for each two pictures"


@pytest.mark.parametrize("user", ["user:secret", "user:wrong1"])
def test_a_server_that_calls_every_nonce_stale_is_not_asked_without_end(user):
    with HttpServer({"/snap": behind_digest(0, stale=True)}) as server:
        with pytest.raises(SourceRefused, match="401 again and again"):
            open_source(server.url("/snap", user))
        assert len(server.requests) == 3


def test_a_server_that_begins_to_call_every_nonce_stale_is_a_stall():
    """The password was right before."""
    with (
        HttpServer({"/snap": behind_digest(1, stale=True, lasts=2)}) as server,
        open_source(f"stream:{server.url('/snap', 'user:secret')},fps=20") as source,
    ):
        assert source.read() is not None and source.read() is not None
        with pytest.raises(SourceStalled, match="401 again and again"):
            source.read()


def test_a_password_that_is_wrong_from_now_on_is_tried_with_one_more_nonce():
    with (
        HttpServer({"/snap": behind_digest(1, lasts=2)}) as server,
        open_source(f"stream:{server.url('/snap', 'user:secret')},fps=20") as source,
    ):
        assert source.read() is not None and source.read() is not None
        asked = len(server.requests)
        with pytest.raises(SourceRefused, match="user or password wrong"):
            source.read()
        assert len(server.requests) == asked + 2


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("http://camera/a", "http://CAMERA:80/b", True),
        ("https://camera:443/a", "https://camera/b", True),
        ("http://camera:8080/a", "http://camera:8080/b", True),
        ("http://camera/a", "https://camera/b", True),
        ("https://camera/a", "http://camera/b", False),
        ("https://camera:8080/a", "http://camera:8080/b", False),
        ("http://camera/a", "http://camera:8080/b", False),
        ("http://camera:8080/a", "https://camera:8443/b", False),
        ("http://camera/a", "http://other/b", False),
    ],
)
def test_what_is_the_same_server(first, second, same):
    assert is_same_server(parse_address(first), parse_address(second)) is same


def test_a_redirection_to_the_same_server_in_capitals_keeps_the_password():
    def route(request: Request) -> None:
        if request.path == "/":
            request.reply(302, "text/plain", b"", Location=f"http://LOCALHOST:{request.server.server_address[1]}/snap")
        elif request.headers.get("Authorization") == "Basic " + base64.b64encode(b"user:secret").decode():
            request.reply(200, "image/jpeg", JPEG)
        else:
            request.reply(401, "text/plain", b"", WWW_Authenticate='Basic realm="test"')

    with (
        HttpServer({"/": route, "/snap": route}) as server,
        open_source(server.url("/", "user:secret").replace("127.0.0.1", "localhost")) as source,
    ):
        assert source.read() is not None


def test_a_password_is_not_sent_back_from_https_to_http(certificate):
    asked = []

    def plain(request: Request) -> None:
        asked.append(request.headers.get("Authorization"))
        request.reply(401, "text/plain", b"", WWW_Authenticate='Basic realm="test"')

    with (
        HttpServer({"/snap": plain}) as second,
        HttpServer(
            {"/": page(b"", "text/plain", 302, Location=second.url("/snap"))}, auth="basic", certificate=certificate
        ) as first,
        pytest.raises(SourceRefused, match=r"redirected to http://127.0.0.1:\d+/snap, which asks for a password"),
    ):
        open_source(f"stream:{first.url('/', 'user:secret')},verify=no")
    assert asked == [None]
