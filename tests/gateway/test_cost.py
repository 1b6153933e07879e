"""What a provider says that a call cost is in its record and in the totals."""

import json
from collections.abc import Callable

import pytest
from pytest_django import Settings

from keys.models import Application
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.gateway.serving import Server, stored_call
from tests.upstream import Answer, Upstream
from usage import stats

CHAT = "/api/v1/chat/completions"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "cost": 0.00012345}


@pytest.fixture
def openrouter(
    start_gateway: Callable[..., Server],
    application: Application,
    provider: Upstream,
    settings: Settings,
) -> Server:
    settings.PROVIDER_URLS = {"openrouter": provider.url}
    ProviderKeyFactory(application=application, provider="openrouter", verdict=Verdict.LIVE)
    return start_gateway()


def test_the_cost_of_a_call_a_stream_and_a_long_answer_reaches_the_totals(
    openrouter: Server, provider: Upstream, application: Application, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    provider.answer(200, {"choices": [], "usage": USAGE})
    whole = stored_call(openrouter.post(CHAT, "openrouter", json={}, headers=headers))
    assert (whole.outcome, whole.tokens_in, whole.cost_nanos) == ("ok", 9, 123_450)
    assert whole.cost_usd == 0.00012345

    events = [b'data: {"choices": []}\n\n', b"data: %b\n\n" % json.dumps({"usage": USAGE}).encode()]
    stream = {"Content-Type": "text/event-stream"}
    provider.handler = lambda _: Answer(200, iter([*events, b"data: [DONE]\n\n"]), stream)
    told = openrouter.post(CHAT, "openrouter", json={"stream": True}, headers=headers)
    assert stored_call(told).cost_nanos == 123_450

    long = {"data": [{"embedding": [0.1] * 60_000}], "usage": USAGE}
    provider.answer(200, long)
    provider.handler = None
    vectors = openrouter.post("/api/v1/embeddings", "openrouter", json={}, headers=headers)
    assert vectors.json() == long
    assert (call := stored_call(vectors)).outcome == "ok"
    assert (call.tokens_in, call.cost_nanos) == (9, 123_450)

    assert stats.totals(stats.Filter(applications=[application.id])).cost_nanos == 370_350
