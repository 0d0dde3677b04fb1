"""Sums of channels and roots of unit length: the compiled loops and numpy do the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edged.inference import channels
from edged.native import kernels

needs_native = pytest.mark.skipif(kernels is None, reason="the extension _kernels is not built")


@pytest.fixture(params=["native", "numpy"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(channels, "kernels", None)
    elif kernels is None:
        pytest.skip("the extension _kernels is not built")


def values(shape: tuple[int, ...], kind: str) -> npt.NDArray[Any]:
    rng = np.random.default_rng(len(shape))
    limits = np.iinfo(kind)
    found = rng.integers(limits.min, limits.max + 1, shape, np.int64)
    # Channels that are at the ends of their range throughout have the greatest sums.
    found[..., 0], found[..., -1] = limits.min, limits.max
    return found.astype(kind)


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("shape", [(1280,), (7, 7, 960), (40, 40, 67), (16, 8, 2), (129, 1, 130)])
def test_the_sums_are_those_of_whole_numbers(kind: str, shape: tuple[int, ...]) -> None:
    found = values(shape, kind)
    sums = np.empty(shape[-1], np.float32)
    positions = channels.sums(found, -100, sums)
    assert positions == found.size // shape[-1]
    expected = (found.astype(np.int64) + 100).reshape(-1, shape[-1]).sum(0)
    assert sums.tolist() == expected.tolist()


@pytest.mark.usefixtures("implementation")
def test_maps_of_real_numbers_and_views_are_summed_too() -> None:
    found = values((6, 5, 12), "int8")
    sums = np.empty(12, np.float32)
    channels.sums(found[::2], 3, sums)
    assert sums.tolist() == (found[::2].astype(np.int64) - 3).reshape(-1, 12).sum(0).tolist()
    channels.sums(found.astype(np.float32), 0, sums)
    assert sums == pytest.approx(found.astype(np.float64).reshape(-1, 12).sum(0))


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("size", [1, 7, 8, 1283])
def test_roots_keep_their_sign_and_have_the_length_one(size: int) -> None:
    before = np.random.default_rng(size).normal(0, 100, size).astype(np.float32)
    roots = before.copy()
    channels.unit_roots(roots)
    expected = np.sign(before) * np.sqrt(np.abs(before) / np.abs(before).sum())
    assert roots == pytest.approx(expected, abs=1e-6)
    assert float(roots @ roots) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.usefixtures("implementation")
def test_zeros_stay_zeros() -> None:
    roots = np.zeros(20, np.float32)
    channels.unit_roots(roots)
    assert not roots.any()


@needs_native
@pytest.mark.parametrize(
    ("source", "zero_point", "out"),
    [
        (np.zeros(10, np.int8), 0, np.zeros(4, np.float32)),
        (np.zeros(10, np.int8), 0, np.zeros(0, np.float32)),
        (np.zeros((1 << 16, 1), np.int8), 0, np.zeros(1, np.float32)),
        (np.zeros(4, np.int8), 256, np.zeros(4, np.float32)),
        (np.zeros(4, np.int8), -129, np.zeros(4, np.float32)),
        (np.zeros(4, np.int16), 0, np.zeros(4, np.float32)),
        (np.zeros(4, np.int8), 0, np.zeros(4, np.float64)),
        (np.zeros(8, np.int8)[::2], 0, np.zeros(4, np.float32)),
        (np.zeros(4, np.int8), 0, np.zeros(8, np.float32)[::2]),
        (np.zeros(4, np.int8), 0, bytes(16)),
        (None, 0, np.zeros(4, np.float32)),
    ],
)
def test_what_would_be_read_or_written_outside_is_refused(
    source: object, zero_point: int, out: object
) -> None:
    assert kernels is not None
    with pytest.raises((TypeError, ValueError, BufferError)):
        kernels.channel_sums(source, zero_point, out)


@needs_native
@pytest.mark.parametrize("target", [np.zeros(4), np.zeros(8, np.float32)[::2], bytes(8), 3])
def test_roots_of_other_values_are_refused(target: object) -> None:
    assert kernels is not None
    with pytest.raises((TypeError, ValueError, BufferError)):
        kernels.unit_roots(target)
