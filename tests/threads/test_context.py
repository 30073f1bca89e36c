"""Context variables: which values a job sees, and where those that it sets stay."""

import contextvars
import decimal

import pytest

COPIES = "jobs run in the worker's own context"

variable = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(autouse=True)
def set_by_the_caller():
    token = variable.set("caller")
    yield
    variable.reset(token)


def swap(value):
    """Set the variable; give what it was."""
    before = variable.get()
    variable.set(value)
    return before


@pytest.mark.nalsil_pool(COPIES)
class TestCopied:
    """`context="copy"`, which is the default."""

    @pytest.mark.parametrize("options", [{}, {"context": "copy"}])
    def test_a_job_sees_what_its_caller_has_set(self, new_pool, options):
        assert new_pool(**options).submit(variable.get).result() == "caller"

    def test_as_it_was_when_the_job_was_submitted(self, busy_pool, gate):
        future = busy_pool().submit(variable.get)
        variable.set("later")
        gate.open()
        assert future.result() == "caller"

    def test_what_a_job_sets_stays_with_it(self, new_pool):
        pool = new_pool(1)
        assert pool.submit(swap, "first job").result() == "caller"
        assert pool.submit(swap, "second job").result() == "caller"
        assert variable.get() == "caller"

    def test_jobs_of_one_caller_run_side_by_side(self, new_pool, gate):
        pool = new_pool(2)
        futures = [pool.submit(lambda: gate.job() or swap("job")) for _ in range(2)]
        gate.wait_for(2)
        gate.open()
        assert [future.result() for future in futures] == ["caller", "caller"]

    def test_map_carries_it(self, new_pool):
        assert list(new_pool().map(lambda _: variable.get(), range(3))) == ["caller"] * 3

    def test_options_carry_it(self, new_pool):
        view = new_pool().options(priority=1)
        variable.set("set after the view was made")
        assert view.submit(variable.get).result() == "set after the view was made"

    def test_a_job_hands_its_own_on(self, new_pool):
        pool = new_pool(2)

        def outer():
            variable.set("outer")
            return pool.submit(variable.get).result()

        assert pool.submit(outer).result() == "outer"

    def test_a_caller_that_enters_a_context_hands_that_on(self, new_pool):
        pool, context = new_pool(), contextvars.Context()
        assert context.run(lambda: pool.submit(variable.get).result()) == "unset"

    def test_decimal_arithmetic_keeps_its_precision(self, new_pool):
        with decimal.localcontext(prec=5):
            third = new_pool().submit(lambda: decimal.Decimal(1) / 3).result()
        assert third == decimal.Decimal("0.33333")

    def test_the_exception_of_a_job_leaves_it(self, new_pool):
        pool = new_pool(1)

        def fail():
            variable.set("failing")
            raise LookupError

        assert isinstance(pool.submit(fail).exception(), LookupError)
        assert pool.submit(variable.get).result() == "caller"


@pytest.fixture
def uncopied(new_pool, module):
    """A pool of one worker, whose jobs run in the context of that worker."""
    return new_pool(1, context=None) if module.__name__ == "nalsil" else new_pool(1)


class TestTheWorkersOwn:
    """`context=None`, and always in the stock pool."""

    def test_a_job_does_not_see_what_its_caller_has_set(self, uncopied):
        assert uncopied.submit(variable.get).result() == "unset"

    def test_a_worker_starts_with_nothing_set(self, uncopied):
        assert uncopied.submit(lambda: len(contextvars.copy_context())).result() == 0

    def test_what_a_job_sets_the_next_job_of_the_worker_sees(self, uncopied):
        assert uncopied.submit(swap, "first").result() == "unset"
        assert uncopied.submit(variable.get).result() == "first"
        assert variable.get() == "caller"


def test_an_initializer_sees_nothing_of_the_first_caller(new_pool):
    seen = []
    pool = new_pool(1, initializer=lambda: seen.append(variable.get()))
    pool.submit(int).result()
    assert seen == ["unset"]
