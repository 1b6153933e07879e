"""What `manage.py up` makes sure of before anything is served. Each step can be repeated."""

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import QuerySet

from keys import audit, system_checks, vault
from keys.models import User

BACKLOG = 2048  # connections that wait while the web process restarts
DEFAULT_ADMIN = "admin@localhost"


class StartupError(Exception):
    """Keydeck can't start; the message is one clear line."""


def listen(port: int, setting: str = "PORT") -> socket.socket:
    """A listening socket on 127.0.0.1:`port`, or one line that names the setting to change."""
    listener = socket.socket()
    # Lingering connections of the last run don't block the port; another listener does.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. A server given a bare descriptor doesn't set it, and every answer
    # would wait 40 ms for the caller's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        other = port + 10 if port < 60000 else 8080
        raise StartupError(
            f"port {port} can't be used ({reason}): name another, as in {setting}={other}"
        ) from error
    return listener


def check_settings() -> None:
    """Raises StartupError for settings that can't work or must not be served."""
    if fault := system_checks.first_fault():
        raise StartupError(fault)


def check_data_dir() -> None:
    """Raises StartupError unless the data directory can be written."""
    try:
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=settings.DATA_DIR):
            pass
    except OSError as error:
        raise StartupError(
            f"cannot write to {settings.DATA_DIR} ({error.strerror}): "
            "name another place with KEYDECK_DATA_DIR"
        ) from error


def hold_data_dir() -> int:
    """Makes this process the only one that serves the data directory; returns the lock.

    It lasts as long as the descriptor is open. Raises StartupError where another holds it.
    """
    descriptor = os.open(settings.DATA_DIR / "serving", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        where = os.read(descriptor, 200).decode(errors="replace").strip()
        os.close(descriptor)
        raise StartupError(
            f"Keydeck already runs on {settings.DATA_DIR}: {where or 'look for its process'}. "
            "A second one needs a KEYDECK_DATA_DIR of its own"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{settings.PUBLIC_URL}\n".encode())
    return descriptor


def migrate() -> int:
    """Brings the database up to date; returns how many migrations that took."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            call_command("migrate", verbosity=0, interactive=False)
    except DatabaseError as error:
        raise _unusable_database(error) from error
    return len(pending)


def _unusable_database(error: DatabaseError) -> StartupError:
    line = str(error).strip().splitlines()[0]
    return StartupError(f"cannot use the database {connection.settings_dict['NAME']}: {line}")


def collect_static() -> bool:
    """Copies the static files unless the last copy was of these very ones."""
    digest = hashlib.sha256()
    try:
        for finder in get_finders():
            for name, storage in sorted(finder.list([]), key=lambda found: str(found[0])):
                source = Path(storage.path(name)).stat()
                digest.update(f"{name} {source.st_size} {source.st_mtime_ns}\n".encode())
    except FileNotFoundError as error:
        raise StartupError(f"{error.filename} is missing: `make up` fetches it") from error
    stamp = settings.STATIC_ROOT / ".collected"
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return False
    shutil.rmtree(settings.STATIC_ROOT, ignore_errors=True)
    call_command("collectstatic", verbosity=0, interactive=False)
    stamp.write_text(digest.hexdigest())
    return True


def open_vault() -> tuple[str, bool]:
    """The master key's state in words, and whether the vault is open.

    A missing master key over existing data starts sealed (DESIGN decision 13): sign-in, charts,
    audit and revoke work. A broken or a wrong one is a mistake to mend before starting.
    """
    path = settings.MASTER_KEY_FILE
    missing = not settings.MASTER_KEYS and not path.exists()
    try:
        _, made = vault.ensure_master_key()
        vault.ensure_system_secrets()
    except vault.VaultError as error:
        if missing:
            return str(error), False
        raise StartupError(str(error)) from error
    if made:
        return f"made {path} (mode 600): keep a copy elsewhere, no secret opens without it", True
    return "from the environment" if settings.MASTER_KEYS else str(path), True


def check_admin() -> None:
    """Raises StartupError where the first admin can't be made as the settings say.

    Asked before anything is made. Where there is an admin, what the settings say counts no more.
    """
    try:
        tables = connection.introspection.table_names()
        is_made = User._meta.db_table in tables and _admins().exists()
    except DatabaseError as error:
        raise _unusable_database(error) from error
    if not is_made:
        _chosen_admin()


def ensure_admin() -> tuple[str, str]:
    """The site admin's e-mail, and the password if one was generated just now."""
    admin = _admins().first()
    if admin:
        return admin.email, ""
    email, password = _chosen_admin()
    with transaction.atomic():
        admin = User.objects.create_superuser(email, password)
        action, target = audit.Action.ADMIN_CREATED, f"user:{admin.pk}"
        audit.record(audit.Actor.system("up"), action, target, email=admin.email)
    return admin.email, "" if settings.ADMIN_PASSWORD else password


def _admins() -> QuerySet[User]:
    return User.objects.filter(is_superuser=True).order_by("pk")


def _chosen_admin() -> tuple[str, str]:
    """E-mail and password of the first admin, held to the rules of everybody's."""
    email = settings.ADMIN_EMAIL or DEFAULT_ADMIN
    try:
        User._meta.get_field("email").run_validators(email)
    except ValidationError:
        raise StartupError(f"KEYDECK_ADMIN_EMAIL: {email!r} is not an e-mail address") from None
    if not settings.ADMIN_PASSWORD:
        return email, secrets.token_urlsafe(12)
    try:
        validate_password(settings.ADMIN_PASSWORD, User(email=email))
    except ValidationError as error:
        raise StartupError(f"KEYDECK_ADMIN_PASSWORD: {' '.join(error.messages)}") from None
    return email, settings.ADMIN_PASSWORD
