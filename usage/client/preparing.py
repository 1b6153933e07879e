"""A request made ready as requests makes it, by a shorter way where little is asked of it.

requests merges each kind of setting with its session's for every request, goes through three
cookie jars and reads the URL three times: most calls have nothing to merge, no cookie, and one of
few URLs.
"""

from functools import lru_cache
from typing import Any

import requests
from requests.cookies import RequestsCookieJar
from requests.sessions import merge_hooks
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity

_SHORT = 120  # characters; a URL that is longer may hold what nobody asks twice


def is_usual(session: requests.Session, request: requests.Request) -> bool:
    """Whether the short way does for this request all that requests would."""
    asked = request.params or request.cookies or request.auth
    return not (asked or session.params or session.auth or session.cookies)


def prepared(
    session: requests.Session, request: requests.Request, url: str
) -> requests.PreparedRequest:
    """The usual request to this URL. Raises what requests raises."""
    made = requests.PreparedRequest()
    made.prepare_method(request.method)
    made.url = (_quoted_kept if len(url) <= _SHORT else _quoted)(url)
    made.headers = _merged(session.headers, request.headers)
    made._cookies = RequestsCookieJar()  # type: ignore[attr-defined] # not in its stubs
    made.prepare_body(request.data, request.files, request.json)
    made.prepare_hooks(merge_hooks(request.hooks, session.hooks))  # type: ignore[no-untyped-call]
    return made


def _quoted(url: str) -> str:
    request = requests.PreparedRequest()
    request.prepare_url(url, None)
    return request.url or ""


_quoted_kept = lru_cache(maxsize=1024)(_quoted)


def _merged(*each: Any) -> CaseInsensitiveDict[str]:
    """The headers of both, the later ones' before the earlier's; None takes one out."""
    merged: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for headers in each:
        for name, value in headers.items() if headers else ():
            native = name.decode("ascii") if isinstance(name, bytes) else name
            if value is None:
                merged.pop(native, None)
            else:
                check_header_validity((name, value))
                merged[native] = value
    return merged
