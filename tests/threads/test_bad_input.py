"""Bad input: which exception each call raises, and what its text says.

`text` is a regular expression. What only nalsil refuses says in its text what to do instead; where
the stock pool refuses too, the type and the text are the stock pool's.
"""

import inspect
import queue
import re
import threading
from concurrent.futures import InvalidStateError
from dataclasses import dataclass

import pytest

LATER = "it takes it, and the first thread that looks at it fails, or nobody does"
UNKNOWN = "it has no such option"


@dataclass(frozen=True)
class Row:
    """A call that is refused."""

    call: str
    """The expression; its names are those that `names` defines."""
    error: type[BaseException] | tuple[type[BaseException], ...]
    text: str
    not_stock: str = UNKNOWN
    """Why the stock pool has no such row; empty if it has."""


HINT = "hint: "
INTEGER = "must be an integer"

MAKING = [
    Row("Pool(0)", ValueError, "max_workers must be greater than 0", ""),
    Row("Pool(-1)", ValueError, "max_workers must be greater than 0", ""),
    Row("Pool(max_workers=0)", ValueError, "max_workers must be greater than 0", ""),
    Row("Pool('4')", TypeError, "", ""),
    Row("Pool([])", TypeError, "", ""),
    Row("Pool(2.5)", TypeError, f"max_workers.*{INTEGER}", LATER),
    Row("Pool(nan)", TypeError, f"max_workers.*{INTEGER}", LATER),
    Row("Pool(10**30)", (ValueError, OverflowError), "max_workers", LATER),
    Row("Pool(1, 5)", TypeError, "thread_name_prefix.*string", LATER),
    Row("Pool(initializer=5)", TypeError, "initializer must be a callable", ""),
    Row("Pool(initializer='print')", TypeError, "initializer must be a callable", ""),
    Row("Pool(initializer=print, initargs=5)", TypeError, "initargs.*tuple", LATER),
    Row("Pool(1, 'a', None, (), 5)", TypeError, "argument", ""),
    Row("Pool(spam=1)", TypeError, "spam", ""),
]
OPTIONS = [
    Row("Pool(2, min_workers=-1)", ValueError, "min_workers.*0"),
    Row("Pool(2, min_workers=3)", ValueError, f"min_workers.*max_workers.*{HINT}"),
    Row("Pool(2, min_workers=1.0)", TypeError, f"min_workers.*{INTEGER}"),
    Row("Pool(2, min_workers=True)", TypeError, f"min_workers.*{INTEGER}"),
    Row("Pool(2, min_workers='1')", TypeError, f"min_workers.*{INTEGER}"),
    Row("Pool(2, min_workers=None)", TypeError, f"min_workers.*{INTEGER}"),
    Row("Pool(idle_timeout=-1)", ValueError, "idle_timeout.*seconds"),
    Row("Pool(idle_timeout=nan)", ValueError, "idle_timeout.*seconds"),
    Row("Pool(idle_timeout='10')", TypeError, "idle_timeout.*seconds"),
    Row("Pool(max_queue=0)", ValueError, f"max_queue.*{HINT}.*None"),
    Row("Pool(max_queue=-5)", ValueError, f"max_queue.*{HINT}.*None"),
    Row("Pool(max_queue=1.5)", TypeError, f"max_queue.*{INTEGER} or None"),
    Row("Pool(max_queue=True)", TypeError, f"max_queue.*{INTEGER} or None"),
    Row("Pool(max_queue='5')", TypeError, f"max_queue.*{INTEGER} or None"),
    Row("Pool(stack_size=-1)", ValueError, f"stack_size.*{HINT}"),
    Row("Pool(stack_size=0)", ValueError, f"stack_size.*{HINT}"),
    Row("Pool(stack_size=65536)", ValueError, f"stack_size.*{HINT}"),
    Row("Pool(stack_size=2.0**24)", TypeError, f"stack_size.*{INTEGER} or None"),
    Row("Pool(stack_size=True)", TypeError, f"stack_size.*{INTEGER} or None"),
    Row("Pool(stack_size='8M')", TypeError, f"stack_size.*{INTEGER} or None"),
    Row("Pool(context='new')", ValueError, "context.*copy.*None"),
    Row("Pool(context=True)", (TypeError, ValueError), "context.*copy.*None"),
    Row("Pool(max_overflow=-1)", ValueError, "max_overflow.*0"),
    Row("Pool(max_overflow=1.5)", TypeError, f"max_overflow.*{INTEGER} or None"),
    Row("Pool(max_overflow=True)", TypeError, f"max_overflow.*{INTEGER} or None"),
    Row("Pool(exit_timeout=-1)", ValueError, "exit_timeout.*seconds"),
    Row("Pool(exit_timeout=nan)", ValueError, "exit_timeout.*seconds"),
    Row("Pool(exit_timeout='5')", TypeError, "exit_timeout.*seconds"),
]
SUBMITTING = [
    Row("pool.submit()", TypeError, "argument", ""),
    Row("pool.submit(fn=print)", TypeError, "argument", ""),
    Row("pool.submit(None).result()", TypeError, "callable", ""),
    Row("pool.submit('print').result()", TypeError, "callable", ""),
    Row("pool.submit(nothing()).result()", TypeError, "callable", ""),
    Row("pool.submit(int, spam=1).result()", TypeError, "spam", ""),
    Row("pool.submit(nothing).result()", TypeError, f"coroutine.*{HINT}", "it calls it in vain"),
    Row("ended.submit(int)", RuntimeError, "cannot schedule new futures after shutdown", ""),
    Row("ended.map(int, 'a')", RuntimeError, "cannot schedule new futures after shutdown", ""),
    Row("pool.map()", TypeError, "argument", ""),
    Row("pool.map(int, 5)", TypeError, "not iterable|iteration|iterable", ""),
    Row("list(pool.map(None, 'a'))", TypeError, "callable", ""),
    Row("pool.map(int, 'a', timeout='1')", TypeError, "", ""),
    Row("pool.map(int, 'a', spam=1)", TypeError, "spam", ""),
    Row("pool.map(int, 'a', buffersize=0)", ValueError, "buffersize must be None or > 0"),
    Row("pool.map(int, 'a', buffersize=-1)", ValueError, "buffersize must be None or > 0"),
    Row("pool.map(int, 'a', buffersize=1.5)", TypeError, "buffersize must be an integer or None"),
    Row("pool.options(5)", TypeError, "argument"),
    Row("pool.options(spam=1)", TypeError, "spam"),
    Row("pool.options(priority=1.5)", TypeError, f"priority.*{INTEGER}"),
    Row("pool.options(priority=nan)", TypeError, f"priority.*{INTEGER}"),
    Row("pool.options(priority=True)", TypeError, f"priority.*{INTEGER}"),
    Row("pool.options(priority='high')", TypeError, f"priority.*{INTEGER}"),
    Row("pool.options(priority=None)", TypeError, f"priority.*{INTEGER}"),
    Row("pool.options(timeout=-1)", ValueError, "timeout.*seconds"),
    Row("pool.options(timeout=nan)", ValueError, "timeout.*seconds"),
    Row("pool.options(timeout='1')", TypeError, "timeout.*seconds"),
    Row("pool.options(block=False, timeout=1)", ValueError, f"timeout.*block.*{HINT}"),
    Row("pool.options().submit()", TypeError, "argument"),
    Row("pool.options().submit(None).result()", TypeError, "callable"),
    Row("ended.options().submit(int)", RuntimeError, "cannot schedule new futures after shutdown"),
    Row("full.options(block=False).submit(int)", queue.Full, HINT),
]
ENDING = [
    Row("pool.shutdown(True, True)", TypeError, "positional", ""),
    Row("pool.shutdown(spam=1)", TypeError, "spam", ""),
    Row("pool.shutdown(timeout=-1)", ValueError, "timeout.*seconds"),
    Row("pool.shutdown(timeout=nan)", ValueError, "timeout.*seconds"),
    Row("pool.shutdown(timeout='1')", TypeError, "timeout.*seconds"),
]
FUTURES = [
    Row("pending.result(timeout='1')", TypeError, "", ""),
    Row("pending.result(nan)", (ValueError, TimeoutError), "", ""),
    Row("pending.result(1, 2)", TypeError, "argument", ""),
    Row("pending.exception('1')", TypeError, "", ""),
    Row("pending.set_result()", TypeError, "argument", ""),
    Row("pending.add_done_callback()", TypeError, "argument", ""),
    Row("done.set_result(1)", InvalidStateError, "", ""),
    Row("done.set_exception(ValueError())", InvalidStateError, "", ""),
    Row("done.set_running_or_notify_cancel()", RuntimeError, "", ""),
    Row("Future(1)", TypeError, "argument", ""),
]
AWAITING = [
    Row("loop.run_in_executor(pool)", TypeError, "func", ""),
    Row("loop.run_in_executor(pool, None)", TypeError, "callable", "it waits for the thread"),
    Row("loop.run_in_executor(pool, nothing)", TypeError, "coroutines cannot be used", LATER),
    Row("loop.run_in_executor(pool, nothing())", TypeError, "coroutines cannot be used", LATER),
    Row("loop.run_in_executor(pool, int, spam=1)", TypeError, "spam", ""),
    Row("loop.run_in_executor(ended, int)", RuntimeError, "after shutdown", ""),
    Row("loop.run_in_executor('pool', int)", (AttributeError, TypeError), "submit|executor", ""),
    Row("loop.set_default_executor('pool')", TypeError, "must be ThreadPoolExecutor", ""),
    Row("loop.set_default_executor(None)", TypeError, "must be ThreadPoolExecutor", ""),
    Row("nalsil.to_thread()", TypeError, "argument"),
    Row("nalsil.to_thread(None)", TypeError, "callable"),
    Row("nalsil.to_thread(nothing)", TypeError, f"coroutine.*{HINT}"),
    Row("nalsil.to_thread(nothing())", TypeError, "coroutine|callable"),
    Row("nalsil.to_thread(int, spam=1)", TypeError, "spam"),
    Row("nalsil.to_thread(int, limiter=5)", TypeError, "limiter.*asynchronous context manager"),
    Row("nalsil.to_thread(int, limiter=lock)", TypeError, "limiter.*asynchronous context manager"),
    Row("nalsil.check_cancelled()", RuntimeError, HINT),
    Row("nalsil.check_cancelled(1)", TypeError, "argument"),
]
BRIDGING = [
    Row("nalsil.from_thread.run(nothing)", RuntimeError, f"{HINT}.*await"),
    Row("nalsil.from_thread.run_sync(int)", RuntimeError, HINT),
    Row("nalsil.from_thread.run()", TypeError, "argument"),
    Row("pool.submit(nalsil.from_thread.run, nothing).result()", RuntimeError, HINT),
    Row("pool.submit(nalsil.from_thread.run_sync, int).result()", RuntimeError, HINT),
    Row(
        "nalsil.to_thread(nalsil.from_thread.run, int)",
        TypeError,
        f"coroutine function.*{HINT}.*run_sync",
    ),
    Row("nalsil.to_thread(nalsil.from_thread.run, None)", TypeError, "coroutine function"),
    Row(
        "nalsil.to_thread(nalsil.from_thread.run_sync, nothing)",
        TypeError,
        f"coroutine.*{HINT}.*`?run",
    ),
    Row("nalsil.to_thread(nalsil.from_thread.run_sync, None)", TypeError, "callable"),
]
PORTALS = [
    Row("nalsil.Portal('name')", TypeError, "argument"),
    Row("nalsil.Portal(spam=1)", TypeError, "spam"),
    Row("nalsil.Portal(name=5)", TypeError, "name.*string"),
    Row("nalsil.Portal().call(int)", RuntimeError, f"{HINT}.*start"),
    Row("nalsil.Portal().submit(int)", RuntimeError, f"{HINT}.*start"),
    Row("portal.call()", TypeError, "argument"),
    Row("portal.call(None)", TypeError, "callable"),
    Row("portal.call(nothing())", TypeError, f"coroutine.*{HINT}|callable"),
    Row("portal.submit(None)", TypeError, "callable"),
    Row("portal.call(int, 'spam')", ValueError, "invalid literal"),
    Row("portal.call(portal.call, int)", RuntimeError, f"{HINT}.*await"),
    Row("portal.call(portal.close)", RuntimeError, HINT),
    Row("portal.start()", RuntimeError, HINT),
    Row("portal.close(True)", TypeError, "argument"),
    Row("closed.call(int)", RuntimeError, f"closed.*{HINT}"),
    Row("closed.submit(int)", RuntimeError, f"closed.*{HINT}"),
    Row("closed.start()", RuntimeError, f"closed.*{HINT}"),
]
ROWS = MAKING + OPTIONS + SUBMITTING + ENDING + FUTURES + AWAITING + BRIDGING + PORTALS


