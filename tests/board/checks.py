"""What the checks of a board share: the state that one leaves to the next, and what they ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edged.core import CAMERA
from tests.board.machine import Machine

PINS = "/run/gpio-sim"
PATTERNS = (0, 5, 6, 7, 8)
"""Colour bars, black, white, red and green, as vivid numbers its pictures."""

COMMON = """\
device = "board"
[camera]
kind = "v4l2"
source = "{source}"
fps = 10.0
retry_max_s = 2.0
{camera}
[decide]
enter = {enter}
exit = {exit}
smoothing_s = 0.0
# Plain areas of one colour are no picture of anything that the model knows.
known_only = false
[mqtt]
classification_hz = 5.0
classification_top = 10
health_s = 2.0
retry_max_s = 2.0
{mqtt}
"""

RULE = """\
[[rule]]
name = "thing"
labels = ["{label}"]
[[output]]
name = "relay"
pin = "edged-sim:RELAY"
rule = "thing"
[[output]]
name = "lamp"
pin = "LAMP"
action = "manual"
initial = 1.0
[[input]]
name = "button"
pin = "BUTTON"
"""


@dataclass
class Picture:
    """The label that the rule is for, its thresholds, and the pictures with and without it."""

    label: str = "airplane"
    enter: float = 0.6
    exit: float = 0.4
    on_pattern: int = PATTERNS[1]
    off_pattern: int = PATTERNS[0]


class Checks:
    """Each public method returns what was seen, and raises AssertionError where that is wrong.

    They run in the order in which they are written, and each goes on where the last one ended.
    """

    def __init__(self, machine: Machine, picture: Picture) -> None:
        self.machine = machine
        self.picture = picture

    def __iter__(self) -> Iterator[tuple[str, Callable[[], str]]]:
        for name, method in vars(type(self)).items():
            if not name.startswith("_"):
                yield name.replace("_", " "), method.__get__(self)

    def _configure(
        self,
        name: str = "edged",
        source: str = "/dev/video0",
        camera: str = "",
        mqtt: str = "",
        rules: bool = True,
    ) -> None:
        picture = self.picture
        text = COMMON.format(
            source=source, camera=camera, enter=picture.enter, exit=picture.exit, mqtt=mqtt
        )
        path = f"/etc/edged/{name}.toml"
        self.machine.write(path, text + (RULE.format(label=picture.label) if rules else ""))
        self.machine.tell(f"chgrp edged {path}; chmod 640 {path}")

    def _drop_in(self, unit: str, setting: str) -> None:
        folder = f"/etc/systemd/system/{unit}.service.d"
        self.machine.tell(f"mkdir -p {folder}")
        self.machine.write(f"{folder}/board.conf", f"[Service]\n{setting}\n")
        self.machine.tell("systemctl daemon-reload")

    def _service(self, *names: str) -> dict[str, str]:
        said = self.machine.tell("systemctl show edged -p " + ",".join(names))
        return dict(line.split("=", 1) for line in said.splitlines())

    def _events(self, *, of_camera: bool = False) -> list[dict[str, Any]]:
        """Those of rules, or of the camera itself."""
        said = self.machine.tell("edged events --json --config /etc/edged/edged.toml")
        told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        events = [one for one in told if one["type"] == "event"]
        return [one for one in events if (one["rule"] == CAMERA) == of_camera]

    def _doctor(self, user: str = "") -> list[dict[str, Any]]:
        """The findings, as root or as the `user` that a command makes."""
        said = self.machine.run(
            f"{user} edged doctor --json --config /etc/edged/edged.toml", 300.0
        ).output
        findings: list[dict[str, Any]] = json.loads(said.splitlines()[-1])["findings"]
        return findings

    def _pid(self) -> str:
        pid = self._service("MainPID")["MainPID"]
        # 0 would let `kill` hit whoever asks.
        assert pid != "0", "the service is not running"
        return pid

    def _status(self) -> dict[str, Any]:
        return data_of(self.machine.tell("edged status --json --config /etc/edged/edged.toml"))

    def _status_when(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        return data_of(
            self.machine.wait(
                "edged status --json --config /etc/edged/edged.toml",
                lambda said: wanted(data_of(said)),
            )
        )

    def _show(self, pattern: int) -> None:
        self.machine.tell(f"v4l2-ctl -d /dev/video0 -c test_pattern={pattern}; sleep 1")

    def _scores(self) -> dict[str, float]:
        said = self.machine.tell("mosquitto_sub -t edged/board/classification -C 2 -W 60")
        results = json.loads(said.splitlines()[-1])["results"]
        return {result["label"]: result["score"] for result in results}

    def _level(self, line: int, wanted: str) -> str:
        return self.machine.wait(f"cat {PINS}/sim_gpio{line}/value", lambda said: said == wanted)

    def _death(self, how: str) -> str:
        """The lamp is on at the start, so off is `safe-outputs` and on again the new daemon."""
        self._level(1, "1")
        before, restarts = self._pid(), int(self._service("NRestarts")["NRestarts"])
        watch = (
            f"{how} {before}; began=$(date +%s%N); was=1; "
            "for _ in $(seq 20000); do "
            f"is=$(cat {PINS}/sim_gpio1/value); "
            "if [ $is != $was ]; then echo $is $(( ($(date +%s%N) - began) / 1000000 )); was=$is; "
            "[ $is = 1 ] && exit 0; fi; sleep 0.02; done; exit 1"
        )
        changes = [line.split() for line in self.machine.tell(watch, 200.0).splitlines()]
        assert [change[0] for change in changes] == ["0", "1"], changes
        self.machine.wait("systemctl is-active edged", lambda said: said == "active")
        now = self._service("MainPID", "NRestarts")
        assert now["MainPID"] != before, now
        assert int(now["NRestarts"]) == restarts + 1, now
        off_s, on_s = (int(change[1]) / 1000 for change in changes)
        return f"off after {off_s:.1f} s, a new daemon's outputs after {on_s:.1f} s, active"


def data_of(said: str) -> dict[str, Any]:
    """What the daemon's reply holds, which is the last line of what was `said`."""
    data: dict[str, Any] = json.loads(said.splitlines()[-1])["data"]
    return data
