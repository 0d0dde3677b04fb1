from __future__ import annotations

import numpy as np
import pytest

from edged.core import Pixels
from edged.evaluation.dataset import Example
from edged.evaluation.examples import Inspector, difference_hash, near_pairs

LABELS = ["cat", "dog"]


def noise(seed: int, height: int = 40, width: int = 40) -> Pixels:
    """Smooth noise, as photographs are: neighbouring fields differ by far more than one level."""
    fields = np.random.default_rng(seed).integers(40, 216, (8, 10, 3), np.uint8)
    return np.kron(fields, np.ones((height // 8, width // 10, 1), np.uint8))


def inspector() -> Inspector:
    return Inspector(input_height_px=32, input_width_px=32)


def test_the_same_pixels_twice_are_found_with_what_their_labels_say() -> None:
    given = inspector()
    given.look(Example("a", "cat"), noise(0))
    given.look(Example("b", "cat"), noise(1))
    given.look(Example("c", "dog"), noise(0))
    found = given.findings([2, 1])
    assert [f.picture for f in found.duplicates.findings] == ["c"]
    assert found.duplicates.findings[0].why == "the same pixels as a, but dog and not cat"
    assert found.near_duplicates.count == 0


def test_a_brightened_copy_is_a_near_duplicate() -> None:
    given = inspector()
    given.look(Example("a", "cat"), noise(0))
    given.look(Example("b", "cat"), noise(0) + np.uint8(20))
    found = given.findings([2, 0])
    assert [(f.picture, f.why) for f in found.near_duplicates.findings] == [
        ("b", "nearly the same as a")
    ]
    assert found.duplicates.count == 0


def test_the_difference_hash_is_of_slopes() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 90).astype(np.uint8)[:, None], (80, 90, 3))
    rising = np.broadcast_to(np.linspace(0, 255, 90).astype(np.uint8)[None, :, None], (80, 90, 3))
    assert ramp.shape == rising.shape
    assert difference_hash(rising) == 2**64 - 1
    assert difference_hash(rising[:, ::-1]) == 0


@pytest.mark.parametrize("many", [0, 300])
def test_hashes_of_two_bits_difference_are_near_wherever_the_bits_are(many: int) -> None:
    centre = 0x0123_4567_89AB_CDEF
    near = [centre ^ (1 << a) ^ (1 << b) for a, b in ((0, 63), (21, 22), (5, 40))]
    far = [centre ^ 0b111, centre ^ (1 << 1) ^ (1 << 30) ^ (1 << 60)]
    # Of one bucket, at a distance of three bits and more from everything.
    crowd = [centre ^ (int(n) << 22) for n in np.arange(many) * 0x1F + 0x700]
    pairs = near_pairs([centre, *near, *far, *crowd])
    assert {right for left, right in pairs if left == 0} == {1, 2, 3}


def test_near_pairs_are_those_that_comparing_all_finds() -> None:
    random = np.random.default_rng(3)
    seeds = random.integers(0, 2**63, 40)
    hashes = [
        int(value) ^ (1 << int(a)) ^ (1 << int(b)) for value in seeds
        for a, b in random.integers(0, 64, (4, 2))
    ]  # fmt: skip
    hashes = list(dict.fromkeys(hashes))
    everything = [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (hashes[i] ^ hashes[j]).bit_count() <= 2
    ]
    assert near_pairs(hashes) == everything
    assert everything


def test_equal_hashes_are_paired_with_the_first_only() -> None:
    assert near_pairs([7, 7, 7]) == [(0, 1), (0, 2)]


def test_a_confident_disagreement_is_a_label_that_looks_wrong() -> None:
    given = inspector()
    for name, scores in {"sure": [0.04, 0.96], "torn": [0.4, 0.6], "right": [0.96, 0.04]}.items():
        given.look(Example(name, "cat"), noise(len(name)))
        given.compare(LABELS, np.array(scores, np.float32), 0, None)
    found = given.findings([3, 0]).mislabelled
    assert [(f.picture, f.why) for f in found.findings] == [
        ("sure", "labelled cat (4%), looks like dog (96%)")
    ]


def test_sizes_that_are_bad_for_the_model_are_found() -> None:
    given = inspector()
    for name, (height, width) in {"ok": (40, 40), "small": (16, 40), "long": (40, 400)}.items():
        given.look(Example(name, "cat"), noise(len(name), height, width))
    assert [f.picture for f in given.findings([3, 0]).badly_sized.findings] == ["small", "long"]


def test_a_picture_unlike_the_others_is_found() -> None:
    given = inspector()
    for seed in range(30):
        given.look(Example(str(seed), "cat"), noise(seed))
    given.look(Example("dark", "cat"), noise(99) // 40)
    found = given.findings([31, 0]).off_distribution
    assert [f.picture for f in found.findings] == ["dark"]
    assert "brightness -" in found.findings[0].why


def test_features_far_from_every_class_are_found() -> None:
    given = inspector()
    random = np.random.default_rng(0)
    for number in range(40):
        features = random.normal(0, 0.1, 16) + np.eye(16)[number % 2] * 3
        if number == 39:
            features = np.eye(16)[9] * 3
        given.look(Example(str(number), LABELS[number % 2]), noise(number))
        given.compare(LABELS, np.array([1, 0], np.float32), 0, features.astype(np.float32))
    found = given.findings([20, 20]).off_distribution.findings
    assert [f.picture for f in found if "features" in f.why] == ["39"]


def test_class_balance() -> None:
    given = inspector()
    given.unreadable("x", "damaged")
    balance = given.findings([100, 5, 0]).balance
    assert (balance.smallest, balance.largest, balance.ratio) == (5, 100, 20.0)
    assert (balance.uneven, balance.without_pictures, balance.classes) == (True, 1, 3)
    assert given.findings([1]).unreadable.findings[0].why == "damaged"
