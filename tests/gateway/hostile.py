"""Answers of a hostile or broken provider, and what each comes to."""

import socket
import zlib
from dataclasses import dataclass

from tests.gateway.conftest import REAL
from tests.gateway.raw import Line, Play, ok

GOOD = b'{"status": "success"}'
EVIL = ok(b'{"status": "success", "name": "evil"}')
CUT = 0  # the caller's connection breaks off, after a 200 was begun

Unreachable = (502, "network_error", "upstream_broke_off")
Unreadable = (502, "upstream_error", "unreadable_answer")
Late = (504, "network_error", "upstream_timeout")
Fine = (200, "ok", "")
Broken = (CUT, "network_error", "upstream_broke_off")
BrokenPacking = (CUT, "upstream_error", "unreadable_answer")


@dataclass(frozen=True)
class Case:
    play: bytes | Play
    expected: tuple[int, str, str]
    body: bytes | None = None  # what the caller gets of it, where that is decided
    closes: bool = False
    method: str = "POST"


def head(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + status, *lines, b"", b""))


def json(*lines: bytes, body: bytes = GOOD) -> bytes:
    return head(b"Content-Type: application/json", *lines) + body


def text(*lines: bytes, body: bytes = GOOD) -> bytes:
    return head(b"Content-Type: text/plain", *lines) + body


CHUNKED = b"Transfer-Encoding: chunked"
SIZE = b"Content-Length: 21"
ONE = b"15\r\n" + GOOD + b"\r\n"  # a chunk
END = b"0\r\n\r\n"

LENGTHS = {
    "too-long-closed": Case(json(b"Content-Length: 100"), Unreachable, closes=True),
    "too-long-closed-text": Case(text(b"Content-Length: 100"), Broken, closes=True),
    "too-long-open": Case(json(b"Content-Length: 100"), Late),
    "too-short-answer": Case(json(SIZE) + EVIL, Fine, GOOD),
    "too-short-two": Case(json(SIZE) + EVIL + EVIL, Fine, GOOD),
    "too-short-half": Case(json(SIZE) + EVIL[:40], Fine, GOOD),
    "too-short-text": Case(text(SIZE) + EVIL, Fine, GOOD),
    "too-short-garbage": Case(json(SIZE) + b"garbage\r\n\r\n" * 3, Unreachable),
    "too-short-one-byte": Case(json(SIZE) + b"x", Unreachable),
    "too-short-lines": Case(json(SIZE) + b"\r\n\r\n", Fine, GOOD),
    "zero-with-body": Case(json(b"Content-Length: 0") + EVIL, Unreachable),
    "twice-the-same": Case(json(SIZE, SIZE), Unreachable),
    "list-of-the-same": Case(json(b"Content-Length: 21, 21"), Unreachable),
    "conflict": Case(json(SIZE, b"Content-Length: 5"), Unreachable),
    "conflict-reversed": Case(json(b"Content-Length: 5", SIZE), Unreachable),
    "both": Case(json(SIZE, CHUNKED, body=ONE + END), Unreachable),
    "both-reversed": Case(json(CHUNKED, SIZE, body=ONE + END), Unreachable),
    "negative": Case(json(b"Content-Length: -1"), Unreachable),
    "plus": Case(json(b"Content-Length: +21"), Unreachable),
    "words": Case(json(b"Content-Length: abc"), Unreachable),
    "blank-inside": Case(json(b"Content-Length: 2 1"), Unreachable),
    "hexadecimal": Case(json(b"Content-Length: 0x15"), Unreachable),
    "huge": Case(json(b"Content-Length: 99999999999999999999999"), Unreachable),
    "fraction": Case(json(b"Content-Length: 21.0"), Unreachable),
    "empty": Case(json(b"Content-Length:"), Unreachable),
    "blank-before-colon": Case(json(b"Content-Length : 21"), Fine, GOOD),
    "none-and-closed": Case(json(), Fine, GOOD, closes=True),
}

