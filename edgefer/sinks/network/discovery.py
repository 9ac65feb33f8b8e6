"""What Home Assistant is told, so that a device and its entities are there without anything being set up.

Reference: Home Assistant, MQTT integration, "MQTT discovery": a retained message for each entity at
<prefix>/<component>/<device>/<entity>/config, with the keys that the page of its component lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from edgefer import __version__
from edgefer.labels import UNCERTAIN
from edgefer.sinks.network.state import NOBODY, event_types
from edgefer.values import EVENT_KINDS

#: What `Health.source` may say.
SOURCE_STATES = ("running", "stalled", "resting", "ended")


class Topics(Struct, frozen=True):
    """Where a device speaks. Attributes: base: what all its topics begin with."""

    base: str

    @property
    def availability(self) -> str:
        return f"{self.base}/availability"

    @property
    def state(self) -> str:
        return f"{self.base}/state"

    @property
    def health(self) -> str:
        return f"{self.base}/health"

    @property
    def event(self) -> str:
        return f"{self.base}/event"

    @property
    def reading(self) -> str:
        return f"{self.base}/reading"

    @property
    def switch(self) -> str:
        return f"{self.base}/switch"

    @property
    def command(self) -> str:
        return f"{self.base}/switch/set"


def configurations(
    prefix: str, device: str, topics: Topics, labels: Sequence[str], camera: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and payload of each entity.

    Args:
        prefix: where Home Assistant listens.
        device: its name in topics and in unique ids.
        topics: where it speaks.
        labels: expressions of the first model.
        camera: what the source is called.
    """
    shared = {
        "availability_topic": topics.availability,
        "device": {
            "identifiers": [f"edgefer_{device}"],
            "name": f"edgefer {device}",
            "manufacturer": "edgefer",
            "model": camera or "camera",
            "sw_version": __version__,
        },
        "origin": {"name": "edgefer", "sw_version": __version__},
    }
    for component, entity, values in _entities(topics, labels):
        unique = {"unique_id": f"edgefer_{device}_{entity}"}
        yield f"{prefix}/{component}/edgefer_{device}/{entity}/config", {**values, **unique, **shared}


def _entities(topics: Topics, labels: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    state, health = {"state_topic": topics.state}, {"state_topic": topics.health}
    aside = {"entity_category": "diagnostic"}
    figure = {"state_class": "measurement"}
    yield (
        "sensor",
        "expression",
        {
            **state,
            "name": "Expression",
            "icon": "mdi:emoticon-outline",
            "value_template": "{{ value_json.expression }}",
            "json_attributes_topic": topics.state,
            # without the labels, as before the first face, every text is taken
            **({"device_class": "enum", "options": [*labels, UNCERTAIN, NOBODY]} if labels else {}),
        },
    )
    faces = {**state, **figure, "name": "Faces", "icon": "mdi:account-multiple"}
    yield "sensor", "faces", {**faces, "value_template": "{{ value_json.faces }}"}
    present = "{{ 'ON' if value_json.faces > 0 else 'OFF' }}"
    yield (
        "binary_sensor",
        "present",
        {**state, "name": "Face present", "device_class": "occupancy", "value_template": present},
    )
    happened = {"state_topic": topics.event, "icon": "mdi:face-recognition"}
    yield "event", "event", {**happened, "name": "Event", "event_types": event_types(EVENT_KINDS)}
    last = {**happened, "name": "Last event", "json_attributes_topic": topics.event}
    yield "sensor", "last_event", {**last, "value_template": "{{ value_json.event_type }}"}
    yield (
        "switch",
        "reading",
        {
            "name": "Reading",
            "icon": "mdi:camera",
            "state_topic": topics.switch,
            "command_topic": topics.command,
            "optimistic": False,
            "qos": 1,  # of the command
            "retain": True,  # the broker tells it again to a device that starts
        },
    )
    camera = {**health, **aside, "name": "Camera", "icon": "mdi:camera", "value_template": "{{ value_json.source }}"}
    yield "sensor", "camera", {**camera, "device_class": "enum", "options": list(SOURCE_STATES)}
    for entity, name, key, unit in (
        ("fps", "Readings a second", "fps", "fps"),
        ("age", "Age of a reading", "age_ms", "ms"),
        ("temperature", "Processor temperature", "temperature_c", "°C"),
        ("governor", "Governor level", "governor_level", None),
    ):
        values = {**health, **aside, **figure, "name": name, "value_template": f"{{{{ value_json.{key} }}}}"}
        values |= {"unit_of_measurement": unit} if unit else {}
        values |= {"device_class": {"ms": "duration", "°C": "temperature"}[unit]} if unit in ("ms", "°C") else {}
        yield "sensor", entity, values
    for entity, name in (("dropped", "Frames dropped"), ("reconnects", "Camera reopened"), ("restarts", "Restarts")):
        counted = {**health, **aside, "state_class": "total_increasing", "name": name}
        yield "sensor", entity, {**counted, "value_template": f"{{{{ value_json.{entity} }}}}"}
    for entity, name in (("throttled", "Processor throttled"), ("under_voltage", "Supply too weak")):
        problem = {**health, **aside, "name": name, "device_class": "problem"}
        yield (
            "binary_sensor",
            entity,
            {**problem, "value_template": f"{{{{ 'ON' if value_json.{entity} else 'OFF' }}}}"},
        )
