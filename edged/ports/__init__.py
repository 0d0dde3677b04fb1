"""The interfaces to the outside: pins, MQTT, webhooks, control socket, log, live line."""
