"""Who holds a lease, told so that the next process on the same machine knows if they are gone.

A lease runs out by itself; this only shortens the wait after a worker that was killed.
"""

import os
import uuid
from contextlib import suppress
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def new_holder() -> str:
    """A name for one run by this process; no two are alike."""
    return "/".join((*_place(), str(os.getpid()), _born(os.getpid()), uuid.uuid4().hex))


def is_gone(holder: str) -> bool:
    """Whether the process that held it has ended. False wherever that can't be seen from here."""
    boot, space, pid, born, *_ = [*holder.split("/"), "", "", "", ""]
    if not (boot and space and born and pid.isdecimal()) or (boot, space) != _place():
        return False
    return _born(int(pid)) != born


def _place() -> tuple[str, str]:
    """Which start of which kernel, and which numbering of processes: containers count their own.

    Names of hosts don't tell: two may have one, and a container gets its own again.
    """
    boot = space = ""
    with suppress(OSError):
        boot = BOOT.read_text().strip()
        space = str(Path("/proc/self/ns/pid").readlink())
    return boot, space


def _born(pid: int) -> str:
    """When the process started, in the kernel's ticks: numbers of processes come again."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
