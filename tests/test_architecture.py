"""Holds the import rules and the size budgets of the code."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from statistics import quantiles

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("config", "keys", "usage")
FILES = sorted(
    path.relative_to(ROOT)
    for path in chain.from_iterable((ROOT / app).rglob("*.py") for app in APPS)
    if "migrations" not in path.parts
)
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))

PURE = {"keys/states.py", "usage/events.py", "usage/periods.py", "usage/charts.py"}
PURE |= {"usage/classify.py", "usage/decisions.py"}
PURE_MODULES = {path.removesuffix(".py").replace("/", ".") for path in PURE}
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
}
# DESIGN's doors 2, 3 and 5: who may touch what they guard.
OPENS_A_SECRET = {  # takes the plaintext out of a keys.vault.Secret
    "keys/api/app_keys.py": "the answer to create, rotate and reveal",
    "keys/api/importing.py": "the .env file handed back",
    "keys/api/provider_keys.py": "the answer to reveal",
    "keys/views/app_keys.py": "the copy and the key shown once",
    "keys/views/compromise.py": "the new text shown once",
    "keys/views/connect.py": "the key shown once",
    "keys/views/importing.py": "the .env file handed back",
    "keys/views/provider_keys.py": "reveal",
    "keys/lifecycle/importing.py": "the .env file handed back",
    "keys/lifecycle/inputs.py": "what was pasted, before it is sealed",
    "keys/providers/injection.py": "inject",
    "keys/probing.py": "probe: the provider's words without it",
    "usage/gateway/exchange.py": "the record's words and the answer without it",
    "usage/alerts/addresses.py": "the host of a channel's address, to be shown",
    "usage/alerts/sending.py": "where a message goes, its signature, the answer without them",
    "usage/api/alerts.py": "a webhook's signing secret, given once",
    "usage/views/alert_acts.py": "a webhook's signing secret, shown once",
    "usage/client/calling.py": "the record's words and the response without it",
}
SPEAKS_HTTP = {  # beside keys/outbound: a name of the library, or its door's other half
    "config/probe.py": "the health check of this machine's own listener",
    "config/supervisor.py": "waits for its own listener",
    "keys/management/commands/sandbox.py": "asks the sandbox that runs here",
    "keys/sign_in/single_sign_on.py": "gives allauth a session over keys.outbound.PinnedAdapter",
    "usage/client/__init__.py": "subclasses requests.Session over usage.client.sending",
    "usage/client/sending.py": "subclasses keys.outbound.PinnedAdapter",
    "usage/client/calling.py": "the type of what is asked",
    "usage/client/recorded.py": "wraps the body of its answer",
    "usage/client/peeking.py": "the beginning of its answer",
    "usage/gateway/transport.py": "the errors that dialling raises",
    "usage/demo.py": "the errors that KeyedSession raises",
    "usage/management/commands/demo_fill.py": "the type of KeyedSession's answer",
}
HTTP = re.compile(
    r"^(requests|aiohttp|urllib3|httpx|http\.client|urllib\.request|ftplib|smtplib\.SMTP\b)"
)


@cache
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
            if name == "suppress" and any(map(_is_broad, node.args)):
                yield node.lineno


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call and the last part of the name it calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _breaking(rule: Callable[[Path], object]) -> dict[str, object]:
    """The files in which a rule finds something, and what."""
    return {str(path): found for path in FILES if (found := rule(path))}


def _forbidden_imports(path: Path) -> list[str]:
    names = [name for _, name in _imports(_tree(path)) if _ours(name)]
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    found: list[str] = []
    if path.parts[0] == "keys":
        found += [name for name in names if name.startswith("usage")]
    if path.parts[0] == "config" and str(path) not in ASSEMBLY:
        found += [name for name in names if not name.startswith("config")]
    if str(path) in PURE:
        found += [n for n in names if not any(n.startswith(pure) for pure in PURE_MODULES)]
    if not THIN.match(module) and path.parts[0] != "config":
        found += [name for name in names if THIN.match(name)]
    if ".views" in module:
        doors = ("keys.vault", "keys.outbound")
        found += [name for name in names if name.startswith(doors)]
    if path.parts[:2] == ("keys", "sandbox"):
        found += [name for name in names if not name.startswith("keys.sandbox")]
    return found


def test_imports_follow_the_rules() -> None:
    assert not _breaking(_forbidden_imports)


def test_own_modules_are_imported_at_the_top() -> None:
    assert not _breaking(
        lambda path: [
            (function.name, name)
            for function in _functions(_tree(path))
            if function.name != "ready"
            for _, name in _imports(function)
            if _ours(name)
        ]
    )


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_every_module_can_be_imported_first() -> None:
    """In any order, that is: no circle of imports that happens to begin at its right end."""
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in FILES]
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
    broad = _breaking(lambda path: list(_broad_excepts(_tree(path))))
    assert set(broad) == set(BROAD_EXCEPTS)
    assert all(len(found) == 1 for found in broad.values()), broad  # type: ignore[arg-type]


def test_nothing_is_imported_by_its_name_in_a_text() -> None:
    by_name = {"import_module", "__import__", "import_string"}
    assert not _breaking(lambda path: by_name & {name for name, _ in _calls(_tree(path))})


def test_who_opens_a_secret_is_named() -> None:
    openers = {
        str(path)
        for path in FILES
        if path.parts[:2] != ("keys", "vault")
        and any(
            isinstance(node, ast.Attribute) and node.attr in ("reveal", "_text")
            for node in ast.walk(_tree(path))
        )
    }
    assert openers == set(OPENS_A_SECRET)


def test_who_speaks_http_is_named() -> None:
    speakers = {
        str(path)
        for path in FILES
        if path.parts[:2] != ("keys", "outbound")
        and any(HTTP.match(name) for _, name in _imports(_tree(path)))
    }
    assert speakers == set(SPEAKS_HTTP)


def test_only_the_audit_writer_makes_events() -> None:
    makers = re.compile(r"\bAuditEvent(?:\.objects)?(?:\.bulk_create|\.create|\.get_or_create)?\(")
    found = {str(path) for path in FILES if makers.search((ROOT / path).read_text())}
    # An archive's events are made to be digested anew, those carried over to be read: neither
    # is ever saved.
    unsaved = {"keys/audit/archives.py", "keys/audit/carrying.py"}
    assert found == {*unsaved, "keys/audit/writing.py", "keys/models/audit.py"}


def test_only_lifecycle_moves_a_state_or_a_stage() -> None:
    for path in FILES:
        if path.parts[:2] in (("keys", "lifecycle"), ("keys", "sandbox")):
            continue
        for name, call in _calls(_tree(path)):
            moved = {word.arg for word in call.keywords} & {"state", "stage"}
            assert not (name in ("update", "create", "update_or_create") and moved), path
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                assert node.attr not in ("state", "stage"), f"{path}:{node.lineno}"


def test_apps_are_reached_by_imports_that_the_rules_see() -> None:
    for path in FILES:
        assert not [call for name, call in _calls(_tree(path)) if name == "get_model"], path


def test_app_code_is_typed_documented_and_free_of_asserts() -> None:
    assert not _breaking(_untold)


def _untold(path: Path) -> list[object]:
    tree = _tree(path)
    found: list[object] = []
    if tree.body and not ast.get_docstring(tree):
        found.append("no docstring that says what the module is")
    found += [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return found + [f.name for f in _functions(tree) if f.returns is None]


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