async def nothing():
    return None


@pytest.fixture
def names(request, loop, module, pool_type, future_type, new_pool, busy_pool):
    """What the expressions of the rows are made of; costly things only where they are named."""
    call = request.node.callspec.params["row"].call
    found = {
        "Pool": pool_type,
        "Future": future_type,
        "loop": loop,
        "nothing": nothing,
        "nan": float("nan"),
        "lock": threading.Lock(),
        "nalsil": module,
        "pool": new_pool(1),
        "ended": new_pool(1),
        "pending": future_type(),
        "done": future_type(),
    }
    found["ended"].shutdown()
    found["done"].set_result(None)
    if "full" in call:
        found["full"] = busy_pool(max_queue=1)
        found["full"].submit(int)
    for name in re.findall("portal|closed", call):
        found[name] = request.getfixturevalue(name)
    return found


@pytest.fixture
def portal(module):
    with module.Portal() as portal:
        yield portal


@pytest.fixture
def closed(module):
    with module.Portal() as portal:
        pass
    return portal


def as_parameter(row):
    marks = [pytest.mark.nalsil_pool(row.not_stock)] if row.not_stock else []
    return pytest.param(row, id=row.call, marks=marks)


@pytest.mark.parametrize("row", [as_parameter(row) for row in ROWS])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_is_refused(run, names, row):
    async def call():
        answer = eval(row.call, names)
        return await answer if inspect.isawaitable(answer) else answer

    with pytest.raises(row.error) as caught:
        run(call())
    assert re.search(row.text, str(caught.value), re.DOTALL)


