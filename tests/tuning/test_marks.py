"""The table of what was there: read as people write it, and refused where it does not fit."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from edged.tuning.marks import Mark, MarksError, Row, Span, of_rule, placed, read

SPAN = Span("a.rec", 1000.0, 1060.0, 1_780_000_000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "marks.csv"


def rows(path: Path, *lines: str, head: str = "start,end,label") -> list[Row]:
    path.write_text("\n".join([head, *lines, ""]))
    return read(path)


def test_seconds_and_labels_are_read(path: Path) -> None:
    found = rows(path, "1.5,20,cat", "  30 , 31.25 , dog ", "", ",,")
    assert [(row.start, row.end, row.label, row.file) for row in found] == [
        (1.5, 20.0, "cat", ""),
        (30.0, 31.25, "dog", ""),
    ]
    assert found[1].where == f"{path}:3"


def test_dates_are_read_with_their_zone(path: Path) -> None:
    (row,) = rows(path, "2026-05-01T12:30:00Z,2026-05-01T12:30:05+00:00,cat")
    assert row.start == datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
    (local,) = rows(path, "2026-05-01T12:30:00,2026-05-01 12:30:05,cat")
    assert local.start == datetime(2026, 5, 1, 12, 30).astimezone()


def test_columns_may_stand_in_any_order_and_case(path: Path) -> None:
    (row,) = rows(path, "note,cat,7,3,a.rec", head="Remark,Label,End,Start,FILE")
    assert (row.start, row.end, row.label, row.file) == (3.0, 7.0, "cat", "a.rec")


def test_a_byte_order_mark_is_no_part_of_the_first_column(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfstart,end,label\r\n1,2,cat\r\n")
    assert len(read(path)) == 1


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("start,stop,label\n1,2,cat", ":1: no column end; expected start,end,label"),
        ("", ":1: no column start or end or label; expected start,end,label"),
        ("start,end,label\nsoon,2,cat", ":2: start is soon; expected seconds such as 12.5"),
        ("start,end,label\n1,,cat", ":2: end is empty; expected seconds"),
        ("start,end,label\n-1,2,cat", ":2: start is -1; expected seconds"),
        ("start,end,label\n1,nan,cat", ":2: end is nan; expected seconds"),
        ("start,end,label\n\x1b[2J,2,cat", r":2: start is \\x1b\[2J; expected seconds"),
        ("start,end,label\n1,2", ":2: no label; write the rule's name"),
        ("start,end,label\n1,2,cat\n5,5,cat", ":3: it ends at 5, which is not after its start"),
        ("start,end,label\n7,5,cat", ":2: it ends at 5, which is not after its start"),
        ("start,end,label\n7,2026-05-01,cat", ":2: start and end: one is in seconds"),
        ('start,end,label\n"1', ":2: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(lines: str, told: str, path: Path) -> None:
    path.write_text(lines)
    with pytest.raises(MarksError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}{told}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("there", [None, "a folder", b"\xff\xfe\x00"])
def test_what_is_no_table_is_one_line(there: str | bytes | None, path: Path) -> None:
    if there == "a folder":
        path.mkdir()
    elif isinstance(there, bytes):
        path.write_bytes(there)
    with pytest.raises(MarksError, match=r"marks\.csv: .*; (give a table of marks|save it as)"):
        read(path)


KNOWN = ("visitor", "cat", "dog", "fox")


def test_marks_of_a_rule_are_those_of_its_name_and_its_labels(path: Path) -> None:
    found = rows(path, "1,2,Visitor", "3,4,cat", "5,6,dog")
    meant = {"visitor", "cat"}
    assert [row.label for row in of_rule(found, meant, KNOWN)] == ["Visitor", "cat"]


def test_a_label_that_nothing_has_is_told_with_the_nearest(path: Path) -> None:
    found = rows(path, "1,2,cat", "3,4,visiter")
    with pytest.raises(MarksError, match=r":3: visiter: neither a rule nor .*did you mean visitor"):
        of_rule(found, {"visitor"}, KNOWN)


def test_marks_of_other_rules_alone_are_no_marks(path: Path) -> None:
    with pytest.raises(MarksError, match=r"marks\.csv: no mark of this rule; of: dog, fox"):
        of_rule(rows(path, "1,2,fox", "3,4,dog"), {"cat"}, KNOWN)


def test_marks_are_placed_by_the_recordings_clock_in_order(path: Path) -> None:
    found = rows(path, "40,50,cat", "1.5,20,cat")
    assert placed(found, [SPAN]) == [[Mark(1001.5, 1020.0), Mark(1040.0, 1050.0)]]


def test_dates_are_placed_by_the_wall_clock_of_then(path: Path) -> None:
    start, end = (
        datetime.fromtimestamp(SPAN.offset_s + at_s, timezone.utc).isoformat()
        for at_s in (1010.0, 1012.5)
    )
    assert placed(rows(path, f"{start},{end},cat"), [SPAN]) == [[Mark(1010.0, 1012.5)]]


def test_marks_close_together_are_one(path: Path) -> None:
    found = rows(path, "1,5,cat", "6.5,8,cat", "2,3,cat", "10.5,12,cat")
    assert placed(found, [SPAN]) == [[Mark(1001.0, 1008.0), Mark(1010.5, 1012.0)]]


OTHER = Span("b.rec", 5000.0, 5030.0, 1_780_000_000.0)


def test_of_several_recordings_each_has_its_own(path: Path) -> None:
    dates = [
        datetime.fromtimestamp(SPAN.offset_s + at_s, timezone.utc).isoformat()
        for at_s in (5003.0, 5004.0)
    ]
    found = rows(
        path,
        "1,2,cat,a.rec",
        "1,3,cat,b.rec",
        f"{','.join(dates)},cat,",
        head="start,end,label,file",
    )
    assert placed(found[:2], [SPAN, OTHER]) == [[Mark(1001.0, 1002.0)], [Mark(5001.0, 5003.0)]]
    assert placed(found[2:], [SPAN, OTHER]) == [[], [Mark(5003.0, 5004.0)]]


@pytest.mark.parametrize(
    ("line", "spans", "told"),
    [
        (
            "50,75,cat,",
            [SPAN],
            r":2: from 50\.0 s to 75\.0 s of a\.rec, which has 0 s to 60\.0 s; is it of another",
        ),
        ("1,2,cat,", [SPAN, OTHER], ":2: seconds of which recording"),
        ("1,2,cat,c.rec", [SPAN, OTHER], r":2: c\.rec is none of the recordings: a\.rec, b\.rec"),
        ("1999-01-01,1999-01-02,cat,", [SPAN, OTHER], ":2: within none of the recordings"),
        ("1999-01-01,1999-01-02,cat,", [SPAN], r":2: from -\d+"),
    ],
)
def test_marks_that_do_not_fit_are_told(
    line: str, spans: list[Span], told: str, path: Path
) -> None:
    found = rows(path, line, head="start,end,label,file")
    with pytest.raises(MarksError, match=told):
        placed(found, spans)
