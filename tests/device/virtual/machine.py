"""A virtual device: a machine under qemu, driven by the root shell on its serial line."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
_EMULATED = {
    "amd64": ["qemu-system-x86_64", "-machine", "pc", "-cpu", "max,la57=off"],
    "arm64": ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"],
}
#: No display, no network, no firmware that waits; the processor's own clock, for each look at another one leaves the
#: emulated code.
_KERNEL = {"amd64": "console=ttyS0 tsc=reliable clocksource=tsc nowatchdog", "arm64": "console=ttyAMA0 nowatchdog"}


#: What a device without a screen and without people does at its start for nothing; under emulation each takes seconds.
_MASKED = (
    "systemd-logind.service",
    "systemd-user-sessions.service",
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
    *(f"modprobe@{module}.service" for module in ("configfs", "dm_mod", "drm", "efi_pstore", "fuse", "loop")),
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)


class DeviceFailure(AssertionError):
    """A command failed in the machine, did not end, or the machine itself ended."""


@contextlib.contextmanager
def overlay(base: Path) -> Iterator[Path]:
    """A disk that begins as `base` and keeps what is written to it in a file of its own, for the length of a block.

    The file is in memory, where there is a place for it: the machine's clock runs on while it waits for a disk. What
    the machine has not flushed is lost with the emulator all the same.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None, prefix="device-") as folder:
        disk = Path(folder, "disk.qcow2")
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base.resolve(), disk]
        subprocess.run(command, check=True)
        yield disk


class NoNetwork(Exception):
    """Debian's packages cannot be fetched, and there is no image from before."""


