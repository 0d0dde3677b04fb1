"""Both sides run, each in a process of its own, and what came out of every case."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from tests.conformance.child import Answer, Job, Way
from tests.conformance.models import ROOT, Model

Side: TypeAlias = Literal["edged", "reference"]
Verdict: TypeAlias = Literal[
    "agrees", "disagrees", "refused by both", "refused by edged", "refused by reference"
]

SIDES: tuple[Side, Side] = ("edged", "reference")

STEP = 1 / 256
"""The least tolerance, also of float scores: a step of a quantised probability."""

ROUNDING = 1e-6
"""Of scores in 32 bits, beside the reference's of 64."""

TIMES_MOVED = 3.0
"""So many times as far as the reference's own scores may edged's be from them."""

CASE_S = 2.0
START_S = 30.0


class Case(NamedTuple):
    """What both sides said of a model, a way to run it and a picture.

    ``difference`` is the greatest of any score, ``tolerance`` what it may be, both 0..1; ``tops``
    are the classes with the best scores, edged's first. ``said`` holds both sides' refusals.
    """

    model: str
    way: Way
    picture: str
    verdict: Verdict
    difference: float = 0.0
    tolerance: float = STEP
    tops: tuple[int, int] = (0, 0)
    said: tuple[str, str] = ("", "")

    @property
    def same_top(self) -> bool:
        return self.tops[0] == self.tops[1]


def run(python: Path, side: Side, job: Job) -> list[Answer]:
    """The answers of `side`, in a process of `python`; a refusal of what it did not live to say."""
    count = len(job["ways"]) * len(job["pictures"])
    command = [str(python), "-m", "tests.conformance.child", side]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as child:
        try:
            said, _ = child.communicate(json.dumps(job).encode(), START_S + CASE_S * count)
        except subprocess.TimeoutExpired:
            child.kill()
            said, _ = child.communicate()
            end = "it did not come to an end"
        else:
            end = f"it ended the process ({_end(child.returncode)})"
    # The last line may have been cut off.
    lines = [line for line in said.splitlines(keepends=True) if line.endswith(b"\n")]
    answers: list[Answer] = [json.loads(line) for line in lines]
    return [*answers, *_missing(answers, job, end)]


def _end(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _missing(answers: Iterable[Answer], job: Job, end: str) -> Iterator[Answer]:
    told = {(answer["way"], answer.get("picture")) for answer in answers}
    for way in range(len(job["ways"])):
        if (way, None) not in told:
            for picture in range(len(job["pictures"])):
                if (way, picture) not in told:
                    yield {"way": way, "picture": picture, "refused": end}


class Answers(NamedTuple):
    """What both sides said to a job."""

    job: Job
    edged: Sequence[Answer]
    reference: Sequence[Answer]


def compare(model: Model, of_model: Sequence[Answers]) -> list[Case]:
    """A case for each way and picture of all jobs."""
    moves: defaultdict[tuple[str, str], float] = defaultdict(float)
    for job, _, reference in of_model:
        for (number, picture), answer in _by_case(reference, job).items():
            if "scores" in answer:
                same = (job["ways"][number]["fit"], job["pictures"][picture])
                moves[same] = max(moves[same], answer["moved"])
    usual = statistics.median(moves.values()) if moves else 0.0
    cases = []
    for job, edged, reference in of_model:
        ours, theirs = _by_case(edged, job), _by_case(reference, job)
        for (number, picture), our in ours.items():
            way, path = job["ways"][number], job["pictures"][picture]
            where = (model.path.stem, way, Path(path).name)
            moved = max(moves[way["fit"], path], usual)
            cases.append(_case(where, our, theirs[number, picture], moved))
    return cases


def _case(where: tuple[str, Way, str], our: Answer, their: Answer, moved: float) -> Case:
    said = (our.get("refused", ""), their.get("refused", ""))
    if all(said):
        return Case(*where, "refused by both", said=said)
    if any(said):
        return Case(*where, "refused by edged" if said[0] else "refused by reference", said=said)
    ours, theirs = our["scores"], their["scores"]
    tolerance = max(STEP, their["step"]) + ROUNDING + TIMES_MOVED * moved
    if len(ours) != len(theirs):
        said = (f"{len(ours)} scores", f"{len(theirs)} scores")
        return Case(*where, "disagrees", 1.0, tolerance, said=said)
    difference = float(np.abs(np.subtract(ours, theirs)).max())
    tops = (int(np.argmax(ours)), int(np.argmax(theirs)))
    # Two best classes that differ are then a tie: one side has them within the tolerance.
    verdict: Verdict = "agrees" if difference <= tolerance else "disagrees"
    return Case(*where, verdict, difference, tolerance, tops)


def _by_case(answers: Sequence[Answer], job: Job) -> dict[tuple[int, int], Answer]:
    """A refusal of a whole way is one of all its pictures."""
    found: dict[tuple[int, int], Answer] = {}
    for answer in answers:
        pictures = [answer["picture"]] if "picture" in answer else range(len(job["pictures"]))
        found |= {(answer["way"], picture): answer for picture in pictures}
    return found
