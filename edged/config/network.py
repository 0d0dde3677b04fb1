"""Checks of what concerns the network: MQTT, webhooks and the web interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edged.config.schema import MqttConfig, WebConfig, WebhookConfig
from edged.config.toml import KeyPath, shown
from edged.config.validate import Problem

PREFIX_LIMIT_BYTES = 1024
"""An MQTT topic has 65,535 bytes; the part after the prefix needs some."""


def of_mqtt(mqtt: MqttConfig) -> Iterator[Problem]:
    """The inconsistencies of ``[mqtt]``."""
    yield from of_retry(("mqtt",), mqtt.retry_min_s, mqtt.retry_max_s)
    if mqtt.enabled and not _is_host(mqtt.host):
        message = "expected a host name or an IP address alone, such as broker.local; the port is "
        yield Problem(("mqtt", "host"), mqtt.host, message + "mqtt.port, encryption is [mqtt.tls]")
    yield from _topic(("mqtt", "prefix"), mqtt.prefix)
    yield from _topic(("mqtt", "frigate_topic"), mqtt.frigate_topic)
    yield from _topic(("mqtt", "home_assistant", "prefix"), mqtt.home_assistant.prefix)
    if f"{mqtt.frigate_topic}/".startswith(f"{mqtt.prefix}/"):
        message = f"mqtt.prefix has other topics; expected one outside {mqtt.prefix}/"
        yield Problem(("mqtt", "frigate_topic"), mqtt.frigate_topic, message)
    if mqtt.username and mqtt.username_file:
        message = "mqtt.username is set too; expected only one of the two"
        yield Problem(("mqtt", "username_file"), mqtt.username_file, message)
    if ":" in mqtt.username and not mqtt.password_file:
        # With a password it may be one of RabbitMQ's, "vhost:user".
        message = "user and password together; set the user alone, and mqtt.password_file"
        yield Problem(("mqtt", "username"), mqtt.username, message, has_value=False)
    if mqtt.password_file and not (mqtt.username or mqtt.username_file):
        message = "a password needs a user; set mqtt.username or mqtt.username_file"
        yield Problem(("mqtt", "password_file"), mqtt.password_file, message)
    yield from _tls(mqtt)


def _topic(path: KeyPath, topic: str) -> Iterator[Problem]:
    if topic.startswith(("/", "$")) or topic.endswith("/"):
        message = "expected a topic that does not begin with / or $ and does not end with /"
        yield Problem(path, topic, message)
    elif not topic.isprintable() or len(topic.encode()) > PREFIX_LIMIT_BYTES:
        message = f"expected printable text of at most {PREFIX_LIMIT_BYTES} bytes"
        yield Problem(path, topic, message)


def of_webhooks(webhooks: Sequence[WebhookConfig]) -> Iterator[Problem]:
    """The inconsistencies of each ``[[webhook]]``."""
    for position, webhook in enumerate(webhooks):
        path: KeyPath = ("webhook", position)
        if not _is_url(webhook.url):
            # The wrong value may be a secret: it is not repeated.
            message = (
                "expected an address such as https://example.org/hook: http or https, in ASCII, "
                "without a user or a fragment"
            )
            yield Problem((*path, "url"), None, message, has_value=False)
        if webhook.ca_file and not webhook.url.lower().startswith("https:"):
            message = "nothing would be encrypted although ca_file is set; expected https:"
            yield Problem((*path, "url"), None, message, has_value=False)
        if webhook.retry_min_s > webhook.retry_max_s:
            message = f"expected at most its retry_max_s, which is {webhook.retry_max_s:g}"
            yield Problem((*path, "retry_min_s"), webhook.retry_min_s, message)


def _is_url(url: str) -> bool:
    from urllib.parse import urlsplit

    if not (url.isascii() and url.isprintable()) or set(url) & set(' #"<>\\^`{|}'):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and port != 0
        and "@" not in parts.netloc
        and _is_host(parts.hostname or "")
    )


def _tls(mqtt: MqttConfig) -> Iterator[Problem]:
    tls = mqtt.tls
    path: KeyPath = ("mqtt", "tls")
    for given, needed in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if getattr(tls, given) and not getattr(tls, needed):
            yield Problem((*path, needed), "", f"mqtt.tls.{given} is set and needs it")
    files = [key for key in ("ca_file", "cert_file", "key_file") if getattr(tls, key)]
    if files and not tls.enabled:
        message = f"nothing would be encrypted although {files[0]} is set; expected true"
        yield Problem((*path, "enabled"), tls.enabled, message)


def of_web(web: WebConfig) -> Iterator[Problem]:
    """The inconsistencies of ``[web]``."""
    tls = web.tls
    for given, needed in (
        ("cert_file", "key_file"),
        ("key_file", "cert_file"),
        ("client_ca_file", "cert_file"),
    ):
        if getattr(tls, given) and not getattr(tls, needed):
            message = f"web.tls.{given} is set and needs it"
            yield Problem(("web", "tls", needed), "", message)
    if not _is_loopback(web.listen):
        if not (tls.cert_file or web.insecure):
            message = "others could read the traffic; set web.tls.cert_file, or web.insecure = true"
            yield Problem(("web", "listen"), web.listen, message)
        if not (web.token_file or tls.client_ca_file):
            message = f"web.listen = {shown(web.listen)} lets others connect; set this one, or "
            yield Problem(("web", "token_file"), "", message + "web.tls.client_ca_file")
    for position, origin in enumerate(web.cors):
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or not host or not _is_host(host.partition(":")[0]):
            message = 'expected an origin such as "https://example.org", without a path'
            yield Problem(("web", "cors", position), origin, message)
    for position, name in enumerate(web.hosts):
        if not _is_host(name) or ":" in name or "*" in name:
            message = "expected a host name alone, such as porch.example.org"
            yield Problem(("web", "hosts", position), name, message)


def _is_loopback(address: str) -> bool:
    return address in ("localhost", "::1") or (
        address.startswith("127.") and address.replace(".", "").isdecimal()
    )


def _is_host(host: str) -> bool:
    is_ipv6 = host.count(":") >= 2 and "]" not in host
    return (
        0 < len(host) <= 253
        and host.isprintable()
        and not any(character in " /@#?[]\\" for character in host)
        and (":" not in host or is_ipv6)
    )


def of_retry(table: KeyPath, least_s: float, most_s: float) -> Iterator[Problem]:
    """The inconsistencies of the back-off in a table."""
    if least_s > most_s:
        message = f"expected at most {table[0]}.retry_max_s, which is {most_s:g}"
        yield Problem((*table, "retry_min_s"), least_s, message)
