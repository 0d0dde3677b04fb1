"""``edged snapshot``."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from edged.cli.daemon_socket import configured
from edged.config.schema import Config
from edged.errors import CameraError
from edged.paths import running_socket
from edged.ports.control.client import ControlClient


def run(arguments: argparse.Namespace) -> int:
    """From the running daemon where one answers, else with the camera of our own."""
    config = configured(arguments)
    try:
        data, picture = ControlClient(running_socket(config)).ask("snapshot")
    except (FileNotFoundError, ConnectionRefusedError):
        data, picture = _own_snapshot(config)
    if arguments.out is not None:
        from edged.files import write_atomically

        write_atomically(arguments.out, picture)
    if arguments.json:
        print(json.dumps(data, ensure_ascii=False))
        return 0
    print("; ".join(f"{best['score']:.1%} {best['label']}" for best in data["results"]))
    if arguments.out is not None:
        print(f"written to {arguments.out}")
    return 0


def _own_snapshot(config: Config) -> tuple[dict[str, Any], bytes]:
    from edged import build
    from edged.core import Result, Scene
    from edged.imaging.snapshot import snapshot_jpeg
    from edged.ports.control.server import ranked

    classifier = build.classifier(config)
    wanted_px = (classifier.input_height_px, classifier.input_width_px)
    give_up_s = time.monotonic() + config.camera.timeout_s
    with build.camera(config.camera, wanted_px) as camera:
        while (frame := camera.read(0.1)) is None:
            if camera.error is not None or time.monotonic() > give_up_s:
                raise CameraError(camera.error or f"{camera.name}: no frame came; is it busy?")
    prediction = classifier.classify(frame.pixels)
    result = Result(frame, prediction, Scene(prediction.top(1)[0].label))
    data = {"type": "result", "results": ranked(result), "camera": camera.name}
    return data, snapshot_jpeg(result)
