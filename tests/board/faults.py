"""What must hold when cameras, chips, clocks, files and power come and go."""

from __future__ import annotations

import json
from itertools import pairwise

from tests.board.checks import PINS, Checks, data_of


class FaultChecks(Checks):
    """They begin with the daemon running, and end after a power cut."""

    def an_unplugged_camera_is_told_and_opened_again(self) -> str:
        before = self._pid()
        self.machine.tell("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind")
        told = self._status_when(lambda status: status["camera_error"])["camera_error"]
        assert self._service("ActiveState")["ActiveState"] == "active"
        self._plug()
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
        self._show(self.picture.on_pattern)
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
        self._plug()
        self._show(self.picture.on_pattern)
        again = self._level(0, "1")
        faults = [(one["active"], one["cause"]) for one in self._events(of_camera=True)[-2:]]
        assert faults == [(True, "camera lost"), (False, "camera lost")], faults
        self._show(self.picture.off_pattern)
        self._configure()
        machine.tell("systemctl restart edged")
        return f"relay {on}, lost {off} ({state['reason']}), back {again}"

    def a_stop_and_a_start_leave_no_rule_open(self) -> str:
        self._show(self.picture.on_pattern)
        self._level(0, "1")
        self.machine.tell("systemctl restart edged")
        self._level(0, "1")
        # An event of the last 50 ms may be lost: then no rule was left open.
        newest = "edged events --json --config /etc/edged/edged.toml | tail -1"
        self.machine.wait(newest, lambda said: '"active":true' in said)
        self.machine.tell(f"kill -9 {self._pid()}")
        self._level(0, "1")
        self._status_when(lambda status: status["rules"])
        self._show(self.picture.off_pattern)
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
        # A session that the broker keeps: edged may be connected again before a new listener is.
        listen = "mosquitto_sub -i late -c -q 1 -t edged/board/event"
        machine.run(f"{listen} -E")
        machine.tell("timedatectl set-ntp false; systemctl stop edged mosquitto")
        now_s = float(machine.tell("date +%s"))
        machine.tell("date -s @90000; systemctl start edged")
        self._status_when(lambda status: status["rules"])
        self._show(self.picture.on_pattern)
        self._status_when(lambda status: status["rules"]["thing"]["active"])
        self._show(self.picture.off_pattern)
        self._status_when(lambda status: not status["rules"]["thing"]["active"])
        made = self._events()[-2:]
        assert all(event["time"].startswith("1970") for event in made), made
        machine.tell(f"date -s @$(( {now_s:.0f} + $(date +%s) - 90000 ))")
        machine.tell("systemctl start mosquitto")
        numbers = [event["number"] for event in made]
        heard = machine.run(f"{listen} -W 20").output
        told = [json.loads(line) for line in heard.splitlines() if line.startswith("{")]
        # What was made before the broker was stopped may come first.
        sent = [event for event in told if event["number"] in numbers]
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
            status = data_of(
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
        self._show(self.picture.off_pattern)
        machine.tell("systemctl enable edged; systemctl start edged")
        # A session that the broker keeps collects what comes while this listener is away.
        listen = "mosquitto_sub -i audit -c -q 1 -t edged/board/event"
        machine.run(f"{listen} -E")
        machine.tell("systemctl disable mosquitto; systemctl stop mosquitto")
        machine.wait("journalctl -u edged -o cat | tail -5 | grep 'MQTT broker'")
        for _ in range(3):
            self._show(self.picture.on_pattern)
            self._status_when(lambda status: status["rules"]["thing"]["active"])
            self._show(self.picture.off_pattern)
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

    def _plug(self) -> None:
        """The camera, again."""
        self.machine.tell(
            "echo vivid.0 > /sys/bus/platform/drivers/vivid/bind; udevadm settle; "
            "/usr/local/sbin/stamp-at-the-start"
        )
