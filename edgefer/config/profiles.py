"""Finding and reading profiles: a file or a shipped name becomes settings, or one line for each problem."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

import msgspec

from edgefer.config.check import check, cross_check, key_name
from edgefer.config.settings import Settings, settings_of
from edgefer.errors import UsageError
from edgefer.support.registry import Choice
from edgefer.support.toml import Path as KeyPath
from edgefer.support.toml import key_lines, tomllib
from edgefer.support.typed import fields_of, is_model_path, show

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


def load_profile(profile: str | Path) -> Settings:
    """Settings from a profile.

    Paths inside the profile are resolved against its folder.

    Args:
        profile: path of a TOML file, or the name of a shipped profile.

    Raises:
        UsageError: one line with file, line, key, what was expected and what came, for the first problem.
    """
    path = profile_path(profile)
    settings, problems = read_profile(path)
    if settings is None:
        more = f" (and {len(problems) - 1} more: edgefer config check {path})" if len(problems) > 1 else ""
        raise UsageError(problems[0] + more)
    return settings


def read_profile(path: Path) -> tuple[Settings | None, list[str]]:
    """Reads one profile file and gives all its problems, one line each, in the order of the file.

    Returns:
        settings, None when there are problems; and the problems.
    """
    try:
        text = _read_text(path)
    except UsageError as error:
        return None, [str(error)]
    lines, duplicates = key_lines(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if duplicates:
            key, first, second = duplicates[0]
            what = f"expected one value, the first is in line {first}; remove one of the two"
            return None, [f"{path}:{second}: {key_name(key)}: written twice; {what}"]
        return None, [_syntax_problem(path, text, str(error))]
    except RecursionError:
        return None, [f"{path}:1: nested too deeply; expected tables of keys as in docs/configuration.md"]
    problems = list(check(data))
    settings = None
    if not problems:
        settings = settings_of(data)
        problems = list(cross_check(settings))
    if problems or settings is None:
        located = sorted((_line(lines, problem.path), problem) for problem in problems)
        return None, [f"{path}:{line}: {key_name(key)}: {message}" for line, (key, message) in located]
    return _resolve_paths(settings, path.parent), []


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
    """Models are named relative to the profile."""

    def resolved(text: str) -> str:
        return str(folder / Path(text).expanduser())

    choice = settings.detector_choice
    paths = {
        field.name: resolved(getattr(choice.options, field.name))
        for field in fields_of(choice.options.__class__)
        if is_model_path(field.type) and getattr(choice.options, field.name)
    }
    models = [resolved(model) if "/" in model else model for model in settings.recognizer.models]
    replace = msgspec.structs.replace
    return replace(
        settings,
        detector_choice=Choice(choice.entry, replace(choice.options, **paths)),
        recognizer=replace(settings.recognizer, models=models),
    )


def _line(lines: dict[KeyPath, int], path: KeyPath) -> int:
    while path not in lines:
        path = path[:-1]
    return lines[path]
