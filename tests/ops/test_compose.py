"""The production set: docker-compose.yml's own commands on PostgreSQL and Redis."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.engines import REDIS
from tests.live import PATIENCE, ROOT, ask, wait_for
from tests.ops.composed import REDIS_DATABASE, Composed, own_database
from tests.upstream import Upstream

pytestmark = [
    pytest.mark.live,
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.xdist_group("compose"),
]
SERVED = ("web", "gateway", "worker", "beat")


@pytest.fixture
def composed(tmp_path: Path, upstream: Upstream) -> Iterator[Composed]:
    """Everything of the file, prepared and healthy."""
    upstream.answer(200, {"status": "success", "output": ["https://cdn.example/1.png"]})
    with own_database() as database, redis.Redis.from_url(f"{REDIS}/{REDIS_DATABASE}") as broker:
        broker.flushdb()
        composed = Composed(
            tmp_path,
            database,
            KEYDECK_PROVIDER_URLS=f"modelslab={upstream.url}",
            KEYDECK_OUTBOUND_ALLOW=upstream.host,
            KEYDECK_ADMIN_EMAIL="ops@example.com",
        )
        collect = [sys.executable, "manage.py", "collectstatic", "--noinput"]  # the Dockerfile's
        assert composed.run("web", collect).returncode == 0
        try:
            yield composed
        finally:
            composed.stop()
            broker.flushdb()


def _ready(composed: Composed, service: str) -> None:
    wait_for(
        lambda: composed.processes[service].poll() is None and composed.healthy(service),
        PATIENCE,
        f"{service} healthy",
    )


def test_the_files_process_set_does_the_whole_job(composed: Composed) -> None:
    prepared = composed.run("prepare", composed.words(composed.services["prepare"]["command"]))
    assert prepared.returncode == 0, prepared.stderr
    assert re.search(r"password \S{16}", prepared.stdout)
    for service in SERVED:
        composed.start(service)
    for service in ("web", "gateway", "worker"):
        _ready(composed, service)
    issue = [sys.executable, "manage.py", "issue_token", "ops@example.com", "--name", "tests"]
    token = composed.run("web", issue).stdout.strip()

    def rest(method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        reply = ask(method, f"{composed.url('8000')}/api/v1{path}", body, headers=headers)
        assert reply.status in (200, 201), reply
        return reply.json()

    rest("POST", "/applications", {"name": "Shop", "slug": "shop"})
    key = {"name": "main", "provider": "modelslab", "secret": "upstream-secret-1"}
    rest("POST", "/applications/shop/provider-keys", key)
    made = rest("POST", "/applications/shop/app-keys", {"name": "code", "providers": None})
    body = {"key": made["key"], "prompt": "a lighthouse", "width": 512, "height": 512}
    called = ask("POST", f"{composed.url('8080')}/gateway/modelslab/api/v6/images/text2img", body)
    assert called.json()["status"] == "success"
    request_id = called.headers["x-request-id"]

    def stored() -> bool:
        found = rest("GET", "/calls?application=shop")["items"]
        return [one["request_id"] for one in found] == [request_id]

    wait_for(stored, PATIENCE, "the call in REST")
    totals = rest("GET", "/usage/totals?application=shop")
    assert (totals["requests"], totals["errors"]) == (1, 0)
    _the_gateway_serves_no_admin_page(composed)


def _the_gateway_serves_no_admin_page(composed: Composed) -> None:
    for path in ("/", "/accounts/login/", "/api/v1/applications", "/static/css/keydeck.css"):
        assert ask("GET", f"{composed.url('8080')}{path}").status == 404, path
    assert ask("GET", f"{composed.url('8000')}/accounts/login/").status == 200


def test_every_secret_is_a_file_and_nothing_else_names_one(tmp_path: Path) -> None:
    composed = Composed(tmp_path, "")
    for name, service in composed.services.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|SECRET|MASTER|DATABASE_URL", variable):
                assert variable.endswith("_FILE"), (name, variable)
                assert str(value).startswith("/run/secrets/")
                assert str(value).removeprefix("/run/secrets/") in service["secrets"]


def test_every_service_of_ours_is_given_the_settings_of_env(tmp_path: Path) -> None:
    services = Composed(tmp_path, "").services.values()
    ours = [service for service in services if service["image"] == "keydeck"]
    assert ours
    for service in ours:
        assert service["env_file"] == [{"path": ".env", "required": False}]


def test_every_service_restarts_and_the_ones_that_serve_have_health_checks(
    tmp_path: Path,
) -> None:
    services = Composed(tmp_path, "").services
    assert set(services) == {"prepare", *SERVED, "postgres", "redis"}
    for name, service in services.items():
        assert service["restart"] == ("no" if name == "prepare" else "unless-stopped")
        if name not in ("prepare", "beat"):
            assert service["healthcheck"]["test"]


def test_no_service_can_gain_rights_or_write_outside_its_volumes(tmp_path: Path) -> None:
    for name, service in Composed(tmp_path, "").services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert "/tmp" in service["tmpfs"], name  # noqa: S108 - inside the container
        assert ("cap_add" in service) == (name == "postgres")
        assert not {"privileged", "network_mode", "pid", "devices"} & service.keys(), name
        if service["image"] == "keydeck":
            assert service["volumes"] == ["data:/var/lib/keydeck"]
            assert service["environment"]["KEYDECK_DATA_DIR"] == "/var/lib/keydeck"


def test_the_image_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["keydeck"]


def test_the_image_alone_serves_under_the_bounds_of_the_set(tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile").read_text()
    command = json.loads(text.rpartition("\nCMD ")[2].replace("\\\n", ""))
    assert command == Composed(tmp_path, "").services["web"]["command"].split()
