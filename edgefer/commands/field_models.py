"""`edgefer models install|rollback|trust|keygen|sign`: models that come to a device after edgefer did."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edgefer.commands.arguments import whole_number
from edgefer.commands.console import Commands
from edgefer.commands.self_test import self_test
from edgefer.errors import ModelError, UsageError
from edgefer.models import slots
from edgefer.models.field import rules
from edgefer.models.place import models_folder
from edgefer.support.names import shown
from edgefer.support.typed import converted


def add_parsers(actions: Commands) -> None:
    """The actions' arguments."""
    into = actions.add(
        "install",
        "install a model, or a new version of one; runs that start from now on use it",
        "models install ./my-model --as default\nmodels install my-model.tar.gz\n"
        "models install https://models.example/front.tar.gz --as default",
        install_model,
    )
    into.add_argument("source", metavar="FILE|DIR|URL", help="a model directory; or a tar, tar.gz or zip of one")
    into.add_argument(
        "--as",
        dest="slot",
        metavar="NAME",
        help="name to open it by; 'default': the default model (default: its own name)",
    )
    into.add_argument(
        "--allow-downgrade", action="store_true", help="take a lower version, or one that was given up on this device"
    )
    into.add_argument("--allow-http", action="store_true", help="take an address that begins with http, too")
    into.add_argument(
        "--trust-clock",
        action="store_true",
        help="this device's clock is right, whatever day a model before was signed on",
    )
    back = actions.add(
        "rollback", "return to the model that was installed before", "models rollback default", roll_back_model
    )
    back.add_argument("name", metavar="NAME", help="as given to install --as; 'default': the default model")
    trust = actions.add(
        "trust",
        "say by which keys models must be signed on this device; without a key, show it",
        "models trust fleet.pub\nmodels trust fleet.pub --device kiosk\nmodels trust --none",
        trust_keys,
    )
    trust.add_argument("keys", metavar="FILE", nargs="*", help="public keys; these and no others")
    trust.add_argument("--none", action="store_true", help="take models without a signature again")
    trust.add_argument(
        "--device", metavar="CLASS", help="class of this device, for models signed --for one (default: its profile)"
    )
    make = actions.add(
        "keygen", "make a key for signing models: NAME.key and NAME.pub, as minisign's", "models keygen fleet", make_key
    )
    make.add_argument("name", metavar="NAME", help="path without the ending")
    sign = actions.add(
        "sign",
        "write version, last day and devices into a model directory's manifest, and sign it",
        "models sign ./my-model --key fleet.key --version 7\n"
        "models sign ./my-model --key fleet.key --version 8 --expires 2027-12-31 --for pi4 --for pi5\n"
        "models sign ./my-model --key fleet.key --new-key fleet2.key --version 9",
        sign_model,
    )
    sign.add_argument("directory", metavar="DIRECTORY", help="of the model")
    sign.add_argument("--key", metavar="FILE", required=True, help="the secret key")
    sign.add_argument(
        "--version", metavar="N", type=whole_number(1, 2**53), required=True, help="rises at each release"
    )
    sign.add_argument("--expires", metavar="DAY", help="last day on which it may be installed, as 2027-12-31, UTC")
    sign.add_argument(
        "--for", dest="devices", metavar="CLASS", action="append", default=[], help="class of device; may be repeated"
    )
    sign.add_argument("--slot", metavar="NAME", help="the only slot that it may be installed in")
    sign.add_argument("--new-key", metavar="FILE", help="key that devices shall trust in place of --key from then on")
    for parser in (make, sign):
        parser.add_argument("--password-file", metavar="FILE", help="its first line opens the secret key")


def install_model(args: argparse.Namespace) -> int:
    """Installs, and says what is in use now."""
    from edgefer import config
    from edgefer.models.field.install import How, install

    device = config.fitting_profile(config.board_model())
    how = How(args.slot, device, args.allow_downgrade, args.allow_http, args.trust_clock)
    slot, copy, fresh = install(args.source, self_test, how)
    if fresh:
        print(f"{slot}: {copy.title} is installed; runs that start from now on use it")
    else:
        print(f"{slot}: {copy.title} is in use already")
    return 0


