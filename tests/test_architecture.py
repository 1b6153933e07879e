"""Holds the layout, the import rules and the size budgets of the code (DESIGN sections 4 and 9)."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import pytest

from tests.source import (
    APPS,
    FILES,
    ROOT,
    TESTS,
    Rule,
    breaking,
    calls,
    functions,
    imports,
    is_ours,
    module_of,
    tree,
)

PURE = {"keys/states.py", "usage/events.py", "usage/periods.py", "usage/charts.py"}
PURE |= {"usage/classify.py", "usage/decisions.py"}
PURE_MODULES = {path.removesuffix(".py").replace("/", ".") for path in PURE}
PURE_ENOUGH = {  # what pure modules need beyond the language
    "keys/providers/answers.py": ["orjson"],  # reads a text
    "usage/periods.py": ["django.conf.settings"],  # how long counts are kept
}
# Files that know each other: one of the two by a type alone.
CIRCLES = {"keys/models/app_keys.py", "keys/outbound/answer.py", "usage/gateway/relay.py"}
# Thin layers: they call the domain, which never imports them.
THIN = re.compile(
    r"^(keys|usage)\.(views|tasks|api|forms|urls|account_urls|management|templatetags)\b"
)
# Where config may import the apps: the places that put the parts together.
ASSEMBLY = {"config/urls.py", "config/asgi.py", "config/api.py", "config/health.py"}
SHAPELESS = {"utils", "helpers", "common", "services", "misc", "base_utils", "tools"}
# The one broad except of a file and why it is right there.
BROAD_EXCEPTS = {
    "usage/alerts/evaluating.py": "one rule's fault must not silence the others",
    "usage/ingest/drainer.py": "the drain thread outlives any fault of one round",
    "usage/ingest/evidence.py": "a fault in judging a key must not keep a call from its row",
    "usage/gateway/exchange.py": "a fault of ours must still end the call and its record",
    "usage/gateway/directory.py": "the error goes to whoever asked, the thread lives on",
    "keys/outbound/line.py": "a fault of the sending half ends the line, and is told by it",
    "keys/probing.py": "one odd provider doesn't keep the others' keys from being checked",
    "usage/alerts/delivering.py": "one odd receiver must not keep the others from being told",
    "usage/streaming.py": "a reader who left ends the stream, whatever the sending half met",
}


def _is_broad(caught: ast.expr | None) -> bool:
    """Whether `except caught` (None: bare) or `suppress(caught)` takes every fault."""
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        name is None or getattr(name, "id", "") in ("Exception", "BaseException") for name in names
    )


def _broad_excepts(tree: ast.AST) -> Iterator[int]:
    """Lines that swallow every fault; a handler whose end is `raise` only looks at it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            if _is_broad(node.type) and not isinstance(node.body[-1], ast.Raise):
                yield node.lineno
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            asked = name == "exception" and not node.args and _is_asked_of_work(node)
            kept = any(word.arg == "return_exceptions" for word in node.keywords)
            if asked or kept or (name == "suppress" and any(map(_is_broad, node.args))):
                yield node.lineno


def _is_asked_of_work(call: ast.Call) -> bool:
    """`future.exception()`, not the interpreter's own `sys.exception()`."""
    return ast.unparse(call.func) != "sys.exception"


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def forbidden_imports(path: Path, tree: ast.Module) -> list[object]:
    names = [name for name in imports(tree) if is_ours(name)]
    module = module_of(path)
    found: list[str] = []
    if path.parts[0] == "keys":
        found += [name for name in names if name.startswith("usage")]
    if path.parts[0] == "config" and str(path) not in ASSEMBLY:
        found += [name for name in names if not name.startswith("config")]
    if not THIN.match(module) and path.parts[0] != "config":
        found += [name for name in names if THIN.match(name)]
    if ".views" in module:
        doors = ("keys.vault", "keys.outbound")
        found += [name for name in names if name.startswith(doors)]
    if path.parts[:2] == ("keys", "sandbox"):
        found += [name for name in names if not name.startswith("keys.sandbox")]
    return [*found, *_impure(path, tree)]


