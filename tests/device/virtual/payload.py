"""What is carried into the virtual device: the wheel of this checkout with those it needs, a clip, and a profile."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = REPOSITORY / "build/device"
#: vivid's analogue input: PAL.
WIDTH, HEIGHT, FPS = 720, 576, 25
#: The extras that the scenarios use, as far as this edgefer has them.
EXTRAS = ("mqtt", "sign")
READINGS = "/var/lib/private/edgefer/readings.jsonl"

PROFILE = f"""\
board = "virtual device"

[camera]
device = "/dev/video0"
size = [{WIDTH}, {HEIGHT}]
fps = {FPS}

[compute]
threads = 1

[governor]
enabled = false

[[output]]
kind = "jsonl"
path = "readings.jsonl"
"""

#: One analogue input and one analogue output; what goes out comes in.
VIVID = "options vivid node_types=0x101 num_inputs=1 input_types=0x2 num_outputs=1 output_types=0\n"

CAMERA = """\
set -e
echo vivid >/etc/modules-load.d/vivid.conf
cp /mnt/vivid.conf /etc/modprobe.d/
cp /mnt/player.service /etc/systemd/system/
cp /mnt/play.sh /usr/local/bin/play.sh
grep -q vdb /etc/fstab 2>/dev/null || echo '/dev/vdb /mnt ext4 ro 0 0' >>/etc/fstab
systemctl daemon-reload
modprobe vivid
systemctl enable --now player.service
"""

#: As docs/device.md says, but for pip: a venv's own copy of it takes a minute to install under emulation.
INSTALL = """\
set -e
python3 -m venv --without-pip /opt/edgefer
PYTHONPATH=$(ls /usr/share/python-wheels/pip-*.whl) /opt/edgefer/bin/python -m pip install --quiet \\
  --no-index --no-compile --find-links /mnt/wheels "edgefer{extras}"
cp /mnt/edgefer.toml /etc/edgefer.toml
/opt/edgefer/bin/edgefer service install --profile /etc/edgefer.toml
"""

#: The output node bears another number after the driver was bound again. Newer kernels connect output and input by a
#: control of the input, older ones by one of the output.
PLAY = """\
#!/bin/sh
find() { for each in /sys/class/video4linux/video*; do grep -q "$1" "$each/name" && echo "/dev/${each##*/}"; done; }
output=$(find vid-out) input=$(find vid-cap)
[ "$output" ] && [ -c "$output" ] || exit 1
v4l2-ctl -d "$output" --set-ctrl loop_video=1 2>/dev/null ||
  v4l2-ctl -d "$input" --set-ctrl s_video_000_0_is_connected_to=1
exec v4l2-ctl -d "$output" --stream-out-mmap=4 --stream-from=/mnt/clip.yuyv --stream-loop >/dev/null 2>&1
"""

#: until.sh SECONDS FIRST CONDITION: runs a command, then another until it succeeds; prints how many ms that took.
UNTIL = """\
begin=$(date +%s%N)
eval "$2"
until eval "$3"; do
  [ $((($(date +%s%N) - begin) / 1000000000)) -lt "$1" ] || { echo "not within $1 s: $3"; exit 1; }
  sleep 0.1
done
echo $((($(date +%s%N) - begin) / 1000000))
"""

PLAYER = """\
[Unit]
Description=The face before the camera
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh /usr/local/bin/play.sh
Restart=always
RestartSec=0.3
KillSignal=SIGKILL
[Install]
WantedBy=multi-user.target
"""


def clip(seconds: float = 10, step: int = 3) -> np.ndarray:
    """The demo's portrait in the middle of the camera's picture, YUYV; one in `step` of the demo's frames."""
    from edgefer.sources.demo import Demo

    demo = Demo(seconds)
    assert demo.length is not None
    top, left = (HEIGHT - demo.size[1]) // 2, (WIDTH - demo.size[0]) // 2
    frames = np.full((demo.length // step, HEIGHT, WIDTH, 2), 128, np.uint8)
    for frame, index in zip(frames, range(0, demo.length, step), strict=False):
        frame[:, :, 0] = np.pad(demo.render(index).grey, ((top, top), (left, left)), mode="edge")
    return frames


def python_of(image: Path) -> str:
    """The Python of a system, as "3.11"."""
    return (image / "python").read_text().strip()


def wheel_for(python: str, machine: str) -> Path:
    """The newest wheel in dist/ for a Python ("3.11") on a machine ("x86_64").

    Raises:
        FileNotFoundError: there is none; `make wheel` builds that of this Python, `make wheels` those of the others.
    """
    tag = f"cp{python.replace('.', '')}"
    wheels = [*(REPOSITORY / "dist").glob(f"edgefer-*-{tag}-*{machine}.whl")]
    if not wheels:
        raise FileNotFoundError(
            f"no wheel of edgefer for Python {python} on {machine} in dist/; build it with: make wheels"
        )
    return max(wheels, key=os.path.getmtime)


def extras_of(wheel: Path) -> list[str]:
    """Those of EXTRAS that the wheel knows."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        known = Parser().parsestr(archive.read(name).decode()).get_all("Provides-Extra", [])
    return [extra for extra in EXTRAS if extra in known]


def wheelhouse(wheel: Path, python: str, machine: str) -> Path:
    """The wheels that a wheel needs there, downloaded once."""
    extras = extras_of(wheel)
    needs = hashlib.sha256((REPOSITORY / "pyproject.toml").read_bytes() + repr(extras).encode()).hexdigest()[:12]
    folder = BUILD / f"wheels-{python}-{machine}-{needs}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", f"--dest={part}"]
        command += ["--only-binary=:all:", f"--python-version={python}", f"--platform=linux_{machine}"]
        command += [f"--platform=manylinux_2_{minor}_{machine}" for minor in (35, 34, 31, 28, 27, 17)]
        subprocess.run([*command, f"--platform=manylinux2014_{machine}", f"{wheel}{_in_brackets(extras)}"], check=True)
        for own in part.glob("edgefer-*.whl"):
            own.unlink()
        part.rename(folder)
    return folder


def _in_brackets(extras: list[str]) -> str:
    return f"[{','.join(extras)}]" if extras else ""


def build_payload(python: str, machine: str, path: Path) -> Path:
    """The disk that is carried in."""
    wheel = wheel_for(python, machine)
    folder = path.with_suffix(".files")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(wheelhouse(wheel, python, machine), folder / "wheels")
    shutil.copy(wheel, folder / "wheels")
    clip().tofile(folder / "clip.yuyv")
    install = INSTALL.replace("{extras}", _in_brackets(extras_of(wheel)))
    texts = {
        "edgefer.toml": PROFILE,
        "camera.sh": CAMERA,
        "install.sh": install,
        "until.sh": UNTIL,
        "vivid.conf": VIVID,
    }
    texts |= {"play.sh": PLAY, "player.service": PLAYER}
    for name, text in texts.items():
        (folder / name).write_text(text)
    size = sum(file.stat().st_size for file in folder.rglob("*"))
    path.unlink(missing_ok=True)
    with path.open("wb") as disk:
        disk.truncate(round(size * 1.1) + (32 << 20))
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-d", folder, path], check=True)
    shutil.rmtree(folder)
    return path
