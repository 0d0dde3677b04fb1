from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import compare
from tests.conformance.child import Answer, Job, Way
from tests.conformance.compare import STEP, TIMES_MOVED, Answers, Case
from tests.conformance.models import Model

MODEL = Model(Path("birds.tflite"))
WAYS = [Way(runtime="litert", xnnpack=True, fit=fit) for fit in ("stretch", "crop")]
JOB = Job(model="birds.tflite", told={}, ways=WAYS, pictures=["a.png", "b.png"])


def child(folder: Path, script: str) -> Path:
    """A program in the place of Python, which reads its job and does as `script` says."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_model_that_ends_the_process_is_refused_where_it_has_not_answered(tmp_path: Path) -> None:
    said = '{"way": 0, "picture": 0, "scores": [1.0], "moved": 0.0}'
    python = child(tmp_path, f"echo '{said}'; printf '{{\"way\": 0, \"pic'; kill -SEGV $$")
    answers = compare.run(python, "edged", JOB)
    assert answers[0]["scores"] == [1.0]
    assert [(answer["way"], answer["picture"]) for answer in answers[1:]] == [
        (0, 1), (1, 0), (1, 1),
    ]  # fmt: skip
    assert {answer["refused"] for answer in answers[1:]} == {"it ended the process (SIGSEGV)"}


def test_a_model_that_never_ends_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "START_S", 0.1)
    monkeypatch.setattr(compare, "CASE_S", 0.0)
    answers = compare.run(child(tmp_path, "exec sleep 60"), "edged", JOB)
    assert {answer["refused"] for answer in answers} == {"it did not come to an end"}


def one(ours: Answer, theirs: Answer) -> Case:
    """The only case of a job of one way and one picture."""
    job = Job(model="birds.tflite", told={}, ways=WAYS[:1], pictures=["a.png"])
    [case] = compare.compare(MODEL, [Answers(job, [ours], [theirs])])
    return case


def scored(*scores: float, moved: float = 0.0, step: float = 0.0) -> Answer:
    return {"way": 0, "picture": 0, "scores": list(scores), "moved": moved, "step": step}


REFUSED: Answer = {"way": 0, "picture": 0, "refused": "no picture"}


def test_scores_may_differ_by_a_step_and_by_what_the_reference_moves() -> None:
    assert one(scored(0.9, 0.1), scored(0.9 + STEP, 0.1)).verdict == "agrees"
    assert one(scored(0.9, 0.1), scored(0.89, 0.1)).verdict == "disagrees"
    assert one(scored(0.9, 0.1), scored(0.89, 0.1, moved=0.01)).verdict == "agrees"
    assert one(scored(0.9, 0.1), scored(0.89, 0.1, step=0.02)).verdict == "agrees"
    assert one(scored(0.9, 0.1), scored(0.8, 0.2, moved=0.01)).tolerance == pytest.approx(
        STEP + 0.01 * TIMES_MOVED, abs=1e-5
    )


def test_half_of_a_models_pictures_say_how_far_it_usually_moves() -> None:
    ours: list[Answer] = [
        {"way": way, "picture": picture, "scores": [0.5], "moved": 0.0, "step": 0.0}
        for way in (0, 1)
        for picture in (0, 1)
    ]
    theirs: list[Answer] = [
        {**answer, "moved": moved}
        for answer, moved in zip(ours, (0.0, 0.02, 0.02, 0.1), strict=True)
    ]
    cases = compare.compare(MODEL, [Answers(JOB, ours, theirs)])
    usual = STEP + 0.02 * TIMES_MOVED
    far = STEP + 0.1 * TIMES_MOVED
    assert [case.tolerance for case in cases] == pytest.approx([usual, usual, usual, far], abs=1e-5)


def test_what_any_way_to_run_a_model_moves_counts_for_all_with_the_same_fit() -> None:
    job = Job(model="birds.tflite", told={}, ways=[WAYS[0]], pictures=["a.png", "b.png"])
    answers: list[Answer] = [{**scored(0.5), "picture": picture} for picture in (0, 1)]
    moving: list[Answer] = [{**scored(0.5, moved=0.1), "picture": 0}, answers[1]]
    cases = compare.compare(MODEL, [Answers(job, answers, answers), Answers(job, answers, moving)])
    far, usual = STEP + 0.1 * TIMES_MOVED, STEP + 0.05 * TIMES_MOVED
    assert [case.tolerance for case in cases] == pytest.approx([far, usual, far, usual], abs=1e-5)


def test_another_best_class_is_a_tie_where_scores_differ_by_no_more_than_they_may() -> None:
    tie = one(scored(0.5, 0.498), scored(0.498, 0.5))
    assert (tie.verdict, tie.same_top) == ("agrees", False)
    other = one(scored(0.6, 0.4), scored(0.4, 0.6, moved=0.05))
    assert (other.verdict, other.same_top) == ("disagrees", False)


def test_another_number_of_scores_disagrees() -> None:
    case = one(scored(1.0), scored(0.5, 0.5))
    assert (case.verdict, case.said) == ("disagrees", ("1 scores", "2 scores"))


def test_a_refusal_says_of_which_side_it_is() -> None:
    assert one(REFUSED, REFUSED).verdict == "refused by both"
    assert one(REFUSED, scored(1.0)).verdict == "refused by edged"
    assert one(scored(1.0), REFUSED).verdict == "refused by reference"
    whole: Answer = {"way": 0, "refused": "no model"}
    assert one(whole, scored(1.0)).said == ("no model", "")
