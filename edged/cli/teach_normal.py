"""``edged teach --normal``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edged import build
from edged.anomaly import normal as normals
from edged.anomaly import place
from edged.anomaly.fit import FRAMES, learn
from edged.anomaly.trial import SIZES, TRIES, found
from edged.cli.daemon_socket import configured, running_daemon
from edged.cli.shots import shots
from edged.config.schema import Config
from edged.core import DIFFERENT
from edged.errors import UsageError
from edged.inference import layers, modelfile
from edged.ports.control.client import DaemonAbsentError
from edged.printable import printable

MOST = 0.9
"""The part of the smallest pieces that is enough."""


def run(arguments: argparse.Namespace) -> int:
    """Look at what is normal, learn it, and have the running daemon take it over."""
    if arguments.words:
        raise UsageError(
            f"{printable(arguments.words[0])}: --normal takes no label and no pictures: the camera "
            "shows what is normal"
        )
    config = configured(arguments)
    path = _place(arguments, config)
    model = build.admitted(config)
    data = modelfile.content(model.file.path)
    tensor = normals.choose_map(layers.find(data).maps, model.file.path).tensor
    count = arguments.shots or FRAMES
    frames = []
    for number, frame in enumerate(shots(arguments, count, arguments.every), 1):
        frames.append(frame)
        if sys.stderr.isatty():
            print(f"\rpicture {number} of {count}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    with build.classifier(config, model, [tensor]) as classifier:
        crop = config.camera.fit == "crop"
        normal = learn(frames, classifier, tensor, normals.sha256_of(model.file.path), crop=crop)
        pieces = found(normal, frames, classifier, crop=crop)
    normals.write(path, normal)
    told = _taken_over(arguments) if place.wanted(config) else None
    if arguments.json:
        taught = {
            "type": "normal",
            "path": str(path),
            "frames": normal.frames,
            "found": {str(size): count / TRIES for size, count in pieces.items()},
            "reloaded": told,
        }
        print(json.dumps(taught))
        return 0
    print(f"learned {normal.frames} pictures of the normal view; written to {printable(path)}")
    print(_findings(pieces))
    if told is None:
        print(f'no rule looks for it yet: add one with labels = ["{DIFFERENT}"]')
    elif not told:
        print("no daemon runs; the next start uses it")
    return 0


def _findings(found: dict[float, int]) -> str:
    """For people, how many pieces of the view were found, and what to do where that is few."""
    shares = ", ".join(f"{size:.0%} of the frame: {count}" for size, count in found.items())
    told = f"found of {TRIES} pieces of the view, put elsewhere in it: {shares}"
    if found[SIZES[0]] >= MOST * TRIES:
        return told
    return f"{told}; a model with a larger input finds smaller things"


def _place(arguments: argparse.Namespace, config: Config) -> Path:
    """Where the running daemon looks for it, or the next one will."""
    try:
        reply, _ = running_daemon(arguments).ask("setup")
    except DaemonAbsentError:
        return place.place_for_teaching(config)
    return Path(reply["data"]["normal_in"] or place.place(config))


def _taken_over(arguments: argparse.Namespace) -> bool:
    """Whether a daemon runs and has taken over what was learned. RefusedError."""
    try:
        running_daemon(arguments).ask("reload")
    except DaemonAbsentError:
        return False
    return True