CHUNKS = {
    "good": Case(json(CHUNKED, body=ONE + END), Fine, GOOD),
    "good-then-another": Case(json(CHUNKED, body=ONE + END) + EVIL, Fine, GOOD),
    "extension": Case(json(CHUNKED, body=b"15;a=b\r\n" + GOOD + b"\r\n" + END), Fine, GOOD),
    "trailer": Case(
        json(CHUNKED, body=ONE + b"0\r\nX-A: " + REAL.encode() + b"\r\n\r\n"), Fine, GOOD
    ),
    "size-words": Case(json(CHUNKED, body=b"zz\r\n" + GOOD), Unreachable),
    "size-negative": Case(json(CHUNKED, body=b"-15\r\n" + GOOD + b"\r\n" + END), Unreachable),
    "size-prefixed": Case(json(CHUNKED, body=b"0x15\r\n" + GOOD + b"\r\n" + END), Unreachable),
    "size-blank": Case(json(CHUNKED, body=b" 15\r\n" + GOOD + b"\r\n" + END), Unreachable),
    "size-empty": Case(json(CHUNKED, body=b"\r\n" + GOOD + b"\r\n" + END), Unreachable),
    "size-overflow": Case(json(CHUNKED, body=b"f" * 17 + b"\r\n" + GOOD), Unreachable),
    "size-wraps": Case(json(CHUNKED, body=b"1" + b"0" * 16 + b"15\r\n" + GOOD), Unreachable),
    "size-too-small": Case(json(CHUNKED, body=b"5\r\n" + GOOD + b"\r\n" + END), Unreachable),
    "size-endless": Case(json(CHUNKED, body=b"0" * 200_000), Unreachable, closes=True),
    "extension-endless": Case(
        json(CHUNKED, body=b"15;" + b"a" * 2_000_000), Unreachable, closes=True
    ),
    "end-missing": Case(json(CHUNKED, body=ONE), Unreachable, closes=True),
    "end-missing-text": Case(text(CHUNKED, body=ONE), Broken, GOOD, closes=True),
    "bad-later-text": Case(text(CHUNKED, body=ONE + b"zz\r\n"), Unreachable),
    "trailer-endless": Case(
        json(CHUNKED, body=ONE + b"0\r\n" + b"X-A: b\r\n" * 50_000), Unreachable
    ),
    "coding-unknown": Case(json(b"Transfer-Encoding: xchunked", body=ONE + END), Unreadable),
    "coding-before": Case(json(b"Transfer-Encoding: gzip, chunked", body=ONE + END), Unreadable),
    "coding-behind": Case(json(b"Transfer-Encoding: chunked, x", body=ONE + END), Unreadable),
    "coding-twice": Case(json(CHUNKED, CHUNKED, body=ONE + END), Unreadable),
}

HEADS = {
    "huge-value": Case(json(SIZE, b"X-A: " + b"a" * 200_000), Unreachable),
    "huge-name": Case(json(SIZE, b"x" * 200_000 + b": a"), Unreachable),
    "ten-thousand": Case(json(SIZE, *[b"X-A: b"] * 10_000), Unreachable),
    "endless": Case(head(*[b"X-A: " + b"b" * 1000] * 20_000)[:-2], Unreachable),
    "endless-value": Case(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 5_000_000, Unreachable),
    "endless-status": Case(b"HTTP/1.1 200 " + b"O" * 5_000_000, Unreachable),
    "nul": Case(json(SIZE, b"X-A: a\0b"), Unreachable),
    "carriage-return": Case(json(SIZE, b"X-A: a\rX-B: b"), Unreachable),
    "line-feed": Case(json(SIZE, b"X-A: a\nX-B: b"), Fine, GOOD),
    "folded": Case(json(SIZE, b"X-A: a", b" Set-Cookie: b"), Fine, GOOD),
    "no-colon": Case(json(SIZE, b"X-A"), Unreachable),
    "no-name": Case(json(SIZE, b": a"), Unreachable),
    "blank-in-name": Case(json(SIZE, b"X A: b"), Unreachable),
    "control-in-value": Case(json(SIZE, b"X-A: a\x01b"), Fine, GOOD),
    "latin": Case(json(SIZE, b"X-A: caf\xe9 \xff"), Fine, GOOD),
    "lf-only": Case(json(SIZE).replace(b"\r\n", b"\n"), Fine, GOOD),
}

STATUSES = {
    "bare-words": Case(b"hello, this is no HTTP\r\n\r\n", Unreachable, closes=True),
    "nothing-closed": Case(b"", Unreachable, closes=True),
    "no-reason": Case(
        b"HTTP/1.1 200\r\nContent-Type: application/json\r\n" + SIZE + b"\r\n\r\n" + GOOD,
        Fine,
        GOOD,
    ),
    "below-100": Case(head(b"Content-Length: 0", status=b"99 Low"), Unreachable),
    "one-digit": Case(head(b"Content-Length: 0", status=b"2 OK"), Unreachable),
    "four-digits": Case(head(b"Content-Length: 0", status=b"2000 OK"), Unreachable),
    "negative-status": Case(head(b"Content-Length: 0", status=b"-200 OK"), Unreachable),
    "letters": Case(head(b"Content-Length: 0", status=b"abc OK"), Unreachable),
    "above-599": Case(head(b"Content-Length: 0", status=b"600 High"), Unreadable),
    "above-999": Case(head(b"Content-Length: 0", status=b"999 High"), Unreadable),
    "upgrade": Case(
        head(b"Upgrade: websocket", b"Connection: Upgrade", status=b"101 Go") + EVIL, Unreadable
    ),
    "version-2": Case(json(SIZE).replace(b"HTTP/1.1", b"HTTP/2"), Unreachable),
    "version-9": Case(json(SIZE).replace(b"HTTP/1.1", b"HTTP/9.9"), Unreachable),
    "other-protocol": Case(json(SIZE).replace(b"HTTP/1.1", b"ICY"), Unreachable),
    "version-0": Case(json(SIZE).replace(b"HTTP/1.1", b"HTTP/1.0"), Fine, GOOD),
    "split-reason": Case(json(SIZE).replace(b"OK", b"O\rK"), Unreachable),
    "key-in-reason": Case(json(SIZE).replace(b"OK", REAL.encode()), Fine, GOOD),
    "hints-first": Case(head(b"Link: </a>", status=b"103 Hints") * 3 + json(SIZE), Fine, GOOD),
    "hints-flood": Case(head(status=b"103 Hints") * 5000, Unreachable),
    "continue-with-body": Case(head(SIZE, status=b"100 Continue") + GOOD, Unreachable),
    "body-to-204": Case(head(SIZE, status=b"204 None") + GOOD, Unreachable),
    "body-to-304": Case(head(SIZE, status=b"304 Same") + GOOD, Unreachable, method="GET"),
    "chunked-204": Case(head(CHUNKED, status=b"204 None") + ONE + END, Unreachable),
    "body-to-head": Case(json(SIZE) + EVIL, Unreachable, method="HEAD"),
    "second-answer-to-204": Case(head(status=b"204 None") + EVIL, (204, "ok", ""), b""),
}


