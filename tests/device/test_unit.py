"""The systemd unit: what it may do follows from the profile, and systemd itself judges how little that is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from edgefer import config
from edgefer.device import unit
from edgefer.errors import UsageError
from edgefer.sinks.registry import OUTPUTS
from edgefer.sinks.thread import CLOSE_S
from edgefer.support.credentials import credential_name, credential_path

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here")


def lines(profile: str = "pi4", prefix: str = "/opt/edgefer", **changes) -> list[str]:
    settings = msgspec.structs.replace(config.load_profile("pi4"), **changes)
    return unit.text(settings, profile, Path(prefix)).splitlines()


def camera(device):
    return msgspec.structs.replace(config.load_profile("pi4").camera, device=device)


def test_the_command_names_the_profile_by_its_full_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert any(re.fullmatch(r"ExecStart=/opt/edgefer/bin/\S+ -m edgefer run --profile pi4", line) for line in lines())
    assert any(line.endswith(f"--profile {tmp_path}/my.toml") for line in lines("my.toml"))


def test_a_name_with_signs_that_systemd_reads_stays_what_it_is():
    (command,) = (line for line in lines("/etc/100%/a b$c.toml") if line.startswith("ExecStart="))
    assert command.endswith('"/etc/100%%/a b$$c.toml"')


@pytest.mark.parametrize("profile", ["a\nUser=root\n.toml", "/etc/\x1b.toml", "x\udcff.toml", "a\u2028b.toml"])
def test_a_path_that_a_unit_cannot_hold_is_refused(profile):
    """A line break in it would begin a line of the unit's own."""
    with pytest.raises(
        UsageError, match=r"^service: .*: expected a path in UTF-8 without control characters"
    ) as caught:
        lines(profile)
    assert str(caught.value).isprintable()
    with pytest.raises(UsageError, match="expected a path in UTF-8 without control characters"):
        lines(**outputs("mqtt:mqtts://h,user=x,password_file=/etc/a\nb"))
    with pytest.raises(UsageError, match="expected a path in UTF-8 without control characters"):
        lines(**outputs("csv:/mnt/a\nb/a.csv"))


def test_of_a_home_only_what_is_needed_is_seen():
    (bound,) = (line for line in lines("/home/pi/my.toml", "/home/pi/venv") if line.startswith("BindReadOnlyPaths="))
    assert {"/home/pi/venv", "/home/pi/my.toml"} <= set(bound.partition("=")[2].split())


@pytest.mark.parametrize(("device", "alone"), [(0, True), ("/dev/video2", True), ("rtsp://10.0.0.2/live", False)])
def test_the_network_is_there_only_for_a_camera_that_is_reached_over_it(device, alone):
    assert ("PrivateNetwork=yes" in lines(camera=camera(device))) == alone
    assert ("RestrictAddressFamilies=AF_UNIX AF_NETLINK" in lines(camera=camera(device))) == alone


def test_a_camera_whose_password_holds_a_slash_is_still_reached():
    assert "IPAddressAllow=10.0.0.2" in lines(camera=camera("rtsp://user:pa/ss@10.0.0.2/live"))


def outputs(*texts: str) -> dict:
    return {"outputs": [OUTPUTS.parse(text) for text in texts]}


@pytest.mark.parametrize(
    ("texts", "allowed"),
    [
        (["jsonl:a.jsonl"], None),
        (["mqtt:mqtt://127.0.0.1"], "127.0.0.1"),
        (["mqtt:mqtts://10.0.0.2:8883", "jsonl:a.jsonl"], "10.0.0.2"),
        (["mqtt:mqtt://localhost", "mqtt:mqtts://[fd00::2],id=b"], "fd00::2 localhost"),
        (["mqtt:mqtt://10.0.0.2", "mqtt:mqtts://broker.local"], ""),
        (["metrics:9840"], "localhost"),
        (["metrics:0.0.0.0:9840"], ""),
        (["web:8080", "mqtt:mqtt://127.0.0.1"], "127.0.0.1 localhost"),
        (["web:0.0.0.0:8080,token_file=/etc/token"], ""),
    ],
)
def test_outputs_that_need_the_network_have_it_and_only_with_those_they_name(texts, allowed):
    """None: there is no network; empty: who is behind a name is not known when the unit is written."""
    unit_lines = lines(**outputs(*texts))
    assert ("PrivateNetwork=yes" in unit_lines) == (allowed is None)
    assert [line for line in unit_lines if line.startswith("IPAddressAllow=")] == (
        [f"IPAddressAllow={allowed}"] if allowed else []
    )


def test_systemd_hands_over_secrets_which_the_service_could_not_read():
    """Under the name by which the output looks for them; certificates, which are no secret, it reads itself."""
    named = "mqtt:mqtts://h,user=x,password_file=/etc/edgefer/my word,ca_file=/home/pi/ca.pem"
    unit_lines = lines(prefix="/opt/edgefer", **outputs(named))
    assert f"LoadCredential={credential_name('/etc/edgefer/my word')}:/etc/edgefer/my word" in unit_lines
    assert any(line.startswith("BindReadOnlyPaths=") and "/home/pi/ca.pem" in line for line in unit_lines)


