"""Finding and reading profiles: a file or a shipped name becomes settings, or one line for each problem."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct, field

from edgefer.config.check import Problem, check, cross_check, key_name, without
from edgefer.config.settings import Settings, settings_of
from edgefer.errors import UsageError
from edgefer.models import slots
from edgefer.support.registry import Choice
from edgefer.support.toml import DEEPEST, key_lines, tomllib
from edgefer.support.toml import Path as KeyPath
from edgefer.support.typed import MODEL_PATH, READ_FILE, SECRET_FILE, fields_of, is_marked, show

DEFAULT_PROFILE = "generic"
_MAX_FILE_BYTES = 64 << 10


def profile_directory() -> Path:
    """The folder of the shipped profiles; in a checkout it is a link to firmware_configs/."""
    return Path(__file__).parent.parent / "profiles"


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with edgefer."""
    return sorted(path.stem for path in profile_directory().glob("*.toml"))


def fitting_profile(device_tree_model: str) -> str:
    """The shipped profile for a board: the one with the longest `match` in the board's name, else generic.

    Args:
        device_tree_model: content of /proc/device-tree/model; empty on a PC.
    """
    best, best_length = DEFAULT_PROFILE, 0
    for name in shipped_profiles():
        for part in load_profile(name).match:
            if part.lower() in device_tree_model.lower() and len(part) > best_length:
                best, best_length = name, len(part)
    return best


def board_model(path: Path = Path("/proc/device-tree/model")) -> str:
    """What the firmware calls this board; empty where there is no device tree (a PC)."""
    try:
        return path.read_bytes().rstrip(b"\0").decode(errors="replace").strip()
    except OSError:
        return ""


def profile_path(profile: str | Path) -> Path:
    """The file of a profile given by path or by the name of a shipped one.

    Raises:
        UsageError: neither; the message lists the shipped names.
    """
    text = str(profile)
    names = shipped_profiles()
    if text in names:
        return profile_directory() / f"{text}.toml"
    if "/" in text or text.endswith(".toml") or os.path.exists(text):
        return Path(text)
    close = difflib.get_close_matches(text, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"unknown profile {text!r}; {hint}available: {', '.join(names)}, or a path to a .toml file")


def as_profile(path: str) -> str:
    """A path as `--profile` takes it: in a folder, so that it is not taken for a shipped name."""
    return path if "/" in path or path.endswith(".toml") else f"./{path}"


def load_profile(profile: str | Path) -> Settings:
    """Settings from a profile.

    Paths inside the profile are resolved against its folder.

    Args:
        profile: path of a TOML file, or the name of a shipped profile.

    Raises:
        UsageError: one line with file, line, key, what was expected and what came, for the first problem.
    """
    read = read_profile(profile_path(profile))
    if read.settings is None or read.problems:
        lines = read.lines(read.problems)
        more = f" (and {len(lines) - 1} more: edgefer config check {read.path})" if len(lines) > 1 else ""
        raise UsageError(lines[0] + more)
    return read.settings


class Profile(Struct):
    """A profile file as it was read.

    Attributes:
        path: of the file.
        settings: what it says, wrong keys left out; None where it is no TOML at all.
        problems: what is wrong with it.
        faulty: where it is no TOML: that, as lines.
        dropped: the keys that were left out of the settings.
        outputs: the number in the file of each of the settings' outputs.
    """

    path: Path
    settings: Settings | None = None
    problems: list[Problem] = field(default_factory=list)
    faulty: list[str] = field(default_factory=list)
    dropped: list[KeyPath] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    _positions: dict[KeyPath, int] = field(default_factory=dict)

    def lines(self, problems: Iterable[Problem]) -> list[str]:
        """Each problem on one line: file, line, key, what is wrong; in the order of the file."""
        located = sorted((_line(self._positions, problem.path), problem) for problem in problems)
        return self.faulty + [
            f"{self.path}:{line}: {name + ': ' if (name := key_name(problem.path)) else ''}{problem.message}"
            for line, problem in located
        ]

    def placed(self, problem: Problem) -> Problem | None:
        """A problem of the settings with the file's number of an output; None where a wrong key explains it."""
        path = problem.path
        if path[:1] == ("output",) and len(path) > 1 and self.outputs:
            path = ("output", self.outputs[int(path[1])], *path[2:])
        for key in (path, *problem.others):
            if any(key[: len(dropped)] == dropped or dropped[: len(key)] == key for dropped in self.dropped):
                return None
        return problem._replace(path=path)


