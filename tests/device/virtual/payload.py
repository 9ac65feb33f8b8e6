"""What is carried into the virtual device: the wheel of this checkout with those it needs, a clip, and a profile."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = REPOSITORY / "build/device"
#: vivid's analogue input: PAL.
WIDTH, HEIGHT, FPS = 720, 576, 25
#: vivid loops what goes out where both sides have one pixel format; the camera alone would give luma as it is.
FORMAT = "yuyv"
#: The extras that the scenarios use.
EXTRAS = "[mqtt,web]"
#: What is run there besides: the benchmark and the checks of cameras.
CARRIED = ("bench/device/cameras.py", "tests/device/vivid_cameras.py")
READINGS = "/var/lib/private/edgefer/readings.jsonl"
#: Of this machine alone, which nobody reaches: what the broker and the page ask for.
PASSWORD = "the password of the broker"
TOKEN = "the-token-of-the-page"
PAGE = "127.0.0.1:8080"

ALONE = f"""\
board = "virtual device"

[camera]
device = "/dev/video0"
size = [{WIDTH}, {HEIGHT}]
fps = {FPS}
format = "{FORMAT}"

[compute]
threads = 1

[governor]
enabled = false

[[output]]
kind = "jsonl"
path = "readings.jsonl"
"""

#: With all that speaks over the network.
PROFILE = f"""\
{ALONE}
[[output]]
kind = "mqtt"
url = "mqtt://127.0.0.1"
user = "edgefer"
password_file = "/etc/edgefer/broker.password"
id = "virtual"

[[output]]
kind = "web"
address = "{PAGE}"
token_file = "/etc/edgefer/page.token"
"""

#: The broker takes nobody without the password; those who listen in the tests find it in their own settings.
BROKER = f"""\
set -e
umask 077
cat >/etc/mosquitto/conf.d/device.conf <<END
listener 1883 127.0.0.1
allow_anonymous false
password_file /etc/mosquitto/passwords
END
mosquitto_passwd -b -c /etc/mosquitto/passwords edgefer '{PASSWORD}'
chown mosquitto: /etc/mosquitto/passwords
chmod 644 /etc/mosquitto/conf.d/device.conf
mkdir -p /root/.config /etc/edgefer
printf -- '-u edgefer\\n-P {PASSWORD}\\n' >/root/.config/mosquitto_sub
echo '{PASSWORD}' >/etc/edgefer/broker.password
echo '{TOKEN}' >/etc/edgefer/page.token
systemctl unmask --quiet mosquitto.service
systemctl enable --quiet mosquitto.service
systemctl start --no-block mosquitto.service
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
systemctl enable --quiet player.service
systemctl start --no-block player.service
"""

#: As docs/device.md says; what edgefer depends on is there already, and so are the compiled forms of its modules, for
#: that alone takes ten minutes under emulation.
INSTALL = """\
set -e
python3 -m venv --without-pip /opt/edgefer
echo /mnt/site >/opt/edgefer/lib/python{python}/site-packages/carried.pth
/opt/edgefer/bin/python -m pip install --quiet --no-index \\
  --no-compile "edgefer{extras} @ file://$(ls /mnt/wheels/edgefer-*.whl)"
cp -r /mnt/compiled/. /opt/edgefer/lib/python{python}/site-packages/
"""

SERVICE = """\
cp /mnt/edgefer.toml /etc/edgefer.toml
/opt/edgefer/bin/edgefer service install --profile /etc/edgefer.toml
"""

#: The output node bears another number after the driver was bound again. A control of the input connects the two, which
#: newer kernels call otherwise.
PLAY = """\
#!/bin/sh
find() { for each in /sys/class/video4linux/video*; do grep -q "$1" "$each/name" && echo "/dev/${each##*/}"; done; }
output=$(find vid-out) input=$(find vid-cap)
[ "$output" ] && [ -c "$output" ] || exit 1
v4l2-ctl -d "$input" --set-ctrl loop_video=1 2>/dev/null ||
  v4l2-ctl -d "$input" --list-ctrls | # the last of a menu of "nothing" and the outputs
  sed -n 's/^ *\\(.*_is_connected_to\\) .*max=\\([0-9]*\\).*/\\1=\\2/p' | xargs -r v4l2-ctl -d "$input" --set-ctrl
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
            f"no wheel of edgefer for Python {python} on {machine} in dist/; "
            f"build it with: make wheels PYTHONS={python} MACHINES={machine}"
        )
    return max(wheels, key=os.path.getmtime)


def dependencies(wheel: Path, python: str, machine: str) -> Path:
    """A folder with all that a wheel needs there, installed once by this machine's pip."""
    # pip as well: out of Debian's wheel it would be compiled at each call
    needs = hashlib.sha256((REPOSITORY / "pyproject.toml").read_bytes() + EXTRAS.encode()).hexdigest()[:12]
    folder = BUILD / f"site-{python}-{machine}-{needs}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"--target={part}"]
        command += ["--no-compile", "--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        command += [f"--platform=manylinux_2_{minor}_{machine}" for minor in (35, 34, 31, 28, 27, 17)]
        command += [f"--platform=manylinux2014_{machine}", f"--platform=linux_{machine}"]
        subprocess.run([*command, f"{wheel}{EXTRAS}", "pip"], check=True)
        for own in part.glob("edgefer*"):
            shutil.rmtree(own)
        compile_modules(part, python)
        part.rename(folder)
    return folder


def interpreter(python: str) -> str | None:
    """A Python of a version on this machine, for what it compiles; of pyenv's, or on the PATH."""
    if python == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path) for path in sorted(pyenv.glob(f"{python}.*/bin/python{python}"))]
    return found[-1] if found else shutil.which(f"python{python}")


def compile_modules(folder: Path, python: str) -> None:
    """Compiles the modules of a folder, where this machine has that Python; else each start compiles them."""
    if program := interpreter(python):
        command = [program, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", folder]
        # a package may hold templates that are no Python
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


def build_payload(python: str, machine: str, path: Path) -> Path:
    """The disk that is carried in."""
    wheel = wheel_for(python, machine)
    folder = path.with_suffix(".files")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(dependencies(wheel, python, machine), folder / "site")
    (folder / "wheels").mkdir()
    shutil.copy(wheel, folder / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "compiled")
    compile_modules(folder / "compiled", python)
    for file in [*(folder / "compiled").rglob("*")]:
        if file.is_file() and file.suffix != ".pyc":
            file.unlink()
    clip().tofile(folder / "clip.yuyv")
    install = INSTALL.replace("{extras}", EXTRAS).replace("{python}", python)
    texts = {
        "alone.toml": ALONE,
        "edgefer.toml": PROFILE,
        "broker.sh": BROKER,
        "camera.sh": CAMERA,
        "install.sh": install,
        "service.sh": SERVICE,
        "until.sh": UNTIL,
        "vivid.conf": VIVID,
    }
    texts |= {"play.sh": PLAY, "player.service": PLAYER}
    for name, text in texts.items():
        (folder / name).write_text(text)
    for script in CARRIED:
        shutil.copy(REPOSITORY / script, folder)
    size = sum(file.stat().st_size for file in folder.rglob("*"))
    path.unlink(missing_ok=True)
    with path.open("wb") as disk:
        disk.truncate(round(size * 1.15) + (64 << 20))
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-d", folder, path], check=True)
    shutil.rmtree(folder)
    return path
