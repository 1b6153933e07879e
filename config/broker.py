"""The broker of files: kombu's, but a message appears in the queue's folder only when it is whole.

Kombu creates the file under its final name and then writes it, so a worker that looks in between
takes an empty message and dies of it.
"""

import uuid
from pathlib import Path
from time import monotonic
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Puts a message onto `queue`. Raises ChannelError when it can't be written."""
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        final = Path(self.data_folder_out) / name
        partial = final.with_name(f".{name}")  # no queue's name: workers pass it over
        try:
            partial.write_bytes(str_to_bytes(dumps(message)))
            partial.rename(final)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ChannelError(f"cannot put a message into {final.parent}") from error


class Transport(filesystem.Transport):
    Channel = Channel
