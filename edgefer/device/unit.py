"""The systemd unit of a run: started at boot, watched, and kept from all that it does not need.

Reference: systemd.exec(5), systemd.service(5), systemd.resource-control(5).
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from edgefer.config.settings import Settings, model_names
from edgefer.errors import UsageError
from edgefer.models.place import SERVICE
from edgefer.sinks.registry import FOLDER as FILLED
from edgefer.sinks.registry import NETWORK, PROCESS, STANDARD, is_folder
from edgefer.sources.network.address import parse_address
from edgefer.support.credentials import credential_name
from edgefer.support.names import shown
from edgefer.support.typed import READ_FILE, SECRET_FILE, fields_of, is_marked

NAME = "edgefer.service"
FOLDER = Path("/etc/systemd/system")

#: Folders that a unit with ProtectHome= does not see; what it needs of them is bound into its view.
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")

_UNIT = """\
# Written by `edgefer service install`; `edgefer service uninstall` takes it away.
[Unit]
Description=edgefer: facial expressions from a camera
Documentation=man:systemd.service(5)
{after}StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
ExecStart={command}
# Ready when the first reading is written; a camera may take its time.
TimeoutStartSec=180
# Fed while readings come, or the source is being waited for: a loop that hangs is ended and begun again.
WatchdogSec=10
Restart=always
RestartSec=2
TimeoutStopSec=5

DynamicUser=yes
SupplementaryGroups=video
StateDirectory=edgefer
StateDirectoryMode=0700
WorkingDirectory=%S/edgefer
Environment=EDGEFER_STATE=%S/edgefer PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
UMask=0077
{seen}{written}{secrets}
# Devices: cameras alone.
DevicePolicy=closed
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw

# Network.
{network}
# The rest of the system.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=tmpfs
PrivateTmp=yes
PrivateUsers=yes
PrivateMounts=yes
PrivateIPC=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
{calls}SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
# Netlink is how the kernel says that a camera came.
_ALONE = "PrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX AF_NETLINK\nIPAddressDeny=any\n"
_REACHING = "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6\n"


def text(settings: Settings, profile: str, prefix: Path | None = None) -> str:
    """The unit for a profile.

    Args:
        settings: of that profile; they decide what the service may do: the network only where its source is reached
            over it or an output speaks to it, and then with those alone whose addresses they say; files outside of its
            state folder only where outputs have absolute paths; a choice of processors only where it makes one, and of
            priorities only where an output gives way to the run.
        profile: a shipped profile by name, or the path of a file.
        prefix: of the Python installation; this one's when None.

    Raises:
        UsageError: a path that a unit cannot hold. UsageError, SourceError: an output or the camera has an address that
        is none.
    """
    prefix = prefix or Path(sys.prefix)
    is_file = os.sep in profile or profile.endswith(".toml")
    given = str(Path(profile).absolute()) if is_file else profile
    needed = {prefix, Path(sys.base_prefix), Path(__file__).resolve().parents[1]}
    needed |= {Path(given)} if is_file else set()
    needed |= {Path(model) for model in model_names(settings) if os.sep in model}
    python = prefix / "bin" / Path(sys.executable).name
    words = (str(python), "-m", "edgefer", "run", "--profile", given)
    needed |= {Path(path) for path in _files(settings, READ_FILE)}
    written = _outside(settings)
    secrets = list(_files(settings, SECRET_FILE))
    for path in (given, *map(str, (*needed, *written)), *secrets):
        if shown(path) != path:  # a line break would begin a line of its own, and a unit is UTF-8
            raise UsageError(f"service: {shown(path)}: expected a path in UTF-8 without control characters; rename it")
    mounts = sorted({mount for folder in written for mount in _mounts(folder)})
    return _UNIT.format(
        command=" ".join(_quoted(word.replace("$", "$$")) for word in words),
        after=f"After={' '.join(mounts)}\n" if mounts else "",
        seen=_bound(needed),
        written=_writable(written),
        secrets="".join(f"LoadCredential={credential_name(path)}:{path.replace('%', '%%')}\n" for path in secrets),
        network=_network(settings),
        calls="".join(f"SystemCallFilter={call}\n" for call in _calls(settings)),
    )


