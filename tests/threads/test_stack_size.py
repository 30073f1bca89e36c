"""`stack_size`: how much stack a worker has."""

import sys

import pytest

pytestmark = pytest.mark.nalsil_pool("the size of a stack is set for all threads of a process")

FLOOR = 256 * 1024 if sys.version_info >= (3, 14) else 1024 * 1024
LARGE = 16 * 1024 * 1024
"""More than a thread has that nobody asked for: an ended one's stack would be large enough else."""


OWN_STACK = """
import ctypes, threading

def own_stack():
    library = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t()
    thread = ctypes.c_void_p(threading.get_ident())
    assert library.pthread_getattr_np(thread, attributes) == 0
    assert library.pthread_attr_getstacksize(attributes, ctypes.byref(size)) == 0
    library.pthread_attr_destroy(attributes)
    return size.value

def in_thread():
    sizes = []
    thread = threading.Thread(target=lambda: sizes.append(own_stack()))
    thread.start()
    thread.join()
    return sizes[0]
"""


@pytest.fixture
def sizes(program):
    """Runs the source, which can ask for `own_stack()`; gives the sizes in bytes that it prints.

    In a new process, because the system's library gives stacks of ended threads to new ones.
    """

    def run(source):
        ended = program(f"from nalsil import ThreadPoolExecutor{OWN_STACK}{source}")
        assert (ended.stderr, ended.returncode) == ("", 0)
        return [int(line) for line in ended.stdout.split()]

    return run


def near(size):
    """The size, give or take what the system needs of a stack."""
    return pytest.approx(size, abs=64 * 1024)


@pytest.mark.parametrize("size", [FLOOR, 4 * FLOOR, 64 * 1024 * 1024])
def test_workers_have_that_much(sizes, size):
    source = f"print(ThreadPoolExecutor(1, stack_size={size}).submit(own_stack).result())"
    assert sizes(source) == [near(size)]


def test_other_threads_keep_theirs(sizes):
    usual, before, worker, after = sizes(
        f"""
print(in_thread(), threading.stack_size())
print(ThreadPoolExecutor(1, stack_size={LARGE}).submit(own_stack).result())
print(in_thread() and threading.stack_size())
"""
    )
    assert worker == near(LARGE)
    assert before == after
    assert usual != worker


def test_without_it_workers_have_what_threads_have(sizes):
    source = "print(in_thread(), ThreadPoolExecutor(1).submit(own_stack).result())"
    (thread, worker) = sizes(source)
    assert thread == worker


def test_every_worker_has_it(sizes):
    source = f"""
pool, barrier = ThreadPoolExecutor(3, stack_size={3 * FLOOR}), threading.Barrier(3)
futures = [pool.submit(lambda: barrier.wait() * 0 + own_stack()) for _ in range(3)]
print(*(future.result() for future in futures))
"""
    assert sizes(source) == [near(3 * FLOOR)] * 3


def test_the_smallest_is_enough_for_deep_recursion(new_pool):
    def dive(depth):
        return dive(depth - 1) + 1 if depth else 0

    assert new_pool(1, stack_size=FLOOR).submit(dive, 500).result() == 500


def test_endless_recursion_in_the_smallest_is_an_error_of_the_job(new_pool):
    class Endless:
        def __getattr__(self, name):
            return getattr(self, name)

    pool = new_pool(1, stack_size=FLOOR)
    assert isinstance(pool.submit(lambda: Endless().spam).exception(), RecursionError)
    assert pool.submit(int).result() == 0


@pytest.mark.parametrize("size", [1, 4096, FLOOR - 1])
def test_less_is_refused_with_the_reason(pool_type, size):
    with pytest.raises(ValueError, match=rf"stack_size.*{FLOOR}.*hint: "):
        pool_type(1, stack_size=size)
