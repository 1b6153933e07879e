"""Logarithmic latency buckets: mergeable by addition, quantiles at most 10 % off.

Packed, a histogram is five bytes for each bucket that is not empty, in their order: its number
and how many calls.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from math import ceil

# Neighbouring bucket bounds differ by 20 %, the middle is told: at most 10 % off.
GROWTH = 1.2
FIRST_MS = 0.1
LAST_BUCKET = 120  # 0.1 ms * 1.2^120: more than three days
_BOUNDS = [FIRST_MS * GROWTH**number for number in range(LAST_BUCKET)]  # upper


_PAIR = struct.Struct("<BI")
MOST = 2**32 - 1  # calls of one bucket


def packed(buckets: Mapping[int, int]) -> bytes:
    return b"".join([_PAIR.pack(at, min(n, MOST)) for at, n in sorted(buckets.items())])


def unpacked(histogram: bytes) -> Iterator[tuple[int, int]]:
    """(bucket, calls) of a packed histogram, or of several one behind the other."""
    return _PAIR.iter_unpack(histogram)


def merged(left: bytes, right: bytes) -> bytes:
    """Both packed histograms in one."""
    buckets = dict(_PAIR.iter_unpack(left))
    for bucket, requests in _PAIR.iter_unpack(right):
        buckets[bucket] = buckets.get(bucket, 0) + requests
    return packed(buckets)


def bucket_of(latency_ms: float) -> int:
    """The histogram bucket of a latency: 0 up to FIRST_MS, then logarithmic."""
    return bisect_left(_BOUNDS, latency_ms)


def latency_of(bucket: int) -> float:
    """The latency told for a bucket: at most 10 % from any latency inside it."""
    upper = FIRST_MS * GROWTH**bucket
    return upper if bucket == 0 else upper * 2 / (1 + GROWTH)


def summed(histograms: Iterable[bytes]) -> list[int]:
    """The calls of each bucket, of packed histograms together."""
    calls = [0] * (LAST_BUCKET + 1)
    for histogram in histograms:
        for bucket, n in _PAIR.iter_unpack(histogram):
            calls[bucket] += n
    return calls


def quantiles(calls: Iterable[int], shares: Iterable[float]) -> list[float]:
    """The latencies below which these shares lie of the calls of each bucket; 0 without calls."""
    seen = list(accumulate(calls))
    if not seen or not seen[-1]:
        return [0.0 for _ in shares]
    ranks = [max(1, ceil(share * seen[-1])) for share in shares]
    return [latency_of(bisect_left(seen, rank)) for rank in ranks]


def quantile(buckets: Mapping[int, int], q: float) -> float:
    """The same of one share, of the buckets that are not empty."""
    return quantiles([buckets.get(number, 0) for number in range(LAST_BUCKET + 1)], [q])[0]
