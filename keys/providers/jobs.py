"""Asynchronous jobs as ModelsLab and many APIs tell of them: an id in the answer, fetched later."""

from dataclasses import dataclass
from typing import Any

import orjson

_STATES = {"processing": True, "success": False}


@dataclass(frozen=True, slots=True)
class Job:
    """A job that an answer names. `waiting`: it is not done, and will be fetched."""

    id: str
    waiting: bool


def job_of(body: bytes) -> Job | None:
    """The job that a JSON answer names, if it does."""
    if b'"status"' not in body or (b'"id"' not in body and b'"execution_id"' not in body):
        return None
    answer = _object(body)
    status = answer.get("status")
    waiting = _STATES.get(status) if isinstance(status, str) else None
    job = answer.get("id") or answer.get("execution_id")
    if waiting is None or not isinstance(job, int | str):
        return None
    return Job(str(job), waiting)


def job_in(body: bytes) -> str:
    """The job that a request names in its body, or empty."""
    job = _object(body).get("request_id") if b'"request_id"' in body else None
    # Not of a list or an object: to spell those takes as much depth as their caller gave them.
    return str(job or "") if isinstance(job, int | str) else ""


def retry_after_of(body: bytes) -> float | None:
    """The seconds that an answer names in its body."""
    seconds = _object(body).get("retry_after") if b'"retry_after"' in body else None
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