def test_each_secret_has_a_name_of_its_own():
    paths = [
        "/etc/edgefer/a/b",
        "/etc/edgefer/a_b",
        "/etc/edgefer/a b",
        "/etc/edgefer/ä",
        f"/etc/{'a' * 300}",
        f"/{'a' * 300}",
    ]
    names = [credential_name(path) for path in paths]
    assert names[0] == "etc_edgefer_a_b" and len({*names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", name) for name in names)


def test_a_unit_of_before_still_hands_its_secrets_over(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "etc_edgefer_a_b").touch()
    assert credential_path("/etc/edgefer/a_b") == tmp_path / "etc_edgefer_a_b"
    (tmp_path / credential_name("/etc/edgefer/a_b")).touch()
    assert credential_path("/etc/edgefer/a_b") == tmp_path / credential_name("/etc/edgefer/a_b")


def test_the_home_of_nobody_is_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unit_lines = lines(**outputs("mqtt:mqtts://h,user=x,password_file=~nobody99/word"))
    assert [line.rpartition(":")[2] for line in unit_lines if line.startswith("LoadCredential=")] == [
        f"{tmp_path}/~nobody99/word"
    ]
    assert credential_path("~nobody99/word") == Path("~nobody99/word")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["jsonl:a.jsonl", "jsonl:/var/lib/edgefer/b.jsonl", "csv:/dev/stdout", "parquet:seen/"], []),
        (["jsonl:/mnt/usb/rec/a.jsonl", "csv:/mnt/usb/rec/a.csv"], ["ReadWritePaths=-/mnt/usb/rec"]),
        (["parquet:/mnt/usb/pq", "image:/mnt/a.jpg"], ["ReadWritePaths=-/mnt -/mnt/usb/pq"]),
        (["image:/mnt/seen/"], ["ReadWritePaths=-/mnt/seen"]),
        (["csv:/mnt/my 100%/a.csv"], ['ReadWritePaths="-/mnt/my 100%%"']),
        (["csv:/home/pi/a:b/a.csv", "csv:/srv/a.csv"], ['BindPaths="-/home/pi/a\\\\:b"', "ReadWritePaths=-/srv"]),
        (["csv:/a.csv"], []),
    ],
)
def test_outputs_with_absolute_paths_may_be_written(texts, expected):
    """All but the service's own folder is read only for it; a disk that is missing does not keep it from starting."""
    assert [line for line in lines(**outputs(*texts)) if re.match("(Bind|ReadWrite)Paths=", line)] == expected


def test_a_disk_is_mounted_before_the_service_that_records_to_it():
    unit_lines = lines(**outputs("csv:/mnt/my-usb disk/.rec/a.csv"))
    escaped = "mnt-my\\x2dusb\\x20disk"
    assert f"After={escaped}-.rec.mount {escaped}.mount mnt.mount" in unit_lines
    assert not [line for line in unit_lines if line.startswith(("Requires", "Wants="))]
    assert not [line for line in lines(**outputs("csv:a.csv")) if line.startswith("After=")]


def test_processors_may_be_chosen_only_by_a_profile_that_does():
    pinned = msgspec.structs.replace(config.load_profile("pi4").compute, pin=[0])
    assert "SystemCallFilter=sched_setaffinity" in lines(compute=pinned)
    assert "SystemCallFilter=sched_setaffinity" not in lines()


def test_priorities_may_be_chosen_only_where_an_output_gives_way_to_the_run():
    """The policies of realtime remain forbidden (RestrictRealtime)."""
    forbidden, policy, nice = (
        f"SystemCallFilter={calls}" for calls in ("~@privileged @resources", "sched_setscheduler", "setpriority")
    )
    page, broker, file = (lines(**outputs(text)) for text in ("web:8080", "mqtt:mqtt://127.0.0.1", "jsonl:a.jsonl"))
    assert policy in page and nice in page and "RestrictRealtime=yes" in page
    assert page.index(policy) > page.index(forbidden)
    assert policy in broker and nice not in broker
    assert policy not in file and nice not in file


def test_outputs_that_hang_are_given_up_before_systemd_kills_the_run():
    (line,) = [line for line in lines() if line.startswith("TimeoutStopSec=")]
    assert float(line.partition("=")[2]) > CLOSE_S + 1


@needs_systemd
@pytest.mark.parametrize(
    ("device", "texts", "most"),
    [
        (0, [], 0.5),
        (0, ["jsonl:a.jsonl"], 0.5),
        (0, ["jsonl:/mnt/usb/rec/a.jsonl"], 0.5),
        ("rtsp://10.0.0.2/live", [], 1.5),
        (0, ["mqtt:mqtts://broker.local,user=x,password_file=/etc/edgefer/password"], 1.5),
        (0, ["web:0.0.0.0:8080,token_file=/etc/token", "metrics:0.0.0.0:9840"], 1.5),
    ],
)
def test_systemd_finds_little_that_is_exposed(tmp_path, device, texts, most):
    path = tmp_path / unit.NAME
    path.write_text(
        "\n".join(lines(camera=camera(device), **outputs(*texts))).replace("/opt/edgefer/bin/", "/usr/bin/")
    )
    words = [ANALYZE, "security", "--offline=true", "--no-pager", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert score is not None, done.stderr
    assert float(score[1]) <= most


@needs_systemd
def test_systemd_understands_every_line(tmp_path):
    path = tmp_path / unit.NAME
    named = "mqtt:mqtts://10.0.0.2,user=x,password_file=/etc/edgefer/my word"
    disk = "csv:/mnt/my-usb disk/.rec/a.csv", "csv:/home/pi/a:b/a.csv"
    path.write_text("\n".join(lines(**outputs(named, *disk))).replace("/opt/edgefer/bin/python", "/bin/true #"))
    done = subprocess.run([ANALYZE, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if unit.NAME in line], done.stderr
