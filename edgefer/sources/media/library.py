"""PyAV, the one way to films and network streams: loaded here or named as missing, and its errors in our words.

PyAV keeps FFmpeg's own log off stderr unless a program asks for it.
"""

from __future__ import annotations

from typing import Any

from edgefer.errors import SourceError

_OLDEST = 17

try:
    import av
except ModuleNotFoundError as error:
    if error.name != "av":
        raise
    raise SourceError("films and streams need PyAV: pip install 'edgefer[film]'") from None
except ImportError as error:  # built against libraries that are not here
    raise SourceError(f"films and streams need PyAV, which cannot be loaded: {error}") from None

_MAJOR = int(av.__version__.partition(".")[0])
if _MAJOR < _OLDEST:
    raise SourceError(
        f"films and streams need PyAV {_OLDEST} or later, got {av.__version__}; pip install -U 'edgefer[film]'"
    )

#: What a call of PyAV may raise about its input: FFmpeg's errors, the file's, and text that cannot be decoded.
FAILURES = (av.FFmpegError, OSError, ValueError)
#: A packet or frame that cannot be understood; the next one may be whole.
INVALID = av.error.InvalidDataError

# Text in a film that is no UTF-8 raises before 19, which no longer takes the argument.
_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if _MAJOR < 19 else {}


class MediaError(Exception):
    """An input that cannot be opened or read on; the text is the reason alone, without name or address."""


def reason_of(error: BaseException) -> str:
    """Why a call of PyAV failed. The error's own text holds the whole address, password and all."""
    text = getattr(error, "strerror", None) or ("out of memory" if isinstance(error, MemoryError) else "unreadable")
    return text[0].lower() + text[1:]


def open_input(target: Any, options: dict[str, str], timeout_s: tuple[float, float] | None = None) -> Any:
    """An open container.

    Args:
        target: path, address, or binary file object.
        options: of FFmpeg's demuxer and protocol; those it does not know are ignored. `format` names the demuxer.
        timeout_s: for opening and for each read; without it there is none.

    Raises:
        MediaError: it cannot be opened.
    """
    others = {name: value for name, value in options.items() if name != "format"}
    try:
        return av.open(target, "r", format=options.get("format"), options=others, timeout=timeout_s, **_METADATA)
    except (*FAILURES, MemoryError) as error:
        raise MediaError(reason_of(error)) from None
