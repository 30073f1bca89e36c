"""What a loop shuts down before it ends: generators left half-way, the default executor."""

import asyncio
import gc
import sys
import threading

import pytest


class TestAsyncGenerators:
    """Generators that the loop's tasks left half-way."""

    def test_shutdown_closes_the_open_ones(self, loop):
        ended = []

        async def numbers(name):
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(0)
                ended.append(name)

        held = [numbers("a"), numbers("b")]

        async def main():
            for generator in held:
                assert await anext(generator) == 1

        loop.run_until_complete(main())
        assert ended == []
        loop.run_until_complete(loop.shutdown_asyncgens())
        assert sorted(ended) == ["a", "b"]

    def test_shutdown_reports_what_a_generator_raises(self, loop, reported):
        async def broken():
            try:
                yield 1
            finally:
                raise LookupError("in the generator")

        generator = broken()

        async def main():
            await anext(generator)

        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
        (context,) = reported
        assert isinstance(context["exception"], LookupError)
        assert context["asyncgen"] is generator
        assert "an error occurred during closing of asynchronous generator" in context["message"]

    def test_a_dropped_one_is_closed_by_the_loop(self, loop, until):
        ended = []

        async def numbers():
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                ended.append(True)

        async def main():
            generator = numbers()
            await anext(generator)
            del generator
            gc.collect()
            await until(lambda: ended)

        loop.run_until_complete(main())

    def test_one_begun_after_the_shutdown_warns(self, loop):
        async def numbers():
            yield 1

        loop.run_until_complete(loop.shutdown_asyncgens())

        async def main():
            generator = numbers()
            with pytest.warns(ResourceWarning, match="was scheduled after"):
                await anext(generator)
            await generator.aclose()

        loop.run_until_complete(main())

    def test_the_hooks_of_before_come_back_after_a_run(self, loop):
        before = sys.get_asyncgen_hooks()
        loop.run_until_complete(asyncio.sleep(0))
        assert sys.get_asyncgen_hooks() == before


class TestDefaultExecutor:
    """The shutdown of the default executor."""

    def test_shutdown_waits_for_the_work(self, loop):
        begun, may_end, ended = threading.Event(), threading.Event(), []

        def work():
            begun.set()
            may_end.wait()
            ended.append(True)

        async def main():
            future = loop.run_in_executor(None, work)
            begun.wait()
            loop.call_later(0.01, may_end.set)
            await loop.shutdown_default_executor()
            assert ended == [True]
            await future

        loop.run_until_complete(main())

    def test_shutdown_without_an_executor_is_nothing(self, loop):
        loop.run_until_complete(loop.shutdown_default_executor())

    def test_after_the_shutdown_the_executor_refuses(self, loop):
        loop.run_until_complete(loop.shutdown_default_executor())
        with pytest.raises(RuntimeError, match=r"^Executor shutdown has been called$"):
            loop.run_in_executor(None, print)

    @pytest.mark.stock_since(3, 13)
    def test_shutdown_gives_up_after_the_timeout_and_warns(self, loop):
        begun, may_end = threading.Event(), threading.Event()

        def work():
            begun.set()
            may_end.wait()

        async def main():
            future = loop.run_in_executor(None, work)
            begun.wait()
            try:
                with pytest.warns(RuntimeWarning, match=r"within 0.01 seconds"):
                    await loop.shutdown_default_executor(timeout=0.01)
            finally:
                may_end.set()
            await future

        loop.run_until_complete(main())

    def test_close_does_not_wait_for_the_work(self, loop):
        begun, may_end = threading.Event(), threading.Event()

        def work():
            begun.set()
            may_end.wait()

        loop.run_in_executor(None, work)
        begun.wait()
        loop.close()
        may_end.set()
