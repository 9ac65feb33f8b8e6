"""The schemes of network addresses, and what FFmpeg is told for each; knows no library."""

from __future__ import annotations

from msgspec import Struct, field

from edgefer.errors import SourceError, UsageError
from edgefer.support.names import shown
from edgefer.support.redact import url_name


class Scheme(Struct, frozen=True):
    """One scheme.

    Attributes:
        protocols: those that FFmpeg may use for it; none of them reads files.
        options: of FFmpeg's demuxer and protocol.
        port: where the address names none; 0 where it must.
        listens: the address may be one of this machine, without a host.
        reads_twice: FFmpeg waits twice as long for each read as it is told to.
    """

    protocols: str
    options: dict[str, str] = field(default_factory=dict)
    port: int = 0
    listens: bool = False
    reads_twice: bool = False


# Over TCP pictures come whole; a server that offers UDP alone is asked for that then. Sound is not asked for.
_RTSP = {"rtsp_flags": "prefer_tcp", "max_delay": "500000", "allowed_media_types": "video"}
# Datagrams wait in a buffer of ours; when that overflows the stream goes on.
_DATAGRAMS = {"overrun_nonfatal": "1", "fifo_size": "57344", "buffer_size": "1048576"}
_HTTP = "http,https,tcp,tls,crypto"

SCHEMES = {
    "rtsp": Scheme("rtsp,rtp,srtp,udp,tcp", _RTSP, port=554, reads_twice=True),
    "rtsps": Scheme("rtsp,rtp,srtp,udp,tcp,tls", _RTSP, port=322, reads_twice=True),
    "http": Scheme(_HTTP, port=80),
    "https": Scheme(_HTTP, port=443),
    "udp": Scheme("udp", _DATAGRAMS, listens=True),
    "rtp": Scheme("rtp,udp", _DATAGRAMS, listens=True),
    "tcp": Scheme("tcp", listens=True),
    "rtmp": Scheme("rtmp,tcp", {"rtmp_live": "live"}, port=1935),
    "rtmps": Scheme("rtmps,tls,tcp", {"rtmp_live": "live"}, port=443),
    "srt": Scheme("srt", listens=True),
}


def scheme_of(url: str) -> str:
    """How a stream's address begins, in small letters: a key of SCHEMES.

    Raises:
        UsageError: it has control characters. SourceError: it is no address, or of an unknown kind.
    """
    if shown(url) != url:
        raise UsageError(f"source {shown(url_name(url))}: expected a URL without control characters")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        what = f"unknown kind of stream {scheme!r}" if separator else "expected an address such as rtsp://host/path"
        raise SourceError(f"{url_name(url)}: {what}; available: {', '.join(SCHEMES)}")
    return scheme.lower()
