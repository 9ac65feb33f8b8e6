"""A film file that can be played up to its last moments, whatever ends the writing: encoder and container."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from edgefer.errors import SinkError
from edgefer.sources.opencv import cv2

log = logging.getLogger(__name__)

NS_PER_S = 1_000_000_000
#: Ticks a second of a film's own clock: whole milliseconds and the usual rates are exact.
_TICKS = 120_000
#: A player can start at so many places, and so much is lost with a run that is killed.
_KEYFRAME_NS = NS_PER_S // 2
#: What has been written is asked to be on the disk so often, for the case that the power fails.
_SYNC_S = 2.0
#: Above so many pixels the encoder uses two threads.
_ONE_THREAD_PX = 1280 * 720


class Encoder(NamedTuple):
    """An encoder by FFmpeg's name, with its options, the pixels it takes, and the ticks of its clock in a second."""

    name: str
    options: dict[str, str]
    pixels: str = "yuv420p"
    ticks: int = _TICKS


class Container(NamedTuple):
    """A kind of file with its encoders, the best one first; one with a `rate` rounds times to it."""

    name: str
    options: dict[str, str]
    encoders: tuple[Encoder, ...]
    rate: bool = False


_LAMBDA = 118  # FFmpeg's global_quality counts in these; what is multiplied is the quantiser, from 1 to 31
_X264 = {"preset": "ultrafast", "tune": "zerolatency", "crf": "25", "forced-idr": "1", "g": "600"}
_MPEG4 = {"flags": "+qscale", "global_quality": str(4 * _LAMBDA), "g": "600"}
_VP8 = {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "4M", "lag-in-frames": "0", "g": "600"}
_MJPEG = {"flags": "+qscale", "global_quality": str(3 * _LAMBDA)}
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
_CLUSTERS = {"cluster_time_limit": str(_KEYFRAME_NS // 1_000_000)}
_H264 = (Encoder("libx264", _X264), Encoder("libopenh264", {"g": "600"}), Encoder("mpeg4", _MPEG4, ticks=_TICKS // 2))

#: By the suffix of the file.
CONTAINERS = {
    ".mp4": Container("mp4", _FRAGMENTS, _H264),
    ".m4v": Container("mp4", _FRAGMENTS, _H264),
    ".mov": Container("mov", _FRAGMENTS, _H264),
    ".mkv": Container("matroska", _CLUSTERS, _H264),
    ".webm": Container("webm", _CLUSTERS, (Encoder("libvpx", _VP8),)),
    ".avi": Container("avi", {}, (Encoder("mjpeg", _MJPEG, "yuvj420p"),), rate=True),
}


class FilmFile:
    """The file under the film: an old one is emptied at the first byte, and what is written goes to the disk soon.

    FFmpeg calls it from its own code, where an exception would be lost: it is kept, and nothing is written after it.

    Attributes:
        error: why the file could not be written; None as long as it can.
    """

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._path = path
        self._begun = self._created = False
        self.error: OSError | None = None
        self._syncing: threading.Thread | None = None
        try:
            try:
                self._fd: int | None = os.open(path, flags | os.O_EXCL, 0o666)
                self._created = True
            except FileExistsError:
                self._fd = os.open(path, flags, 0o666)
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error.strerror}; choose another path") from None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._write(self.descriptor, memoryview(data))
            except OSError as error:
                self.error = error
        return len(data)

    def _write(self, fd: int, view: memoryview) -> None:
        if not self._begun:
            self._begun = True
            os.ftruncate(fd, 0)
        while view:
            view = view[os.write(fd, view) :]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self.descriptor, offset, whence)

    def tell(self) -> int:
        return os.lseek(self.descriptor, 0, os.SEEK_CUR)

    @property
    def descriptor(self) -> int:
        if self._fd is None:
            raise OSError(0, "it is closed")
        return self._fd

    def cut(self, end: int) -> None:
        """Removes what comes after `end`."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, end)

    def sync(self) -> None:
        """Asks for what has been written to be on the disk, without waiting for it."""
        if self._syncing is None or not self._syncing.is_alive():
            self._syncing = threading.Thread(target=_sync, args=(os.dup(self.descriptor),), daemon=True)
            self._syncing.start()

    def close(self) -> None:
        """Closes the file; one that this object created and never wrote to is removed again."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        if self._created and not self._begun:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        os.close(fd)


def _sync(fd: int) -> None:
    with contextlib.suppress(OSError):  # a file system that cannot
        os.fdatasync(fd)
    os.close(fd)


class Film:
    """The encoder and the container around it. A frame is written when the next one tells how long it is shown.

    Whatever FFmpeg or the disk refuses is an OSError.

    Attributes:
        size: (width, height) of every frame.
    """

    def __init__(self, file: FilmFile, kind: Container, size: tuple[int, int], fps: float) -> None:
        """Args:
            file: where it goes; whoever opened it closes it.
            kind: of CONTAINERS.
            size: even width and height.
            fps: the rate of a container that has one for the whole film.

        Raises:
            SinkError: there is no encoder for it.
        """
        import av

        self.size = size
        self._file = file
        rate = Fraction(fps).limit_denominator(1001) if kind.rate else None
        encoder = _usable(kind, size, rate)
        self._rated = kind.rate
        self._ticks = rate or Fraction(encoder.ticks)
        self._pixels = encoder.pixels
        self._out = av.open(file, "w", format=kind.name, options={**kind.options, "flush_packets": "1"})
        self._stream: Any = self._out.add_stream(encoder.name, options=dict(encoder.options))
        _set_up(self._stream.codec_context, encoder, size, self._ticks)
        self._waiting: Any = None  # the packet whose length is not known yet
        self._whole = 0  # length of the file of which everything can be played
        self._key_ns: int | None = None
        self._synced_s = time.monotonic()
        self._last_pts = -1

    def add(self, image: np.ndarray, time_ns: int) -> None:
        """One more frame, uint8 (H, W, 3) of the film's size, from `time_ns` on; times rise.

        A container with one rate leaves out what comes faster, or all after it would be shown late.
        """
        import av

        tick = round(time_ns * self._ticks / NS_PER_S)
        pts = max(tick, self._last_pts + 1)
        if self._rated and pts > tick + 1:
            return
        if self._pixels == "yuv420p":  # OpenCV's conversion is the quicker one; range and matrix are as _set_up says
            planes: Any = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
            wrap = av.VideoFrame.from_numpy_buffer if self.size[1] % 4 == 0 else av.VideoFrame.from_ndarray
            frame = wrap(planes, "yuv420p")
        else:
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
        self._last_pts = pts
        frame.pts, frame.time_base = pts, 1 / self._ticks
        if self._key_ns is None or time_ns - self._key_ns >= _KEYFRAME_NS:
            self._key_ns = time_ns
            frame.pict_type = av.video.frame.PictureType.I
        self._take(self._stream.encode(frame))
        if time.monotonic() - self._synced_s >= _SYNC_S:
            self._synced_s = time.monotonic()
            self._file.sync()

    def _take(self, packets: list[Any]) -> None:
        for packet in packets:
            if self._waiting is not None:
                self._write_waiting(packet.pts - self._waiting.pts)
            self._waiting = packet

    def _write_waiting(self, length: int) -> None:
        packet, self._waiting = self._waiting, None
        packet.duration = max(1, length)
        self._out.mux_one(packet)
        self._check()
        self._whole = self._file.tell()

    def _check(self) -> None:
        if self._file.error is not None:
            raise self._file.error

    def finish(self, end_ns: int) -> None:
        """Ends the film, whose last frame is shown until `end_ns`."""
        self._take(self._stream.encode(None))
        if self._waiting is not None:
            end = round(end_ns * self._ticks / NS_PER_S)
            self._write_waiting(end - self._waiting.pts)
        self._out.close()
        self._check()

    def abandon(self) -> None:
        """Leaves the film as far as it is whole; after an error nothing more can be added."""
        self._waiting = None
        with contextlib.suppress(OSError):
            self._out.close()  # which has more to write and may find room for it
        self._file.cut(self._whole)


def _set_up(context: Any, encoder: Encoder, size: tuple[int, int], ticks: Fraction) -> None:
    context.width, context.height = size
    context.pix_fmt = encoder.pixels
    context.time_base = 1 / ticks
    context.thread_count = 1 if size[0] * size[1] <= _ONE_THREAD_PX else 2
    context.thread_type = "SLICE"  # threads by frames hold frames back
    if encoder.pixels == "yuv420p":
        context.color_range, context.colorspace = 1, 6  # limited range, BT.601


def _usable(kind: Container, size: tuple[int, int], rate: Fraction | None) -> Encoder:
    """The best encoder that is there and takes the size."""
    import av

    for encoder in kind.encoders:
        try:
            context = av.CodecContext.create(encoder.name, "w")
            context.options = dict(encoder.options)
            _set_up(context, encoder, size, rate or Fraction(encoder.ticks))
            context.open()
        except (OSError, ValueError) as error:
            log.debug("no encoder %s: %s", encoder.name, error)
            continue
        if encoder is not kind.encoders[0]:
            log.warning("this FFmpeg has no encoder %s; %s is used", kind.encoders[0].name, encoder.name)
        return encoder
    names = " or ".join(encoder.name for encoder in kind.encoders)
    width, height = size
    raise SinkError(f"this FFmpeg has no encoder {names} for {width}x{height}; try a name in .avi")
