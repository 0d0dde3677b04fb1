"""Video files and the streams of network cameras, through PyAV (FFmpeg's libraries)."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from edged import install
from edged.cameras.ffmpeg import from_jpeg, orientation, rgb
from edged.cameras.jpegs import JpegStream
from edged.cameras.kinds import is_address, path_of
from edged.cameras.pace import Pace, Schedule
from edged.cameras.source import AGAIN, Capture, FrameMissing, SourceEnded
from edged.errors import CameraError
from edged.imaging.turbojpeg import UPRIGHT
from edged.printable import printable
from edged.redact import public_name

if TYPE_CHECKING:
    from edged.config.schema import CameraConfig

MAX_PIXELS = 7680 * 4320
"""Larger pictures are not decoded: a damaged or hostile stream must not take all memory."""

NETWORK_PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,srtp,rtmp,rtmps,srt,crypto,data"
"""What a stream may open: a playlist from the network must not open local files."""

FILE_OPTIONS = {"protocol_whitelist": "file"}
"""A file must not make edged open anything in the network."""

_REASONS = {
    "ArgumentError": "no such address, or its pictures are too large; check camera.source",
    "ConnectionRefusedError": "the connection is refused; check the port and that the camera is on",
    "DemuxerNotFoundError": "this PyAV cannot read it; use another address or format",
    "EOFError": "it ends before its first frame; check that it is video",
    "FileNotFoundError": "there is no such file; an address needs its scheme (rtsp://)",
    "HTTPForbiddenError": "it forbids access; check the user's permissions there",
    "HTTPNotFoundError": "it has no such stream; check the path in camera.source",
    "HTTPServerError": "it reports an internal error (HTTP 5xx); restart the camera",
    "HTTPUnauthorizedError": "user or password is missing or wrong; check camera.source",
    "InvalidDataError": "its data cannot be decoded; check that it is video, and the port",
    "IsADirectoryError": "it is a folder; set camera.source to a file",
    "PermissionError": "access is denied; give edged's user permission to read it",
    "ProtocolNotFoundError": "its scheme is unknown; correct camera.source (rtsp://, http://)",
}
"""What failed and what to do, by the name of PyAV's exception."""


KEY_FRAME_PATIENCE = 4
"""A stream whose packets arrive has this many times ``first_frame_s``: with 30 s, two minutes.

Some cameras send a key frame only once a minute, and reopening them would not help.
"""

SHORTEN = "shorten the camera's key frame interval (I-frames, GOP)"

LONGEST_GAP_S = 3600.0
"""The longest gap in a recording of unknown length; a longer one is a damaged time stamp."""


