"""What is changed in a module, and what is left alone."""

from __future__ import annotations

from tests.mutants.mutations import mutants

PLACE = "edged/x.py"


def changes(source: str) -> set[tuple[str, str]]:
    return {(mutant.was, mutant.now) for mutant in mutants(PLACE, source)}


def test_a_statement_is_left_out() -> None:
    source = "def f(a):\n    a.tell(1)\n    a.b = 2\n    raise ValueError('text')\n"
    assert {("a.tell(1)", "pass"), ("a.b = 2", "pass"), ("raise ValueError('text')", "pass")} <= (
        changes(source)
    )


def test_a_condition_is_turned_round_and_halved_and_its_bound_is_moved() -> None:
    assert changes("if a < b and not c:\n    d = 0\n") == {
        ("if a < b and (not c)", "if not (a < b and (not c))"),
        ("if a < b and (not c)", "if not c"),
        ("if a < b and (not c)", "if a < b"),
        ("if a < b and (not c)", "if a <= b and (not c)"),
        ("if a < b and (not c)", "if a < b and c"),
        ("d = 0", "d = 1"),
    }


def test_an_argument_by_name_is_left_out_or_is_another() -> None:
    assert changes("x = send(a, retain=True)\n") == {
        ("x = send(a, retain=True)", "x = send(a)"),
        ("x = send(a, retain=True)", "x = send(a, retain=False)"),
    }


def test_what_is_caught_is_caught_no_more() -> None:
    source = "try:\n    a = b\nexcept OSError:\n    a = c\n"
    assert [mutant.source for mutant in mutants(PLACE, source)] == [
        "try:\n    a = b\nexcept OSError:\n    raise"
    ]


def test_what_is_for_people_and_what_is_chosen_is_left_alone() -> None:
    source = '"""A module."""\nLIMIT_S = 2.0 * 3\n\ndef f(a: "int"):\n    """A function."""\n'
    assert changes(source) == set()
    assert changes("log.info('text %s', 1 + 1)\n") == {("log.info('text %s', 1 + 1)", "pass")}
    assert changes("t = threading.Thread(target=f, name='x')\n") == {
        ("t = threading.Thread(target=f, name='x')", "t = threading.Thread(name='x')")
    }


def test_a_change_tells_its_function_and_its_lines() -> None:
    source = "class A:\n    def b(self):\n        return c(\n            1,\n        )\n"
    (nothing, number) = mutants(PLACE, source)
    assert (nothing.where, nothing.lines, nothing.now) == ("A.b", range(3, 6), "return None")
    assert (number.where, number.lines, number.now) == ("A.b", range(4, 5), "return c(2)")
    assert str(number) == "edged/x.py:4 A.b: return c(1)  ->  return c(2)"


def test_a_constant_of_a_module_has_the_lines_from_its_first() -> None:
    (one, two) = mutants(PLACE, "A = (\n    'one',\n    'two',\n)\n")
    assert (one.lines, two.lines) == (range(1, 3), range(1, 4))
