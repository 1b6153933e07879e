"""Passwords that are guessed first: those that leaked before, and those that name what they open.

OWASP ASVS 5, 6.2.4 and 6.2.11.
"""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

from keys.models import User

GUESSES = 10**8  # fewer are few for whoever has the database; an online guesser gets five
_LONGEST = 72  # characters that are looked at; the rest can only make it better
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


class GuessableValidator:
    """Refuses what is guessed soon: zxcvbn knows the 30,000 passwords that leaked most often,
    common words and names, keyboard walks and dates, and what people make of them."""

    def validate(self, password: str, user: User | None = None) -> None:
        known = [user.email, user.email.partition("@")[0]] if user else []
        found = zxcvbn(password[:_LONGEST], user_inputs=known)
        if found["guesses"] < GUESSES:
            raise ValidationError(
                "This password is guessed soon: it is common, or made of common words. Take "
                "four words that don’t belong together.",
                code="password_too_guessable",
            )

    def get_help_text(self) -> str:
        return "Your password can’t be one that is guessed soon."


def _words() -> set[str]:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    name = host.rpartition(".")[0] or host  # its ending, such as cloud or local, is anybody's
    named = {word for word in re.split(r"[^a-z]+", name) if len(word) > _SHORT}
    return {"keydeck"} | named - {"localhost"}
