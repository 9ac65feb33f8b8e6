"""Films of every kind, written for a test: by Debian's ffmpeg, or by PyAV."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="films need PyAV (extra `film`)")


def ffmpeg(*arguments: object, data: bytes | None = None) -> None:
    """Runs Debian's ffmpeg; the test that asks is skipped where it is absent or lacks what is asked for."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not installed")
    words = [str(argument) for argument in arguments]
    done = subprocess.run(
        [program, "-v", "error", "-y", "-nostdin", *words], input=data, capture_output=True, timeout=120
    )
    if done.returncode and (b"Unknown encoder" in done.stderr or b"Unrecognized option" in done.stderr):
        pytest.skip(f"this ffmpeg cannot: {done.stderr.decode(errors='replace').splitlines()[0]}")
    assert done.returncode == 0, done.stderr.decode(errors="replace")


def moving(seconds: float = 1.0, size: str = "160x120", rate: int = 25, noise: int = 0) -> list[str]:
    """Arguments that give ffmpeg a moving test picture."""
    grain = f",noise=alls={noise}:allf=t" if noise else ""
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}{grain}"]


def sound(seconds: float) -> list[str]:
    """Arguments that give ffmpeg a tone."""
    return ["-f", "lavfi", "-i", f"sine=d={seconds}"]


def encoder(*names: str) -> str:
    """The first of these encoders that PyAV has; the test that asks is skipped where it has none."""
    for name in names:
        try:
            av.codec.Codec(name, "w")
        except ValueError:
            continue
        return name
    pytest.skip(f"this PyAV has no encoder {' or '.join(names)}")


def write_film(
    path: Path,
    images: Iterable[np.ndarray],
    codec: str = "mpeg4",
    pix_fmt: str = "yuv420p",
    times_ms: list[int] | None = None,
    rate: int = 25,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    **container: str,
) -> Path:
    """A film of BGR images (H, W, 3) or grey ones (H, W) by PyAV; `times_ms` gives each its own time."""
    with av.open(str(path), "w", options=container) as output:
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.pix_fmt = pix_fmt
        for index, image in enumerate(images):
            if index == 0:
                stream.height, stream.width = image.shape[:2]
                if times_ms is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
            frame = av.VideoFrame.from_ndarray(image, format="bgr24" if image.ndim == 3 else "gray")
            frame.pts = index if times_ms is None else times_ms[index]
            frame.time_base = Fraction(1, rate) if times_ms is None else Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Gives an MP4 with one track a display matrix: (p, q) goes to (a p + c q + x, b p + d q + y)."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd")
    assert data.count(b"tkhd") == 1
    values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, header + 4 + 4 + 20 + 16, *values)  # version 0: times, track, duration; layer, volume
    path.write_bytes(data)
    return path


def spoil(path: Path, to: Path, spots: Iterable[int], width: int = 64) -> Path:
    """A copy of a file with bytes of noise from each of the given places on."""
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(3)
    for spot in spots:
        data[spot : spot + width] = rng.bytes(len(data[spot : spot + width]))
    to.write_bytes(data)
    return to


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where the packets of a film's picture lie: (offset, size)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(p.pos, p.size) for p in container.demux(stream) if p.size and p.pos is not None]
