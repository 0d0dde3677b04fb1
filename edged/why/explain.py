"""What the scores around an event say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from edged.core import Event
from edged.drift.causes import MEANINGS
from edged.errors import CommandError
from edged.messages import events as messages
from edged.messages.message import Moment, bounded
from edged.messages.why import Change, Competitor, Option, RuleThen, ScoreThen, WhyAnswer
from edged.perception.rules import Decider
from edged.recording.reader import RecordedFrame, Recording
from edged.recording.records import Over, RecordingError, Setup
from edged.recording.settings import Raw, Settings, decide, settings_of, state_of
from edged.why.folder import Excerpt, excerpts

POINTS, NEAR_POINTS = 121, 81
"""Scores that are told at most: in all, and of those near the decision."""

NEAR_S, AFTER_S = 10.0, 4.0

LABELS = 5
"""Labels that are told."""

LEAD_S = 1.0
"""From so long before the onset on a label competes."""

ENDED = {"stop": "edged stopped", "restart": "edged had ended unexpectedly"}

Entry: TypeAlias = Setup | RecordedFrame | Over


class Found(NamedTuple):
    """An excerpt's entries, and the one that has the event."""

    device: str
    entries: Sequence[Entry]
    place: int
    event: Event


class Stretch(NamedTuple):
    """Entries that one decider decides on, from the `Setup` before them; and where they begin."""

    setup: Setup
    entries: Sequence[RecordedFrame | Over]
    first: int


def explain(folder: Path, number: int = 0) -> WhyAnswer:
    """Why event `number` came, of the excerpts in `folder`; 0 is the newest. CommandError."""
    found = find(folder, number)
    event = found.event
    stretches = list(_stretches(found.entries))
    setup, entries, _ = next(one for one in reversed(stretches) if one.first <= found.place)
    entry = found.entries[found.place]
    scores = [score for one in stretches for score in _scores(one, event)]
    names = [rule.name for rule in setup.rules]
    rule = None
    changes: list[Change] = []
    if event.rule in names:
        config = setup.rules[names.index(event.rule)]
        settings = settings_of(config, setup.decide)
        rule = RuleThen(
            labels=list(config.labels),
            match=list(config.match),
            combine=config.combine,
            **settings._asdict(),
        )
        if event.reason is None:
            changes = list(_changes(setup, entries, event, settings))
    frames = [one for one in found.entries if isinstance(one, RecordedFrame)]
    span_s = frames[-1].captured_s - frames[0].captured_s if frames else 0.0
    return WhyAnswer(
        event=messages.event(
            event, Moment(found.device, event.decided_s, setup.offset_s, setup.synced)
        ),
        because=_because(event, entry, rule, frames),
        model=setup.model,
        rule=rule,
        scores=_thinned(scores),
        frames=len(frames),
        fps=round((len(frames) - 1) / span_s, 1) if span_s > 0 else 0.0,
        lost=sum(one.setup.lost for one in stretches),
        labels=_competitors(setup, entries, event),
        changes=changes,
        until_s=round(max(0.0, frames[-1].captured_s - event.decided_s), 3) if frames else 0.0,
        picture=isinstance(entry, RecordedFrame) and bool(entry.jpeg),
    )


def picture(folder: Path, number: int = 0) -> bytes:
    """The deciding frame of an event as a JPEG. CommandError where it is not kept."""
    found = find(folder, number)
    entry = found.entries[found.place]
    if isinstance(entry, RecordedFrame) and entry.jpeg:
        return entry.jpeg
    raise CommandError(
        f"event {found.event.number}: its picture was not kept; set why.pictures = true to keep "
        "those of later events"
    )


