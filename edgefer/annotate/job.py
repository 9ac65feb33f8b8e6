"""What is asked of every film, and the task of one of them."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field, structs

from edgefer import __version__
from edgefer.config import Settings
from edgefer.errors import EdgeferError, ModelError, SinkError, SourceError
from edgefer.models import store
from edgefer.models.directory import MANIFEST_NAME
from edgefer.reader.options import StreamOptions, file_spec
from edgefer.sources.registry import SOURCES, kind_of
from edgefer.support.atomic import replacing
from edgefer.support.names import shown
from edgefer.support.registry import Choice, split_options
from edgefer.support.typed import converted

if TYPE_CHECKING:  # brings the loop
    from edgefer.assemble import Parts
    from edgefer.reader.streaming import Stream

log = logging.getLogger(__name__)

#: Version of the parts; it grows when older ones cannot be joined with new ones.
_FORMAT = 2
_TRAILER_BYTES = 1 << 18
_MOST_REMARKS = 20  # of one film
_BEAT_S = 0.25
#: Told how many frames of a film were read, and how many it says it has.
Beat = Callable[[int, "int | None"], None]


class Outcome(Struct):
    """What became of one film.

    Attributes:
        film: its path.
        part: file with its rows; empty where it could not be read.
        frames, rows: how many there were. seconds: media time that was read, 0 of a photograph.
        whole: whether it was read to its end.
        remarks: lines about what is damaged or missing.
        reused: whether the part was there already.
    """

    film: str
    part: str = ""
    frames: int = 0
    rows: int = 0
    seconds: float = 0.0
    whole: bool = False
    remarks: list[str] = field(default_factory=list)
    reused: bool = False


class Job(Struct, frozen=True):
    """What is asked of every film; can be pickled, for other processes and machines.

    Attributes:
        settings, options: of each run over a film. landmarks: whether faces get a pose in any case.
        empty: whether a frame without a face has a row.
        folder: of the parts, absolute.
        digest: of all that decides about the rows of a film besides the film.
    """

    settings: Settings
    options: StreamOptions
    landmarks: bool
    empty: bool
    folder: str
    digest: str

    @classmethod
    def of(
        cls,
        output: str | os.PathLike[str],
        settings: Settings,
        options: StreamOptions | None = None,
        *,
        landmarks: bool = False,
        empty: bool = False,
    ) -> Job:
        """A job whose parts lie in a folder beside the output.

        Each process runs one thread and is bound to no processor: several processes share them.

        Args:
            output: FILE.csv or FILE.parquet; the parts go into FILE.parts, whichever it is.
            settings: models, detector and the rest, as `edgefer.reader.options.settings_of` gives them.
            options: part of each film, and which way up; all of it by default.
            landmarks, empty: see Job.

        Raises:
            UsageError: an unknown model.
        """
        options = options or StreamOptions()
        compute = structs.replace(settings.compute, threads=1, opencv_threads=1, pin=[])
        settings = structs.replace(settings, compute=compute)
        folder = os.path.abspath(os.path.splitext(os.fspath(output))[0] + ".parts")
        return cls(settings, options, landmarks, empty, folder, _digest(settings, options, landmarks, empty))

    def part(self, film: str) -> Path:
        """Where the rows of a film go: the name changes with the film, its size or date, and with the job.

        Raises:
            OSError: the film is not there.
        """
        status = os.stat(film)
        key = f"{self.digest}\0{status.st_size}\0{status.st_mtime_ns}\0".encode() + os.fsencode(film)
        return Path(self.folder, hashlib.sha256(key).hexdigest()[:32] + ".csv")

    def finished(self, film: str) -> Outcome | None:
        """The outcome of a film whose part is there; None where it is still to be read."""
        try:
            return read_trailer(self.part(film), film)
        except OSError:
            return None


def _digest(settings: Settings, options: StreamOptions, landmarks: bool, empty: bool) -> str:
    choice = settings.detector_choice
    models = [split_options(model) for model in settings.recognizer.models]
    networks = [name for name, *_ in models]
    networks += [str(name) for name in (getattr(choice.options, "model", None), settings.landmarks.model) if name]
    told: list[Any] = [_FORMAT, __version__, options, landmarks, empty, choice.name, choice.options, settings.detector]
    told += [settings.recognizer, settings.landmarks, settings.smoothing, settings.quality]
    hashed = hashlib.sha256(msgspec.json.encode(told))
    for network in networks:
        with contextlib.suppress(OSError):  # refused when it is opened
            hashed.update((store.find(network) / MANIFEST_NAME).read_bytes())  # which holds the hashes of the rest
    for cascade in (option[len("nose=") :] for _, *given in models for option in given if option.startswith("nose=")):
        with contextlib.suppress(OSError):
            hashed.update(Path(cascade).read_bytes())
    return hashed.hexdigest()


# -- parts: a line of names, the rows, and a last line that is the outcome


def read_trailer(part: Path, film: str) -> Outcome | None:
    """The outcome that ends a film's part; None where it does not end in one.

    Raises:
        OSError: it cannot be read.
    """
    try:
        line = _last_line(part)
        return structs.replace(converted(msgspec.json.decode(line), Outcome), film=film, part=str(part), reused=True)
    except msgspec.DecodeError:
        return None


def _last_line(part: Path) -> bytes:
    with part.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TRAILER_BYTES, 0))
        return file.read().rstrip(b"\n").rpartition(b"\n")[2]


def rows_of(part: Path) -> tuple[int, int]:
    """Offsets of a part's first row, and of what follows its last one."""
    with part.open("rb") as file:
        begin = len(file.readline())
    return begin, part.stat().st_size - len(_last_line(part)) - 1


