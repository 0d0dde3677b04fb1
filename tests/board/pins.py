"""What must hold of pins, their guard and the doctor."""

from __future__ import annotations

import json

from tests.board.checks import PINS, Checks, Picture
from tests.board.machine import Machine
from tests.torture.part import Row

DEATHS_S = 300.0
"""How long processes are killed."""

OFF_MS = 150.0
"""The most that an output may take, emulated."""

MORE_MB = 45.0
"""What daemon, pin guard and the camera's process may take above a bare script."""

STALLS = ("SIGSTOP", "hang in the loop")


def spread(row: Row) -> str:
    return "/".join(f"{row.at(part):.0f}" for part in (0.5, 0.99, 1.0))


class PinChecks(Checks):
    """They begin with the rule configured."""

    def __init__(self, machine: Machine, picture: Picture, deaths_s: float = DEATHS_S) -> None:
        super().__init__(machine, picture)
        self.deaths_s = deaths_s

    def an_output_follows_the_picture(self) -> str:
        self.machine.tell("systemctl restart edged")
        before = self._level(0, "0")
        self._show(self.picture.on_pattern)
        on = self._level(0, "1")
        self._show(self.picture.off_pattern)
        off = self._level(0, "0")
        return f"{before} at the start, {on} with the picture, {off} without"

    def an_output_follows_mqtt(self) -> str:
        levels = [self._level(1, "1")]
        for word, wanted in (("OFF", "0"), ("ON", "1")):
            self.machine.tell(f"mosquitto_pub -q 1 -t edged/board/output/lamp/set -m {word}")
            levels.append(self._level(1, wanted))
        return f"initial {levels[0]}, OFF {levels[1]}, ON {levels[2]}"

    def a_button_asks_for_a_picture(self) -> str:
        self.machine.tell(
            f"echo pull-up > {PINS}/sim_gpio2/pull; systemctl restart edged; sleep 1;"
            "mosquitto_sub -t edged/board/image -C 1 -W 60 > /root/button.jpg &"
            f" sleep 2; echo pull-down > {PINS}/sim_gpio2/pull; wait; "
            f"echo pull-up > {PINS}/sim_gpio2/pull"
        )
        seen = self.machine.tell("od -An -tx1 -N3 /root/button.jpg; stat -c %s /root/button.jpg")
        assert seen.split()[:3] == ["ff", "d8", "ff"], seen
        return f"a JPEG of {seen.split()[-1]} bytes on edged/board/image"

    def after_kill_9_outputs_go_off_and_the_service_comes_back(self) -> str:
        return self._death("kill -9")

    def outputs_go_off_by_their_guard_alone(self) -> str:
        self._drop_in("edged", "ExecStopPost=")
        self.machine.tell("systemctl restart edged")
        seen = self._death("kill -9")
        self._drop_in("edged", "")
        self.machine.tell("systemctl restart edged")
        return f"without safe-outputs: {seen}"

    def safe_outputs_finds_the_guard_gone(self) -> str:
        said = self.machine.run("journalctl -b -u edged -o cat | grep 'in use by'").output
        assert not said, said
        return "no pin was in use when systemd ran it"

    def the_guard_is_small_and_the_last_that_want_of_memory_ends(self) -> str:
        seen = self.machine.tell(
            f"for pid in {self._pid()} $(pgrep -f '[m] edged.guard'); do "
            "grep ^Pss: /proc/$pid/smaps_rollup; cat /proc/$pid/oom_score_adj; done"
        ).split()
        daemon_kb, daemon_adj, guard_kb, guard_adj = (int(seen[place]) for place in (1, 3, 5, 7))
        assert guard_adj < daemon_adj, seen
        sizes = f"PSS {guard_kb / 977:.0f} MB beside {daemon_kb / 977:.0f} MB"
        return f"{sizes}; oom_score_adj {guard_adj} beside {daemon_adj}"

    def the_guard_runs_before_other_processes(self) -> str:
        policy = self.machine.tell("chrt -p $(pgrep -f '[m] edged.guard')")
        assert "SCHED_RR" in policy, policy
        return " ".join(policy.split())

    def a_guard_that_is_killed_comes_again(self) -> str:
        on, before = self._level(1, "1"), self._pid()
        self.machine.tell("kill -9 $(pgrep -f '[m] edged.guard')")
        told = self.machine.wait("journalctl -u edged -o cat | grep 'pin guard has ended'")
        self._status_when(lambda status: status["pins_error"] is None)
        assert self._pid() == before, "another process"
        self.machine.tell("mosquitto_pub -q 1 -t edged/board/output/lamp/set -m OFF")
        off = self._level(1, "0")
        self.machine.tell("mosquitto_pub -q 1 -t edged/board/output/lamp/set -m ON")
        return f"{told.splitlines()[-1]}; lamp {on}, by hand {off} and {self._level(1, '1')}"

    def all_processes_together_take_little_memory(self) -> str:
        taken = []
        for setting in ("", "Environment=EDGED_CAMERA__ISOLATE=false"):
            self._drop_in("edged", setting)
            self.machine.tell("systemctl restart edged")
            self._status_when(lambda status: status["frames"] > 0)
            taken.append(self._memory())
        (more_mb, apart), (_, together) = taken
        self._drop_in("edged", "")
        self.machine.tell("systemctl restart edged")
        seen = f"{apart}; with isolate = false: {together}"
        assert more_mb <= MORE_MB, seen
        return seen

    def _memory(self) -> tuple[float, str]:
        """Megabytes above a bare script, and in words."""
        said = self.machine.tell(
            "/usr/local/lib/edged/bin/python /usr/src/edged/tests/board/guest/memory.py edged "
            "/usr/src/edged/benchmarks/bare.py",
            300.0,
        )
        told = json.loads(said.splitlines()[-1])
        parts = "; ".join(f"{name}: {mb:.1f} MB" for name, mb in told["processes"].items())
        more_mb = sum(told["processes"].values()) - told["bare"]
        return more_mb, f"{more_mb:.0f} MB above a bare script of {told['bare']:.0f} MB ({parts})"

    def killed_in_six_ways_the_lamp_goes_off(self) -> str:
        self.machine.tell("systemctl stop edged")
        # Its guard, too, is a child of nobody's unit here: what it does, it does by itself.
        said = self.machine.tell(
            "/usr/local/lib/edged/bin/python /usr/src/edged/tests/board/guest/deaths.py "
            f"{self.deaths_s:g} {PINS}/sim_gpio1/value",
            self.deaths_s + 120.0,
        )
        self.machine.tell("systemctl start edged")
        told = json.loads(said.splitlines()[-1])
        seen, late = [], []
        for way, took_ms in told["took_ms"].items():
            limit_ms = OFF_MS + (told["deadman_ms"] if way in STALLS else 0.0)
            row = Row(way, took_ms, limit_ms)
            line = f"{way} ×{len(took_ms)}: {spread(row)} ms"
            if after_ms := told["after_end_ms"].get(way):
                row = Row(way, after_ms, limit_ms)
                line += f" in all, {spread(row)} ms after the end"
            seen.append(line)
            if not row.met:
                late.append(way)
        summary = f"p50/p99/max: {'; '.join(seen)}; dead-man {told['deadman_ms']:.0f} ms"
        assert not late, f"too late: {', '.join(late)}; {summary}"
        return summary

    def gpiozeros_own_tests_of_real_pins_pass(self) -> str:
        done = self.machine.run(
            "/usr/src/edged/tests/board/guest/real_pins.sh /opt/gpiozero-tests", 600.0
        )
        summary = [line for line in done.output.splitlines() if " in " in line][-1:]
        assert done.status == 0, done.output[-3000:]
        return " ".join(summary)

    def a_typo_since_the_start_keeps_no_output_on(self) -> str:
        machine, file = self.machine, "/etc/edged/edged.toml"
        on = self._level(1, "1")
        machine.tell(f"cp {file} /root/right.toml; echo 'device = [' >> {file}")
        machine.tell(f"kill -9 {self._pid()}")
        off = self._level(1, "0")
        # A wrong configuration: systemd does not try again.
        machine.wait("systemctl is-failed edged", lambda said: said == "failed")
        machine.tell(f"cp /root/right.toml {file}; systemctl reset-failed edged")
        machine.tell("systemctl start edged")
        return f"lamp {on}, after a typo and kill -9 {off}, mended {self._level(1, '1')}"

    def a_daemon_that_hangs_is_ended_by_the_watchdog(self) -> str:
        self._drop_in("edged", "WatchdogSec=8")
        self.machine.tell("systemctl restart edged")
        seen = self._death("kill -STOP")
        self._drop_in("edged", "")
        result = self.machine.tell(
            "journalctl -u edged -o cat | grep -i watchdog | tail -2 | head -1"
        )
        return f"{result} {seen}"

    def the_doctor_finds_a_sound_board_sound(self) -> str:
        found = self._doctor()
        assert not [one for one in found if one["level"] == "error"], found
        ids = {one["id"] for one in found}
        assert {"pins", "broker-rights", "unit"} <= ids, found
        # An emulated processor may be too slow for the frames.
        assert ids & {"camera", "frame-rate"}, found
        others = [f"{one['level']}: {one['what']}" for one in found if one["level"] != "ok"]
        return f"{len(found)} findings, no error; {'; '.join(others) or 'all in order'}"

    def the_doctor_finds_three_faults_made_on_purpose(self) -> str:
        machine = self.machine
        machine.tell("systemctl stop edged mosquitto")
        machine.tell(
            "systemd-run -q --unit=holder v4l2-ctl -d /dev/video0 --stream-mmap --stream-count=0"
        )
        try:
            machine.wait("systemctl is-active holder", lambda said: said == "active")
            found = self._doctor("setpriv --reuid=edged --regid=edged --clear-groups")
            errors = {one["id"]: one["what"] for one in found if one["level"] == "error"}
            assert {"camera-permission", "gpio-chip", "broker"} <= set(errors), errors
            busy = [one for one in self._doctor() if one["id"] == "camera-busy"]
            assert busy, "who holds the camera is not told"
        finally:
            machine.tell("systemctl stop holder; systemctl start mosquitto edged")
        return "; ".join([*errors.values(), busy[0]["what"]])

    def a_real_time_priority_is_given_where_a_drop_in_asks(self) -> str:
        self._drop_in("edged", "CPUSchedulingPolicy=fifo\nCPUSchedulingPriority=1")
        self.machine.tell("systemctl restart edged")
        threads = self.machine.tell(f"chrt --all-tasks --pid {self._pid()}")
        assert threads.count("SCHED_FIFO") == threads.count("policy"), threads
        frames = self._status()["frames"]
        self._status_when(lambda status: status["frames"] > frames)
        self._drop_in("edged", "")
        self.machine.tell("systemctl restart edged")
        return f"SCHED_FIFO for {threads.count('SCHED_FIFO')} threads, frames come"
