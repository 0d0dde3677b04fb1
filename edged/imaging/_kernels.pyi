from typing_extensions import Buffer

class _Plan: ...

def axis(
    size: int, count: int, low: float, high: float, bits: int, mirrored: bool
) -> tuple[bytes, bytes]: ...
def chroma_rows(starts: Buffer, weights: Buffer, height: int) -> tuple[bytes, bytes]: ...
def plan(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    out_shape: tuple[int, ...],
    out_strides: tuple[int, ...],
    column_starts: Buffer,
    column_weights: Buffer,
    row_starts: Buffer,
    row_weights: Buffer,
) -> _Plan: ...
def yuv_plan(
    layout: str,
    size: tuple[int, int],
    stride: int,
    out_size: tuple[int, int],
    column_starts: Buffer,
    column_weights: Buffer,
    row_starts: Buffer,
    row_weights: Buffer,
    chroma_row_starts: Buffer,
    chroma_row_weights: Buffer,
) -> _Plan: ...
def resample(source: Buffer, out: Buffer, plan: _Plan) -> bool: ...
def use_vectors(wanted: bool) -> str: ...
