import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

class _Plan: ...

def plan(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    out_shape: tuple[int, ...],
    out_strides: tuple[int, ...],
    column_starts: npt.NDArray[np.int32],
    column_weights: npt.NDArray[np.int16],
    row_starts: npt.NDArray[np.int32],
    row_weights: npt.NDArray[np.int16],
) -> _Plan: ...
def yuv_plan(
    layout: str,
    size: tuple[int, int],
    stride: int,
    out_size: tuple[int, int],
    column_starts: npt.NDArray[np.int32],
    column_weights: npt.NDArray[np.int16],
    row_starts: npt.NDArray[np.int32],
    row_weights: npt.NDArray[np.int16],
    chroma_row_starts: npt.NDArray[np.int32],
    chroma_row_weights: npt.NDArray[np.int16],
) -> _Plan: ...
def resample(source: Buffer, out: npt.NDArray[np.uint8], plan: _Plan) -> bool: ...
def use_vectors(wanted: bool) -> str: ...
