"""Where a user may not look, it is said who may."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.strangers import UID, as_stranger, commons

__all__ = ["commons"]

GROUP = 54321
OWNER = 54322


def advice(path: Path) -> str:
    return as_stranger(
        "from pathlib import Path\nfrom edged.access import advice",
        "print(advice(Path(sys.argv[1]), os.W_OK))",
        str(path),
    )[1]


@pytest.mark.parametrize(
    ("folder_mode", "group", "line"),
    [
        (
            0o750,
            GROUP,
            f"{{0}} belongs to group {GROUP}: `sudo usermod -aG {GROUP} {UID}`, then log",
        ),
        (0o700, GROUP, f"{{0}} belongs to user {OWNER}: `sudo -u {OWNER} edged ...`"),
        (0o750, 0, f"{{0}} belongs to user {OWNER}: `sudo -u {OWNER} edged ...`"),
        (
            0o755,
            GROUP,
            f"{{0}}/edged.sock belongs to group {GROUP}: `sudo usermod -aG {GROUP} {UID}`",
        ),
    ],
)
def test_what_stands_in_the_way_is_named_with_a_way_past_it(
    commons: Path, folder_mode: int, group: int, line: str
) -> None:
    folder = commons / "run"
    folder.mkdir()
    socket = folder / "edged.sock"
    socket.touch()
    for path, mode in ((folder, folder_mode), (socket, 0o660)):
        os.chown(path, OWNER, group)
        path.chmod(mode)
    assert advice(socket).startswith(line.format(folder))


def test_groups_and_users_go_by_their_names(commons: Path) -> None:
    import grp

    name = next(entry.gr_name for entry in grp.getgrall() if entry.gr_gid == 1)
    os.chown(commons, 0, 1)
    commons.chmod(0o750)
    assert advice(commons / "edged.sock").startswith(f"{commons} belongs to group {name}: ")


def test_a_link_into_a_closed_folder_is_told_by_that_folder(commons: Path) -> None:
    closed = commons / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("")
    (commons / "link").symlink_to(closed / "file")
    told = advice(commons / "link")
    assert told == f"{closed} belongs to user root: `sudo -u root edged ...`\n"
