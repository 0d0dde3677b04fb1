"""Each reader of what comes from outside, and what must hold whatever that is.

A target takes bytes and returns, or raises where something does not hold. That an error is an
`EdgedError` of one printable line holds for all; limits of time and memory are the fuzzer's.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from PIL import Image

from edged.anomaly import normal as normals
from edged.cameras.jpegs import JpegStream
from edged.commands import Asker
from edged.config import load as configuration
from edged.config.effective import effective
from edged.config.load import WrongConfigError
from edged.errors import EdgedError
from edged.imaging import picture, turbojpeg
from edged.inference import encrypted, kinds, labelmap, labels, layers, modelfile
from edged.perception import reference
from edged.ports.mqtt.receipts import Receipts
from edged.ports.webhook import receiver
from edged.printable import printable
from edged.recording import records
from edged.recording.reader import Recording
from edged.syntax import Parser
from edged.teaching import lessons
from edged.tuning import marks
from tests.fuzz import kernels
from tests.fuzz.take import Take

_T = TypeVar("_T")

MOST_PX = 4 << 20
"""Larger pictures only take the fuzzer's time."""

_FOLDER = Path(tempfile.mkdtemp(prefix="edged-fuzz-", dir="/dev/shm"))
_MODEL = Path("/fuzzed/model.tflite")


def or_refused(call: Callable[[], _T], lines: int = 1) -> _T | None:
    """What a call returns; None where it refuses as it should."""
    try:
        return call()
    except EdgedError as error:
        said = str(error).split("\n")
        assert len(said) <= lines, said
        assert all(line and line == printable(line) for line in said), said
        return None


def stored(data: bytes) -> Path:
    path = _FOLDER / "file"
    path.write_bytes(data)
    return path


def model(data: bytes) -> None:
    modelfile.hand(_MODEL, data)
    file = or_refused(lambda: modelfile.read(_MODEL))
    if file is None:
        return
    or_refused(lambda: kinds.refuse(file, kinds.certain(file) or kinds.likely(file)))
    or_refused(lambda: labels.find(file))
    found = or_refused(lambda: layers.find(data))
    if found is None:
        return
    if (features := found.features) is not None:
        or_refused(lambda: layers.constant(data, features))
    wanted = [one.tensor for one in found.maps][:3]
    exposed = or_refused(lambda: layers.expose(data, wanted))
    if exposed is None or exposed is data:
        return
    modelfile.hand(_MODEL, exposed)
    # Where it lies behind another part, such as the metadata, that is refused.
    if again := or_refused(lambda: modelfile.read(_MODEL)):
        told = [one.index for one in file.outputs]
        assert [one.index for one in again.outputs] == told + [
            one for one in dict.fromkeys(wanted) if one not in told
        ]


def label_file(data: bytes) -> None:
    found = or_refused(lambda: labelmap.parse(data, "labels.txt"))
    for label in found or ():
        assert label
        assert len(label) <= labelmap.MAX_LABEL
        assert label == printable(label) or "\t" in label, label


_KEY = "AGE-SECRET-KEY-1Z7H2KVZCYNTH3CGQHV9VU060Z5P5HMGMUUF3W7YXVW54VHMPGRSSML03YH"


def age(data: bytes) -> None:
    path = _FOLDER / "key"
    if not path.exists():
        path.write_text(_KEY)
        path.chmod(0o600)
    os.environ[encrypted.VARIABLE] = str(path)
    or_refused(lambda: encrypted.decrypted(_MODEL, data))


def config(data: bytes) -> None:
    path = stored(data)
    try:
        found = configuration.load(path)
    except WrongConfigError as error:
        said = str(error).split("\n")
        assert len(said) <= configuration.PROBLEMS_LIMIT + 1
        assert all(line.strip() and line == printable(line) for line in said), said
        return
    except EdgedError as error:
        said = str(error)
        assert said == printable(said), said
        return
    shown = effective(found)
    if "***" not in shown:
        path.write_text(shown)
        assert configuration.load(path) == found


_PARSERS = {asker: Parser(asker) for asker in (Asker.SOCKET, Asker.MQTT)}


def command(data: bytes) -> None:
    for parser in _PARSERS.values():
        found = or_refused(lambda parser=parser: parser.parse(data))  # type: ignore[misc]
        if found is not None:
            assert parser.parse(msgspec.json.encode(found)) == found


def receipt(data: bytes) -> None:
    name, _, payload = data.partition(b"\n")
    sent: list[int] = []
    taken = Receipts(lambda after, _: bool(sent.append(after)) or True, lambda: 1000, lambda: 1e9)
    taken.take(name.decode("utf-8", "replace"), payload)
    assert all(0 <= number < 1 << 63 for number in sent), sent


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(self._data)

    def sendall(self, _: bytes) -> None:
        return

    def settimeout(self, _: float) -> None:
        return

    def close(self) -> None:
        return


