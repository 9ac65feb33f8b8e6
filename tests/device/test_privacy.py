"""With the default profile nothing leaves the device, and no picture is written: watched at the system calls.

The run has a network namespace without any network, so that nothing it needs can come over one, and strace tells every
call by which a byte can leave a process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Into the network, and into files: by writing, by the kernel copying, by shared memory, and by queues to the kernel.
CALLS = (
    "%network,open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range,splice,vmsplice,"
    "tee,io_uring_setup,mmap,process_vm_writev,mknod,mknodat,truncate,ftruncate,execve"
)
#: Bytes of text for each reading, at most; a picture of the demo has 307,200.
TEXT_BYTES = 400
FRAMES = 40


def namespace() -> list[str]:
    """The command that gives a process a network of its own, which has nothing in it."""
    for options in (["-n"], ["-rn"]):
        command = ["unshare", *options]
        if shutil.which("unshare") and not subprocess.run([*command, "true"], capture_output=True).returncode:
            return command
    pytest.skip("needs the right to make a network namespace (unshare -n)")


def trace(folder: Path, *arguments: str) -> list[str]:
    """The calls of a run of so many frames, a line each, without those that failed."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    pytest.importorskip("matplotlib", reason="the portrait of the demo comes with matplotlib")
    log = folder / "trace"
    strace = ["strace", "-f", "-qq", "-s", "64", "-y", "-e", f"trace={CALLS}", "-o", str(log)]
    run = [sys.executable, "-m", "edgefer", "run", "-q", "demo:forever", "--frames", str(FRAMES), *arguments]
    # a folder of its own that is not there: another test may have made the one of all
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "EDGEFER_STATE": str(folder / "no-state")}
    environment.pop("NOTIFY_SOCKET", None)
    done = subprocess.run(
        [*namespace(), *strace, *run], capture_output=True, text=True, timeout=120, cwd=folder, env=environment
    )
    if "ptrace" in done.stderr or "PTRACE" in done.stderr:
        pytest.skip("needs the right to trace a process (ptrace)")
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ")[2].strip() for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if " = -1 " not in line]


def sent(calls: list[str]) -> list[str]:
    """What could reach another machine: a socket of any kind but those within this one."""
    return [
        call
        for call in calls
        if re.match(r"(socket|connect|bind|send\w*)\(", call) and "AF_UNIX" not in call and "socketpair" not in call
    ]


def written(calls: list[str]) -> dict[str, int]:
    """Bytes by file, as the kernel names it; standard output and errors among them."""
    files: dict[str, int] = {}
    for call in calls:
        if re.match(r"(p?writev?2?|pwrite64|sendfile|copy_file_range|splice|vmsplice|tee)\(", call):
            name = re.search(r"\(\d+<([^>]*)>", call)
            count = re.search(r"= (\d+)$", call)
            if name and count:
                files[name[1]] = files.get(name[1], 0) + int(count[1])
    return files


def opened_for_writing(calls: list[str]) -> set[str]:
    """Files that could have been written, also through memory or a queue."""
    found = set()
    for call in calls:
        name = re.search(r'"([^"]*)"', call)
        makes = re.match(r"(creat|mknod|mknodat|truncate)\(", call)
        writes = re.match(r"open(at|at2)?\(", call) and re.search(r"O_WRONLY|O_RDWR|O_CREAT", call)
        if name and (makes or writes):
            found.add(name[1])
        shared = (
            call.startswith("mmap(") and "MAP_SHARED" in call and "PROT_WRITE" in call and "MAP_ANONYMOUS" not in call
        )
        if shared or call.startswith(("io_uring_setup(", "process_vm_writev(")):
            found.add(call)
    return found - {"/dev/null", "/dev/tty"}


def test_nothing_leaves_the_device_and_no_picture_is_written(tmp_path):
    """The default profile and its default output, which is the table."""
    calls = trace(tmp_path)
    assert len(calls) > 100 and any("openat" in call and "model.tflite" in call for call in calls), "nothing was traced"
    assert sent(calls) == []
    assert opened_for_writing(calls) == set()
    assert [call for call in calls[1:] if call.startswith("execve(") and "python" not in call] == []
    bytes_of = written(calls)
    assert bytes_of, "the table writes its lines"
    assert sum(bytes_of.values()) < TEXT_BYTES * FRAMES, bytes_of
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


@pytest.mark.parametrize(
    ("call", "leaves"),
    [
        ("socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 5<UDP:[1]>", True),
        ('sendto(5<UDP:[1]>, "x", 1, 0, {sa_family=AF_INET6}, 28) = 1', True),
        ("connect(5<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(443)}, 16) = 0", True),
        ("socket(AF_UNIX, SOCK_DGRAM, 0) = 5<UNIX:[1]>", False),
        ('write(1</dev/pts/0>, "socket(AF_INET)", 15) = 15', False),
    ],
)
def test_a_call_that_leaves_the_machine_is_seen(call, leaves):
    assert bool(sent([call])) == leaves


def test_a_picture_that_a_person_asked_for_is_seen_by_the_same_eyes(tmp_path):
    """Else the test above would show nothing."""
    calls = trace(tmp_path, "--output", "image:seen/,every=20")
    assert any("seen" in name for name in opened_for_writing(calls))
    assert sum(written(calls).values()) > TEXT_BYTES * FRAMES
