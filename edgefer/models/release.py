"""What the maker of a signed model says of it: its version, until when and on which devices it may be installed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Date = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
DeviceClass = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
SlotName = DeviceClass
PublicKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{56}$")]


class Rotation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Public keys: devices that trust `old` shall trust `new` in its place. Both sign the model that says so."""

    old: PublicKey
    new: PublicKey


class Release(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, omit_defaults=True):
    """The table `[release]` of model.toml, as `edgefer models sign` writes it.

    Attributes:
        version: rises with each release; devices take no lower one than they have had.
        signed: the day on which it was signed, UTC: today is no earlier, whatever a clock says.
        expires: the last day on which it may be installed, UTC; any day without it. What is installed stays in use.
        devices: classes of device that may install it; all without it.
        slot: the only one it may be installed in; any without it.
        rotation: the change of keys that comes with it.
    """

    version: Annotated[int, Meta(ge=1, le=2**53)]
    signed: Date
    expires: Date | None = None
    devices: Annotated[tuple[DeviceClass, ...], Meta(max_length=64)] = ()
    slot: SlotName | None = None
    rotation: Rotation | None = None
