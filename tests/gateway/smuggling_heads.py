"""More of tests/gateway/smuggling_cases.py: what stands in the head, and towards the provider."""

from tests.gateway.smuggling_cases import (
    AUTH,
    BODY,
    CHUNKED,
    IMAGES,
    SMUGGLED,
    TARGET,
    Case,
    End,
    Family,
    get,
    post,
    refused,
    served,
)


def _line(line: bytes) -> bytes:
    return get(line=line) + SMUGGLED


LINES = (
    refused(
        {
            "a bare line feed": _line(b"GET " + TARGET + b" HTTP/1.1\nX-A: b"),
            "a bare carriage return": _line(b"GET " + TARGET + b" HTTP/1.1\rX-A: b"),
            "a blank at its end": _line(b"GET " + TARGET + b" HTTP/1.1 "),
            "a blank in the target": _line(b"GET " + TARGET + b" x HTTP/1.1"),
            "two versions": _line(b"GET " + TARGET + b" HTTP/1.1 HTTP/1.1"),
            "a tab behind the method": _line(b"GET\t" + TARGET + b" HTTP/1.1"),
            "a tab before the version": _line(b"GET " + TARGET + b"\tHTTP/1.1"),
            "HTTP/0.9 without a version": b"GET " + TARGET + b"?key=KEY\r\n\r\n" + SMUGGLED,
            "HTTP/0.9": _line(b"GET " + TARGET + b" HTTP/0.9"),
            "HTTP/1.2": _line(b"GET " + TARGET + b" HTTP/1.2"),
            "HTTP/2.0": _line(b"GET " + TARGET + b" HTTP/2.0"),
            "HTTP/1.01": _line(b"GET " + TARGET + b" HTTP/1.01"),
            "version in lower case": _line(b"GET " + TARGET + b" http/1.1"),
            "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
            "lower-case method": _line(b"get " + TARGET + b" HTTP/1.1"),
            "a method nobody knows": _line(b"GETX " + TARGET + b" HTTP/1.1"),
            "a control character in the method": _line(b"G\x01ET " + TARGET + b" HTTP/1.1"),
            "a blank before the method": b" " + _line(b"GET " + TARGET + b" HTTP/1.1"),
            "CONNECT": _line(b"CONNECT provider.example:443 HTTP/1.1"),
            "CONNECT to a path": _line(b"CONNECT " + TARGET + b" HTTP/1.1"),
            "a NUL in the query": _line(b"GET " + TARGET + b"?a\x00 HTTP/1.1"),
            "a form feed in the query": _line(b"GET " + TARGET + b"?a\x0c HTTP/1.1"),
            "a raw byte in the query": _line(b"GET " + TARGET + b"?a=\xe9 HTTP/1.1"),
            "a fragment": _line(b"GET " + TARGET + b"#/smuggled HTTP/1.1"),
            "a fragment in the query": _line(b"GET " + TARGET + b"?a#b HTTP/1.1"),
            "an authority without a path": _line(b"GET http://x HTTP/1.1"),
            "a blank before the first header": _line(b"GET " + TARGET + b" HTTP/1.1\r\n X-A: b"),
        }
    )
    | {
        "TRACE": Case(get(line=b"TRACE " + TARGET + b" HTTP/1.1"), End.DENIED),
        "HTTP/1.0": Case(_line(b"GET " + TARGET + b" HTTP/1.0"), End.ALONE),
        "HTTP/1.0 kept alive": Case(
            get(b"Connection: keep-alive", b"GET " + TARGET + b" HTTP/1.0") + SMUGGLED, End.ALONE
        ),
        "closed with more behind": Case(get(b"Connection: close") + SMUGGLED, End.ALONE),
    }
    | served(
        {
            "empty lines before": b"\r\n\r\n" + get(),
            "two blanks": get(line=b"GET  " + TARGET + b"  HTTP/1.1"),
        }
    )
)

FIELDS = refused(
    {
        "NUL in a value": get(b"X-A: a\x00b") + SMUGGLED,
        "line feed in a value": get(b"X-A: a\nX-Smuggled: 1") + SMUGGLED,
        "carriage return in a value": get(b"X-A: a\rX-Smuggled: 1") + SMUGGLED,
        "escape in a value": get(b"X-A: a\x1b") + SMUGGLED,
        "delete in a value": get(b"X-A: a\x7f") + SMUGGLED,
        "folded value": get(b"X-A: a\r\n X-Smuggled: 1") + SMUGGLED,
        "value folded by a tab": get(b"X-A: a\r\n\tX-Smuggled: 1") + SMUGGLED,
        "empty name": get(b": a") + SMUGGLED,
        "no colon": get(b"X-A") + SMUGGLED,
        "blank in a name": get(b"X A: b") + SMUGGLED,
        "blank behind a name": get(b"X-A : b") + SMUGGLED,
        "name beyond ASCII": get(b"X-\xe9: b") + SMUGGLED,
        "NUL in a name": get(b"X-A\x00: b") + SMUGGLED,
        "carriage return in a name": get(b"X-A\r: b") + SMUGGLED,
        "line feed in a name": get(b"X\n-A: b") + SMUGGLED,
        "bracket in a name": get(b"X(A): b") + SMUGGLED,
        "slash in a name": get(b"X/A: b") + SMUGGLED,
        "two hosts": get(b"Host: x") + SMUGGLED,
        "two hosts that differ": get(b"hOST: internal.example") + SMUGGLED,
        "no host": b"GET " + TARGET + b" HTTP/1.1\r\n" + AUTH + b"\r\n" + SMUGGLED,
        "more headers than anybody sends": get(b"\r\n".join([b"a: b"] * 300)) + SMUGGLED,
    }
) | {
    "two types": Case(post(b"Content-Type: x/y\r\nContent-Length: 14", BODY), End.DENIED),
    "two encodings": Case(
        post(b"Content-Encoding: identity\r\nContent-Encoding: br\r\nContent-Length: 14", BODY),
        End.DENIED,
    ),
}

_OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
_SOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
HOPS = served(
    {
        "h2c": get(_OFFER + b"X-A: b"),
        "websocket": get(_SOCKET + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        "names transfer-encoding": post(
            b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked", CHUNKED
        ),
        "names content-length": post(b"Connection: content-length\r\nContent-Length: 14", BODY),
        "names host": get(b"Connection: host, X-Gone\r\nX-Gone: 1"),
        "te and trailer": get(b"TE: trailers, chunked\r\nTrailer: X-A\r\nKeep-Alive: timeout=9"),
        "proxy headers": get(b"Proxy-Connection: x\r\nProxy-Authorization: Basic eDp5"),
        "expects what nobody knows": get(b"Expect: the-unexpected"),
        "upgrade without connection": get(b"Upgrade: h2c"),
        "bytes beyond ASCII in a value": get(b"X-A: \xe5\x98\x8d\xe5\x98\x8a\xff"),
    }
) | {
    "h2c with a body": Case(
        post(_OFFER + b"Content-Length: 14", BODY), End.SERVED, b'"prompt":"x"'
    ),
    "h2c with chunks": Case(
        post(_OFFER + b"Transfer-Encoding: chunked", CHUNKED), End.SERVED, b'"prompt":"x"'
    ),
    "h2c with a length that is a request": Case(
        post(_OFFER + b"Content-Length: LENGTH", SMUGGLED),
        End.DENIED,
    ),
    "h2c with CL.TE": Case(
        post(_OFFER + b"Content-Length: 5\r\nTransfer-Encoding: chunked", CHUNKED), End.REFUSED
    ),
    "names the credential": Case(get(b"Connection: authorization"), End.DENIED),
    "HTTP/1.0 that expects to be told": Case(
        post(
            b"Expect: 100-continue\r\nContent-Length: 14",
            BODY,
            b"POST " + TARGET + b" HTTP/1.0",
        ),
        End.ALONE,
    ),
}


def _at(target: bytes) -> bytes:
    return get(line=b"GET " + target + b" HTTP/1.1")


def _json(body: bytes) -> bytes:
    return post(b"Content-Length: LENGTH", body)


_BROKEN = b"%0d%0aX-Smuggled:%201%0d%0a%0d%0a"
_WIDE = b"%E5%98%8D%E5%98%8AX-Smuggled:%201"  # code points whose last bytes are CR and LF
ENCODED: Family = {
    "in the query": Case(_at(TARGET + b"?a=" + _BROKEN), End.SERVED, b"a=" + _BROKEN),
    "in a name of the query": Case(_at(TARGET + b"?" + _BROKEN), End.SERVED, b"?" + _BROKEN),
    "wide in the query": Case(_at(TARGET + b"?a=" + _WIDE), End.SERVED, _WIDE),
    "wide in the path": Case(_at(TARGET + _WIDE), End.SERVED, IMAGES + _WIDE),
    "twice in the query": Case(_at(TARGET + b"?a=%250d%250a"), End.SERVED, b"a=%250d%250a"),
    "in the path": Case(_at(TARGET + b"%0d%0aX-Smuggled:%201"), End.DENIED),
    "a blank and a version in the path": Case(_at(TARGET + b"%20HTTP/1.1%0d%0a"), End.DENIED),
    "in a header": Case(get(b"X-A: %0d%0aX-Smuggled: 1"), End.SERVED, b"%0d%0aX-Smuggled: 1"),
    "wide in a header": Case(
        get(b"X-A: \xe5\x98\x8d\xe5\x98\x8aX"), End.SERVED, b"\xe5\x98\x8d\xe5\x98\x8aX"
    ),
    "next line in a header": Case(get(b"X-A: a\x85b"), End.SERVED, b"a\xc2\x85b"),
    "in a member's name": Case(
        _json(b'{"a\\r\\nX-Smuggled: 1":1}'), End.SERVED, b'"a\\r\\nX-Smuggled: 1":1'
    ),
    "bare in a member's name": Case(_json(b'{"a\r\nX-Smuggled: 1":1}'), End.DENIED),
    "behind the key of the body": Case(
        post(b"Content-Length: LENGTH", b'{"key":"KEY\\r\\nX-Smuggled: 1"}').replace(AUTH, b""),
        End.DENIED,
    ),
    "behind the key of the query": Case(
        _at(TARGET + b"?key=KEY" + _BROKEN).replace(AUTH, b""), End.DENIED
    ),
    "an absolute target": Case(_at(b"http://x" + TARGET), End.SERVED, b"GET " + IMAGES),
    "an absolute target elsewhere": Case(
        _at(b"http://u:p@internal.example:99" + TARGET), End.SERVED, b"GET " + IMAGES + b"?"
    ),
}
