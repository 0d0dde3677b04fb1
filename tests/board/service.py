"""What must hold of the service on a real kernel, under a real systemd."""

from __future__ import annotations

import re

from tests.board.checks import PATTERNS, Checks


class ServiceChecks(Checks):
    """They begin with a computer that has just started."""

    def the_hardware_belongs_to_the_groups_that_the_documentation_says(self) -> str:
        # On an emulated Arm board the first chip is the computer's own, and taken away.
        seen = self.machine.tell("stat -c '%n %G %a' /dev/video0 /dev/gpiochip?; id -nG edged")
        assert "/dev/video0 video 660" in seen, seen
        assert re.search(r"/dev/gpiochip\d gpio 660", seen), seen
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
        status = self._status()
        assert status["frames"] > 0, status
        assert status["camera_error"] is None, status
        agreed = self.machine.tell("journalctl -u edged -o cat | grep 640x480 | tail -1")
        assert "YUYV" in agreed, agreed
        return f"{status['camera']}, {agreed.rpartition(': ')[2]}, scene {status['scene']}"

    def the_picture_decides_what_is_seen(self) -> str:
        picture, scores = self.picture, {}
        for pattern in PATTERNS:
            self._show(pattern)
            scores[pattern] = self._scores()
        spread, picture.label, picture.on_pattern, picture.off_pattern = max(
            (scores[on][label] - scores[off][label], label, on, off)
            for label in scores[PATTERNS[0]]
            for on in PATTERNS
            for off in PATTERNS
        )
        assert spread > 0.1, scores
        low = scores[picture.off_pattern][picture.label]
        picture.exit = round(low + 0.35 * spread, 3)
        picture.enter = round(low + 0.65 * spread, 3)
        return f"{picture.label}: {low:.2f} to {low + spread:.2f} over {len(PATTERNS)} pictures"

    def reload_takes_over_a_right_configuration(self) -> str:
        self._show(self.picture.off_pattern)
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
