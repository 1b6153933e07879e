"""A process forked in the midst of a call has no part in it, and calls of its own."""

import os
from pathlib import Path

from django.conf import settings
from django.db import connection

from tests.gateway.serving import wait_until
from tests.upstream import Upstream
from tests.wrapper.conftest import TEXT2IMG
from usage import ingest, spool
from usage.client import KeyedSession
from usage.gateway import recording
from usage.models import Call


def test_a_call_closed_in_a_child_ends_as_its_parent_says(
    session: KeyedSession, provider: Upstream
) -> None:
    response = session.get("/api/v7/models", stream=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            own = session.post(TEXT2IMG, json={"prompt": "child"}).ok
            response.close()  # unread: a call of the child's would count as aborted
            code = 0 if own and not recording.failing() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert response.json()["status"] == "success"
    assert not recording.failing()

    connection.close()  # the child has used it too
    wait_until(_drained)
    ends = Call.objects.order_by("method").values_list("method", "outcome", "code")
    assert list(ends) == [("GET", "ok", ""), ("POST", "ok", "")]


def _drained() -> bool:
    """Whether every call is stored: this process's own drainer may have a folder just now."""
    for folder in spool.folders(Path(settings.SPOOL_DIR)):
        ingest.drain(folder)
    return Call.objects.count() == 2