def _calls(settings: Settings) -> Iterator[str]:
    """System calls of @resources that the profile has a use for."""
    if settings.compute.pin:
        yield "sched_setaffinity"
    needs = {need for output in settings.outputs for need in output.entry.needs}
    if needs & {NETWORK, PROCESS}:
        yield "sched_setscheduler"
    if PROCESS in needs:
        yield "setpriority"


def _files(settings: Settings, mark: str) -> Iterator[str]:
    """The files with a mark that the outputs read."""
    for output in settings.outputs:
        for field in fields_of(output.options.__class__):
            path = getattr(output.options, field.name)
            if path and is_marked(field.type, mark):
                yield str(Path(os.path.expanduser(path)).absolute())


def _outside(settings: Settings) -> set[Path]:
    """The folders outside of the service's own in which outputs write."""
    folders = set()
    for output in settings.outputs:
        path = getattr(output.options, "path", "")
        if os.path.isabs(path) and path not in STANDARD:
            is_filled = FILLED in output.entry.needs and is_folder(path)
            folders.add(Path(os.path.normpath(path if is_filled else os.path.dirname(path))))
    own = (SERVICE, SERVICE.parent / "private" / SERVICE.name, Path("/dev"), Path("/proc"))
    return {each for each in folders if each != Path("/") and not any(each.is_relative_to(other) for other in own)}


def _writable(folders: set[Path]) -> str:
    """Folders that the service may write; one that is not there keeps it from nothing but writing in it."""
    hidden = {folder for folder in folders if any(folder.is_relative_to(each) for each in HIDDEN)}
    bound = " ".join(_quoted("-" + str(folder).replace(":", "\\:")) for folder in sorted(hidden))
    plain = " ".join(_quoted(f"-{folder}") for folder in sorted(folders - hidden))
    return (f"BindPaths={bound}\n" if bound else "") + (f"ReadWritePaths={plain}\n" if plain else "")


def _mounts(folder: Path) -> Iterator[str]:
    """The units that mount a folder or one above it, where there are any: a disk of /etc/fstab comes first then."""

    def escaped(match: re.Match) -> str:
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(match[0]))

    for path in (folder, *list(folder.parents)[:-1]):
        name = "/".join(path.parts[1:])
        yield re.sub(r"[^A-Za-z0-9:_./]|^\.", escaped, name).replace("/", "-") + ".mount"


def _network(settings: Settings) -> str:
    """What of the network is there: nothing, some addresses, or all of it where only a name is known."""
    device = str(settings.camera.device)
    peers = [parse_address(device, host_needed=False).host.lower()] if "://" in device else []
    peers += [getattr(output.options, "peer", "") for output in settings.outputs if NETWORK in output.entry.needs]
    if not peers:
        return _ALONE
    try:
        addresses = {"localhost" if peer == "localhost" else str(ipaddress.ip_address(peer)) for peer in peers}
    except ValueError:  # a name, or anyone
        return _REACHING
    return f"{_REACHING}IPAddressDeny=any\nIPAddressAllow={' '.join(sorted(addresses))}\n"


def _bound(needed: set[Path]) -> str:
    """What of this has to be bound into the service's view; what lies in another one comes with it."""
    hidden = {path for path in needed if any(path.is_relative_to(folder) for folder in HIDDEN)}
    outermost = sorted(path for path in hidden if not any(path.is_relative_to(each) for each in hidden - {path}))
    paths = " ".join(_quoted(str(path).replace(":", "\\:")) for path in outermost)
    return f"BindReadOnlyPaths={paths}\n" if paths else ""


def _quoted(word: str) -> str:
    """A word of a unit file, without the meaning that quotes, spaces and percent signs have there."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"' if plain != word or any(each in plain for each in " \t;'") else plain
