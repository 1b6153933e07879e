"""What Keydeck costs beside the same call without it, side by side (`make bench`).

A target that isn't reached is said in the table and fails nothing: machines differ. A call that
went wrong, or one that is in the ledger not exactly once, fails.
"""

from collections.abc import Callable, Iterator
from statistics import median

import pytest
import redis

from tests.bench import bulk, load, streams
from tests.bench.rig import Server, Streams, send, tool
from tests.bench.stage import REDIS_DATABASE, Stage
from tests.bench.table import Table

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
ROUNDS, CALLS, CONNECTIONS = 5, 3000, 32
OPEN_STREAMS = 512
GIB = 1024**3
FERNET = 7.5  # µs of one decrypt on the machine that the targets are for


@pytest.fixture(scope="module")
def bare(stage: Stage) -> Iterator[Server]:
    server = stage.bare()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def full(stage: Stage) -> Iterator[Server]:
    server = stage.full()
    stage.measure(server, stage.post(), 4, 200, keyed=True)  # first connections, caches
    yield server
    server.stop()


def in_turn(
    first: Callable[[], load.Result], second: Callable[[], load.Result], rounds: int = ROUNDS
) -> list[tuple[load.Result, load.Result]]:
    """Short rounds by turns; the very first pair only warms up."""
    return [(first(), second()) for _ in range(rounds + 1)][1:]


def throughput(rounds: list[tuple[load.Result, load.Result]]) -> float:
    """The second's, of the first's."""
    return median(second.per_second / first.per_second for first, second in rounds)


def rate(results: list[load.Result]) -> str:
    return f"{median(result.per_second for result in results):,.0f}/s"


def cost(results: list[load.Result]) -> float:
    """µs of the server's processor for one call, what is drained after it included."""
    return sum(one.processor for one in results) / sum(one.calls for one in results) * 1e6


def beside(
    stage: Stage, table: Table, bare: Server, full: Server, name: str, text: str, target: float
) -> None:
    """A comparison at 32 connections."""
    rounds = in_turn(
        lambda: stage.measure(bare, text, CONNECTIONS, CALLS),
        lambda: stage.measure(full, text, CONNECTIONS, CALLS, keyed=True),
    )
    plain, ours = [one for one, _ in rounds], [other for _, other in rounds]
    table.at_least(f"full / bare throughput, 32 connections, {name}", target, throughput(rounds))
    table.note("  bare, full", f"{rate(plain)}, {rate(ours)}")
    said = f"{cost(plain):.0f}, {cost(ours):.0f} µs ({cost(plain) / cost(ours):.2f})"
    table.note("  processor a call, with draining", said)


def test_throughput_beside_a_bare_proxy(
    stage: Stage, table: Table, bare: Server, full: Server
) -> None:
    table.note("bare: uvicorn, aiohttp; full: uvicorn, lines of its own", "")
    beside(stage, table, bare, full, "POST of 1 KB", stage.post(), 0.80)
    beside(stage, table, bare, full, "GET", stage.get(), 0.80)


def test_throughput_beside_nginx_and_none(stage: Stage, table: Table, full: Server) -> None:
    nginx = stage.nginx()
    if nginx is None:
        table.note("nginx", "not installed")
    for server in filter(None, (stage.upstream, nginx)):
        found = in_turn(
            lambda server=server: stage.measure(server, stage.post(), CONNECTIONS, 4 * CALLS),  # type: ignore[misc]
            lambda: stage.measure(full, stage.post(), CONNECTIONS, CALLS, keyed=True),
            rounds=3,
        )
        name = "direct" if server is stage.upstream else "nginx"
        absolute = rate([one for one, _ in found])
        table.note(f"full / {name}, 32 connections", f"{throughput(found):.3f} ({absolute})")
    if nginx:
        alone = stage.measure(nginx, stage.post(), 1, 1000)
        table.note("nginx, 1 connection, p50", f"{alone.p50 * 1e6:.0f} µs")
        nginx.stop()


def test_time_added_to_a_lone_call(stage: Stage, table: Table, bare: Server, full: Server) -> None:
    rounds = [
        [
            stage.measure(server, stage.post(), 1, 500, keyed=server is full).p50 * 1e6
            for server in (stage.upstream, bare, full)
        ]
        for _ in range(ROUNDS + 1)
    ][1:]
    added = median((ours - none) / (plain - none) for none, plain, ours in rounds)
    table.at_most("p50 added over direct, 1 connection, full / bare", 1.2, added)
    said = ", ".join(f"{median(column):.0f}" for column in zip(*rounds, strict=True))
    table.note("  p50 direct, bare, full", f"{said} µs")


def test_a_key_in_the_body_beside_one_in_a_header(stage: Stage, table: Table, full: Server) -> None:
    rounds = in_turn(
        lambda: stage.measure(full, stage.post(), CONNECTIONS, CALLS, keyed=True),
        lambda: stage.measure(full, stage.post_in_body(), CONNECTIONS, CALLS, keyed=True),
    )
    table.at_least("key in JSON body / in header, throughput", 0.85, throughput(rounds))


