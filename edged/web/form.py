"""``multipart/form-data`` in memory (RFC 7578)."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from edged.web.resource import RequestError

# A client's errors are reported to the client, not logged.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

MOST_PARTS = 100

NEEDED = "send multipart/form-data with a file in the field image"


def fields(content_type: str, body: bytes) -> Mapping[str, bytes]:
    """The fields of a form by name; of several with the same name, the last.

    `content_type` is the header's value. RequestError if `body` is not such a form.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise RequestError(415, f"Content-Type is {content_type[:100]!a}; {NEEDED}")
    form = _Form()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.begin,
                "on_header_field": form.header_field,
                "on_header_value": form.header_value,
                "on_header_end": form.header_end,
                "on_part_data": form.data,
                "on_part_end": form.end,
                "on_end": form.finish,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise RequestError(400, f"the form is damaged: {error}") from error
    if not form.finished:
        raise RequestError(400, "the form ends too early; send it again")
    return form.fields


class _Form:
    def __init__(self) -> None:
        self.fields: dict[str, bytes] = {}
        self.finished = False
        self._parts = 0

    def begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise RequestError(400, f"the form has more than {MOST_PARTS} fields")
        self._disposition = b""
        self._field, self._value = b"", b""
        self._data: list[bytes] = []

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field, self._value = b"", b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def end(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"name")
        if name is None:
            raise RequestError(400, "a part of the form has no name; set it in Content-Disposition")
        content = self._data[0] if len(self._data) == 1 else b"".join(self._data)
        self.fields[name.decode("utf-8", "replace")] = content

    def finish(self) -> None:
        self.finished = True