def _impure(path: Path, tree: ast.Module) -> list[str]:
    """What isn't the language's own: in a pure module none but pure ones, nor any library in one
    that calls itself pure."""
    if str(path) in PURE:
        ours = tuple(PURE_MODULES)
    elif re.search(r"\bPure\b", ast.get_docstring(tree) or ""):
        ours = APPS
    else:
        return []
    known = (*sys.stdlib_module_names, *ours, *PURE_ENOUGH.get(str(path), ()))
    return [n for n in imports(tree) if not any(f"{n}.".startswith(f"{k}.") for k in known)]


def nested_imports(path: Path, tree: ast.Module) -> list[object]:
    """Own modules imported inside a function; an app's `ready` has to."""
    ready = "ready" if path.name == "apps.py" else ""
    return [
        (function.name, name)
        for function in functions(tree)
        if function.name != ready
        for name in imports(function)
        if is_ours(name)
    ]


def test_imports_follow_the_rules() -> None:
    assert not breaking(forbidden_imports)


def test_own_modules_are_imported_at_the_top() -> None:
    assert not breaking(nested_imports)


def test_code_stands_where_the_rules_look() -> None:
    assert {path.parent.name for path in ROOT.glob("*/*.py")} == {*APPS, "tests"}
    assert [path.name for path in ROOT.glob("*.py")] == ["manage.py"]


def test_migrations_of_keys_know_nothing_of_usage() -> None:
    made = [*(ROOT / "keys" / "migrations").glob("*.py")]
    names = [name for path in made for name in imports(ast.parse(path.read_text()))]
    assert made
    assert not [name for name in names if name.startswith("usage")]


def test_a_circle_of_types_is_named() -> None:
    """What one of two files that know each other needs for its annotations alone."""
    hidden = breaking(lambda _, tree: [n for n in imports(tree) if n == "typing.TYPE_CHECKING"])
    assert hidden.keys() <= CIRCLES


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_every_module_can_be_imported_first() -> None:
    """In any order, that is: no circle of imports that happens to begin at its right end."""
    modules = [module_of(path) for path in FILES]
    done = subprocess.run(
        [sys.executable, "-c", _EACH_FIRST],
        input="\n".join(modules),
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "", done.stdout
    assert done.returncode == 0, done.stderr


# Imports each module in a process of its own, forked once Django's own parts are there.
_EACH_FIRST = """
import os, sys
import django, ninja, requests, celery, allauth, aiohttp, cryptography.fernet
django.setup()
ours = [name for name in sys.modules if name.split(".")[0] in ("config", "keys", "usage")]
apps = ("keys.models", "usage.models", "keys.apps", "usage.apps")  # Django has them once
kept = {name for name in ours if name.startswith(apps)} | {"config", "keys", "usage", "keys.states"}
for module in sys.stdin.read().split():
    child = os.fork()
    if child == 0:
        for name in set(ours) - kept:
            parent, _, leaf = name.rpartition(".")
            del sys.modules[name]
            vars(sys.modules.get(parent)).pop(leaf, None) if parent in sys.modules else None
        failed = 1
        try:
            __import__(module)
            failed = 0
        except BaseException as error:
            print(module, repr(error), flush=True)
        os._exit(failed)
    if ended := os.waitpid(child, 0)[1]:
        print(module, "ended with", os.waitstatus_to_exitcode(ended), flush=True)
"""


def test_a_broad_except_is_named_and_explained() -> None:
    broad = breaking(lambda _, tree: list(_broad_excepts(tree)))
    assert set(broad) == set(BROAD_EXCEPTS)
    assert all(len(found) == 1 for found in broad.values()), broad


def unseen_imports(_: Path, tree: ast.Module) -> list[object]:
    """Modules and models reached by their name in a text, where the rules see no import."""
    by_name = {"import_module", "__import__", "import_string", "get_model"}
    return [name for name, _ in calls(tree) if name in by_name]


def test_nothing_is_reached_by_its_name_in_a_text() -> None:
    assert not breaking(unseen_imports)


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (forbidden_imports, "keys/new.py", "from usage import stats"),
        (forbidden_imports, "keys/views/new.py", "import usage.stats"),
        (
            forbidden_imports,
            "keys/new.py",
            "if TYPE_CHECKING:\n    from usage import events",
        ),
        (forbidden_imports, "config/logging.py", "from keys import audit"),
        (forbidden_imports, "usage/stats/new.py", "from usage.views import calls"),
        (forbidden_imports, "usage/stats/new.py", "from usage import tasks"),
        (forbidden_imports, "keys/lifecycle/new.py", "from keys.api.schemas import StateOut"),
        (forbidden_imports, "keys/views/new.py", "from keys import vault"),
        (forbidden_imports, "usage/views/new.py", "from keys.outbound import fetch"),
        (forbidden_imports, "keys/sandbox/new.py", "from keys.providers import base"),
        (forbidden_imports, "usage/events.py", "from usage.models import Call"),
        (forbidden_imports, "usage/events.py", "from django.conf import settings"),
        (forbidden_imports, "usage/periods.py", "from django.db import models"),
        (forbidden_imports, "usage/new.py", '"""Tables. Pure."""\nimport requests'),
        (nested_imports, "keys/new.py", "def f():\n    from keys import vault"),
        (
            nested_imports,
            "keys/new.py",
            "class A:\n    def ready(self):\n        import keys",
        ),
        (unseen_imports, "keys/new.py", 'apps.get_model("usage", "Call")'),
        (unseen_imports, "keys/new.py", 'importlib.import_module("usage.stats")'),
    ],
)
def test_what_breaks_a_rule_of_imports_is_found(rule: Rule, path: str, code: str) -> None:
    assert rule(Path(path), ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept:\n    pass",
        "try:\n    f()\nexcept (OSError, BaseException) as error:\n    print(error)",
        "with contextlib.suppress(Exception):\n    f()",
        "error = done.exception()",
        "asyncio.gather(a, b, return_exceptions=True)",
    ],
)
def test_what_takes_every_fault_is_found(code: str) -> None:
    assert list(_broad_excepts(ast.parse(code)))