def webhook(data: bytes) -> None:
    """An answer of a receiver, through Python's own reader of HTTP."""
    import http.client

    to = receiver.Receiver("http://127.0.0.1:9/", 60.0)
    connection = http.client.HTTPConnection("127.0.0.1", 9)
    connection.sock = _Socket(data)  # type: ignore[assignment]
    to._connection = connection
    answer = or_refused(lambda: to.post(b"{}", {}))
    if answer is not None:
        assert answer.words == printable(answer.words)
        assert 0.0 <= answer.retry_after_s < 1e6


def _pixels(found: Any) -> None:
    assert found.dtype == np.uint8
    assert found.ndim == 3
    assert found.shape[2] == 3
    assert found.size


def jpeg(data: bytes) -> None:
    head = turbojpeg.header(data) if data.startswith(b"\xff\xd8\xff") else None
    if head is not None:
        assert head.held_bytes >= 0
        assert head.orientation is None or head.orientation in range(1, 9)
    if _large(data):
        return
    for wanted in (None, (32, 32)):
        for decode in (picture.decode_picture, picture.decode_jpeg):
            found = or_refused(lambda d=decode, w=wanted: d(data, "a.jpg", w))  # type: ignore[misc]
            if found is not None:
                _pixels(found)


def _large(data: bytes) -> bool:
    """Whether it says that it has more pixels than are worth the time."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            return opened.width * opened.height > MOST_PX
    except Exception:
        return False


def other_picture(data: bytes) -> None:
    if _large(data):
        return
    found = or_refused(lambda: picture.decode_picture(data, "a.png"))
    if found is not None:
        _pixels(found)
        or_refused(lambda: picture.jpeg(found, 80, 64))


def stream(data: bytes) -> None:
    """JPEGs of a camera come whole, however the stream is cut into pieces."""
    take = Take(data)
    size = take.number(1, 255)
    rest = take.rest
    cut, whole = JpegStream(), JpegStream()
    pieces = [piece for at in range(0, len(rest), size) for piece in cut.feed(rest[at : at + size])]
    assert [*pieces, *cut.rest()] == [*whole.feed(rest), *whole.rest()]


def taught(data: bytes) -> None:
    body = data
    if not data.startswith(lessons._MAGIC):
        digest = hashlib.sha256(body).hexdigest().encode()
        data = lessons._MAGIC + digest + b"\n" + body
    path = stored(data)
    found = or_refused(lambda: lessons.read(path))
    if found is not None:
        assert lessons.decoded(lessons.encoded(found)) == found
        found.material()
        found.known()


def normal(data: bytes) -> None:
    found = or_refused(lambda: normals.read(stored(data)))
    if found is not None:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=type(found)) == found


def known(data: bytes) -> None:
    if not data.startswith(reference._MAGIC):
        data = reference._MAGIC + hashlib.sha256(data).digest() + data
    or_refused(lambda: reference.read(stored(data), b"model"))


def recording(data: bytes) -> None:
    """Records of any content whose checksums are right, and what is read and written again."""
    take = Take(data)
    if not data.startswith(records.MAGIC):
        framed = [records.MAGIC]
        while take.rest:
            coding = take.number(0, 2)
            body = take.bytes(min(take.number(0, 65535), len(take.rest) - 2))
            body = zlib.compress(body, 1) if coding == 1 else body
            framed.append(records._FRAME.pack(len(body), zlib.crc32(body, coding), coding) + body)
        data = b"".join(framed)
    path = stored(data)

    def read() -> list[Any]:
        with Recording(path) as opened:
            return list(opened)

    or_refused(read)
    try:
        whole = records.Records(io.BytesIO(data), "file")
    except EdgedError:
        return
    for record in whole:
        packed = records.packed(record)
        again = records.Records(
            io.BytesIO(records.MAGIC + records.packed(whole.header) + packed), "again"
        )
        assert [records.packed(one) for one in again] == [packed]


def mark_table(data: bytes) -> None:
    or_refused(lambda: marks.read(stored(data)))


class Target(NamedTuple):
    """What to run, the first inputs, and whether it is compiled code that sanitizers watch."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    compiled: bool = False


def _models() -> list[bytes]:
    from tests.inference import builder

    with tempfile.TemporaryDirectory() as folder:
        path = builder.colours(Path(folder, "colours.tflite"), "uint8")
        plain = path.read_bytes()
        builder.pack(path, {"labels.txt": b"red\ngreen\nblue\n"})
        return [plain, path.read_bytes()]


def _jpegs() -> list[bytes]:
    cat = Image.open(Path(__file__).parents[1] / "pictures" / "cat.jpg").resize((24, 16))
    made = []
    exif = Image.Exif()
    exif[turbojpeg.ORIENTATION] = 6
    for options in ({}, {"progressive": True}, {"exif": exif.tobytes()}, {"subsampling": 2}):
        out = io.BytesIO()
        cat.save(out, "JPEG", **options)
        made.append(out.getvalue())
    for mode in ("L", "CMYK"):
        out = io.BytesIO()
        cat.convert(mode).save(out, "JPEG")
        made.append(out.getvalue())
    return made


