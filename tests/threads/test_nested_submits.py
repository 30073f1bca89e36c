"""Jobs that submit to their own pool, and wait there."""

import concurrent.futures
import threading

import pytest

from .waiting import wait_until_asleep

MOST_NESTED = 16


class Crawl:
    """Each page submits three more, up to a number of pages."""

    def __init__(self, pool, pages):
        self.pool, self.left = pool, pages
        self.futures = []
        self.depth = self.deepest = 0

    def page(self):
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        for _ in range(3):
            if self.left:
                self.left -= 1
                self.futures.append(self.pool.submit(self.page))
        self.depth -= 1


@pytest.mark.nalsil_pool("its line has no bound")
def test_a_full_line_nests_jobs_only_so_deep(new_pool):
    pool = new_pool(1, max_queue=2)
    crawl = Crawl(pool, 2000)
    pool.submit(crawl.page).result()
    pool.shutdown()
    assert len(crawl.futures) == 2000
    assert [future.exception() for future in crawl.futures] == [None] * 2000
    assert 1 < crawl.deepest <= MOST_NESTED


def test_a_wait_with_an_end_does_not_run_the_job_itself(new_pool, gate):
    pool = new_pool(1)

    def outer():
        inner = pool.submit(gate.job, "inner")
        with pytest.raises(TimeoutError):
            inner.result(timeout=0.01)
        return inner

    # A worker that ran the inner job would wait at the gate, whatever the timeout.
    inner = pool.submit(outer).result()
    gate.open()
    assert inner.result() == "inner"


def test_a_job_may_look_at_a_future_that_waits_for_it(new_pool):
    pool, waiting = new_pool(2), concurrent.futures.Future()
    futures, given = {}, threading.Event()

    def look():
        given.wait()
        wait_until_asleep(waiting.result())
        with pytest.raises(TimeoutError):
            futures["wait"].result(timeout=0)
        return "looked"

    def wait():
        given.wait()
        waiting.set_result(threading.current_thread())
        return futures["look"].result()

    futures = {"look": pool.submit(look), "wait": pool.submit(wait)}
    given.set()
    assert futures["wait"].result() == "looked"
