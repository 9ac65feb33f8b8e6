"""Outputs that would spoil each other, or what the run reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from edgefer.errors import UsageError
from edgefer.sinks.network.options import Mqtt, Serving
from edgefer.sinks.registry import FOLDER, PICTURE_SUFFIXES, STANDARD, STDOUT, Lines, is_folder
from edgefer.sources.registry import on_disk
from edgefer.support.atomic import file_key, is_inside
from edgefer.support.registry import Choice


def check_outputs(outputs: Iterable[Choice], source: str | Iterable[str] = "", recursive: bool = False) -> None:
    """Refuses outputs that would spoil each other or the source, before anything is opened.

    Args:
        outputs: those of one run.
        source: what the run reads, or several of them, where they may be files.
        recursive: whether the folders inside a folder of pictures are read as well.

    Raises:
        UsageError: two write to one place, listen at one port or are one device at a broker, or one would replace the
            source.
    """
    for _, problem in output_conflicts(outputs, source, recursive):
        raise UsageError(problem)


def output_conflicts(
    outputs: Iterable[Choice], source: str | Iterable[str] = "", recursive: bool = False
) -> Iterator[tuple[int, str]]:
    """Every output that check_outputs would refuse, by its number, and why."""
    sources = [source] if isinstance(source, str) else list(source)
    places = [(path, recursive or further) for path, further in filter(None, map(on_disk, sources))]
    taken: dict[object, str | None] = {file_key(path): None for path, _ in places if os.path.isfile(path)}
    before: list[Choice] = []
    for number, output in enumerate(outputs):
        problem = next(filter(None, (_network_conflict(output, other) for other in before)), "")
        if problem:
            yield number, problem
            continue
        before.append(output)
        path = output.target if output.entry.target == "path" else ""
        if not path and STDOUT not in output.entry.needs:
            continue
        folder = FOLDER in output.entry.needs and is_folder(path)
        if folder and _would_replace(path, places):
            yield number, f"output {str(output)!r} would replace the source; give it a folder of its own"
            continue
        standard = STANDARD.get(path or "-") if STDOUT in output.entry.needs else None
        written: list[tuple[str, object]]
        if standard is not None:
            written = [("standard output" if standard == 1 else "standard error", f"standard {standard}")]
        else:
            written = [(each, file_key(each)) for each in _written_by(output, path)]
        for name, key in written:
            if key in taken or (not folder and standard is None and _is_read(name, places)):
                other = taken.get(key)
                what = "would replace the source" if other is None else f"and {other!r} both write to {name}"
                yield number, f"output {str(output)!r} {what}; give it a file of its own"
                break
        else:
            # devices may be shared
            if folder or standard is not None or os.path.isfile(path) or not os.path.exists(path):
                taken |= dict.fromkeys((key for _, key in written), str(output))


def _network_conflict(output: Choice, other: Choice) -> str:
    """Why two outputs cannot both speak to other machines; empty where they can."""
    one, two = output.options, other.options
    if isinstance(one, Serving) and isinstance(two, Serving):
        hosts = {_host(one.address), _host(two.address)}
        port, other_port = (int(each.address.rpartition(":")[2]) for each in (one, two))
        if port == other_port and (len(hosts) == 1 or hosts & _EVERYWHERE):
            return f"output {str(output)!r} and {str(other)!r} both listen at port {port}; give it a port of its own"
    if isinstance(one, Mqtt) and isinstance(two, Mqtt) and (one.broker, one.id) == (two.broker, two.id):
        return f"output {str(output)!r} and {str(other)!r} are one device at the broker; give it an id= of its own"
    return ""


_EVERYWHERE = {"0.0.0.0", "::"}


def _host(address: str) -> str:
    host = address.rpartition(":")[0].strip("[]").lower()
    return "127.0.0.1" if host in ("", "localhost") else host


def _written_by(output: Choice, path: str) -> list[str]:
    """The files of an output, with those that it puts aside when they are full."""
    options = output.options
    if not isinstance(options, Lines) or (options.size is None and options.period is None):
        return [path]
    return [path, *(f"{path}.{number}" for number in range(1, options.keep + 1))]


def _is_read(path: str, places: Iterable[tuple[str, bool]]) -> bool:
    """Whether a file is one of the pictures in a folder that is read."""
    if not os.path.isfile(path):
        return False
    from edgefer.sources.folder import is_picture  # not for cameras, which start sooner so

    above = os.path.dirname(os.path.realpath(path))
    folders = [(place, deep) for place, deep in places if os.path.isdir(place)]
    read = any(above == os.path.realpath(place) or (deep and is_inside(above, place)) for place, deep in folders)
    return read and is_picture(path)


def _would_replace(folder: str, places: Iterable[tuple[str, bool]]) -> bool:
    """Whether a picture in a folder would take the place of one that is read."""
    for source, deep in places:
        if os.path.isdir(source):
            same = os.path.realpath(folder) == os.path.realpath(source)
            replaced = same or (deep and is_inside(folder, source) and _holds_pictures(folder))
        else:
            name = os.path.basename(source)
            here = os.path.isfile(source) and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES
            target = os.path.join(folder, name)
            replaced = here and os.path.exists(target) and os.path.samefile(source, target)
        if replaced:
            return True
    return False


def _holds_pictures(folder: str) -> bool:
    from edgefer.sources.folder import is_picture

    return any(is_picture(os.path.join(above, name)) for above, _, names in os.walk(folder) for name in names)
