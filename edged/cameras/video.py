"""Video files and the streams of network cameras, through PyAV (FFmpeg's libraries)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edged.cameras.newest import SourceEnded
from edged.cameras.orient import reduced_px
from edged.cameras.source import Capture
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError, PictureError
from edged.imaging.picture import decode_jpeg
from edged.printable import printable
from edged.redact import public_name

LATE_S = 0.25
"""How far a recording may fall behind before its schedule is moved instead of caught up with."""

MAX_PIXELS = 7680 * 4320
"""No larger picture is decoded: a damaged or hostile stream must not take all memory."""

NETWORK_PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,srtp,rtmp,rtmps,srt,crypto,data"
"""What a stream may lead to: a play list from the network must not open local files."""

FILE_OPTIONS = {"protocol_whitelist": "file"}
"""A file must not make edged open anything in the network."""

_REASONS = {
    "ArgumentError": "no such address, or its pictures are too large; check camera.source",
    "ConnectionRefusedError": "the connection is refused; check that it is on, and the port",
    "DemuxerNotFoundError": "this PyAV has no reader for it; use another address or format",
    "FileNotFoundError": "there is no such file; set camera.source, an address with its scheme (rtsp://)",
    "HTTPForbiddenError": "it forbids access; check the user's rights there",
    "HTTPNotFoundError": "it has no such stream; check the path in camera.source",
    "HTTPUnauthorizedError": "user or password is missing or wrong; check camera.source",
    "InvalidDataError": "its data cannot be understood; check that it is video",
    "IsADirectoryError": "it is a folder; set camera.source to a file",
    "PermissionError": "access is denied; let the user of edged read it",
    "ProtocolNotFoundError": "this kind of address is not known; check camera.source",
}
"""What went wrong and what to do, by the name of PyAV's exception."""


