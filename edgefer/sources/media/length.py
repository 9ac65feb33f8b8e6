"""How long a film's picture is by what its header says, and whether it was read to there.

The length of the picture is that of its own stream; in Matroska, its tag. Only where neither says anything does the
container's count, and then against the latest end of all streams: sound and subtitles may outlast the picture.
"""

from __future__ import annotations

import re
from typing import Any

from edgefer.sources.base import NS_PER_S

#: Containers whose header tells a length. Of others FFmpeg estimates one from what is there, so that none is short.
_TELL = ("mov", "matroska", "avi", "flv", "asf", "mxf", "gxf", "nut", "dv", "ivf", "rm")
#: Lengths are rounded, and the last frame's own duration may be missing.
_SLACK_S = 0.25
_SLACK_PART = 0.02
_SLACK_FRAMES = 2


class PictureLength:
    """What a header says.

    Attributes:
        frames: number of pictures, or None where it does not say.
        seconds: the length, s; None where it does not say, or says what the pictures' times cannot be held against.
    """

    def __init__(self, container: Any, stream: Any, fps: float | None) -> None:
        """Args: container, stream: open, before the first packet is read; fps: mean rate."""
        kind, base, tag_s = container.format.name.partition(",")[0], stream.time_base, _tag_s(stream.metadata)
        self._stored: int | None = stream.frames if 0 < stream.frames < 10**9 else None
        self._start_ns = 0
        self._of_all = False
        length_s: float | None = None
        if kind == "avi" and self._stored and fps:
            length_s = self._stored / fps  # FFmpeg shortens the duration to what is there
        elif kind in _TELL and kind != "asf" and stream.duration and base:  # ASF has one length for all its streams
            length_s = float(stream.duration * base)
            if container.duration:  # trimmed: the movie's time ends before that of its pictures
                length_s = min(length_s, container.duration / 1e6)
            self._start_ns = round(float((stream.start_time or 0) * base) * NS_PER_S)
        elif kind in _TELL and tag_s:
            length_s = tag_s
        elif kind == "hls" and container.duration:
            length_s = container.duration / 1e6
        elif kind in _TELL and container.duration:
            length_s = container.duration / 1e6
            self._of_all = True
        # A playlist's lengths are rounded and count the sound, and its parts have clocks of their own.
        self.seconds = None if kind == "hls" else length_s
        self.frames = self._stored
        if length_s and fps and not self._of_all:
            by_time = max(round(length_s * fps), 1)
            self.frames = by_time if self._stored is None else min(self._stored, by_time)

    def falls_short(
        self, picture_end_ns: int | None, latest_end_ns: int | None, read: int, longest_gap_ns: int
    ) -> bool:
        """Whether pictures are missing at the end.

        Where frames are counted, both count and time must fall short: a telephone trims a film by shortening its
        time, the frames staying where they are.

        Args:
            picture_end_ns, latest_end_ns: as the reader gives them.
            read: pictures read, those left out counted too.
            longest_gap_ns: between two pictures: the last one may be shown as long as another.
        """
        if not self.seconds:
            return False
        if self._stored is not None and read >= self._stored - max(_SLACK_FRAMES, _SLACK_PART * self._stored):
            return False
        reached_ns = (latest_end_ns if self._of_all else picture_end_ns) or 0
        reached_s = (reached_ns - self._start_ns) / NS_PER_S
        return reached_s < self.seconds - max(_SLACK_S, _SLACK_PART * self.seconds, longest_gap_ns / NS_PER_S)


def _tag_s(metadata: dict[str, str]) -> float | None:
    """Seconds of Matroska's tag DURATION, "00:01:02.500000000", which may carry a language."""
    for name, value in metadata.items():
        found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", value) if name.split("-")[0] == "DURATION" else None
        if found:
            return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
    return None
