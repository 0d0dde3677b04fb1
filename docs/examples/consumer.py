"""Receives every event of an edged device, exactly once, also if the broker loses its memory.

    python consumer.py porch                       # prints each event
    python consumer.py porch --host broker.example --name archive --state /var/lib/archive

As a module: `Consumer(device, name, state, handle).run(host)` calls `handle(event)` for each event,
in order. When it returns, the event counts as stored; if it raises, the consumer ends, and the
event comes again after the next start.

edged numbers its events. The consumer publishes the last number that it has stored to
``edged/<device>/receipt/<name>``: when it connects, after each event, and every 30 s. edged sends
what is missing again.

Needs paho-mqtt 2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

RECEIPT_S = 30.0
SOON_S = 6.0
"""edged sends again what the broker acknowledged more than 5 s ago."""


GIVE_UP_S = 600.0
"""For so long the consumer waits for a missing event, then it goes on without it and says so."""


class Consumer:
    """Calls `handle` for each event of `device`, in order and without repeats."""

    def __init__(
        self,
        device: str,
        name: str,
        state: Path,
        handle: Callable[[dict[str, Any]], None],
        prefix: str = "edged",
        *,
        everything: bool = False,
    ) -> None:
        """With `everything`, a new consumer begins with the oldest event that edged still has."""
        self._events = f"{prefix}/{device}/event"
        self._receipts = f"{prefix}/{device}/receipt/{name}"
        self._state = state
        self._handle = handle
        self._client = Client(CallbackAPIVersion.VERSION2, f"{name}-{device}-{os.getpid()}")
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.reconnect_delay_set(1, 30)
        self._stopping = threading.Event()
        self._missing_s: float | None = None
        self._error: BaseException | None = None
        self._due_s = time.monotonic() + RECEIPT_S
        new = 0 if everything else -1
        self.last = int(state.read_text()) if state.exists() else new
        """The last number that is stored; -1: begin with the next event that comes."""

    def run(self, host: str = "localhost", port: int = 1883) -> None:
        """Receive until `stop` is called from another thread, or `handle` raises."""
        client = self._client
        client.connect_async(host, port)
        client.loop_start()
        try:
            while not self._stopping.wait(0.1) and self._error is None:
                if time.monotonic() >= self._due_s:
                    self._due_s = time.monotonic() + RECEIPT_S
                    self._send_receipt()
        finally:
            client.disconnect()
            client.loop_stop()
            client.on_connect = client.on_message = None
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping.set()

    def _connected(
        self,
        client: Client,
        _data: Any,
        _flags: ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not code.is_failure:
            client.subscribe(self._events, 1)
            self._send_receipt()

    def _received(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        said = json.loads(message.payload)
        first, last = (
            (said["first"], said["last"])
            if said["type"] == "gap"
            else (said["number"], said["number"])
        )
        if self.last >= 0 and (last <= self.last or self._misses_one_before(first)):
            return
        try:
            if said["type"] == "event" and self._error is None:
                self._handle(said)
                self._store(last)
        except BaseException as error:
            self._error = error
            return
        if said["type"] == "gap":
            self._store(last)
        self._send_receipt()

    def _misses_one_before(self, first: int) -> bool:
        """Whether an earlier event is missing, which the next receipt brings back."""
        now_s = time.monotonic()
        if first <= self.last + 1:
            self._missing_s = None
            return False
        self._missing_s = self._missing_s or now_s
        if now_s > self._missing_s + GIVE_UP_S:
            print(f"events {self.last + 1} to {first - 1} never came", file=sys.stderr)
            self._missing_s = None
            return False
        self._due_s = min(self._due_s, now_s + SOON_S)
        return True

    def _store(self, number: int) -> None:
        new = self._state.with_suffix(".new")
        with new.open("w") as file:
            file.write(str(number))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._state)
        self.last = number

    def _send_receipt(self) -> None:
        if self.last >= 0:
            self._client.publish(self._receipts, str(self.last), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print every event of an edged device once.")
    parser.add_argument("device")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--name", default="printer", help="one for each consumer")
    parser.add_argument("--everything", action="store_true", help="begin with the oldest event")
    parser.add_argument("--state", type=Path, default=Path("edged-consumer.last"))
    arguments = parser.parse_args()

    def handle(event: dict[str, Any]) -> None:
        print(json.dumps(event, ensure_ascii=False), flush=True)

    consumer = Consumer(
        arguments.device,
        arguments.name,
        arguments.state,
        handle,
        everything=arguments.everything,
    )
    consumer.run(arguments.host, arguments.port)


if __name__ == "__main__":
    main()