def _pictures() -> list[bytes]:
    cat = Image.open(Path(__file__).parents[1] / "pictures" / "cat.jpg").resize((9, 7))
    made = []
    for kind in ("PNG", "BMP", "GIF", "TIFF", "WEBP"):
        for mode in ("RGB", "L", "P", "RGBA"):
            out = io.BytesIO()
            try:
                cat.convert(mode).save(out, kind)
            except OSError:
                continue
            made.append(out.getvalue())
    return made


def _configs() -> list[bytes]:
    return [
        b'device = "porch"\n[camera]\nkind = "v4l2"\nsource = "/dev/video0"\nfps = 30\n',
        b'[[rule]]\nname = "cat"\nlabels = ["cat"]\nenter = 0.7\nexit = 0.4\n[[output]]\n'
        b'name = "lamp"\npin = 17\nrule = "cat"\n[mqtt]\nhost = "h"\n[mqtt.tls]\nenabled = true\n',
        b'[[webhook]]\nname = "a"\nurl = "https://h/x?token=1"\n[web]\nlisten = "::"\n',
        b"[camera]\nprivacy = [[[0.1, 0.2], [0.3, 0.4]]]\nregion = [0, 0, 1, 1]\n",
    ]


def _lessons() -> list[bytes]:
    from tests.teaching.test_lessons import taught as made

    return [msgspec.msgpack.encode(made("mug", "cup")), lessons.encoded(made("mug"))]


def _records() -> list[bytes]:
    """A recording as `recording` takes it: without lengths and checksums, which it makes."""
    from edged.config.schema import RuleConfig
    from tests.recording import made

    loop = made.Loop([RuleConfig(name="cat", labels=["cat"], enter=0.5, exit=0.3)])
    lane = loop.lane()
    loop.frames(0.1, 0.9, 0.9, 0.1)
    loop.end()
    parts = [made.header(), *made.waiting(lane), records.End("stopped", 4, 2, 0)]
    return [b"".join(_unframed(records.packed(one, deflate=False)) for one in parts)]


def _unframed(packed: bytes) -> bytes:
    body = packed[records._FRAME.size :]
    return bytes([records._PLAIN]) + struct.pack("<H", len(body)) + body


def _normals() -> list[bytes]:
    from tests.anomaly.views import normal as made

    return [msgspec.msgpack.encode(made())]


def _knowns() -> list[bytes]:
    from tests.perception.test_reference import example

    return [msgspec.msgpack.encode(example())]


def _encrypted() -> list[bytes]:
    import pyrage

    to = pyrage.x25519.Identity.from_str(_KEY).to_public()
    made = [pyrage.encrypt(b"model", [to], armored=armored) for armored in (False, True)]
    return [*made, b"age-encryption.org/v1\n-> X25519 AAAA\nBBBB\n--- CCCC\n"]


def _noise() -> list[bytes]:
    seed = np.random.default_rng(0)
    return [seed.integers(0, 256, 600, np.uint8).tobytes() for _ in range(24)]


TARGETS = {
    "model": Target(model, _models),
    "labels": Target(
        label_file,
        lambda: [
            b"cat\ndog\n",
            b"0 cat\n1 dog\n",
            b"n01440764 tench\n",
            b'{"0": "cat", "1": "dog"}',
            b"index,label\n0,cat\n1,dog\n",
            b'item {\n id: 1\n name: "cat"\n}\n',
            b"['cat', 'dog']",
        ],
    ),
    "age": Target(age, _encrypted),
    "config": Target(config, _configs),
    "command": Target(
        command,
        lambda: [
            b"status",
            b'{"command": "snapshot", "id": 1}',
            b'{"command": "set-threshold", "rule": "a", "enter": 0.5, "exit": 0.4}',
            b'{"command": "set-output", "name": "lamp", "value": 1, "for_s": 2}',
            b'{"command": "use-file", "model": "/a.tflite", "mean": [1, 2, 3]}',
            b'{"command": "save", "changes": {"camera": {"fps": 3}}}',
        ],
    ),
    "receipt": Target(receipt, lambda: [b"nas\n7", b"a.b-c\n999999999999999999", b"\xff\n-1"]),
    "webhook": Target(
        webhook,
        lambda: [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.0 301 Moved\r\nLocation: http://h/\r\n\r\n",
        ],
    ),
    "jpeg": Target(jpeg, _jpegs),
    "picture": Target(other_picture, _pictures),
    "stream": Target(
        stream, lambda: [b"\x07" + 2 * one for one in _jpegs()[:2]] + [b"\x10--x\r\n\r\n"]
    ),
    "taught": Target(taught, _lessons),
    "normal": Target(normal, _normals),
    "known": Target(known, _knowns),
    "recording": Target(recording, _records),
    "marks": Target(mark_table, lambda: [b"start,end,label\n1,2,cat\n", b"start,end,label,file\n"]),
    "windows": Target(kernels.windows, _noise, compiled=True),
    "resize": Target(kernels.resize, _noise, compiled=True),
    "frames": Target(kernels.frames, _noise, compiled=True),
}
