"""MQTT: reports out, commands in."""

from __future__ import annotations

from edged.ports.mqtt.port import MqttPort

__all__ = ["MqttPort"]
