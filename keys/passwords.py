"""Passwords that name what they open are the first ones guessed (OWASP ASVS 5, 6.2.11)."""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from keys.models import User

_SHORT = 4  # letters; a shorter word is found in any phrase


class ContextValidator:
    """Refuses the product's name and the words of this site's address, also with 0 for o."""

    def validate(self, password: str, user: User | None = None) -> None:
        plain = password.lower().translate(str.maketrans("013457@$", "oleastas"))
        for word in _words():
            if word in plain:
                raise ValidationError(
                    "The password holds “%(word)s”, a word of this site: choose another.",
                    code="password_of_context",
                    params={"word": word},
                )

    def get_help_text(self) -> str:
        return "Your password can’t hold a word of this site’s name."


def _words() -> set[str]:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    named = {word for word in re.split(r"[^a-z]+", host) if len(word) > _SHORT}
    return {"keydeck"} | named - {"localhost"}
