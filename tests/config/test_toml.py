"""Where keys stand in a text, and how values are written in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.toml import TomlSyntaxError, cut, key_lines, parse, path_text, shown, value_text


def test_each_key_has_its_line() -> None:
    text = '''# [not.a.table]
device = "x" # = not a key
[mqtt]          # line 3
host = """
[nor.this]
port = 1"""
port = 1883
tls.ca_file = 'a#b'
"quoted key" = [
  1, # [comment]
  2,
]
after = {a = 1}

[[rule]]
name = "]["
[rule.inner]
x = 1
[[ rule ]]
name = 'b'
[ mqtt . "t l" ]
y = 1
'''
    parse(text)
    assert key_lines(text) == {
        ("device",): 2,
        ("mqtt",): 3,
        ("mqtt", "host"): 4,
        ("mqtt", "port"): 7,
        ("mqtt", "tls"): 8,
        ("mqtt", "tls", "ca_file"): 8,
        ("mqtt", "quoted key"): 9,
        ("mqtt", "after"): 13,
        ("rule",): 15,
        ("rule", 0): 15,
        ("rule", 0, "name"): 16,
        ("rule", 0, "inner"): 17,
        ("rule", 0, "inner", "x"): 18,
        ("rule", 1): 19,
        ("rule", 1, "name"): 20,
        ("mqtt", "t l"): 21,
        ("mqtt", "t l", "y"): 22,
    }


def test_lines_count_with_windows_line_ends_too() -> None:
    assert key_lines("\r\na = 1\r\n[b]\r\nc = '''\r\n'''\r\nd = 1\r\n") == {
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "d"): 6,
    }


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(codec="utf-8"), max_size=20),
            st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=3),
        ),
        max_size=5,
    )
)
def test_a_value_reads_as_it_was_written(values: dict[str, object]) -> None:
    text = f"x = {value_text(values)}"
    assert text.isprintable()
    assert parse(text) == {"x": values}
    assert key_lines(text) == {("x",): 1}


@given(st.text(st.sampled_from("\"'[]{}=.#\\\n a1"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree = parse(text)
    except TomlSyntaxError:
        return
    assert {path[0] for path in key_lines(text)} == set(tree)


def test_what_is_too_much_for_a_line_is_cut() -> None:
    assert shown([[[[["deep"]]]]]) == "[[[[...]]]]"
    assert shown("x" * 100) == '"' + "x" * 59 + "..."
    assert shown(16**5000) == "0x1" + "0" * 57 + "..."
    assert cut("a\nb\u2028\udcff") == "a\\u000ab\\u2028\\udcff"
    assert path_text(("rule", 1, "a key")) == 'rule[1]."a key"'


@pytest.mark.parametrize("quote", ['"""', "'''", '"', "'"])
def test_a_hostile_text_costs_time_in_proportion_to_its_size(quote: str) -> None:
    with pytest.raises(TomlSyntaxError):
        parse("x = " + (quote + "\\") * 200_000)
