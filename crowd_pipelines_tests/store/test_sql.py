"""SQL is written, never put together: values travel as parameters, whoever wrote them.

ruff's S608 looks for strings that look like SQL; this looks at what is given to those who execute it.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import crowd_pipelines

PACKAGE = Path(crowd_pipelines.__path__[0])
EXECUTE = {"execute", "exec_driver_sql", "executemany", "text", "SQL", "scalar", "scalars", "literal_column"}

ALLOWED = {
    "store/migrations/__init__.py": "PostgreSQL wrote the statement itself, with format(%I)",
    "store/invariants.py": "of constants of the module, and run in a transaction that cannot write",
    "store/work_health.py": "the same",
}
"""Modules that put SQL together, and of what."""


def test_no_sql_is_put_together_from_values() -> None:
    assert {place: said for place, said in composed() if place not in ALLOWED} == {}


def test_what_is_allowed_is_still_there() -> None:
    assert set(ALLOWED) == {place for place, _ in composed()} & set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "conn.execute(text(f'SELECT {x}'))",
        "conn.execute('SELECT ' + x)",
        "conn.execute('SELECT %s' % x)",
        "conn.execute(text('SELECT {}'.format(x)))",
        "conn.execute(f'SELECT {x}'.encode())",
        "q = f'SELECT {x}'\nconn.execute(text(q))",
        "conn.exec_driver_sql(x)",
        "sql.SQL(f'SELECT {x}')",
        "select(literal_column(f'{x}'))",
        "conn.execute(text(', '.join(names)))",
    ],
)
def test_what_is_put_together_is_found(source: str) -> None:
    assert list(composed_in(source))


@pytest.mark.parametrize(
    "source",
    ["conn.execute(text('SELECT :x'), {'x': x})", "conn.execute(query('name'), rows)", "sql.SQL('A {}').format(x)"],
)
def test_what_is_written_is_not(source: str) -> None:
    assert list(composed_in(source)) == []


@cache
def composed() -> list[tuple[str, str]]:
    """The arguments to execute that are texts made of parts: file, and source of the argument."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] == "sandbox":  # has no database
            continue
        found += [(str(place), argument) for argument in composed_in(path.read_text("utf-8"))]
    return found


def composed_in(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assigned.setdefault(ast.unparse(target), []).append(node.value)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args and (name := _name(call.func)) in EXECUTE:
            given = call.args[0]
            if _is_made(given, assigned) or (name == "exec_driver_sql" and not _is_text(given)):
                yield ast.unparse(given)


def _is_text(given: ast.expr) -> bool:
    return isinstance(given, ast.Constant) and isinstance(given.value, str | bytes)


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _is_made(argument: ast.expr, assigned: dict[str, list[ast.expr]]) -> bool:
    """Tell whether a text is made of parts, there or where its name was given to it in the same module."""
    match argument:
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.FormattedValue) for part in parts)
        case ast.BinOp(op=ast.Add() | ast.Mod(), left=left, right=right):
            return any(_is_text(side) or _is_made(side, assigned) for side in (left, right))
        case ast.Call(func=ast.Attribute(attr="format" | "join" | "replace" | "encode", value=inner)):
            return _is_text(inner) or _is_made(inner, assigned)
        case ast.Name(id=name):
            return any(_is_made(value, {}) for value in assigned.get(name, []))
    return False