class VideoSource:
    """Plays ``source``: a file at its own frame rate, a live stream as it arrives.

    An address (``rtsp://``, ``rtsps://``, ``http://``, ``https://``, ``udp://``, ...) is live,
    unless HTTP delivers a recording of known length, which is played like a file, or a single JPEG,
    which is requested repeatedly. ``fps`` caps both; with ``loop`` false SourceEnded follows the
    last frame of a recording. A live frame's ``captured_s`` is the arrival of the packet that
    completed it, a recorded frame's is the time when it was due. Frames that the decoder reports as
    damaged are skipped, and all are turned according to their display matrix.
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
        self._schedule = Schedule(camera.fps, LONGEST_GAP_S, clock, sleep)
        self._pace = Pace(camera.fps, clock, sleep)
        self._recorded = not self._network
        self._turned = UPRIGHT
        self._jpeg = False
        self._jpegs: JpegStream | None = None
        # Whether HTTP has answered with any content.
        self._answers = False
        self._delivered = False
        self._limit_s = self._deadline_s = self._opening_s = 0.0
        self._opened_s = self._told_s = 0.0
        # What has arrived since the last good frame: nothing, packets, a key frame.
        self._came = ""
        # Not every supported version of PyAV has types for mypy.
        self._container: Any = None
        self._scaler: Any = None
        self._frames: Iterator[tuple[Any, float, float]] = iter(())

    @property
    def due_s(self) -> float:
        """See `edged.cameras.source.ScheduledSource`."""
        return max(self._schedule.due_s, self._opening_s)

    @property
    def silence_s(self) -> float:
        """How long the source may deliver nothing at all, in s."""
        return self._camera.timeout_s if self._delivered else self._limit_s

    def __enter__(self) -> VideoSource:
        self._pace.wait()
        try:
            self._open()
        except CameraError:
            self._close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def grab(self) -> Capture:
        if self._delivered:
            self._expect(self._camera.timeout_s)
        while True:
            for frame, shown_s, captured_s in self._frames:
                if frame is None:
                    raise FrameMissing(f"{self.name}: waiting for a key frame; {SHORTEN}")
                if not self._recorded:
                    return self._capture(frame, captured_s)
                due_s = self._schedule.wait(shown_s)
                if due_s is not None:
                    return self._capture(frame, due_s)
            self._play_again()

    def _open(self, limit_s: float | None = None) -> None:
        """Open it, within `limit_s`, else ``first_frame_s``, the first frame included."""
        if not self._camera.source:
            raise CameraError("video: no source given; set camera.source to a file or an address")
        try:
            import av.video.reformatter
        except ImportError as error:
            raise CameraError(
                f"{self.name}: PyAV is not installed; install it with: {install.command('av')}"
            ) from error
        self._delivered = self._answers = False
        self._came = ""
        self._expect(limit_s or self._camera.start_s)
        if self._camera.source.startswith("http"):
            if self._find_jpegs():
                return
            # A second request takes the same time again.
            self._expect(self._camera.start_s)
            self._opening_s = self._deadline_s
        self._connect()
        container = self._container
        streams = container.streams.video
        if not streams or streams[0].codec_context is None:
            self._close()
            raise CameraError(f"{self.name}: no video stream can be decoded; check the codec")
        length = container.duration
        if self._network:
            self._recorded = self._camera.source.startswith("http") and length is not None
        if length:
            self._schedule.longest_s = length / 1e6
        decoder = streams[0].codec_context
        decoder.options = {"max_pixels": str(MAX_PIXELS)}
        if self._recorded:
            decoder.thread_type = "AUTO"
        else:
            # Frame threading would delay one frame per core.
            decoder.thread_type = "SLICE"
            decoder.options["flags"] = "+low_delay"
        # A Motion JPEG frame depends on no other, so it is decoded when it is read.
        self._jpeg = not self._recorded and decoder.name == "mjpeg"
        # Probing the stream may have taken all the time.
        self._deadline_s = max(self._deadline_s, self._clock() + self._camera.timeout_s)
        self._scaler = av.video.reformatter.VideoReformatter()
        self._frames = self._decoded(streams[0])

    def _connect(self, form: str | None = None) -> None:
        import av

        camera = self._camera
        options = _options(camera.source, camera.start_s) if self._network else dict(FILE_OPTIONS)
        # For probing the stream, and for the decoder.
        options["max_pixels"] = str(MAX_PIXELS)
        if form == "data":
            # Only the available data, as it arrives.
            options["raw_packet_size"] = str(1 << 16)
        try:
            self._container = av.open(
                # With an explicit protocol, "12:30.mp4" is a file, not an address.
                camera.source if self._network else f"file:{path_of(camera.source)}",
                format=form,
                options=options,
                # For files too: a playlist may block.
                timeout=(max(0.1, self._deadline_s - self._clock()), _Silence(self)),
            )
        except (av.FFmpegError, ValueError) as error:
            # Without its cause, which contains the whole address, password included.
            raise self._failure(error) from None

    def _find_jpegs(self) -> bool:
        """Whether HTTP sends JPEG pictures: they are then `_frames`, whatever is between them.

        FFmpeg has a demuxer for such streams, but it refuses some that browsers show.
        """
        self._connect("data")
        self._answers = True
        self._jpegs = jpegs = JpegStream()
        packets = self._packets()
        found: list[bytes] = []
        while jpegs.plausible is None:
            packet = next(packets, None)
            if packet is None:
                break
            found += jpegs.feed(bytes(packet))
        if jpegs.is_page:
            raise CameraError(
                f"{self.name}: it answers with a web page (text/html), not video; check user, "
                "password and path in camera.source"
            )
        if not jpegs.plausible:
            self._jpegs = None
            self._close()
            return False
        self._jpeg = True
        self._frames = self._cut_out(jpegs, found, packets)
        return True

    def _close(self) -> None:
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
        self._container = None

    def _play_again(self) -> None:
        if self._jpegs is not None and self._jpegs.bare and self._delivered:
            self._pace.wait()
            self._close()
            self._open(self._camera.timeout_s)
            return
        if not self._recorded:
            raise CameraError(f"{self.name}: the stream ended; check the camera and the network")
        if not self._delivered:
            raise CameraError(f"{self.name}: none of its frames can be decoded; replace the file")
        if not self._camera.loop:
            raise SourceEnded(f"{self.name}: the video has ended; {AGAIN}")
        # Reopened, not rewound, because raw streams cannot seek.
        self._close()
        # PyAV's containers refer to themselves, and to tens of megabytes of frames.
        gc.collect()
        self._open()

    def _expect(self, limit_s: float) -> None:
        """A good frame must arrive within `limit_s`."""
        self._opened_s = self._told_s = self._clock()
        self._limit_s = limit_s
        self._deadline_s = self._opened_s + limit_s

    def _packets(self) -> Iterator[Any]:
        """All packets, including audio: audio alone must not block this."""
        import av

        try:
            while True:
                starting = not self._delivered
                for packet in self._container.demux():
                    if not self._recorded and self._clock() > self._deadline_s:
                        raise self._nothing_came()
                    yield packet
                    if starting and self._delivered:
                        # Asks `_Silence` again.
                        break
                else:
                    return
        except av.FFmpegError as error:
            raise self._failure(error) from None

    def _cut_out(
        self, jpegs: JpegStream, found: list[bytes], packets: Iterator[Any]
    ) -> Iterator[tuple[Any, float, float]]:
        """Each JPEG picture of a stream over HTTP as `_decoded` gives frames, `found` first."""
        while True:
            for picture in found:
                yield picture, 0.0, self._clock()
            packet = next(packets, None)
            if packet is None:
                break
            found = jpegs.feed(bytes(packet))
        for picture in jpegs.rest():
            yield picture, 0.0, self._clock()

    def _decoded(self, stream: Any) -> Iterator[tuple[Any, float, float]]:
        """Each good frame, its time in the recording in s, and when its packet had arrived.

        A live JPEG is yielded as its packet; None means that a key frame is awaited.
        """
        import av

        interval_s = 1.0 / float(stream.average_rate or self._camera.fps)
        shown_s = -interval_s
        for packet in self._packets():
            arrived_s = self._clock()
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
                frames = []
            except av.FFmpegError as error:
                raise self._failure(error) from None
            for frame in frames:
                shown_s = shown_s + interval_s if frame.time is None else frame.time
                self._turned = orientation(frame, self._turned)
                if not frame.is_corrupt:
                    yield frame, shown_s, arrived_s
            if not self._recorded and not self._delivered and self._awaits_key(packet, arrived_s):
                yield None, shown_s, arrived_s

    def _awaits_key(self, packet: Any, arrived_s: float) -> bool:
        """Whether to report that; after the first key frame, damage is the only reason left."""
        if packet.is_keyframe:
            if self._came != "key":
                self._came = "key"
                self._deadline_s = min(self._deadline_s, arrived_s + self._camera.timeout_s)
            return False
        if not self._came:
            self._came = "packets"
            self._limit_s = KEY_FRAME_PATIENCE * self._limit_s
            self._deadline_s = self._opened_s + self._limit_s
        if self._came == "key" or arrived_s < self._told_s + self._camera.timeout_s:
            return False
        self._told_s = arrived_s
        return True

    def _capture(self, frame: Any, captured_s: float) -> Capture:
        self._delivered = True
        live = not self._recorded
        if self._jpeg:
            data = bytes(frame)
            return Capture(captured_s, partial(from_jpeg, data, self.name), reduces=True, live=live)
        decode = partial(rgb, frame, self._turned, self._scaler, self.name)
        return Capture(captured_s, decode, reduces=True, live=live)

    def _failure(self, error: Exception) -> CameraError:
        kind = type(error).__name__
        # FFmpeg reports its own time-out differently for each protocol.
        overdue = self._network and self._clock() > self._deadline_s - 0.1 * self._limit_s
        if overdue or kind in ("ExitError", "TimeoutError"):
            return self._nothing_came()
        if kind == "OSError" and self._answers and not self._delivered:
            # FFmpeg raises it at the end of a response of unknown length.
            kind = "EOFError"
        if self._network and kind in ("InvalidDataError", "OSError"):
            if self._container is not None:
                reason = "the connection ended; check the camera and the network"
                return CameraError(f"{self.name}: {reason}")
            if kind == "OSError":
                return CameraError(f"{self.name}: no connection; check host name and network")
        reason = getattr(error, "strerror", None) or "cannot be opened"
        return CameraError(f"{self.name}: {_REASONS.get(kind, f'{reason}; check camera.source')}")

    def _nothing_came(self) -> CameraError:
        if self._came == "packets" and not self._delivered:
            reason = (
                f"no key frame within {self._limit_s:g} s; shorten the camera's key frame interval"
            )
        elif self._came == "key" and not self._delivered:
            reason = "only damaged frames; check the camera and the network"
        else:
            reason = f"no good frame within {self._limit_s:g} s; check the camera and the network"
        return CameraError(f"{self.name}: {reason}")


class _Silence:
    """How long a read may take, in s: PyAV evaluates it each time it starts to demultiplex."""

    def __init__(self, source: VideoSource) -> None:
        self._source = source

    def __float__(self) -> float:
        return float(self._source.silence_s)


def _options(address: str, timeout_s: float) -> dict[str, str]:
    """FFmpeg's options for the least delay, and for detecting a dead camera."""
    options = {
        "protocol_whitelist": NETWORK_PROTOCOLS,
        "analyzeduration": "1000000",
        "fpsprobesize": "0",
        # In microseconds, and an int in C.
        "timeout": str(min(int(timeout_s * 1e6), 2**31 - 1)),
    }
    if not address.startswith("http"):
        # Frames received while the stream was analysed are old, but HTTP may deliver a recording.
        options["fflags"] = "nobuffer"
    if address.startswith("rtsp"):
        options["allowed_media_types"] = "video"
        # UDP loses packets and is often blocked by firewalls; "?udp" at the address's end requests
        # it.
        if not address.endswith(("?udp", "?multicast")):
            options["rtsp_transport"] = "tcp"
    return options
