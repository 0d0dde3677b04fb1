"""What speaks to the outside and hears it: pins, MQTT, control socket, log, live line."""
