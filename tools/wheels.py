"""The wheels of edgefer for each Python and each processor, built on one machine: `make wheels`.

The wheel of `make wheel` brings all that is not compiled. What is compiled comes from one cross compiler for both
processors, zig's clang, which brings the headers and symbol versions of any glibc along: a wheel that was compiled
against this machine's own would refuse every older system. auditwheel then reads from the symbols which systems a wheel
runs on, and names it after them.

    python -m tools.wheels                                  all of them into dist/
    python -m tools.wheels --python 3.11 --machine aarch64  one

A Python's headers are those of an installation (on the PATH, of pyenv), or of the release of Debian that has it; the
kernels are compiled once a processor, the bindings once more for each Python.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
WORK = REPOSITORY / "build/wheels"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
#: Older than that of every system that NumPy's and OpenCV's wheels run on.
GLIBC = "2.17"
#: The releases of Debian that bring a Python.
RELEASES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
CAMERAS = "edgefer/sources/camera/v4l2_build.py"


class WheelError(Exception):
    """A wheel cannot be built, and why."""


def headers(python: str) -> Path:
    """The folder with Python.h of a version.

    Raises:
        WheelError: no installation has them, and no release of Debian.
    """
    program = shutil.which(f"python{python}")
    folders = [Path("/usr/include"), Path("/usr/local/include")]
    if program:
        folders.insert(0, Path(program).resolve().parents[1] / "include")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders += [version / "include" for version in sorted(pyenv.glob(f"{python}.*"))]
    for folder in folders:
        if (folder / f"python{python}/Python.h").is_file():
            return folder / f"python{python}"
    if python not in RELEASES:
        raise WheelError("its headers are not here, and no release of Debian has them: install it, as by pyenv")
    return _of_debian(python, RELEASES[python])


def _of_debian(python: str, release: str) -> Path:
    """The headers in Debian's package, fetched once from where this machine's own packages come from."""
    root = WORK / f"debian-{python}"
    found = root / f"usr/include/python{python}"
    if not found.is_dir():
        shutil.rmtree(root, ignore_errors=True)
        fetched = WORK / f"debian-{python}.part"
        shutil.rmtree(fetched, ignore_errors=True)
        (fetched / "lists/partial").mkdir(parents=True)
        try:
            sites = _output("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
            if not sites:
                raise WheelError("its headers are not here, and apt-get has no address of Debian's packages")
            key = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
            (fetched / "sources").write_text(f"deb [{key}] {sites[0]} {release} main\n")
            # lists and a status of its own: the machine's own packages stay as they are
            own = {"State::Lists": fetched / "lists", "State::status": os.devnull, "Cache": fetched / "cache"}
            own |= {"Etc::SourceList": fetched / "sources", "Etc::SourceParts": os.devnull}
            options = [f"-oDir::{name}={path}" for name, path in own.items()]
            options += ["-oAPT::Sandbox::User=", "-oAcquire::Languages=none"]
            _output("apt-get", *options, "update")
            _output("apt-get", *options, "download", f"libpython{python}-dev", folder=fetched)
            (package,) = fetched.glob("*.deb")
            _output("dpkg-deb", "--extract", str(package), str(root))
        except (OSError, subprocess.CalledProcessError) as error:
            reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
            raise WheelError(
                f"its headers are not here, and could not be fetched from Debian {release}: {reason}"
            ) from None
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
    return found


def _output(*command: str, folder: Path | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout


def include_flags(python: str, machine: str) -> str:
    """The compiler's flags to find Python's headers and pybind11's."""
    import pybind11

    folder = headers(python)
    flags = [folder]
    # Debian's pyconfig.h forwards to a folder named after the machine. Both machines are LP64 and little-endian: one
    # serves the other.
    forwarded = [*folder.parent.glob(f"*-linux-gnu/{folder.name}/pyconfig.h")]
    if forwarded:
        copy = WORK / f"pyconfig-{python}" / f"{machine}-linux-gnu" / folder.name
        copy.mkdir(parents=True, exist_ok=True)
        shutil.copy(forwarded[0], copy)
        flags.append(copy.parents[1])
    return " ".join(f"-isystem {flag}" for flag in (*flags, pybind11.get_include()))


def compiler(machine: str, language: str) -> Path:
    """A program that compiles for a machine; `language` is cc or c++."""
    program = WORK / f"{machine}-{language}"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m ziglang {language} -target {machine}-linux-gnu.{GLIBC} "$@"\n'
    )
    program.chmod(0o755)
    return program


