"""Network streams."""

from __future__ import annotations

from urllib.parse import urlsplit

from edgefer.errors import SourceError
from edgefer.sources.opencv import LiveCapture, cv2, open_capture
from edgefer.sources.registry import AddressOptions
from edgefer.support.redact import url_name

OPEN_TIMEOUT_MS = 8000
READ_TIMEOUT_MS = 5000

# No buffering in the demuxer, whole frames over TCP rather than torn ones over UDP.
_STREAM_OPTIONS = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay|max_delay;500000"


def open_stream(options: AddressOptions) -> LiveCapture:
    """A network stream through FFmpeg, without buffering.

    Raises:
        SourceError: it cannot be opened within OPEN_TIMEOUT_MS.
        SourceStalled: it opened but gave no frame within READ_TIMEOUT_MS.
    """
    name = url_name(options.url)
    try:
        host = urlsplit(options.url).netloc
    except ValueError:  # a bracket that is not closed, as of an IPv6 address
        host = ""
    if not host:
        raise SourceError(f"{name}: expected a URL with a host, as rtsp://user:password@192.0.2.7:554/stream")
    params = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS)
    capture = open_capture(options.url, cv2.CAP_FFMPEG, params, _STREAM_OPTIONS)
    if capture is None:
        raise SourceError(f"{name}: no stream within {OPEN_TIMEOUT_MS / 1000:g} s; check address, password and camera")
    return LiveCapture(name, capture)
