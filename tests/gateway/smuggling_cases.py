"""Requests that two servers could take apart in two ways, by family, each with its name.

`KEY` stands for an app key, `LENGTH` for the number of bytes behind the head. What a case calls
smuggled must never be asked of the provider.
"""

from enum import Enum
from typing import NamedTuple


class End(Enum):
    REFUSED = "4xx, nothing is asked of the provider, the connection is closed"
    DENIED = "4xx, nothing is asked of the provider"
    SERVED = "200, one request, and the connection serves the next"
    ALONE = "200, one request, the connection is closed and what stood behind is dropped"


class Case(NamedTuple):
    sent: bytes
    end: End
    came: bytes = b""  # stands in what the provider got


Family = dict[str, Case]
IMAGES = b"/api/v6/images/text2img"
TARGET = b"/gateway/modelslab" + IMAGES
AUTH = b"Authorization: Bearer KEY\r\n"
SMUGGLED = b"GET /gateway/modelslab/smuggled HTTP/1.1\r\nHost: x\r\n" + AUTH + b"\r\n"
BODY = b'{"prompt":"x"}'
CHUNKED = b"e\r\n" + BODY + b"\r\n0\r\n\r\n"


def post(headers: bytes, body: bytes = b"", line: bytes = b"") -> bytes:
    line = line or b"POST " + TARGET + b" HTTP/1.1"
    head = line + b"\r\nHost: x\r\nContent-Type: application/json\r\n" + AUTH
    return head + headers + b"\r\n\r\n" + body


def get(headers: bytes = b"X-A: b", line: bytes = b"GET " + TARGET + b" HTTP/1.1") -> bytes:
    return line + b"\r\nHost: x\r\n" + AUTH + headers + b"\r\n\r\n"


def refused(cases: dict[str, bytes]) -> Family:
    return {name: Case(sent, End.REFUSED) for name, sent in cases.items()}


def served(cases: dict[str, bytes]) -> Family:
    return {name: Case(sent, End.SERVED) for name, sent in cases.items()}


def _length(*values: bytes, body: bytes = BODY) -> bytes:
    return post(b"\r\n".join(b"Content-Length: " + value for value in values), body + SMUGGLED)


LENGTHS = refused(
    {
        "twice the same": _length(b"14", b"14"),
        "two that differ": _length(b"14", b"0"),
        "two that differ, the other first": _length(b"0", b"14"),
        "a list": _length(b"14, 14"),
        "a list that differs": _length(b"14,0"),
        "plus": _length(b"+14"),
        "minus": _length(b"-14"),
        "hexadecimal": _length(b"0xe"),
        "with a blank": _length(b"1 4"),
        "with a point": _length(b"14.0"),
        "with an exponent": _length(b"14e0"),
        "with an underscore": _length(b"1_4"),
        "quoted": _length(b'"14"'),
        "empty": _length(b""),
        "not of ASCII": _length(b"\xb2"),
        "Arabic digits": _length("١٤".encode()),
        "past 64 bits": _length(b"18446744073709551630"),
        "with a vertical tab": _length(b"\x0b14"),
        "with a NUL": _length(b"14\x00"),
        "blank before the colon": post(b"Content-Length : 14", BODY + SMUGGLED),
        "tab before the colon": post(b"Content-Length\t: 14", BODY + SMUGGLED),
        "folded": post(b"Content-Length:\r\n 14", BODY + SMUGGLED),
        "on a bare line feed": post(b"X-A: b\nContent-Length: 14", BODY + SMUGGLED),
        "on a bare carriage return": post(b"X-A: b\rContent-Length: 14", BODY + SMUGGLED),
    }
) | served(
    {
        "leading zeros": post(b"Content-Length: 0014", BODY),
        "blanks around": post(b"Content-Length:  14  ", BODY),
        "with an underscore in its name": post(b"Content_Length: 3\r\nContent-Length: 14", BODY),
        "in other case": post(b"cONTENT-lENGTH: 14", BODY),
    }
)


def _coding(*lines: bytes, body: bytes = CHUNKED) -> bytes:
    return post(b"\r\n".join(lines), body + SMUGGLED)


