"""Reads the environment: `.env` beside manage.py, then the process's own variables on top.

What holds a secret may also be given as NAME_FILE (a path), as container secrets are.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

N = TypeVar("N", int, float)
BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def secret(name: str, default: str = "") -> str:
    """The value of `name`, or the stripped content of the file that `name`_FILE points to.

    Raises ImproperlyConfigured when the file is named but can't be read.
    """
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return str(env.str(name, default=default))
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}") from error


def whole(name: str, default: int) -> int:
    """A whole number; raises ImproperlyConfigured for anything else."""
    return _number(name, default, int)


def decimal(name: str, default: float) -> float:
    """A number; raises ImproperlyConfigured for anything else."""
    return _number(name, default, float)


def _number(name: str, default: N, kind: Callable[[str], N]) -> N:
    text = str(env.str(name, default=""))
    try:
        return kind(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}: expected a number, got {text!r}") from None


def pairs(name: str) -> dict[str, str]:
    """`a=x,b=y` as a dict; raises ImproperlyConfigured on an entry without `=`."""
    found: dict[str, str] = {}
    for entry in env.list(name, default=[]):
        left, sign, right = entry.partition("=")
        if not sign or not left.strip() or not right.strip():
            raise ImproperlyConfigured(f"{name}: expected name=value, got {entry!r}")
        found[left.strip()] = right.strip()
    return found


def persisted_secret_key(data_dir: Path) -> str:
    """SECRET_KEY, or the one kept in the data directory (made there once, mode 600).

    Sign-in secrets and the audit chain derive from it (DESIGN decision 13), so it must
    outlive the process.
    """
    given = secret("SECRET_KEY")
    if given:
        return given
    path = data_dir / "secret.key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return _create_secret_key(path)
    except OSError as error:
        raise ImproperlyConfigured(f"cannot read {path}: {error.strerror}") from error


def _create_secret_key(path: Path) -> str:
    # O_EXCL through a private name and a link: two processes that start together agree on one.
    value = os.urandom(48).hex()
    private = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(value)
    except OSError as error:
        raise ImproperlyConfigured(f"cannot write {path}: {error.strerror}") from error
    try:
        os.link(private, path)
    except FileExistsError:
        return path.read_text().strip()
    finally:
        private.unlink()
    return value
