"""What a new model must hold beside the one in use."""

from __future__ import annotations

import pytest

from edged.config.schema import SwapConfig
from edged.core import CameraThere
from edged.models.trial import Seen, Shadow, checks
from tests.ports.mqtt.reports import result

GOOD = {
    "frames": 10,
    "rules": [True] * 10,
    "top1": [True] * 10,
    "new_s": [0.01] * 10,
    "old_s": [0.01] * 10,
    "frame_s": 0.033,
}


def failed(**changes: object) -> list[str]:
    """What does not hold, and what was found."""
    seen = Seen(**(GOOD | changes))  # type: ignore[arg-type]
    return [
        f"{check.name}: {check.found}" for check in checks(seen, SwapConfig()) if not check.holds
    ]


def test_a_model_that_agrees_in_time_holds_everything() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rules": [True] * 8 + [False] * 2}, "rules as with the model in use >= 0.9: 0.8"),
        ({"top1": [True] * 4 + [False] * 6}, "best class as with the model in use >= 0.5: 0.4"),
        ({"finite": False}, "outputs are finite: no"),
        ({"new_s": [0.04] * 10}, "ms per frame <= 33: 40"),
        ({"new_s": [0.04] * 10, "frame_s": 0.0}, "ms per frame <= 15: 40"),
    ],
)
def test_what_does_not_hold_is_told_with_what_was_found(
    changes: dict[str, object], told: str
) -> None:
    assert failed(**changes) == [told]


def test_other_labels_have_no_best_class_in_common() -> None:
    assert failed(top1=[]) == []


def test_without_rules_nothing_is_asked_of_them() -> None:
    assert failed(rules=[]) == []


def test_a_slow_model_may_replace_a_slower_one() -> None:
    assert failed(new_s=[0.14] * 10, old_s=[0.1] * 10) == []


def test_without_frames_nothing_is_known() -> None:
    (told,) = failed(frames=0, rules=[], top1=[], new_s=[], old_s=[])
    assert told.startswith("frames in the shadow >= 3: 0")


def test_the_shadow_takes_a_frame_that_comes_while_it_waits_and_lets_others_go() -> None:
    with Shadow() as shadow:
        assert shadow.take(0.0) is None
        shadow.write(CameraThere())
        first, second = result(1), result(2)
        shadow.write(first)
        shadow.write(second)
        assert shadow._newest is first
        assert shadow.take(0.0) is None
