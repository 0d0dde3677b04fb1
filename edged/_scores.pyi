from typing import Any

import numpy as np
import numpy.typing as npt

def look_up(
    table: npt.NDArray[np.float32], levels: npt.NDArray[Any], scores: npt.NDArray[np.float32]
) -> None: ...
def follow(
    class_gain: float,
    held_s: float,
    scores: npt.NDArray[np.float32],
    classes: npt.NDArray[np.float32],
    members: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    sums: npt.NDArray[np.bool_],
    rates: npt.NDArray[np.float64],
    unset: npt.NDArray[np.bool_],
    threshold: npt.NDArray[np.float64],
    wish: npt.NDArray[np.bool_],
    before: npt.NDArray[np.float64],
    raw: npt.NDArray[np.float32],
    score: npt.NDArray[np.float64],
) -> tuple[int, bool]: ...
