"""Pictures in tensor protocols: RGB numbers of the model's size, or files."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from msgspec import Meta, Struct

from edged.web.predict import BATCH
from edged.web.resource import RequestError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

VERSION = "1"
"""The version of the configured model, the only one."""

Batch: TypeAlias = "npt.NDArray[np.uint8]"
"""RGB pictures, shape (pictures, height, width, 3), uint8."""


class Encoded(Struct, frozen=True, forbid_unknown_fields=True):
    """Binary data in JSON."""

    b64: str

    @property
    def data(self) -> bytes:
        """The decoded bytes. RequestError."""
        return decoded(self.b64, "b64")


def decoded(text: str, where: str) -> bytes:
    """Decode base64. RequestError, which names it `where`."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, f"{where}: not a picture in base64: {error}") from error


def picture_type(height_px: int, width_px: int, number: Any) -> Any:
    """The type of a picture as nested lists whose leaves are a `number`: of exactly this size."""

    def many(kind: Any, count: int) -> Any:
        return Annotated[list[kind], Meta(min_length=count, max_length=count)]

    return many(many(many(number, 3), width_px), height_px)


def batch_of(numbers: list[Any]) -> Batch:
    """Pictures from nested lists: whole numbers are 0..255, fractions 0..1.

    This is the convention of ``tf.image.convert_image_dtype``. RequestError.
    """
    import numpy as np

    given = np.asarray(numbers)
    whole = given.dtype.kind in "iu"
    least, most = (0, 255) if whole else (0.0, 1.0)
    if not ((given >= least) & (given <= most)).all():
        raise RequestError(
            400, "pixels are whole numbers from 0 to 255, or fractions from 0.0 to 1.0, all alike"
        )
    return (given if whole else np.rint(given * 255)).astype(np.uint8)


def check_count(count: int) -> None:
    """RequestError if a request has no picture, or too many."""
    if not 1 <= count <= BATCH:
        raise RequestError(400, f"{count} pictures; send 1 to {BATCH} at once")