class Machine:
    """A machine that runs; `run` types a command on its serial line and waits for what it prints.

    Attributes:
        disk: as given.
        console: all that came over the serial line, for the report of a failure; `log` gets it as it comes.
    """

    def __init__(
        self, image: Path, disk: Path, data: Path | None = None, arch: str = "amd64", log: Path | None = None
    ) -> None:
        """Starts it.

        Args:
            image: folder with kernel and initrd. disk: its disk, an overlay. data: a second disk, read only.
        """
        # The machine's clock counts its instructions, a thousand million a second, and skips what it would sleep: its
        # seconds are the same however slow or busy this machine is.
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            *_EMULATED[arch],
            "-accel",
            "tcg,thread=single",
            "-icount",
            "shift=0,sleep=off",
        ]
        command += ["-m", "2048", "-no-reboot"]
        command += ["-display", "none", "-monitor", "none", "-serial", "stdio", "-nodefaults"]
        command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")]
        quiet = "loglevel=1 panic=-1 mitigations=off systemd.show_status=no cryptomgr.notests"
        masked = " ".join(f"systemd.mask={unit}" for unit in _MASKED)
        command += ["-append", f"root=/dev/vda rw {_KERNEL[arch]} {quiet} {masked}"]
        command += ["-drive", f"file={disk},if=virtio,format=qcow2"]
        if data is not None:
            command += ["-drive", f"file={data},if=virtio,format=raw,readonly=on"]
        self.disk, self.console = disk, b""
        self._log = log.open("wb", buffering=0) if log is not None else None
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *error: object) -> None:
        self.cut_power()

    def boot(self, timeout_s: float = 600) -> float:
        """Waits for the shell; the seconds that it took."""
        begin = time.monotonic()
        # Nothing is typed before it asks: an emulated serial line that fills up before its driver is there stays deaf.
        self._until(rb"bash-\S*# ", timeout_s)
        while time.monotonic() - begin < timeout_s:
            mark = uuid.uuid4().hex
            # What is typed comes back until the echo is off, so the mark is not typed as it is printed.
            self._type(f"stty -echo; PS1= PS2=; set +m; echo {mark[:16]}''{mark[16:]}")
            if self._until(mark.encode(), 5) is not None:
                self.run("dmesg -n 1; stty -onlcr cols 500 2>/dev/null; true")
                return time.monotonic() - begin
        raise DeviceFailure(f"no shell within {timeout_s:g} s; the serial line said:\n{self.tail()}")

    def run(self, command: str, timeout_s: float = 600, check: bool = True) -> str:
        """What a command of the shell prints.

        Raises:
            DeviceFailure: it failed (unless not `check`), or did not end in time.
        """
        mark = uuid.uuid4().hex
        self._type(f"{{ {command}\n}} </dev/null 2>&1; echo {mark} $?")
        printed = self._until(re.escape(mark.encode()) + rb" (\d+)\r?\n", timeout_s)
        if printed is None:
            raise DeviceFailure(f"{command}: no end within {timeout_s:g} s; the serial line said:\n{self.tail()}")
        text, code = printed
        if check and code != "0":
            raise DeviceFailure(f"{command}: exit status {code}:\n{text}")
        return text

    def wait_for(self, command: str, timeout_s: float = 60, every_s: float = 0.5) -> str:
        """Runs a command until it succeeds; what it printed then."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                return self.run(command)
            except DeviceFailure:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
            time.sleep(every_s)

    def cut_power_under(self, command: str, after_s: float) -> None:
        """Begins a command and cuts the power so many seconds later, by the machine's own clock."""
        mark = uuid.uuid4().hex
        self._type(f"(sleep {after_s:.3f}; echo {mark[:16]}''{mark[16:]}) & {command} </dev/null >/dev/null 2>&1")
        if self._until(mark.encode(), after_s * 100 + 600) is None:
            raise DeviceFailure(
                f"{command}: the moment of the power cut did not come; the serial line said:\n{self.tail()}"
            )
        self.cut_power()

    def cut_power(self) -> None:
        """Ends the emulator at once: what the machine had not written to its disk is lost."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def switch_off(self, timeout_s: float = 120) -> None:
        """An orderly end."""
        self._type("systemctl poweroff")
        self._process.wait(timeout_s)
        self.cut_power()

    def tail(self, lines: int = 40) -> str:
        """The last lines of the serial line."""
        return "\n".join(self.console.decode(errors="replace").splitlines()[-lines:])

    def _type(self, line: str) -> None:
        try:
            os.write(self._input, line.encode() + b"\n")
        except OSError:
            raise DeviceFailure(f"the machine has ended; the serial line said:\n{self.tail()}") from None

    def _until(self, pattern: bytes, timeout_s: float) -> tuple[str, str] | None:
        """What came until a pattern did, and the pattern's group; None when it does not come in time."""
        begin, end = len(self.console), time.monotonic() + timeout_s
        while (found := re.search(pattern, self.console[begin:])) is None:
            if not select.select([self._output], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            data = os.read(self._output, 65536)
            if not data:
                raise DeviceFailure(f"the machine has ended; the serial line said:\n{self.tail()}")
            self.console += data
            if self._log is not None:
                self._log.write(data)
        text = self.console[begin : begin + found.start()].decode(errors="replace").replace("\r\n", "\n")
        return text, found.group(1).decode() if found.groups() else ""


def missing(arch: str = "amd64") -> str | None:
    """What this machine lacks to run a virtual device, or None."""
    programs = {_EMULATED[arch][0]: "qemu-system", "qemu-img": "qemu-utils", "debootstrap": "debootstrap"}
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    lacking = [package for program, package in programs.items() if shutil.which(program, path=path) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return None if os.geteuid() == 0 else "debootstrap needs root"


def build_image(arch: str = "amd64") -> Path:
    """The folder with the system, built or as it was built before.

    Raises:
        NoNetwork: as it says.
    """
    built = subprocess.run(["sh", HERE / "image.sh", arch], capture_output=True, text=True, check=False)
    if built.returncode == 4:
        raise NoNetwork("debootstrap reaches no mirror of Debian's, and there is no image from before")
    if built.returncode:
        raise DeviceFailure(f"image.sh: {built.stderr.strip() or built.returncode}")
    return Path(built.stdout.splitlines()[-1])
