"""Video files, whatever their suffix says."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from edgefer.errors import SourceError
from edgefer.sources.base import LONGEST_GAP_S, NS_PER_S, Source, Timeline
from edgefer.sources.media.length import PictureLength
from edgefer.sources.media.library import MediaError
from edgefer.sources.media.reader import MediaReader, Shot
from edgefer.sources.registry import FilmOptions
from edgefer.support.formats import is_text, jpeg
from edgefer.values import Frame

log = logging.getLogger(__name__)

# What may be read: containers that hold their pictures themselves. A playlist, a concat file, an SDP or a manifest
# would name other files or addresses.
_FORMATS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "gif", "h264", "hevc", "vvc", "obu", "m4v",
    "mpegvideo", "mjpeg", "jpeg_pipe", "vc1", "vc1test", "cavsvideo", "dirac", "h261", "h263", "ivf", "dv", "nut",
    "mxf", "gxf", "rm", "wtv", "yuv4mpegpipe", "smjpeg", "nuv", "swf", "roq", "bink", "smk", "flic", "amv", "nsv", "ea",
    "dxa",
    "mp3", "flac", "wav", "w64", "aac", "ac3", "aiff", "ape", "amr", "caf", "tta", "wv",  # to say that they are sound
)  # fmt: skip
#: What FFmpeg is told for every file, pipe and body that it is handed.
FILM_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS)}
# Where a container's clock may be set in its midst, as at the seam of two recordings.
_LEAPS = ("mpegts", "mpeg")
_LONGEST_GAP_WHERE_IT_LEAPS_S = 10.0


class VideoFile(Source):
    """Every frame of a video file as a viewer shows it, with its own time stamps.

    Damaged frames are left out, and the log says how many. A file that ends before the length in its header is read
    as far as it goes; then one SourceError says where it ended.
    """

    def __init__(self, path: Path, start_s: float = 0.0, loop: bool = False, name: str = "", threads: int = 0) -> None:
        """Args:
            path: a regular file.
            start_s: media time of the first frame given: the first at or after it.
            loop: begins again at its end, from `start_s`; times and frame numbers go on rising.
            name: for messages; the path where it is empty.
            threads: of the decoder; 0 takes one for each processor.

        Raises:
            SourceError: it is not a video, no frame of it can be decoded, or it ends before `start_s`.
        """
        self.name = name or str(path)
        self._path = path
        self._start_ns = round(start_s * NS_PER_S)
        self._loop = loop
        self._threads = threads
        self._base_index = self._base_ns = 0
        self._index = -1
        self._media_ns = self._shown_ns = 0  # when the newest frame is shown, and for how long where it is the last
        self._said = False
        self._open()
        frame = self._begin()
        self._pending: Frame | None = frame
        height, width = frame.grey.shape
        self.size = (width, height)
        self.fps = self._media.fps
        frames = self._length.frames
        self.length = None if loop or frames is None else max(frames - frame.index, 1)

    # -- opening, and going to the start

    def _input(self, threads: int) -> MediaReader:
        """The film, at its beginning."""
        try:
            with self._path.open("rb") as file:
                pictures = file.read(len(jpeg.SIGNATURE)) == jpeg.SIGNATURE
            # FFmpeg would take what is called .jpg for one picture. An absolute path cannot be taken for an address.
            options = {**FILM_OPTIONS, **({"format": "jpeg_pipe"} if pictures else {})}
            return MediaReader(str(self._path.absolute()), options, threads=threads)
        except OSError as error:
            raise SourceError(f"{self.name}: {(error.strerror or 'cannot be read').lower()}") from None
        except MediaError as error:
            raise SourceError(f"{self.name}: not a film that can be decoded{self._looks_like(error)}") from None

    def _open(self) -> None:
        media = self._media = self._input(self._threads)
        self._length = PictureLength(media.container, media.stream, media.fps)
        gap_s = LONGEST_GAP_S
        if media.format.partition(",")[0] in _LEAPS:
            gap_s = _LONGEST_GAP_WHERE_IT_LEAPS_S
        elif self._length.seconds:
            gap_s = max(gap_s, self._length.seconds)  # a pause may be as long as the film
        self._timeline = Timeline(media.fps, gap_s)
        self._skipped_to = 0  # position of the reader's first picture in the film
        self._last_ns = -1
        self._last: tuple[int, int | None, int] = (0, None, 0)  # position, stamp and damaged ones of the last shot
        self._longest_gap_ns = 0

    def _begin(self) -> Frame:
        """The first frame at or after the start."""
        frame: Frame | None = self._first()
        if frame is not None and not self._start_ns:
            return frame
        frame = self._by_seeking()
        if frame is not None:
            return frame
        self._media.close()
        self._open()
        frame = self._first()
        while frame is not None and frame.media_ns - self._base_ns < self._start_ns:
            frame = self._next()
        if frame is None:
            self.close()
            end_s = (self._media_ns - self._base_ns) / NS_PER_S
            raise SourceError(
                f"{self.name}: expected a start before the film's end, got {self._start_ns / NS_PER_S:g} s; "
                f"its last frame is at {end_s:.3f} s"
            )
        return frame

    def _first(self) -> Frame:
        try:
            frame = self._next()
        except MediaError as error:
            self._media.close()
            raise SourceError(f"{self.name}: no frame of it can be decoded ({error})") from None
        # a decoder may take the bytes of an encrypted film for a picture, by chance
        if frame is None or self._media.encrypted:
            encrypted, damaged = self._media.encrypted, self._media.damaged
            self._media.close()
            why = "it is encrypted" if encrypted else f"{damaged} are damaged" if damaged else "it holds none"
            raise SourceError(f"{self.name}: no frame of it can be decoded; {why}")
        return frame

    def _by_seeking(self) -> Frame | None:
        """The first frame at or after the start, by way of the keyframe before; None where no index leads there."""
        media, origin_ns = self._media, self._timeline.origin_ns
        if origin_ns is None or media.fps is None or media.format.partition(",")[0] in _LEAPS:
            return None
        try:
            shot = media.first_from(origin_ns + self._start_ns)
        except MediaError:
            return None
        if shot is None or shot.stamp_ns is None:
            return None
        media_ns = shot.stamp_ns - origin_ns
        self._skipped_to = round(media_ns * media.fps / NS_PER_S) - shot.position  # by the mean rate
        self._timeline.go_to(media_ns)
        return self._frame(shot)

    # -- reading

    def _next(self) -> Frame | None:
        shot = self._media.read()
        if shot is None and self._media.unfinished and not self._media.closed:
            shot = self._withheld()
        return None if shot is None else self._frame(shot)

    def _withheld(self) -> Shot | None:
        """The first of the pictures that the decoder kept at the end, from a reader of one thread."""
        before, (position, stamp_ns, damaged) = self._media, self._last
        if stamp_ns is None:
            return None
        try:
            media = MediaReader(str(self._path.absolute()), FILM_OPTIONS, threads=1)
        except MediaError:
            return None
        try:
            shot = media.first_from(stamp_ns)
            if shot is not None and shot.stamp_ns == stamp_ns:
                media.carry_on(before, position, damaged)
                before.close()
                self._media = media
                return media.read()
        except MediaError as error:
            log.debug("%s: %s", self.name, error)
        media.close()
        return None

    def _frame(self, shot: Shot) -> Frame:
        media_ns = self._timeline.next(shot.stamp_ns)
        if self._last_ns >= 0:
            self._longest_gap_ns = max(self._longest_gap_ns, media_ns - self._last_ns)
        self._last_ns, self._last = media_ns, (shot.position, shot.stamp_ns, shot.damaged)
        self._index = self._base_index + self._skipped_to + shot.position
        self._media_ns = self._base_ns + media_ns
        self._shown_ns = max(min(shot.duration_ns, round(LONGEST_GAP_S * NS_PER_S)), self._timeline.period_ns)
        grey, bgr = shot.picture.grey, shot.picture.bgr
        now_ns = time.monotonic_ns()
        return Frame(self._index, grey, self._media_ns, now_ns, bgr, duration_ns=shot.duration_ns)

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        if frame is not None:
            frame.captured_ns = time.monotonic_ns()
            return frame
        reason = ""
        try:
            frame = self._next()
        except MediaError as error:
            reason = f" ({error})"
        if frame is None and not self._media.closed:
            return self._ended(reason)
        return frame

    def _ended(self, reason: str) -> Frame | None:
        """What comes after the last frame: nothing, an error, or the first frame of the next time round."""
        media, length = self._media, self._length
        media.close()
        read, whole = self._skipped_to + media.position, self._index + 1 - self._base_index
        early = length.falls_short(media.picture_end_ns, media.latest_end_ns, read, self._longest_gap_ns)
        damaged = media.damaged - (read - whole if early else 0)  # where it breaks off, the last one is torn
        notes = self._not_given(damaged)
        if early or reason:
            where = f"frame {whole} of {length.frames}" if length.frames else f"{self._last_ns / NS_PER_S:.1f} s"
            message = f"ends early at {where}; cut off or damaged there{reason}; what comes before was read"
            if notes:
                message += f", but {notes}"
            if not self._loop:
                raise SourceError(f"{self.name}: {message}")
        else:
            message = notes
        if message and not self._said:
            log.warning("%s: %s", self.name, message)
        self._said = True  # once, however often it is played
        return self._again() if self._loop else None

    def _not_given(self, damaged: int) -> str:
        """What is known to lack, though the film came to its end, in words; empty where nothing is."""
        notes = []
        if damaged > 0:
            notes.append(f"{damaged} damaged {'frame was' if damaged == 1 else 'frames were'} left out")
        if self._media.unread:
            notes.append("it goes on in other streams, which were not read: cut it into two files where they begin")
        return "; ".join(notes)

    def _again(self) -> Frame:
        """The first frame of the next time round, when the last one has been shown."""
        self._base_index = self._index + 1
        self._base_ns = self._media_ns + self._shown_ns
        self._open()
        began_ns, began = self._base_ns, self._base_index
        frame = self._begin()
        self._base_ns, self._base_index = 2 * began_ns - frame.media_ns, 2 * began - frame.index
        frame.media_ns, frame.index = began_ns, began
        self._media_ns, self._index = began_ns, began
        return frame

    def close(self) -> None:
        self._media.close()
        self._pending = None

    def _looks_like(self, error: MediaError) -> str:
        """What a file that is no film seems to be, to add to a message."""
        try:
            with self._path.open("rb") as file:
                head = file.read(512)
        except OSError:
            head = b""
        if is_text(head):
            return "; it holds text"
        if str(error).startswith("it"):
            return f"; {error}"
        if head[4:8] == b"ftyp":
            return "; an MP4 without its index, probably cut off while it was recorded or copied"
        return f"; damaged, or of an unknown kind ({error})"


def open_film(options: FilmOptions) -> VideoFile:
    """A video file by its path; raises SourceError as VideoFile does."""
    return VideoFile(Path(options.path), options.start, options.loop, threads=options.threads)
