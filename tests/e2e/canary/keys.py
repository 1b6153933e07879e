"""Keys over REST: added, rejected, rotated, revealed, checked, revoked, and asked for wrongly."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.e2e.canary.stage import Stage

# What the sandbox does with calls, by its key; each gets an application of its own.
BEHAVIOURS = (
    "live",
    "200-error",
    "200-credits",
    "messege",
    "object",
    "500",
    "503",
    "broken",
    "broken-json",
    "slow-2",
    "drip-0.05",
    "async",
    "reset",
    "cut",
    "credits",
    "plan",
    "limited",
)
# Behaviours after which a call goes on with the next key of its pool.
REFUSING = ("credits", "plan", "limited", "reset")
PROVIDERS = ("modelslab", "openai", "anthropic", "sandbox")
# Where custom providers want their credential; they all echo.
PLACES = {"header": "x-own-key", "bearer": "", "query": "api_token", "body": "licence"}
AWKWARD = "/+=\"<&>'\\~"  # spelled otherwise in JSON, HTML and addresses


@dataclass(frozen=True)
class Keyed:
    """An application with a provider key and an app key."""

    slug: str
    provider: str
    provider_key: str
    app_key: str
    text: str  # the app key's


def connect(stage: Stage, name: str, provider: str, secret: str) -> Keyed:
    """An application of that name with both keys."""
    stage.rest("POST", "/applications", {"name": name, "slug": name}, expect=201)
    body = {"name": "upstream", "provider": provider, "secret": secret}
    key = stage.rest("POST", f"/applications/{name}/provider-keys", body, expect=201)
    made = stage.rest(
        "POST",
        f"/applications/{name}/app-keys",
        {"name": "code", "providers": None},
        expect=201,
        gives=f"app key of {name}",
    )
    return Keyed(name, provider, key["id"], made["id"], made["key"])


def connect_all(stage: Stage) -> dict[str, Keyed]:
    """Every behaviour of the sandbox, every place of a custom provider, and one unreachable."""
    for place, name in PLACES.items():
        _custom(stage, f"echo-{place}", stage.echo.url, place, name)
    _custom(stage, "nowhere", f"http://127.0.0.1:{stage.nowhere}", "query", "api_token")
    wanted = []
    for number, behaviour in enumerate(BEHAVIOURS):
        name = behaviour.replace(".", "-")
        after = AWKWARD if behaviour == "live" else ""
        secret = stage.cage.provider_key(f"provider key {behaviour}", behaviour, after)
        wanted.append((name, PROVIDERS[number % len(PROVIDERS)], secret))
    for place in (*PLACES, "nowhere"):
        provider = place if place == "nowhere" else f"echo-{place}"
        secret = stage.cage.plant(f"provider key {provider}", after="/+=", at_provider=True)
        wanted.append((provider, provider, secret))
    for provider, behaviour in zip(PROVIDERS, REFUSING, strict=True):
        secret = stage.cage.provider_key(f"provider key {behaviour} of a pool", behaviour)
        wanted.append((f"pool-{behaviour}", provider, secret))
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda one: connect(stage, *one), wanted))
    for keyed in made:
        if keyed.slug.startswith("pool-"):
            _add_another(stage, keyed)
    return {keyed.slug: keyed for keyed in made}


def _add_another(stage: Stage, keyed: Keyed) -> None:
    """A key to go on with, asked second."""
    secret = stage.cage.provider_key(f"provider key to go on with of {keyed.slug}", "live")
    body = {"name": "another", "provider": keyed.provider, "secret": secret}
    keys = f"/applications/{keyed.slug}/provider-keys"
    made = stage.rest("POST", keys, body, expect=201)
    stage.rest("PATCH", f"{keys}/{made['id']}", {"priority": 2})


def _custom(stage: Stage, slug: str, url: str, place: str, name: str) -> None:
    body = {
        "slug": slug,
        "name": slug,
        "base_url": url,
        "credential": {"in": place, "name": name},
        "probe": {"method": "POST" if place == "body" else "GET", "path": "/probe"},
    }
    stage.rest("POST", "/providers", body, expect=201)


def live_one(stage: Stage, live: Keyed) -> None:
    """Everything that a provider key and an app key go through in their lives."""
    _refused_additions(stage, live)
    _provider_key(stage, live)
    _app_key(stage, live)


def _refused_additions(stage: Stage, live: Keyed) -> None:
    keys = f"/applications/{live.slug}/provider-keys"

    def add(name: str, secret: Any, expect: int, **more: Any) -> Any:
        body = {"name": name, "provider": live.provider, "secret": secret, **more}
        return stage.rest("POST", keys, body, expect=expect)

    cage = stage.cage
    wrong = add("wrong", cage.plant("wrong provider key", at_provider=True), 201)
    assert wrong["verdict"] == "dead"
    add("again", stage.text_of("provider key live"), 409)
    split = cage.provider_key("provider key with a line break")
    add("split", f"{split[:30]}\n{split[30:]}", 422)
    add("foreign", cage.provider_key("provider key with a foreign letter", "live", "-ключ€"), 201)
    add("latin", cage.provider_key("provider key with an accent", "live", "-é"), 201)
    assert add("spaces", f"  {cage.provider_key('provider key with spaces')}\n", 201)["trimmed"]
    add("long", cage.provider_key("provider key too long") + "x" * 5000, 422)
    add("list", [cage.provider_key("provider key in a list")], 422)
    add("more", "x" * 20, 422, note=cage.provider_key("provider key in an unknown field"))
    add("x", cage.provider_key("provider key for no provider"), 422, provider="no-such-provider")
    broken = cage.provider_key("provider key in broken JSON")
    stage.rest("POST", keys, b'{"name": "x", "secret": "%b"' % broken.encode(), expect=400)
    huge = cage.provider_key("provider key in a huge body").encode()
    stage.rest("POST", keys, b'{"secret": "%b%b"}' % (huge, b"x" * 4_000_000), expect=413)


def _provider_key(stage: Stage, live: Keyed) -> None:
    one = f"/applications/{live.slug}/provider-keys/{live.provider_key}"
    cage, first = stage.cage, "provider key live"
    second = cage.provider_key("provider key rotated in")

    def rotate(secret: str, expect: int, overlap: int = 86400) -> Any:
        body = {"secret": secret, "overlap_seconds": overlap}
        return stage.rest("POST", f"{one}/rotate", body, expect=expect)

    stage.rest("POST", f"{one}/check")
    stage.rest("POST", f"{one}/reveal", {"reason": "sweep"}, gives=first)
    stage.rest("POST", f"{one}/reveal", {"reason": ""}, expect=422)
    rotate(cage.plant("wrong secret rotated in", at_provider=True), 422)
    rotate(stage.text_of(first), 409)
    rotate(second, 200, 1)
    stage.rest("POST", f"{one}/reveal", {"reason": "sweep"}, gives="provider key rotated in")
    stage.rest("POST", f"{one}/rotation/finish")
    rotate(cage.provider_key("provider key that stays pending", "503"), 200)
    stage.rest("POST", f"{one}/rotation/cancel")
    rotate(cage.provider_key("provider key rotated in and back"), 200)
    stage.rest("POST", f"{one}/rotation/cancel")
    stage.rest("POST", f"{one}/disable")
    stage.rest("POST", f"{one}/enable")
    secret = cage.provider_key("provider key revoked")
    body = {"name": "to revoke", "provider": "sandbox", "secret": secret}
    added = stage.rest("POST", f"/applications/{live.slug}/provider-keys", body, expect=201)
    stage.rest("POST", f"/applications/{live.slug}/provider-keys/{added['id']}/revoke")


def _app_key(stage: Stage, live: Keyed) -> None:
    keys = f"/applications/{live.slug}/app-keys"
    body = {"name": "spare", "providers": ["sandbox"], "environment": "test"}
    made = stage.rest("POST", keys, body, expect=201, gives="app key to rotate")
    one = f"{keys}/{made['id']}"
    stage.rest("POST", f"{one}/reveal", gives="app key to rotate")
    stage.rest("POST", f"{one}/rotate", {"overlap_seconds": 60}, gives="app key rotated in")
    stage.rest("POST", f"{one}/rotate", expect=409)
    stage.rest("POST", f"{one}/rotation/cancel")
    stage.rest("POST", f"{one}/rotate", {"overlap_seconds": 0}, gives="app key rotated in again")
    stage.rest("PATCH", one, {"limits": {"per_minute": 2}})
    body = {"name": "for revoking", "providers": None}
    made = stage.rest("POST", keys, body, expect=201, gives="app key revoked")
    stage.rest("POST", f"{keys}/{made['id']}/revoke")


def read_everything(stage: Stage, keyed: dict[str, Keyed]) -> None:
    """What REST tells of it all, and of the calls."""
    for path in ("/applications", "/providers", "/calls?limit=1000", "/audit?limit=1000"):
        stage.rest("GET", path)
    for path in ("/ledger", "/audit/verify", "/usage/totals", "/openapi.json"):
        stage.rest("GET", path)
    for by in ("endpoint", "app_key", "provider_key", "status"):
        stage.rest("GET", f"/usage/series?step=hour&by={by}")
    for one in keyed.values():
        for kind, id in (("provider-keys", one.provider_key), ("app-keys", one.app_key)):
            stage.rest("GET", f"/applications/{one.slug}/{kind}")
            stage.rest("GET", f"/applications/{one.slug}/{kind}/{id}")
