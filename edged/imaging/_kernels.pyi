import numpy as np
import numpy.typing as npt

class _Plan: ...

def plan(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    out_shape: tuple[int, ...],
    out_strides: tuple[int, ...],
    column_starts: npt.NDArray[np.int32],
    column_weights: npt.NDArray[np.int32],
    row_starts: npt.NDArray[np.int32],
    row_weights: npt.NDArray[np.int32],
    rows_first: bool,
) -> _Plan: ...
def resample(pixels: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8], plan: _Plan) -> bool: ...
def use_vectors(name: str) -> str: ...
def yuv_to_rgb(
    y: npt.NDArray[np.uint8],
    u: npt.NDArray[np.uint8],
    v: npt.NDArray[np.uint8],
    out: npt.NDArray[np.uint8],
) -> None: ...
