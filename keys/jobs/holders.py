"""Who holds a lease, told so that the next process on the same machine knows if they are gone.

A lease runs out by itself; this only shortens the wait after a worker that was killed.
"""

import os
import socket
import uuid
from contextlib import suppress
from pathlib import Path


def new_holder() -> str:
    """A name for one run by this process; no two are alike."""
    return "/".join((*_place(), str(os.getpid()), _born(os.getpid()), uuid.uuid4().hex))


def is_gone(holder: str) -> bool:
    """Whether the process that held it has ended. False wherever that can't be seen from here."""
    host, _, rest = holder.partition("/")
    space, pid, born, *_ = [*rest.split("/"), "", "", ""]
    if (host, space) != _place() or not pid.isdecimal() or not born:
        return False
    return _born(int(pid)) != born


def _place() -> tuple[str, str]:
    """The machine and its numbering of processes: containers count their own."""
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return socket.gethostname().replace("/", "-")[:60], space


def _born(pid: int) -> str:
    """When the process started, in the kernel's ticks: numbers of processes come again."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
