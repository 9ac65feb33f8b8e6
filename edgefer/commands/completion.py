"""`edgefer completion`: a script by which a shell completes commands, options and names.

The script holds all it needs, read from the parsers and registries when it is written: pressing Tab starts no Python,
and no command starts more slowly for it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edgefer import config
from edgefer.commands.console import Commands, build_parser
from edgefer.detect.registry import DETECTORS
from edgefer.labels import LABEL_SETS
from edgefer.models import store
from edgefer.recognize.registry import KINDS
from edgefer.sinks.registry import OUTPUTS
from edgefer.sources.registry import SOURCES
from edgefer.support.registry import Registry

SHELLS = ("bash", "zsh", "fish")


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "completion",
        "print a script that completes commands, options and names in a shell",
        "completion bash > ~/.local/share/bash-completion/completions/edgefer\n"
        "completion zsh > ~/.zfunc/_edgefer\n"
        "completion fish > ~/.config/fish/completions/edgefer.fish",
        execute,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def execute(args: argparse.Namespace) -> int:
    """Prints the script."""
    print({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](list(contexts(build_parser()))), end="")
    return 0


@dataclass
class Values:
    """What may stand in a place: these words, and files where `files`."""

    words: list[str] = field(default_factory=list)
    files: bool = False


@dataclass
class Context:
    """A command, or an action of one.

    Attributes:
        path: "", "run", "models show".
        children: commands or actions that may follow, with their summaries.
        options: all spellings of each, its help, and its value; None where it takes none.
        arguments: what stands by its place.
    """

    path: str
    children: dict[str, str] = field(default_factory=dict)
    options: list[tuple[list[str], str, Values | None]] = field(default_factory=list)
    arguments: Values = field(default_factory=Values)


def contexts(parser: argparse.ArgumentParser, path: str = "") -> Iterator[Context]:
    """A parser and all below it."""
    context, below = Context(path), {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            context.children = {each.dest: each.help or "" for each in action._choices_actions}
            below = action.choices
        elif action.option_strings:
            value = None if action.nargs == 0 else _values(action)
            context.options.append((list(action.option_strings), action.help or "", value))
        else:
            context.arguments = _values(action)
    yield context
    for name, child in below.items():
        yield from contexts(child, f"{path} {name}".strip())


def _names(registry: Registry) -> list[str]:
    """How the entries of a registry begin: those that must have a target end in the colon before it."""
    return [entry.name + (":" if ":" in entry.shape and "[" not in entry.shape else "") for entry in registry]


#: What an argument takes, by its name among the parsed ones and its metavar.
_TAKES: dict[tuple[str, str], Callable[[], Values]] = {
    ("model", "M"): lambda: Values(store.available(*KINDS.names()), True),
    ("model", "MODEL"): lambda: Values(store.available(), True),
    ("models", "MODEL"): lambda: Values(store.available(), True),
    ("compare", "M"): lambda: Values(store.available(*KINDS.names()), True),
    ("name", "NAME"): lambda: Values(store.available()),
    ("detector", "D"): lambda: Values(_names(DETECTORS)),
    ("output", "O"): lambda: Values(_names(OUTPUTS)),
    ("source", "S"): lambda: Values(_names(SOURCES), True),
    ("sources", "SOURCE"): lambda: Values(_names(SOURCES), True),
    ("profile", "P"): lambda: Values(config.shipped_profiles(), True),
    ("profiles", "FILE"): lambda: Values(config.shipped_profiles(), True),
    ("board", "BOARD"): lambda: Values(config.shipped_profiles()),
    ("labels", "SET"): lambda: Values(list(LABEL_SETS)),
    ("flip", "F"): lambda: Values(["horizontal", "vertical"]),
    ("rotate", "D"): lambda: Values(["90", "180", "270"]),
}
_FILES = {"FILE", "DIRECTORY", "PNG", "RUN", "PATH", "FILE|DIR|URL"}


def _values(action: argparse.Action) -> Values:
    if action.choices is not None:
        return Values([str(choice) for choice in action.choices])
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    takes = _TAKES.get((action.dest, metavar))
    if takes is not None:
        return takes()
    return Values(files=metavar in _FILES or action.dest in ("data", "out", "units"))


def bash(all_contexts: list[Context]) -> str:
    """For bash 4 and later."""
    return (
        "# Completion of edgefer for bash; written by `edgefer completion bash`.\n"
        "_edgefer() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= word i\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    word=${COMP_WORDS[i]}\n"
        f"{_path_cases(all_contexts, '    ')}"
        "  done\n"
        "  local words= files=\n"
        "  if [[ $cur == [:=] || $prev == [:=] ]]; then\n"
        "    cur=${cur#[:=]} files=yes\n"
        "  else\n"
        f"{_value_cases(all_contexts, '    ')}"
        "  fi\n"
        "  COMPREPLY=()\n"
        '  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(\n'
        '    compgen -W "$words" -- "$cur"\n'
        '    [[ $files ]] && compgen -f -- "$cur"\n'
        "  )\n"
        "  [[ $files ]] && compopt -o filenames 2>/dev/null\n"
        "  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null\n"
        "  return 0\n"
        "}\n"
        "complete -F _edgefer edgefer\n"
    )


def zsh(all_contexts: list[Context]) -> str:
    """For zsh, as a function in a folder of its fpath."""
    return (
        "#compdef edgefer\n"
        "# Completion of edgefer for zsh; written by `edgefer completion zsh`.\n"
        "_edgefer() {\n"
        "  local cur=${words[CURRENT]} prev=${words[CURRENT-1]} path_= word i names= files=\n"
        "  for ((i = 2; i < CURRENT; i++)); do\n"
        "    word=${words[i]}\n"
        f"{_path_cases(all_contexts, '    ').replace('path=', 'path_=').replace('$path', '$path_')}"
        "  done\n"
        "  if [[ $cur == *[:=]* ]]; then\n"
        "    compset -P '*[:=]'\n"
        "    files=yes\n"
        "  else\n"
        f"{_value_cases(all_contexts, '    ').replace('$path', '$path_').replace('words=', 'names=')}"
        "  fi\n"
        "  for word in ${=names}; do\n"
        "    if [[ $word == *: ]]; then compadd -S '' -- $word; else compadd -- $word; fi\n"
        "  done\n"
        "  [[ -n $files ]] && _files\n"
        "  return 0\n"
        "}\n"
        'if [[ ${funcstack[1]} == _edgefer ]]; then _edgefer "$@"; else compdef _edgefer edgefer; fi\n'
    )


def _path_cases(all_contexts: list[Context], indent: str) -> str:
    """Finds the command and its action among the words."""
    lines = ['case "$path $word" in']
    for context in all_contexts:
        for name in context.children:
            path = f"{context.path} {name}".strip()
            lines.append(f"  {shlex.quote(f'{context.path} {name}')}) path={shlex.quote(path)} ;;")
    return "".join(f"{indent}{line}\n" for line in [*lines, "esac"])


def _value_cases(all_contexts: list[Context], indent: str) -> str:
    """What may stand where the cursor is: the value of the option before it, else an option, else an argument."""
    lines = ['case "$path $prev" in']
    for context in all_contexts:
        for spellings, _, value in context.options:
            if value is not None:
                patterns = "|".join(shlex.quote(f"{context.path} {spelling}") for spelling in spellings)
                lines.append(f"  {patterns}) {_assigned(value)} ;;")
    lines += ["  *)", '    case "$path" in']
    for context in all_contexts:
        spellings = [spelling for each, _, _ in context.options for spelling in each]
        own = Values([*context.children, *context.arguments.words], context.arguments.files)
        lines += [
            f"      {shlex.quote(context.path)})",
            f"        if [[ $cur == -* ]]; then {_assigned(Values(spellings))}; else {_assigned(own)}; fi ;;",
        ]
    lines += ["    esac ;;", "esac"]
    return "".join(f"{indent}{line}\n" for line in lines)


def _assigned(values: Values) -> str:
    files = " files=yes" if values.files else ""
    return f"words={shlex.quote(' '.join(values.words))}{files}"


def fish(all_contexts: list[Context]) -> str:
    """For fish."""
    lines = ["# Completion of edgefer for fish; written by `edgefer completion fish`.", "complete -c edgefer -f"]
    for context in all_contexts:
        seen = [f"__fish_seen_subcommand_from {word}" for word in context.path.split()]
        unseen = [f"not __fish_seen_subcommand_from {' '.join(context.children)}"] if context.children else []
        start = f"complete -c edgefer -n {shlex.quote('; and '.join([*seen, *unseen]) or 'true')}"
        for name, summary in context.children.items():
            lines.append(f"{start} -a {name} -d {_fish(summary)}")
        if context.arguments.words:
            lines.append(f"{start} -a {_fish(' '.join(context.arguments.words))}")
        if context.arguments.files:
            lines.append(f"{start} -F")
        for spellings, text, value in context.options:
            names = " ".join(f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in spellings)
            words = f" -a {_fish(' '.join(value.words))}" if value and value.words else ""
            takes = "" if value is None else f" {'-r -F' if value.files else '-x'}{words}"
            lines.append(f"{start} {names}{takes} -d {_fish(text.split(';')[0].split(' (default')[0])}")
    return "\n".join(lines) + "\n"


def _fish(text: str) -> str:
    """Quoted for fish, where only these two are special between single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{' '.join(escaped.split())}'"
