"""The topic tree of one device."""

from __future__ import annotations

from edged.config.schema import MqttConfig


class Topics:
    """The topics of one device; ``root`` is ``<prefix>/<device>``."""

    def __init__(self, mqtt: MqttConfig, device: str) -> None:
        self.prefix = mqtt.prefix.rstrip("/")
        self.root = f"{self.prefix}/{device}"
        self.availability = f"{self.root}/availability"
        self.camera = f"{self.root}/camera/availability"
        self.state = f"{self.root}/state"
        self.event = f"{self.root}/event"
        self.classification = f"{self.root}/classification"
        self.health = f"{self.root}/health"
        self.image = f"{self.root}/image"
        self.thresholds = f"{self.root}/thresholds"
        self.command = f"{self.root}/command"
        self.reply = f"{self.root}/command/reply"
        self.any_output_set = f"{self.root}/output/+/set"
        self.any_receipt = f"{self.root}/receipt/+"

    def output_set(self, name: str) -> str:
        """The topic for setting an output's value."""
        return f"{self.root}/output/{name}/set"

    def output_state(self, name: str) -> str:
        """The topic with an output's value."""
        return f"{self.root}/output/{name}/state"

    def output_of(self, topic: str) -> str | None:
        """The output of a ``set`` topic; None if `topic` is not one."""
        head, tail = f"{self.root}/output/", "/set"
        if topic.startswith(head) and topic.endswith(tail):
            return topic[len(head) : -len(tail)]
        return None

    def consumer_of(self, topic: str) -> str | None:
        """The consumer whose receipts are on `topic`; None for another topic."""
        head = f"{self.root}/receipt/"
        return topic[len(head) :] if topic.startswith(head) else None

    def may_be_answered_at(self, topic: str) -> bool:
        """Whether an untrusted response topic is safe to publish to.

        Not in the tree of edged's own topics, of this device or another: an answer there could be
        mistaken for a state or a command. Not in a broker's own tree, and without wildcards.
        """
        if not 0 < len(topic) <= 256 or topic.startswith("$") or set(topic) & set("+#\0"):
            return False
        if topic == self.reply or topic.startswith(f"{self.reply}/"):
            return True
        return topic != self.prefix and not topic.startswith(f"{self.prefix}/")
