"""What is changed in a module, one thing at a time: statements left out, conditions turned round.

Not changed: what is for people (the text of log lines and errors, docstrings, names of threads),
annotations, ``zip(strict=True)``, and the numbers of a module's constants, which are choices that a
test should not repeat.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

SWAPPED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
PARTS = (ast.stmt, ast.excepthandler, ast.match_case, ast.arguments)


class Mutant(NamedTuple):
    """One change: in which function, on which lines, and how the statement reads before and after.

    ``source`` is the whole module with the change.
    """

    module: str
    where: str
    kind: str
    lines: range
    was: str
    now: str
    source: str

    def __str__(self) -> str:
        return f"{self.module}:{self.lines.start} {self.where}: {self.was}  ->  {self.now}"


class Place(NamedTuple):
    """A node, the field that holds it, and what is around it."""

    node: Any
    parents: tuple[Any, ...]
    field: str
    index: int | None
    where: str

    def put(self, node: Any) -> None:
        if self.index is None:
            setattr(self.parents[-1], self.field, node)
        else:
            getattr(self.parents[-1], self.field)[self.index] = node


def mutants(module: str, source: str) -> list[Mutant]:
    """Every change of `source`, each text once."""
    tree = ast.parse(source)
    unchanged = ast.unparse(tree)
    found: dict[str, Mutant] = {}
    for place in _places(tree, (), ""):
        part = next(p for p in (place.node, *reversed(place.parents)) if isinstance(p, PARTS))
        start, end = place.node.lineno, place.node.end_lineno
        if isinstance(part, (ast.stmt, ast.excepthandler)) and getattr(part, "body", None):
            end = max(part.lineno, min(end, part.body[0].lineno - 1))
        elif part in tree.body:
            # Of a constant over several lines Python runs the first alone.
            start = part.lineno
        was = _line(part)
        for kind, new in _changes(place):
            place.put(new)
            now = _line(new if part is place.node else part)
            text = ast.unparse(tree)
            place.put(place.node)
            lines = range(start, end + 1)
            if text != unchanged:
                found.setdefault(text, Mutant(module, place.where, kind, lines, was, now, text))
    return list(found.values())


def _line(node: Any) -> str:
    return ast.unparse(node).partition("\n")[0].removesuffix(":") if node is not None else ""


def _places(node: Any, parents: tuple[Any, ...], where: str) -> Iterator[Place]:
    """All that may be changed, outermost first."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        where = f"{where}.{node.name}".lstrip(".")
    for field, value in list(ast.iter_fields(node)):
        if field in ("annotation", "returns", "decorator_list", "bases", "type", "cls", "pattern"):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_left_alone(child, node, parents):
                continue
            place = Place(child, (*parents, node), field, index, where)
            if hasattr(child, "lineno"):
                yield place._replace(index=index if isinstance(value, list) else None)
            yield from _places(child, (*parents, node), where)


def _is_left_alone(node: Any, parent: Any, parents: tuple[Any, ...]) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Global() | ast.Nonlocal():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Constant()) | ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.Call(func=ast.Name(id="TypeVar")):
            return True
        case ast.keyword(value=ast.Constant(value=bool())) if isinstance(parent, ast.ClassDef):
            return True
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() | ast.BinOp()):
            return isinstance(parent, ast.Module) and name.isupper()
        case ast.keyword(arg="strict"):
            return True
        case ast.keyword(arg="name") if _makes_thread(parent):
            return True
        case ast.Constant() if isinstance(parent, ast.UnaryOp):
            return True
        case ast.Constant(value=str()):
            return any(_speaks(p) for p in (*parents, parent)) or isinstance(parent, ast.Subscript)
    return _speaks(parent) and parent is not node and isinstance(parent, ast.Call)


def _speaks(node: Any) -> bool:
    """Whether its text is for people: a log line, an error."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger"))) | ast.Raise():
            return True
    return False


def _makes_thread(node: Any) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "Thread"


def _changes(place: Place) -> Iterator[tuple[str, Any]]:
    node = place.node
    match node:
        case ast.Expr() | ast.Raise() | ast.Break() | ast.Continue() | ast.AugAssign():
            yield "left out", ast.Pass()
        case ast.Delete(targets=[ast.Subscript() | ast.Attribute()]):
            yield "left out", ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            if not place.where.endswith("__init__"):
                yield "left out", ast.Pass()
        case ast.Return(value=None):
            yield "left out", ast.Pass()
        case ast.Return(value=ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not())):
            yield "turned round", ast.Return(_negated(node.value))
        case ast.Return(value=ast.Constant(value=False | None)):
            return
        case ast.Return():
            yield "returns nothing", ast.Return(ast.Constant(None))
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Constant):
            yield "turned round", _with(node, test=_negated(node.test))
        case ast.BoolOp():
            for i in range(len(node.values)):
                rest = node.values[:i] + node.values[i + 1 :]
                yield "half", rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            yield "compared otherwise", _with(node, ops=[SWAPPED[type(op)]()])
        case ast.BinOp() if type(node.op) in SWAPPED and not _has_text(node):
            yield "calculated otherwise", _with(node, op=SWAPPED[type(node.op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield "bare", node.operand
        case ast.Constant(value=bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", ast.Constant(value + 1)
        case ast.Constant(value=str(value) | bytes(value)) if value:
            yield "constant", ast.Constant(type(value)())
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            yield "other function", _with(node, func=ast.Name(NAMES[name]))
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress")):
            yield "not caught", _with(node, args=[])
        case ast.ExceptHandler() if not isinstance(node.body[0], ast.Raise):
            yield "not caught", _with(node, body=[ast.Raise()])
    if isinstance(node, ast.AugAssign) and type(node.op) in SWAPPED:
        yield "calculated otherwise", _with(node, op=SWAPPED[type(node.op)]())
    if isinstance(node, ast.Call):
        for i, keyword in enumerate(node.keywords):
            if keyword.arg and not _is_left_alone(keyword, node, place.parents):
                rest = node.keywords[:i] + node.keywords[i + 1 :]
                yield "argument left out", _with(node, keywords=rest)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield "all of them", _with(node, ifs=[])


def _with(node: Any, **fields: Any) -> Any:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _negated(node: Any) -> Any:
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return node.operand
        case ast.Compare(ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot() | ast.In()]):
            return _with(node, ops=[SWAPPED[type(node.ops[0])]()])
    return ast.UnaryOp(ast.Not(), node)


def _has_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, (str, bytes)))
        for side in (node.left, node.right)
    )
