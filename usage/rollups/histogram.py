"""Logarithmic latency buckets: mergeable by addition, quantiles at most 10 % off."""

from math import ceil, log

# Neighbouring bucket bounds differ by 20 %, the middle is told: at most 10 % off.
GROWTH = 1.2
FIRST_MS = 0.1
LAST_BUCKET = 120  # 0.1 ms * 1.2^120: more than three days
_LOG = log(GROWTH)


def bucket_of(latency_ms: float) -> int:
    """The histogram bucket of a latency: 0 up to FIRST_MS, then logarithmic."""
    if latency_ms <= FIRST_MS:
        return 0
    return min(ceil(log(latency_ms / FIRST_MS) / _LOG), LAST_BUCKET)


def latency_of(bucket: int) -> float:
    """The latency told for a bucket: at most 10 % from any latency inside it."""
    upper = FIRST_MS * GROWTH**bucket
    return upper if bucket == 0 else upper * 2 / (1 + GROWTH)


def quantile(buckets: dict[int, int], q: float) -> float:
    """The latency below which a share `q` of the calls lie; 0 when there are none."""
    total = sum(buckets.values())
    rank = max(1, ceil(q * total))
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            return latency_of(bucket)
    return 0.0
