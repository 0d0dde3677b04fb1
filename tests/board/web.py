"""What must hold of the web unit beside a running daemon, after all other checks."""

from __future__ import annotations

import json

from tests.board.checks import PATTERNS, PINS, Checks

PORT = 8080
KILLS = 20
FLOOD_S = 60.0
CLIENTS, VIEWERS = 64, 20
WATCHDOG_S = 10
"""Shorter than the unit's: a daemon that a flood holds up would be ended in this test."""
DEADMAN_S = 8
"""Below it. A busy host holds the emulator up for the usual 2 s at times, whatever the web does."""

GUEST = "/usr/src/edged/tests/board/guest"
PYTHON = "/usr/local/lib/edged/bin/python"
MEAN = (
    "from PIL import Image, ImageStat; "
    "print(sum(ImageStat.Stat(Image.open('/root/live.jpg')).mean) / 3)"
)


class WebChecks(Checks):
    """They begin with the daemon running, as it has come up after a power cut."""

    def the_web_unit_starts_with_its_own_user(self) -> str:
        self.machine.tell(
            f"printf '[gpio]\\ndeadman_s = {DEADMAN_S}\\n' >> /etc/edged/edged.toml; "
            "systemctl restart edged; systemctl enable --now edged-web"
        )
        self.machine.wait(self._get("/healthz"), lambda said: said == "ok")
        pid, user = self._web_pid(), self.machine.tell("id -u edged-web")
        status = self.machine.tell(
            f"grep -E '^(Uid|Groups|CapEff|NoNewPrivs|Seccomp):' /proc/{pid}/status"
        )
        facts = {line.split(":")[0]: line.split(":")[1].split() for line in status.splitlines()}
        assert facts["Uid"] == [user] * 4, facts
        assert user != self.machine.tell("id -u edged")
        groups = self.machine.tell("getent group edged | cut -d: -f3")
        assert set(facts["Groups"]) <= {groups, self.machine.tell("id -g edged-web")}, facts
        assert int(facts["CapEff"][0], 16) == 0, facts
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == (["1"], ["2"]), facts
        devices = self.machine.tell(f"ls /proc/{pid}/root/dev").split()
        assert not [name for name in devices if name.startswith(("video", "gpio"))], devices
        return f"uid {user}, group edged, no capability, no device but {', '.join(devices)}"

    def the_web_unit_is_little_exposed(self) -> str:
        said = self.machine.tell("systemd-analyze security edged-web --no-pager --threshold=12")
        return said.splitlines()[-1].partition(" ")[2]

    def the_web_unit_tells_of_the_running_daemon(self) -> str:
        before = self._metric("edged_frames_classified_total")
        frames = self._status()["frames"]
        self._status_when(lambda status: status["frames"] > frames + 5)
        after = self._metric("edged_frames_classified_total")
        assert before <= frames < after, (before, frames, after)
        assert self._metric("edged_up") == self._metric("edged_pins_up") == 1
        ready = self.machine.tell(self._get("/readyz"))
        assert ready == "ok", ready
        page = self.machine.tell(self._get("/"))
        assert page.startswith("<!doctype html>"), page[:200]
        return f"/healthz and /readyz ok; {before:.0f} frames, later {after:.0f}; the page is there"

    def the_live_picture_of_the_page_is_what_the_camera_sees(self) -> str:
        means = {}
        for pattern in (PATTERNS[1], PATTERNS[2]):
            self._show(pattern)
            # The first may have been taken before, and may come too late in an emulator.
            self.machine.wait(self._get("/live/picture.jpg", "/root/live.jpg"), lambda _: True)
            self.machine.tell(self._get("/live/picture.jpg", "/root/live.jpg"))
            means[pattern] = float(self.machine.tell(f'{PYTHON} -c "{MEAN}"'))
        black, white = means.values()
        # The kernel's camera writes time and settings over its pictures.
        assert black < 60 < 180 < white, means
        self._show(self.picture.off_pattern)
        return f"mean level {black:.0f} while it sees black, {white:.0f} while it sees white"

    def killed_twenty_times_the_web_leaves_frames_and_pins_alone(self) -> str:
        daemon, restarts = self._pid(), self._service("NRestarts")
        frames = self._status()["frames"]
        self._follow_lamp()
        pids = [self._web_pid()]
        for kill in range(KILLS):
            if kill % 4 == 0:
                # While the daemon writes pictures for it.
                self.machine.wait(self._get("/live/picture.jpg", "/root/live.jpg"), lambda _: True)
            self.machine.tell(f"kill -9 {pids[-1]}")
            last = pids[-1]
            self.machine.wait(
                "systemctl show edged-web -p MainPID --value",
                lambda said, last=last: said not in ("0", last),  # type: ignore[misc]
            )
            pids.append(self._web_pid())
            before, frames = frames, self._status()["frames"]
            assert frames > before, f"no frame after kill {kill + 1}"
        levels = self._lamp_levels()
        assert levels == ["1"], levels
        assert len(set(pids)) == KILLS + 1, pids
        assert (self._pid(), self._service("NRestarts")) == (daemon, restarts), "another daemon"
        self.machine.wait(self._get("/healthz"), lambda said: said == "ok")
        return f"{KILLS} times SIGKILL, frames after each; the lamp stayed on; the same daemon"

    def a_flood_of_the_web_does_not_trip_the_watchdog(self) -> str:
        machine = self.machine
        self._drop_in("edged", f"WatchdogSec={WATCHDOG_S}")
        machine.tell("systemctl restart edged")
        self._level(1, "1")
        machine.tell("edged snapshot --config /etc/edged/edged.toml --out /root/flood.jpg")
        machine.wait(self._get("/readyz"), lambda said: said == "ok")
        daemon, restarts = self._pid(), self._service("NRestarts")
        alone = self._frames_in(FLOOD_S / 2) * 2
        self._follow_lamp()
        began = self._status()["frames"]
        # Those who ask are other machines: here they get what nobody else needs.
        said = machine.tell(
            "systemd-run --quiet --pipe --wait -p CPUWeight=1 -p Nice=19 "
            f"python3 {GUEST}/flood.py {PORT} /root/flood.jpg {CLIENTS} {VIEWERS} {FLOOD_S:g}",
            FLOOD_S + 180.0,
        )
        frames = self._status()["frames"] - began
        levels = self._lamp_levels()
        answers = json.loads(said.splitlines()[-1])
        assert answers.get("200", 0) > 0, answers
        assert answers.get("live bytes", 0) > 0, answers
        assert levels == ["1"], levels
        assert (self._pid(), self._service("NRestarts")) == (daemon, restarts), "another daemon"
        assert frames > 0, "no frames"
        self._drop_in("edged", "")
        machine.tell("systemctl restart edged")
        told = ", ".join(f"{what}: {count}" for what, count in sorted(answers.items()))
        return (
            f"{CLIENTS} clients, {VIEWERS} viewers, {FLOOD_S:g} s, watchdog {WATCHDOG_S} s: "
            f"{frames} frames and more, {alone} without; the lamp stayed on; answers: {told}"
        )

    def _get(self, path: str, out: str = "") -> str:
        where = f" -o {out}" if out else ""
        return f"curl -sS --fail --max-time 60{where} http://127.0.0.1:{PORT}{path}"

    def _metric(self, name: str) -> float:
        lines = self.machine.tell(self._get("/metrics")).splitlines()
        (value,) = (line.split()[1] for line in lines if line.split()[0] == name)
        return float(value)

    def _web_pid(self) -> str:
        pid = self.machine.tell("systemctl show edged-web -p MainPID --value")
        # 0 would let `kill` hit whoever asks.
        assert pid != "0", "the web unit is not running"
        return pid

    def _frames_in(self, seconds: float) -> int:
        began = self._status()["frames"]
        self.machine.tell(f"sleep {seconds:g}", seconds + 60.0)
        count: int = self._status()["frames"] - began
        return count

    def _follow_lamp(self) -> None:
        self.machine.tell(
            f"(python3 {GUEST}/level.py {PINS}/sim_gpio1/value > /root/levels 2>&1 & "
            "echo $! > /root/level.pid); true"
        )
        self.machine.wait("cat /root/levels", lambda said: said == "1")

    def _lamp_levels(self) -> list[str]:
        """Each that it has had since `_follow_lamp`."""
        return self.machine.tell("kill $(cat /root/level.pid); cat /root/levels").split()