def compile_kernels(python: str, machine: str) -> Path:
    """The extension; the objects of the kernels stay for the next Python."""
    build = WORK / machine
    extension = build / "edgefer/_kernels.so"
    shutil.rmtree(build / "objects/python", ignore_errors=True)
    extension.unlink(missing_ok=True)
    command = ["make", "--no-print-directory", f"-j{os.cpu_count()}", f"BUILD={build.relative_to(REPOSITORY)}"]
    command += [f"CXX={compiler(machine, 'c++')}", f"INCLUDES={include_flags(python, machine)}", "OPTIMISE=-O3 -g0 -s"]
    _run([*command, str(extension.relative_to(REPOSITORY))])
    return extension


def compile_cameras(python: str, machine: str) -> Path | None:
    """The module over V4L2, for every Python; None where this edgefer has none."""
    if not (REPOSITORY / CAMERAS).is_file():
        return None
    source, module = WORK / machine / "_v4l2.c", WORK / machine / "_v4l2.abi3.so"
    source.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(None):  # it says what it writes
        runpy.run_path(str(REPOSITORY / CAMERAS))["ffi"].emit_c_code(str(source))
    flags = (
        f"-O3 -g0 -s -shared -fPIC -DPy_LIMITED_API -I{(REPOSITORY / CAMERAS).parent} {include_flags(python, machine)}"
    )
    _run([str(compiler(machine, "cc")), *flags.split(), str(source), "-o", str(module)])
    return module


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WheelError(f"{command[0]}: failed with {done.returncode}:\n{(done.stderr or done.stdout)[-3000:]}")


def assemble(template: Path, tag: str, compiled: dict[str, Path], folder: Path) -> Path:
    """A wheel like another, with other compiled files.

    Args:
        tag: as in "cp311-cp311-linux_aarch64". compiled: by their names in the wheel. folder: where to write it.
    """
    name, version = template.name.split("-")[:2]
    path = folder / f"{name}-{version}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(template) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        record = []
        kept = [entry for entry in old.infolist() if not entry.filename.endswith((".so", "/RECORD"))]
        contents = [(entry, old.read(entry)) for entry in kept]
        for target, source in compiled.items():
            entry = zipfile.ZipInfo(target, kept[0].date_time)
            entry.external_attr, entry.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
            contents.insert(0, (entry, source.read_bytes()))
        for entry, data in contents:
            if entry.filename == f"{information}/WHEEL":
                data = re.sub(rb"(?m)^Tag: .*$", b"Tag: " + tag.encode(), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{entry.filename},sha256={digest},{len(data)}\n")
            new.writestr(entry, data)
        new.writestr(f"{information}/RECORD", "".join([*record, f"{information}/RECORD,,\n"]))
    return path


def named_after_symbols(wheel: Path, folder: Path) -> Path:
    """The wheel as auditwheel names it; the symbols that it uses say which systems it runs on."""
    before = set(folder.glob("*.whl"))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", folder, wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise WheelError(f"auditwheel: {wheel.name}: {done.stderr.strip()[-1000:]}")
    (made,) = set(folder.glob("*.whl")) - before
    return made


def build(template: Path, python: str, machine: str) -> Path:
    """One wheel in dist/.

    Raises:
        WheelError: it cannot be built.
    """
    interpreter = f"cp{python.replace('.', '')}"
    triple = f"cpython-{interpreter[2:]}-{machine}-linux-gnu"
    compiled = {f"edgefer/_kernels.{triple}.so": compile_kernels(python, machine)}
    if (cameras := compile_cameras(python, machine)) is not None:
        compiled["edgefer/sources/camera/_v4l2.abi3.so"] = cameras
    audited = WORK / "audited"
    shutil.rmtree(audited, ignore_errors=True)
    audited.mkdir(parents=True)
    made = named_after_symbols(
        assemble(template, f"{interpreter}-{interpreter}-linux_{machine}", compiled, WORK), audited
    )
    return Path(shutil.move(made, REPOSITORY / "dist" / made.name))


def main() -> int:
    """Builds what the arguments say; 1 when one could not be."""
    parser = argparse.ArgumentParser(prog="python -m tools.wheels", description="Build wheels into dist/.")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="a version, again and again; all by default")
    parser.add_argument("--machine", action="append", choices=MACHINES, help="a processor; both by default")
    parser.add_argument("--template", type=Path, help="the wheel that brings the rest; the newest in dist/ by default")
    args = parser.parse_args()
    templates = sorted((REPOSITORY / "dist").glob("edgefer-*-linux_*.whl"), key=os.path.getmtime)
    if args.template is None and not templates:
        parser.error("no wheel in dist/ to take the rest from; run: make wheel")
    failed = 0
    for machine in args.machine or MACHINES:
        for python in args.python or PYTHONS:
            try:
                made = build(args.template or templates[-1], python, machine)
                print(f"{made.relative_to(REPOSITORY)}  {made.stat().st_size / 1e6:.1f} MB", flush=True)
            except WheelError as error:
                print(f"wheels: Python {python} on {machine}: {error}", file=sys.stderr)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
