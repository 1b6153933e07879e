"""REST for many keys at once, from the text of a table or of a .env file."""

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import BaseModel, SecretStr, StrictBool

from keys import lifecycle, permissions
from keys.api.auth import MANAGE
from keys.api.fields import Input
from keys.audit import Actor
from keys.permissions import Act

router = Router(tags=["provider keys"])


class ImportIn(Input):
    """`text`: lines of provider, name, secret (note, tags, environment), or a .env file."""

    text: SecretStr
    try_only: StrictBool = False


class ImportedKey(BaseModel):
    id: str
    name: str
    provider: str


class ImportOut(BaseModel):
    """`dotenv`: the file handed back with app keys in it. `known`: provider keys of a .env file
    that were here already and got an app key more. `left`: variables left as they were. `unread`:
    lines of `text` that can't be read. `still`: the lines in which an imported secret stands all
    the same: of `dotenv`, or with `try_only` of `text`."""

    provider_keys: list[ImportedKey]
    app_keys: list[ImportedKey]
    known: list[ImportedKey]
    left: list[str]
    unread: list[int]
    still: list[int]
    dotenv: str | None


@router.post(
    "/{slug:slug}/provider-keys/import",
    auth=MANAGE,
    response={200: ImportOut, 201: ImportOut},
    operation_id="import_provider_keys",
)
def import_provider_keys(request: HttpRequest, slug: str, body: ImportIn) -> Status[ImportOut]:
    """All rows or none: 422 names every fault by its line. With `try_only` nothing stays (200)."""
    application = permissions.get_application(request.user, slug, Act.MANAGE_PROVIDER_KEYS)
    made = lifecycle.import_keys(
        Actor.of(request), application, body.text.get_secret_value(), try_only=body.try_only
    )
    keys, known = (
        [ImportedKey(id=key.pk, name=key.name, provider=key.provider) for key in found]
        for found in (made.keys, made.known)
    )
    app_keys = [
        ImportedKey(id=key.pk, name=key.name, provider=(key.providers or [""])[0])
        for key in made.app_keys
    ]
    dotenv = made.dotenv.reveal() if made.dotenv else None
    shown = ImportOut(
        provider_keys=keys,
        app_keys=app_keys,
        known=known,
        left=list(made.left),
        unread=list(made.unread),
        still=list(made.still),
        dotenv=dotenv,
    )
    return Status(200 if body.try_only else 201, shown)
