"""Addresses, taken apart."""

from __future__ import annotations

import pytest

from edgefer.errors import SourceError
from edgefer.sources.network.address import parse_address, resolve


@pytest.mark.parametrize(
    ("url", "user", "password", "netloc", "rest", "escaped"),
    [
        ("rtsp://10.0.0.1/live", None, None, "10.0.0.1", "/live", "rtsp://10.0.0.1/live"),
        ("rtsp://u:pa/ss@host/live", "u", "pa/ss", "host", "/live", "rtsp://u:pa%2Fss@host/live"),
        ("rtsp://u:p@ss@10.0.0.1:554/x", "u", "p@ss", "10.0.0.1:554", "/x", "rtsp://u:p%40ss@10.0.0.1:554/x"),
        ("rtsp://u:p%40s@host/x", "u", "p@s", "host", "/x", "rtsp://u:p%40s@host/x"),
        ("rtsp://u:p#q?r@10.0.0.1/x", "u", "p#q?r", "10.0.0.1", "/x", "rtsp://u:p%23q%3Fr@10.0.0.1/x"),
        ("http://host/path@x", None, None, "host", "/path@x", "http://host/path@x"),
        ("http://a:b@[::1]:80/x?q=1", "a", "b", "[::1]:80", "/x?q=1", "http://a:b@[::1]:80/x?q=1"),
        ("HTTP://user@host", "user", None, "host", "", "http://user@host"),
    ],
)
def test_parts_of_an_address(url, user, password, netloc, rest, escaped):
    address = parse_address(url)
    assert (address.user, address.password, address.netloc, address.rest) == (user, password, netloc, rest)
    assert address.url == escaped


@pytest.mark.parametrize(
    "url", ["rtsp://user:sec@ret@[::1/stream", "rtsp://user:sec@ret@", "http:///x", "rtsp://h:99999/x"]
)
def test_an_address_that_cannot_be_meant_is_one_line_without_the_password(url):
    with pytest.raises(SourceError, match="expected a URL with a host") as caught:
        parse_address(url)
    message = str(caught.value)
    assert "sec" not in message and "ret@" not in message and "\n" not in message


def test_an_address_of_this_machine_needs_no_host():
    assert parse_address("udp://@:5000", host_needed=False).url == "udp://@:5000"


def test_a_name_that_does_not_exist_is_told():
    resolve(parse_address("http://127.0.0.1/"), 5)
    with pytest.raises(SourceError, match="host name not found|no name server"):
        resolve(parse_address(f"http://{'a' * 70}/"), 5)
