"""The table of what is measured: one `Row` per line of the report, and per placement."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

PINNED: Final = "pinned"
TWO_CORES: Final = "2 cores"
PLACEMENTS: Final = (PINNED, TWO_CORES)

CONTENDERS: Final = {
    "nalsil": "nalsil's loop, pool or portal, with the calls asyncio and `concurrent.futures` have",
    "nalsil.to_thread": "`nalsil.to_thread` on nalsil's loop",
    "nalsil-loop": "`asyncio.run_coroutine_threadsafe` to nalsil's loop in a thread",
    "asyncio": "stock asyncio; for portals `run_coroutine_threadsafe` to its loop in a thread",
    "uvloop": "the same on uvloop",
    "rloop": "the same on rloop",
    "rsloop": "the same on rsloop",
    "zuvloop": "the same on zuvloop",
    "anyio": "`anyio.to_thread.run_sync`, `anyio.from_thread.run`, `BlockingPortal` on asyncio",
    "stock": "`concurrent.futures.ThreadPoolExecutor`, and asyncio where a loop is needed",
    "thread": "a new `threading.Thread` each time",
}
"""Every name a column can have, and what stands behind it."""

LOOPS: Final = ("nalsil", "asyncio", "uvloop", "rloop", "rsloop", "zuvloop")
HOPS: Final = ("nalsil", "nalsil.to_thread", *LOOPS[1:], "anyio")
POOLS: Final = ("nalsil", "stock")


@dataclass(frozen=True, slots=True)
class Target:
    """How much better nalsil is to be.

    `ratios` says by placement how many times less time than `base` each of `judged` is to take.
    `cpu_microseconds` is instead the most CPU time one operation may take.
    """

    judged: tuple[str, ...] = ("nalsil",)
    base: str = ""
    ratios: Mapping[str, float] | None = None
    cpu_microseconds: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report.

    `name` is what `--rows` matches, and what names the work in `threads.child`. `measures` are
    the numbers that mean something for it, by their key in the report; `base` is the contender
    that ratios refer to.
    """

    name: str
    operation: str
    contenders: tuple[str, ...]
    base: str
    target: Target | None = None
    measures: tuple[str, ...] = ("time", "cpu", "switches")
    placements: tuple[str, ...] = PLACEMENTS
    quick: bool = True

    @property
    def table(self) -> str:
        """The report's table this row stands in."""
        return self.name.split("/")[0]


def _faster(base: str, pinned: float, two_cores: float, *judged: str) -> Target:
    return Target(judged or ("nalsil",), base, {PINNED: pinned, TWO_CORES: two_cores})


def _hops() -> Iterator[Row]:
    both = ("nalsil", "nalsil.to_thread")
    yield Row(
        "to_thread/sequential",
        "a `to_thread` of a function that returns at once, awaited before the next",
        HOPS,
        "asyncio",
        _faster("asyncio", 4, 8, *both),
    )
    yield Row(
        "to_thread/run_in_executor",
        "a `run_in_executor(None, …)`, awaited before the next",
        LOOPS,
        "asyncio",
    )
    yield Row(
        "to_thread/gather-1000",
        "one of 1,000 `to_thread` in a `gather`",
        HOPS,
        "asyncio",
        _faster("asyncio", 4, 4, *both),
    )


def _pools() -> Iterator[Row]:
    yield Row(
        "pool/submit-result",
        "`submit(…).result()` of a function that returns at once",
        POOLS,
        "stock",
        _faster("stock", 3.5, 8),
    )
    yield Row(
        "pool/bulk-10000",
        "one of 10,000 `submit`, then 10,000 `result`",
        POOLS,
        "stock",
        _faster("stock", 10, 10),
    )
    yield Row("pool/map-10000", "an item of a `map` over 10,000", POOLS, "stock")
    yield Row(
        "pool/burst-64-waits",
        "64 jobs that sleep for 20 ms, submitted at once to 64 idle workers, until all are done",
        POOLS,
        "stock",
    )
    yield Row(
        "pool/start",
        "a pool of one worker made, a job's result from it, the pool shut down",
        (*POOLS, "thread"),
        "stock",
    )


def _portals() -> Iterator[Row]:
    yield Row(
        "portal/call-coroutine",
        "a call of a coroutine function that returns at once, from a plain thread, with its result",
        ("nalsil", "nalsil-loop", "anyio", "asyncio", "uvloop"),
        "anyio",
        _faster("anyio", 5, 5),
    )
    yield Row(
        "portal/call-function",
        "the same of a plain function",
        ("nalsil", "anyio"),
        "anyio",
        quick=False,
    )
    yield Row(
        "portal/from_thread.run",
        "the same of a coroutine function, from a job in a worker to the loop that started it",
        ("nalsil", "anyio", "asyncio"),
        "anyio",
    )


def _idle() -> Iterator[Row]:
    yield Row(
        "idle/memory",
        "an idle worker, one of 200",
        POOLS,
        "stock",
        measures=("memory",),
        placements=(TWO_CORES,),
    )
    yield Row(
        "idle/program",
        "a second in which a loop, a pool of 8 idle workers and a portal have nothing to do",
        POOLS,
        "stock",
        Target(cpu_microseconds=250),
        measures=("cpu", "switches"),
        placements=(TWO_CORES,),
    )


def _latency() -> Iterator[Row]:
    loops = ("nalsil", "asyncio", "uvloop")
    yield Row(
        "latency/busy-thread",
        "a `to_thread` while another thread keeps the interpreter busy",
        loops,
        "asyncio",
        measures=("time", "p50", "p99"),
    )
    jobs = {
        "burn": "a job of 100 µs of CPU time, with the interpreter held",
        "wait": "a job that waits for 100 µs, with the interpreter released",
    }
    for gap, job in ((1, "burn"), (1, "wait"), (5, "burn")):
        yield Row(
            f"gaps/{gap}ms-{job}",
            f"{gap} ms of sleep, then a `to_thread` of {jobs[job]}",
            loops,
            "asyncio",
            measures=("cpu", "switches", "p50", "p99"),
            quick=gap == 1,
        )


ROWS: Final[tuple[Row, ...]] = (*_hops(), *_pools(), *_portals(), *_idle(), *_latency())
