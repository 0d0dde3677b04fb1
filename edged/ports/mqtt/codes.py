"""Reason codes of MQTT 5, as brokers use them."""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode


def know_every_refusal() -> None:
    """Let the library accept codes that the standard does not allow in a packet.

    mosquitto answers 0x95 to a message above its ``message_size_limit``. The library would close
    the connection, and the same message would close the next one.
    """
    names = {code: dict(of_packets) for code, of_packets in ReasonCode.names.items()}
    for code in range(0x80, 0x100):
        known = names.setdefault(code, {f"Reason 0x{code:02X}": []})
        for packet in (PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.SUBACK,
                       PacketTypes.DISCONNECT):  # fmt: skip
            if not any(packet in packets for packets in known.values()):
                name = next(iter(known))
                known[name] = [*known[name], packet]
    ReasonCode.names = names
