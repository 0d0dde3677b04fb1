#!/bin/sh
# gpiozero's own tests of real pins against edged's libgpiod factory, on a simulated chip of its own
# whose lines 22 and 27 are wired together. $1 holds pytest and gpiozero's source. Two kinds are left
# out: SPI, which edged has not, and duty cycles, as pulses of 1 ms come milliseconds late here.
set -eu
there=$1
python=/usr/local/lib/edged/bin/python
work=$(mktemp -d)
tar xzf "$there"/gpiozero-*.tar.gz -C "$work" --strip-components=1
device=/sys/kernel/config/gpio-sim/header
bank=$device/bank0
mkdir -p "$bank"
# It goes again: to edged it would be one more chip.
trap 'rm -rf "$work"; echo 0 > "$device/live"; rmdir "$bank"/line* "$bank" "$device"' EXIT
echo 28 > "$bank/num_lines"
echo header > "$bank/label"
for number in $(seq 0 27); do
    mkdir "$bank/line$number"
    echo "GPIO$number" > "$bank/line$number/name"
done
echo 1 > "$device/live"
chip=$(cat "$bank/chip_name")
lines=/sys/devices/platform/$(cat "$device/dev_name")/$chip
# gpiozero finds factories by their entry points.
mkdir "$work/entry" "$work/entry/edged_pins-0.dist-info"
printf 'Metadata-Version: 2.1\nName: edged-pins\nVersion: 0\n' > "$work/entry/edged_pins-0.dist-info/METADATA"
printf '[gpiozero_pin_factories]\nedged = edged.ports.gpio.gpiod_pins:GpiodFactory\n' \
    > "$work/entry/edged_pins-0.dist-info/entry_points.txt"
cat > "$work/tests/conftest.py" <<'PYTHON'
import os
from pathlib import Path

import pytest
from gpiozero import Device

from edged.ports.gpio.gpiod_pins import GpiodPin

LINES = Path(os.environ["LINES"])
OTHER = {22: 27, 27: 22}
plain = GpiodPin._level


def wired(pin):
    """What the other end of the wire drives or pulls, the pin sees when it is looked at."""
    if pin._function == "input" and pin._offset in OTHER:
        other = LINES / f"sim_gpio{OTHER[pin._offset]}"
        if pin._pull == "floating" or DRIVEN.get(OTHER[pin._offset]) == "output":
            pull = "pull-up" if (other / "value").read_text().strip() == "1" else "pull-down"
            (LINES / f"sim_gpio{pin._offset}" / "pull").write_text(pull)
    return plain(pin)


DRIVEN = {}
set_function, make_output, make_input = GpiodPin._set_function, GpiodPin._make_output, GpiodPin._make_input


def output(pin, value):
    make_output(pin, value)
    DRIVEN[pin._offset] = "output"


def input_(pin):
    make_input(pin)
    DRIVEN[pin._offset] = "input"


GpiodPin._level, GpiodPin._make_output, GpiodPin._make_input = wired, output, input_


@pytest.fixture
def no_default_factory():
    Device.pin_factory, before = None, Device.pin_factory
    yield None
    Device.pin_factory = before
PYTHON
cd "$work"
export LINES="$lines" GPIOZERO_TEST_PIN="$chip:22" GPIOZERO_TEST_INPUT_PIN="$chip:27"
export GPIOZERO_TEST_LOCK="$work/lock" PYTHONPATH="$work/entry:$there/packages" PYTHONDONTWRITEBYTECODE=1
"$python" -m pytest -q -rfEs -p no:cacheprovider -c /dev/null --rootdir . -k "edged and not spi and not duty_cycles" tests/test_real_pins.py