def read_profile(path: Path) -> Profile:
    """Reads one profile file; what is wrong with one key does not hide what is wrong with another."""
    try:
        text = _read_text(path)
    except UsageError as error:
        return Profile(path, faulty=[str(error)])
    positions, duplicates = key_lines(text)
    for key, line in positions.items():
        if len(key) > DEEPEST:  # before the parser takes the stack and the memory for it
            too_deep = f"{path}:{line}: nested too deeply; expected tables of keys as in docs/configuration.md"
            return Profile(path, faulty=[too_deep])
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what = "expected one value, the first is in line {}; remove one of the two"
        written_twice = [
            f"{path}:{second}: {key_name(key)}: written twice; {what.format(first)}"
            for key, first, second in duplicates
        ]
        return Profile(path, faulty=written_twice or [_syntax_problem(path, text, str(error))])
    except ValueError:  # Python reads no whole number of more than 4300 digits
        number = re.search(r"[0-9_]{4300,}", text)
        line = text.count("\n", 0, number.start()) + 1 if number else 1
        too_long = f"{path}:{line}: expected numbers of a few digits, got one of thousands; correct it"
        return Profile(path, faulty=[too_long])
    problems = list(check(data))
    right, dropped, outputs = without(data, [problem.path for problem in problems])
    settings = settings_of(right)
    profile = Profile(path, settings, problems, dropped=dropped, outputs=outputs, _positions=positions)
    profile.problems += [placed for each in cross_check(settings) if (placed := profile.placed(each))]
    profile.settings = _resolve_paths(settings, path.parent)
    return profile


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise UsageError(f"{path}: expected a profile (a .toml file), got a directory; name the file in it")
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such profile; give an existing .toml file or one of {', '.join(shipped_profiles())}"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read: {reason}; expected a readable .toml file") from None
    if len(data) > _MAX_FILE_BYTES:
        raise UsageError(f"{path}: expected a profile of at most 64 KiB, got a larger file; is it the right one?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"byte 0x{data[error.start]:02x}"
        raise UsageError(f"{path}:{line}: expected UTF-8 text, got {got}; save the file as UTF-8") from None
    if not text.strip():
        raise UsageError(f"{path}:1: expected a profile, got an empty file; start from firmware_configs/generic.toml")
    return text


def _syntax_problem(path: Path, text: str, message: str) -> str:
    """One line from the parser's message, which ends in "(at line 3, column 8)" or "(at end of document)"."""
    position = re.search(r"\(at line (\d+), column (\d+)\)", message)
    line = int(position.group(1)) if position else text.rstrip("\n").count("\n") + 1
    reason = re.sub(r"\s*\(at .*\)$", "", message)
    content = text.split("\n")[line - 1].strip()
    key = re.match(r"[\w.\-\"' ]+?(?=\s*=)", content)
    where = f"{key.group(0)}: " if key else ""
    what = f"not valid TOML: {reason}; expected `key = value` or `[table]`, got {show(content)}"
    return f"{path}:{line}: {where}{what}"


def _resolve_paths(settings: Settings, folder: Path) -> Settings:
    """Models, and files that outputs read, are named relative to the profile."""

    def resolved(text: str) -> str:
        path = str(folder / os.path.expanduser(text))  # as it is where there is no such user
        return path if "/" in path else f"./{path}"  # else it could be taken for a shipped one

    choice = settings.detector_choice
    paths = {
        field.name: resolved(value)
        for field in fields_of(choice.options.__class__)
        if is_marked(field.type, MODEL_PATH)
        and (value := getattr(choice.options, field.name))
        and ("/" in value or (field.required and slots.installed(value) is None))  # else it is a name
    }
    models = [resolved(model) if "/" in model else model for model in settings.recognizer.models]
    landmarks = settings.landmarks
    if "/" in landmarks.model:
        landmarks = msgspec.structs.replace(landmarks, model=resolved(landmarks.model))
    replace = msgspec.structs.replace
    return replace(
        settings,
        detector_choice=Choice(choice.entry, replace(choice.options, **paths)),
        recognizer=replace(settings.recognizer, models=models),
        landmarks=landmarks,
        outputs=[_with_files(output, folder) for output in settings.outputs],
    )


def _with_files(output: Choice, folder: Path) -> Choice:
    """An output whose files to read are found from anywhere."""
    paths = {
        field.name: str(folder / os.path.expanduser(value))
        for field in fields_of(output.options.__class__)
        if is_marked(field.type, READ_FILE, SECRET_FILE) and (value := getattr(output.options, field.name))
    }
    return Choice(output.entry, msgspec.structs.replace(output.options, **paths)) if paths else output


def _line(lines: dict[KeyPath, int], path: KeyPath) -> int:
    while path not in lines:
        path = path[:-1]
    return lines[path]
