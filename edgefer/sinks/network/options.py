"""The options of the outputs that other machines see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from edgefer.errors import UsageError
from edgefer.support.redact import url_name
from edgefer.support.registry import Options
from edgefer.support.typed import READ_FILE, SECRET_FILE

if TYPE_CHECKING:
    from urllib.parse import SplitResult

#: HOST:PORT, [IPv6]:PORT, or a port alone.
_ADDRESS = r"^(?:(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):)?[0-9]{1,5}$"
#: Of a broker, by the scheme of its address.
PORTS = {"mqtt": 1883, "mqtts": 8883}
_TOPIC = r"^[^+#\s/][^+#\s]*[^+#\s/]$|^[^+#\s/]$"


class Network(Options, frozen=True):
    """Options of an output that speaks to other machines."""

    @property
    def peer(self) -> str:
        """The host it speaks to; "localhost" where that is this machine alone, empty where it may be anyone.

        Raises:
            UsageError: the options name none that can be.
        """
        return ""


class Mqtt(Network, frozen=True):
    """The options of the output to an MQTT broker."""

    url: Annotated[
        str,
        Meta(
            pattern=r"(?i)^mqtts?://[^/\s]+/?$",
            examples=["mqtts://broker.local", "mqtt://127.0.0.1:1883"],
            description="the broker; mqtts is MQTT over TLS",
        ),
    ]
    user: Annotated[str, Meta(max_length=256, description="name at the broker; none where it is empty")] = ""
    password_file: Annotated[
        str, Meta(description="file with the password on its one line", extra={SECRET_FILE: True})
    ] = ""
    ca_file: Annotated[
        str,
        Meta(
            description="certificates (PEM) that the broker's is checked against, in place of the system's",
            extra={READ_FILE: True},
        ),
    ] = ""
    cert_file: Annotated[
        str, Meta(description="certificate (PEM) by which the broker knows this device", extra={READ_FILE: True})
    ] = ""
    key_file: Annotated[
        str, Meta(description="its private key (PEM), without a password", extra={SECRET_FILE: True})
    ] = ""
    id: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_-]{0,64}$",
            examples=["hall", "pi4-door"],
            description="name of this device in topics and at the broker, one for each run; made of the machine's name"
            " and identity where it is empty",
        ),
    ] = ""
    topic: Annotated[
        str, Meta(pattern=_TOPIC, examples=["edgefer", "home/edgefer"], description="what all topics begin with")
    ] = "edgefer"
    discovery: Annotated[
        str,
        Meta(
            pattern=rf"^$|{_TOPIC}",
            examples=["homeassistant"],
            description="where Home Assistant looks for devices; empty: it is told nothing",
        ),
    ] = "homeassistant"
    interval_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="how often the state is sent, s; a face or an expression that comes or goes is sent at once",
        ),
    ] = 5.0
    readings: Annotated[bool, Meta(description="every reading is sent, too, as a line of jsonl has it")] = False

    def parts(self) -> SplitResult:
        """The address, taken apart; it has a host, and a port that can be if any.

        Raises:
            UsageError: it has not.
        """
        from urllib.parse import urlsplit  # takes time to load, and most runs have no network

        name = f"mqtt:{url_name(self.url)}"
        try:
            parts = urlsplit(self.url)
        except ValueError:  # a bracket too few, or what is no address between two
            raise UsageError(f"{name}: expected a broker's name or address, as mqtt://[::1]:1883") from None
        try:
            _ = parts.port
        except ValueError:
            raise UsageError(f"{name}: expected a port from 1 to 65535") from None
        if not parts.hostname:
            raise UsageError(f"{name}: expected a broker's name or address after {parts.scheme}://")
        return parts

    @property
    def peer(self) -> str:
        return self.parts().hostname or ""

    @property
    def broker(self) -> tuple[str, int]:
        """Host and port."""
        try:
            parts = self.parts()
        except UsageError:  # it is refused when it is opened
            return self.url, 0
        return parts.hostname or "", parts.port or PORTS[parts.scheme]


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's alone; a name such as 127.0.0.1.example.org is not."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Serving(Network, frozen=True):
    """Options of an output that others connect to."""

    address: Annotated[
        str,
        Meta(
            pattern=_ADDRESS,
            examples=["127.0.0.1:9840", "0.0.0.0:9840", "9840"],
            description="address of this machine to listen at, and port; 0.0.0.0 for all of its addresses",
        ),
    ]
    names: Annotated[
        str,
        Meta(
            max_length=1000,
            description="further names by which others may ask, as a/b; addresses and the machine's own name are known",
        ),
    ] = ""

    @property
    def peer(self) -> str:
        host = self.address.rpartition(":")[0].strip("[]")
        return "localhost" if not host or is_loopback(host) else ""


class Metrics(Serving, frozen=True):
    """The options of the metrics."""


class Web(Serving, frozen=True):
    """The options of the live page."""

    token_file: Annotated[
        str,
        Meta(
            description="file with the token that viewers have to give, on its one line; needed where the address is"
            " not this machine's alone",
            extra={SECRET_FILE: True},
        ),
    ] = ""
    picture: Annotated[
        bool, Meta(description="no: boxes, bars and health alone; no picture is made, and none leaves the device")
    ] = True
    rate: Annotated[float, Meta(ge=0.2, le=60, description="how often a viewer gets a picture, a second, at most")] = 10
    width: Annotated[int, Meta(ge=80, le=3840, description="of the picture that viewers get, pixels, at most")] = 640
    cert_file: Annotated[str, Meta(description="certificate (PEM), for https", extra={READ_FILE: True})] = ""
    key_file: Annotated[
        str, Meta(description="its private key (PEM), without a password", extra={SECRET_FILE: True})
    ] = ""
