"""Whether a signed model may be installed: its version, its day, the class of device and the slot it is for.

After the rules of The Update Framework: nothing older than what was accepted before, nothing after its last day,
nothing made for other devices, and one version is one model.
"""

from __future__ import annotations

import logging
import os
import time
from datetime import datetime, timezone

from edgefer.errors import ModelError
from edgefer.models import slots
from edgefer.models.release import Release
from edgefer.models.slots import Copy, Record

log = logging.getLogger(__name__)

_DAY_S = 86400
#: A release may be signed so much later than a clock says that can be right: time zones, a clock that is a little off.
_AHEAD_S = 2 * _DAY_S
#: No clock that stands before this is right.
_FIRST_DAY = "2026-01-01"
#: A model that was given up so often is not taken again: the first time it may have been the power.
FAILURES = 2


def check(
    copy: Copy,
    release: Release,
    slot: str,
    record: Record,
    device: str,
    allow_downgrade: bool = False,
    trust_clock: bool = False,
) -> int:
    """Refuses what breaks a rule.

    Args:
        copy: what is to be installed.
        release: what its signed manifest says.
        slot, record: where to, and what is known of it.
        device: class of this device.
        allow_downgrade: whether a lower version will do, or one that was given up here.
        trust_clock: whether this device's clock is right, whatever day a model before was signed on.

    Returns:
        The latest time that is certain, s since 1970.

    Raises:
        ModelError: it may not be installed.
    """

    def refuse(what: str) -> ModelError:
        return ModelError(f"model {copy.title}: {what}")

    if release.slot is not None and slots.slot_name(release.slot) != slot:
        raise refuse(f"is signed for slot {release.slot}, not for {slot}")
    if release.devices and device not in release.devices:
        raise refuse(f"is signed for devices of class {' or '.join(release.devices)}; this one is of class {device}")
    highest = record.highest
    if highest is not None and copy.version == highest.version and copy.manifest != highest.manifest:
        raise refuse(f"another model was accepted here as version {copy.version}; sign this one with a higher version")
    if highest is not None and copy.version < highest.version and not allow_downgrade:
        raise refuse(f"version {highest.version} was accepted here, and this one is lower; --allow-downgrade takes it")
    if copy.manifest == record.failed and record.failures >= FAILURES and not allow_downgrade:
        raise refuse(f"was given up on this device ({record.why or 'no reason is known'}); --allow-downgrade takes it")
    try:
        signed, last = start_of(release.signed), start_of(release.expires or release.signed)
    except ValueError as error:
        raise refuse(f"its release has a day that is none: {error}") from None
    now, seen_s = time.time(), 0 if trust_clock else record.seen_s
    latest = now + _AHEAD_S
    if signed > latest and (trust_clock or latest >= max(seen_s, _earliest())):
        # taken for certain, that day would be later than the last one of every release to come
        raise refuse(
            f"was signed on {release.signed}, and today is {_day(now)} by the clock of this device: one of the two is"
            " wrong; set the clock, or sign the model again with a higher version"
        )
    certain = max(seen_s, signed)
    if now < certain:
        log.warning(
            "the clock of this device says %s, and it is no earlier than %s: that day is taken for today",
            _day(now),
            _day(certain),
        )
    if release.expires is not None and max(now, certain) >= last + _DAY_S:
        advice = "get a newer one"
        if not trust_clock and max(now, signed) < last + _DAY_S:
            advice += ", or take the clock of this device for right, whatever was accepted before: --trust-clock"
        raise refuse(f"could be installed until {release.expires}, and today is {_day(max(now, certain))}; {advice}")
    return certain


def _earliest() -> float:
    """A clock that stands before this is wrong, s since 1970: edgefer was there already."""
    return max(os.stat(__file__).st_ctime, start_of(_FIRST_DAY))


def start_of(day: str) -> int:
    """Of a day, UTC, s since 1970. Raises ValueError where there is no such day."""
    return int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp())


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
