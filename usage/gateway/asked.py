"""What a request says of itself, before its body is read."""

from keys.providers.outgoing import says_json
from usage.gateway.direct import Direct, Pair
from usage.gateway.head import head_of
from usage.gateway.inbound import Scope

# JSON may come under these; an app key in it must be found all the same.
_MAYBE_JSON = frozenset({"", "text/plain"})
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class Asked:
    """One request: its head, and the length of its body where that is given."""

    announced: int | None = None

    def __init__(self, scope: Scope, direct: Direct | None = None) -> None:
        pairs: list[Pair] = []
        for pair in scope["headers"]:
            if pair[0] != b"content-length":
                pairs.append(pair)
            elif pair[1].strip().isdigit():
                self.announced = int(pair[1])
        self.head = head = head_of(scope, pairs, direct)
        self.method = head.method
        self.address = head.address
        self.value = head.value
        self.has_body = bool(self.announced) or bool(head.value("transfer-encoding"))

    def must_be_read(self, limit: int, *, key_known: bool) -> bool:
        """Whether the body may hold a key, or is nothing to stream."""
        media = self.head.media
        if not self.has_body or media in _FORMS or media.endswith(("/json", "+json")):
            return True
        if media not in _MAYBE_JSON and not says_json(media):
            return False
        # Of a length that nobody tells it is no JSON to wait for, once the key is known.
        return not key_known or (self.announced is not None and self.announced <= limit)
