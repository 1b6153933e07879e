"""What REST takes and gives when a secret got out."""

from pydantic import Field, SecretStr, StrictBool

from keys.api.fields import Input
from keys.api.schemas import AppKeyOut


class CompromisedProviderKey(Input):
    """With a `secret` the key goes on with that alone, at once; without, it is revoked."""

    reason: str
    secret: SecretStr | None = None
    everywhere: StrictBool = Field(
        False, description="End the keys of your other applications with the same secret too."
    )


class CompromisedAppKey(Input):
    """With `replace` the key goes on with a new text alone; without, it is revoked."""

    reason: str
    replace: StrictBool = False


class CompromisedAppKeyOut(AppKeyOut):
    """`key`: the new text, null where the key was revoked."""

    key: str | None
