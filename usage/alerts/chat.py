"""An alert's words for a chat: names that people chose call nobody there and lead nowhere.

Slack reads `<!here>` and its own marks, Mattermost reads `@here`, Markdown and HTML's entities, and
both turn addresses into links. None of them has a way to quote that the others know, so the marks
are taken out of action: by a sign that looks alike, or by one that has no width.
"""

import re
from collections.abc import Mapping
from typing import Any

WORDS = ("rule", "title", "evidence", "cause", "remedy")  # of an alert; its address is ours
_APART = "\u200b"  # zero width: what stands on its sides is two words
_ALIKE = str.maketrans({"*": "\u2217", "`": "\u02cb", "~": "\u223c", "|": "\u2223"})
_EDGE = re.compile(r"(?<!\w)_|_(?!\w)")  # inside a word it means nothing
_SPLIT = re.compile(r"[@#!\[\]]|:(?=//)|\b(?:mailto|tel):|\bwww(?=\.)", re.IGNORECASE)


def plain(alert: Mapping[str, Any]) -> dict[str, Any]:
    """The alert, with nothing in its words that a chat would act on."""
    return {**alert, **{name: _plain(alert[name]) for name in WORDS}}


def escaped(text: str) -> str:
    """As both take the three signs that Slack reserves."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    one_line = " ".join(text.split()).translate(_ALIKE)
    return _SPLIT.sub(lambda mark: mark[0] + _APART, _EDGE.sub("\u02cd", one_line))
