"""One reader for films and streams: the pictures of an open input in the order in which they are shown.

FFmpeg must not be closed while it is read, nor read from two threads: a lock orders open, read and close. Who
closes while another thread reads sets a flag, and that thread closes at its next step; while nobody reads, the
caller closes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import av

from edgefer.errors import SourceError
from edgefer.sources.base import NS_PER_S
from edgefer.sources.media.layout import Layouts
from edgefer.sources.media.library import FAILURES, INVALID, MediaError, open_input, reason_of
from edgefer.sources.media.picture import Picture

# So many unreadable packets one after the other end a film; each may be a whole sector.
_MOST_READ_ERRORS = 100
# Where streams begin in its midst and the picture ends before this part of a file, it goes on in one of them.
_LAST_PART = 0.9
# So many pictures of another stream may lie between two of the film's.
_MOST_BETWEEN = 20
# An index may lead to a keyframe that is decoded before a time and shown after it.
_FURTHER_BACK_NS = 10 * NS_PER_S
# More pixels than any camera has: what a damaged header promises.
_MOST_PIXELS = 1 << 28
#: Pictures without a container, one after the other.
_BARE = ("h264", "hevc", "vvc", "obu", "m4v", "mpegvideo", "cavsvideo", "dirac", "vc1", "h261", "h263")
#: What a decoder is asked to refuse. Where each picture stands alone and the damage is sure, it is left out whole;
#: other decoders say of each frame whether they had to make up parts of it.
_STRICT = {"mjpeg": "explode", "mjpegb": "explode", "png": "crccheck+explode"}


_ASPECT_IN_THE_PICTURES = ("mpegts", "mpeg", "h264", "hevc", "mpegvideo", "m4v", "dv")


class Shot(NamedTuple):
    """A decoded picture and what the container says of it.

    Attributes:
        position: among the pictures of the input, from 0, those left out counted too.
        stamp_ns: on the container's own clock, ns; None where it has none.
        duration_ns: how long it is shown if nothing comes after it; 0 where that is not known.
        damaged: pictures left out before it.
    """

    picture: Picture
    position: int
    stamp_ns: int | None
    duration_ns: int
    damaged: int


class MediaReader:
    """An open film or stream.

    Attributes:
        format: FFmpeg's name of the container, "mov,mp4,m4a,3gp,3g2,mj2".
        fps: mean frames per second, or None where they are not known.
        damaged: pictures left out because they cannot be decoded, or only in part.
        encrypted: whether a packet was met that is.
        unread: at the end, whether the film goes on in streams that began after this one, as where recordings are
            joined.
        unfinished: at the end, whether the decoder may have withheld whole pictures: one that is damaged, among
            those that several threads decode at last, takes the others with it. One thread alone has them.
        picture_end_ns, latest_end_ns: how far the picture's packets, and those of all streams, have come on the
            container's clock; None before the first.
    """

    def __init__(
        self,
        target: Any,
        options: Mapping[str, str],
        *,
        live: bool = False,
        timeout_s: tuple[float, float] | None = None,
        threads: int = 0,
        silence_s: float | None = None,
    ) -> None:
        """Args:
        target: path, address, or binary file object, which stays the caller's to close.
        options: of FFmpeg's demuxer and protocol.
        live: slice threads alone, as frame threads hold back several frames.
        timeout_s: for opening and for each read; without it there is none.
        threads: of the decoder; 0 takes one for each processor.
        silence_s: longest time without a picture, whatever else comes; without it there is none.

        Raises:
            MediaError: it cannot be opened, or holds no picture that can be decoded.
        """
        self.damaged = 0
        self.encrypted = False
        self.unread = False
        self.unfinished = False
        self.picture_end_ns: int | None = None
        self.latest_end_ns: int | None = None
        self._lock = threading.Lock()
        self._closing = False
        self._failure: SourceError | None = None
        self._position = 0
        self._silence_s = silence_s
        self._asked_s = 0.0
        self._last_duration = 0  # of the newest packet; a decoder that reorders gives the last frame another one's
        self._others = 0  # packets of pictures in streams that began later, since the last of its own
        self._last_pos = 0  # of the newest packet of the picture, in the file
        self._inside = 0  # pictures that went into the decoder and have not come out
        self._threads = threads
        self._layouts = Layouts()
        self._ready: deque[tuple[av.VideoFrame, Fraction | None]] = deque()
        self._container: Any = open_input(target, dict(options), timeout_s)
        try:
            self.stream = picture_stream(self._container)
            self.format: str = self._container.format.name
            self.fps = _rate(self.stream, self.format in _BARE)
            context = self.stream.codec_context
            context.options = {"max_pixels": str(_MOST_PIXELS)}
            if context.name in _STRICT:
                context.options = {**context.options, "err_detect": _STRICT[context.name]}
            context.thread_type = "SLICE" if live else "AUTO"
            context.thread_count = threads
            self._time_bases = [_time_base(stream) for stream in self._container.streams]
            self._at_first = {stream.index for stream in self._container.streams if not _begins_later(stream)}
            if self.format == "hls" and hasattr(av.stream, "Discard"):  # else every variant is fetched to the end
                for other in self._container.streams:
                    if other is not self.stream:
                        other.discard = av.stream.Discard.all
        except (*FAILURES, MediaError) as error:
            self._container.close()
            raise error if isinstance(error, MediaError) else MediaError(reason_of(error)) from None
        if live:
            # Else a packet would be held back until the next one of its stream comes, whatever others come meanwhile.
            self._container.flags &= ~av.container.Flags.gen_pts.value
        self._index = self.stream.index
        # What a header says of the pixels' aspect goes for the whole film; a broadcast changes it in its midst.
        self._own_aspect = self.format.partition(",")[0] in _ASPECT_IN_THE_PICTURES
        self._aspect: Fraction | None = self.stream.sample_aspect_ratio
        # Whatever else it holds is read along: asking for the picture alone waits without end where sound goes on.
        self._packets: Iterator[Any] = self._container.demux()

    @property
    def container(self) -> Any:
        """The open container, for what its header says; not to be read or closed."""
        return self._container

    @property
    def position(self) -> int:
        """Pictures so far, those left out counted too."""
        return self._position

    @property
    def closed(self) -> bool:
        """Whether it was told to close."""
        return self._closing

    def read(self) -> Shot | None:
        """The next picture; None after the last and once closed.

        Raises:
            MediaError: the input cannot be read on.
            SourceError: of the file that it reads, once every picture that came before was given.
        """
        try:
            with self._lock:
                return self._next_shot()
        finally:
            if self._closing:
                self._release()

    def seek(self, stamp_ns: int) -> None:
        """Goes on from a picture at or before a time on the container's clock, as near as its index leads.

        Raises:
            MediaError: it cannot be done.
        """
        with self._lock:
            if self._container is None:
                return
            num, den = self._time_bases[self._index]
            try:
                self._container.seek(stamp_ns * den // (num * NS_PER_S), stream=self.stream)
            except FAILURES as error:
                raise MediaError(reason_of(error)) from None
            self._ready.clear()
            self._packets = self._container.demux()

    def first_from(self, stamp_ns: int) -> Shot | None:
        """Goes to the first picture at or after a time on the container's clock; None where no index leads there.

        Raises:
            MediaError: the input cannot be read.
        """
        for back_ns in (0, _FURTHER_BACK_NS):
            self.seek(stamp_ns - back_ns)
            shot = self.read()
            if shot is not None and shot.stamp_ns is not None and shot.stamp_ns <= stamp_ns:
                while shot is not None and (shot.stamp_ns is None or shot.stamp_ns < stamp_ns):
                    shot = self.read()
                return shot
        return None

    def carry_on(self, before: MediaReader, position: int, damaged: int) -> None:
        """Counts from the picture just read as another reader of the same input did from there."""
        self._position, self.damaged = position + 1, damaged
        self.picture_end_ns, self.latest_end_ns = before.picture_end_ns, before.latest_end_ns

    def close(self) -> None:
        """Closes the input, at once or at the next step of the thread that reads it."""
        self._closing = True
        self._release()

    def _release(self) -> None:
        """Closes unless another thread is reading; it looks at the flag when it is done."""
        if self._lock.acquire(blocking=False):
            try:
                self._ready.clear()
                self._packets = iter(())
                if self._container is not None:
                    self._container.close()
                self._container = None
            finally:
                self._lock.release()

    def _next_shot(self) -> Shot | None:
        self._asked_s = time.monotonic()
        while True:
            while not self._ready:
                packet = None if self._closing or self._container is None else self._next_packet()
                if packet is None:
                    return None
                self._decode(packet)
            frame, aspect = self._ready.popleft()
            position, self._position = self._position, self._position + 1
            if frame.is_corrupt:
                self.damaged += 1
                continue
            try:
                picture = Picture(frame, self._layouts.of(frame, aspect))
            except FAILURES:
                self.damaged += 1
                continue
            duration_ns = self._ns(self._last_duration or frame.duration)
            return Shot(picture, position, self._stamp_ns(frame), duration_ns, self.damaged)

    def _next_packet(self) -> Any:
        """The next packet of the picture; None at the end of the input."""
        errors = 0
        while not self._closing:
            if self._silence_s is not None and time.monotonic() - self._asked_s > self._silence_s:
                raise MediaError(f"no whole picture for {self._silence_s:g} s")
            try:
                packet = next(self._packets, None)
            except INVALID as error:
                errors += 1
                if errors > _MOST_READ_ERRORS:
                    raise MediaError(reason_of(error)) from None
                self._packets = self._container.demux()  # the iterator is over, the input may go on
                continue
            except FAILURES as error:
                raise MediaError(reason_of(error)) from None
            except SourceError as error:
                if self._silence_s is not None:
                    raise
                self._failure, self._packets = error, iter(())
                return av.Packet()  # empty: the decoder gives what it still holds
            except IndexError:  # at the end PyAV looks for streams that began in between, of which it gave no packet
                self.unread |= self._last_pos < _LAST_PART * (self._container.size or 0)
                return None
            if packet is None:
                if self._failure is not None:
                    raise self._failure
                return None
            errors = 0
            stream = packet.stream  # not its stream_index, which is 0 in the packets that end each stream
            self._note_end(packet, stream.index)
            if stream is self.stream:
                self._others = 0 if packet.size else self._others
                return packet
            self._others += stream.index not in self._at_first and isinstance(stream, av.VideoStream)
            self.unread |= self._others > _MOST_BETWEEN
        return None

    def _note_end(self, packet: Any, index: int) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or index >= len(self._time_bases):
            return
        num, den = self._time_bases[index]
        end_ns = (stamp + (packet.duration or 0)) * num * NS_PER_S // den
        self.latest_end_ns = max(end_ns, self.latest_end_ns or end_ns)
        if index == self._index:
            self._last_duration = packet.duration or 0
            self._last_pos = packet.pos or 0
            self.picture_end_ns = max(end_ns, self.picture_end_ns or end_ns)

    def _decode(self, packet: Any) -> None:
        if not packet.size and packet.dts is not None:  # not the one that ends the stream: the picture before goes on
            self._position += 1
            return
        if not packet.is_discard:
            self._inside += bool(packet.size)
        context, frames = self.stream.codec_context, []
        self.encrypted = self.encrypted or packet.has_sidedata("encryption_info")
        try:
            frames = context.decode(packet)
        except EOFError:  # asked again after its last frame
            pass
        except FAILURES:
            self.damaged += 1
            self._position += 1
            self._inside -= 1
        if self._own_aspect:  # as the decoder sees it now, though it may hold back a frame from before a change
            self._aspect = context.sample_aspect_ratio or self._aspect
        self._ready.extend((frame, self._aspect) for frame in frames)
        self._inside -= len(frames)
        if not packet.size:
            self.unfinished = self._inside > 0 and self._threads != 1

    def _stamp_ns(self, frame: av.VideoFrame) -> int | None:
        # AVI stores no presentation times: its pictures come in order, at the times of decoding
        stamp = frame.dts if self.format == "avi" or frame.pts is None else frame.pts
        return None if stamp is None else self._ns(stamp)

    def _ns(self, ticks: int) -> int:
        num, den = self._time_bases[self._index]
        return ticks * num * NS_PER_S // den


def picture_stream(container: Any) -> av.VideoStream:
    """The stream with the film: the one marked as default, of several the largest.

    Raises:
        MediaError: there is none, or no decoder for it.
    """
    films, unknown, covers, sound = [], 0, 0, 0
    for stream in container.streams:
        if stream.codec_context is None:  # asked for anything else, PyAV 17 dies of it
            unknown += isinstance(stream, av.VideoStream)
        elif isinstance(stream, av.VideoStream):
            words = stream.disposition
            if words & (av.stream.Disposition.attached_pic | av.stream.Disposition.dependent):
                covers += 1
            else:
                films.append(stream)
        else:
            sound += isinstance(stream, av.AudioStream)
    if films:
        return max(films, key=lambda stream: (_is_default(stream), stream.width * stream.height, -stream.index))
    if unknown:
        raise MediaError("its pictures are of a kind that this build of FFmpeg cannot decode")
    if covers:
        raise MediaError("it holds sound with a cover picture, no film" if sound else "it holds a photograph in tiles")
    raise MediaError("it holds sound alone, no picture" if sound else "it holds no picture")


def _is_default(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.default)


def _begins_later(stream: Any) -> bool:
    """Whether it is announced at the beginning of the film, and none of its pictures is there."""
    return isinstance(stream, av.VideoStream) and stream.codec_context is not None and not stream.width


def _rate(stream: av.VideoStream, bare: bool) -> float | None:
    """Frames a second; where there is no container, FFmpeg's mean is its own 25, and the pictures may know better."""
    rates = stream.average_rate, stream.guessed_rate
    for rate in reversed(rates) if bare else rates:
        if rate and 0 < rate <= 1000:
            return float(rate)
    return None


def _time_base(stream: Any) -> tuple[int, int]:
    base: Fraction | None = stream.time_base
    return (base.numerator, base.denominator) if base and base > 0 else (1, NS_PER_S)
