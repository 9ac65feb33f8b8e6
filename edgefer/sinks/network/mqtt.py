"""State, health and events to an MQTT broker, and a switch that comes back from it.

A thread of its own holds the connection, and no other one touches the socket. The sink's thread hands messages over and
never waits: what finds no room is dropped, and the newest state of each topic is sent again when the broker is back.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from edgefer.errors import UsageError
from edgefer.sinks.base import Sink
from edgefer.sinks.lines import readable, reading_values
from edgefer.sinks.network import discovery
from edgefer.sinks.network.options import Mqtt, is_loopback
from edgefer.sinks.network.state import LEFT_AFTER_S, Changes, nobody, state_of
from edgefer.support import packages
from edgefer.support.credentials import credential_path, read_secret
from edgefer.support.names import shown
from edgefer.support.redact import remember, remember_secret, scrub, url_name
from edgefer.values import Frame, Health, Reading

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessageInfo

log = logging.getLogger(__name__)

#: A broker that says nothing for one and a half times this is gone, s.
_KEEPALIVE_S = 20
_CONNECT_S = 5.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
#: A connection that is lost sooner than this, s, so many times one after the other, is taken away by another client.
_BRIEF_S, _BRIEF = 10.0, 3
#: Messages that may wait for the network.
_WAITING = 64
#: Changes are sent at once, but not faster than this, s.
_SHORTEST_GAP_S = 0.25
#: How often health is sent while nothing in it goes wrong, s.
_HEALTH_S = 10.0
#: A line of the log is not written again for so long, s.
_SAID_S = 600.0
#: What is left at the end has so long to go out, s.
_LEAVE_S = 1.0
_ON, _OFF = "ON", "OFF"


class MqttOutput(Sink):
    """One device at one broker."""

    def __init__(self, options: Mqtt, labels: Sequence[str] = (), title: str = "") -> None:
        """Args:
            options: of the output.
            labels: of the first model, in order.
            title: what the source is called.

        Raises:
            UsageError: paho-mqtt is missing, or the address or a file that the options name cannot be used.
        """
        packages.require("paho")
        remember(options.url)
        parts = options.parts()
        self.name = f"mqtt:{url_name(options.url)}"
        self._host, self._port = options.broker
        self._id = options.id or device_id()
        self._topics = discovery.Topics(f"{options.topic}/{self._id}")
        self._options = options
        self._labels, self._title = tuple(labels), title
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self._client = self._new_client(parts.scheme == "mqtts", user, password)
        self._lock = threading.Lock()
        self._newest: dict[str, bytes] = {}  # of each retained topic
        self._unsent: set[str] = set()  # those of them that found no room
        self._waiting: deque[MQTTMessageInfo] = deque()
        self._event: MQTTMessageInfo | None = None  # the last one that was handed over
        self._changes = Changes()
        self._idle_s: float | None = None  # since when the source has given nothing
        self._key: object = None  # of the state that was sent last
        self._state: dict[str, Any] = nobody()
        self._sent_s = self._health_s = -_LONGEST_PAUSE_S
        self._was: object = None  # what the last health was about
        self._said: dict[str, float] = {}  # what was logged of the broker, and when
        self._away = False  # whether it was said that it is
        self._refused = False
        self._closing = threading.Event()
        self._connected = threading.Event()
        self._thread: threading.Thread | None = None

    def _new_client(self, tls: bool, user: str, password: str) -> Client:
        from paho.mqtt import client as paho

        options = self._options
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"edgefer-{self._id}", clean_session=True)
        client.connect_timeout = _CONNECT_S
        if options.password_file:
            password = read_secret(options.password_file, f"{self.name}: password_file")
        user = options.user or user
        remember_secret(password)
        if password and not user:
            raise UsageError(f"{self.name}: there is a password and no name; add user=…")
        if user:
            client.username_pw_set(user, password or None)
        if tls:
            client.tls_set_context(self._tls_context())
        elif options.ca_file or options.cert_file or options.key_file:
            raise UsageError(f"{self.name}: certificates are for mqtts://; write mqtts, or leave them out")
        elif password and not is_loopback(self._host):
            log.warning("%s: the password goes over the network as it is; mqtts:// encrypts it", self.name)
        client.will_set(self._topics.availability, "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        # With this callback publish() does not write to the socket, to which loop() in the connection's thread may be
        # writing just then: it only puts the message in the client's queue, and wakes loop().
        client.on_socket_register_write = lambda *_: None
        return client

    def _tls_context(self) -> ssl.SSLContext:
        options = self._options
        try:
            context = ssl.create_default_context(cafile=os.path.expanduser(options.ca_file) or None)
        except (OSError, ValueError) as error:
            what = f"{self.name}: ca_file: {shown(options.ca_file)}: {_reason(error)}; expected certificates in PEM"
            raise UsageError(what) from None
        if bool(options.cert_file) != bool(options.key_file):
            raise UsageError(f"{self.name}: cert_file and key_file go together; give both or none")
        if options.cert_file:
            try:
                context.load_cert_chain(
                    os.path.expanduser(options.cert_file), credential_path(options.key_file), password=_no_password
                )
            except (OSError, ValueError) as error:
                what = f"{self.name}: cert_file, key_file: {_reason(error)}; expected a certificate and its key in PEM"
                raise UsageError(what) from None
        return context

    # -- the sink's thread

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        self._begin()
        self._idle_s = None
        for event in self._changes.add(reading):
            self._put(self._topics.event, event)
        self._state = state_of(reading)
        self._send_state()
        if self._options.readings:
            with self._lock:
                if self._connected.is_set() and self._has_room():
                    self._publish(self._topics.reading, msgspec.json.encode(reading_values(reading)))

    def report(self, health: Health) -> None:
        self._begin()
        now_s = time.monotonic()
        if health.source == "running":
            self._idle_s = None
        else:  # nobody is seen, whoever was seen last
            self._state = nobody()
            self._idle_s = now_s if self._idle_s is None else self._idle_s
            if health.source == "ended" or now_s - self._idle_s >= LEFT_AFTER_S:
                for event in self._changes.leave():
                    self._put(self._topics.event, event)
        self._send_state()
        state = health.source, health.throttled, health.under_voltage, health.governor_level, health.reconnects
        if state != self._was or now_s - self._health_s >= _HEALTH_S:
            self._was, self._health_s = state, now_s
            values = {**msgspec.structs.asdict(health), "fps": round(health.fps, 1), "age_ms": round(health.age_ms, 1)}
            self._put(self._topics.health, values)
            self._put(self._topics.switch, _OFF if health.source == "resting" else _ON)
        self._send_unsent()

    def _send_state(self) -> None:
        key = (self._state["faces"], self._state["expression"], self._state["track"])
        since_s = time.monotonic() - self._sent_s
        if since_s >= (self._options.interval_s if key == self._key else _SHORTEST_GAP_S):
            self._key, self._sent_s = key, time.monotonic()
            self._put(self._topics.state, self._state)

    def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._lock:
            self._closing.set()
            self._connected.clear()
            self._publish(self._topics.availability, b"offline", retain=True)  # room or not: it wakes the thread
        thread.join(2 * _LEAVE_S)  # one that hangs, as in asking for an address, is left to the end of the process

    # -- messages

    def _put(self, topic: str, values: Any) -> None:
        """Sends the newest message of a retained topic; where it cannot, it is sent later, or a newer one is.

        Nothing is sent with a receipt (QoS 1): the client would send an old message again behind a newer one.
        """
        data = values.encode() if isinstance(values, str) else msgspec.json.encode(values)
        with self._lock:
            self._newest[topic] = data
            if not (self._connected.is_set() and self._has_room()):
                self._unsent.add(topic)
                return
            self._unsent.discard(topic)
            self._publish(topic, data, retain=True)

    def _send_unsent(self) -> None:
        with self._lock:
            while self._unsent and self._connected.is_set() and self._has_room():
                topic = self._unsent.pop()
                self._publish(topic, self._newest[topic], retain=True)

    def _publish(self, topic: str, data: bytes, retain: bool = False) -> None:
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # the connection's thread says what is wrong
            message = self._client.publish(topic, data, 0, retain)
            self._waiting.append(message)
            if topic == self._topics.event:
                self._event = message

    def _has_room(self) -> bool:
        """Whether another message may wait: what the network does not take must not fill the memory. Under the lock."""
        while self._waiting and _is_sent(self._waiting[0]):
            self._waiting.popleft()
        return len(self._waiting) < _WAITING

    # -- the connection's thread

    def _begin(self) -> None:
        if self._thread is None and not self._closing.is_set():
            thread = threading.Thread(target=self._work, name="mqtt", daemon=True)
            thread.start()
            self._thread = thread  # one that could not be started is not waited for

    def _work(self) -> None:
        pause_s, brief = _SHORTEST_PAUSE_S, 0
        while not self._closing.is_set():
            self._refused, began_s = False, time.monotonic()
            try:
                self._client.connect(self._host, self._port, _KEEPALIVE_S)
                why = self._hold()
            except (OSError, ValueError) as error:  # ValueError: a name that can be none, a message of another protocol
                why = f"cannot be reached: {_reason(error)}"
            except Exception as error:  # a thread must not end unnoticed
                log.debug("%s", self.name, exc_info=True)
                why = f"{type(error).__name__}: {error}"
            is_brief = self._connected.is_set() and time.monotonic() - began_s < _BRIEF_S
            brief = brief + 1 if is_brief else 0
            if brief >= _BRIEF:
                why += f" as soon as it is made; is another run {self._id!r} as well? Give it an id= of its own"
            elif self._connected.is_set():
                pause_s = _SHORTEST_PAUSE_S
            self._connected.clear()
            with self._lock:
                self._waiting.clear()
            if self._closing.is_set():
                return
            self._away = True
            self._say(logging.ERROR if self._refused or brief >= _BRIEF else logging.WARNING, f"{why}; trying again")
            self._closing.wait(_LONGEST_PAUSE_S if self._refused else pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _hold(self) -> str:
        """Serves one connection to its end; says why it ended."""
        from paho.mqtt import client as paho

        while not self._closing.is_set():
            code = self._client.loop(0.5)
            if code == paho.MQTT_ERR_CONN_REFUSED:
                return self._why_refused
            if code != paho.MQTT_ERR_SUCCESS:
                return "the connection is lost" if self._connected.is_set() else "does not speak MQTT as expected"
        self._leave()
        return ""

    def _leave(self) -> None:
        """Sends what still waits, "offline" as the last of it, and says goodbye; not for longer than there is time."""
        deadline_s = time.monotonic() + _LEAVE_S
        with self._lock:  # once close() has put "offline" in the queue
            self._client.disconnect()
        while time.monotonic() < deadline_s and self._client.loop(0.05) == 0:  # no error
            pass

    def _say(self, level: int, what: str) -> None:
        """Logs what is new about the broker; what was said a short while ago is not worth a line again."""
        now_s = time.monotonic()
        if now_s - self._said.get(what, -_SAID_S) < _SAID_S:
            level = logging.DEBUG
        else:
            self._said = {said: at_s for said, at_s in self._said.items() if now_s - at_s < _SAID_S}
            self._said[what] = now_s
        log.log(level, "%s", scrub(f"{self.name}: {what}"))

    def _on_connect(self, client: Client, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._refused = True
            self._why_refused = f"the broker refuses this device: {str(code).lower()}"
            if code.value in (134, 135):  # bad user name or password, not authorized
                self._why_refused += "; correct user and password_file"
            return
        if self._away:
            self._say(logging.WARNING, "connected")
        self._away = False
        client.subscribe([(self._topics.command, 1)])
        if self._options.discovery:
            client.subscribe([(f"{self._options.discovery}/status", 0)])
        self._tell_everything()

    def _tell_everything(self) -> None:
        """To a broker that may know nothing, or a Home Assistant that has just started."""
        options = self._options
        with self._lock:
            if self._closing.is_set():  # nothing may come behind "offline"
                return
            self._waiting.clear()
            if options.discovery:
                title = readable(scrub(self._title))
                for topic, values in discovery.configurations(
                    options.discovery, self._id, self._topics, self._labels, title
                ):
                    self._publish(topic, msgspec.json.encode(values), retain=True)
            here = {self._topics.availability: b"online"}
            self._newest = here | self._newest | here  # before what it tells
            lost = self._event is None or self._event.rc != 0
            for topic, message in self._newest.items():
                # an event that was told happens again for whoever is told again
                if topic != self._topics.event or topic in self._unsent or lost:
                    self._publish(topic, message, retain=True)
            self._unsent.clear()
            self._connected.set()

    def _on_message(self, client: Client, data: Any, message: Any) -> None:
        payload = message.payload[:16].decode(errors="replace").strip()
        if message.topic == self._topics.command:
            if payload.upper() in (_ON, _OFF):
                self.rest_asked = payload.upper() == _OFF
            elif payload:  # a message without content takes a retained one away
                self._say(logging.WARNING, f"{self._topics.command}: expected ON or OFF, got {payload!r}")
        elif payload == "online":  # Home Assistant has started
            self._tell_everything()

    _why_refused = ""


def device_id() -> str:
    """A name for this device that others of the same make do not have: cards with one system are copied."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname().partition(".")[0])[:40] or "edgefer"
    try:
        machine = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        return name
    # machine-id(5): it is not to be shown to others as it is
    return f"{name}-{hashlib.sha256(b'edgefer ' + machine).hexdigest()[:6]}" if machine else name


def _is_sent(message: MQTTMessageInfo) -> bool:
    try:
        return message.is_published()
    except (ValueError, RuntimeError):  # it was refused: no room, no connection
        return True


def _no_password() -> str:
    raise ValueError("the key has a password, which nobody can type in")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "no answer"
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def open_mqtt(options: Mqtt, *, labels: Sequence[str], title: str, fps: float | None) -> MqttOutput:
    """The output `mqtt`."""
    return MqttOutput(options, labels, title)
