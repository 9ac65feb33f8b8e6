"""Writes the initrd of the virtual device, and leaves in its root only the kernel modules that it can use.

python initrd.py ROOT INIT OUTPUT: ROOT the folder of the system, INIT the first program, OUTPUT the cpio archive.
"""

from __future__ import annotations

import lzma
import re
import sys
from pathlib import Path

#: For the disk; ext4 asks for a checksum by name, which no list of dependencies tells.
BOOT = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
#: For the system and the tests: a camera, the serial line's faster sibling, folders shared with the host.
LATER = (
    "vivid",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "9p",
    "9pnet_virtio",
    "autofs4",
    "fuse",
    "loop",
    "overlay",
)


def plain(path: Path) -> bytes:
    """A module as the kernel takes it."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def closure(paths: dict[str, Path], names: tuple[str, ...]) -> list[Path]:
    """The modules and those they need, each once, in loading order; what this kernel has built in is not there."""
    ordered: dict[Path, None] = {}
    for name in names:
        if name in paths and paths[name] not in ordered:
            needs = re.search(rb"\0depends=([^\0]*)\0", plain(paths[name]))
            assert needs, f"{paths[name]} does not say what it depends on"
            ordered |= dict.fromkeys(
                closure(paths, tuple(filter(None, needs[1].decode().replace("-", "_").split(","))))
            )
            ordered[paths[name]] = None
    return list(ordered)


def cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    """An archive in the format newc (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst)."""
    archive = b""
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + "".join(f"{field:08x}" for field in fields).encode() + name.encode() + b"\0"
        archive += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return archive


def main(root: Path, init: Path, output: Path) -> None:
    """Writes the archive, then removes the other modules."""
    (modules,) = (root / "lib/modules").iterdir()
    paths = {path.name.split(".")[0].replace("-", "_"): path for path in modules.rglob("*.ko*")}
    if "vivid" not in paths:
        raise SystemExit(f"initrd: the kernel {modules.name} has no module vivid")
    boot = closure(paths, BOOT)
    names = [path.name.split(".")[0] + ".ko" for path in boot]
    folders = [(name, 0o40755, b"") for name in ("dev", "root")]
    listed = ("modules.list", 0o100644, "".join(f"/{name}\n" for name in names).encode())
    files = [(name, 0o100644, plain(path)) for name, path in zip(names, boot, strict=True)]
    output.write_bytes(cpio([*folders, ("init", 0o100755, init.read_bytes()), listed, *files]))
    for path in set(paths.values()) - set(closure(paths, (*BOOT, *LATER))):
        path.unlink()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
