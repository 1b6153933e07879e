"""Holds the import rules and the size budgets of the code."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from statistics import quantiles

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

ROOT = Path(__file__).resolve().parent.parent
APPS = ("config", "keys", "usage")
FILES = sorted(
    path.relative_to(ROOT)
    for path in chain.from_iterable((ROOT / app).rglob("*.py") for app in APPS)
    if "migrations" not in path.parts
)
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))

PURE = {"keys/states.py", "usage/events.py", "usage/periods.py", "usage/charts.py"}
PURE |= {"usage/classify.py"}
PURE_MODULES = {path.removesuffix(".py").replace("/", ".") for path in PURE}
# Thin layers: they call the domain, which never imports them.
THIN = re.compile(r"^(keys|usage)\.(views|tasks|api|forms|urls|management|templatetags)\b")
# Where config may import the apps: the places that put the parts together.
ASSEMBLY = {"config/urls.py", "config/asgi.py", "config/api.py", "config/health.py"}
SHAPELESS = {"utils", "helpers", "common", "services", "misc", "base_utils", "tools"}
# A broad except and why it is right there.
BROAD_EXCEPTS = {
    "usage/ingest/drainer.py": "the drain thread outlives any fault of one round",
    "usage/ingest/evidence.py": "a fault in judging a key must not keep a call from its row",
    "usage/gateway/exchange.py": "a fault of ours must still end the call and its record",
    "usage/gateway/directory.py": "the error goes to whoever asked, the thread lives on",
}
SIGNIN = re.compile(r"^(account|mfa)_")  # allauth's URL names


def _tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def _imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every imported name, dotted: `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def _ours(name: str) -> bool:
    return name.split(".")[0] in APPS


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_follow_the_rules(path: Path) -> None:
    names = [name for _, name in _imports(_tree(path)) if _ours(name)]
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if path.parts[0] == "keys":
        assert not [name for name in names if name.startswith("usage")]
    if path.parts[0] == "config" and str(path) not in ASSEMBLY:
        assert not [name for name in names if not name.startswith("config")]
    if str(path) in PURE:
        assert not [n for n in names if not any(n.startswith(pure) for pure in PURE_MODULES)]
    if not THIN.match(module) and path.parts[0] != "config":
        assert not [name for name in names if THIN.match(name)]
    if ".views" in module:
        doors = ("keys.vault", "keys.outbound")
        assert not [name for name in names if name.startswith(doors)]
    if path.parts[:2] == ("keys", "sandbox"):
        assert not [name for name in names if not name.startswith("keys.sandbox")]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_own_modules_are_imported_at_the_top(path: Path) -> None:
    for function in _functions(_tree(path)):
        if function.name != "ready":
            assert not [name for _, name in _imports(function) if _ours(name)], function.name


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_broad_except_is_named_and_explained(path: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert not broad or str(path) in BROAD_EXCEPTS, broad


@pytest.mark.parametrize("path", FILES, ids=str)
def test_app_code_is_typed_documented_and_free_of_asserts(path: Path) -> None:
    tree = _tree(path)
    assert ast.get_docstring(tree) or not tree.body, "a docstring says what the module is"
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert not [f.name for f in _functions(tree) if f.returns is None]


@pytest.mark.parametrize(("paths", "lines", "function"), [(FILES, 300, 50), (TESTS, 400, 60)])
def test_files_and_functions_keep_their_size(paths: list[Path], lines: int, function: int) -> None:
    long_files = {
        str(path): size
        for path in paths
        if (size := len((ROOT / path).read_text().splitlines())) > lines
    }
    assert not long_files
    sizes = {
        f"{path}:{node.name}": _length(node) for path in paths for node in _functions(_tree(path))
    }
    assert not {name: size for name, size in sizes.items() if size > function}
    assert quantiles(sizes.values(), n=10)[-1] <= 25


def test_templates_and_scripts_keep_their_size() -> None:
    pages = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static").rglob("*.js")]
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in pages}
    assert not {name: size for name, size in sizes.items() if size > 150}


def test_no_module_has_a_shapeless_name() -> None:
    parts = {part.removesuffix(".py") for path in [*FILES, *TESTS] for part in path.parts}
    assert not parts & SHAPELESS


def _url_names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            if pattern.name and not SIGNIN.match(pattern.name):
                yield pattern.name
        elif pattern.namespace is None:
            yield from _url_names(pattern.url_patterns)


def test_every_url_name_is_mentioned_in_a_test() -> None:
    said = "\n".join((ROOT / path).read_text() for path in TESTS)
    words = set(re.findall(r"\w+", said))
    assert not set(_url_names(get_resolver().url_patterns)) - words


def test_every_setting_is_in_the_example_environment() -> None:
    reads = re.compile(r"""(?:env\.\w+|\bsecret|\bpairs|\bwhole|\bdecimal)\(\s*"([A-Z_]+)\"""")
    used = {
        name
        for file in ("settings.py", "env.py")
        for name in reads.findall((ROOT / "config" / file).read_text())
    }
    listed = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(used)
