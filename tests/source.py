"""The product's source as the tests that hold its rules read it."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = ("config", "keys", "usage")
FILES = sorted(
    path.relative_to(ROOT)
    for path in chain.from_iterable((ROOT / app).rglob("*.py") for app in APPS)
    if "migrations" not in path.parts
)
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))

# What a rule finds in a file; nothing: the file keeps it.
Rule = Callable[[Path, ast.Module], list[object]]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def breaking(rule: Rule) -> dict[str, list[object]]:
    """The files in which a rule finds something, and what."""
    return {str(path): found for path in FILES if (found := rule(path, tree(path)))}


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(node: ast.AST) -> Iterator[str]:
    """Every imported name, dotted: `from a import b` gives a.b."""
    for one in ast.walk(node):
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom):
            assert one.level == 0, "imports are absolute"
            yield from (f"{one.module}.{alias.name}" for alias in one.names)


def is_ours(name: str) -> bool:
    return name.split(".")[0] in APPS


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for one in ast.walk(node):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            yield one


def calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call and the last part of the name it calls."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            yield getattr(one.func, "attr", getattr(one.func, "id", "")), one


def texts(node: ast.AST) -> set[object]:
    """The literal values in a piece of code."""
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