# -- the task

_opened: dict[str, Parts] = {}
_opening = threading.Lock()


def open_parts(job: Job) -> Parts:
    """Models and detector of a job, loaded once in a process.

    Raises:
        EdgeferError: something that every film needs is missing or refused.
    """
    from edgefer import assemble

    with _opening:
        key = f"{job.digest}{os.getpid()}"
        if key not in _opened:
            assemble.prepare_process(job.settings)
            parts = assemble.Parts(job.settings, job.landmarks)
            parts.pipeline(None, live=False)
            _opened.clear()
            _opened[key] = parts
        return _opened[key]


def work(job: Job, film: str, beat: Beat | None = None) -> Outcome:
    """Reads a film, unless its part is there; may be called again, and by several processes at once.

    Args:
        job: what is asked.
        film: its path.
        beat: called a few times a second.

    Returns:
        What became of it; a film that cannot be read is no error.

    Raises:
        ModelError: a model is refused. SinkError: the part cannot be written.
    """
    before = job.finished(film)
    if before is not None:
        return before
    parts = open_parts(job)
    from edgefer.reader.streaming import Stream

    outcome = Outcome(film)
    with remarks(outcome.remarks):
        try:
            part = job.part(film)
            with Stream(parts, [_chosen(film)], job.options) as stream:
                _write(job, outcome, stream, part, beat)
            return structs.replace(outcome, part=str(part))
        except (ModelError, SinkError):
            raise
        except EdgeferError as error:
            reason = _about(film, error)
        except OSError as error:
            reason = f"{shown(film)}: {(error.strerror or 'cannot be read').lower()}"
        except Exception as error:  # the other films are read all the same
            log.debug("%s", film, exc_info=True)
            reason = f"{shown(film)}: unexpected {type(error).__name__}: {error}; this is a bug, please report it"
    return Outcome(film, remarks=[*outcome.remarks, reason])


def _write(job: Job, outcome: Outcome, stream: Stream, part: Path, beat: Beat | None) -> None:
    try:
        os.makedirs(job.folder, exist_ok=True)
        with replacing(part, alone=False) as scratch:
            _read(job, outcome, stream, scratch, beat)
    except OSError as error:
        raise SinkError(f"{part}: cannot be written: {error.strerror}") from None


def _read(job: Job, outcome: Outcome, stream: Stream, scratch: Path, beat: Beat | None) -> None:
    from edgefer.annotate.rows import FilmRows

    first_s = last_s = 0.0
    before = 0  # frames until the last that was given
    next_beat_s = 0.0
    with scratch.open("w", encoding="utf-8", newline="") as file:
        sink = FilmRows(outcome.film, file, stream.labels, stream.models, job.empty, stream.units)
        fps = stream.fps
        try:
            for given, reading in enumerate(stream):
                sink.write(reading)
                outcome.rows += len(reading.faces)
                first_s = reading.t_s if not given else first_s
                last_s, before = reading.t_s, given * job.options.every
                if beat is not None and time.monotonic() >= next_beat_s:
                    next_beat_s = time.monotonic() + _BEAT_S
                    beat((given + 1) * job.options.every, stream.length)
            outcome.whole = True
        except SourceError as error:
            if not stream.summary.frames:
                raise
            outcome.remarks.append(_about(outcome.film, error))
        summary = stream.summary
        outcome.frames = summary.frames
        if summary.frames > summary.photographs:
            outcome.seconds = round(last_s - first_s + ((summary.frames - before) / fps if fps else 0.0), 3)
        told = structs.replace(outcome, film="")  # its name may be no Unicode
        file.write(msgspec.json.encode(told).decode() + "\n")


def _chosen(film: str) -> Choice:
    """The film as a source, decoded by one thread: the other processors have films of their own.

    Raises:
        SourceError: it is none.
    """
    kind = kind_of("./-" if film == "-" else file_spec(film))
    if kind not in ("film", "stills", "animation"):
        raise SourceError(f"{shown(film)}: expected the file of a film or a photograph, got a {kind}")
    choice = SOURCES.choose(kind, path=film)
    if "threads" in choice.options.__struct_fields__:
        choice = Choice(choice.entry, structs.replace(choice.options, threads=1))
    return choice


def _about(film: str, error: EdgeferError) -> str:
    """A line that names the film."""
    line = shown(" ".join(str(error).split()))
    return line if shown(film) in line else f"{shown(film)}: {line}"


@contextlib.contextmanager
def remarks(lines: list[str]) -> Iterator[None]:
    """Gathers what this thread says in the log, as of damaged frames, for the length of a block."""

    class Gather(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and len(lines) < _MOST_REMARKS:
                lines.append(shown(" ".join(record.getMessage().split())))

    thread = threading.get_ident()
    logger, handler = logging.getLogger("edgefer"), Gather(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