def test_the_first_chunk_of_a_stream(
    stage: Stage, table: Table, bare: Server, full: Server
) -> None:
    def first(server: Server) -> float:
        order = streams.Order(server.port, stage.get("sse?chunks=5&delay=1"), 1, 100)
        result = Streams(order).result()
        assert (result.whole, result.bad) == (100, 0)
        return median(result.first) * 1e6

    rounds = []
    for _ in range(ROUNDS + 1):
        rounds.append((first(bare), first(full)))
        stage.expect(100)
    del rounds[0]
    ratio = median(ours / plain for plain, ours in rounds)
    table.at_most("first chunk of a stream, full / bare", 1.2, ratio)
    said = ", ".join(f"{median(column):.0f}" for column in zip(*rounds, strict=True))
    table.note("  bare, full", f"{said} µs")


def test_the_memory_of_many_streams(stage: Stage, table: Table) -> None:
    for name, start in (("bare", stage.bare), ("full", stage.full)):
        server = start()
        keyed = name == "full"
        stage.measure(server, stage.post(), 32, 500, keyed=keyed)
        before = server.memory()
        request = stage.get("sse?chunks=2&delay=4000")
        reading = Streams(streams.Order(server.port, request, OPEN_STREAMS))
        reading.open()
        grown = (server.memory() - before) / OPEN_STREAMS / 1024
        result = reading.result()
        assert (result.whole, result.bad) == (OPEN_STREAMS, 0)
        if keyed:
            stage.expect(OPEN_STREAMS)
            table.at_most("memory of each of 512 open streams", 100, grown, "KiB")
        else:
            table.note("  the same, bare", f"{grown:.0f} KiB")
        server.stop()


def test_the_memory_of_a_large_body(stage: Stage, table: Table) -> None:
    server = stage.full()
    stage.measure(server, stage.post(), 32, 500, keyed=True)
    head = stage.get("sink", content_type="application/octet-stream", content_length=str(GIB))
    down = stage.get(f"blob?bytes={GIB}")
    moves = (
        ("upload", lambda: bulk.upload(server.port, head.replace("GET", "POST", 1), GIB)),
        ("download", lambda: bulk.download(server.port, down)),
    )
    for name, move in moves:
        server.forget_peak()
        before = server.memory()
        assert move() == GIB
        grown = (server.memory("VmHWM") - before) / 1024**2
        stage.expect(1)
        table.at_most(f"memory of a {name} of 1 GiB", 8, grown, "MiB")
    server.stop()


@pytest.mark.redis
def test_limits_on_redis_with_two_processes(stage: Stage, table: Table) -> None:
    bare, full = stage.bare(2), stage.full(2, REDIS_URL=REDIS_DATABASE)
    try:
        name = "Redis, two processes"
        beside(stage, table, bare, full, name, stage.post(), 0.65)
        calls = 2 * stage.near
        met = send(full.port, stage.post(stage.near_key), CONNECTIONS, calls)
        assert set(met.statuses) == {"200", "429"} and sum(met.statuses.values()) == calls
        stage.expect(calls)
        over = met.statuses["200"] - stage.near
        table.at_most(f"calls above a limit of {stage.near:,} a minute", 0, over)
    finally:
        bare.stop()
        full.stop()
        with redis.Redis.from_url(REDIS_DATABASE) as client:
            for name in client.scan_iter("keydeck:limits:*"):
                if any(key in name.decode() for key in stage.ids):
                    client.delete(name)


def test_the_parts_of_a_call_alone(stage: Stage, table: Table) -> None:
    found = tool("inner", stage.key, stage.environment)
    pace = FERNET / found["fernet"]
    table.note("a Fernet decrypt on this machine", f"{found['fernet']:.1f} µs")
    for name, target in (("decision", 15), ("recording", 8), ("unsealing", 10)):
        table.at_most(
            f"{name} alone, scaled to {FERNET} µs a decrypt", target, found[name] * pace, "µs"
        )
        table.note("  as measured", f"{found[name]:.1f} µs")


def test_the_wrapper_beside_requests(stage: Stage, table: Table) -> None:
    found = tool("wrapper", str(stage.upstream.port), stage.environment)
    table.at_most("wrapper / requests, both without trust_env", 1.08, found["to_plain"])
    table.at_most("wrapper / requests as people use it", 0.90, found["to_usual"])
    for name, times in (("clock", found["clock"]), ("processor", found["processor"])):
        said = ", ".join(f"{one:.0f}" for one in times)
        table.note(f"  {name}: wrapper, without trust_env, with it", f"{said} µs")
    assert found["recorded"] == found["calls"]


def test_every_call_is_in_the_ledger_once(stage: Stage, table: Table) -> None:
    """The last one: each run before has waited for its own."""
    table.exact("calls in the ledger, as many as were answered", stage.expected, stage.recorded())
    assert stage.recorded() == stage.expected