def packed(body: bytes, encoding: bytes = b"gzip", media: bytes = b"application/json") -> bytes:
    return ok(body, b"Content-Encoding: " + encoding, media=media)


PACKINGS = {
    "gzip-bad": Case(packed(b"not gzip at all"), Unreadable),
    "gzip-bad-text": Case(packed(b"not gzip at all", media=b"text/plain"), BrokenPacking),
    "gzip-cut-head": Case(packed(b"\x1f\x8b\x08"), Unreadable),
    "gzip-empty": Case(packed(b""), Fine, b""),
    "deflate-bad": Case(packed(b"\xff\xff\xff", b"deflate"), Unreadable),
    "gzip-checksum": Case(packed(zlib.compress(GOOD, wbits=31)[:-8] + bytes(8)), Unreadable),
    "twice": Case(packed(GOOD, b"gzip, gzip"), Unreadable),
    "zstd": Case(packed(GOOD, b"zstd"), Unreadable),
    "unknown": Case(packed(GOOD, b"\xe9"), Unreadable),
    "key-inside": Case(
        packed(zlib.compress(b'{"a": "%s"}' % REAL.encode(), wbits=31)),
        Fine,
        b'{"a": "%s"}' % (b"*" * len(REAL)),
    ),
}


def resets(before: bytes) -> Play:
    def play(line: Line) -> None:
        line.body()
        line.say(before)
        line.reset()

    return play


def byte_by_byte(answer: bytes) -> Play:
    def play(line: Line) -> None:
        line.body()
        line.say(*(answer[at : at + 1] for at in range(len(answer))))

    return play


def half_closes(answer: bytes) -> Play:
    def play(line: Line) -> None:
        line.body()
        line.say(answer)
        line.sock.shutdown(socket.SHUT_WR)

    return play


EVENTS = b"text/event-stream"
EVENT = b'data: {"n": 1}\n\n'
SPELLED = REAL.encode()
KEY_BYTES = b"".join(b"1\r\n%c\r\n" % byte for byte in b"data: " + SPELLED + b"\n\n") + END

WAYS = {
    "reset-at-once": Case(resets(b""), Unreachable),
    "reset-in-head": Case(resets(b"HTTP/1.1 200 OK\r\nX-A"), Unreachable),
    "reset-in-json": Case(resets(json(b"Content-Length: 100")), Unreachable),
    "reset-in-text": Case(resets(text(b"Content-Length: 100")), Broken),
    "reset-in-events": Case(
        resets(head(b"Content-Type: " + EVENTS, CHUNKED) + b"10\r\n" + EVENT + b"\r\n"), Broken
    ),
    "silence": Case(b"", Late),
    "silence-in-head": Case(b"HTTP/1.1 200 OK\r\nContent-", Late),
    "byte-by-byte": Case(byte_by_byte(json(SIZE)), Fine, GOOD),
    "half-close": Case(half_closes(json()), Fine, GOOD),
    "half-close-at-once": Case(half_closes(b""), Unreachable),
    "half-close-in-body": Case(half_closes(json(b"Content-Length: 100")), Unreachable),
    "key-in-single-bytes": Case(
        head(b"Content-Type: " + EVENTS, CHUNKED) + KEY_BYTES,
        Fine,
        b"data: %s\n\n" % (b"*" * len(REAL)),
    ),
    "key-in-headers": Case(
        json(SIZE, b"X-A: " + SPELLED, b"X-" + SPELLED + b": a", b"Location: /?k=" + SPELLED),
        Fine,
        GOOD,
    ),
    "key-in-hints": Case(head(b"X-A: " + SPELLED, status=b"103 Hints") + json(SIZE), Fine, GOOD),
}

TABLES = (LENGTHS, CHUNKS, HEADS, STATUSES, PACKINGS, WAYS)


def as_play(case: Case) -> Play:
    if callable(case.play):
        return case.play
    answer, closes = case.play, case.closes

    def play(line: Line) -> None:
        line.body()
        line.say(answer)
        if closes:
            line.sock.shutdown(socket.SHUT_RDWR)

    return play
