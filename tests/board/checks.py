"""What must hold on a real kernel, under a real systemd, in this order: each goes on where the
last one ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from tests.board.machine import Machine

PINS = "/run/gpio-sim"
DEATHS_S = 300.0
"""How long processes are killed."""

BASE = frozenset(
    name.replace("_", " ")
    for name in (
        "the_service_starts_under_systemd",
        "the_picture_decides_what_is_seen",
        "reload_takes_over_a_right_configuration",
        "the_web_unit_starts_with_its_own_user",
    )
)
"""What other checks stand on."""

OFF_MS = 150.0
"""The most that an output may take, emulated."""

STALLS = ("SIGSTOP", "hang in the loop")

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


class Checks:
    """Each method returns what was seen, and raises AssertionError where that is wrong."""

    def __init__(self, machine: Machine, deaths_s: float = DEATHS_S) -> None:
        self.machine = machine
        self.deaths_s = deaths_s
        self.label, self.enter, self.exit = "airplane", 0.6, 0.4
        self.on_pattern, self.off_pattern = PATTERNS[1], PATTERNS[0]

    def __iter__(self) -> Iterator[tuple[str, Callable[[], str]]]:
        for name, method in vars(type(self)).items():
            if not name.startswith("_"):
                yield name.replace("_", " "), method.__get__(self)

    def the_hardware_belongs_to_the_groups_that_the_documentation_says(self) -> str:
        seen = self.machine.tell("stat -c '%n %G %a' /dev/video0 /dev/gpiochip0; id -nG edged")
        assert "/dev/video0 video 660" in seen, seen
        assert "/dev/gpiochip0 gpio 660" in seen, seen
        assert {"video", "gpio"} <= set(seen.splitlines()[-1].split()), seen
        return "; ".join(seen.splitlines())

    def make_install_made_the_user_and_a_private_folder(self) -> str:
        seen = self.machine.tell("stat -c '%n %U:%G %a' /etc/edged /etc/edged/edged.toml")
        assert seen.splitlines() == [
            "/etc/edged root:edged 750",
            "/etc/edged/edged.toml root:edged 640",
        ], seen
        return "; ".join(seen.splitlines())

    def the_service_starts_under_systemd(self) -> str:
        self._configure(rules=False)
        self.machine.tell("systemctl start edged")
        seen = self._service(
            "ActiveState", "Type", "User", "DevicePolicy", "MemoryDenyWriteExecute"
        )
        assert seen["ActiveState"] == "active", seen
        assert seen["Type"] == "notify", seen
        return ", ".join(f"{key}={value}" for key, value in seen.items())

    def the_daemon_is_confined(self) -> str:
        pid = self._pid()
        status = self.machine.tell(
            f"grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/{pid}/status"
        )
        facts = dict(line.split(":", 1) for line in status.splitlines())
        uid = self.machine.tell("id -u edged")
        assert facts["Uid"].split() == [uid] * 4, facts
        assert int(facts["CapEff"], 16) == 0, facts
        assert facts["NoNewPrivs"].strip() == "1", facts
        assert facts["Seccomp"].strip() == "2", facts
        both = self.machine.run(f"grep -c ' .wx' /proc/{pid}/maps")
        assert both.output.strip() == "0", f"writable and executable mappings: {both.output}"
        return f"uid {uid}, no capability, seccomp, no memory both writable and executable"

    def xnnpack_computes_without_executable_memory(self) -> str:
        line = self.machine.tell(
            "journalctl -u edged -o cat | grep 'delegated operators' | tail -1"
        )
        share = line.partition("delegated operators: ")[2].partition(";")[0]
        assert int(share.rstrip("%")) >= 50, line
        return f"delegated operators: {share}"

    def frames_of_the_kernels_camera_are_classified(self) -> str:
        # The kernel's camera stamps frames by their number: at times ahead of the clock.
        status = self._status_when(lambda status: status["camera_error"] is None)
        assert status["frames"] > 0, status
        agreed = self.machine.tell("journalctl -u edged -o cat | grep 640x480 | tail -1")
        assert "YUYV" in agreed, agreed
        return f"{status['camera']}, {agreed.rpartition(': ')[2]}, scene {status['scene']}"

    def the_picture_decides_what_is_seen(self) -> str:
        scores = {}
        for pattern in PATTERNS:
            self._show(pattern)
            scores[pattern] = self._scores()
        spread, self.label, self.on_pattern, self.off_pattern = max(
            (scores[on][label] - scores[off][label], label, on, off)
            for label in scores[PATTERNS[0]]
            for on in PATTERNS
            for off in PATTERNS
        )
        assert spread > 0.1, scores
        low = scores[self.off_pattern][self.label]
        self.exit, self.enter = round(low + 0.35 * spread, 3), round(low + 0.65 * spread, 3)
        return f"{self.label}: {low:.2f} to {low + spread:.2f} over {len(PATTERNS)} pictures"

    def reload_takes_over_a_right_configuration(self) -> str:
        self._show(self.off_pattern)
        self._configure()
        before = self._pid()
        self.machine.tell("systemctl reload edged")
        self.machine.wait("journalctl -u edged -o cat | grep -c 'configuration reloaded'")
        assert "thing" in self._status()["rules"], self._status()
        assert self._pid() == before, "another process"
        return "the new rule is in the status; the same process"

    def reload_refuses_a_wrong_configuration_and_goes_on(self) -> str:
        before = self._pid()
        self.machine.tell("cp -p /etc/edged/edged.toml /root/right.toml")
        self.machine.tell("echo 'nonsense = 1' >> /etc/edged/edged.toml")
        self.machine.run("systemctl reload edged")
        said = self.machine.wait("journalctl -u edged -o cat | grep nonsense | tail -1")
        self.machine.tell("cat /root/right.toml > /etc/edged/edged.toml")
        assert self._pid() == before, "another process"
        assert self._service("ActiveState")["ActiveState"] == "active"
        return said

    def the_socket_answers_whom_the_group_lets_in(self) -> str:
        self.machine.tell("id member >/dev/null 2>&1 || useradd -m -G edged member")
        self.machine.tell("id stranger >/dev/null 2>&1 || useradd -m stranger")
        ask = "/usr/local/bin/edged status --config /etc/edged/edged.toml"
        inside = self.machine.run(f"setpriv --reuid=member --regid=member --init-groups {ask}")
        outside = self.machine.run(f"setpriv --reuid=stranger --regid=stranger --init-groups {ask}")
        assert inside.status == 0, inside.output
        assert outside.status != 0, outside.output
        assert "Traceback" not in outside.output, outside.output
        return f"a member is answered; a stranger: {outside.output.strip().splitlines()[-1]}"

    def a_snapshot_is_a_jpeg(self) -> str:
        said = self.machine.tell(
            "edged snapshot --config /etc/edged/edged.toml --out /root/shot.jpg | head -1;"
            "od -An -tx1 -N3 /root/shot.jpg; stat -c %s /root/shot.jpg"
        ).splitlines()
        assert said[-2].split() == ["ff", "d8", "ff"], said
        return f"{said[-1]} bytes; {said[-3]}"

    def an_output_follows_the_picture(self) -> str:
        self.machine.tell("systemctl restart edged")
        before = self._level(0, "0")
        self._show(self.on_pattern)
        on = self._level(0, "1")
        self._show(self.off_pattern)
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
        seen = []
        for way, took_ms in told["took_ms"].items():
            limit_ms = OFF_MS + (told["deadman_ms"] if way in STALLS else 0.0)
            ordered = sorted(took_ms)
            p50, p99 = (ordered[round(part * (len(ordered) - 1))] for part in (0.5, 0.99))
            assert p99 <= limit_ms, f"{way}: {ordered}"
            seen.append(f"{way} ×{len(ordered)}: {p50:.0f}/{p99:.0f}/{ordered[-1]:.0f} ms")
        return f"p50/p99/max: {'; '.join(seen)}; dead-man {told['deadman_ms']:.0f} ms"

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
        assert {"camera", "pins", "broker-rights", "unit"} <= {one["id"] for one in found}, found
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

    def an_unplugged_camera_is_told_and_opened_again(self) -> str:
        before = self._pid()
        self.machine.tell("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind")
        told = self._status_when(lambda status: status["camera_error"])["camera_error"]
        assert self._service("ActiveState")["ActiveState"] == "active"
        self.machine.tell("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind; udevadm settle")
        frames = self._status_when(lambda status: not status["camera_error"])["frames"]
        self._status_when(lambda status: status["frames"] > frames)
        assert self._pid() == before, "another process"
        return f"{told}; plugged in again: frames come, the same process"

    def the_camera_is_confined_and_comes_again_when_it_is_killed(self) -> str:
        machine, daemon = self.machine, self._pid()
        find = f"pgrep -P {daemon} -f edged.cameras.isolation"
        camera = machine.tell(find)
        status = machine.tell(
            f"grep -E '^(NoNewPrivs|Seccomp_filters):' /proc/{camera}/status; "
            f"grep Seccomp_filters: /proc/{daemon}/status; "
            f"ls -l /proc/{camera}/fd | grep -c -E 'gpiochip|events-' || true"
        ).split()
        assert status[1] == "1", status
        assert int(status[3]) > int(status[5]), status
        assert status[6] == "0", status
        machine.tell(f"kill -9 {camera}")
        again = machine.wait(find, lambda said: said not in ("", camera))
        frames = self._status_when(lambda status: not status["camera_error"])["frames"]
        self._status_when(lambda status: status["frames"] > frames)
        assert self._pid() == daemon, "another daemon"
        return f"seccomp in {status[3]} layers; killed: process {again}, the same daemon"

    def a_lost_camera_ends_its_rule_and_its_output(self) -> str:
        machine = self.machine
        self._configure(camera="lost_after_s = 2.0")
        machine.tell("systemctl restart edged")
        self._show(self.on_pattern)
        on = self._level(0, "1")
        machine.tell("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind")
        off = self._level(0, "0")
        retained = machine.tell(
            "mosquitto_sub -t edged/board/camera/availability -C 1 -W 60;"
            "mosquitto_sub -t edged/board/state -C 1 -W 60"
        ).splitlines()
        assert retained[-2] == "offline", retained
        state = json.loads(retained[-1])
        assert (state["scene"], state["rules"]) == (None, {}), state
        last = self._events()[-1]
        assert (last["active"], last["reason"]) == (False, "camera"), last
        machine.tell("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind; udevadm settle")
        self._show(self.on_pattern)
        again = self._level(0, "1")
        self._show(self.off_pattern)
        self._configure()
        machine.tell("systemctl restart edged")
        return f"relay {on}, lost {off} ({state['reason']}), back {again}"

    def a_stop_and_a_start_leave_no_rule_open(self) -> str:
        self._show(self.on_pattern)
        self._level(0, "1")
        self.machine.tell("systemctl restart edged")
        self._level(0, "1")
        self.machine.tell(f"kill -9 {self._pid()}")
        self._level(0, "1")
        self._status_when(lambda status: status["rules"])
        self._show(self.off_pattern)
        self._level(0, "0")
        told = [(event["active"], event["reason"]) for event in self._events()]
        assert not any(first and second for (first, _), (second, _) in pairwise(told)), told
        reasons = [reason for _, reason in told]
        assert "stop" in reasons, told
        assert "restart" in reasons, told
        return f"{len(told)} events, after each on an off; {reasons.count('restart')} by restart"

    def a_chip_that_comes_late_is_taken(self) -> str:
        machine, bank = self.machine, "/sys/kernel/config/gpio-sim/board"
        machine.tell(f"systemctl stop edged; echo 0 > {bank}/live; systemctl start edged")
        error = self._status_when(lambda status: status["pins_error"])["pins_error"]
        frames = self._status()["frames"]
        self._status_when(lambda status: status["frames"] > frames)
        machine.tell(
            f"echo 1 > {bank}/live; rm {PINS}; udevadm settle; "
            f"cd {bank}; "
            f"ln -s /sys/devices/platform/$(cat dev_name)/$(cat bank0/chip_name) {PINS}"
        )
        lamp = self._level(1, "1")
        self._status_when(lambda status: status["pins_error"] is None)
        return f"{error}; frames came; with the chip the lamp is {lamp}"

    def events_of_a_clock_that_began_in_1970_are_sent_with_right_times(self) -> str:
        machine = self.machine
        machine.tell("timedatectl set-ntp false; systemctl stop edged mosquitto")
        now_s = float(machine.tell("date +%s"))
        machine.tell("date -s @90000; systemctl start edged")
        self._status_when(lambda status: status["rules"])
        self._show(self.on_pattern)
        self._status_when(lambda status: status["rules"]["thing"]["active"])
        self._show(self.off_pattern)
        self._status_when(lambda status: not status["rules"]["thing"]["active"])
        made = self._events()[-2:]
        assert all(event["time"].startswith("1970") for event in made), made
        machine.tell(f"date -s @$(( {now_s:.0f} + $(date +%s) - 90000 ))")
        listen = "mosquitto_sub -t edged/board/event -C 2 -W 60 > /root/late"
        machine.tell(f"systemctl start mosquitto; ({listen} &) ; true")
        machine.wait("wc -l < /root/late", lambda said: said == "2")
        sent = [json.loads(line) for line in machine.tell("cat /root/late").splitlines()]
        numbers = [event["number"] for event in made]
        assert [event["number"] for event in sent] == numbers, (sent, numbers)
        year = machine.tell("date +%Y")
        assert all(event["time"].startswith(year) for event in sent), sent
        assert not any(event["time_synced"] for event in sent), sent
        return f"made in 1970, sent as of {sent[0]['time']}, time_synced false"

    def a_turned_picture_is_classified(self) -> str:
        self._configure(camera='rotate_deg = 90\nflip = "horizontal"')
        self.machine.tell("systemctl restart edged")
        size = self.machine.tell(
            "edged snapshot --config /etc/edged/edged.toml --out /root/turned.jpg >/dev/null;"
            "/usr/local/lib/edged/bin/python -c "
            "\"from PIL import Image; print(*Image.open('/root/turned.jpg').size)\""
        ).split()[-2:]
        self._configure()
        self.machine.tell("systemctl restart edged")
        assert int(size[0]) < int(size[1]), size
        return f"640x480 turned by 90 degrees is {'x'.join(size)}"

    def without_its_file_the_credential_is_empty(self) -> str:
        self._configure(
            mqtt='port = 1884\nusername = "sensor"\npassword_file = "credential:mqtt-password"'
        )
        self.machine.tell("systemctl restart edged")
        said = self.machine.wait("journalctl -u edged -o cat | grep ':1884' | tail -1")
        assert self._service("ActiveState")["ActiveState"] == "active"
        return said

    def with_its_file_the_broker_lets_the_service_in(self) -> str:
        self.machine.tell(
            "printf secret | install -m 600 /dev/stdin /etc/edged/mqtt-password;"
            "systemctl restart edged"
        )
        said = self.machine.wait("journalctl -u edged -o cat | grep ':1884: connected' | tail -1")
        self._configure()
        self.machine.tell("rm /etc/edged/mqtt-password; systemctl restart edged")
        return said

    def a_wrong_configuration_is_not_started_again(self) -> str:
        self.machine.tell("systemctl stop edged; echo 'nonsense = 1' >> /etc/edged/edged.toml")
        self.machine.run("systemctl start edged")
        seen = self.machine.wait(
            "systemctl show edged -p ActiveState -p NRestarts -p ExecMainStatus",
            lambda said: "ActiveState=failed" in said,
        )
        assert "ExecMainStatus=78" in seen, seen
        assert "NRestarts=0" in seen, seen
        self._configure()
        self.machine.tell("systemctl reset-failed edged; systemctl start edged")
        return ", ".join(seen.splitlines())

    def two_instances_have_two_cameras_two_sockets_two_names(self) -> str:
        self.machine.tell("systemctl stop edged")
        for number, name in enumerate(("garden", "porch")):
            self._configure(name=name, source=f"/dev/video{number}", rules=False)
        self.machine.tell("systemctl start edged@garden edged@porch")
        sockets = self.machine.tell("ls /run/edged").split()
        assert {"garden.sock", "porch.sock"} <= set(sockets), sockets
        seen = []
        for number, name in enumerate(("garden", "porch")):
            status = _data(
                self.machine.tell(
                    f"edged status --json --config /etc/edged/{name}.toml --set device={name}"
                )
            )
            assert f"/dev/video{number}" in status["camera"], status
            topic = self.machine.tell(
                f"mosquitto_sub -t edged/{name}/availability -C 1 -W 60 -F '%t %p'"
            )
            assert topic == f"edged/{name}/availability online", topic
            seen.append(f"{name}: {status['camera']}, {topic}")
        self.machine.tell("systemctl stop edged@garden")
        left = self.machine.tell("ls /run/edged; systemctl is-active edged@porch").split()
        assert "porch.sock" in left, left
        assert "garden.sock" not in left, left
        self.machine.tell("systemctl stop edged@porch")
        return "; ".join(seen) + "; one stopped, the other's socket stays"

    def events_outlive_a_power_cut(self) -> str:
        machine = self.machine
        self._show(self.off_pattern)
        machine.tell("systemctl enable edged; systemctl start edged")
        # A session that the broker keeps collects what comes while this listener is away.
        listen = "mosquitto_sub -i audit -c -q 1 -t edged/board/event"
        machine.run(f"{listen} -E")
        machine.tell("systemctl disable mosquitto; systemctl stop mosquitto")
        machine.wait("journalctl -u edged -o cat | tail -5 | grep 'MQTT broker'")
        for _ in range(3):
            self._show(self.on_pattern)
            self._status_when(lambda status: status["rules"]["thing"]["active"])
            self._show(self.off_pattern)
            self._status_when(lambda status: not status["rules"]["thing"]["active"])
        # What the daemon promises: on disk a moment after it was made.
        machine.tell("sleep 1")
        machine.cut()
        booted_s = machine.start()
        machine.wait("systemctl is-active edged", lambda said: said == "active")
        recovered = machine.tell("dmesg | grep -i 'recovery complete' | tail -1; true")
        machine.tell("systemctl start mosquitto")
        machine.wait("journalctl -b -u edged -o cat | grep 'events sent late:'")
        heard = machine.run(f"{listen} -C 6 -W 20").output
        events = [json.loads(line) for line in heard.splitlines() if line.startswith("{")]
        assert [event["active"] for event in events] == [True, False] * 3, heard
        assert all(event["replayed"] for event in events), heard
        numbers = [event["id"] for event in events]
        assert len(set(numbers)) == 6, numbers
        assert [event["time"] for event in events] == sorted(event["time"] for event in events)
        return (
            f"6 events made without a broker, power cut, up again after {booted_s:.0f} s "
            f"({recovered.partition('] ')[2] or 'nothing to recover'}): 6 came, in order, replayed"
        )

    def _configure(
        self,
        name: str = "edged",
        source: str = "/dev/video0",
        camera: str = "",
        mqtt: str = "",
        rules: bool = True,
    ) -> None:
        text = COMMON.format(
            source=source, camera=camera, enter=self.enter, exit=self.exit, mqtt=mqtt
        )
        path = f"/etc/edged/{name}.toml"
        self.machine.write(path, text + (RULE.format(label=self.label) if rules else ""))
        self.machine.tell(f"chgrp edged {path}; chmod 640 {path}")

    def _drop_in(self, unit: str, setting: str) -> None:
        folder = f"/etc/systemd/system/{unit}.service.d"
        self.machine.tell(f"mkdir -p {folder}")
        self.machine.write(f"{folder}/board.conf", f"[Service]\n{setting}\n")
        self.machine.tell("systemctl daemon-reload")

    def _service(self, *names: str) -> dict[str, str]:
        said = self.machine.tell("systemctl show edged -p " + ",".join(names))
        return dict(line.split("=", 1) for line in said.splitlines())

    def _events(self) -> list[dict[str, Any]]:
        said = self.machine.tell("edged events --json --config /etc/edged/edged.toml")
        told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return [one for one in told if one["type"] == "event"]

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
        return _data(self.machine.tell("edged status --json --config /etc/edged/edged.toml"))

    def _status_when(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        return _data(
            self.machine.wait(
                "edged status --json --config /etc/edged/edged.toml",
                lambda said: wanted(_data(said)),
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


def _data(said: str) -> dict[str, Any]:
    """What the daemon's reply holds, which is the last line of what was `said`."""
    data: dict[str, Any] = json.loads(said.splitlines()[-1])["data"]
    return data