CODINGS = refused(
    {
        "CL.TE": _coding(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        "TE.CL": _coding(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        "a length of nothing": _coding(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        "a length beside another coding": _coding(b"Content-Length: 24", b"Transfer-Encoding: x"),
        "twice": _coding(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        "identity, then chunked": _coding(
            b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"
        ),
        "chunked, then identity": _coding(
            b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"
        ),
        "chunked twice in a list": _coding(b"Transfer-Encoding: chunked, chunked"),
        "chunked is not the last": _coding(b"Transfer-Encoding: chunked, identity"),
        "packed and chunked": _coding(b"Transfer-Encoding: gzip, chunked"),
        "an empty member": _coding(b"Transfer-Encoding: ,chunked"),
        "an empty last member": _coding(b"Transfer-Encoding: chunked,"),
        "another word": _coding(b"Transfer-Encoding: xchunked"),
        "identity": _coding(b"Transfer-Encoding: identity"),
        "empty coding": _coding(b"Transfer-Encoding:"),
        "quoted coding": _coding(b'Transfer-Encoding: "chunked"'),
        "with a parameter": _coding(b"Transfer-Encoding: chunked;q=1"),
        "a tab behind": _coding(b"Transfer-Encoding: chunked\t"),
        "a vertical tab": _coding(b"Transfer-Encoding: \x0bchunked"),
        "a form feed": _coding(b"Transfer-Encoding: chunked\x0c"),
        "a NUL": _coding(b"Transfer-Encoding: chunked\x00"),
        "blank before its colon": _coding(b"Transfer-Encoding : chunked"),
        "tab before its colon": _coding(b"Transfer-Encoding\t: chunked"),
        "folded coding": _coding(b"Transfer-Encoding:\r\n chunked"),
        "folded behind another": _coding(b"X-A: b\r\n Transfer-Encoding: chunked"),
        "on a bare line feed": _coding(b"X-A: b\nTransfer-Encoding: chunked"),
        "on a bare carriage return": _coding(b"X-A: b\rTransfer-Encoding: chunked"),
        "of HTTP/1.0": post(
            b"Transfer-Encoding: chunked", CHUNKED + SMUGGLED, b"POST " + TARGET + b" HTTP/1.0"
        ),
    }
) | served(
    {
        "chunked": post(b"Transfer-Encoding: chunked", CHUNKED),
        "chunked in other case": post(b"tRANSFER-eNCODING: CHUNKED", CHUNKED),
        "a tab before": post(b"Transfer-Encoding:\tchunked", CHUNKED),
        "an underscore in its name": post(
            b"Transfer_Encoding: chunked\r\nContent-Length: 14", BODY
        ),
    }
)


def _chunks(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body + SMUGGLED)


_LAST = b"\r\n0\r\n\r\n"
CHUNKS = refused(
    {
        "a size past 64 bits": _chunks(b"1000000000000000e\r\n" + BODY + _LAST),
        "a size of 0x": _chunks(b"0xe\r\n" + BODY + _LAST),
        "a negative size": _chunks(b"-e\r\n" + BODY + _LAST),
        "a size with a plus": _chunks(b"+e\r\n" + BODY + _LAST),
        "a blank before the size": _chunks(b" e\r\n" + BODY + _LAST),
        "a blank behind the size": _chunks(b"e \r\n" + BODY + _LAST),
        "no size": _chunks(b"\r\n" + BODY + _LAST),
        "two sizes": _chunks(b"e,0\r\n" + BODY + _LAST),
        "an extension with a line feed": _chunks(b"e;a\n" + BODY + _LAST),
        "an extension with a carriage return": _chunks(b"e;a\rb\r\n" + BODY + _LAST),
        "an extension with a NUL": _chunks(b"e;a\x00\r\n" + BODY + _LAST),
        "an extension that opens a quote": _chunks(b'e;a="b\r\n' + BODY + _LAST),
        "a bare line feed behind the size": _chunks(b"e\n" + BODY + _LAST),
        "a bare carriage return behind it": _chunks(b"e\r" + BODY + _LAST),
        "a bare line feed behind the chunk": _chunks(b"e\r\n" + BODY + b"\n0\r\n\r\n"),
        "a bare return behind the chunk": _chunks(b"e\r\n" + BODY + b"\r0\r\n\r\n"),
        "nothing behind the chunk": _chunks(b"e\r\n" + BODY + b"0\r\n\r\n"),
        "more than the size said": _chunks(b"e\r\n" + BODY + b"yy" + _LAST),
        "less than the size said": _chunks(b"f\r\n" + BODY + _LAST),
        "a last line feed alone": _chunks(b"e\r\n" + BODY + b"\r\n0\r\n\n"),
        "a trailer with a length": _chunks(b"e\r\n" + BODY + b"\r\n0\r\nContent-Length: 0\r\n\r\n"),
        "a trailer with a coding": _chunks(
            b"e\r\n" + BODY + b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        "a trailer without a colon": _chunks(b"e\r\n" + BODY + b"\r\n0\r\nX-A\r\n\r\n"),
        "a trailer with a bare line feed": _chunks(b"e\r\n" + BODY + b"\r\n0\r\nX-A: b\n\n"),
    }
) | served(
    {
        "an extension": post(b"Transfer-Encoding: chunked", b"e;a=b\r\n" + BODY + _LAST),
        "zeros before the size": post(
            b"Transfer-Encoding: chunked", b"00000000000000000e\r\n" + BODY + b"\r\n000\r\n\r\n"
        ),
        "a trailer with a credential": post(
            b"Transfer-Encoding: chunked",
            b"e\r\n" + BODY + b"\r\n0\r\nAuthorization: Bearer other\r\nX-Smuggled: 1\r\n\r\n",
        ),
    }
)
CHUNKS["a trailer that ends the connection"] = Case(
    _chunks(b"e\r\n" + BODY + b"\r\n0\r\nConnection: close\r\n\r\n"), End.ALONE
)
