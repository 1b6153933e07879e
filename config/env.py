"""Reads the environment: `.env` beside manage.py, then the process's own variables on top.

What holds a secret may also be given as NAME_FILE (a path), as container secrets are.
"""

import ipaddress
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

N = TypeVar("N", int, float)
BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def secret(name: str) -> str:
    """The value of `name` ("" for none), or what stands in the file that `name`_FILE points to.

    Raises ImproperlyConfigured when the file is named but can't be read.
    """
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return str(env.str(name, default=""))
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}") from error


def database(default: str) -> dict[str, Any]:
    """DATABASE_URL as Django's settings; raises ImproperlyConfigured for what is no URL of one."""
    url = secret("DATABASE_URL") or default
    if "://" not in url:
        # Not shown: it may hold a password.
        raise ImproperlyConfigured("DATABASE_URL: expected postgres://user:password@host/name")
    found: dict[str, Any] = env.db_url_config(url)
    return found


def web_address(name: str, default: str) -> str:
    """Scheme and host of a site; raises ImproperlyConfigured for anything else."""
    text = str(env.str(name, default="")).rstrip("/")
    if not text:
        return default
    if not _is_site(text):
        raise ImproperlyConfigured(f"{name}: expected https://host, got {text!r}")
    return text


def origins(name: str) -> frozenset[str]:
    """Sites as browsers name them, or `*`; raises ImproperlyConfigured for anything else."""
    found = [str(text).strip().rstrip("/").lower() for text in env.list(name, default=[])]
    for text in found:
        if text != "*" and not _is_site(text):
            raise ImproperlyConfigured(f"{name}: expected https://host,… or *, got {text!r}")
    return frozenset(found)


def _is_site(text: str) -> bool:
    """Whether that is scheme and host and no more."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return False
    return bool(fits) and text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc


def networks(name: str) -> list[str]:
    """Addresses and ranges; raises ImproperlyConfigured for a name of a host, too."""
    found: list[str] = [text.strip() for text in env.list(name, default=[])]
    for text in found:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name}: expected addresses such as 10.0.0.5 or 172.16.0.0/12, got {text!r}"
            ) from None
    return found


def one_of(name: str, choices: Sequence[str]) -> str:
    """One of these words, the first if none is given; raises ImproperlyConfigured."""
    text = str(env.str(name, default="")) or choices[0]
    if text not in choices:
        raise ImproperlyConfigured(f"{name}: {text!r} is none of {', '.join(choices)}")
    return text


def whole(name: str, default: int) -> int:
    """A whole number from 0 on; raises ImproperlyConfigured for anything else."""
    return _number(name, default, int)


def decimal(name: str, default: float) -> float:
    """A number from 0 on; raises ImproperlyConfigured for anything else."""
    return _number(name, default, float)


def _number(name: str, default: N, kind: Callable[[str], N]) -> N:
    text = str(env.str(name, default=""))
    try:
        number = kind(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}: expected a number, got {text!r}") from None
    if not number >= 0:  # so that "nan" isn't one
        raise ImproperlyConfigured(f"{name}: expected a number from 0 on, got {text!r}")
    return number


def pairs(name: str) -> dict[str, str]:
    """`a=x,b=y` as a dict; raises ImproperlyConfigured on an entry without `=`."""
    found: dict[str, str] = {}
    for entry in env.list(name, default=[]):
        left, sign, right = entry.partition("=")
        if not sign or not left.strip() or not right.strip():
            raise ImproperlyConfigured(f"{name}: expected name=value, got {entry!r}")
        found[left.strip()] = right.strip()
    return found


def sizes(name: str) -> dict[str, int]:
    """`a=1,b=2` as a dict of bytes; raises ImproperlyConfigured for anything else."""
    found = pairs(name)
    if wrong := next((text for text in found.values() if not text.isdecimal()), ""):
        raise ImproperlyConfigured(f"{name}: expected name=bytes, got {wrong!r}")
    return {left: int(right) for left, right in found.items()}


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