def find(folder: Path, number: int) -> Found:
    """The excerpt with event `number`, 0 for the newest. CommandError."""
    kept = excerpts(folder)
    if not kept:
        raise CommandError(
            f"{folder}: no scores are kept yet; they come with the first event, unless why.enabled "
            "is false"
        )
    for excerpt in reversed(kept):
        may_have = number == 0 or excerpt.may_have(number)
        if may_have and (found := _read(excerpt, number)) is not None:
            return found
    what = f"event {number}" if number else "the newest event"
    raise CommandError(f"{what}: no scores of it are kept; they go back to event {kept[0].first}")


def _read(excerpt: Excerpt, number: int) -> Found | None:
    try:
        with Recording(excerpt.path) as recording:
            entries = list(recording)
    except RecordingError as error:
        raise CommandError(str(error)) from error
    found: Found | None = None
    for place, entry in enumerate(entries):
        for event in () if isinstance(entry, Setup) else entry.events:
            if number in (0, event.number):
                found = Found(recording.header.device, entries, place, event)
    return found


def _stretches(entries: Sequence[Entry]) -> Iterator[Stretch]:
    starts = [place for place, entry in enumerate(entries) if isinstance(entry, Setup)]
    for start, end in zip(starts, [*starts[1:], len(entries)], strict=True):
        setup = entries[start]
        rest = [one for one in entries[start + 1 : end] if not isinstance(one, Setup)]
        if isinstance(setup, Setup):
            yield Stretch(setup, rest, start)


def _scores(stretch: Stretch, event: Event) -> Iterator[ScoreThen]:
    """Of the event's rule, as it was decided then."""
    setup = stretch.setup
    names = [rule.name for rule in setup.rules]
    if event.rule not in names:
        return
    place = names.index(event.rule)
    decider = _resumed(setup)
    for entry in stretch.entries:
        if isinstance(entry, Over):
            decider.end(entry.at_s, entry.reason)
            continue
        scene, _ = decider.decide(entry.scores, entry.captured_s, entry.number, entry.known)
        state = scene.rules[place]
        yield ScoreThen(
            t_s=round(entry.captured_s - event.decided_s, 3),
            raw=bounded(float(decider.groups.scores(entry.scores)[place])),
            score=bounded(state.score),
            active=state.active,
        )


def _resumed(setup: Setup) -> Decider:
    decider = Decider(setup.rules, setup.decide, setup.labels)
    try:
        decider.resume(setup.state)
    except ValueError as error:
        raise CommandError(f"what was kept does not fit together ({error})") from error
    return decider


def _changes(
    setup: Setup, entries: Sequence[RecordedFrame | Over], event: Event, settings: Settings
) -> Iterator[Change]:
    """For each option the least change with which the event does not come, where there is one."""
    decider = _resumed(setup)
    place = [rule.name for rule in setup.rules].index(event.rule)
    raws = [
        Raw(entry.at_s, 0, np.float32(0), entry.reason)
        if isinstance(entry, Over)
        else Raw(
            entry.captured_s,
            entry.number,
            decider.groups.scores(entry.scores)[place],
            unknown=decider.ignores(place, entry.known),
        )
        for entry in entries
    ]
    tried = [(option, value) for option, values in _values(event, settings) for value in values]
    state = state_of(setup.state, place)
    variants = [settings._replace(**{option: value}) for option, value in tried]
    (actual, *others) = decide(raws, [settings, *variants], state)
    told: set[Option] = set()
    for (option, value), events in zip(tried, others, strict=True):
        if option not in told and not _comes(event, events, actual):
            told.add(option)
            yield Change(option=option, was=getattr(settings, option), to=value)


def _values(event: Event, now: Settings) -> Iterator[tuple[Option, Sequence[float]]]:
    """What each option could be, the nearest to what it is first."""
    hundredths = [step / 100 for step in range(101)]
    seconds = [float(step) for step in range(1, 61)]
    times_s = [step / 10 for step in (*range(1, 30), *range(30, 105, 5))]
    if event.active:
        yield "enter", [value for value in hundredths if value > now.enter]
        yield "cooldown_s", [s for s in seconds if s > max(now.cooldown_s, now.min_off_s)]
    else:
        yield "exit", [value for value in reversed(hundredths) if value < now.exit]
        yield "min_on_s", [s for s in seconds if s > now.min_on_s]
    yield "smoothing_s", [value for value in times_s if value > now.smoothing_s]