@pytest.mark.parametrize("row", [as_parameter(row) for row in MAKING + OPTIONS])
def test_nothing_is_left_of_a_pool_that_was_refused(names, row):
    before = threading.active_count()
    with pytest.raises(row.error):
        eval(row.call, names)
    assert threading.active_count() == before


def test_the_table_has_no_row_twice():
    assert len({row.call for row in ROWS}) == len(ROWS)


@pytest.mark.nalsil_pool("`nalsil.to_thread` needs nalsil's pool")
def test_to_thread_without_a_loop(module):
    with pytest.raises(RuntimeError, match="no running event loop"):
        module.to_thread(int).send(None)


@pytest.mark.parametrize("number", [1, 2, 1000])
def test_sizes_that_are_fine(new_pool, number):
    assert new_pool(number)._max_workers == number


@pytest.mark.nalsil_pool(UNKNOWN)
@pytest.mark.parametrize(
    "options",
    [
        {"min_workers": 0},
        {"min_workers": 2},
        {"idle_timeout": None},
        {"idle_timeout": 5},
        {"idle_timeout": float("inf")},
        {"max_queue": None},
        {"max_queue": 1},
        {"stack_size": None},
        {"stack_size": 8 * 1024 * 1024},
        {"context": "copy"},
        {"context": None},
        {"max_overflow": 0},
        {"max_overflow": None},
        {"exit_timeout": 0},
        {"exit_timeout": 1.5},
    ],
)
def test_options_that_are_fine(new_pool, options):
    assert new_pool(2, **options).submit(abs, -5).result() == 5


@pytest.mark.nalsil_pool(UNKNOWN)
@pytest.mark.parametrize("priority", [0, -1, 10**6, -(10**6)])
def test_priorities_that_are_fine(new_pool, priority):
    assert new_pool(1).options(priority=priority).submit(abs, -5).result() == 5


class Index:
    """An integer by `__index__`, as numpy's are."""

    def __index__(self):
        return 3


@pytest.mark.nalsil_pool("it compares what it was given with integers")
def test_numbers_like_integers_are_integers(new_pool):
    pool = new_pool(Index(), min_workers=Index(), max_queue=Index())
    assert pool._max_workers == 3
    assert pool.options(priority=Index()).submit(abs, -5).result() == 5
