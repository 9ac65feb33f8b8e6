"""What Home Assistant takes in a discovery message, by the pages of its MQTT components.

A message with a key that a component does not know, or with a class that it does not have, is refused by Home Assistant
as a whole, with a line in its log.
"""

from __future__ import annotations

import re
from typing import Any

COMMON = {
    "availability_topic", "availability", "availability_mode", "availability_template", "payload_available",
    "payload_not_available", "device", "origin", "default_entity_id", "enabled_by_default", "encoding",
    "entity_category", "entity_picture", "icon", "json_attributes_template", "json_attributes_topic", "name",
    "platform", "qos", "unique_id",
}  # fmt: skip
KEYS = {
    "sensor": {
        "device_class", "expire_after", "force_update", "last_reset_value_template", "options", "state_class",
        "state_topic", "suggested_display_precision", "unit_of_measurement", "value_template",
    },
    "binary_sensor": {
        "device_class", "expire_after", "force_update", "off_delay", "payload_off", "payload_on", "state_topic",
        "value_template",
    },
    "switch": {
        "command_template", "command_topic", "device_class", "optimistic", "payload_off", "payload_on", "retain",
        "state_off", "state_on", "state_topic", "value_template",
    },
    "event": {"device_class", "event_types", "state_topic", "value_template"},
}  # fmt: skip
REQUIRED = {
    "sensor": {"state_topic"},
    "binary_sensor": {"state_topic"},
    "switch": {"command_topic"},
    "event": {"state_topic", "event_types"},
}
DEVICE = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id", "name",
    "serial_number", "suggested_area", "sw_version", "via_device",
}  # fmt: skip
ORIGIN = {"name", "sw_version", "support_url"}
#: Classes, with the units that each takes.
SENSOR_CLASSES = {"enum": {None}, "temperature": {"°C", "°F", "K"}, "duration": {"d", "h", "min", "s", "ms", "µs"}}
BINARY_CLASSES = {"occupancy", "problem", "connectivity", "running", "presence", "motion"}
STATE_CLASSES = {"measurement", "measurement_angle", "total", "total_increasing"}
CATEGORIES = {"diagnostic", "config"}


def check(topic: str, payload: dict[str, Any], prefix: str = "homeassistant") -> str:
    """Fails where Home Assistant would refuse a message; gives the component."""
    match = re.fullmatch(rf"{prefix}/([a-z_]+)/([A-Za-z0-9_-]+)/([A-Za-z0-9_-]+)/config", topic)
    assert match, topic
    component = match[1]
    unknown = set(payload) - COMMON - KEYS[component]
    assert not unknown, f"{topic}: {unknown}"
    assert set(payload) >= REQUIRED[component], topic
    assert "availability" not in payload or "availability_topic" not in payload, topic
    for key, value in payload.items():
        if key.endswith("_topic"):
            assert isinstance(value, str) and value and not set("+#") & set(value), f"{topic}: {key}"
        if key.endswith("_template"):
            assert value.count("{{") == value.count("}}") == 1, f"{topic}: {key}"
    device = payload["device"]
    assert set(device) <= DEVICE and (device.get("identifiers") or device.get("connections")), topic
    assert all(isinstance(value, str) for key, value in device.items() if key not in ("identifiers", "connections"))
    assert set(payload["origin"]) <= ORIGIN and payload["origin"]["name"], topic
    assert payload["unique_id"] and payload.get("entity_category", "diagnostic") in CATEGORIES, topic
    assert re.fullmatch(r"mdi:[a-z0-9-]+", payload.get("icon", "mdi:x")), topic
    if component == "sensor":
        _check_sensor(topic, payload)
    if component == "binary_sensor":
        assert payload.get("device_class") in BINARY_CLASSES | {None}, topic
    if component == "event":
        assert payload["event_types"] and len(set(payload["event_types"])) == len(payload["event_types"]), topic
    return component


def _check_sensor(topic: str, payload: dict[str, Any]) -> None:
    kind, unit, state = (payload.get(key) for key in ("device_class", "unit_of_measurement", "state_class"))
    if kind is not None:
        assert unit in SENSOR_CLASSES[kind], topic
    if kind == "enum":
        assert state is None and payload["options"] and len(set(payload["options"])) == len(payload["options"]), topic
    else:
        assert "options" not in payload, topic
    assert state in STATE_CLASSES | {None}, topic
    assert unit is None or state is not None or kind is not None, topic