def test_app_code_is_typed_documented_and_free_of_asserts() -> None:
    assert not breaking(_untold)


def _untold(_: Path, tree: ast.Module) -> list[object]:
    found: list[object] = []
    if tree.body and not ast.get_docstring(tree):
        found.append("no docstring that says what the module is")
    found += [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return found + [f.name for f in functions(tree) if f.returns is None]


@pytest.mark.parametrize(("paths", "lines", "function"), [(FILES, 300, 50), (TESTS, 400, 60)])
def test_files_and_functions_keep_their_size(paths: list[Path], lines: int, function: int) -> None:
    long_files = {
        str(path): size
        for path in paths
        if (size := len((ROOT / path).read_text().splitlines())) > lines
    }
    assert not long_files
    sizes = {
        f"{path}:{node.name}": _length(node) for path in paths for node in functions(tree(path))
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


def _read_by(readers: str) -> set[str]:
    """The settings that these functions read."""
    reads = re.compile(rf"""(?:{readers})\(\s*"([A-Z_]+)\"""")
    files = [(ROOT / "config" / name).read_text() for name in ("settings.py", "env.py")]
    return {name for text in files for name in reads.findall(text)}


def test_every_setting_is_in_the_example_environment() -> None:
    readers = r"env\.\w+|\b(?:secret|pairs|whole|decimal|networks|origins|sizes|one_of|web_address)"
    listed = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(_read_by(readers))


def test_what_can_be_read_from_a_file_is_marked_in_the_example_environment() -> None:
    text = (ROOT / ".env.example").read_text()
    marked = re.findall(r"^# \*(?:.*\n# )*.*\n#([A-Z_]+)=", text, re.MULTILINE)
    assert sorted(marked) == sorted(_read_by(r"\bsecret"))


@pytest.mark.xdist_group("together")
def test_tests_of_one_group_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """Or each process starts the products that a group shares, once more."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@together")