class VideoSource:
    """Plays ``source``: a file at its own frame rate, a live stream as it comes.

    An address (``rtsp://``, ``rtsps://``, ``http://``, ``https://``, ``udp://``, ...) is live,
    except where HTTP delivers a recording of known length, which is played like a file. ``fps``
    caps a recording; with ``loop`` false SourceEnded follows its last frame. A live frame's
    ``captured_s`` is the arrival of the packet that completed it, a recorded frame's is the time
    when it was due. Frames that the decoder knows to be damaged are left out.
    """

    def __init__(
        self,
        camera: CameraConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._camera = camera
        self._network = is_address(camera.source)
        self.name = printable(public_name(camera.source) or "video")
        self._clock = clock
        self._schedule = Schedule(camera.fps, camera.timeout_s, clock, sleep)
        self._recorded = not self._network
        self._jpeg = False
        self._delivered = False
        self._deadline_s = 0.0
        # PyAV brings no types that mypy may follow in every version that edged runs with.
        self._container: Any = None
        self._scaler: Any = None
        self._frames: Iterator[tuple[Any, float, float]] = iter(())

    def __enter__(self) -> VideoSource:
        self._open()
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def grab(self) -> Capture:
        self._deadline_s = self._clock() + self._camera.timeout_s
        while True:
            for frame, shown_s, captured_s in self._frames:
                if not self._recorded:
                    return self._capture(frame, captured_s)
                due_s = self._schedule.wait(shown_s)
                if due_s is not None:
                    return self._capture(frame, due_s)
            self._play_again()

    def _open(self) -> None:
        if not self._camera.source:
            raise CameraError("video: nothing to play; set camera.source to a file or an address")
        try:
            import av
            from av.video.reformatter import VideoReformatter
        except ImportError as error:
            raise CameraError(
                f"{self.name}: PyAV is not installed; get it with: pip install 'edged[video]'"
            ) from error
        camera = self._camera
        options = _options(camera.source, camera.timeout_s) if self._network else dict(FILE_OPTIONS)
        # For what looks at the stream first, and for the decoder.
        options["max_pixels"] = str(MAX_PIXELS)
        self._deadline_s = self._clock() + camera.timeout_s
        try:
            self._container = av.open(
                # With its protocol named, "12:30.mp4" is a file and no address.
                camera.source if self._network else f"file:{_path(camera.source)}",
                options=options,
                # For files too: a play list may be waited for.
                timeout=(camera.timeout_s, camera.timeout_s),
            )
        except (av.FFmpegError, ValueError) as error:
            # Without its cause: that holds the whole address, password included.
            raise self._failure(error) from None
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            self._close()
            raise CameraError(f"{self.name}: it has no video that can be decoded; check the codec")
        if self._network:
            self._recorded = bool(
                camera.source.startswith("http") and self._container.duration is not None
            )
        decoder = streams[0].codec_context
        decoder.options = {"max_pixels": options["max_pixels"]}
        if self._recorded:
            decoder.thread_type = "AUTO"
        else:
            # Threads by frame would hold back one frame per core.
            decoder.thread_type = "SLICE"
            decoder.options["flags"] = "+low_delay"
        # Motion JPEG needs no frame but its own, so it is decoded when somebody reads it.
        self._jpeg = not self._recorded and decoder.name == "mjpeg"
        self._scaler = VideoReformatter()
        self._delivered = False
        self._frames = self._decoded(streams[0])

    def _close(self) -> None:
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
        self._container = None

    def _play_again(self) -> None:
        if not self._recorded:
            raise CameraError(f"{self.name}: the stream ended; check the camera and the network")
        if not self._delivered:
            raise CameraError(f"{self.name}: no frame of it can be decoded; replace the file")
        if not self._camera.loop:
            raise SourceEnded(f"{self.name}: the video is over")
        # Opened anew and not rewound, because raw streams cannot seek.
        self._close()
        self._open()

    def _decoded(self, stream: Any) -> Iterator[tuple[Any, float, float]]:
        """Each good frame, its time in the recording in s, and when its packet had arrived.

        A live JPEG comes as its packet.
        """
        import av

        interval_s = 1.0 / float(stream.average_rate or self._camera.fps)
        shown_s = -interval_s
        try:
            # All streams are asked for: packets of sound alone must not keep this waiting.
            for packet in self._container.demux():
                arrived_s = self._clock()
                if not self._recorded and arrived_s > self._deadline_s:
                    raise self._nothing_came()
                if packet.stream is not stream:
                    continue
                if self._jpeg:
                    if packet.size:
                        yield packet, shown_s, arrived_s
                    continue
                try:
                    frames = packet.decode()
                except (av.error.InvalidDataError, av.error.EOFError):
                    # Damage, or a live stream before its first key frame.
                    continue
                for frame in frames:
                    shown_s = shown_s + interval_s if frame.time is None else frame.time
                    if not frame.is_corrupt:
                        yield frame, shown_s, arrived_s
        except av.FFmpegError as error:
            raise self._failure(error) from None

    def _capture(self, frame: Any, captured_s: float) -> Capture:
        self._delivered = True
        if self._jpeg:
            data = bytes(frame)
            return Capture(captured_s, partial(_from_jpeg, data, self.name), reduces=True)
        return Capture(captured_s, partial(_rgb, frame, self._scaler, self.name), reduces=True)

    def _failure(self, error: Exception) -> CameraError:
        kind = type(error).__name__
        # What FFmpeg makes of its own time-out differs by protocol.
        overdue = self._network and self._clock() > self._deadline_s - 0.1 * self._camera.timeout_s
        if overdue or kind in ("ExitError", "TimeoutError"):
            return self._nothing_came()
        if kind == "OSError" and self._network:
            return CameraError(
                f"{self.name}: no connection, or it broke; check the name and the network"
            )
        reason = getattr(error, "strerror", None) or "cannot be opened"
        return CameraError(f"{self.name}: {_REASONS.get(kind, f'{reason}; check camera.source')}")

    def _nothing_came(self) -> CameraError:
        return CameraError(
            f"{self.name}: no good frame within {self._camera.timeout_s:g} s; "
            "check the camera and the network"
        )


class Schedule:
    """When the frames of a recording are due, by their presentation time stamps.

    The first frame is due when it is asked for. A time stamp that goes back (the next round, or
    damage) or jumps by more than `longest_s` is due one frame after its predecessor.
    """

    def __init__(
        self,
        fps: float,
        longest_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._least_s = self._interval_s = 1.0 / fps
        self._longest_s = longest_s
        self._clock = clock
        self._sleep = sleep
        self._shown_s: float | None = None
        self._due_s = 0.0
        self._next_s = 0.0

    def wait(self, shown_s: float) -> float | None:
        """Sleep until the frame at `shown_s` is due and return that time; None: leave it out."""
        now_s = self._clock()
        if self._shown_s is None:
            self._due_s = self._next_s = now_s
        else:
            interval_s = shown_s - self._shown_s
            if 0.0 < interval_s <= self._longest_s:
                self._interval_s = interval_s
            self._due_s += self._interval_s
        self._shown_s = shown_s
        if self._due_s < now_s - LATE_S:
            self._due_s = now_s
        # A millisecond of grace: 1/30 s is no whole number of time base units.
        if self._due_s < self._next_s - 1e-3:
            return None
        self._next_s = max(self._next_s, self._due_s - self._least_s) + self._least_s
        if self._due_s > now_s:
            self._sleep(self._due_s - now_s)
        return self._due_s


def is_address(source: str) -> bool:
    """Whether `source` names something in the network and no file."""
    return "://" in source and not source.startswith("file:")


def _path(source: str) -> Path:
    return Path(source.removeprefix("file:")).expanduser()


def _options(address: str, timeout_s: float) -> dict[str, str]:
    """FFmpeg's options for as little delay as can be, and for noticing a dead camera."""
    options = {
        "protocol_whitelist": NETWORK_PROTOCOLS,
        "analyzeduration": "1000000",
        "fpsprobesize": "0",
        # In microseconds, and an int in C.
        "timeout": str(min(int(timeout_s * 1e6), 2**31 - 1)),
    }
    if not address.startswith("http"):
        # What came while the stream was analysed is old news, but HTTP may deliver a recording.
        options["fflags"] = "nobuffer"
    if address.startswith("rtsp"):
        options["allowed_media_types"] = "video"
        # UDP loses packets and is often firewalled; "?udp" at the address's end asks for it.
        if not address.endswith(("?udp", "?multicast")):
            options["rtsp_transport"] = "tcp"
    return options


def _from_jpeg(data: bytes, name: str, least_px: tuple[int, int] | None) -> Pixels:
    try:
        return decode_jpeg(data, name, least_px)
    except PictureError as error:
        # One text for all of them, so that a run of damaged frames is told once.
        raise CameraError(f"{name}: damaged JPEG frame; check the network") from error


def _rgb(frame: Any, scaler: Any, name: str, least_px: tuple[int, int] | None) -> Pixels:
    """`frame` as RGB, as large as `least_px` asks; by `scaler`, which is the loop's own."""
    import av
    from av.video.reformatter import VideoReformatter

    height, width = reduced_px((frame.height, frame.width), least_px)
    try:
        # One scaler for every frame is set up once; all pixels may be wanted in another thread.
        picture: Any = (VideoReformatter() if least_px is None else scaler).reformat(
            frame, width=width, height=height, format="rgb24", interpolation="AREA"
        )
        pixels: Pixels = picture.to_ndarray()
    except (av.FFmpegError, ValueError) as error:
        raise CameraError(f"{name}: a frame cannot be turned into RGB; check the codec") from error
    return pixels
