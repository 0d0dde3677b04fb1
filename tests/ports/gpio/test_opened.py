"""What a daemon has opened counts at its end, whatever the configuration says by then."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edged.cli import main
from edged.config import saved
from edged.config.schema import GpioConfig, OutputConfig
from edged.errors import ConfigError, PortError
from edged.paths import opened_outputs
from edged.ports.gpio import opened
from edged.ports.gpio.opened import OpenedOutputs
from tests.ports.gpio.fake_gpiod import FakeChip

RELAY = OutputConfig(name="relay", pin="RELAY", action="manual")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    path = tmp_path / "edged.toml"
    path.write_text('[[output]]\nname = "relay"\npin = "RELAY"\naction = "manual"\n')
    return path


def safe_outputs(config: Path) -> int:
    return main(["safe-outputs", "--config", str(config)])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "outputs.json"
    assert opened.read(path) is None
    wanted = OpenedOutputs(GpioConfig(chip="pinctrl"), [RELAY])
    with opened.written(path, wanted):
        assert opened.read(path) == wanted
    assert opened.read(path) == wanted


def test_a_second_daemon_does_not_write_over_what_the_first_has_opened(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    first = OpenedOutputs(GpioConfig(), [RELAY])
    with opened.written(path, first):
        second = opened.written(path, OpenedOutputs(GpioConfig(), []))
        with pytest.raises(PortError, match="another edged runs with this configuration"):
            second.__enter__()
        assert opened.read(path) == first
    with opened.written(path, OpenedOutputs(GpioConfig(), [])):
        pass


def test_its_folders_are_made_and_others_may_look_but_not_write(tmp_path: Path) -> None:
    path = tmp_path / "run" / "edged" / "outputs.json"
    before = os.umask(0)
    try:
        with opened.written(path, OpenedOutputs(GpioConfig(), [RELAY])):
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    finally:
        os.umask(before)


@pytest.mark.parametrize("content", [b"", b"{", b'{"gpio": {}, "outputs": [{"pin": 3}]}', b"\xff"])
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outputs.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"outputs\.json: cannot be read: ") as told:
        opened.read(path)
    assert "\n" not in str(told.value)


def test_a_place_that_cannot_be_written_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wanted = opened.written(tmp_path / "file" / "o.json", OpenedOutputs(GpioConfig(), [RELAY]))
    with pytest.raises(PortError, match="make its directory writable"):
        wanted.__enter__()
    with pytest.raises(ConfigError, match="cannot be read"):
        opened.read(tmp_path)


@pytest.mark.parametrize(
    "edited",
    ["", "[[output]]\nname = 'relay", '[[output]]\nname = "lamp"\npin = "LAMP"\naction="manual"'],
    ids=["removed", "a typo", "another"],
)
def test_an_output_that_was_opened_goes_safe_whatever_was_written_since(
    board: FakeChip, config: Path, edited: str
) -> None:
    board["RELAY"].level = board["LAMP"].level = 1
    with opened.written(opened_outputs(config), OpenedOutputs(GpioConfig(), [RELAY])):
        config.write_text(edited)
    assert safe_outputs(config) == 0
    assert (board["RELAY"].level, board["LAMP"].level) == (0, 1)


def test_where_nothing_was_opened_the_configuration_counts(board: FakeChip, config: Path) -> None:
    board["RELAY"].level = 1
    assert safe_outputs(config) == 0
    assert board["RELAY"].level == 0


def test_damaged_changes_of_the_page_keep_no_output_from_its_safe_level(
    board: FakeChip, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(config.parent / "state"))
    place = saved.file(config)
    place.parent.mkdir()
    place.write_text("[")
    board["RELAY"].level = 1
    assert safe_outputs(config) == 0
    assert board["RELAY"].level == 0


def test_each_configuration_has_a_place_of_its_own(config: Path) -> None:
    other = opened_outputs(config.with_name("other.toml"))
    assert len({opened_outputs(config), other, opened_outputs(None)}) == 3
    assert opened_outputs(config) == opened_outputs(Path(str(config)))


@pytest.mark.parametrize("damage", ["half", "fifo"])
def test_where_it_is_damaged_that_is_said_and_the_configuration_counts(
    board: FakeChip, config: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    board["RELAY"].level = 1
    path = opened_outputs(config)
    path.parent.mkdir(parents=True)
    if damage == "fifo":
        os.mkfifo(path)
    else:
        path.write_text('{"gpio": {')
    assert safe_outputs(config) == 1
    assert "using the outputs of the configuration instead" in capsys.readouterr().err
    assert board["RELAY"].level == 0


def test_a_link_to_a_configuration_is_that_configuration(config: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(config)
    assert opened_outputs(link) == opened_outputs(config)
