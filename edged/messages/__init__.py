"""Every JSON message, defined once: for MQTT, the control socket and ``--json``.

Each is a msgspec struct with a ``type``, and has a JSON Schema in `edged.messages.schemas`.
"""