def _comes(event: Event, events: Sequence[Event], actual: Sequence[Event]) -> bool:
    """Whether `events` have one in the place of `event`, which is one of the `actual` ones."""
    others_s = [one.decided_s for one in actual if one.active != event.active]
    alike_s = [one.decided_s for one in actual if one.active == event.active]
    after_s = max((at_s for at_s in others_s if at_s < event.decided_s), default=-np.inf)
    before_s = min((at_s for at_s in alike_s if at_s > event.decided_s), default=np.inf)
    return any(one.active == event.active and after_s < one.decided_s < before_s for one in events)


def _because(
    event: Event,
    entry: Entry,
    rule: RuleThen | None,
    frames: Sequence[RecordedFrame],
) -> str:
    if isinstance(entry, Over):
        return ENDED.get(entry.reason, entry.why)
    if event.cause is not None:
        meaning = MEANINGS[event.cause]
        return f"{event.cause}: {meaning}" if event.active else f"no longer: {event.cause}"
    if rule is None:
        return "a reload removed the rule"
    if event.active:
        crossed, hold, held_s = "reached enter", "cooldown_s", rule.cooldown_s
        threshold = rule.enter
        if rule.min_off_s > rule.cooldown_s:
            hold, held_s = "min_off_s", rule.min_off_s
    else:
        crossed, hold, held_s = "fell below exit", "min_on_s", rule.min_on_s
        threshold = rule.exit
    text = f"the smoothed score {crossed} ({threshold:.0%})"
    before_s = max((one.captured_s for one in frames if one.number < event.frame), default=None)
    if before_s is not None and event.onset_s < before_s and held_s:
        text += f"; {hold} = {held_s:g} held that back for {event.decided_s - event.onset_s:.1f} s"
    return text


def _competitors(
    setup: Setup, entries: Sequence[RecordedFrame | Over], event: Event
) -> list[Competitor]:
    from_s = event.onset_s - LEAD_S
    rows = [
        entry.scores
        for entry in entries
        if isinstance(entry, RecordedFrame) and from_s <= entry.captured_s <= event.decided_s
    ]
    if not rows:
        return []
    scores = np.array(rows)
    means, greatest = scores.mean(axis=0), scores.max(axis=0)
    members: set[int] = set()
    decider = _resumed(setup)
    if event.rule in decider.names:
        members = set(decider.groups.members[decider.names.index(event.rule)][1])
    best = np.argsort(-means, kind="stable")[:LABELS].tolist()
    return [
        Competitor(
            label=setup.labels[place],
            of_rule=place in members,
            mean=bounded(means[place]),
            greatest=bounded(greatest[place]),
        )
        for place in best
        if greatest[place] > 0
    ]


def _thinned(scores: Sequence[ScoreThen]) -> list[ScoreThen]:
    """Most of those near the deciding frame, which is among them, and some of the others."""
    near = [score for score in scores if -NEAR_S <= score.t_s <= AFTER_S]
    before = [score for score in scores if score.t_s < -NEAR_S]
    after = [score for score in scores if score.t_s > AFTER_S]
    far = POINTS - NEAR_POINTS
    return [
        *_some(before, far * 3 // 4),
        *_some(near, NEAR_POINTS),
        *_some(after, far // 4),
    ]


def _some(scores: Sequence[ScoreThen], most: int) -> Sequence[ScoreThen]:
    """Every so manieth of them, that of the deciding frame if it is there."""
    step = max(1, -(-len(scores) // max(1, most - 1)))
    decided = min(range(len(scores)), key=lambda place: abs(scores[place].t_s), default=0)
    return scores[decided % step :: step]
