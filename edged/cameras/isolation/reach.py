"""What the process of a camera needs of the machine; all else is out of its reach."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import edged
from edged import confine, syscalls
from edged.cameras.kinds import CameraKind, is_address, path_of

if TYPE_CHECKING:
    from edged.config.schema import CameraConfig

DEV = Path("/dev")

_SYSTEM = (
    "/usr", "/lib", "/lib64", "/opt", "/etc/ld.so.cache", "/etc/localtime", "/proc/self",
    "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
)  # fmt: skip
"""Libraries, and what they ask of the processor."""

_RESOLVER = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
    "/etc/gnutls", "/etc/crypto-policies",
)  # fmt: skip
"""How host names become addresses, and which certificates are trusted."""

_LIBCAMERA = ("/sys", "/run/udev", "/etc/libcamera")
_LIBCAMERA_DEVICES = ("media*", "video*", "v4l-subdev*", "dma_heap", "udmabuf")

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935, "rtmps": 443}
_DNS = 53


class Reach(NamedTuple):
    """Files to read, devices to use, folders to list; TCP ports, address families; programs."""

    files: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    listed: tuple[Path, ...] = ()
    tcp_ports: frozenset[int] = frozenset()
    families: frozenset[int] = frozenset()
    starts_programs: bool = False


def reach_of(kind: CameraKind, camera: CameraConfig) -> Reach:
    """What a camera of this `kind` needs for one opening, beside Python and its libraries."""
    if kind == "v4l2":
        from edged.cameras.v4l2 import device_path, nodes

        path = device_path(camera.source)
        return Reach(devices=tuple(nodes()) if path is None else (path,), listed=(DEV,))
    if kind == "picamera2":
        devices = tuple(path for name in _LIBCAMERA_DEVICES for path in DEV.glob(name))
        return Reach(
            files=tuple(map(Path, _LIBCAMERA)),
            devices=devices,
            listed=(DEV,),
            families=frozenset({socket.AF_NETLINK}),
            # libcamera runs algorithms that are not signed in processes of their own.
            starts_programs=True,
        )
    if kind == "video" and is_address(camera.source):
        return Reach(
            files=tuple(map(Path, _RESOLVER)),
            # A camera's page may lead from HTTP to HTTPS or RTSP.
            tcp_ports=frozenset({_DNS, *_PORTS.values(), *_port(camera.source)}),
            families=syscalls.network_families(),
        )
    if kind == "video":
        path = path_of(camera.source)
        # A pattern of file names needs their folder.
        return Reach(files=(path if path.is_file() else path.parent,))
    return Reach()


def stay_within(reach: Reach) -> tuple[bool, bool]:
    """Let this process have no more than that: whether Landlock and seccomp hold."""
    confine.give_up_privileges()
    landlocked = confine.landlock(
        (*map(Path, _SYSTEM), *_python(), *reach.files),
        (DEV / "null", DEV / "zero", DEV / "urandom", *reach.devices),
        reach.listed,
        reach.tcp_ports,
        programs=reach.starts_programs,
    )
    return landlocked, syscalls.forbid(reach.families, processes=reach.starts_programs)


def _python() -> Iterator[Path]:
    """Where modules come from; not the working directory, which holds the state of edged."""
    yield from (Path(prefix) for prefix in {sys.base_prefix, sys.prefix} if prefix != "/usr")
    yield from map(Path, edged.__path__)
    here = Path.cwd()
    yield from (path for path in map(Path, filter(None, sys.path)) if path.absolute() != here)


def _port(address: str) -> tuple[int, ...]:
    try:
        port = urlsplit(address).port
    except ValueError:
        # The library will say what is wrong with it.
        return ()
    return () if port is None else (port,)
