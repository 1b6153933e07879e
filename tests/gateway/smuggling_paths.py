"""Targets that mean an endpoint which the app key may not use, to one server or another."""

from tests.gateway.smuggling_cases import Case, End, Family, get

_OPEN = b"/gateway/modelslab/api/v6/images/"
_TRICKS = {
    "plain": b"../account/delete",
    "encoded dots": b"%2e%2e/account/delete",
    "encoded dots in upper case": b"%2E%2E/account/delete",
    "one encoded dot": b".%2e/account/delete",
    "encoded slash": b"..%2faccount/delete",
    "all encoded": b"%2e%2e%2faccount%2fdelete",
    "encoded twice": b"%252e%252e%252faccount",
    "encoded thrice": b"%25252e%25252e/account",
    "backslash": b"..\\account\\delete",
    "encoded backslash": b"..%5caccount%5cdelete",
    "mixed slashes": b"..\\/account",
    "two slashes": b"/../account/delete",
    "a slash too many": b"x//account",
    "a dot": b"./x",
    "parameters": b"..;/account/delete",
    "parameters with a value": b"..;a=b/account/delete",
    "encoded parameters": b"..%3b/account/delete",
    "a parameter alone": b";/../account",
    "blanks": b"..%20/account/delete",
    "a tab": b"..%09/account/delete",
    "a NUL": b"..%00/account/delete",
    "a line feed": b"..%0a/account/delete",
    "overlong dots": b"%c0%ae%c0%ae/account",
    "overlong slash": b"..%c0%afaccount",
    "overlong of three bytes": b"%e0%80%ae%e0%80%ae/account",
    "overlong of four bytes": b"%f0%80%80%ae/account",
    "a surrogate": b"%ed%a0%80/account",
    "no-break space": b"..%c2%a0/account",
    "percent alone": b"%/account",
    "percent of IIS": b"%u002e%u002e/account",
    "half an escape": b"%2/account",
}
_TARGETS = {
    "another endpoint": b"/gateway/modelslab/api/v6/account/delete",
    "two slashes at the start": b"/gateway/modelslab//api/v6/images/x",
    "two slashes before the gateway": b"//gateway/modelslab/api/v6/images/x",
    "out of the gateway": b"/gateway/modelslab/api/v6/images/../../../../../metrics",
    "an encoded gateway": b"/%67ateway/modelslab/api/v6/images/x",
    "an encoded slash before the provider": b"/gateway%2fmodelslab/api/v6/images/x",
    "an encoded slash behind the provider": b"/gateway/modelslab%2fapi/v6/images/x",
    "a provider with dots": b"/gateway/../gateway/modelslab/api/v6/images/x",
    "an absolute target": b"http://x/gateway/modelslab/api/v6/account/delete",
    "an absolute target with dots": b"http://x/gateway/modelslab/api/v6/images/../account",
    "an authority that ends early": b"http://x@y/gateway/modelslab/api/v6/account",
    "a star": b"*",
    "another case": b"/gateway/modelslab/API/v6/images/x",
    "a case of the gateway": b"/GATEWAY/modelslab/api/v6/images/x",
}


def _asked(target: bytes) -> Case:
    return Case(get(line=b"GET " + target + b" HTTP/1.1"), End.DENIED)


PATHS: Family = {name: _asked(_OPEN + trick) for name, trick in _TRICKS.items()} | {
    name: _asked(target) for name, target in _TARGETS.items()
}