def trust_keys(args: argparse.Namespace) -> int:
    """Sets whom this device trusts, and shows it."""
    from edgefer.models import keys, place

    if args.none and args.keys:
        raise UsageError("models trust: expected keys or --none, got both")
    if args.none or args.keys or args.device is not None:
        if args.device and not slots.is_name(args.device):
            raise UsageError(f"models trust: expected a class as pi4 or kiosk, got {shown(args.device)!r}")
        given = tuple(dict.fromkeys(_public_key(path) for path in args.keys))
        with place.locked() as folder, place.told(folder):
            before = keys.Trust() if args.none or args.keys else keys.read()
            device = args.device if args.device is not None else _device_or_none()
            keys.write(keys.Trust(keys=given or (() if args.none else before.keys), device=device))
    trust = keys.read()
    words = f"models signed by {trust.titles()}" if trust.keys else "models without a signature, for no key is trusted"
    print(f"this device takes {words}; its class is {trust.device or 'that of its profile'}")
    return 0


def _device_or_none() -> str:
    from edgefer.models import keys

    try:
        return keys.read().device
    except ModelError:  # it is about to be written again
        return ""


def _public_key(path: str) -> str:
    from edgefer.models import keys

    try:
        return keys.public_key_of(Path(path))
    except OSError as error:
        raise UsageError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except UsageError as error:
        raise UsageError(f"{shown(path)}: {error}") from None


def make_key(args: argparse.Namespace) -> int:
    """Makes the two files."""
    from edgefer.models.field import signing

    password = _password(args, "new password (none: not encrypted): ", again=True)
    secret, public, key = signing.keygen(args.name, password)
    kept = "encrypted" if password else "not encrypted: keep it where no device and no network reaches it"
    print(f"key {key.title}: {shown(secret)} signs ({kept}); give devices {shown(public)}: edgefer models trust")
    return 0


def sign_model(args: argparse.Namespace) -> int:
    """Signs, and says what."""
    from edgefer.models.field import signing
    from edgefer.models.release import Release

    today = time.strftime("%Y-%m-%d", time.gmtime())
    fields = {"version": args.version, "signed": today, "devices": args.devices}
    fields |= {name: value for name in ("expires", "slot") if (value := getattr(args, name)) is not None}
    try:
        release = converted(fields, Release)
        rules.start_of(release.expires or today)
    except ValueError as error:
        raise UsageError(f"models sign: {error}") from None
    keys = []
    for path in (args.key, args.new_key):
        if path is not None:
            encrypted = signing.needs_password(path)
            keys.append(signing.secret_key(path, _password(args, f"password of {shown(path)}: ") if encrypted else b""))
    release = signing.sign(args.directory, release, *keys)
    words = f", and brings key {keys[1].public.title}" if len(keys) > 1 else ""
    print(f"{shown(args.directory)}: version {release.version}, signed by key {keys[0].public.title}{words}")
    return 0


def _password(args: argparse.Namespace, question: str, again: bool = False) -> bytes:
    """Of a file, or asked for where somebody is there to answer; else none."""
    if args.password_file is not None:
        try:
            return Path(args.password_file).read_bytes().split(b"\n")[0].rstrip(b"\r")
        except OSError as error:
            raise UsageError(f"{shown(args.password_file)}: cannot be read: {error.strerror}") from None
    if sys.stdin is None or not sys.stdin.isatty():
        return b""
    password = getpass.getpass(question).encode()
    if again and password and getpass.getpass("once more: ").encode() != password:
        raise UsageError("the two passwords are not the same")
    return password


def roll_back_model(args: argparse.Namespace) -> int:
    """Rolls back, and says what is in use now."""
    from edgefer.models.field.install import roll_back

    slot, copy = roll_back(args.name)
    print(f"{slot}: back to {copy.title if copy else 'the model that ships'}; runs that start from now on use it")
    return 0


def state_lines() -> Iterator[str]:
    """What `edgefer models list` says of the installed models."""
    lines = [line for line, _ in slots.described()]
    yield from lines
    if lines:
        yield f"installed in {shown(models_folder())}"
