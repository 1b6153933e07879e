"""The broker of files, read and written at the same time."""

import threading
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

MESSAGES = 400


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    (tmp_path / "queue").mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
    }
    return Connection(transport="config.broker:Transport", transport_options=options)


def test_a_message_is_never_taken_before_it_is_whole(connection: Connection) -> None:
    def put_all() -> None:
        channel = connection.clone().channel()
        for number in range(MESSAGES):
            channel._put("work", {"number": number, "padding": "x" * 4000})

    writer = threading.Thread(target=put_all)
    writer.start()
    channel = connection.channel()
    taken: set[int] = set()
    while len(taken) < MESSAGES:
        writing = writer.is_alive()
        try:
            taken.add(channel._get("work")["number"])
        except Empty:
            assert writing, "a message was lost"
    writer.join()
    assert taken == set(range(MESSAGES))
