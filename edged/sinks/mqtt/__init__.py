"""MQTT: reports out, commands in."""

from __future__ import annotations

from edged.sinks.mqtt.sink import MqttSink

__all__ = ["MqttSink"]
