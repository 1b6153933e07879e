"""Which calls fetch a job, and may so choose their key."""

import json

import pytest

from keys.models import Provider
from keys.providers.base import ProviderSpec
from keys.providers.custom import spec_of
from keys.providers.modelslab import MODELSLAB
from keys.providers.openai import OPENAI
from keys.providers.sandbox import sandbox
from keys.providers.stripe import STRIPE

CUSTOM = spec_of(
    Provider(slug="acme", name="Acme", base_url="https://api.acme.test", credential_in="bearer")
)
RUN = "0191b2a4-7d1c-7b3a-9f00-8c1d2e3f4a5b"
BODY = json.dumps({"request_id": 77}).encode()


@pytest.mark.parametrize(
    ("spec", "method", "path", "body", "ids"),
    [
        (MODELSLAB, "POST", "/api/v6/images/fetch/77", b"{}", ["77"]),
        (MODELSLAB, "POST", "/api/v3/dreambooth/fetch/77", b"{}", ["77"]),
        (MODELSLAB, "POST", "/api/v1/enterprise/video/fetch/77/", b"{}", ["77"]),
        (MODELSLAB, "GET", "/api/v5/images/fetch/77", b"", ["77"]),
        (MODELSLAB, "POST", "/api/v6/images/fetch", BODY, ["77"]),
        (MODELSLAB, "POST", "/api/v6/realtime/Fetch/", BODY, ["77"]),
        (MODELSLAB, "GET", f"/api/v1/workflows/w/runs/{RUN}", b"", [RUN]),
        (sandbox(1), "POST", "/api/v6/images/fetch/77", b"{}", ["77"]),
        (STRIPE, "GET", f"/v1/payment_intents/{RUN}", b"", [RUN]),
        (CUSTOM, "GET", "/jobs/77", b"", ["77"]),
        (CUSTOM, "HEAD", "/jobs/77", b"", ["77"]),
        (CUSTOM, "POST", "/v1/fetch_result", BODY, ["77"]),
    ],
)
def test_a_fetch_names_its_job(
    spec: ProviderSpec, method: str, path: str, body: bytes, ids: list[str]
) -> None:
    assert spec.jobs_asked(method, path, body) == ids


@pytest.mark.parametrize(
    ("spec", "method", "path"),
    [
        (MODELSLAB, "POST", "/api/v6/images/text2img"),
        (MODELSLAB, "POST", "/api/v6/images/text2img/77"),
        (MODELSLAB, "POST", "/api/v6/images/fetch/77/text2img"),
        (MODELSLAB, "POST", "/fetch/77/api/v6/images/text2img"),
        (MODELSLAB, "POST", f"/api/v1/workflows/w/runs/{RUN}"),
        (MODELSLAB, "GET", "/api/v7/models/77"),
        (OPENAI, "POST", "/v1/chat/completions"),
        (OPENAI, "POST", f"/v1/threads/{RUN}/runs"),
        (STRIPE, "POST", f"/v1/payment_intents/{RUN}/confirm"),
        (CUSTOM, "POST", "/jobs/77"),
        (CUSTOM, "POST", "/generate"),
    ],
)
def test_any_other_call_names_none_whatever_ids_it_carries(
    spec: ProviderSpec, method: str, path: str
) -> None:
    assert spec.jobs_asked(method, path, BODY) == []


def test_a_job_is_named_by_a_number_or_a_word() -> None:
    nested = b'{"request_id": ' + b"[" * 1000 + b"]" * 1000 + b"}"
    assert MODELSLAB.jobs_asked("POST", "/api/v6/images/fetch", nested) == []
    assert MODELSLAB.job_of(b'{"id": 1, "status": ' + b"[" * 1000 + b"]" * 1000 + b"}") is None
