"""What edgefer and its extras take on this machine's disk, package by package.

    python -m tools.installed [EXTRA …]     (default: the core, then each extra that is installed whole)

A package that several extras bring is counted with the first of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CORE = ""


def size_mb(package: Distribution) -> float:
    """Size of a package's files, 10^6 bytes; compiled Python, which every machine makes for itself, left out."""
    paths = (Path(str(package.locate_file(file))) for file in package.files or [] if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def required(name: str, extras: Sequence[str]) -> Iterator[Requirement]:
    """The direct requirements of a package with these extras, on this machine; those of "" always hold."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras or [CORE]
        ):
            yield requirement


def tree(name: str, extras: Sequence[str], known: set[str]) -> Iterator[str]:
    """Everything that a package with these extras brings and that is not known yet; `known` grows.

    Raises:
        PackageNotFoundError: something of it is not installed.
    """
    for requirement in required(name, extras):
        package = canonicalize_name(requirement.name)
        if package not in known or requirement.extras:
            if package not in known:
                known.add(package)
                yield package
            yield from tree(package, [CORE, *requirement.extras], known)


def rows(extras: Sequence[str]) -> Iterator[tuple[str, str, str, float]]:
    """Extra, package, version and MB of everything; an extra of which something is missing is left out."""
    known = {"edgefer"}
    for extra in extras:
        try:
            found = list(tree("edgefer", [extra], known))
        except PackageNotFoundError:
            continue
        for name in found:
            package = distribution(name)
            yield extra, name, package.version, size_mb(package)


def table(extras: Sequence[str] = ()) -> str:
    """The rows as a Markdown table, with a sum for each extra."""
    chosen = [CORE, *(extras or sorted(distribution("edgefer").metadata.get_all("Provides-Extra") or []))]
    lines = ["| extra | package | version | MB |", "|---|---|---|---:|"]
    by_extra: dict[str, list[tuple[str, str, float]]] = {}
    for extra, name, version, size in rows(chosen):
        by_extra.setdefault(extra, []).append((name, version, size))
    for extra, packages in by_extra.items():
        shown = f"`{extra}`" if extra else "core"
        packages.sort(key=lambda package: -package[2])
        lines += [f"| {shown} | {name} | {version} | {size:.1f} |" for name, version, size in packages]
        lines.append(f"| **{shown}** | | | **{sum(size for *_, size in packages):.1f}** |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(sys.argv[1:]))
