"""Master keys: read from settings.MASTER_KEYS or the key file, the first is primary."""

import base64
import binascii
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection

from keys.models import DataKey
from keys.vault.errors import Sealed, VaultError


@dataclass(frozen=True, slots=True)
class Master:
    """A loaded master key. `fingerprint` names it in DataKey.master."""

    fingerprint: str
    fernet: Fernet


# What was parsed, by its text: an edited setting is seen, an unchanged one isn't parsed again.
_parsed: dict[str, tuple[Master, ...]] = {}
# The key file's text, by what tells that it is the same file still: a key added to it is seen
# by every process at once.
_files: dict[Path, tuple[tuple[int, ...], str]] = {}


def load() -> tuple[Master, ...]:
    """The loaded master keys, primary first. Raises Sealed when there is none to use."""
    text = settings.MASTER_KEYS or _file_text(Path(settings.MASTER_KEY_FILE))
    masters = _parsed.get(text)
    if masters is None:
        where = "KEYDECK_MASTER_KEYS" if settings.MASTER_KEYS else settings.MASTER_KEY_FILE
        masters = _parse(text, str(where))
        _parsed.clear()
        _parsed[text] = masters
    return masters


def loaded_masters() -> list[str]:
    """Fingerprints of the loaded master keys, primary first. Raises Sealed."""
    return [master.fingerprint for master in load()]


def primary() -> Master:
    return load()[0]


def holder(fingerprint: str) -> Master:
    """The loaded master key of this fingerprint. Raises Sealed when it isn't loaded."""
    for master in load():
        if master.fingerprint == fingerprint:
            return master
    raise Sealed(f"the vault is sealed: master key {fingerprint} is not loaded")


def is_sealed() -> bool:
    """Whether the system's data key (or, before there is one, any) can't be opened now."""
    try:
        masters = load()
    except Sealed:
        return True
    used = DataKey.objects.filter(application=None).order_by("-version").values_list("master")[:1]
    return any(name not in {master.fingerprint for master in masters} for (name,) in used)


def ensure_master_key() -> tuple[Path, bool]:
    """Make the master key file on the first run; says where it is and whether it was made now.

    Raises VaultError with one clear line when there is a database but not the key to it, or
    when the key file is broken, unreadable or open to others.
    """
    path = Path(settings.MASTER_KEY_FILE)
    made = False
    if not settings.MASTER_KEYS and not path.exists():
        if _data_keys_exist():
            raise VaultError(
                f"{path} is missing, but this database holds sealed keys: put the master key back"
            )
        made = _create(path)
    load()
    if not made and _data_keys_exist() and is_sealed():
        raise VaultError(
            "the loaded master key is not the one this database was sealed with: "
            "put the right one back (or add it, separated by a comma)"
        )
    return path, made


def add_to_file() -> Master:
    """A new master key, first in the key file and so the primary; the others stay loaded.

    Raises VaultError where master keys come from the environment or the file can't be written.
    """
    path = _file_of_ours()
    _replace(path, [Fernet.generate_key().decode(), *_texts(_file_text(path))])
    return primary()


def retire_from_file() -> list[str]:
    """Take out of the key file what wraps no data key any more; returns the fingerprints.

    The primary stays. Copies of the database made before still need what is taken out.
    Raises VaultError as `add_to_file` does.
    """
    path = _file_of_ours()
    names = loaded_masters()
    before = dict(zip(names, _texts(_file_text(path)), strict=True))
    retired = [name for name in names[1:] if not _wraps(name)]
    if retired:
        _replace(path, [text for name, text in before.items() if name not in retired])
        if any(map(_wraps, retired)):  # somebody who had read the old file wrapped with it
            _replace(path, before.values())
            raise VaultError("a retired master key was used at this moment: rewrap, then try again")
    return retired


def forget() -> None:
    _parsed.clear()
    _files.clear()


def _data_keys_exist() -> bool:
    tables = connection.introspection.table_names()
    return DataKey._meta.db_table in tables and DataKey.objects.exists()


def _create(path: Path) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _private(path, Fernet.generate_key().decode()) as written:
            os.link(written, path)  # of two processes that start together one makes it
    except FileExistsError:
        return False
    except OSError as error:
        raise VaultError(f"cannot write {path}: {error.strerror}") from error
    return True


def _replace(path: Path, keys: Iterable[str]) -> None:
    try:
        with _private(path, "\n".join(keys)) as written:
            spare = Path(f"{written}.new")
            os.link(written, spare)
            spare.replace(path)
    except OSError as error:
        raise VaultError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def _private(path: Path, text: str) -> Iterator[str]:
    """A whole file beside `path` (mode 600), safe on disk: nobody ever reads a half."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".master.") as private:
        private.write(f"{text}\n".encode())
        private.flush()
        os.fsync(private.fileno())
        yield private.name


def _file_text(path: Path) -> str:
    try:
        status = path.stat()
        identity = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
        kept = _files.get(path)
        if kept is not None and kept[0] == identity:
            return kept[1]
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise Sealed(f"{path} is open to others (mode {mode:o}): chmod 600 {path}")
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError as error:
        raise Sealed(f"the vault is sealed: there is no master key at {path}") from error
    except OSError as error:
        raise Sealed(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Sealed(f"{path} is not a master key") from error
    _files[path] = (identity, text)
    return text


def _parse(text: str, where: str) -> tuple[Master, ...]:
    keys = _texts(text)
    if not keys:
        raise Sealed(f"the vault is sealed: the master key is empty ({where})")
    return tuple(_master(key, place, where) for place, key in enumerate(keys, start=1))


def _texts(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def _wraps(fingerprint: str) -> bool:
    return DataKey.objects.filter(master=fingerprint).exists()


def _file_of_ours() -> Path:
    if settings.MASTER_KEYS:
        raise VaultError(
            "the master keys come from KEYDECK_MASTER_KEYS: change them there (the first is "
            "primary, a comma between) and restart"
        )
    return Path(settings.MASTER_KEY_FILE)


def _master(text: str, place: int, where: str) -> Master:
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        # from None: the cause would carry a part of the key
        raise Sealed(
            f"master key number {place} of {where} is broken: it is not 32 bytes in URL-safe base64"
        ) from None
    digest = hashlib.sha256(b"keydeck master key\0" + raw).hexdigest()
    return Master(digest[:16], Fernet(base64.urlsafe_b64encode(raw)))
