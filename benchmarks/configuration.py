"""What is measured is configured with: a model, a camera, a lamp, and files of its own."""

from __future__ import annotations

from pathlib import Path

from benchmarks import material
from edged.imaging.picture import jpeg

LAMP = """
[[rule]]
name = "seen"
labels = [{labels}]
combine = "sum"
smoothing_s = 0.0
enter = {enter}
exit = 0.3

[[output]]
name = "lamp"
pin = {pin}
rule = "seen"
"""


def write(folder: Path, device: str, text: str) -> Path:
    """The file of a `device` with control socket and journal of its own beside it."""
    path = folder / f"{device}.toml"
    path.write_text(
        f'device = "{device}"\n[control]\nsocket = {str(socket_of(path))!r}\n'
        f"[journal]\npath = {str(path.with_suffix('.db'))!r}\n{text}"
    )
    return path


def socket_of(configuration: Path) -> Path:
    """Where the device of a `configuration` listens for commands."""
    return configuration.with_suffix(".sock")


def model(path: Path, labels: str, port: int = 0) -> str:
    """A model on one thread that sees every frame, mock pins, and MQTT where there is a `port`."""
    return (
        f"[model]\npath = {str(path)!r}\nlabels = {labels!r}\nthreads = 1\n"
        '[gpio]\nfactory = "mock"\n[idle]\nstill = false\n'
        f"[mqtt]\nenabled = {str(bool(port)).lower()}\nhost = '127.0.0.1'\nport = {port}\n"
    )


def lamp(path: Path, pin: int = 17, enter: float = 0.5) -> str:
    """A rule on labels that the model in `path` has, and an output on `pin`."""
    per_channel = path == material.PER_CHANNEL
    labels = '"tabby", "Egyptian cat", "tiger cat"' if per_channel else '"cat", "dog"'
    return LAMP.format(labels=labels, enter=enter, pin=pin)


def still(folder: Path, fps: float = 30.0) -> str:
    """A camera that shows one JPEG, which lies in `folder`."""
    picture = folder / "still.jpg"
    if not picture.exists():
        picture.write_bytes(jpeg(material.two_scenes()[0], 85))
    return f'[camera]\nkind = "directory"\nsource = {str(picture)!r}\nfps = {fps}\n'


def sensor(folder: Path, port: int, *, fps: float = 30.0, pin: int = 17, enter: float = 0.5) -> str:
    """All of it, with the reference model."""
    path, labels = material.reference()
    return still(folder, fps) + model(path, labels, port) + lamp(path, pin, enter)
